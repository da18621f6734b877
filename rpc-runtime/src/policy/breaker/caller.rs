//! Owns [`Breaker`] and [`BreakerCaller`]: the machine behind a lock, around a caller. Decides nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};

use crate::call::{CallResult, Caller, Code, Deadline, Delivery, Request, RpcError, SharedDice, roll};
use crate::limits;
use crate::observe::{BreakerState, HeldBack, Observer};
use crate::policy::breaker::config::BreakerConfig;
use crate::policy::breaker::machine::{Change, Machine, Permit, Rejection};
use crate::policy::breaker::verdict::Verdict;
use crate::policy::clock::now;

/// A circuit breaker for one endpoint: cheap to clone, and one for all callers that it is [around](Self::around).
#[derive(Clone)]
pub struct Breaker {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Arc<Settings>,
    /// That of the endpoint; with `per_method`, that of the methods beyond the most that have their own.
    whole: Arc<Circuit>,
    methods: RwLock<BTreeMap<String, Arc<Circuit>>>,
}

struct Settings {
    config: BreakerConfig,
    dice: SharedDice,
    observer: Option<Arc<dyn Observer>>,
}

/// One machine, and what has been counted of it.
struct Circuit {
    settings: Arc<Settings>,
    name: Arc<str>,
    machine: Mutex<Machine>,
    opened: AtomicU64,
    held_back: AtomicU64,
}

/// What a breaker knew at one moment.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct BreakerSnapshot {
    /// What it does with calls.
    pub state: BreakerState,
    /// An operator holds it in this state.
    pub is_held: bool,
    /// How long it stays open before it lets a probe through; `None` unless it is open by itself.
    pub open_for: Option<Duration>,
    /// Calls in the window.
    pub calls: u64,
    /// Those of them that failed.
    pub failures: u64,
    /// Those of them that were slow.
    pub slow: u64,
    /// How many times it has opened.
    pub opened: u64,
    /// How many calls it has ended before they were sent.
    pub held_back: u64,
}

impl Breaker {
    /// A breaker that is closed.
    pub fn new(config: BreakerConfig) -> Self {
        Self::with_observer(config, None)
    }

    /// A breaker that is closed, and tells somebody of its changes and of the calls that it ends.
    pub fn observed(config: BreakerConfig, observer: Arc<dyn Observer>) -> Self {
        Self::with_observer(config, Some(observer))
    }

    pub(crate) fn with_observer(config: BreakerConfig, observer: Option<Arc<dyn Observer>>) -> Self {
        let dice = SharedDice::new(config.seed.unwrap_or_else(roll));
        let name = config.name();
        let settings = Arc::new(Settings { config, dice, observer });
        let whole = Circuit::new(&settings, name);
        Self { inner: Arc::new(Inner { settings, whole, methods: RwLock::default() }) }
    }

    /// A caller that makes its calls through `caller` as long as this breaker lets it.
    pub fn around<C: Caller>(&self, caller: C) -> BreakerCaller<C> {
        BreakerCaller { breaker: self.clone(), inner: caller, is_last: false }
    }

    /// The same, where nobody else could take the calls: those that it stops are not tried again, since they would meet it
    /// again.
    pub(crate) fn around_last<C: Caller>(&self, caller: C) -> BreakerCaller<C> {
        BreakerCaller { breaker: self.clone(), inner: caller, is_last: true }
    }

    /// What it does with calls. One that has been open for long enough is open until the next call, which is a probe.
    pub fn state(&self) -> BreakerState {
        self.inner.whole.machine.lock().state()
    }

    /// Whether it would let a call through now; with windows for each method, whether no operator holds it open.
    pub fn is_ready(&self) -> bool {
        self.inner.whole.machine.lock().is_ready(now(), &self.inner.settings.config)
    }

    /// Lets one call through, or says why not: for whoever makes it without a [`BreakerCaller`].
    pub(crate) fn admit(&self, method: &str) -> Result<Admitted, RpcError> {
        self.circuit(method).admit()
    }

    /// Holds it open until it is [released](Self::release): no call goes through.
    pub fn hold_open(&self) {
        self.each(|machine| machine.hold(now(), BreakerState::Open));
    }

    /// Holds it closed until it is [released](Self::release): all calls go through, and are counted.
    pub fn hold_closed(&self) {
        self.each(|machine| machine.hold(now(), BreakerState::Closed));
    }

    /// Lets it decide by itself again, from closed and with an empty window.
    pub fn release(&self) {
        self.each(|machine| machine.release(now()));
    }

    /// What it knows at this moment.
    pub fn snapshot(&self) -> BreakerSnapshot {
        self.inner.whole.snapshot()
    }

    /// What it knows of a method, `"Service.method"`; `None` if the method has no window of its own (yet).
    pub fn snapshot_of(&self, method: &str) -> Option<BreakerSnapshot> {
        self.inner.methods.read().get(method).map(|circuit| circuit.snapshot())
    }

    /// Changes all machines, those that are made meanwhile included.
    fn each(&self, mut command: impl FnMut(&mut Machine) -> Option<Change>) {
        let mut changed = Vec::new();
        {
            let methods = self.inner.methods.write();
            for circuit in std::iter::once(&self.inner.whole).chain(methods.values()) {
                let change = command(&mut circuit.machine.lock());
                changed.push((Arc::clone(circuit), change));
            }
        }
        // Observers are told outside of the locks.
        changed.iter().for_each(|(circuit, change)| circuit.tell(*change));
    }

    /// The machine that decides about a method.
    fn circuit(&self, method: &str) -> Arc<Circuit> {
        let inner = &*self.inner;
        if !inner.settings.config.per_method {
            return Arc::clone(&inner.whole);
        }
        if let Some(circuit) = inner.methods.read().get(method) {
            return Arc::clone(circuit);
        }
        let mut methods = inner.methods.write();
        if methods.len() >= limits::BREAKER_METHODS && !methods.contains_key(method) {
            return Arc::clone(&inner.whole);
        }
        let new = || {
            let name = format!("{} {method}", inner.settings.config.name());
            let circuit = Circuit::new(&inner.settings, name.into());
            let whole = inner.whole.machine.lock();
            if whole.is_held() {
                circuit.machine.lock().hold(now(), whole.state());
            }
            circuit
        };
        Arc::clone(methods.entry(method.to_owned()).or_insert_with(new))
    }
}

impl fmt::Debug for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breaker")
            .field("config", &self.inner.settings.config)
            .field("snapshot", &self.snapshot())
            .finish_non_exhaustive()
    }
}

// ===== impl Circuit =====

impl Circuit {
    fn new(settings: &Arc<Settings>, name: Arc<str>) -> Arc<Self> {
        Arc::new(Self {
            settings: Arc::clone(settings),
            name,
            machine: Mutex::new(Machine::new(now(), &settings.config)),
            opened: AtomicU64::new(0),
            held_back: AtomicU64::new(0),
        })
    }

    fn admit(self: &Arc<Self>) -> Result<Admitted, RpcError> {
        let (admitted, change) = self.machine.lock().admit(now(), &self.settings.config);
        self.tell(change);
        match admitted {
            Ok(permit) => Ok(Admitted { circuit: Arc::clone(self), permit: Some(permit) }),
            Err(rejection) => Err(self.reject(rejection)),
        }
    }

    fn reject(&self, rejection: Rejection) -> RpcError {
        self.held_back.fetch_add(1, Ordering::Relaxed);
        if let Some(observer) = &self.settings.observer {
            observer.call_held_back(HeldBack::Breaker);
        }
        let text = format!("the circuit breaker `{}` {rejection}", self.name);
        RpcError::new(Code::UNAVAILABLE, Delivery::NotSent, text)
    }

    fn end(&self, permit: Permit, verdict: Verdict) {
        let Settings { config, dice, .. } = &*self.settings;
        let change = self.machine.lock().handle_end(now(), dice.throw(), config, permit, verdict);
        self.tell(change);
    }

    fn tell(&self, change: Option<Change>) {
        let Some(Change { from, to, why }) = change else { return };
        if to == BreakerState::Open {
            self.opened.fetch_add(1, Ordering::Relaxed);
            let why = why.map(|why| why.to_string());
            let why = why.as_deref().unwrap_or("an operator opened it");
            tracing::warn!(breaker = &*self.name, %from, why, "a circuit breaker has opened");
        } else {
            tracing::info!(breaker = &*self.name, %from, %to, "a circuit breaker has changed");
        }
        if let Some(observer) = &self.settings.observer {
            observer.breaker_changed(&self.name, from, to);
        }
    }

    fn snapshot(&self) -> BreakerSnapshot {
        let now = now();
        let mut machine = self.machine.lock();
        let tally = machine.tally(now);
        BreakerSnapshot {
            state: machine.state(),
            is_held: machine.is_held(),
            open_for: machine.left(now),
            calls: tally.calls,
            failures: tally.failures,
            slow: tally.slow,
            opened: self.opened.load(Ordering::Relaxed),
            held_back: self.held_back.load(Ordering::Relaxed),
        }
    }
}

/// A call that was let through, and owes its end.
pub(crate) struct Admitted {
    circuit: Arc<Circuit>,
    permit: Option<Permit>,
}

impl Admitted {
    /// Whether the breaker is not closed: others may be waiting for what becomes of this call.
    pub(crate) fn is_probe(&self) -> bool {
        self.circuit.machine.lock().state() != BreakerState::Closed
    }

    pub(crate) fn end(mut self, result: &CallResult) {
        let verdict = self.circuit.settings.config.verdict(result);
        if let Some(permit) = self.permit.take() {
            self.circuit.end(permit, verdict);
        }
    }
}

/// A call that is dropped before its end says nothing, and a probe's place would be lost for ever: nobody could find out any
/// more whether the endpoint is back.
impl Drop for Admitted {
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take() {
            self.circuit.machine.lock().give_back(permit);
        }
    }
}

// ===== impl BreakerCaller =====

/// A caller behind a [`Breaker`].
#[derive(Clone, Debug)]
pub struct BreakerCaller<C> {
    breaker: Breaker,
    inner: C,
    is_last: bool,
}

impl<C: Caller> Caller for BreakerCaller<C> {
    type Error = C::Error;
    type Future = BreakerCall<C::Future>;

    fn call(&self, request: Request) -> Self::Future {
        let circuit = self.breaker.circuit(request.method());
        let deadline = request.deadline();
        // Nothing is sent before its first poll, and that is behind the breaker.
        let state = State::New { circuit, deadline };
        BreakerCall { inner: self.inner.call(request), is_last: self.is_last, state }
    }
}

/// A call under way through a [`BreakerCaller`]. Dropping it cancels the call, and a probe's place is free again.
#[must_use = "futures do nothing unless polled"]
pub struct BreakerCall<F> {
    inner: F,
    is_last: bool,
    state: State,
}

enum State {
    New {
        circuit: Arc<Circuit>,
        deadline: Option<Deadline>,
    },
    Admitted(Admitted),
    /// It had no time left when it began, which says nothing about the endpoint.
    Uncounted,
    Done,
}

impl<F: Future<Output = CallResult> + Unpin> Future for BreakerCall<F> {
    type Output = CallResult;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<CallResult> {
        let this = &mut *self;
        match std::mem::replace(&mut this.state, State::Done) {
            State::New { deadline: Some(deadline), .. } if deadline.has_passed(now()) => {
                this.state = State::Uncounted;
            }
            State::New { circuit, .. } => match circuit.admit() {
                Ok(admitted) => this.state = State::Admitted(admitted),
                Err(error) if this.is_last => return Poll::Ready(Err(error.with_hold())),
                Err(error) => return Poll::Ready(Err(error)),
            },
            State::Done => return Poll::Pending,
            at_work => this.state = at_work,
        }
        let Poll::Ready(result) = Pin::new(&mut this.inner).poll(cx) else { return Poll::Pending };
        if let State::Admitted(admitted) = std::mem::replace(&mut this.state, State::Done) {
            admitted.end(&result);
        }
        Poll::Ready(result)
    }
}

impl<F> fmt::Debug for BreakerCall<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::New { .. } => "BreakerCall(new)",
            State::Admitted(_) => "BreakerCall(admitted)",
            State::Uncounted => "BreakerCall(uncounted)",
            State::Done => "BreakerCall(done)",
        })
    }
}
