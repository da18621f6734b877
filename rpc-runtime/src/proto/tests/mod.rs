//! Two machines, virtual time: what the protocol promises, without a socket or a clock.

mod abuse;
mod bodies;
mod calls;
mod drain;
mod found;
mod life;
mod model;
mod oneway;
mod pair;
mod probe;
mod property;
mod watch;
