//! The calling side, put together: channels, their connections, and the typed calls on top.

mod backoff;
mod call;
mod channel;
mod in_flight;
mod reconnect;
mod typed;

pub use call::{Call, Detailed, Reply, ResultCall, ResultType};
pub use channel::{Channel, ChannelBuilder};
pub use in_flight::InFlight;
pub use typed::{Client, connect, loopback, merge, with};
