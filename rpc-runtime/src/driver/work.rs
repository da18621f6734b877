//! Owns [`Work`]: a handler at work, its panics and how it is stopped. Does not decide where it runs.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};

use tracing::Span;

use crate::call::{
    Batch, CallResult, Code, Context, Delivery, HandlerFuture, Items, Peer, Response, RpcError,
};
use crate::driver::dispatch::{Dispatch, Finish};
use crate::driver::shared::Shared;
use crate::driver::stop::StopSignal;
use crate::driver::streams::{Pump, Pumped, Whose};
use crate::proto::{CallId, Refusal};

/// A handler at work: a future that ends by answering its call.
///
/// ```text
///   at work ── ready, panic ──▶ answered
///      │ └──── ready with a stream ──▶ streaming ── its end, panic ──▶ answered; stopped as while at work
///      │ └──── stop signal ──▶ dropped within its context, then `stopped`, unless its call is oneway and long over
///      └────── the task is dropped (its runtime ends) ──▶ the same
/// ```
pub(super) struct Work {
    id: CallId,
    context: Context,
    /// Entered whenever the handler is polled or dropped; costs nothing where nobody listens.
    span: Span,
    /// None once it has ended.
    doing: Option<Doing>,
    shared: Arc<Shared>,
    dispatch: Arc<dyn Dispatch>,
    stop: Arc<StopSignal>,
    /// The number of a oneway call: it is over on the wire, and only the handler still runs.
    oneway: Option<usize>,
}

/// What a handler is at.
enum Doing {
    Answering(HandlerFuture),
    /// It has returned a stream, whose items go out.
    Streaming(Pump),
}

/// How it is done with that.
enum Ended {
    Answer(CallResult),
    Stream(Pumped),
}

impl Work {
    pub(super) fn new(
        id: CallId,
        context: Context,
        shared: &Arc<Shared>,
        dispatch: &Arc<dyn Dispatch>,
    ) -> Self {
        let span = tracing::debug_span!(
            "call",
            rpc.system.name = "traitwire",
            rpc.method = context.method(),
            network.peer.address = context.peer().map(Peer::address),
        );
        Self {
            id,
            context,
            span,
            doing: None,
            shared: Arc::clone(shared),
            dispatch: Arc::clone(dispatch),
            stop: Arc::default(),
            oneway: None,
        }
    }

    /// Begins: calls the handler for its future, which may panic too. Whether there is still something to poll.
    pub(super) fn begin(&mut self, begin: impl FnOnce() -> HandlerFuture) -> bool {
        self.dispatch.started();
        match catch_unwind(AssertUnwindSafe(|| self.span.in_scope(|| self.context.enter(begin)))) {
            Ok(handler) => {
                self.doing = Some(Doing::Answering(handler));
                true
            }
            Err(panic) => {
                self.panicked(panic);
                false
            }
        }
    }

    /// The call was refused before the handler was asked for.
    pub(super) fn refused(self) {
        self.dispatch.refused(Refusal::Overload);
    }

    /// The call is over on the wire; its handler is counted by itself.
    pub(super) fn set_oneway(&mut self) {
        self.oneway = Some(self.dispatch.oneway_began(self.stop_signal()));
    }

    fn oneway_finished(&self, number: usize) {
        self.shared.oneway_finished();
        self.dispatch.oneway_ended(number);
    }

    pub(super) fn stop_signal(&self) -> Arc<StopSignal> {
        Arc::clone(&self.stop)
    }

    /// Polls the handler, and answers if it is done.
    pub(super) fn poll_handler(&mut self, cx: &mut task::Context<'_>) -> Poll<()> {
        loop {
            let (context, span) = (&self.context, &self.span);
            let (shared, whose) = (&*self.shared, Whose::Peer(self.id));
            let polled = match &mut self.doing {
                None => return Poll::Ready(()),
                Some(Doing::Answering(handler)) => {
                    let poll = || span.in_scope(|| context.enter(|| Pin::new(handler).poll(cx)));
                    catch_unwind(AssertUnwindSafe(poll)).map(|polled| polled.map(Ended::Answer))
                }
                Some(Doing::Streaming(pump)) => {
                    let poll = |items: &mut Items, cx: &mut task::Context<'_>, batch: &mut Batch| {
                        span.in_scope(|| context.enter(|| items.poll(cx, batch)))
                    };
                    let pumped = || pump.poll(shared, whose, cx, poll);
                    catch_unwind(AssertUnwindSafe(pumped)).map(|polled| polled.map(Ended::Stream))
                }
            };
            match polled {
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(Ended::Answer(Ok(mut response)))) if response.items().is_some() => {
                    // ## Answering => Streaming: the handler has returned its stream.
                    if let Some(items) = response.take_items() {
                        self.open(items, response);
                    }
                }
                Ok(Poll::Ready(Ended::Answer(result))) => self.ended(result, false),
                Ok(Poll::Ready(Ended::Stream(Pumped::End(result)))) => self.ended(result, true),
                // The call is over, and the signal to stop is on its way.
                Ok(Poll::Ready(Ended::Stream(Pumped::Over))) => return Poll::Pending,
                Err(panic) => self.panicked(panic),
            }
        }
    }

    fn open(&mut self, items: Items, response: Response) {
        let (_, _, mut metadata) = response.into_parts();
        for entry in self.context.take_reply_metadata().iter() {
            metadata.put(entry.clone());
        }
        self.drop_handler();
        self.shared.open_stream(self.id, &metadata);
        self.doing = Some(Doing::Streaming(Pump::new(items)));
    }

    fn ended(&mut self, result: CallResult, streamed: bool) {
        let finish = match &result {
            Ok(_) => Finish::Answered,
            Err(error) if error.delivery() == Delivery::Refused => Finish::Refused(error.code()),
            Err(error) => Finish::Failed(error.code()),
        };
        self.drop_handler();
        if streamed {
            self.shared.end_stream(self.id, result, self.context.take_reply_metadata());
        } else {
            self.answer(result);
        }
        self.dispatch.finished(finish);
    }

    fn panicked(&mut self, panic: Box<dyn Any + Send>) {
        let text = panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "a panic that is not a text".to_owned());
        tracing::error!(method = self.context.method(), panic = %text.escape_debug(), "a handler panicked");
        discard(panic);
        self.drop_handler();
        // What the panic said stays here: it may hold what the caller must not see.
        let error = RpcError::new(Code::INTERNAL, Delivery::Executed, "the handler panicked");
        self.answer(Err(error));
        self.dispatch.finished(Finish::Panicked);
    }

    fn answer(&self, result: CallResult) {
        if let Some(number) = self.oneway {
            self.oneway_finished(number);
        } else {
            self.shared.answer(self.id, result, self.context.take_reply_metadata());
        }
    }

    fn stopped(&mut self) {
        self.context.cancel();
        self.drop_handler();
        if let Some(number) = self.oneway {
            self.oneway_finished(number);
        } else {
            self.shared.stopped(self.id);
        }
        self.dispatch.finished(Finish::Stopped);
    }

    /// Drops the handler within its context; a panic in its `Drop` is its own affair.
    fn drop_handler(&mut self) {
        let doing = self.doing.take();
        let drop_it = || self.span.in_scope(|| self.context.enter(|| drop(doing)));
        let dropped = catch_unwind(AssertUnwindSafe(drop_it));
        if let Err(panic) = dropped {
            discard(panic);
            tracing::error!(method = self.context.method(), "a handler panicked while it was dropped");
        }
    }
}

/// Drops what a panic carries, which may panic as well; what that one carries is leaked rather than tried again.
pub(crate) fn discard(panic: Box<dyn Any + Send>) {
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        std::mem::forget(again);
    }
}

impl Future for Work {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<()> {
        if self.doing.is_some() && self.stop.is_set(cx) {
            self.stopped();
            return Poll::Ready(());
        }
        self.poll_handler(cx)
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if self.doing.is_some() {
            self.stopped();
        }
    }
}
