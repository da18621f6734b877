//! Owns [`InFlight`]: a call under way on a channel, and the channel's part in sending it. Does not own the connection, nor
//! what the bytes of the answer mean.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;

use crate::call::{CallResult, Deadline, Request};
use crate::client::attended::Attended;
use crate::client::channel::Channel;
use crate::client::credentials;
use crate::client::flow::{answer, known_at};
use crate::driver::{Ended, Shared, Ticket, now};
use crate::proto::{Outgoing, StreamUse, Untaken};

/// A call under way on a [`Channel`]'s connection. Dropping it cancels the call, down to the handler.
///
/// Nearly every call finds a connection, is sent and is answered: it is small, because it is part of its caller's future and
/// moves with that. Whatever takes more is [`Attended`], in a box.
#[must_use = "futures do nothing unless polled"]
pub(super) struct InFlight {
    channel: Channel,
    state: State,
}

/// ```text
///   New ──there is a connection──▶ Sent ──answer──▶ Over
///    │                              │ no handler saw it, and it may be sent again
///    └──anything else───────────────┴─────────────▶ Attended ──its end──▶ Over
/// ```
enum State {
    New(Request),
    /// This connection has it: all that is left to do is to be woken.
    Sent {
        shared: Arc<Shared>,
        ticket: Ticket,
        wait_for_ready: bool,
    },
    Attended(Box<Attended>),
    Over,
}

impl InFlight {
    pub(super) const fn new(channel: Channel, request: Request) -> Self {
        Self { channel, state: State::New(request) }
    }

    /// The clock starts here, at the first poll; a deadline that was inherited has been running.
    fn begin(&mut self, request: Request, cx: &mut Context<'_>) -> Poll<CallResult> {
        let has_stream = request.takes_items() || request.items().is_some();
        let shared = if has_stream { None } else { self.channel.connection() };
        // In the connection's own runtime its tasks watch over the call; another one may stand still, or be blocked.
        let Some(shared) = shared.filter(|shared| shared.is_at_home()) else {
            return self.attend(Attended::new(self.channel.clone(), request), cx);
        };
        let (now, wait_for_ready) = (now(), request.waits_for_ready());
        let call = self.channel.outgoing(request, None, now);
        match self.channel.send(&shared, call, now, cx.waker()) {
            Ok(ticket) => {
                self.state = State::Sent { shared, ticket, wait_for_ready };
                Poll::Pending
            }
            Err(untaken) if untaken.error.is_resend() => {
                let Untaken { error, call } = *untaken;
                let channel = self.channel.clone();
                self.attend(Attended::refused(channel, wait_for_ready, 0, &shared, error, call), cx)
            }
            Err(untaken) => Poll::Ready(Err(untaken.error.with_peer(&self.channel.inner.address))),
        }
    }

    fn attend(&mut self, call: Attended, cx: &mut Context<'_>) -> Poll<CallResult> {
        let mut call = Box::new(call);
        let polled = Pin::new(&mut *call).poll(cx);
        if polled.is_pending() {
            self.state = State::Attended(call);
        }
        polled
    }

    fn ended(
        &mut self,
        shared: &Arc<Shared>,
        wait_for_ready: bool,
        ended: Ended,
        cx: &mut Context<'_>,
    ) -> Poll<CallResult> {
        let error = match answer(ended.outcome, shared, self.channel.inner.caps) {
            Ok(response) => return Poll::Ready(Ok(response)),
            Err(error) => error,
        };
        match ended.unseen.filter(|call| !call.deadline.is_some_and(|at| at.has_passed(now()))) {
            Some(call) => {
                let channel = self.channel.clone();
                self.attend(Attended::refused(channel, wait_for_ready, 1, shared, error, call), cx)
            }
            None => Poll::Ready(Err(known_at(shared, error)
                .with_peer(&self.channel.inner.address)
                .with_attempts(1))),
        }
    }
}

impl Channel {
    /// What a connection is to be given for a request, as the channel's settings have it.
    #[inline]
    pub(super) fn outgoing(&self, request: Request, stream: Option<StreamUse>, now: Instant) -> Outgoing {
        let own = request
            .begin_by()
            .unwrap_or_else(|| Deadline::after(now, request.timeout().unwrap_or(self.inner.timeout)));
        let bound = stream.map_or_else(|| request.deadline(), |stream| stream.total);
        let deadline = Deadline::earlier(bound, Some(own));
        let oneway = request.descriptor().is_some_and(|method| method.oneway);
        let only_at = request.only_at();
        let (method, arguments, mut metadata) = request.into_parts();
        if let Some(source) = &self.inner.token {
            credentials::attach(&**source, &method, &mut metadata);
        }
        let mut call = Outgoing::new();
        (call.method, call.metadata, call.arguments) = (method, metadata, arguments.into_load());
        (call.deadline, call.oneway, call.stream, call.only_at) = (deadline, oneway, stream, only_at);
        call
    }

    /// Gives a call to a connection, unless others could read its credentials there.
    #[inline]
    pub(super) fn send(
        &self,
        shared: &Shared,
        call: Outgoing,
        now: Instant,
        caller: &Waker,
    ) -> Result<Ticket, Box<Untaken>> {
        if !shared.is_private()
            && !self.inner.plain_credentials
            && let Err(error) = credentials::check(&call.metadata)
        {
            return Err(Box::new(Untaken { error, call }));
        }
        shared.call(call, now, caller)
    }
}

impl Future for InFlight {
    type Output = CallResult;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<CallResult> {
        let this = &mut *self;
        let polled = match &mut this.state {
            State::Sent { shared, ticket, .. } => {
                let ended = ready!(shared.poll_call(*ticket, cx));
                // From here on there is nothing to be cancelled.
                match std::mem::replace(&mut this.state, State::Over) {
                    State::Sent { shared, wait_for_ready, .. } => {
                        this.ended(&shared, wait_for_ready, ended, cx)
                    }
                    _ => Poll::Pending,
                }
            }
            State::New(_) => match std::mem::replace(&mut this.state, State::Over) {
                State::New(request) => this.begin(request, cx),
                _ => Poll::Pending,
            },
            State::Attended(call) => Pin::new(&mut **call).poll(cx),
            State::Over => Poll::Pending,
        };
        if polled.is_ready() {
            this.state = State::Over;
        }
        polled
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        // What has been sent is the machine's, and it tells the callee.
        if let State::Sent { shared, ticket, .. } = &self.state {
            shared.cancel(*ticket);
        }
    }
}

impl fmt::Debug for InFlight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.state {
            State::New(_) => f.write_str("InFlight(new)"),
            State::Sent { .. } => f.write_str("InFlight(sent)"),
            State::Attended(call) => call.fmt(f),
            State::Over => f.write_str("InFlight(done)"),
        }
    }
}
