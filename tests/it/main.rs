//! Behaviour from outside: clients and servers over memory, TCP and Unix sockets.

mod calls;
mod cancel;
mod conformance;
mod deadlines;
mod reconnect;
mod shutdown;
mod stranger;
mod support;
