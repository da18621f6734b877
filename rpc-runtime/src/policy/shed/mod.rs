//! Load shedding on the serving side: calls that cannot be answered in time are refused at once, so that those that can are.
//!
//! A server that takes more than it can do does all of it too late: the queue grows until each call waits longer than its
//! caller does, and the work goes on for callers that are gone. This layer lets as many calls to the handlers as its limit
//! says, keeps a bounded queue for bursts, shared fairly among connections, and refuses on arrival what would not be done
//! within its deadline: `resource_exhausted`, `Refused`, to be sent again elsewhere. It sees the method and the deadline; the
//! arguments of what it refuses are never decoded.
//!
//! ```
//! # use traitwire::{Server, rpc_service};
//! # #[rpc_service] trait Orders { async fn count(&self) -> u32; }
//! # fn example(service: impl traitwire::Service) {
//! use traitwire::policy::limit::LimitConfig;
//! use traitwire::policy::shed::{Shed, ShedConfig};
//! let shed = Shed::new(ShedConfig::new(LimitConfig::adaptive(8..=2_000)));
//! let server = Server::builder().service(service).layer(shed.layer());
//! # }
//! ```
//!
//! `pace` foretells how long a call would wait and take, `handler` is the layer; the gate and its queue are those of
//! [`limit`](crate::policy::limit).

mod handler;
mod pace;

#[cfg(test)]
mod tests;

pub use handler::{Shed, ShedConfig, ShedHandler, ShedSnapshot};
