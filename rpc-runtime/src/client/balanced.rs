//! Owns [`Balanced`]: a call under way on a balanced channel, from picking an endpoint to its answer. Does not own the call on the
//! endpoint's connection (`attended`), nor how endpoints are picked (`cluster`).

use std::cell::RefCell;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread::LocalKey;

use tokio::time::Sleep;

use crate::call::{CallResult, Code, Contents, Delivery, List, Request, Reused, RpcError, Trail};
use crate::client::attended::Attended;
use crate::client::channel::Channel;
use crate::client::cluster::{Cluster, Found};
use crate::client::keeper;
use crate::client::key;
use crate::client::leg::Leg;
use crate::client::line::{Place, Who};
use crate::driver::now;
use crate::limits;

/// A call under way on a balanced channel. Dropping it cancels the call, down to the handler.
///
/// ```text
///   Looking ── an endpoint ──▶ There ── its answer ──▶ Over
///     ▲  │                       │
///     │  └─ none, and it waits ──│─▶ Waiting ── something has changed ──▶ Looking
///     └──────────────────────────┘ no handler saw it, and there are others
/// ```
#[must_use = "futures do nothing unless polled"]
pub(super) struct Balanced {
    call: Attended,
    cluster: Arc<Cluster>,
    /// Where it is.
    leg: Option<Leg>,
    /// Those of a call with several attempts share one; others have one once they have to move.
    trail: Option<Arc<Trail>>,
    key: Option<u64>,
    is_detailed: bool,
    is_oneway: bool,
    wait_for_ready: bool,
    /// An earlier attempt may have run, and where it did its answer is remembered: the first pick is that endpoint.
    goes_home: bool,
    moves: u8,
    waiting: Option<Box<Waiting>>,
}

/// A call that waits for an endpoint.
struct Waiting {
    place: Option<Place>,
    deadline: Option<Pin<Box<Sleep>>>,
    why: Option<RpcError>,
}

impl Balanced {
    pub(super) fn new(channel: Channel, cluster: Arc<Cluster>, request: Request) -> Self {
        let key = cluster.balance.algorithm.takes_key().then(|| key::of(&request)).flatten();
        let (is_detailed, wait_for_ready) = (request.is_detailed(), request.waits_for_ready());
        let trail = match request.trail() {
            Some(trail) => Some(Arc::clone(trail)),
            None => is_detailed.then(|| Arc::new(Trail::new(true))),
        };
        let goes_home = request.only_at().is_some();
        let is_oneway = request.descriptor().is_some_and(|method| method.oneway);
        let call = Attended::leg(channel, request);
        let (leg, waiting) = (None, None);
        Self {
            call,
            cluster,
            leg,
            trail,
            key,
            is_detailed,
            is_oneway,
            wait_for_ready,
            goes_home,
            moves: 0,
            waiting,
        }
    }

    /// A oneway call that one endpoint did not take, and which nobody waits for any more.
    pub(super) fn resend(cluster: Arc<Cluster>, call: Attended, seat: u64) -> Self {
        let trail = Trail::new(false);
        trail.note(seat);
        Self {
            call: call.into_leg(),
            cluster,
            leg: None,
            trail: Some(Arc::new(trail)),
            key: None,
            is_detailed: false,
            is_oneway: true,
            wait_for_ready: true,
            goes_home: false,
            moves: 0,
            waiting: None,
        }
    }

    /// Looks for an endpoint, and brings the call there.
    fn poll_look(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), RpcError>> {
        if let Err(error) = keeper::ensure(&self.cluster) {
            return Poll::Ready(Err(error));
        }
        let seen = self.cluster.changes();
        let error = loop {
            let goes_home = std::mem::take(&mut self.goes_home);
            match self.cluster.pick(self.key, self.trail.as_deref(), goes_home) {
                Found::Member(member, seat) => {
                    let leg = Leg::new(&self.cluster, member, seat);
                    match leg.enter(self.call.method()) {
                        Ok(leg) => {
                            self.rest();
                            self.call.move_to(leg.channel().clone());
                            self.leg = Some(leg);
                            return Poll::Ready(Ok(()));
                        }
                        Err((id, error)) => {
                            if !self.may_move(id) {
                                break error;
                            }
                        }
                    }
                }
                Found::NotYet => return self.poll_wait(None, seen, cx),
                Found::None(error) => break error,
            }
        };
        if !self.wait_for_ready {
            return Poll::Ready(Err(error));
        }
        self.begin_round();
        self.poll_wait(Some(error), seen, cx)
    }

    /// All were asked: from here on the same ones may be asked again.
    fn begin_round(&mut self) {
        self.moves = 0;
        if let Some(trail) = &self.trail {
            trail.forget_tried();
        }
    }

    /// Whether there is another endpoint to be asked than this one.
    fn may_move(&mut self, tried: u64) -> bool {
        self.moves += 1;
        if self.trail.is_none() {
            let trail = Trail::new(false);
            trail.note(tried);
            self.trail = Some(Arc::new(trail));
        }
        usize::from(self.moves) < limits::ENDPOINT_TRIES.min(self.cluster.fleet().sites().len())
    }

    /// Waits until something changes about the endpoints, or the call's time is over.
    fn poll_wait(
        &mut self,
        why: Option<RpcError>,
        seen: u64,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), RpcError>> {
        let (deadline, bytes) = self.call.fix(now());
        let waiting = self.waiting.get_or_insert_with(|| {
            let deadline = deadline.map(|at| Box::pin(tokio::time::sleep_until(at.instant().into())));
            Box::new(Waiting { place: None, deadline, why: None })
        });
        waiting.why = why.or_else(|| waiting.why.take());
        if waiting.deadline.as_mut().is_some_and(|deadline| deadline.as_mut().poll(cx).is_ready()) {
            let cause = waiting.why.as_ref().map_or("none is known yet", RpcError::message);
            let text = format!(
                "its time ran out waiting for an endpoint of {}: {cause}",
                self.cluster.source.name()
            );
            return Poll::Ready(Err(RpcError::new(Code::DEADLINE_EXCEEDED, Delivery::NotSent, text)));
        }
        match self.cluster.wait(Who::Call(bytes), &mut waiting.place, seen, cx.waker()) {
            Ok(true) => Poll::Pending,
            Ok(false) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// Waits no longer.
    fn rest(&mut self) {
        if let Some(mut waiting) = self.waiting.take() {
            self.cluster.leave(&mut waiting.place);
        }
    }

    /// The call has ended, or is to go elsewhere.
    fn ended(&mut self, mut result: CallResult, seen: u64, cx: &mut Context<'_>) -> Option<Poll<CallResult>> {
        let Some(mut leg) = self.leg.take() else { return Some(Poll::Ready(result)) };
        leg.end(&result, self.is_oneway);
        let (id, is_by_strand) = (leg.seat.id, leg.is_by_strand());
        drop(leg);
        let Err(error) = &result else {
            if self.is_detailed
                && let (Ok(response), Some(trail)) = (&mut result, &self.trail)
            {
                response.set_trail(Arc::clone(trail));
            }
            return Some(Poll::Ready(result));
        };
        if let (Some(trail), Some(_)) = (&self.trail, error.replies_at()) {
            trail.may_have_run_at(id);
        }
        // What is refused for overload is no other endpoint's load at once: `retry` waits first, and pays for it.
        if !self.call.is_unsent() || error.code() == Code::RESOURCE_EXHAUSTED {
            return Some(Poll::Ready(result));
        }
        // What a further connection does not take its endpoint may take by the first one.
        if is_by_strand || self.may_move(id) {
            return None;
        }
        if !self.wait_for_ready {
            return Some(Poll::Ready(result));
        }
        let error = error.clone();
        self.begin_round();
        match self.poll_wait(Some(error), seen, cx) {
            Poll::Ready(Err(error)) => Some(Poll::Ready(Err(error))),
            Poll::Ready(Ok(())) | Poll::Pending => Some(Poll::Pending),
        }
    }
}

impl Future for Balanced {
    type Output = CallResult;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<CallResult> {
        let this = &mut *self;
        let seen = this.cluster.changes();
        loop {
            let Some(leg) = &mut this.leg else {
                match this.poll_look(cx) {
                    Poll::Ready(Ok(())) => continue,
                    Poll::Ready(Err(error)) => {
                        this.rest();
                        return Poll::Ready(Err(error));
                    }
                    Poll::Pending => return Poll::Pending,
                }
            };
            let polled = Pin::new(&mut this.call).poll(cx);
            if leg.sent.is_none() && this.call.is_sent() {
                leg.sent = Some(this.cluster.now());
            }
            let Poll::Ready(result) = polled else { return Poll::Pending };
            if let Some(ended) = this.ended(result, seen, cx) {
                return ended;
            }
        }
    }
}

impl Drop for Balanced {
    fn drop(&mut self) {
        self.rest();
    }
}

impl fmt::Debug for Balanced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.leg {
            Some(leg) => write!(f, "{:?} at {}", self.call, leg.member.endpoint.address()),
            None => self.call.fmt(f),
        }
    }
}

// ===== impl Housed =====

/// A [`Balanced`] call in a box that serves the next one: it is larger than others, which are not to move its size about.
pub(super) struct Housed(Reused<House>);

#[derive(Default)]
struct House(Option<Balanced>);

thread_local! {
    static EMPTY: List<House> = const { RefCell::new(Vec::new()) };
}

impl Contents for House {
    fn list() -> &'static LocalKey<List<Self>> {
        &EMPTY
    }

    fn clear(&mut self) {
        self.0 = None;
    }
}

impl Housed {
    pub(super) fn new(call: Balanced) -> Self {
        let mut house = Reused::<House>::new();
        house.0 = Some(call);
        Self(house)
    }
}

impl Future for Housed {
    type Output = CallResult;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<CallResult> {
        self.0.0.as_mut().map_or(Poll::Pending, |call| Pin::new(call).poll(cx))
    }
}

impl fmt::Debug for Housed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.0.fmt(f)
    }
}
