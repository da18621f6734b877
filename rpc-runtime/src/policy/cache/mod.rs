//! A cache of answers on the calling side, for methods that only read.
//!
//! An answer is kept under its method, its arguments, its metadata and so its caller; for a time, with jitter, so that what
//! was asked for together does not expire together. Callers that ask for the same at the same time share one call. While the
//! callee fails, answers that are somewhat too old can stand in.
//!
//! ```
//! # use std::time::Duration;
//! # use traitwire::{Channel, RpcError, rpc_service};
//! # #[rpc_service] trait Orders { #[rpc(idempotent)] async fn count(&self) -> u32; }
//! # fn example() -> Result<(), RpcError> {
//! use traitwire::policy::cache::{Cache, CacheConfig};
//! let config = CacheConfig::new(Duration::from_secs(5)).method("Orders.count").stale_if_error(Duration::from_secs(60));
//! let cache = Cache::new(config);
//! let orders = OrdersClient::new(cache.around(Channel::builder().lazy("tcp://127.0.0.1:7000")?));
//! println!("{:?}", cache.snapshot());
//! # Ok(()) }
//! ```
//!
//! `key` says which calls are the same, `entry` how long an answer is good, `eviction` (LRU, LFU) and `arc` what goes when there
//! is no room, `store` keeps answers, `flight` is a call that several wait for, and `caller` the wrapper. W-TinyLFU, the
//! default, is the one of the crate `moka`. `trial` compares their hit rates. Behind the feature `cache`.

mod arc;
mod caller;
mod config;
mod entry;
mod eviction;
mod flight;
mod key;
mod recency;
mod store;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod trial;

pub use crate::observe::CacheUse;
pub use caller::{Cache, CacheCall, CacheCaller, CacheSnapshot};
pub use config::{CacheConfig, CachePolicy};

pub(in crate::policy) use config::StoreConfig;
pub(crate) use config::Terms;
pub(in crate::policy) use key::Varies;
