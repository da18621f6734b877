//! The serving side, put together: services, listeners, connections and their end.

mod accept;
mod builder;
mod core;
mod handshakes;
mod router;
mod serving;
mod shards;

pub use builder::{Server, ServerBuilder};
pub(crate) use core::Local;
pub use serving::{BindError, Drained, ServerHandle};
