//! Owns [`Hedged`]: a caller that makes a second attempt beside one that is late, and observes how long answers take. Decides
//! nothing: `latency` says what is late, the budget of `retry` whether there is one to be had.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::time::Sleep;

use crate::call::{Attempt, CallResult, Caller, Delivery, Hedge, Request, Response, RpcError};
use crate::limits;
use crate::observe::Added;
use crate::policy::clock::now;
use crate::policy::retry::{Failure, Purse};
use crate::policy::state::{Record, State};

/// A caller around another one that hedges, if anything is to be hedged.
#[derive(Clone, Debug)]
pub(crate) struct Hedged<C> {
    inner: C,
    hedge: Option<Hedge>,
    purse: Purse,
    state: Arc<State>,
}

impl<C: Caller> Hedged<C> {
    /// Hedges as `hedge` says, or observes alone.
    pub(crate) const fn new(inner: C, hedge: Option<Hedge>, purse: Purse, state: Arc<State>) -> Self {
        Self { inner, hedge, purse, state }
    }
}

impl<C: Caller> Caller for Hedged<C> {
    type Error = C::Error;
    type Future = HedgedCall<C>;

    fn call(&self, mut request: Request) -> HedgedCall<C> {
        let record = self.state.record(request.method());
        // A second attempt does the work twice, and items can be sent once.
        let is_fit =
            request.descriptor().is_some_and(|method| method.idempotent) && request.items().is_none();
        let hedge = self.hedge.filter(|_| is_fit);
        let spare = hedge.and_then(|hedge| request.again().map(|request| (hedge, request)));
        let phase = Phase::New(request, spare);
        let (caller, purse, state) = (self.inner.clone(), self.purse.clone(), Arc::clone(&self.state));
        HedgedCall { caller, purse, state, record, began: None, phase }
    }
}

/// A call of a [`Hedged`]; its states are drawn in `mod.rs`.
pub(crate) struct HedgedCall<C: Caller> {
    caller: C,
    purse: Purse,
    state: Arc<State>,
    record: Option<Arc<Record>>,
    /// When the first attempt was made.
    began: Option<Instant>,
    phase: Phase<C>,
}

#[allow(clippy::large_enum_variant, reason = "the whole stack of a call is in one box")]
enum Phase<C: Caller> {
    /// The request, and what a hedge is made of.
    New(Request, Option<(Hedge, Request)>),
    First(Running<C>, Option<Spare>),
    Both([Running<C>; 2]),
    /// One has failed.
    Last(Running<C>, Attempt),
    Over,
}

/// An attempt under way.
struct Running<C: Caller> {
    future: C::Future,
    number: u32,
    since: Instant,
    is_hedge: bool,
}

/// The hedge of a call, until it is made.
struct Spare {
    late: Pin<Box<Sleep>>,
    request: Request,
}

impl<C: Caller> HedgedCall<C> {
    fn begin(&mut self, request: Request, spare: Option<(Hedge, Request)>) {
        let number = request.attempt();
        let (future, since) = (self.caller.call(request), now());
        self.began = Some(since);
        let spare = spare.and_then(|(hedge, request)| {
            let late = self.late_after(hedge, since)?;
            // Without a runtime nothing wakes the call.
            Handle::try_current().ok()?;
            Some(Spare { late: Box::pin(tokio::time::sleep(late)), request })
        });
        self.phase = Phase::First(Running { future, number, since, is_hedge: false }, spare);
    }

    /// When an answer is late.
    fn late_after(&self, hedge: Hedge, now: Instant) -> Option<Duration> {
        let observed = hedge.percentile.and_then(|percent| self.record.as_ref()?.percentile(percent, now));
        observed.or(hedge.after).map(|time| time.max(limits::HEDGE_LEAST))
    }

    /// The first attempt is late: makes the other one, if the budget has one.
    fn hedge(&mut self, first: Running<C>, spare: Spare) {
        let since = now();
        if !self.purse.spend(since) {
            self.phase = Phase::First(first, None);
            return;
        }
        let (mut request, number) = (spare.request, first.number + 1);
        request.set_attempt(number);
        self.state.added(Added::Hedge);
        let future = self.caller.call(request);
        self.phase = Phase::Both([first, Running { future, number, since, is_hedge: true }]);
    }

    /// An attempt has brought the call's answer; `other` is one that has not.
    fn answered(
        &self,
        mut response: Response,
        winner: &Running<C>,
        others: u32,
        other: Option<&Running<C>>,
    ) -> Response {
        let now = now();
        if let Some(record) = &self.record {
            record.note(now.saturating_duration_since(winner.since), now);
            // It would have taken at least so long: to leave it out would be to forget what is slow.
            if let Some(first) = other.filter(|other| !other.is_hedge) {
                record.note(now.saturating_duration_since(first.since), now);
            }
        }
        response.set_attempts(response.attempts() + others);
        response
    }

    /// One of two attempts has ended.
    fn one_of_both(
        &mut self,
        result: CallResult,
        ended: Running<C>,
        other: Running<C>,
    ) -> Option<CallResult> {
        match result {
            // Whatever becomes of the other one, its attempt was made.
            Ok(response) => Some(Ok(self.answered(response, &ended, 1, Some(&other)))),
            Err(error) if Failure::of(&error).may_be_mended(true) => {
                let attempt = self.failed(&ended, &error);
                self.phase = Phase::Last(other, attempt);
                None
            }
            Err(error) => {
                // The other one is given up, and nothing is known of it.
                let (attempts, delivery) = (error.attempts() + 1, error.delivery().max(Delivery::Unknown));
                Some(Err(error.with_attempts(attempts).with_delivery(delivery)))
            }
        }
    }

    /// How an attempt has failed.
    fn failed(&self, ended: &Running<C>, error: &RpcError) -> Attempt {
        let began = ended.since.saturating_duration_since(self.began.unwrap_or(ended.since));
        let took = now().saturating_duration_since(ended.since);
        Attempt { hedge: ended.is_hedge, ..error.as_attempt(ended.number, began, took) }
    }

    /// What is said of a call of which both attempts have failed.
    fn both_failed(&self, error: RpcError, last: &Running<C>, earlier: Attempt) -> RpcError {
        let (attempts, delivery) = (error.attempts() + 1, error.delivery().max(earlier.delivery));
        let attempt = self.failed(last, &error);
        error.with_attempts(attempts).with_delivery(delivery).with_history(vec![earlier, attempt])
    }
}

impl<C: Caller> Future for HedgedCall<C> {
    type Output = CallResult;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<CallResult> {
        let this = &mut *self;
        loop {
            match mem::replace(&mut this.phase, Phase::Over) {
                Phase::New(request, spare) => this.begin(request, spare),
                Phase::First(mut first, mut spare) => {
                    if let Poll::Ready(result) = Pin::new(&mut first.future).poll(cx) {
                        return Poll::Ready(result.map(|response| this.answered(response, &first, 0, None)));
                    }
                    let is_late = |spare: &mut Spare| spare.late.as_mut().poll(cx).is_ready();
                    match spare.take_if(is_late) {
                        Some(spare) => this.hedge(first, spare),
                        None => {
                            this.phase = Phase::First(first, spare);
                            return Poll::Pending;
                        }
                    }
                }
                Phase::Both([mut first, mut second]) => {
                    let result = if let Poll::Ready(result) = Pin::new(&mut first.future).poll(cx) {
                        this.one_of_both(result, first, second)
                    } else if let Poll::Ready(result) = Pin::new(&mut second.future).poll(cx) {
                        this.one_of_both(result, second, first)
                    } else {
                        this.phase = Phase::Both([first, second]);
                        return Poll::Pending;
                    };
                    if let Some(result) = result {
                        return Poll::Ready(result);
                    }
                }
                Phase::Last(mut last, attempt) => {
                    let Poll::Ready(result) = Pin::new(&mut last.future).poll(cx) else {
                        this.phase = Phase::Last(last, attempt);
                        return Poll::Pending;
                    };
                    return Poll::Ready(match result {
                        Ok(response) => Ok(this.answered(response, &last, 1, None)),
                        Err(error) => Err(this.both_failed(error, &last, attempt)),
                    });
                }
                Phase::Over => return Poll::Pending,
            }
        }
    }
}

impl<C: Caller> fmt::Debug for HedgedCall<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HedgedCall")
    }
}
