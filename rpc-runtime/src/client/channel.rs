//! Owns [`Channel`]: what calls are made through. Does not own its settings (`builder`), the calls under way
//! (`in_flight`), how its connection is made (`core`) nor when (`reconnect`).

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use tokio::runtime::Handle;

use crate::call::{RpcError, ServiceDescriptor};
use crate::client::core::{Attempt, Inner};
use crate::client::line::{Place, Who};
use crate::client::reconnect::Found;
use crate::driver::Shared;
use crate::policy::breaker::Breaker;
#[cfg(feature = "cache")]
use crate::policy::cache::Cache;
use crate::policy::limit::Limit;
use crate::policy::{InForce, Policies, PolicyTable};

/// A peer that calls can be made to: cheap to clone, and shared by all of its clones.
///
/// It has one connection at a time, which carries all calls. The connection is made when the first call needs it, and
/// made again by the next call after it was lost: at once, then after waits that grow from one second to thirty
/// ([`reconnect_wait`](crate::ChannelBuilder::reconnect_wait)).
/// While a connection is being made calls wait for it, within their deadlines; while none can be had they end as
/// `unavailable`, `NotSent`, unless they [wait for one](crate::CallOptions::wait_for_ready).
///
/// ```no_run
/// # async fn example() -> Result<(), traitwire::RpcError> {
/// use std::time::Duration;
/// use traitwire::Channel;
/// let channel = Channel::connect("tcp://127.0.0.1:7000").await?;
/// let patient = Channel::builder().timeout(Duration::from_secs(60)).lazy("unix:///run/app.sock")?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Channel {
    pub(super) inner: Arc<Inner>,
}

impl Channel {
    /// The address that it connects to.
    pub fn address(&self) -> &str {
        &self.inner.address
    }

    /// How many oneway calls have failed after their futures had ended: refused for good, lost with their connection
    /// before they were accepted, or not accepted in time. Each is logged too, at `debug`.
    ///
    /// One that a draining server refused is sent again first, and counts only if that fails as well.
    pub fn oneway_failures(&self) -> u64 {
        self.inner.oneway_failures.load(Ordering::Relaxed)
    }

    /// The policies of the channel, as they were set last.
    pub fn policies(&self) -> Arc<Policies> {
        self.inner.policies()
    }

    /// Calls that are made from now on have these policies; those under way keep theirs. What policies remember, such as what
    /// has been spent of the budget, stays.
    pub fn set_policies(&self, policies: Policies) {
        self.inner.set_policies(policies);
    }

    /// What holds for the calls of a service now, and who said so; it prints as TOML.
    pub fn in_force(&self, service: &'static ServiceDescriptor) -> PolicyTable {
        PolicyTable::new(self.policies(), service, self.inner.timeout)
    }

    /// The circuit breaker before the calls of a method, `"Service.method"`, if policies put one there: to see what it knows, or
    /// to hold it open or closed. It stays the same one until its settings change.
    pub fn breaker(&self, method: &str) -> Option<Breaker> {
        InForce::guards(&self.policies(), &self.inner.policy_state, method).0
    }

    /// The limit before the calls of a method, if policies put one there.
    pub fn limit(&self, method: &str) -> Option<Limit> {
        InForce::guards(&self.policies(), &self.inner.policy_state, method).1
    }

    /// Where the answers of a method are kept, if any are: to see how it is used, or to forget them.
    #[cfg(feature = "cache")]
    pub fn cache(&self, method: &str) -> Option<Cache> {
        self.inner.policy_state.guards.cache_near(method)
    }

    /// The connection, if there is one that takes calls.
    pub(super) fn connection(&self) -> Option<Arc<Shared>> {
        self.inner.reconnect.lock().connection()
    }

    /// Begins to make a connection if there is none and one may be made. Says when one may be made if not now.
    pub(super) fn warm_up(&self) -> Option<Instant> {
        let found = self.inner.reconnect.lock().look(None, Waker::noop(), None);
        match found {
            Found::BackOff { until, .. } => Some(until),
            Found::Attempt => {
                drop(tokio::spawn(Attempt::new(&self.inner).run()));
                None
            }
            _ => None,
        }
    }

    /// Nobody else can be called: a call is to wait for an attempt to connect here, and not to be turned away.
    pub(super) fn hurry(&self) {
        self.inner.reconnect.lock().hurry();
    }

    /// Why no connection can be had now, if so.
    pub(super) fn why_away(&self) -> Option<RpcError> {
        self.inner.reconnect.lock().why_away()
    }

    /// Looks for a connection, and makes one if there is none. While it is being made, `who` has a place in the line, to
    /// be given back with [`leave_line`](Self::leave_line).
    pub(super) fn poll_connection(
        &self,
        who: Who,
        place: &mut Option<Place>,
        cx: &Context<'_>,
    ) -> Poll<Result<Arc<Shared>, Failed>> {
        let mut clone = None;
        loop {
            let found = self.inner.reconnect.lock().look(place.as_ref(), cx.waker(), clone.take());
            match found {
                Found::Connection(shared) => return Poll::Ready(Ok(shared)),
                Found::BackOff { until, error } => {
                    return Poll::Ready(Err(Failed { until: Some(until), error }));
                }
                // A task, so that the attempt goes on if this call is dropped: others wait for it too.
                Found::Attempt => match Handle::try_current() {
                    Ok(runtime) => drop(runtime.spawn(Attempt::new(&self.inner).run())),
                    // Tells whoever waits, and the next round finds it.
                    Err(_) => drop(Attempt::new(&self.inner)),
                },
                Found::Outside => {
                    if let Err(error) = self.enter_line(who, place) {
                        return Poll::Ready(Err(Failed { until: None, error }));
                    }
                }
                Found::Unknown => clone = Some(cx.waker().clone()),
                Found::Waits(_) => return Poll::Pending,
            }
        }
    }

    /// Takes a place in the line, unless there is one already.
    pub(super) fn enter_line(&self, who: Who, place: &mut Option<Place>) -> Result<(), RpcError> {
        if place.is_none() {
            *place = Some(self.inner.reconnect.lock().line().enter(who, &self.inner.config)?);
        }
        Ok(())
    }

    /// Gives a place in the line back, if there is one.
    pub(super) fn leave_line(&self, place: &mut Option<Place>) {
        if let Some(place) = place.take() {
            let waker = self.inner.reconnect.lock().line().leave(place);
            drop(waker);
        }
    }

    /// What the time of a call went into that has waited for a connection since then.
    pub(super) fn story(&self, since: Instant) -> String {
        self.inner.reconnect.lock().tell(since)
    }

    /// This connection was of no use to a call: the next one gets another, if there is another.
    pub(super) fn leave(&self, shared: &Arc<Shared>) {
        self.inner.reconnect.lock().lost(shared, None);
    }
}

/// There is no connection, and none will be before `until`; without it there is no use in waiting.
pub(super) struct Failed {
    pub(super) until: Option<Instant>,
    pub(super) error: RpcError,
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Channel({})", self.inner.address)
    }
}
