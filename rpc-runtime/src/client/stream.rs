//! Owns [`CallStream`], the stream that a client method returns, and [`OpenCall`], the future of one. Does not decode
//! items and does not know how a method's error is laid out: generated code hands both in.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::mem;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::Stream;

use crate::call::{
    Batch, CallError, CallOptions, CallResult, Caller, Caps, Code, Delivery, Items, Load, Metadata,
    MethodDescriptor, Progress, Response, RpcError, Value,
};
use crate::client::unsent::Unsent;

/// The stream that a method returns: its items, as the service makes them.
///
/// It is lazy: nothing is sent and no time runs before the first poll. It ends with `None` only if the service has sent
/// everything; whatever else happens is its last item, an error. Dropping it cancels the call, down to the handler. Items
/// that are not read stay with the service, up to the stream's credit.
///
/// Time: `timeout` until the service has returned its stream (10 s), then `idle_timeout` while nothing moves in either
/// direction (60 s), and `total_timeout` in all, if there is one.
///
/// ```
/// use futures::{Stream, StreamExt, stream};
/// use traitwire::rpc_service;
///
/// #[rpc_service]
/// trait Clock {
///     fn ticks(&self, count: u32) -> impl Stream<Item = u32>;
/// }
///
/// struct Plain;
///
/// impl Clock for Plain {
///     fn ticks(&self, count: u32) -> impl Stream<Item = u32> {
///         stream::iter(0..count)
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let clock = ClockClient::loopback(Plain);
/// let mut ticks = clock.ticks(3);
/// while let Some(tick) = ticks.next().await {
///     println!("{}", tick.unwrap());
/// }
/// assert_eq!(ticks.received().items, 3);
/// # });
/// ```
#[must_use = "a stream is not asked for unless it is polled"]
pub struct CallStream<C: Caller, T, E = Infallible> {
    method: &'static MethodDescriptor,
    state: State<C>,
    read: Read<T, E>,
    progress: Progress,
    metadata: Metadata,
}

/// How what comes back becomes what the caller gets.
pub(crate) struct Read<T, E> {
    pub(crate) item: fn(&'static MethodDescriptor, &[u8], Caps) -> Result<T, RpcError>,
    /// The service's own error that ends the stream.
    pub(crate) error: fn(&MethodDescriptor, &Response) -> CallError<E>,
}

impl<T, E> Clone for Read<T, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, E> Copy for Read<T, E> {}

/// ```text
/// Unsent ── first poll ──▶ Opening ── the service has a stream ──▶ Open ── the end, an error ──▶ Over
///    └────── a mistake ───────┴────────── an error ─────────────────────────────────────────▲
/// ```
#[allow(clippy::large_enum_variant, reason = "every call is unsent first: a box would be one for each call")]
enum State<C: Caller> {
    Unsent(Unsent<C>),
    Opening(C::Future),
    Open { items: Items, batch: Batch },
    Over,
}

/// How a stream failed to open.
enum Unopened {
    /// By the service's own error.
    App(Response),
    Rpc(RpcError),
}

impl<C: Caller, T, E> CallStream<C, T, E> {
    /// A call with these arguments, or with the reason why they could not be encoded.
    pub(crate) fn new(
        caller: C,
        options: &CallOptions,
        method: &'static MethodDescriptor,
        arguments: Result<Load, RpcError>,
        items: Option<Items>,
        read: Read<T, E>,
    ) -> Self {
        let mut unsent = Unsent::new(caller, options, method, arguments);
        if let Some(items) = items {
            unsent.send(items);
        }
        let (state, progress, metadata) = (State::Unsent(unsent), Progress::default(), Metadata::new());
        Self { method, state, read, progress, metadata }
    }

    /// How long the service may take to return its stream, counted from the first poll.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.options(&CallOptions::new().timeout(timeout))
    }

    /// How long nothing may move on the stream, once something has; 60 s.
    pub fn idle_timeout(self, timeout: Duration) -> Self {
        self.options(&CallOptions::new().idle_timeout(timeout))
    }

    /// How long the call may take in all; by default as long as it moves.
    pub fn total_timeout(self, timeout: Duration) -> Self {
        self.options(&CallOptions::new().total_timeout(timeout))
    }

    /// Sends a value beside the arguments. With a key that is not well formed the call ends with `invalid_argument`
    /// and is not sent.
    pub fn metadata(self, key: impl Into<Cow<'static, str>>, value: impl Into<Value>) -> Self {
        self.options(&CallOptions::new().metadata(key, value))
    }

    /// Waits for a connection while there is none, until the deadline, instead of ending at once.
    pub fn wait_for_ready(self) -> Self {
        self.options(&CallOptions::new().wait_for_ready())
    }

    /// Applies what `options` say; what they leave open stays as it is. After the first poll it changes nothing.
    pub fn options(mut self, options: &CallOptions) -> Self {
        if let State::Unsent(unsent) = &mut self.state {
            unsent.apply(options);
        }
        self
    }

    /// What has been read of it so far.
    pub const fn received(&self) -> Progress {
        self.progress
    }

    /// What the service has sent beside its items: when it returned the stream, and when that ended.
    pub const fn received_metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Ready when the service has returned its stream, or will not.
    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Unopened>> {
        if let State::Unsent(_) = &self.state
            && let State::Unsent(unsent) = mem::replace(&mut self.state, State::Over)
        {
            self.state = State::Opening(unsent.call().map_err(Unopened::Rpc)?);
        }
        let State::Opening(future) = &mut self.state else { return Poll::Ready(Ok(())) };
        let result = ready!(Pin::new(future).poll(cx));
        self.state = State::Over;
        let mut response = result.map_err(Unopened::Rpc)?;
        if response.is_app_error() {
            return Poll::Ready(Err(Unopened::App(response)));
        }
        let Some(items) = response.take_items() else {
            return Poll::Ready(Err(Unopened::Rpc(no_stream(self.method))));
        };
        self.metadata = mem::take(response.metadata_mut());
        self.state = State::Open { items, batch: Batch::new() };
        Poll::Ready(Ok(()))
    }

    /// What the end of the items is to the caller.
    fn ended(&mut self, end: CallResult) -> Option<Result<T, CallError<E>>> {
        match end {
            Ok(response) if response.is_app_error() => Some(Err((self.read.error)(self.method, &response))),
            Ok(mut response) => {
                for entry in mem::take(response.metadata_mut()).iter() {
                    self.metadata.put(entry.clone());
                }
                None
            }
            Err(error) => Some(Err(error.into())),
        }
    }
}

impl<C: Caller, T, E> Stream for CallStream<C, T, E> {
    type Item = Result<T, CallError<E>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if let Err(unopened) = ready!(this.poll_open(cx)) {
            return Poll::Ready(Some(Err(match unopened {
                Unopened::App(response) => (this.read.error)(this.method, &response),
                Unopened::Rpc(error) => error.into(),
            })));
        }
        loop {
            let State::Open { items, batch } = &mut this.state else { return Poll::Ready(None) };
            if let Some(item) = batch.first() {
                this.progress.add(item.len());
                items.took(item.len());
                let value = (this.read.item)(this.method, item, items.caps());
                batch.pop();
                if value.is_err() {
                    this.state = State::Over;
                }
                return Poll::Ready(Some(value.map_err(CallError::Rpc)));
            }
            if let ControlFlow::Break(end) = ready!(items.poll(cx, batch)) {
                this.state = State::Over;
                return Poll::Ready(this.ended(end));
            }
        }
    }
}

// Items are never pinned: they are handed out.
impl<C: Caller, T, E> Unpin for CallStream<C, T, E> {}

impl<C: Caller, T, E> fmt::Debug for CallStream<C, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Unsent(_) => "unsent",
            State::Opening(_) => "opening",
            State::Open { .. } => "open",
            State::Over => "over",
        };
        write!(f, "CallStream({}, {state}, {:?})", self.method.full_name, self.progress)
    }
}

#[cold]
fn no_stream(method: &MethodDescriptor) -> RpcError {
    let text = format!("{}: a value came back where the method has a stream", method.full_name);
    RpcError::new(Code::INTERNAL, Delivery::Executed, text)
}

// ===== impl OpenCall =====

/// The call of a method that fails, or returns a stream: a future of its [`CallStream`].
///
/// It is lazy and cancelled by drop, as the stream is.
#[must_use = "a call is not sent unless it is awaited"]
pub struct OpenCall<C: Caller, T, E = Infallible, O = Infallible> {
    /// None once it has been handed out.
    stream: Option<CallStream<C, T, E>>,
    /// The service's own error in place of a stream.
    error: fn(&MethodDescriptor, &Response) -> CallError<O>,
}

impl<C: Caller, T, E, O> OpenCall<C, T, E, O> {
    pub(crate) const fn new(
        stream: CallStream<C, T, E>,
        error: fn(&MethodDescriptor, &Response) -> CallError<O>,
    ) -> Self {
        Self { stream: Some(stream), error }
    }

    /// How long the service may take to return its stream, counted from the first poll.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.options(&CallOptions::new().timeout(timeout))
    }

    /// How long nothing may move on the stream, once something has; 60 s.
    pub fn idle_timeout(self, timeout: Duration) -> Self {
        self.options(&CallOptions::new().idle_timeout(timeout))
    }

    /// How long the call may take in all; by default as long as it moves.
    pub fn total_timeout(self, timeout: Duration) -> Self {
        self.options(&CallOptions::new().total_timeout(timeout))
    }

    /// Sends a value beside the arguments. With a key that is not well formed the call ends with `invalid_argument`
    /// and is not sent.
    pub fn metadata(self, key: impl Into<Cow<'static, str>>, value: impl Into<Value>) -> Self {
        self.options(&CallOptions::new().metadata(key, value))
    }

    /// Waits for a connection while there is none, until the deadline, instead of ending at once.
    pub fn wait_for_ready(self) -> Self {
        self.options(&CallOptions::new().wait_for_ready())
    }

    /// Applies what `options` say; what they leave open stays as it is. After the first poll it changes nothing.
    pub fn options(mut self, options: &CallOptions) -> Self {
        self.stream = self.stream.map(|stream| stream.options(options));
        self
    }
}

impl<C: Caller, T, E, O> Future for OpenCall<C, T, E, O> {
    type Output = Result<CallStream<C, T, E>, CallError<O>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Some(stream) = &mut this.stream else { panic!("an opened stream was asked for again") };
        let opened = ready!(stream.poll_open(cx));
        let Some(stream) = this.stream.take() else { return Poll::Pending };
        Poll::Ready(match opened {
            Ok(()) => Ok(stream),
            Err(Unopened::App(response)) => Err((this.error)(stream.method, &response)),
            Err(Unopened::Rpc(error)) => Err(error.into()),
        })
    }
}

impl<C: Caller, T, E, O> fmt::Debug for OpenCall<C, T, E, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenCall({:?})", self.stream)
    }
}
