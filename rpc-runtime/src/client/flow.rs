//! Owns the streams of a call under way: [`Inlet`], the items that come back, and [`Outflow`], what is left of those that
//! the caller sends. Does not own the call until its stream is open (`in_flight`).

use std::future::poll_fn;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::call::{
    self, Batch, CallResult, Caps, Code, Delivery, ItemSource, Items, Payload, Response, RpcError,
};
use crate::driver::{Pump, Pumped, Shared, Ticket, Took, Whose};
use crate::proto::{Body, Received};

/// What a call ended with, for its caller.
pub(super) fn answer(outcome: Received, shared: &Arc<Shared>, caps: Caps) -> CallResult {
    let owned = |body: Body| Payload::received(body.into_parts(), shared, caps);
    let (mut response, metadata) = match outcome {
        Received::Reply { metadata, body } => (Response::value(owned(body)), metadata),
        Received::App { metadata, detail } => (Response::app_error(owned(detail)), metadata),
        Received::End { metadata } => (Response::value(Payload::default()), metadata),
        Received::Error(error) => return Err(error),
    };
    *response.metadata_mut() = metadata;
    Ok(response)
}

/// Only a callee that remembers its replies knows what became of a call of which nothing else is known.
pub(super) fn known_at(shared: &Shared, error: RpcError) -> RpcError {
    if error.delivery() == Delivery::Unknown { error.with_replies_at(shared.replies()) } else { error }
}

/// The items that come back. Dropping it gives the call up.
pub(super) struct Inlet {
    shared: Arc<Shared>,
    ticket: Ticket,
    address: Arc<str>,
    attempts: u32,
    caps: Caps,
    is_over: bool,
}

impl Inlet {
    pub(super) const fn new(
        shared: Arc<Shared>,
        ticket: Ticket,
        address: Arc<str>,
        attempts: u32,
        caps: Caps,
    ) -> Self {
        Self { shared, ticket, address, attempts, caps, is_over: false }
    }
}

impl ItemSource for Inlet {
    fn poll_items(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        items: &mut Batch,
    ) -> Poll<ControlFlow<CallResult>> {
        let end = match ready!(self.shared.poll_take(Whose::Own(self.ticket), cx)) {
            Took::Items(taken) => {
                *items = taken;
                return Poll::Ready(ControlFlow::Continue(()));
            }
            Took::Ended(ended) => answer(ended.outcome, &self.shared, self.caps),
            Took::End | Took::Gone => {
                let text = "the call has ended already";
                Err(RpcError::new(Code::CANCELLED, Delivery::Executed, text))
            }
        };
        self.is_over = true;
        let told = |error: RpcError| error.with_peer(&self.address).with_attempts(self.attempts);
        Poll::Ready(ControlFlow::Break(end.map_err(told)))
    }
}

impl Drop for Inlet {
    fn drop(&mut self) {
        if !self.is_over {
            self.shared.cancel(self.ticket);
        }
    }
}

/// What is left of the items that the caller sends, once the callee's stream is open.
pub(super) struct Outflow {
    pump: Pump,
    shared: Arc<Shared>,
    ticket: Ticket,
    is_over: bool,
}

impl Outflow {
    pub(super) const fn new(pump: Pump, shared: Arc<Shared>, ticket: Ticket) -> Self {
        Self { pump, shared, ticket, is_over: false }
    }

    /// Lets it go on as a task, which ends with the call.
    pub(super) fn spawn(self) {
        let runtime = self.shared.runtime();
        runtime.spawn(call::Context::current().scope(self.run()));
    }

    async fn run(mut self) {
        let whose = Whose::Own(self.ticket);
        let pumped = poll_fn(|cx| self.pump.poll(&self.shared, whose, cx, Items::poll)).await;
        self.is_over = true;
        match pumped {
            Pumped::End(Ok(_)) => self.shared.finish_items(self.ticket),
            Pumped::End(Err(error)) => self.shared.fail(self.ticket, error),
            Pumped::Over => {}
        }
    }
}

impl Drop for Outflow {
    /// The source panics, or the runtime ends before it has: what has left of it is not all of it.
    fn drop(&mut self) {
        if !self.is_over {
            let text = match std::thread::panicking() {
                true => "the stream that the call's items are read from panicked",
                false => "the runtime that the call's items were read in has ended",
            };
            let error = RpcError::new(Code::CANCELLED, Delivery::Unknown, text);
            self.shared.fail(self.ticket, error);
        }
    }
}
