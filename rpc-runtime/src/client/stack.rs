//! Owns [`ChannelFuture`]: a call through all that a channel does for it, in the order of [`policy`](crate::policy). Does
//! not decide anything, and does not own the call on its connection (`in_flight`).

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::call::{CallResult, Caller, Request, RpcError};
use crate::client::balanced::{Balanced, Housed};
use crate::client::channel::Channel;
use crate::client::in_flight::InFlight;
use crate::policy::{Deadlined, Hedged, InForce, Maybe, Observed, Retried};

impl Caller for Channel {
    type Error = RpcError;
    type Future = ChannelFuture;

    fn call(&self, request: Request) -> ChannelFuture {
        self.clone().into_call(request)
    }

    fn into_call(self, request: Request) -> ChannelFuture {
        if !self.inner.has_policies() && !request.has_policy() {
            return ChannelFuture(Kind::Direct(self.begin(request)));
        }
        let Some(observer) = self.inner.policy_state.observer.clone() else { return self.stacked(request) };
        ChannelFuture(Kind::Stack(Box::pin(Observed::new(observer, Stacked(self)).call(request))))
    }
}

impl Channel {
    /// A call with the policies that hold for it.
    fn stacked(self, mut request: Request) -> ChannelFuture {
        let policies = self.inner.policies();
        let state = &self.inner.policy_state;
        let in_force = InForce::new(&policies, state, &request);
        in_force.apply(&mut request);
        if !in_force.needs_stack() {
            return ChannelFuture(Kind::Direct(self.begin(request)));
        }
        if self.cluster().is_some() {
            request.keep_trail();
        }
        let purse = state.purse(policies.budget_of(request.method()));
        let timeout = self.inner.timeout;
        let state = Arc::clone(state);
        let direct = Direct(self);
        let limited = match &in_force.limit {
            Some(limit) => Maybe::With(limit.around(direct)),
            None => Maybe::Without(direct),
        };
        let guarded = match &in_force.breaker {
            Some(breaker) => Maybe::With(breaker.around_last(limited)),
            None => Maybe::Without(limited),
        };
        let hedged = Hedged::new(guarded, in_force.hedge, purse.clone(), Arc::clone(&state));
        let retried = Retried::new(hedged, in_force.retry, purse, state);
        #[cfg(feature = "cache")]
        let retried = match in_force.cache {
            Some((cache, terms)) => Maybe::With(cache.around_on(terms, retried)),
            None => Maybe::Without(retried),
        };
        let stack = Deadlined::new(retried, timeout);
        ChannelFuture(Kind::Stack(Box::pin(stack.call(request))))
    }
}

/// A call under way on a [`Channel`]. Dropping it cancels the call, down to the handler.
#[must_use = "futures do nothing unless polled"]
pub struct ChannelFuture(Kind);

#[allow(
    clippy::large_enum_variant,
    reason = "most calls have no policy: a box would be one for each of them"
)]
enum Kind {
    /// No policy applies to it.
    Direct(Sent),
    /// Some do: one box, whichever they are.
    Stack(Pin<Box<dyn Future<Output = CallResult> + Send>>),
}

impl Future for ChannelFuture {
    type Output = CallResult;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<CallResult> {
        match &mut self.0 {
            Kind::Direct(call) => Pin::new(call).poll(cx),
            Kind::Stack(call) => call.as_mut().poll(cx),
        }
    }
}

impl fmt::Debug for ChannelFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Direct(call) => call.fmt(f),
            Kind::Stack(_) => f.write_str("ChannelFuture(with policies)"),
        }
    }
}

/// All of a channel but who hears of it.
#[derive(Clone, Debug)]
struct Stacked(Channel);

impl Caller for Stacked {
    type Error = RpcError;
    type Future = ChannelFuture;

    fn call(&self, request: Request) -> ChannelFuture {
        self.0.clone().stacked(request)
    }
}

/// The innermost caller: the channel's connection or its endpoints, without any policy.
#[derive(Clone, Debug)]
struct Direct(Channel);

impl Caller for Direct {
    type Error = RpcError;
    type Future = Sent;

    fn call(&self, request: Request) -> Sent {
        self.0.clone().begin(request)
    }
}

/// A call under way without any policy.
pub(super) enum Sent {
    /// To the one endpoint there is.
    There(InFlight),
    /// To one of many.
    Somewhere(Housed),
}

impl Channel {
    fn begin(self, request: Request) -> Sent {
        match self.cluster() {
            None => Sent::There(InFlight::new(self, request)),
            Some(cluster) => Sent::Somewhere(Housed::new(Balanced::new(self, cluster, request))),
        }
    }
}

impl Future for Sent {
    type Output = CallResult;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<CallResult> {
        match &mut *self {
            Self::There(call) => Pin::new(call).poll(cx),
            Self::Somewhere(call) => Pin::new(call).poll(cx),
        }
    }
}

impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::There(call) => call.fmt(f),
            Self::Somewhere(call) => call.fmt(f),
        }
    }
}
