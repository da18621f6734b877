//! The calling side, put together: channels, their connections, and the typed calls on top.

mod backoff;
mod builder;
mod call;
mod channel;
mod core;
mod in_flight;
mod line;
mod oneway;
mod reconnect;
mod story;
mod typed;

pub use builder::ChannelBuilder;
pub use call::{Call, Detailed, Reply, ResultCall, ResultType};
pub use channel::Channel;
pub use in_flight::InFlight;
pub use typed::{Client, connect, loopback, merge, with};
