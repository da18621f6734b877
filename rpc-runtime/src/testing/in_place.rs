//! Owns [`InPlace`]: a service as a caller, without a wire. Arguments and answers are encoded, because that is what passes
//! between a client and whatever it calls through; nothing else of a connection is there.

use std::any::Any;
use std::fmt;
use std::future::poll_fn;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll, ready};

use tokio::time::Sleep;

use crate::call::{
    Batch, CallResult, Caller, Code, Context, Deadline, Delivery, HandlerFuture, ItemSource, Items, Payload,
    Peer, Request, Response, RpcError, Service,
};
use crate::client::Client;
use crate::driver::{discard, now};
use crate::limits;

/// A service that is called in place: its handlers run in the polls of their callers, without tasks, connections or
/// protocol between them.
///
/// Deadlines, cancellation, the [`Context`], metadata, streams and panics are as over a wire; the time
/// that a stream may be idle is not watched over, and a `blocking` method blocks its caller. For what is between the two
/// sides use `loopback`, or a [`Network`](super::Network).
///
/// ```
/// use traitwire::rpc_service;
///
/// #[rpc_service]
/// trait Greeter {
///     async fn greet(&self, name: &str) -> String;
/// }
/// struct Basic;
/// impl Greeter for Basic {
///     async fn greet(&self, name: &str) -> String { format!("good day, {name}") }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let greeter = GreeterClient::from_impl(Basic);
/// assert_eq!(greeter.greet("Ada").await.unwrap(), "good day, Ada");
/// # }
/// ```
#[derive(Clone)]
pub struct InPlace {
    service: Arc<dyn Service>,
}

/// The client of a service that is called in place: `testing::from_impl::<FooClient<_>>(FooServer::new(foo))`. The short form is
/// `FooClient::from_impl(foo)`, which gives way to a method of the same name.
pub fn from_impl<C: Client<Caller = InPlace>>(service: impl Service) -> C {
    C::from_caller(InPlace::new(service))
}

impl InPlace {
    /// This service, to be called in place.
    pub fn new(service: impl Service) -> Self {
        Self { service: Arc::new(service) }
    }
}

impl fmt::Debug for InPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InPlace({})", self.service.descriptor().name)
    }
}

impl Caller for InPlace {
    type Error = RpcError;
    type Future = Running;

    fn call(&self, request: Request) -> Running {
        Running { state: State::New(self.clone(), request) }
    }
}

/// A call of a service in place. Dropping it drops the handler.
#[must_use = "futures do nothing unless polled"]
pub struct Running {
    state: State,
}

enum State {
    New(InPlace, Request),
    Running(Handling),
    Done,
}

/// A handler at work.
struct Handling {
    handler: Within<HandlerFuture>,
    /// The end of its streams, if it has any.
    total: Option<Deadline>,
    is_oneway: bool,
}

impl Handling {
    /// The handler begins with the first poll, and so does its time.
    fn begin(service: &dyn Service, mut request: Request) -> Self {
        let began = now();
        let time = request.timeout().unwrap_or(limits::TIMEOUT);
        let total = request.total_timeout().map(|total| Deadline::after(began, total));
        let total = Deadline::earlier(request.deadline(), total);
        let due = Deadline::earlier(Some(Deadline::after(began, time)), total);
        let (descriptor, items) = (request.descriptor(), request.take_items());
        // Calls that a handler makes while its streams move are bound by what bounds those.
        let has_streams = items.is_some() || descriptor.is_some_and(|method| method.takes);
        let bound = if has_streams { total } else { due };
        let (name, arguments, metadata) = request.into_parts();
        let peer = Peer::new("in place", None);
        let mut context = Context::new(name.clone(), bound, metadata.clone(), peer.clone(), now, None);
        let mut request = Request::received(name, arguments, metadata, due, peer);
        if let Some(descriptor) = descriptor {
            request.set_route(0, descriptor);
        }
        if let Some(items) = items {
            request.set_items(items);
        }
        let handler = catch_unwind(AssertUnwindSafe(|| context.enter(|| service.handle(request))));
        let handler = handler.unwrap_or_else(|panic| HandlerFuture::ready(Err(panicked(panic))));
        let is_oneway = descriptor.is_some_and(|method| method.oneway);
        Self { handler: Within::new(handler, context, due), total, is_oneway }
    }

    fn poll(&mut self, cx: &mut task::Context<'_>) -> Poll<CallResult> {
        let handler = &mut self.handler;
        let result = match ready!(handler.poll(cx, |handler, cx| Pin::new(handler).poll(cx))) {
            Ok(result) | Err(result) => result,
        };
        handler.finish();
        let metadata = handler.context.take_reply_metadata();
        Poll::Ready(match result {
            Err(error) if metadata.is_empty() || !error.metadata().is_empty() => Err(error.without_source()),
            Err(error) => Err(error.without_source().with_metadata(metadata)),
            Ok(mut response) => {
                for entry in metadata.iter() {
                    response.metadata_mut().put(entry.clone());
                }
                if let Some(items) = response.take_items() {
                    let items = Within::new(items, handler.context.clone(), self.total);
                    let streamed = Response::stream(Items::new(items));
                    let metadata = std::mem::take(response.metadata_mut());
                    response = streamed;
                    *response.metadata_mut() = metadata;
                }
                Ok(response)
            }
        })
    }
}

impl Future for Running {
    type Output = CallResult;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<CallResult> {
        let mut handling = match std::mem::replace(&mut self.state, State::Done) {
            State::New(caller, request) => Handling::begin(&*caller.service, request),
            State::Running(handling) => handling,
            State::Done => return Poll::Pending,
        };
        if handling.is_oneway {
            // Its caller does not wait for it.
            tokio::spawn(poll_fn(move |cx| handling.poll(cx).map(drop)));
            return Poll::Ready(Ok(Response::value(Payload::default())));
        }
        let polled = handling.poll(cx);
        if polled.is_pending() {
            self.state = State::Running(handling);
        }
        polled
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Running")
    }
}

// ===== impl Within =====

/// Something of a handler, which is polled and dropped within its call's context, and for its call's time.
struct Within<T> {
    /// None once it has ended.
    inner: Option<T>,
    context: Context,
    due: Option<Pin<Box<Sleep>>>,
}

impl<T> Within<T> {
    fn new(inner: T, context: Context, due: Option<Deadline>) -> Self {
        let due = due.map(|due| Box::pin(tokio::time::sleep_until(due.instant().into())));
        Self { inner: Some(inner), context, due }
    }

    /// Polls it; an error is what became of it instead: its time is over, or it panicked.
    fn poll<R>(
        &mut self,
        cx: &mut task::Context<'_>,
        poll: impl FnOnce(&mut T, &mut task::Context<'_>) -> Poll<R>,
    ) -> Poll<Result<R, CallResult>> {
        let Some(inner) = &mut self.inner else { return Poll::Pending };
        let context = &mut self.context;
        match catch_unwind(AssertUnwindSafe(|| context.enter(|| poll(inner, cx)))) {
            Ok(Poll::Ready(result)) => return Poll::Ready(Ok(result)),
            Ok(Poll::Pending) => {}
            Err(panic) => return Poll::Ready(Err(Err(panicked(panic)))),
        }
        if !self.due.as_mut().is_some_and(|due| due.as_mut().poll(cx).is_ready()) {
            return Poll::Pending;
        }
        self.stop();
        let text = "its time ran out: the handler was at work, in place";
        Poll::Ready(Err(Err(RpcError::new(Code::DEADLINE_EXCEEDED, Delivery::Executed, text))))
    }

    /// It has ended by itself.
    fn finish(&mut self) {
        let inner = self.inner.take();
        let context = &mut self.context;
        // A panic in the `Drop` of a handler is its own affair.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| context.enter(|| drop(inner)))) {
            discard(panic);
        }
    }

    /// It ends before its end.
    fn stop(&mut self) {
        if self.inner.is_some() {
            self.context.cancel();
            self.finish();
        }
    }
}

impl<T> Drop for Within<T> {
    fn drop(&mut self) {
        self.stop();
    }
}

impl ItemSource for Within<Items> {
    fn poll_items(
        mut self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
        batch: &mut Batch,
    ) -> Poll<ControlFlow<CallResult>> {
        let polled = ready!(self.poll(cx, |items, cx| items.poll(cx, batch)));
        let moved = polled.unwrap_or_else(ControlFlow::Break);
        if moved.is_break() {
            self.finish();
        }
        Poll::Ready(moved)
    }
}

/// What a caller is told of a panic: not what it said, which may be what the caller must not see.
fn panicked(panic: Box<dyn Any + Send>) -> RpcError {
    discard(panic);
    RpcError::new(Code::INTERNAL, Delivery::Executed, "the handler panicked")
}
