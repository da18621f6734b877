//! The serving side, put together: services, listeners, connections and their end.

mod accept;
mod builder;
mod core;
mod error;
mod handshakes;
pub mod health;
mod meter;
mod presence;
mod registering;
mod router;
mod serving;
mod shards;

pub use builder::{Server, ServerBuilder};
pub(crate) use core::Local;
pub use error::BindError;
pub use serving::{Drained, ServerHandle};
