//! Owns [`Work`]: a handler at work, its panics and how it is stopped. Does not decide where it runs.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll, Waker};
use std::time::Instant;

use tracing::level_filters::LevelFilter;
use tracing::{Level, Span};

use crate::call::{
    Batch, CallResult, Code, Context, Delivery, HandlerFuture, Items, Metadata, Peer, Response, RpcError,
};
use crate::driver::answer::{into_answer, into_end};
use crate::driver::clock;
use crate::driver::dispatch::{Dispatch, Finish};
use crate::driver::panics::discard;
use crate::driver::shared::Shared;
use crate::driver::stop::StopSignal;
use crate::driver::streams::{Pump, Pumped, Whose};
use crate::proto::{Answer, CallId, Refusal};

/// A handler at work: a future that ends by answering its call.
///
/// ```text
///   at work ── ready, panic ──▶ answered
///      │ └──── ready with a stream ──▶ streaming ── its end, panic ──▶ answered; stopped as while at work
///      │ └──── stop signal ──▶ dropped within its context, then `stopped`, unless its call is oneway and long over
///      └────── the task is dropped (its runtime ends) ──▶ the same
/// ```
///
/// One that is done may serve the next call of its connection.
pub(super) struct Work {
    id: CallId,
    context: Context,
    /// Entered whenever the handler is polled or dropped; costs nothing where nobody listens.
    span: Span,
    /// None once it has ended.
    doing: Option<Doing>,
    shared: Arc<Shared>,
    dispatch: Arc<dyn Dispatch>,
    /// Made when somebody may have to stop it.
    stop: Option<Arc<StopSignal>>,
    /// The number of a oneway call: it is over on the wire, and only the handler still runs.
    oneway: Option<usize>,
    /// When it began, if somebody wants to know how long it takes.
    began: Option<Instant>,
}

/// What a handler is at.
enum Doing {
    Answering(HandlerFuture),
    /// It has returned a stream, whose items go out. Boxed: few calls have one, and a pump is large.
    Streaming(Box<Pump>),
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
        let (shared, dispatch) = (Arc::clone(shared), Arc::clone(dispatch));
        let span = span(&context);
        Self { id, context, span, doing: None, shared, dispatch, stop: None, oneway: None, began: None }
    }

    /// The context of a call that is over.
    pub(super) fn take_context(&mut self) -> Context {
        std::mem::take(&mut self.context)
    }

    /// Serves the next call.
    pub(super) fn renew(&mut self, id: CallId, context: Context) {
        debug_assert!(self.doing.is_none(), "it is done with the last one");
        self.id = id;
        if is_heard() || !self.span.is_none() {
            self.span = span(&context);
        }
        self.context = context;
        self.stop = None;
        self.oneway = None;
        self.began = None;
    }

    /// Begins: calls the handler for its future, and polls that if `is_inline`. Either may panic.
    ///
    /// Ready when the call is over: with the answer, unless that was given before.
    pub(super) fn begin(
        &mut self,
        begin: impl FnOnce(&dyn Dispatch) -> HandlerFuture,
        is_inline: bool,
    ) -> Poll<Option<Answer>> {
        self.dispatch.started();
        self.began = self.dispatch.wants_times().then(clock::now);
        let Self { span, context, doing, dispatch, .. } = self;
        let mut result = None;
        let begin = || {
            let Doing::Answering(handler) = doing.insert(Doing::Answering(begin(&**dispatch))) else {
                return;
            };
            if is_inline
                && let Poll::Ready(ready) =
                    Pin::new(handler).poll(&mut task::Context::from_waker(Waker::noop()))
            {
                result = Some(ready);
                // Within its context, which is entered already.
                *doing = None;
            }
        };
        let begun = catch_unwind(AssertUnwindSafe(|| span.in_scope(|| context.enter(begin))));
        let result = match (begun, result) {
            (Ok(()), None) => return Poll::Pending,
            (Ok(()), Some(result)) => result,
            (Err(panic), None) => return Poll::Ready(self.panicked(panic)),
            (Err(panic), Some(result)) => {
                self.panicked_while_dropped(panic);
                result
            }
        };
        match self.answered(result) {
            Some(end) => Poll::Ready(end),
            None => self.poll_handler(&mut task::Context::from_waker(Waker::noop())),
        }
    }

    /// The call was refused before the handler was asked for.
    pub(super) fn refused(&self) {
        self.dispatch.refused(Refusal::Overload);
    }

    /// The call is over on the wire; its handler is counted by itself.
    pub(super) fn set_oneway(&mut self) {
        let stop = self.stop_signal();
        self.oneway = Some(self.dispatch.oneway_began(stop));
    }

    pub(super) const fn is_oneway(&self) -> bool {
        self.oneway.is_some()
    }

    fn oneway_finished(&self, number: usize) {
        self.shared.oneway_finished();
        self.dispatch.oneway_ended(number);
    }

    pub(super) fn stop_signal(&mut self) -> Arc<StopSignal> {
        Arc::clone(self.stop.get_or_insert_default())
    }

    /// Polls the handler, and says what is to be answered when it is done.
    fn poll_handler(&mut self, cx: &mut task::Context<'_>) -> Poll<Option<Answer>> {
        loop {
            let Self { context, span, .. } = self;
            let (shared, whose) = (&*self.shared, Whose::Peer(self.id));
            let polled = match &mut self.doing {
                None => return Poll::Ready(None),
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
                Ok(Poll::Ready(Ended::Answer(result))) => {
                    if let Some(end) = self.answered(result) {
                        return Poll::Ready(end);
                    }
                }
                Ok(Poll::Ready(Ended::Stream(Pumped::End(result)))) => {
                    return Poll::Ready(self.ended(result, into_end));
                }
                // The call is over, and the signal to stop is on its way.
                Ok(Poll::Ready(Ended::Stream(Pumped::Over))) => return Poll::Pending,
                Err(panic) => return Poll::Ready(self.panicked(panic)),
            }
        }
    }

    /// The handler has returned; none if it goes on with a stream.
    fn answered(&mut self, result: CallResult) -> Option<Option<Answer>> {
        match result {
            Ok(mut response) if response.items().is_some() => {
                // ## Answering => Streaming: the handler has returned its stream.
                if let Some(items) = response.take_items() {
                    self.open(items, response);
                }
                None
            }
            result => Some(self.ended(result, into_answer)),
        }
    }

    fn open(&mut self, items: Items, response: Response) {
        let (_, _, mut metadata) = response.into_parts();
        for entry in self.context.take_reply_metadata().iter() {
            metadata.put(entry.clone());
        }
        self.drop_handler();
        self.shared.open_stream(self.id, &metadata);
        self.doing = Some(Doing::Streaming(Box::new(Pump::new(items))));
    }

    fn ended(
        &mut self,
        result: CallResult,
        into_answer: fn(CallResult, Metadata) -> Answer,
    ) -> Option<Answer> {
        let finish = match &result {
            Ok(_) => Finish::Answered,
            Err(error) if error.delivery() == Delivery::Refused => Finish::Refused(error.code()),
            Err(error) => Finish::Failed(error.code()),
        };
        self.drop_handler();
        let answer = self.answer(|metadata| into_answer(result, metadata));
        self.finished(finish);
        answer
    }

    fn panicked(&mut self, panic: Box<dyn Any + Send>) -> Option<Answer> {
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
        let answer = self.answer(|metadata| into_answer(Err(error), metadata));
        self.finished(Finish::Panicked);
        answer
    }

    fn answer(&self, answer: impl FnOnce(Metadata) -> Answer) -> Option<Answer> {
        match self.oneway {
            Some(number) => {
                self.oneway_finished(number);
                None
            }
            None => Some(answer(self.context.take_reply_metadata())),
        }
    }

    fn stopped(&mut self) {
        if self.shared.is_lost() {
            self.context.lose();
        }
        self.context.cancel();
        self.drop_handler();
        if let Some(number) = self.oneway {
            self.oneway_finished(number);
        } else {
            self.shared.stopped(self.id);
        }
        self.finished(Finish::Stopped);
    }

    fn finished(&self, how: Finish) {
        if let Some(began) = self.began.filter(|_| !matches!(how, Finish::Refused(_))) {
            self.dispatch.took(self.context.method(), clock::now().saturating_duration_since(began));
        }
        self.dispatch.finished(how);
    }

    /// Drops the handler within its context; a panic in its `Drop` is its own affair.
    fn drop_handler(&mut self) {
        let Some(doing) = self.doing.take() else { return };
        let Self { context, span, .. } = self;
        let drop_it = || span.in_scope(|| context.enter(|| drop(doing)));
        let dropped = catch_unwind(AssertUnwindSafe(drop_it));
        if let Err(panic) = dropped {
            self.panicked_while_dropped(panic);
        }
    }

    fn panicked_while_dropped(&self, panic: Box<dyn Any + Send>) {
        discard(panic);
        tracing::error!(method = self.context.method(), "a handler panicked while it was dropped");
    }
}

/// Whether anybody listens.
#[inline]
fn is_heard() -> bool {
    LevelFilter::current() >= Level::DEBUG
}

/// None where nobody listens: with the feature `log` of `tracing`, which any crate of a program may ask for, even a span that is
/// of no use takes 300 instructions.
fn span(context: &Context) -> Span {
    if !is_heard() {
        return Span::none();
    }
    tracing::debug_span!(
        "call",
        rpc.system.name = "traitwire",
        rpc.method = context.method(),
        network.peer.address = context.peer().map(Peer::address),
    )
}

impl Future for Work {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<()> {
        if self.doing.is_some() && self.stop.as_ref().is_some_and(|stop| stop.is_set(cx)) {
            self.stopped();
            return Poll::Ready(());
        }
        self.poll_handler(cx).map(|answer| {
            if let Some(answer) = answer {
                self.shared.answer(self.id, answer);
            }
        })
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if self.doing.is_some() {
            self.stopped();
        }
    }
}
