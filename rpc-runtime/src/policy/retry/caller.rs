//! Owns [`Retried`]: a caller that tries calls again which have failed. Decides nothing: `decision` and `budget` do.

use std::fmt;
use std::mem;
use std::num::NonZeroU64;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::time::Sleep;

use super::decision::{Decider, Failure, Verdict, Why};
use crate::call::{
    Attempt, CallResult, Caller, Code, Deadline, Delivery, Request, Response, Retry, RpcError,
};
use crate::limits;
use crate::observe::Added;
use crate::policy::clock::now;
use crate::policy::dedup;
use crate::policy::retry::Purse;
use crate::policy::state::{Record, State};

/// A caller around another one that tries again, if anything is to be tried again. It counts the calls that pay for what is
/// added to them.
#[derive(Clone, Debug)]
pub(crate) struct Retried<C> {
    inner: C,
    retry: Option<Retry>,
    purse: Purse,
    state: Arc<State>,
}

impl<C: Caller> Retried<C> {
    /// Tries again as `retry` says, or passes calls on as they are.
    pub(crate) const fn new(inner: C, retry: Option<Retry>, purse: Purse, state: Arc<State>) -> Self {
        Self { inner, retry, purse, state }
    }
}

impl<C: Caller> Caller for Retried<C> {
    type Error = C::Error;
    type Future = RetriedCall<C>;

    fn call(&self, request: Request) -> RetriedCall<C> {
        match self.retry {
            None => {
                self.purse.call(now());
                RetriedCall(Kind::Plain(self.inner.call(request)))
            }
            Some(retry) => RetriedCall(Kind::Retried(Trials::new(self, request, retry))),
        }
    }
}

/// A call of a [`Retried`].
pub(crate) struct RetriedCall<C: Caller>(Kind<C>);

#[allow(clippy::large_enum_variant, reason = "the whole stack of a call is in one box")]
enum Kind<C: Caller> {
    Plain(C::Future),
    Retried(Trials<C>),
}

impl<C: Caller> Future for RetriedCall<C> {
    type Output = CallResult;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<CallResult> {
        match &mut self.0 {
            Kind::Plain(future) => Pin::new(future).poll(cx),
            Kind::Retried(trials) => trials.poll(cx),
        }
    }
}

impl<C: Caller> fmt::Debug for RetriedCall<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RetriedCall")
    }
}

/// The attempts of one call.
struct Trials<C: Caller> {
    caller: C,
    /// What every attempt is made of.
    request: Request,
    retry: Retry,
    purse: Purse,
    state: Arc<State>,
    record: Option<Arc<Record>>,
    phase: Phase<C>,
    /// An attempt may have run where this memory of replies is.
    only_at: Option<NonZeroU64>,
    /// How many times it was sent.
    sent: u32,
    /// What is known of all attempts together.
    delivery: Delivery,
    history: Vec<Attempt>,
}

/// Whether its server runs the call once, however often it is sent.
fn is_dedup(request: &Request) -> bool {
    request.descriptor().is_some_and(|method| method.dedup)
}

/// ```text
///   New ─▶ Trying ── answered, or not to be tried again ──▶ Over
///            ▲  │
///            │  ▼ failed
///          Waiting ── the budget is spent meanwhile ──▶ Over
/// ```
enum Phase<C: Caller> {
    New,
    Trying { future: C::Future, since: Instant, began: Instant, decider: Decider },
    Waiting { sleep: Option<Pin<Box<Sleep>>>, paid: bool, last: CallResult, began: Instant, decider: Decider },
    Over,
}

impl<C: Caller> Trials<C> {
    fn new(by: &Retried<C>, mut request: Request, retry: Retry) -> Self {
        if is_dedup(&request) {
            dedup::attach(request.metadata_mut());
        }
        Self {
            caller: by.inner.clone(),
            retry,
            purse: by.purse.clone(),
            state: Arc::clone(&by.state),
            record: by.state.record(request.method()),
            request,
            phase: Phase::New,
            only_at: None,
            sent: 0,
            delivery: Delivery::NotSent,
            history: Vec::new(),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<CallResult> {
        loop {
            match mem::replace(&mut self.phase, Phase::Over) {
                Phase::New => {
                    let began = now();
                    self.purse.call(began);
                    let deadline = Deadline::earlier(self.request.deadline(), self.request.begin_by());
                    let is_idempotent = self.request.descriptor().is_some_and(|method| method.idempotent);
                    let decider = Decider::new(self.retry, is_idempotent, began, deadline);
                    if let Err(error) = self.attempt(began, decider) {
                        return Poll::Ready(Err(error));
                    }
                }
                Phase::Trying { mut future, since, began, decider } => match Pin::new(&mut future).poll(cx) {
                    Poll::Pending => {
                        self.phase = Phase::Trying { future, since, began, decider };
                        return Poll::Pending;
                    }
                    Poll::Ready(result) => {
                        drop(future);
                        if let Some(result) = self.ended(result, since, began, decider) {
                            return Poll::Ready(result);
                        }
                    }
                },
                Phase::Waiting { mut sleep, paid, last, began, decider } => {
                    if sleep.as_mut().is_some_and(|sleep| sleep.as_mut().poll(cx).is_pending()) {
                        self.phase = Phase::Waiting { sleep, paid, last, began, decider };
                        return Poll::Pending;
                    }
                    if paid && !self.purse.spend(now()) {
                        return Poll::Ready(self.finish(last, Why::Budget));
                    }
                    if self.attempt(began, decider).is_err() {
                        return Poll::Ready(self.finish(last, Why::Items));
                    }
                    self.state.added(Added::Retry);
                }
                Phase::Over => return Poll::Pending,
            }
        }
    }

    /// Makes an attempt.
    fn attempt(&mut self, began: Instant, decider: Decider) -> Result<(), RpcError> {
        let Some(mut request) = self.request.again() else {
            let text = "its items have been taken before the first attempt";
            return Err(RpcError::new(Code::INTERNAL, Delivery::NotSent, text));
        };
        request.set_attempt(self.sent + 1);
        if let Some(number) = self.only_at {
            request.set_only_at(number);
        }
        let future = self.caller.call(request);
        self.phase = Phase::Trying { future, since: now(), began, decider };
        Ok(())
    }

    /// An attempt has ended: what the call ends with, unless it is made again.
    fn ended(
        &mut self,
        result: CallResult,
        since: Instant,
        began: Instant,
        mut decider: Decider,
    ) -> Option<CallResult> {
        let now = now();
        let took = now.saturating_duration_since(since);
        let number = self.sent + 1;
        self.sent += result.as_ref().map_or_else(RpcError::attempts, Response::attempts);
        let Some(failure) = self.failure(&result) else {
            self.purse.succeeded();
            return Some(self.finish(result, Why::Final));
        };
        self.only_at = self.only_at.or(failure.only_at);
        self.note(number, &result, since.saturating_duration_since(began), took);
        let usual = self.record.as_ref().and_then(|record| record.percentile(50.0, now)).unwrap_or_default();
        let (wait, paid) = match decider.decide(&failure, now, usual, self.state.dice.throw()) {
            Verdict::End(why) => return Some(self.finish(result, why)),
            Verdict::Again { wait, paid } => (wait, paid),
        };
        self.purse.failed();
        if !self.request.is_repeatable() {
            return Some(self.finish(result, Why::Items));
        }
        if paid && !self.purse.has(now) {
            return Some(self.finish(result, Why::Budget));
        }
        // Without a runtime nothing wakes whoever waits.
        if !wait.is_zero() && Handle::try_current().is_err() {
            return Some(self.finish(result, Why::Final));
        }
        let sleep = (!wait.is_zero()).then(|| Box::pin(tokio::time::sleep(wait)));
        self.phase = Phase::Waiting { sleep, paid, last: result, began, decider };
        None
    }

    /// What there is to decide about, if anything.
    fn failure(&self, result: &CallResult) -> Option<Failure> {
        match result {
            Err(error) => {
                let only_at = error.replies_at().filter(|_| is_dedup(&self.request));
                Some(Failure { only_at, ..Failure::of(error) })
            }
            Ok(response) if response.is_app_error() => {
                let method = self.request.descriptor()?;
                let retry_on = method.retry_on?;
                retry_on(method, response).then(|| Failure::own(response))
            }
            Ok(_) => None,
        }
    }

    /// Remembers how an attempt has failed.
    fn note(&mut self, number: u32, result: &CallResult, began: Duration, took: Duration) {
        let error = match result {
            Ok(_) => &RpcError::new(Code::UNKNOWN, Delivery::Executed, "the service's own error"),
            Err(error) => error,
        };
        self.delivery = self.delivery.max(error.delivery());
        if error.history().is_empty() {
            self.history.push(error.as_attempt(number, began, took));
        }
        for attempt in error.history() {
            self.history.push(Attempt { began: began + attempt.began, ..attempt.clone() });
        }
        self.history.truncate(limits::HISTORY);
    }

    /// What the call ends with: the last attempt's end, and what is to be said of all of them.
    fn finish(&mut self, result: CallResult, why: Why) -> CallResult {
        match result {
            Ok(mut response) => {
                response.set_attempts(self.sent);
                Ok(response)
            }
            Err(error) => {
                let delivery = self.delivery.max(error.delivery());
                let mut error = error.with_attempts(self.sent).with_delivery(delivery);
                if why != Why::Final {
                    let text = format!("{}; {why}", error.message());
                    error = error.with_message(text);
                }
                let mut history = mem::take(&mut self.history);
                history.sort_by_key(|attempt| attempt.began);
                for (number, attempt) in (1..).zip(&mut history) {
                    attempt.number = number;
                }
                Err(if history.len() > 1 { error.with_history(history) } else { error })
            }
        }
    }
}
