//! Your trait, on the wire: an RPC framework where a Rust trait is the whole contract.
//!
//! # The parts
//!
//! - [`rpc_service`] on a trait `Foo` generates `FooClient` and `FooServer`.
//! - [`Server`] serves any number of services, [`Channel`] is where clients call.
//! - [`Call`] is a call under way, a future with options; [`CallError`] and [`RpcError`] say how it ended.
//! - [`Streaming`] is a stream of values that a caller sends, [`CallStream`] the one that comes back, and [`OpenCall`] the
//!   future of one that may fail to open.
//! - A server calls its clients on their own connections: [`ChannelBuilder::service`] says what a client serves, and
//!   [`Context::peer_client`] is how a handler finds it.
//! - [`Context`] is the call that a handler serves; [`Caller`] and [`Handler`] are the seams for layers.
//! - `testing`, behind the feature of that name, has what tests need: mocks, and a network that fails on demand.
//!
//! # Defaults
//!
//! All are constants in [`limits`], where their reasons stand; the builders change them.
//!
//! | | default | changed by |
//! |---|---|---|
//! | a call's time in all; with a stream, until something moves | 10 s | [`Call::timeout`], `#[rpc(timeout = "…")]`, [`ChannelBuilder::timeout`] |
//! | a stream on which nothing moves | 60 s | `idle_timeout` of [`CallStream`], [`OpenCall`], [`Call`] and [`CallOptions`], `#[rpc(idle_timeout = "…")]` |
//! | a call with a stream in all | no limit | `total_timeout` of the same, `#[rpc(total_timeout = "…")]` |
//! | connecting | 2 s | [`ChannelBuilder::connect_timeout`] |
//! | handshake of a transport, and again the peer's HELLO | 10 s | `handshake_timeout` of both builders |
//! | handshakes of transports at a time, of a server | 1,024 | [`ServerBuilder::handshakes`] |
//! | reconnecting | at once, then 1 s × 1.6 ± 20 % up to 30 s; up to 2 s to one of many endpoints | [`ChannelBuilder::reconnect_wait`] |
//! | a message | 16 MiB | `message` of both builders |
//! | nesting | 64 | `depth` of both builders |
//! | elements of a message | a fourth of its bytes, from 65,536 to 1,048,576 | `elements` of both builders, `#[rpc(elements = N)]` |
//! | calls in flight on a connection | 1,024 | `in_flight` of both builders |
//! | calls with a stream on a connection | 128 each way | `streams` of both builders |
//! | a stream's credit: bytes under way and unread | 256 KiB at first, grows up to 4 MiB | `credit` of both builders |
//! | calls that wait for a place | 4,096 and 64 MiB | [`ChannelBuilder::queue`] |
//! | the time of calls at a server | what their callers ask for | [`ServerBuilder::deadline_default`], `deadline_most`, `deadline_least` |
//! | connections of a server | 10,000 | [`ServerBuilder::connections`] |
//! | threads that serve connections | those of the runtime it is started in | [`ServerBuilder::shards`] |
//! | retries, where they are asked for | 3 attempts, full jitter from 50 ms up to 2 s | [`Retry`], `#[rpc(retry(…))]` |
//! | hedges, where they are asked for | at the 95th percentile of the last 30 s | [`Hedge`], `#[rpc(hedge(…))]` |
//! | what a server remembers of calls that run once | 16,384 calls, 16 MiB, ten minutes | [`ServerBuilder::dedup`], `#[rpc(dedup)]` |
//! | retries and hedges of a channel, in any 10 s | 0.2 × calls + clamp(0.1 × calls/s, 1, 10) × 10 | [`policy::Budget`] |
//! | keepalive | a ping after 20 s of silence, 10 s for the answer | `keepalive`, `no_keepalive` |
//! | frames that move nothing | 16,384 at once, one a millisecond beyond | `vain_frames` of both builders |
//! | a write that moves by less than a kilobyte | 30 s | [`ServerBuilder::write_stall`] |
//! | grace of a shutdown | 30 s | [`ServerBuilder::grace`] |
//!
//! # Features
//!
//! None is on by default; each adds something and changes nothing, except that `testing` makes reading the clock slower.
//!
//! | | |
//! |---|---|
//! | `tls` | `tls://` for clients and servers, with rustls and ring |
//! | `dev-certs` | a certificate authority for development and tests, and the program `traitwire-certs` |
//! | `jwt` | signed tokens (JSON Web Tokens) as proof of who calls: [`policy::access`] |
//! | `testing` | a simulated network for tests, with faults |
//! | `cache` | answers kept on the calling side, [`policy`] |
//! | `config` | policies from TOML, [`policy`], and lists of servers in files, `file://`: [`discovery`] |
//! | `dns` | servers found by name, `dns://`: [`discovery`] |
//! | `etcd` | servers registered with and found through etcd, `etcd://`: [`discovery`] |
//!
//! # Panics
//!
//! A panic in a handler costs its call only, which needs `panic = "unwind"`, the default of Rust.
#![doc = "\n# The README\n"]
#![doc = include_str!("../README.md")]

pub mod balance;
mod call;
mod client;
pub mod discovery;
mod driver;
pub mod limits;
pub mod observe;
pub mod policy;
pub mod registry;
mod server;
#[cfg(feature = "testing")]
pub mod testing;
pub mod transport;

// The floors below the runtime: open for fuzz targets and for tools that speak the protocol, and outside the
// promises of semantic versioning.
#[doc(hidden)]
pub mod codec;
#[doc(hidden)]
pub mod private;
#[doc(hidden)]
pub mod proto;
#[doc(hidden)]
pub mod wire;

pub use call::{
    ArgumentDescriptor, Attempt, Backoff, Batch, CallError, CallOptions, CallResult, Caller, Candidate, Code,
    Context, Deadline, Delivery, Entry, Handler, HandlerFuture, Hedge, Identity, Items, Keep, Metadata,
    MetadataError, MethodDescriptor, Payload, Peer, Pick, Progress, Request, Response, Retry, RpcError,
    Scope, Service, ServiceDescriptor, Streaming, Token, TokenError, TokenSource, Value, Wanted,
};
pub use client::{
    Call, CallStream, Channel, ChannelBuilder, ChannelFuture, Client, Detailed, OpenCall, Reply, ResultCall,
    ResultType, connect, loopback, with,
};
pub use server::health;
pub use server::{BindError, Drained, Server, ServerBuilder, ServerHandle};
pub use traitwire_macros::rpc_service;
#[cfg(feature = "tls")]
pub use transport::tls;

/// The stream trait of the `futures` family, which methods return and take.
pub use futures::Stream;
