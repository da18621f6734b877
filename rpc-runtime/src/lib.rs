//! Your trait, on the wire.

mod call;
mod client;
mod driver;
pub mod limits;
pub mod observe;
mod server;
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
    ArgumentDescriptor, CallError, CallOptions, CallResult, Caller, Code, Context, Deadline, Delivery, Entry,
    Handler, HandlerFuture, Metadata, MetadataError, MethodDescriptor, Payload, Peer, Request, Response,
    RpcError, Scope, Scoped, Service, ServiceDescriptor, Value,
};
pub use client::{
    Call, Channel, ChannelBuilder, Client, Detailed, InFlight, Reply, ResultCall, ResultType, connect,
    loopback, with,
};
pub use server::{BindError, Drained, Server, ServerBuilder, ServerHandle};
pub use traitwire_macros::rpc_service;
