//! Owns [`failed`]: what becomes of oneway calls that fail when nobody waits for them any more. Does not own those whose
//! callers still wait until they are written (`in_flight`).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::runtime::Handle;

use crate::balance::hash;
use crate::call::{Code, RpcError};
use crate::client::attended::Attended;
use crate::client::balanced::Balanced;
use crate::client::channel::Channel;
use crate::client::core::Inner;
use crate::driver::{Failed, Shared, now};

/// A oneway call failed on this connection after its future had ended.
///
/// ```text
///   failed ── no handler saw it, and there is time ──▶ sent again ── written ──▶ the next connection's affair
///      └──────── anything else ──▶ counted ◀── refused again, out of time ──┘
/// ```
pub(super) fn failed(channel: Arc<Inner>, shared: &Arc<Shared>, failed: Failed) {
    let Failed { error, unseen } = failed;
    let cluster = channel.part_of.as_ref().and_then(|endpoints| endpoints.upgrade()?.downcast().ok());
    // One endpoint's overload is not for the others to bear: such a call would go round among them until its deadline.
    let is_passed_on = cluster.is_none() || error.code() != Code::RESOURCE_EXHAUSTED;
    let in_time = unseen.filter(|call| !call.deadline.is_some_and(|at| at.has_passed(now())));
    let (Some(call), Ok(runtime)) = (in_time.filter(|_| is_passed_on), Handle::try_current()) else {
        return count(&channel, Some(&error));
    };
    let resent = Resent { channel: Some(Arc::clone(&channel)) };
    // Nobody waits for it any more, so it waits for another connection until its deadline: giving it up sooner would lose it,
    // and save nobody any time.
    let endpoint = hash(channel.address.as_bytes());
    let attended = Attended::refused(Channel { inner: channel }, true, 1, shared, error, call);
    match cluster {
        Some(cluster) => {
            let call = Balanced::resend(cluster, attended, endpoint);
            runtime.spawn(async move { resent.ended(call.await.err()) });
        }
        None => drop(runtime.spawn(async move { resent.ended(attended.await.err()) })),
    }
}

/// A oneway call that is being sent again.
struct Resent {
    /// None once its end is known.
    channel: Option<Arc<Inner>>,
}

impl Resent {
    fn ended(mut self, error: Option<RpcError>) {
        if let (Some(channel), Some(error)) = (self.channel.take(), error) {
            count(&channel, Some(&error));
        }
    }
}

impl Drop for Resent {
    /// The runtime ended before the call was written.
    fn drop(&mut self) {
        if let Some(channel) = self.channel.take() {
            count(&channel, None);
        }
    }
}

fn count(channel: &Inner, error: Option<&RpcError>) {
    channel.oneway_failures.fetch_add(1, Ordering::Relaxed);
    tracing::debug!(address = %channel.address, error = error.map(tracing::field::display), "a oneway call failed");
}
