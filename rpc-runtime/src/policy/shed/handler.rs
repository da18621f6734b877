//! Owns [`Shed`] and [`ShedHandler`]: the gate around a handler. Decides nothing.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::time::Sleep;

use crate::call::{
    CallResult, Code, Deadline, Delivery, Handler, HandlerFuture, Peer, Request, RpcError, roll,
};
use crate::limits;
use crate::policy::clock::now;
use crate::policy::limit::{Entered, Gate, LimitConfig, Place, Places, Said, Waiting};
use crate::policy::shed::pace::{Arrival, Pace, TooLate};

/// How much a server takes at a time, and how long calls may wait for it.
#[derive(Clone, Debug)]
pub struct ShedConfig {
    limit: LimitConfig,
    wait: Duration,
}

impl ShedConfig {
    /// Serves as many calls at a time, and keeps as many waiting, as `limit` says. One connection alone can have half of the
    /// waiting ones.
    pub const fn new(limit: LimitConfig) -> Self {
        Self { limit, wait: limits::SHED_WAIT }
    }

    /// How long a call may wait at most; one that would wait longer is refused on arrival. 1 s.
    #[must_use]
    pub const fn wait(mut self, time: Duration) -> Self {
        self.wait = time;
        self
    }
}

/// A layer that sheds load: cheap to clone, and one for all handlers that it is [around](Self::around).
#[derive(Clone)]
pub struct Shed {
    inner: Arc<Inner>,
}

struct Inner {
    places: Arc<Places>,
    pace: Mutex<Pace>,
    wait: Duration,
    /// Nobody outside can choose an address whose key is another one's.
    salt: u64,
    refused: AtomicU64,
    dropped: AtomicU64,
}

/// What a [`Shed`] knew at one moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ShedSnapshot {
    /// How many calls may be at work; `None` without such a limit.
    pub limit: Option<usize>,
    /// How many are.
    pub at_work: usize,
    /// How many wait.
    pub waiting: usize,
    /// How many have been refused on arrival.
    pub refused: u64,
    /// How many have waited, and were refused when it was clear that they could not be done in time any more.
    pub dropped: u64,
}

impl Shed {
    /// A layer that nobody uses yet.
    pub fn new(config: ShedConfig) -> Self {
        let places = Places::new(config.limit.gate(now(), true));
        let (pace, salt) = (Mutex::default(), roll());
        let (refused, dropped) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { inner: Arc::new(Inner { places, pace, wait: config.wait, salt, refused, dropped }) }
    }

    /// For [`ServerBuilder::layer`](crate::ServerBuilder::layer). Layers that are added later see calls first: those that
    /// turn callers away for good belong outside of this one.
    pub fn layer(&self) -> impl FnOnce(Arc<dyn Handler>) -> ShedHandler<Arc<dyn Handler>> + Send + 'static {
        let shed = self.clone();
        move |inner| shed.around(inner)
    }

    /// A handler that answers with `handler` what this lets through.
    pub fn around<H: Handler>(&self, handler: H) -> ShedHandler<H> {
        ShedHandler { shed: self.clone(), inner: Arc::new(handler) }
    }

    /// What it knows at this moment.
    pub fn snapshot(&self) -> ShedSnapshot {
        let refused = self.inner.refused.load(Ordering::Relaxed);
        let dropped = self.inner.dropped.load(Ordering::Relaxed);
        self.inner.places.look(|gate| ShedSnapshot {
            limit: Some(gate.limit()).filter(|limit| *limit < usize::MAX),
            at_work: gate.at_work(),
            waiting: gate.queue().len(),
            refused,
            dropped,
        })
    }

    /// Whose call it is, for turns and shares. Connections over Unix sockets and memory have one address, and tell their
    /// processes apart by the number that each has drawn.
    fn key(&self, peer: Option<&Peer>) -> u64 {
        let Some(peer) = peer else { return 0 };
        let mut hasher = DefaultHasher::new();
        (self.inner.salt, peer.address(), peer.instance()).hash(&mut hasher);
        hasher.finish()
    }

    /// Looks at a call that comes; under the lock of the gate.
    fn judge(
        &self,
        gate: &Gate,
        key: u64,
        now: Instant,
        request: &Request,
        method: &str,
    ) -> Result<(), TooLate> {
        let ahead = (!gate.is_open(now)).then(|| gate.queue().ahead(key));
        let left = request.deadline().map(|deadline| deadline.remaining(now));
        let least = ahead.map_or(Duration::ZERO, |ahead| gate.rate_wait(now, ahead + 1));
        let limit = gate.limit().min(limits::OPEN as usize);
        let arrival = Arrival { ahead, limit, least, left, most: self.inner.wait };
        self.inner.pace.lock().judge(method, arrival)
    }

    /// The refusal of a call, with when it may come again.
    fn refuse(&self, counter: &AtomicU64, why: &str) -> RpcError {
        counter.fetch_add(1, Ordering::Relaxed);
        let (at_work, waiting, limit) =
            self.inner.places.look(|gate| (gate.at_work(), gate.queue().len(), gate.limit()));
        let later = self
            .inner
            .pace
            .lock()
            .wait(waiting + 1, limit)
            .clamp(limits::SHED_LATER_LEAST, limits::SHED_LATER_MOST);
        let text = format!(
            "the server has enough to do: {at_work} calls are at work and {waiting} wait, and {why}; it would take another \
             one in {later:.1?}"
        );
        RpcError::new(Code::RESOURCE_EXHAUSTED, Delivery::Refused, text).with_resend().with_retry_after(later)
    }
}

impl fmt::Debug for Shed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shed").field("wait", &self.inner.wait).field("snapshot", &self.snapshot()).finish()
    }
}

impl fmt::Display for TooLate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wait(wait) => write!(f, "this one would wait for {wait:.1?}, which is too long"),
            Self::Deadline { wait, work, left } => {
                write!(f, "this one would wait for {wait:.1?} and take {work:.1?}, and has {left:.1?} left")
            }
        }
    }
}

// ===== impl ShedHandler =====

/// A handler behind a [`Shed`].
#[derive(Debug)]
pub struct ShedHandler<H> {
    shed: Shed,
    inner: Arc<H>,
}

impl<H: Handler> Handler for ShedHandler<H> {
    fn handle(&self, request: Request) -> HandlerFuture {
        // What the server does not have is refused within, and costs nothing.
        let Some(method) = request.descriptor().map(|method| method.full_name) else {
            return self.inner.handle(request);
        };
        let (shed, now) = (&self.shed, now());
        let key = shed.key(request.peer());
        let judged = shed.inner.places.enter(key, |gate| shed.judge(gate, key, now, &request, method));
        let refusal = match judged {
            Ok(Entered::At(place)) => {
                let work = Work::new(shed, method, request.deadline(), place);
                let handler = self.inner.handle(request);
                return HandlerFuture::new(Shedding::<H> { stage: Stage::AtWork(handler, work) });
            }
            Ok(Entered::Waits(waiting)) => {
                let sleep = shed.latest_start(request.deadline(), method);
                let (shed, inner) = (shed.clone(), Arc::clone(&self.inner));
                let queued = Queued { shed, inner, request, method, waiting, sleep };
                return HandlerFuture::new(Shedding { stage: Stage::Queued(queued) });
            }
            Ok(Entered::Full) => shed.refuse(&shed.inner.refused, "no more may (`LimitConfig::queue`)"),
            Err(late) => shed.refuse(&shed.inner.refused, &late.to_string()),
        };
        HandlerFuture::ready(Err(refusal))
    }
}

impl Shed {
    /// Ready when a call that waits cannot be done in time any more.
    fn latest_start(&self, deadline: Option<Deadline>, method: &str) -> Option<Pin<Box<Sleep>>> {
        let deadline = deadline?.instant();
        let work = self.inner.pace.lock().work(method).unwrap_or_default();
        let latest = deadline.checked_sub(work).unwrap_or(deadline);
        Some(Box::pin(tokio::time::sleep_until(latest.into())))
    }
}

/// ```text
///   Queued ──its turn──▶ AtWork ──▶ Done
///     └──too late for it──────────────▲
/// ```
struct Shedding<H> {
    stage: Stage<H>,
}

enum Stage<H> {
    Queued(Queued<H>),
    AtWork(HandlerFuture, Work),
    Done,
}

struct Queued<H> {
    shed: Shed,
    inner: Arc<H>,
    request: Request,
    method: &'static str,
    waiting: Waiting,
    sleep: Option<Pin<Box<Sleep>>>,
}

/// A call at work, whose place goes back with what it took.
struct Work {
    shed: Shed,
    method: &'static str,
    deadline: Option<Deadline>,
    began: Instant,
    place: Option<Place>,
}

impl Work {
    fn new(shed: &Shed, method: &'static str, deadline: Option<Deadline>, place: Place) -> Self {
        Self { shed: shed.clone(), method, deadline, began: now(), place: Some(place) }
    }

    fn end(&mut self, said: Said) {
        let Some(place) = self.place.take() else { return };
        if said != Said::Nothing {
            let took = now().saturating_duration_since(self.began);
            self.shed.inner.pace.lock().handle_end(self.method, took);
        }
        place.end(said);
    }
}

/// A handler that is dropped at its deadline has taken at least that long: if that were not counted, a method that takes longer
/// than its callers wait would seem to take no time at all. One whose caller gave up says nothing.
impl Drop for Work {
    fn drop(&mut self) {
        let is_late = self.deadline.is_some_and(|deadline| deadline.has_passed(now()));
        self.end(if is_late { Said::Overload } else { Said::Nothing });
    }
}

/// What the end of a call within says: one that was refused there has not been worked at.
fn said(result: &CallResult) -> Said {
    match result {
        Err(error) if error.delivery() == Delivery::Refused => Said::Nothing,
        // It has been worked at, whatever came of it; a handler that fails at once is as quick as that.
        _ => Said::Answer,
    }
}

impl<H: Handler> Future for Shedding<H> {
    type Output = CallResult;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<CallResult> {
        let this = &mut *self;
        loop {
            match std::mem::replace(&mut this.stage, Stage::Done) {
                Stage::Queued(mut queued) => {
                    if let Poll::Ready(place) = queued.waiting.poll_place(cx) {
                        let Queued { shed, inner, request, method, .. } = queued;
                        let work = Work::new(&shed, method, request.deadline(), place);
                        this.stage = Stage::AtWork(inner.handle(request), work);
                    } else if queued.sleep.as_mut().is_some_and(|sleep| sleep.as_mut().poll(cx).is_ready()) {
                        let why = "this one has waited until there was no time left for it";
                        return Poll::Ready(Err(queued.shed.refuse(&queued.shed.inner.dropped, why)));
                    } else {
                        this.stage = Stage::Queued(queued);
                        return Poll::Pending;
                    }
                }
                Stage::AtWork(mut handler, mut work) => {
                    let Poll::Ready(result) = Pin::new(&mut handler).poll(cx) else {
                        this.stage = Stage::AtWork(handler, work);
                        return Poll::Pending;
                    };
                    work.end(said(&result));
                    return Poll::Ready(result);
                }
                Stage::Done => return Poll::Pending,
            }
        }
    }
}
