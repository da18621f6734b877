//! Owns [`Call`], the future that a client method returns, and [`Reply`], its answer in detail. Does not encode
//! arguments and does not know how a method's answer is laid out: generated code hands both in.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use crate::call::{
    CallError, CallOptions, Caller, Items, Load, Metadata, MethodDescriptor, Pick, Response, RpcError, Value,
};
use crate::client::unsent::Unsent;

/// One call: a future that ends with the method's value, the service's own error or what happened to the call.
///
/// Its arguments are encoded already, so it borrows nothing and can be spawned, joined and kept. Nothing is sent and
/// no time runs before the first poll; a deadline inherited from the [`Context`](crate::Context) that the method was
/// called in is absolute. Dropping it cancels the call.
///
/// What is said here wins over the client's own options, those over the method's attributes, and those over the
/// channel's defaults. It must be said before the first poll: later it changes nothing.
///
/// # Panics
///
/// When it is polled again after it has ended, as the future of an `async fn` does.
#[must_use = "a call is not sent unless it is awaited"]
pub struct Call<C: Caller, T, E = Infallible> {
    method: &'static MethodDescriptor,
    state: State<C>,
    read: Read<T, E>,
}

/// The call of a method that returns `R`, a `Result` by whatever name.
pub type ResultCall<C, R> = Call<C, <R as ResultType>::Ok, <R as ResultType>::Err>;

/// How a method's answer becomes what its caller gets.
type Read<T, E> = fn(&MethodDescriptor, &Response) -> Result<T, CallError<E>>;

/// ```text
/// Unsent ── first poll ──▶ Sent ── answer ──▶ Over
///    └──────────── a mistake ───────────────▲
/// ```
#[allow(clippy::large_enum_variant, reason = "every call is unsent first: a box would be one for each call")]
enum State<C: Caller> {
    Unsent(Unsent<C>),
    Sent(C::Future),
    Over,
}

impl<C: Caller, T, E> Call<C, T, E> {
    /// A call with these arguments, or with the reason why they could not be encoded.
    pub(crate) fn new(
        caller: C,
        options: &CallOptions,
        method: &'static MethodDescriptor,
        arguments: Result<Load, RpcError>,
        read: fn(&MethodDescriptor, &Response) -> Result<T, CallError<E>>,
    ) -> Self {
        let unsent = Unsent::new(caller, options, method, arguments);
        Self { method, state: State::Unsent(unsent), read }
    }

    /// Sends these items beside the arguments.
    pub(crate) fn sending(mut self, items: Items) -> Self {
        if let State::Unsent(unsent) = &mut self.state {
            unsent.send(items);
        }
        self
    }

    /// How long the call may take in all, counted from its first poll; with a stream of items, until something first
    /// moves on it.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.options(&CallOptions::new().timeout(timeout))
    }

    /// How long nothing may move on the call's stream of items, once something has; 60 s. It has no effect on a call
    /// without one.
    pub fn idle_timeout(self, timeout: Duration) -> Self {
        self.options(&CallOptions::new().idle_timeout(timeout))
    }

    /// How long a call with a stream of items may take in all. It has no effect on a call without one.
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

    /// Applies what `options` say; what they leave open stays as it is.
    pub fn options(mut self, options: &CallOptions) -> Self {
        if let State::Unsent(unsent) = &mut self.state {
            unsent.apply(options);
        }
        self
    }

    /// Ends with the value and what came beside it.
    pub fn detailed(mut self) -> Detailed<C, T, E> {
        if let State::Unsent(unsent) = &mut self.state {
            unsent.tell_picks();
        }
        Detailed { call: self }
    }

    fn poll_response(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response, RpcError>> {
        loop {
            if let State::Sent(future) = &mut self.state {
                let result = ready!(Pin::new(future).poll(cx));
                self.state = State::Over;
                return Poll::Ready(result);
            }
            match mem::replace(&mut self.state, State::Over) {
                State::Unsent(unsent) => self.state = State::Sent(unsent.call()?),
                State::Sent(_) | State::Over => {
                    panic!("the call of `{}` was polled after it had ended", self.method.full_name)
                }
            }
        }
    }
}

impl<C: Caller, T, E> Future for Call<C, T, E> {
    type Output = Result<T, CallError<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let response = ready!(self.poll_response(cx))?;
        Poll::Ready((self.read)(self.method, &response))
    }
}

impl<C: Caller, T, E> fmt::Debug for Call<C, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Unsent(_) => "unsent",
            State::Sent(_) => "sent",
            State::Over => "over",
        };
        write!(f, "Call({}, {state})", self.method.full_name)
    }
}

// ===== impl Detailed =====

/// A [`Call`] that ends with a [`Reply`]: see [`Call::detailed`].
#[must_use = "a call is not sent unless it is awaited"]
pub struct Detailed<C: Caller, T, E = Infallible> {
    call: Call<C, T, E>,
}

impl<C: Caller, T, E> Future for Detailed<C, T, E> {
    type Output = Result<Reply<T>, CallError<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let response = ready!(self.call.poll_response(cx))?;
        let value = (self.call.read)(self.call.method, &response)?;
        let (attempts, picks) = (response.attempts(), response.picks());
        let (_, _, metadata) = response.into_parts();
        Poll::Ready(Ok(Reply { value, metadata, attempts, picks }))
    }
}

impl<C: Caller, T, E> fmt::Debug for Detailed<C, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.call.fmt(f)
    }
}

/// A method's value, and what came beside it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Reply<T> {
    /// What the method returned.
    pub value: T,
    /// What the service sent beside it.
    pub metadata: Metadata,
    /// How many times the call was sent, the successful one included.
    pub attempts: u32,
    /// Which endpoints were picked for it and why, one for each attempt, those included that found no connection; empty unless
    /// the channel [balances](crate::balance).
    pub picks: Vec<Pick>,
}

// ===== impl ResultType =====

/// `Result`, by whatever name a method returns it: `io::Result<T>` and the like.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is called `Result` but is not one",
    label = "not `core::result::Result`",
    note = "a type of this name is taken for an alias of the standard library's: give it another name"
)]
pub trait ResultType {
    /// The method's value.
    type Ok;
    /// The service's own error.
    type Err;

    /// The `Result` itself.
    #[expect(clippy::missing_errors_doc, reason = "the error is the caller's own")]
    fn into_result(self) -> Result<Self::Ok, Self::Err>;

    /// The other way round.
    fn from_result(result: Result<Self::Ok, Self::Err>) -> Self;
}

impl<T, E> ResultType for Result<T, E> {
    type Ok = T;
    type Err = E;

    fn into_result(self) -> Self {
        self
    }

    fn from_result(result: Self) -> Self {
        result
    }
}
