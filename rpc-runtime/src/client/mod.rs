//! The calling side, put together: channels, their connections, and the typed calls on top.

mod backoff;
mod channel;
mod in_flight;
mod reconnect;

pub use channel::{Channel, ChannelBuilder};
pub use in_flight::InFlight;
