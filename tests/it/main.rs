//! Behaviour from outside: clients and servers over memory, TCP and Unix sockets.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod access;
mod balance;
mod breaker;
mod buggy;
mod bulk;
mod cache;
mod callbacks;
mod calls;
mod cancel;
mod clamps;
mod cluster;
mod conformance;
mod connections;
mod deadlines;
mod dedup;
#[rustfmt::skip] // its programs stand as the documents have them
mod documents;
mod ends;
mod guards;
mod hedge;
mod hops;
mod interop;
mod metastable;
mod network;
mod numbers;
mod oneway;
mod overload;
mod policies;
mod proxy;
mod quotas;
mod reconnect;
mod retry;
mod roles;
mod scripted;
mod secrets;
mod shards;
mod shutdown;
mod signed_tokens;
mod stranger;
mod streams;
mod support;
mod sweep;
mod tls;
mod transport;
mod trouble;
