//! Owns [`Observed`]: a caller of whose calls somebody hears. Does not count them (`observe`).

use std::borrow::Cow;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use crate::call::{CallResult, Caller, Code, Request, RpcError};
use crate::observe::Observer;
use crate::policy::clock::now;

/// A caller around another one, outermost: what it tells is what callers see, whatever is done for a call within.
#[derive(Clone)]
pub(crate) struct Observed<C> {
    observer: Arc<dyn Observer>,
    inner: C,
}

impl<C: Caller> Observed<C> {
    pub(crate) const fn new(observer: Arc<dyn Observer>, inner: C) -> Self {
        Self { observer, inner }
    }
}

impl<C: Caller> Caller for Observed<C> {
    type Error = C::Error;
    type Future = ObservedCall<C::Future>;

    fn call(&self, request: Request) -> Self::Future {
        self.observer.call_started();
        let timed = self.observer.wants_times().then(|| (now(), name(&request)));
        let telling = Some(Telling { observer: Arc::clone(&self.observer), timed, outcome: None });
        ObservedCall { call: self.inner.call(request), telling }
    }
}

impl<C> fmt::Debug for Observed<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observed")
    }
}

/// The method's name, without a copy if it is known.
fn name(request: &Request) -> Cow<'static, str> {
    match request.descriptor() {
        Some(method) => Cow::Borrowed(method.full_name),
        None => Cow::Owned(request.method().to_owned()),
    }
}

/// A call of an [`Observed`].
pub(crate) struct ObservedCall<F> {
    call: F,
    /// None once its end has been told.
    telling: Option<Telling>,
}

impl<F: Future<Output = CallResult> + Unpin> Future for ObservedCall<F> {
    type Output = CallResult;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<CallResult> {
        let polled = Pin::new(&mut self.call).poll(cx);
        if let Poll::Ready(result) = &polled
            && let Some(mut telling) = self.telling.take()
        {
            telling.outcome = Some(result.as_ref().err().map(RpcError::code));
        }
        polled
    }
}

impl<F> fmt::Debug for ObservedCall<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ObservedCall")
    }
}

/// A call of which somebody has heard that it was made, and hears of its end when this is dropped.
struct Telling {
    observer: Arc<dyn Observer>,
    timed: Option<(Instant, Cow<'static, str>)>,
    /// How it has ended, an answer without a code; `None` if it was given up.
    outcome: Option<Option<Code>>,
}

impl Drop for Telling {
    fn drop(&mut self) {
        if let Some((began, method)) = &self.timed {
            self.observer.call_took(method, now().saturating_duration_since(*began));
        }
        match self.outcome {
            Some(code) => self.observer.call_finished(code),
            None => self.observer.call_cancelled(),
        }
    }
}
