//! Owns [`Maybe`]: a caller with a policy around it, or without. Decides nothing.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::call::{CallResult, Caller, Request, RpcError};

/// A caller with a policy around it, or without: so a stack has one type, whichever of its policies apply to a call.
#[derive(Clone, Debug)]
pub(crate) enum Maybe<P, C> {
    With(P),
    Without(C),
}

impl<P, C> Caller for Maybe<P, C>
where
    P: Caller<Error = RpcError>,
    C: Caller<Error = RpcError>,
{
    type Error = RpcError;
    type Future = MaybeCall<P::Future, C::Future>;

    fn call(&self, request: Request) -> Self::Future {
        match self {
            Self::With(caller) => MaybeCall::With(caller.call(request)),
            Self::Without(caller) => MaybeCall::Without(caller.call(request)),
        }
    }
}

/// A call of a [`Maybe`].
#[allow(clippy::large_enum_variant, reason = "the whole stack of a call is in one box")]
pub(crate) enum MaybeCall<P, C> {
    With(P),
    Without(C),
}

impl<P, C> Future for MaybeCall<P, C>
where
    P: Future<Output = CallResult> + Unpin,
    C: Future<Output = CallResult> + Unpin,
{
    type Output = CallResult;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<CallResult> {
        match &mut *self {
            Self::With(call) => Pin::new(call).poll(cx),
            Self::Without(call) => Pin::new(call).poll(cx),
        }
    }
}

impl<P, C> fmt::Debug for MaybeCall<P, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MaybeCall")
    }
}
