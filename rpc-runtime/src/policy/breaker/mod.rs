//! The circuit breaker: calls to an endpoint that fails too often end here, at once, until it has had time to recover.
//!
//! A caller that goes on calling what is broken waits in vain, holds its own callers up, and keeps the broken one busy. The
//! breaker counts what becomes of calls in a sliding window; if enough of them fail, or are slow, it opens: calls end as
//! `unavailable`, `NotSent`. After a while it lets a few through to see ([`BreakerState::HalfOpen`]), and closes if they
//! succeed.
//!
//! ```
//! # use traitwire::{Channel, RpcError, rpc_service};
//! # #[rpc_service] trait Orders { async fn count(&self) -> u32; }
//! # fn example() -> Result<(), RpcError> {
//! use traitwire::policy::breaker::{Breaker, BreakerConfig};
//! let breaker = Breaker::new(BreakerConfig::new().named("orders").ratio(0.4));
//! let orders = OrdersClient::new(breaker.around(Channel::builder().lazy("tcp://127.0.0.1:7000")?));
//! println!("{:?}", breaker.state());
//! # Ok(()) }
//! ```
//!
//! `window` counts, `machine` decides, `verdict` says what counts as a failure, `caller` is the wrapper. The algorithm is
//! the one of Nygard's "Release It!" with the sliding windows of resilience4j; the growing, jittered time of being open is
//! after the outlier detection of Envoy and gRPC (A50). docs/POLICIES.md has the defaults and their reasons.

mod caller;
mod config;
mod machine;
mod verdict;
mod window;

#[cfg(test)]
mod tests;

pub use crate::observe::BreakerState;
pub use caller::{Breaker, BreakerCall, BreakerCaller, BreakerSnapshot};
pub use config::BreakerConfig;
pub use verdict::Verdict;

pub(crate) use caller::Admitted;
pub(in crate::policy) use window::Extent;
