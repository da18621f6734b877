//! Owns [`Deadlined`]: a caller that fixes when a call is over. Does not watch the time.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::call::{CallResult, Caller, Deadline, Request};
use crate::policy::clock::now;

/// A caller around another one whose attempts all end at the same instant.
#[derive(Clone, Debug)]
pub(crate) struct Deadlined<C> {
    inner: C,
    /// For calls that say nothing of their time.
    timeout: Duration,
}

impl<C: Caller> Deadlined<C> {
    pub(crate) const fn new(inner: C, timeout: Duration) -> Self {
        Self { inner, timeout }
    }
}

impl<C: Caller> Caller for Deadlined<C> {
    type Error = C::Error;
    type Future = DeadlinedCall<C>;

    fn call(&self, request: Request) -> DeadlinedCall<C> {
        DeadlinedCall { caller: self.clone(), phase: Phase::New(request) }
    }
}

/// A call of a [`Deadlined`]: its time runs from the first poll.
pub(crate) struct DeadlinedCall<C: Caller> {
    caller: Deadlined<C>,
    phase: Phase<C>,
}

#[allow(clippy::large_enum_variant, reason = "the whole stack of a call is in one box")]
enum Phase<C: Caller> {
    New(Request),
    Made(C::Future),
    Over,
}

impl<C: Caller> Future for DeadlinedCall<C> {
    type Output = CallResult;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<CallResult> {
        let this = &mut *self;
        loop {
            match &mut this.phase {
                Phase::Made(future) => return Pin::new(future).poll(cx),
                Phase::Over => return Poll::Pending,
                Phase::New(_) => {}
            }
            if let Phase::New(mut request) = mem::replace(&mut this.phase, Phase::Over) {
                let now = now();
                let timeout = request.timeout().unwrap_or(this.caller.timeout);
                request.set_begin_by(Deadline::after(now, timeout));
                let has_stream = request.items().is_some() || request.takes_items();
                if let Some(total) = request.total_timeout().filter(|_| has_stream) {
                    request.limit_deadline(Deadline::after(now, total));
                }
                this.phase = Phase::Made(this.caller.inner.call(request));
            }
        }
    }
}

impl<C: Caller> fmt::Debug for DeadlinedCall<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeadlinedCall")
    }
}
