//! What generated code does with streams: items that are encoded as they are asked for, and read as they come.

use std::any::Any;
use std::fmt;
use std::future::poll_fn;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures::{Stream, StreamExt};
use parking_lot::Mutex;

use super::answer::{Answer, Form, Select, Shape};
use super::client::{app_error, not_readable};
use super::server::not_answerable;
use super::travel::item_limits;
use crate::call::{
    Batch, CallError, CallOptions, CallResult, Caller, Caps, Code, Delivery, ItemSource, Items, Load,
    MethodDescriptor, Payload, Request, Response, RpcError, Streaming,
};
use crate::client::{Call, CallStream, OpenCall, Read, ResultType};
use crate::codec::EncodeError;
use crate::limits;

/// The stream of a client's method that returns one of `Result`s.
pub type ResultStream<C, R> = CallStream<C, <R as ResultType>::Ok, <R as ResultType>::Err>;

/// The stream of a client's method whose items have this shape.
pub type ShapedStream<C, R, const IS_RESULT: bool> =
    CallStream<C, <Select<IS_RESULT> as Shape<R>>::Ok, <Select<IS_RESULT> as Shape<R>>::Err>;

// ===== the client =====

/// The values of a `Streaming` argument, to be encoded as they are sent.
pub fn items<T, A>(method: &'static MethodDescriptor, values: impl Into<Streaming<T>>, _: A) -> Items
where
    T: 'static,
    A: Answer<Ok = T, Detail = ()> + 'static,
{
    Items::new(Encoded { method, values: values.into(), write: A::write, end: None })
}

/// Values that are encoded as they are asked for.
struct Encoded<T> {
    method: &'static MethodDescriptor,
    values: Streaming<T>,
    write: Write<T, ()>,
    /// How it has ended, once it has: told behind the items before it.
    end: Option<CallResult>,
}

type Write<T, D> = fn(&Result<T, D>, &mut Vec<u8>) -> Result<(), EncodeError>;

impl<T> ItemSource for Encoded<T> {
    fn poll_items(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        items: &mut Batch,
    ) -> Poll<ControlFlow<CallResult>> {
        let this = &mut *self;
        while items.size() < limits::BATCH && this.end.is_none() {
            match this.values.poll_next_unpin(cx) {
                Poll::Pending if items.is_empty() => return Poll::Pending,
                Poll::Pending => break,
                Poll::Ready(Some(Ok(value))) => {
                    let written = items.push_with(|out| (this.write)(&Ok(value), out));
                    this.end = written.err().map(|error| Err(not_sendable(this.method, error)));
                }
                Poll::Ready(Some(Err(error))) => this.end = Some(Err(error)),
                Poll::Ready(None) => this.end = Some(Ok(end())),
            }
        }
        match this.end.take_if(|_| items.is_empty()) {
            Some(end) => Poll::Ready(ControlFlow::Break(end)),
            None => Poll::Ready(ControlFlow::Continue(())),
        }
    }
}

#[cold]
fn not_sendable(method: &MethodDescriptor, error: EncodeError) -> RpcError {
    let text = format!("{}: an item cannot be encoded: {error}", method.full_name);
    RpcError::new(Code::INTERNAL, Delivery::Unknown, text).with_source(error)
}

/// One call of a generated client that sends items beside its arguments.
pub fn call_sending<S, R, A, C>(
    caller: &C,
    options: &CallOptions,
    method: &'static MethodDescriptor,
    arguments: Result<Load, RpcError>,
    items: Items,
    form: Form<S, R>,
    codec: A,
) -> Call<C, S::Ok, S::Err>
where
    S: Shape<R>,
    A: Answer<Ok = S::Ok, Detail = S::Detail>,
    C: Caller,
{
    super::client::call(caller, options, method, arguments, form, codec).sending(items)
}

/// One call of a generated client that is answered with a stream.
pub fn call_stream<S, R, A, C>(
    caller: &C,
    options: &CallOptions,
    method: &'static MethodDescriptor,
    arguments: Result<Load, RpcError>,
    items: Option<Items>,
    _: Form<S, R>,
    _: A,
) -> CallStream<C, S::Ok, S::Err>
where
    S: Shape<R>,
    A: Answer<Ok = S::Ok, Detail = S::Detail>,
    C: Caller,
{
    let read = Read { item: read_item::<S::Ok, A>, error: app_error::<S, R, A> };
    CallStream::new(caller.clone(), options, method, arguments, items, read)
}

/// One call of a generated client that fails, or is answered with a stream.
#[expect(clippy::too_many_arguments, reason = "generated code has them all at hand")]
pub fn call_open<S, R, A, P, Q, B, C>(
    caller: &C,
    options: &CallOptions,
    method: &'static MethodDescriptor,
    arguments: Result<Load, RpcError>,
    items: Option<Items>,
    form: Form<S, R>,
    codec: A,
    _: Form<P, Q>,
    _: B,
) -> OpenCall<C, S::Ok, S::Err, P::Err>
where
    S: Shape<R>,
    A: Answer<Ok = S::Ok, Detail = S::Detail>,
    P: Shape<Q>,
    B: Answer<Ok = P::Ok, Detail = P::Detail>,
    C: Caller,
{
    let stream = call_stream(caller, options, method, arguments, items, form, codec);
    OpenCall::new(stream, app_error::<P, Q, B>)
}

fn read_item<T, A: Answer<Ok = T>>(
    method: &'static MethodDescriptor,
    item: &[u8],
    caps: Caps,
) -> Result<T, RpcError> {
    let limits = item_limits(method, item.len(), caps);
    A::read_value(item, &limits).map_err(|error| not_readable(method, "item", error))
}

/// A stream as the trait itself says: what happened to the call becomes the trait's own error.
pub fn returned_stream<S, R, C>(stream: CallStream<C, S::Ok, S::Err>) -> impl Stream<Item = R> + Send
where
    S: Shape<R>,
    S::Ok: Send,
    S::Err: From<C::Error> + Send,
    C: Caller,
{
    stream.map(|item| S::join(item.map_err(own::<C, S::Err>)))
}

/// The future of a stream as the trait itself says.
pub async fn returned_open<S, R, E, C>(
    open: OpenCall<C, S::Ok, S::Err, E>,
) -> Result<impl Stream<Item = R> + Send, E>
where
    S: Shape<R>,
    S::Ok: Send,
    S::Err: From<C::Error> + Send,
    E: From<C::Error>,
    C: Caller,
{
    open.await.map(returned_stream::<S, R, C>).map_err(own::<C, E>)
}

fn own<C: Caller, E: From<C::Error>>(error: CallError<E>) -> E {
    match error {
        CallError::App(error) => error,
        CallError::Rpc(error) => C::Error::from(error).into(),
    }
}

// ===== the server =====

/// The `Streaming` argument of a call.
pub fn streaming<T, A>(
    method: &'static MethodDescriptor,
    request: &mut Request,
    _: A,
) -> Result<Streaming<T>, RpcError>
where
    A: Answer<Ok = T, Detail = ()>,
{
    let Some(items) = request.take_items() else {
        let text = format!("{}: the caller sends no items, and the method takes some", method.full_name);
        return Err(RpcError::new(Code::INVALID_ARGUMENT, Delivery::Refused, text));
    };
    Ok(Streaming::remote(items, method, received_item::<T, A>))
}

fn received_item<T, A: Answer<Ok = T>>(
    method: &'static MethodDescriptor,
    item: &[u8],
    caps: Caps,
) -> Result<T, RpcError> {
    let limits = item_limits(method, item.len(), caps);
    A::read_value(item, &limits).map_err(|error| {
        let text = format!("{}: an item of the caller does not decode: {error}", method.full_name);
        RpcError::new(Code::INVALID_ARGUMENT, Delivery::Executed, text).with_source(error)
    })
}

/// The answer of a handler that returns a stream, once it has: `run` polls the stream and gives its items to the sink.
///
/// A stream may borrow from the service and from the arguments, so it cannot leave the future that holds them. It stays
/// there, and its items come out through the sink.
pub async fn stream<F, Fut>(run: F) -> CallResult
where
    F: FnOnce(Sink) -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
{
    let sink = Sink { slot: Arc::default() };
    let slot = Arc::clone(&sink.slot);
    let mut run: Running = Box::pin(run(sink));
    let is_over = poll_fn(|cx| {
        let is_over = run.as_mut().poll(cx).is_ready();
        let opened = slot.lock().is_open;
        if is_over || opened { Poll::Ready(is_over) } else { Poll::Pending }
    })
    .await;
    let mut held = slot.lock();
    if !held.is_open {
        return held.end.take().unwrap_or_else(|| Ok(end()));
    }
    held.is_taken = true;
    drop(held);
    let run = (!is_over).then_some(run);
    Ok(Response::stream(Items::new(Produced { run, slot, panic: None })))
}

type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where a handler's stream puts its items.
#[derive(Clone)]
pub struct Sink {
    slot: Arc<Mutex<Slot>>,
}

/// What has been put there and not been taken. Both sides meet in one task: the lock is never waited for.
#[derive(Default)]
struct Slot {
    is_open: bool,
    /// The opening is told: items may follow.
    is_taken: bool,
    items: Batch,
    end: Option<CallResult>,
}

impl Sink {
    /// The arguments, or what was wrong with them: then the call is refused.
    pub fn decoded<T>(&self, arguments: Result<T, RpcError>) -> Option<T> {
        arguments.map_err(|error| self.slot.lock().end = Some(Err(error))).ok()
    }

    /// The handler has returned its stream.
    pub fn opened(&self) {
        self.slot.lock().is_open = true;
    }

    /// The handler has returned its stream, or the service's own error.
    pub fn opened_or<T, E, B>(
        &self,
        method: &'static MethodDescriptor,
        result: Result<T, E>,
        _: B,
    ) -> Option<T>
    where
        B: Answer<Ok = (), Detail = E>,
    {
        match result {
            Ok(stream) => {
                self.opened();
                Some(stream)
            }
            Err(detail) => {
                self.slot.lock().end = Some(app::<(), E, B>(method, detail));
                None
            }
        }
    }

    /// Takes the items of the handler's stream, to its end.
    pub async fn run<S, R, A, St>(self, method: &'static MethodDescriptor, stream: St, _: Form<S, R>, _: A)
    where
        S: Shape<R>,
        A: Answer<Ok = S::Ok, Detail = S::Detail>,
        St: Stream<Item = R>,
    {
        // The user's `Serialize` runs under no lock, and if it panics it takes no earlier items with it.
        let mut stream = pin!(stream);
        let end = poll_fn(|cx| {
            let Some(mut made) = Made::begin(&self.slot) else { return Poll::Pending };
            loop {
                if made.items.size() >= limits::BATCH {
                    // Whoever takes them polls this again.
                    return Poll::Pending;
                }
                let Some(item) = ready!(stream.as_mut().poll_next(cx)) else {
                    return Poll::Ready(Ok(end()));
                };
                let value = match S::split(item) {
                    Ok(value) => Ok(value),
                    Err(detail) => return Poll::Ready(app::<S::Ok, S::Detail, A>(method, detail)),
                };
                if let Err(error) = made.items.push_with(|out| A::write(&value, out)) {
                    return Poll::Ready(Err(not_answerable(method, error)));
                }
            }
        })
        .await;
        self.slot.lock().end = Some(end);
    }
}

/// Items that are being made, which go to their slot together: when this is dropped, by a panic too.
struct Made<'a> {
    slot: &'a Mutex<Slot>,
    items: Batch,
}

impl<'a> Made<'a> {
    /// None before the opening is told.
    fn begin(slot: &'a Mutex<Slot>) -> Option<Self> {
        let mut held = slot.lock();
        held.is_taken.then(|| Self { slot, items: std::mem::take(&mut held.items) })
    }
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        self.slot.lock().items = std::mem::take(&mut self.items);
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sink")
    }
}

/// The items of a handler's stream.
struct Produced {
    /// None once it has ended.
    run: Option<Running>,
    slot: Arc<Mutex<Slot>>,
    /// What it panicked with, to be told behind the items before it.
    panic: Option<Box<dyn Any + Send>>,
}

impl ItemSource for Produced {
    fn poll_items(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        items: &mut Batch,
    ) -> Poll<ControlFlow<CallResult>> {
        if let Some(run) = &mut self.run {
            match catch_unwind(AssertUnwindSafe(|| run.as_mut().poll(cx))) {
                Ok(Poll::Pending) => {}
                Ok(Poll::Ready(())) => self.run = None,
                Err(panic) => {
                    self.panic = Some(panic);
                    self.run = None;
                }
            }
        }
        let mut slot = self.slot.lock();
        if !slot.items.is_empty() {
            std::mem::swap(items, &mut slot.items);
            return Poll::Ready(ControlFlow::Continue(()));
        }
        let end = slot.end.take();
        drop(slot);
        if let Some(panic) = self.panic.take() {
            resume_unwind(panic);
        }
        end.map_or(Poll::Pending, |end| Poll::Ready(ControlFlow::Break(end)))
    }
}

/// The end of a stream.
fn end() -> Response {
    Response::value(Payload::default())
}

/// The service's own error, encoded.
fn app<T, E, A: Answer<Ok = T, Detail = E>>(method: &'static MethodDescriptor, detail: E) -> CallResult {
    let mut bytes = Vec::new();
    match A::write(&Err(detail), &mut bytes) {
        Ok(()) => Ok(Response::app_error(Payload::new(bytes))),
        Err(error) => Err(not_answerable(method, error)),
    }
}
