//! Two machines, virtual time: what the protocol promises, without a socket or a clock.

mod abuse;
mod bodies;
mod calls;
mod drain;
mod ends;
mod flow;
mod found;
mod greed;
mod life;
mod model;
mod oneway;
mod pair;
mod probe;
mod property;
mod river;
mod steps;
mod streams;
mod table;
mod unfinished;
mod watch;
