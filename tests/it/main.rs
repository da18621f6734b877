//! Behaviour from outside: clients and servers over memory, TCP and Unix sockets.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod calls;
mod cancel;
mod conformance;
mod deadlines;
mod oneway;
mod reconnect;
mod shutdown;
mod stranger;
mod support;
mod transport;
