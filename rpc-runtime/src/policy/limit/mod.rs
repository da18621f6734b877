//! Limits on the calling side: how many calls are at work, and how many begin in a second. What is beyond waits in a bounded
//! queue, within its deadline.
//!
//! A callee that is given more than it can do becomes slow for everybody. Whoever knows how much that is says a number;
//! [`LimitConfig::adaptive`] finds it out: the limit shrinks as calls become slower than they are without load.
//!
//! ```
//! # use traitwire::{Channel, RpcError, rpc_service};
//! # #[rpc_service] trait Orders { async fn count(&self) -> u32; }
//! # fn example() -> Result<(), RpcError> {
//! use traitwire::policy::limit::{Limit, LimitConfig};
//! let limit = Limit::new(LimitConfig::adaptive(1..=200).named("orders"));
//! let orders = OrdersClient::new(limit.around(Channel::builder().lazy("tcp://127.0.0.1:7000")?));
//! # Ok(()) }
//! ```
//!
//! `gate` decides who may start, with `queue` (who waits), `rate` (GCRA) and `gradient` (the adaptive limit); `places` is the
//! gate behind a lock, which the serving side's [`shed`](crate::policy::shed) shares; `trial` is how the adaptive limit was
//! chosen.

mod caller;
mod config;
mod gate;
mod gradient;
mod places;
mod queue;
mod rate;
mod sample;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod trial;

pub use caller::{Limit, LimitCall, LimitCaller, LimitSnapshot};
pub use config::LimitConfig;

pub(in crate::policy) use config::Work;
pub(in crate::policy) use gate::{Entry, Gate};
pub(in crate::policy) use places::{Entered, Place, Places, Waiting};
pub(in crate::policy) use sample::{Bounds, Said};
