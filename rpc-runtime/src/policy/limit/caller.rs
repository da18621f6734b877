//! Owns [`Limit`] and [`LimitCaller`]: the gate around a caller. Decides nothing.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::time::Sleep;

use crate::call::{CallResult, Caller, Code, Delivery, Request, RpcError};
use crate::observe::{HeldBack, Observer};
use crate::policy::clock::now;
use crate::policy::limit::config::LimitConfig;
use crate::policy::limit::places::{Entered, Place, Places, Waiting};
use crate::policy::limit::sample::Said;

/// A limit on calls: cheap to clone, and one for all callers that it is [around](Self::around).
///
/// Calls beyond it wait, first come, first served, within their deadlines. The time that a call waits is part of its time: it
/// is sent on with what is left. A call that is dropped while it waits leaves nothing behind.
#[derive(Clone)]
pub struct Limit {
    inner: Arc<Inner>,
}

struct Inner {
    name: Arc<str>,
    places: Arc<Places>,
    refused: AtomicU64,
    observer: Option<Arc<dyn Observer>>,
}

/// What a limit knew at one moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct LimitSnapshot {
    /// How many calls may be at work; `None` without such a limit.
    pub limit: Option<usize>,
    /// How many are.
    pub at_work: usize,
    /// How many wait.
    pub waiting: usize,
    /// How many have been refused, because too many waited or their time ran out.
    pub refused: u64,
}

impl Limit {
    /// A limit that nobody uses yet.
    pub fn new(config: LimitConfig) -> Self {
        Self::with_observer(config, None)
    }

    /// A limit that nobody uses yet, and which tells somebody of the calls that it ends.
    pub fn observed(config: LimitConfig, observer: Arc<dyn Observer>) -> Self {
        Self::with_observer(config, Some(observer))
    }

    pub(crate) fn with_observer(config: LimitConfig, observer: Option<Arc<dyn Observer>>) -> Self {
        let (places, refused) = (Places::new(config.gate(now(), false)), AtomicU64::new(0));
        Self { inner: Arc::new(Inner { name: config.name(), places, refused, observer }) }
    }

    /// A caller that makes its calls through `caller`, as many as this limit lets it.
    pub fn around<C: Caller>(&self, caller: C) -> LimitCaller<C> {
        LimitCaller { limit: self.clone(), inner: caller }
    }

    /// What it knows at this moment.
    pub fn snapshot(&self) -> LimitSnapshot {
        let refused = self.inner.refused.load(Ordering::Relaxed);
        self.inner.places.look(|gate| LimitSnapshot {
            limit: Some(gate.limit()).filter(|limit| *limit < usize::MAX),
            at_work: gate.at_work(),
            waiting: gate.queue().len(),
            refused,
        })
    }

    fn count(&self) {
        self.inner.refused.fetch_add(1, Ordering::Relaxed);
        if let Some(observer) = &self.inner.observer {
            observer.call_held_back(HeldBack::Limit);
        }
    }

    fn full(&self) -> RpcError {
        self.count();
        let name = &self.inner.name;
        let (at_work, most) = self.inner.places.look(|gate| (gate.at_work(), gate.queue().most()));
        let text = format!(
            "the limit `{name}` of this client is reached: {at_work} calls are at work and {most} wait, which is as \
             many as may (`LimitConfig::queue`)"
        );
        RpcError::new(Code::RESOURCE_EXHAUSTED, Delivery::NotSent, text)
    }

    fn expired(&self, waited: Duration) -> RpcError {
        self.count();
        let name = &self.inner.name;
        let text = format!(
            "its time ran out: {waited:.1?} waiting for a place of the limit `{name}` of this client"
        );
        RpcError::new(Code::DEADLINE_EXCEEDED, Delivery::NotSent, text)
    }
}

impl fmt::Debug for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limit").field("name", &self.inner.name).field("snapshot", &self.snapshot()).finish()
    }
}

// ===== impl LimitCaller =====

/// A caller behind a [`Limit`].
#[derive(Clone, Debug)]
pub struct LimitCaller<C> {
    limit: Limit,
    inner: C,
}

impl<C: Caller> Caller for LimitCaller<C> {
    type Error = C::Error;
    type Future = LimitCall<C>;

    fn call(&self, request: Request) -> Self::Future {
        LimitCall { limit: self.limit.clone(), inner: self.inner.clone(), state: State::New(request) }
    }
}

/// A call under way through a [`LimitCaller`]. Dropping it cancels the call, and its place is free again.
#[must_use = "futures do nothing unless polled"]
pub struct LimitCall<C: Caller> {
    limit: Limit,
    inner: C,
    state: State<C::Future>,
}

/// ```text
///   New ──a place──▶ Running ──▶ Done
///    └──▶ Waiting ──its turn─┘     ▲
///            └──its time is over───┘
/// ```
enum State<F> {
    New(Request),
    Waiting { request: Request, waiting: Waiting, since: Instant, sleep: Pin<Box<Sleep>> },
    Running(F, Place),
    Done,
}

impl<C: Caller> LimitCall<C> {
    fn begin(&mut self, request: Request) -> Result<(), RpcError> {
        let entered = self.limit.inner.places.enter(0, |_| Ok::<_, RpcError>(()))?;
        match entered {
            Entered::At(place) => self.state = State::Running(self.inner.call(request), place),
            Entered::Waits(waiting) => {
                let since = now();
                let until = request.ends_by(since);
                let sleep = Box::pin(tokio::time::sleep_until(until.instant().into()));
                self.state = State::Waiting { request, waiting, since, sleep };
            }
            Entered::Full => return Err(self.limit.full()),
        }
        Ok(())
    }

    /// Its turn has come: the time that it has waited is taken from its own.
    fn start(&mut self, mut request: Request, waited: Duration, place: Place) {
        request.shorten(waited);
        self.state = State::Running(self.inner.call(request), place);
    }
}

impl<C: Caller> Future for LimitCall<C> {
    type Output = CallResult;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<CallResult> {
        let this = &mut *self;
        loop {
            match std::mem::replace(&mut this.state, State::Done) {
                State::New(request) => this.begin(request)?,
                State::Waiting { request, mut waiting, since, mut sleep } => {
                    if let Poll::Ready(place) = waiting.poll_place(cx) {
                        this.start(request, now().saturating_duration_since(since), place);
                    } else if sleep.as_mut().poll(cx).is_ready() {
                        return Poll::Ready(Err(this.limit.expired(now().saturating_duration_since(since))));
                    } else {
                        this.state = State::Waiting { request, waiting, since, sleep };
                        return Poll::Pending;
                    }
                }
                State::Running(mut call, place) => {
                    let Poll::Ready(result) = Pin::new(&mut call).poll(cx) else {
                        this.state = State::Running(call, place);
                        return Poll::Pending;
                    };
                    place.end(Said::of(&result));
                    return Poll::Ready(result);
                }
                State::Done => return Poll::Pending,
            }
        }
    }
}

impl<C: Caller> fmt::Debug for LimitCall<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::New(_) => "LimitCall(new)",
            State::Waiting { .. } => "LimitCall(waiting)",
            State::Running(..) => "LimitCall(running)",
            State::Done => "LimitCall(done)",
        })
    }
}
