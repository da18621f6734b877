//! Owns [`Attended`]: a call under way on a channel that takes more than being sent and answered. It waits for a connection, is
//! sent again, moves items, or watches over its own time. Does not own the connection, nor what the bytes of the answer mean.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::time::Sleep;

use crate::call::{CallResult, Code, Deadline, Delivery, Items, Metadata, Request, Response, RpcError};
use crate::client::channel::{Channel, Failed};
use crate::client::flow::{Inlet, Outflow, answer, known_at};
use crate::client::line::{Place, Who};
use crate::driver::{Ended, Pump, Pumped, Shared, Ticket, Whose, now};
use crate::limits;
use crate::proto::{Outgoing, StreamUse};

/// A call that has more to do than to wait for its answer, as [`InFlight`](super::in_flight::InFlight) says. Dropping it cancels
/// the call, down to the handler.
#[must_use = "futures do nothing unless polled"]
pub(super) struct Attended {
    channel: Channel,
    state: State,
    /// The connection that has it, and its place there, once it is sent.
    sent: Option<(Arc<Shared>, Ticket)>,
    wait_for_ready: bool,
    /// It is at one of many endpoints: where that does not take it, it is given back instead of being sent again there.
    is_leg: bool,
    /// Since when it waits for a connection, and how long it has waited for earlier ones.
    waiting_since: Option<Instant>,
    waited: Duration,
    attempts: u32,
    /// The connection that refused it, and how: it is not asked again.
    refused: Option<(Arc<Shared>, RpcError)>,
    /// Its place among those that wait for a connection.
    place: Option<Place>,
    /// Wakes a call that waits for a connection, at its deadline or when the next attempt may be made; and one that was
    /// sent from another runtime than its connection's, at its deadline.
    sleep: Option<Pin<Box<Sleep>>>,
    /// The items that the caller sends, and whether the connection knows of their end.
    outflow: Option<Pump>,
    is_told: bool,
    /// The call is answered with a stream, whose time runs out if nothing moves for so long.
    takes: Option<Duration>,
}

/// ```text
///   New ─▶ Waiting ──a connection──▶ Gone: sent ──answer──▶ Gone: done
///             ▲                        │
///             └── may be sent again ───┘
/// ```
enum State {
    New(Request),
    Waiting(Outgoing),
    /// In `sent`, until it is done: what is polled most is not to be moved with what is large.
    Gone,
}

impl Attended {
    pub(super) fn new(channel: Channel, request: Request) -> Self {
        let wait_for_ready = request.waits_for_ready();
        Self::with(channel, State::New(request), wait_for_ready)
    }

    const fn with(channel: Channel, state: State, wait_for_ready: bool) -> Self {
        Self {
            channel,
            state,
            sent: None,
            wait_for_ready,
            is_leg: false,
            waiting_since: None,
            waited: Duration::ZERO,
            attempts: 0,
            refused: None,
            place: None,
            sleep: None,
            outflow: None,
            is_told: false,
            takes: None,
        }
    }

    /// A call that this connection did not take, after so many attempts, and that no handler has seen.
    pub(super) fn refused(
        channel: Channel,
        wait_for_ready: bool,
        attempts: u32,
        shared: &Arc<Shared>,
        error: RpcError,
        call: Outgoing,
    ) -> Self {
        let mut this = Self::with(channel, State::Gone, wait_for_ready);
        this.attempts = attempts;
        this.again(shared, error, call);
        this
    }

    /// A call at one of many endpoints, which is to be [told](Self::move_to) at which before it is polled.
    pub(super) fn leg(channel: Channel, request: Request) -> Self {
        Self::with(channel, State::New(request), false).into_leg()
    }

    pub(super) fn into_leg(mut self) -> Self {
        (self.is_leg, self.wait_for_ready, self.refused) = (true, false, None);
        self
    }

    /// Goes on at this endpoint.
    pub(super) fn move_to(&mut self, channel: Channel) {
        self.channel = channel;
        self.sleep = None;
    }

    /// Fixes the call's deadline, if it is not, and says how many bytes its arguments have.
    pub(super) fn fix(&mut self, now: Instant) -> (Option<Deadline>, usize) {
        let call = match std::mem::replace(&mut self.state, State::Gone) {
            State::New(request) => self.begin(request, now),
            State::Waiting(call) => call,
            State::Gone => return (None, 0),
        };
        let found = (call.deadline, call.arguments.len());
        self.state = State::Waiting(call);
        found
    }

    pub(super) fn method(&self) -> &str {
        match &self.state {
            State::New(request) => request.method(),
            State::Waiting(call) => &call.method,
            State::Gone => "",
        }
    }

    pub(super) const fn is_sent(&self) -> bool {
        self.sent.is_some()
    }

    /// Whether it has ended and can still be sent, elsewhere.
    pub(super) const fn is_unsent(&self) -> bool {
        matches!(self.state, State::Waiting(_))
    }

    /// The clock starts here, at the first poll; a deadline that was inherited has been running.
    fn begin(&mut self, mut request: Request, now: Instant) -> Outgoing {
        self.outflow = request.take_items().map(Pump::new);
        let idle = request.idle_timeout().unwrap_or(limits::IDLE);
        self.takes = request.takes_items().then_some(idle);
        let (sends, takes, idle) = (self.outflow.is_some(), self.takes.is_some(), Some(idle));
        let total = request.total_timeout().map(|total| Deadline::after(now, total));
        let total = Deadline::earlier(request.deadline(), total);
        let stream = (sends || takes).then_some(StreamUse { sends, takes, idle, total });
        self.channel.outgoing(request, stream, now)
    }

    fn poll_waiting(
        &mut self,
        call: Outgoing,
        now: Instant,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), RpcError>> {
        let who = Who::Call(call.arguments.len());
        let until = match self.channel.poll_connection(who, &mut self.place, cx) {
            Poll::Ready(Ok(shared)) => return self.send(&shared, call, now, cx),
            Poll::Ready(Err(Failed { until: Some(until), .. })) if self.wait_for_ready => {
                if let Err(error) = self.channel.enter_line(who, &mut self.place) {
                    return Poll::Ready(Err(error));
                }
                Some(until)
            }
            Poll::Ready(Err(Failed { until: Some(_), error })) if self.is_leg => {
                self.state = State::Waiting(call);
                return Poll::Ready(Err(error));
            }
            Poll::Ready(Err(Failed { until: Some(_), error })) => {
                return Poll::Ready(Err(self.refused.take().map_or(error, |(_, refused)| refused)));
            }
            Poll::Ready(Err(Failed { until: None, error })) => return Poll::Ready(Err(error)),
            Poll::Pending => None,
        };
        self.waiting_since.get_or_insert(now);
        if call.deadline.is_some_and(|deadline| deadline.has_passed(now)) {
            return Poll::Ready(Err(self.expired_waiting()));
        }
        let wake = Deadline::earlier(call.deadline, until.map(Deadline::at));
        self.state = State::Waiting(call);
        let Some(wake) = wake else { return Poll::Pending };
        let mut sleep = Box::pin(tokio::time::sleep_until(wake.instant().into()));
        let is_due = sleep.as_mut().poll(cx).is_ready();
        self.sleep = Some(sleep);
        if is_due {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    fn send(
        &mut self,
        shared: &Arc<Shared>,
        call: Outgoing,
        now: Instant,
        cx: &Context<'_>,
    ) -> Poll<Result<(), RpcError>> {
        self.channel.leave_line(&mut self.place);
        if let Some((_, error)) = self.refused.take_if(|(refused, _)| Arc::ptr_eq(refused, shared)) {
            return Poll::Ready(Err(error));
        }
        // In the connection's own runtime its tasks watch over the call; another one may stand still, or be blocked.
        let until = call.deadline.filter(|_| !shared.is_at_home()).filter(|_| Handle::try_current().is_ok());
        self.sleep = until.map(|until| Box::pin(tokio::time::sleep_until(until.instant().into())));
        if let Some(since) = self.waiting_since.take() {
            self.waited += now.duration_since(since);
        }
        match self.channel.send(shared, call, now, cx.waker()) {
            Ok(ticket) => {
                self.attempts += 1;
                self.sent = Some((Arc::clone(shared), ticket));
                Poll::Ready(Ok(()))
            }
            Err(untaken) if untaken.error.is_resend() => {
                self.again(shared, untaken.error, untaken.call);
                Poll::Ready(Ok(()))
            }
            Err(untaken) => Poll::Ready(Err(untaken.error)),
        }
    }

    /// Whether the call is sent, and all that is left to do is to be woken.
    const fn is_left_to_its_connection(&self) -> bool {
        self.sent.is_some() && self.sleep.is_none() && self.outflow.is_none()
    }

    /// Whether the time of a call that watches over it itself is over; it does so once.
    fn is_due(&mut self, cx: &mut Context<'_>) -> bool {
        let due = self.sleep.as_mut().is_some_and(|sleep| sleep.as_mut().poll(cx).is_ready());
        if due {
            self.sleep = None;
        }
        due
    }

    /// No handler saw the call, and another connection may take it.
    fn again(&mut self, shared: &Arc<Shared>, error: RpcError, call: Outgoing) {
        if !shared.takes_calls() {
            self.channel.leave(shared);
        }
        self.refused = Some((Arc::clone(shared), error));
        self.is_told = false;
        self.state = State::Waiting(call);
    }

    /// Waits for the callee's stream, or for the call's end.
    fn poll_sent(
        &mut self,
        shared: &Shared,
        ticket: Ticket,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Metadata, Ended>> {
        self.pump(shared, ticket, cx);
        match self.takes {
            Some(_) => shared.poll_open(ticket, cx),
            None => shared.poll_call(ticket, cx).map(Err),
        }
    }

    /// Waits for how the call ends; `None` if it is to be sent again, or its time is over and its end is told now.
    fn poll_end(
        &mut self,
        shared: Arc<Shared>,
        ticket: Ticket,
        cx: &mut Context<'_>,
    ) -> Poll<Option<CallResult>> {
        match self.poll_sent(&shared, ticket, cx) {
            Poll::Pending => {
                let due = self.is_due(cx);
                if due {
                    shared.end_due();
                }
                self.sent = Some((shared, ticket));
                if due { Poll::Ready(None) } else { Poll::Pending }
            }
            Poll::Ready(Ok(metadata)) => Poll::Ready(Some(self.opened(shared, ticket, metadata))),
            Poll::Ready(Err(ended)) => Poll::Ready(self.ended(&shared, ended)),
        }
    }

    /// Moves the caller's items.
    fn pump(&mut self, shared: &Shared, ticket: Ticket, cx: &mut Context<'_>) {
        let Some(pump) = self.outflow.as_mut().filter(|_| !self.is_told) else { return };
        let unguarded = Unguarded(shared, ticket);
        let pumped = pump.poll(shared, Whose::Own(ticket), cx, Items::poll);
        std::mem::forget(unguarded);
        match pumped {
            Poll::Ready(Pumped::End(Ok(_))) => {
                self.is_told = true;
                shared.finish_items(ticket);
            }
            Poll::Ready(Pumped::End(Err(error))) => shared.fail(ticket, error),
            Poll::Ready(Pumped::Over) | Poll::Pending => {}
        }
    }

    /// The callee has opened its stream. What is left of the caller's own goes on by itself from here: whoever sends is
    /// not to wait for whoever reads.
    fn opened(&mut self, shared: Arc<Shared>, ticket: Ticket, metadata: Metadata) -> CallResult {
        if let Some(pump) = self.outflow.take().filter(|_| !self.is_told) {
            Outflow::new(pump, Arc::clone(&shared), ticket).spawn();
        }
        let address = Arc::clone(&self.channel.inner.address);
        let caps = self.channel.inner.caps;
        let taken = shared.read(Whose::Own(ticket), self.takes, false);
        let inlet = Inlet::new(shared, ticket, address, self.attempts, caps);
        let mut response = Response::stream(Items::received(inlet, caps, taken));
        *response.metadata_mut() = metadata;
        response.set_attempts(self.attempts);
        Ok(response)
    }

    fn ended(&mut self, shared: &Arc<Shared>, ended: Ended) -> Option<CallResult> {
        let mut response = match answer(ended.outcome, shared, self.channel.inner.caps) {
            Ok(response) => response,
            Err(error) => {
                let is_over = |call: &Outgoing| call.deadline.is_some_and(|at| at.has_passed(now()));
                return match ended.unseen.filter(|call| !is_over(call)) {
                    Some(call) => {
                        self.again(shared, error, call);
                        None
                    }
                    None => Some(Err(known_at(shared, error))),
                };
            }
        };
        response.set_attempts(self.attempts);
        Some(Ok(response))
    }

    fn expired_waiting(&self) -> RpcError {
        let story = self.channel.story(self.waiting_since.unwrap_or_else(now));
        RpcError::new(Code::DEADLINE_EXCEEDED, Delivery::NotSent, format!("its time ran out: {story}"))
    }

    /// Says to whom the call was made, and what the time went into before it reached a connection.
    fn finish(&mut self, result: CallResult) -> Poll<CallResult> {
        self.channel.leave_line(&mut self.place);
        Poll::Ready(result.map_err(|error| {
            let error = error.with_peer(&self.channel.inner.address).with_attempts(self.attempts);
            let waited = self.waited;
            if error.code() != Code::DEADLINE_EXCEEDED || waited < Duration::from_millis(1) {
                return error;
            }
            let text = format!("{}; before that {waited:.1?} waiting for a connection", error.message());
            error.with_message(text)
        }))
    }
}

impl Future for Attended {
    type Output = CallResult;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<CallResult> {
        let this = &mut *self;
        loop {
            if let Some((shared, ticket)) = this.sent.take() {
                match ready!(this.poll_end(shared, ticket, cx)) {
                    Some(result) => return this.finish(result),
                    None => continue,
                }
            }
            let (call, now) = match std::mem::replace(&mut this.state, State::Gone) {
                State::New(request) => {
                    let now = now();
                    (this.begin(request, now), now)
                }
                State::Waiting(call) if this.is_leg && this.refused.is_some() => {
                    this.state = State::Waiting(call);
                    let (_, error) = this.refused.take().expect("looked at just now");
                    return this.finish(Err(error));
                }
                State::Waiting(call) => (call, now()),
                State::Gone => return Poll::Pending,
            };
            match ready!(this.poll_waiting(call, now, cx)) {
                Ok(()) if this.is_left_to_its_connection() => return Poll::Pending,
                Ok(()) => {}
                Err(error) => return this.finish(Err(error)),
            }
        }
    }
}

impl Drop for Attended {
    fn drop(&mut self) {
        self.channel.leave_line(&mut self.place);
        // Waiting calls are nobody's yet; those that are sent are the machine's, and it tells the callee.
        if let Some((shared, ticket)) = &self.sent {
            shared.cancel(*ticket);
        }
    }
}

/// A call while the caller's own source is polled, which may panic: then nobody else is left who gives the call up.
struct Unguarded<'a>(&'a Shared, Ticket);

impl Drop for Unguarded<'_> {
    fn drop(&mut self) {
        self.0.cancel(self.1);
    }
}

impl fmt::Debug for Attended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::New(_) => "new",
            State::Waiting(_) => "waiting for a connection",
            State::Gone if self.sent.is_some() => "sent",
            State::Gone => "done",
        };
        write!(f, "Attended({state})")
    }
}
