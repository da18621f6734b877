//! Owns [`Handler`]: the one seam of the server side, the mirror of [`Caller`](super::Caller). A generated server is
//! one, and so is every layer around it.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::call::homes::Home;
use crate::call::{CallResult, Request, RpcError, ServiceDescriptor};

/// Something that answers calls.
///
/// A layer is a `Handler` around another one. It sees the method, the metadata and the peer before the arguments
/// are decoded, and may answer by itself: with an error whose delivery is `Refused`, no handler has run.
///
/// ```
/// use traitwire::{Code, Delivery, Handler, HandlerFuture, Request, RpcError};
///
/// struct RequireTenant<H>(H);
///
/// impl<H: Handler> Handler for RequireTenant<H> {
///     fn handle(&self, request: Request) -> HandlerFuture {
///         if request.metadata().text("tenant").is_none() {
///             let error = RpcError::new(Code::UNAUTHENTICATED, Delivery::Refused, "metadata `tenant` is missing");
///             return HandlerFuture::ready(Err(error));
///         }
///         self.0.handle(request)
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not answer calls",
    label = "not a `Handler`",
    note = "`#[rpc_service]` on a trait `Foo` generates `FooServer`, which is one: `FooServer::new({Self})`"
)]
pub trait Handler: Send + Sync + 'static {
    /// Answers a call. Dropping the future stops the handler at its current `await`.
    fn handle(&self, request: Request) -> HandlerFuture;
}

impl<H: Handler + ?Sized> Handler for Arc<H> {
    fn handle(&self, request: Request) -> HandlerFuture {
        (**self).handle(request)
    }
}

impl<H: Handler + ?Sized> Handler for Box<H> {
    fn handle(&self, request: Request) -> HandlerFuture {
        (**self).handle(request)
    }
}

/// A handler for the methods of one service: what `#[rpc_service]` generates.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a service",
    label = "not a `Service`",
    note = "`#[rpc_service]` on a trait `Foo` generates `FooServer`, which is one: `FooServer::new({Self})`"
)]
pub trait Service: Handler {
    /// The service's name and methods.
    fn descriptor(&self) -> &'static ServiceDescriptor;
}

// ===== impl HandlerFuture =====

/// A handler at work.
#[must_use = "futures do nothing unless polled"]
pub struct HandlerFuture {
    state: State,
}

enum State {
    Ready(Option<CallResult>),
    Running(Home),
}

impl HandlerFuture {
    /// A handler that is this future.
    pub fn new(future: impl Future<Output = CallResult> + Send + 'static) -> Self {
        Self { state: State::Running(Home::new(future)) }
    }

    /// A handler that has answered already.
    pub const fn ready(result: Result<super::Response, RpcError>) -> Self {
        Self { state: State::Ready(Some(result)) }
    }
}

impl Future for HandlerFuture {
    type Output = CallResult;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<CallResult> {
        match &mut self.state {
            State::Ready(result) => result.take().map_or(Poll::Pending, Poll::Ready),
            State::Running(home) => home.poll(cx),
        }
    }
}

impl fmt::Debug for HandlerFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Ready(_) => "HandlerFuture(ready)",
            State::Running(_) => "HandlerFuture(running)",
        })
    }
}
