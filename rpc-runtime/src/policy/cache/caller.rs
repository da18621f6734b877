//! Owns [`Cache`] and [`CacheCaller`]: the store around a caller. Decides nothing.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::time::Sleep;

use crate::call::{CallResult, Caller, Code, Delivery, Request, Response, RpcError, SharedDice, roll};
use crate::limits;
use crate::observe::{CacheUse, Observer};
use crate::policy::cache::config::{CacheConfig, Terms};
use crate::policy::cache::entry::{Age, Entry};
use crate::policy::cache::flight::{Flights, Follower, Leader, Outcome, Role};
use crate::policy::cache::key::Key;
use crate::policy::cache::store::Store;
use crate::policy::clock::now;

/// A cache of answers: cheap to clone, and one for all callers that it is [around](Self::around). Only put it around callers
/// to the same services: where a call is made to is no part of its key.
#[derive(Clone)]
pub struct Cache {
    inner: Arc<Inner>,
}

struct Inner {
    config: CacheConfig,
    store: Store,
    flights: Arc<Flights>,
    dice: SharedDice,
    counts: [AtomicU64; CacheUse::ALL.len()],
    observer: Option<Arc<dyn Observer>>,
}

/// What a cache knew at one moment.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct CacheSnapshot {
    /// Calls answered from the cache.
    pub hit: u64,
    /// Calls that were made because there was no answer, or none that was fresh.
    pub miss: u64,
    /// Calls that failed and were answered with one that is too old.
    pub stale: u64,
    /// Calls that waited for the same call of somebody else and got its outcome.
    pub coalesced: u64,
    /// Answers kept.
    pub entries: usize,
    /// The bytes that they take.
    pub bytes: usize,
}

impl Cache {
    /// A cache that is empty.
    pub fn new(config: CacheConfig) -> Self {
        Self::with_observer(config, None)
    }

    /// A cache that is empty, and tells somebody how it is used.
    pub fn observed(config: CacheConfig, observer: Arc<dyn Observer>) -> Self {
        Self::with_observer(config, Some(observer))
    }

    pub(crate) fn with_observer(config: CacheConfig, observer: Option<Arc<dyn Observer>>) -> Self {
        let settings = config.store();
        let store = Store::new(settings.policy(), settings.bytes());
        let dice = SharedDice::new(settings.seed.unwrap_or_else(roll));
        let (flights, counts) = (Arc::default(), Default::default());
        Self { inner: Arc::new(Inner { config, store, flights, dice, counts, observer }) }
    }

    /// A caller that asks this cache before it calls `caller`.
    pub fn around<C: Caller>(&self, caller: C) -> CacheCaller<C> {
        CacheCaller { cache: self.clone(), terms: None, inner: caller }
    }

    /// The same for calls whose answers are kept on these terms, whatever its own methods are.
    pub(crate) fn around_on<C: Caller>(&self, terms: Terms, caller: C) -> CacheCaller<C> {
        CacheCaller { cache: self.clone(), terms: Some(terms), inner: caller }
    }

    /// Forgets all answers. Calls under way may still put theirs in.
    pub fn clear(&self) {
        self.inner.store.clear();
    }

    /// What it knows at this moment.
    pub fn snapshot(&self) -> CacheSnapshot {
        let count = |what: CacheUse| self.inner.counts[what as usize].load(Ordering::Relaxed);
        let (entries, bytes) = self.inner.store.size();
        CacheSnapshot {
            hit: count(CacheUse::Hit),
            miss: count(CacheUse::Miss),
            stale: count(CacheUse::Stale),
            coalesced: count(CacheUse::Coalesced),
            entries,
            bytes,
        }
    }

    fn count(&self, what: CacheUse) {
        self.inner.counts[what as usize].fetch_add(1, Ordering::Relaxed);
        if let Some(observer) = &self.inner.observer {
            observer.cache_used(what);
        }
    }

    /// An answer that is worth keeping or sharing, and whether it is kept.
    fn enter(&self, key: &Key, times: Times, response: Response) -> Arc<Entry> {
        let Inner { store, dice, .. } = &*self.inner;
        let ttl = if response.is_app_error() { times.errors } else { Some(times.ttl) };
        let fresh = ttl.unwrap_or_default().mul_f64(dice.throw().around_one(limits::CACHE_JITTER));
        let entry = Arc::new(Entry::new(now(), key.clone(), response, fresh, times.stale));
        if ttl.is_some() {
            store.put(key, Arc::clone(&entry));
        }
        entry
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("config", &self.inner.config)
            .field("snapshot", &self.snapshot())
            .finish_non_exhaustive()
    }
}

/// Whether an error is about the one who made the call, and not about the call.
fn is_own(error: &RpcError) -> bool {
    [Code::DEADLINE_EXCEEDED, Code::CANCELLED].contains(&error.code())
}

// ===== impl CacheCaller =====

/// A caller behind a [`Cache`].
#[derive(Clone, Debug)]
pub struct CacheCaller<C> {
    cache: Cache,
    /// None for those that the cache's configuration has for its methods.
    terms: Option<Terms>,
    inner: C,
}

impl<C: Caller> Caller for CacheCaller<C> {
    type Error = C::Error;
    type Future = CacheCall<C>;

    fn call(&self, request: Request) -> Self::Future {
        let method = request.descriptor().filter(|method| Terms::may_keep(method));
        let named = || method.and_then(|method| self.cache.inner.config.named(method.full_name));
        let Some(terms) = self.terms.clone().or_else(named) else {
            return CacheCall {
                cache: self.cache.clone(),
                inner: self.inner.clone(),
                state: State::Passing(self.inner.call(request)),
            };
        };
        let key = Key::of(&request, &terms.varies);
        let times = Times { ttl: terms.ttl, errors: terms.errors, stale: terms.stale };
        let asked = Asked { request, key, times, since: None };
        CacheCall { cache: self.cache.clone(), inner: self.inner.clone(), state: State::Asking(asked) }
    }
}

/// A call under way through a [`CacheCaller`]. Dropping it cancels the call, unless somebody else waits for the same: then
/// that one makes it anew.
#[must_use = "futures do nothing unless polled"]
pub struct CacheCall<C: Caller> {
    cache: Cache,
    inner: C,
    state: State<C::Future>,
}

/// ```text
///   Asking ──fresh──▶ Done
///    │  ▲  └──nobody asks for the same──▶ Leading ──▶ Done
///    │  └─────the leader gave up──┐
///    └──somebody does──▶ Following ──▶ Done
///   Passing ──▶ Done       a method that is not cached
/// ```
enum State<F> {
    Asking(Asked),
    Leading { call: F, leader: Option<Leader>, key: Key, times: Times, old: Option<Arc<Entry>> },
    Following { asked: Asked, follower: Follower, old: Option<Arc<Entry>>, sleep: Pin<Box<Sleep>> },
    Passing(F),
    Done,
}

/// How long what comes of a call is kept: an answer, the service's own error, and either after that.
#[derive(Clone, Copy)]
struct Times {
    ttl: Duration,
    errors: Option<Duration>,
    stale: Duration,
}

/// A call that is not made yet.
struct Asked {
    request: Request,
    key: Key,
    times: Times,
    /// Since when it has been waiting for somebody else's.
    since: Option<Instant>,
}

impl<C: Caller> CacheCall<C> {
    fn ask(&mut self, mut asked: Asked) -> Option<CallResult> {
        let now = now();
        let cache = &self.cache.inner;
        let is_anew = asked.request.asked().is_some_and(|wanted| wanted.anew);
        let kept = if is_anew { None } else { cache.store.get(&asked.key) };
        let old = match kept {
            Some(entry) if entry.age(now) == Age::Fresh => {
                self.cache.count(CacheUse::Hit);
                return Some(Ok(entry.response()));
            }
            old => old.filter(|entry| entry.age(now) == Age::Stale),
        };
        // One that was asked for before may not know what this caller has done since.
        let role = if is_anew { Role::Alone } else { cache.flights.join(&asked.key) };
        let leader = match role {
            Role::Leader(leader) => Some(leader),
            Role::Alone => None,
            Role::Follower(follower) => {
                let since = *asked.since.get_or_insert(now);
                let until = asked.request.ends_by(since);
                let sleep = Box::pin(tokio::time::sleep_until(until.instant().into()));
                self.state = State::Following { asked, follower, old, sleep };
                return None;
            }
        };
        self.cache.count(CacheUse::Miss);
        let Asked { mut request, key, times, since } = asked;
        if let Some(since) = since {
            // What it has waited for somebody else is part of its time.
            request.shorten(now.saturating_duration_since(since));
        }
        self.state = State::Leading { call: self.inner.call(request), leader, key, times, old };
        None
    }

    /// The call that was made has ended.
    fn landed(
        &self,
        result: CallResult,
        leader: Option<Leader>,
        (key, times): (&Key, Times),
        old: Option<&Arc<Entry>>,
    ) -> CallResult {
        match result {
            Ok(response) => {
                let (attempts, entry) = (response.attempts(), self.cache.enter(key, times, response));
                if let Some(leader) = leader {
                    leader.land(|| Outcome::Answer(Arc::clone(&entry)));
                }
                let mut response = entry.response();
                response.set_attempts(attempts);
                Ok(response)
            }
            Err(error) => {
                if let Some(leader) = leader {
                    leader.land(
                        || if is_own(&error) { Outcome::Given } else { Outcome::Failed(error.clone()) },
                    );
                }
                self.failed(error, old)
            }
        }
    }

    fn failed(&self, error: RpcError, old: Option<&Arc<Entry>>) -> CallResult {
        let Some(old) = old.filter(|old| error.code().is_trouble() && old.age(now()) != Age::Gone) else {
            return Err(error);
        };
        self.cache.count(CacheUse::Stale);
        Ok(old.response())
    }

    /// Its time ran out while it waited for somebody else's call.
    fn expired(&self, since: Option<Instant>, old: Option<&Arc<Entry>>) -> CallResult {
        let now = now();
        let waited = now.saturating_duration_since(since.unwrap_or(now));
        let text = format!("its time ran out: {waited:.1?} waiting for the same call of somebody else");
        // What it waited for may have been executed, but not for it.
        self.failed(RpcError::new(Code::DEADLINE_EXCEEDED, Delivery::NotSent, text), old)
    }
}

impl<C: Caller> Future for CacheCall<C> {
    type Output = CallResult;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<CallResult> {
        let this = &mut *self;
        loop {
            match std::mem::replace(&mut this.state, State::Done) {
                State::Asking(asked) => {
                    if let Some(result) = this.ask(asked) {
                        return Poll::Ready(result);
                    }
                }
                State::Leading { mut call, leader, key, times, old } => {
                    let Poll::Ready(result) = Pin::new(&mut call).poll(cx) else {
                        this.state = State::Leading { call, leader, key, times, old };
                        return Poll::Pending;
                    };
                    return Poll::Ready(this.landed(result, leader, (&key, times), old.as_ref()));
                }
                State::Following { asked, follower, old, mut sleep } => match follower.poll_outcome(cx) {
                    Poll::Ready(Outcome::Given) => this.state = State::Asking(asked),
                    Poll::Ready(Outcome::Answer(entry)) => {
                        this.cache.count(CacheUse::Coalesced);
                        return Poll::Ready(Ok(entry.response()));
                    }
                    Poll::Ready(Outcome::Failed(error)) => {
                        this.cache.count(CacheUse::Coalesced);
                        return Poll::Ready(this.failed(error, old.as_ref()));
                    }
                    Poll::Pending if sleep.as_mut().poll(cx).is_ready() => {
                        return Poll::Ready(this.expired(asked.since, old.as_ref()));
                    }
                    Poll::Pending => {
                        this.state = State::Following { asked, follower, old, sleep };
                        return Poll::Pending;
                    }
                },
                State::Passing(mut call) => {
                    let polled = Pin::new(&mut call).poll(cx);
                    if polled.is_pending() {
                        this.state = State::Passing(call);
                    }
                    return polled;
                }
                State::Done => return Poll::Pending,
            }
        }
    }
}

impl<C: Caller> fmt::Debug for CacheCall<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Asking(_) => "CacheCall(asking)",
            State::Leading { .. } => "CacheCall(leading)",
            State::Following { .. } => "CacheCall(following)",
            State::Passing(_) => "CacheCall(passing)",
            State::Done => "CacheCall(done)",
        })
    }
}
