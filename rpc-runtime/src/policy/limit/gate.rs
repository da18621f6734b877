//! Owns [`Gate`]: who may start, and who waits. Pure: time is an argument.

use std::time::{Duration, Instant};

use crate::policy::limit::gradient::Gradient;
use crate::policy::limit::queue::Queue;
use crate::policy::limit::rate::Rate;
use crate::policy::limit::sample::{Said, Sample};

/// How many may be at work.
#[derive(Debug)]
pub(in crate::policy) enum Limiter {
    Unlimited,
    Fixed(usize),
    Adaptive(Gradient),
}

/// The gate that calls pass to begin their work.
///
/// ```text
///              a place free, the rate allows it, nobody waits
///   enter ───────────────────────────────────────────────────▶ at work ──end──▶
///     │                                                           ▲
///     ├──room in the queue──▶ waiting ──its turn, a place, the rate┘
///     │                          └──leave──▶
///     └──no room──▶ full
/// ```
///
/// After each `end` and `leave`, and at [`looks_again_at`](Self::looks_again_at), ask [`poll_start`](Self::poll_start) until
/// it has nobody more.
#[derive(Debug)]
pub(in crate::policy) struct Gate {
    limiter: Limiter,
    rate: Option<Rate>,
    queue: Queue,
    at_work: usize,
    next: u64,
}

/// What becomes of a call that comes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::policy) enum Entry {
    /// It is at work.
    Started,
    /// It waits, under this number.
    Waits(u64),
    /// There is no room.
    Full,
}

impl Gate {
    pub(in crate::policy) const fn new(limiter: Limiter, rate: Option<Rate>, queue: Queue) -> Self {
        Self { limiter, rate, queue, at_work: 0, next: 0 }
    }

    /// A call of this key comes.
    pub(in crate::policy) fn enter(&mut self, now: Instant, key: u64) -> Entry {
        // Whoever comes does not overtake those who wait.
        if self.queue.len() == 0 && self.has_place() && self.rate_ready_at(now) <= now {
            self.start(now);
            return Entry::Started;
        }
        if !self.queue.has_room(key) {
            return Entry::Full;
        }
        self.next += 1;
        self.queue.push(key, self.next);
        Entry::Waits(self.next)
    }

    /// Whether a call that comes would start at once.
    pub(in crate::policy) fn is_open(&self, now: Instant) -> bool {
        self.queue.len() == 0 && self.has_place() && self.rate_ready_at(now) <= now
    }

    /// The next one of those that wait, if it may start: it is at work now.
    pub(in crate::policy) fn poll_start(&mut self, now: Instant) -> Option<u64> {
        if !self.has_place() || self.rate_ready_at(now) > now {
            return None;
        }
        let ticket = self.queue.pop()?;
        self.start(now);
        Some(ticket)
    }

    /// Who waits only for the rate, and until when.
    pub(in crate::policy) fn looks_again_at(&self, now: Instant) -> Option<(u64, Instant)> {
        let first = self.queue.first().filter(|_| self.has_place())?;
        Some((first, self.rate_ready_at(now)))
    }

    /// One of those that wait has given up.
    pub(in crate::policy) fn leave(&mut self, key: u64, ticket: u64) {
        self.queue.remove(key, ticket);
    }

    /// One of those at work has ended.
    pub(in crate::policy) fn end(&mut self, now: Instant, began: Instant, said: Said) {
        if let Limiter::Adaptive(gradient) = &mut self.limiter {
            let took = now.saturating_duration_since(began);
            gradient.handle_end(now, Sample { took, at_work: self.at_work, said });
        }
        self.at_work -= 1;
    }

    /// From when on it is as a new one, whose limit does not adapt; `None` while it is in use.
    pub(in crate::policy) fn fresh_at(&self, now: Instant) -> Option<Instant> {
        let is_idle = self.at_work == 0 && self.queue.len() == 0;
        is_idle.then(|| self.rate.as_ref().map_or(now, |rate| rate.fresh_at(now)))
    }

    /// How many are at work.
    pub(in crate::policy) const fn at_work(&self) -> usize {
        self.at_work
    }

    /// How many may be at work; `usize::MAX` without a limit.
    pub(in crate::policy) fn limit(&self) -> usize {
        match &self.limiter {
            Limiter::Unlimited => usize::MAX,
            Limiter::Fixed(limit) => *limit,
            Limiter::Adaptive(gradient) => gradient.limit(),
        }
    }

    /// How long it takes until the rate has let so many more start.
    pub(in crate::policy) fn rate_wait(&self, now: Instant, calls: usize) -> Duration {
        self.rate.as_ref().map_or(Duration::ZERO, |rate| rate.wait(now, calls))
    }

    /// Those who wait.
    pub(in crate::policy) const fn queue(&self) -> &Queue {
        &self.queue
    }

    fn start(&mut self, now: Instant) {
        self.at_work += 1;
        if let Some(rate) = &mut self.rate {
            rate.take(now);
        }
    }

    fn has_place(&self) -> bool {
        self.at_work < self.limit()
    }

    fn rate_ready_at(&self, now: Instant) -> Instant {
        self.rate.as_ref().map_or(now, |rate| rate.ready_at(now))
    }
}
