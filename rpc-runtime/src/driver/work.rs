//! Owns [`Work`]: a handler at work, its panics and how it is stopped. Does not decide where it runs.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};

use tracing::Span;

use crate::call::{CallResult, Code, Context, Delivery, HandlerFuture, Peer, RpcError};
use crate::driver::dispatch::{Dispatch, Finish};
use crate::driver::shared::Shared;
use crate::driver::stop::StopSignal;
use crate::proto::{CallId, Refusal};

/// A handler at work: a future that ends by answering its call.
///
/// ```text
///   at work ── ready, panic ──▶ answered
///      │ └──── stop signal ──▶ dropped within its context, then `stopped`, unless its call is oneway and long over
///      └────── the task is dropped (its runtime ends) ──▶ the same
/// ```
pub(super) struct Work {
    id: CallId,
    context: Context,
    /// Entered whenever the handler is polled or dropped; costs nothing where nobody listens.
    span: Span,
    /// None once it has ended.
    handler: Option<HandlerFuture>,
    shared: Arc<Shared>,
    dispatch: Arc<dyn Dispatch>,
    stop: Arc<StopSignal>,
    /// The number of a oneway call: it is over on the wire, and only the handler still runs.
    oneway: Option<usize>,
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
            handler: None,
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
                self.handler = Some(handler);
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
        let Some(handler) = &mut self.handler else { return Poll::Ready(()) };
        let (context, span) = (&self.context, &self.span);
        let poll = || span.in_scope(|| context.enter(|| Pin::new(handler).poll(cx)));
        match catch_unwind(AssertUnwindSafe(poll)) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(result)) => {
                self.ended(result);
                Poll::Ready(())
            }
            Err(panic) => {
                self.panicked(panic);
                Poll::Ready(())
            }
        }
    }

    fn ended(&mut self, result: CallResult) {
        let finish = match &result {
            Ok(_) => Finish::Answered,
            Err(error) if error.delivery() == Delivery::Refused => Finish::Refused(error.code()),
            Err(error) => Finish::Failed(error.code()),
        };
        self.drop_handler();
        self.answer(result);
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
        let handler = self.handler.take();
        let drop_it = || self.span.in_scope(|| self.context.enter(|| drop(handler)));
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
        if self.handler.is_some() && self.stop.is_set(cx) {
            self.stopped();
            return Poll::Ready(());
        }
        self.poll_handler(cx)
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if self.handler.is_some() {
            self.stopped();
        }
    }
}
