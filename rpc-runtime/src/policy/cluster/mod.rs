//! One caller of several: what Apache Dubbo calls the modes of a cluster, each a `Caller` around other `Caller`s.
//!
//! | | makes a call | ends with |
//! |---|---|---|
//! | [`Failover`] | at the first one; at the next one if that may mend it | the first answer |
//! | [`Forking`] | at several at once, if the method is idempotent | the first answer; the others are cancelled |
//! | [`Broadcast`] | at all of them | an answer, unless more than so many failed |
//! | [`Broadcast::quorum`] | the same | the same, as soon as it is certain; the others go on |
//! | [`Failsafe`] | at one | what is said beforehand, if the callee fails |
//!
//! Dubbo's *failfast* is what a client does by itself: `client.with(CallOptions::new().no_retry().no_hedge())`. Which one of many
//! equal endpoints takes a call is a balancer's to say, and not one of these.
//!
//! ```
//! # use traitwire::{Channel, RpcError, rpc_service};
//! # #[rpc_service] trait Orders { #[rpc(idempotent)] async fn count(&self) -> u32; }
//! # fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use traitwire::policy::cluster::{Failover, Failsafe};
//! let (near, far) = (Channel::builder().lazy("tcp://10.0.0.1:7000")?, Channel::builder().lazy("tcp://10.1.0.1:7000")?);
//! let orders = Failsafe::around(Failover::new([near, far])).answer("Orders.count", &0_u32)?;
//! let orders = OrdersClient::new(orders);
//! # Ok(()) }
//! ```
//!
//! All of them keep to what the method allows: nothing runs twice that is not idempotent, except by a broadcast, which is made
//! for that.

mod broadcast;
mod failover;
mod failsafe;
mod forking;

pub use broadcast::Broadcast;
pub use failover::Failover;
pub use failsafe::Failsafe;
pub use forking::Forking;

use std::pin::Pin;
use std::sync::Arc;

use crate::call::{CallResult, Code, Delivery, RpcError};

/// A call under way through a combinator. Dropping it cancels the call.
pub type ClusterCall = Pin<Box<dyn Future<Output = CallResult> + Send>>;

/// The callers of a combinator.
#[derive(Clone, Debug)]
struct Members<C>(Arc<[C]>);

impl<C> Members<C> {
    fn new(callers: impl IntoIterator<Item = C>) -> Self {
        Self(callers.into_iter().collect())
    }
}

/// What a call ends with that there was nobody to make at.
fn nobody() -> RpcError {
    RpcError::new(Code::UNAVAILABLE, Delivery::NotSent, "there is no caller among which to choose")
}

/// What a call ends with whose items could be sent once only.
fn items_gone() -> RpcError {
    let text = "what its caller sends item by item can be sent to one callee only";
    RpcError::new(Code::FAILED_PRECONDITION, Delivery::NotSent, text)
}
