//! Owns [`LimitConfig`]: how many calls may be at work, how many may begin in a second, and how many may wait for that.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Instant;

use crate::limits;
use crate::policy::limit::gate::{Gate, Limiter};
use crate::policy::limit::gradient::Gradient;
use crate::policy::limit::queue::Queue;
use crate::policy::limit::rate::Rate;
use crate::policy::limit::sample::Bounds;

/// How many calls may be at work, how many may begin in a second, and how many may wait for that.
///
/// ```
/// use traitwire::policy::limit::LimitConfig;
/// let few = LimitConfig::concurrency(64).queue(256);
/// let paced = LimitConfig::rate(100.0, 10).with_concurrency(16);   // 100 a second, 10 of them at once
/// let adaptive = LimitConfig::adaptive(1..=500);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct LimitConfig {
    /// None for one that whoever uses it finds.
    name: Option<Arc<str>>,
    pub(in crate::policy) work: Work,
    pub(in crate::policy) rate: Option<(f64, u32)>,
    pub(in crate::policy) queue: usize,
}

/// How many calls may be at work.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::policy) enum Work {
    Unlimited,
    Fixed(usize),
    Adaptive(Bounds),
}

impl LimitConfig {
    /// At most so many calls are at work at a time; at least one.
    pub fn concurrency(calls: usize) -> Self {
        Self::with_work(Work::Fixed(calls.max(1)))
    }

    /// As many calls are at work at a time as the callee can do without becoming slow, within these bounds: the limit
    /// follows what calls take. It begins at 20, or at the bound next to that.
    pub fn adaptive(bounds: RangeInclusive<usize>) -> Self {
        let least = (*bounds.start()).max(1);
        let most = (*bounds.end()).max(least);
        Self::with_work(Work::Adaptive(Bounds {
            least,
            first: limits::ADAPTIVE_FIRST.clamp(least, most),
            most,
        }))
    }

    /// So many calls begin in a second, of which `burst` may begin at once. A rate that is no number above 0 counts as one
    /// call an hour, which is also the least.
    pub fn rate(per_second: f64, burst: u32) -> Self {
        Self { rate: Some((per_second, burst)), ..Self::with_work(Work::Unlimited) }
    }

    /// The same, and so many calls at work at most.
    #[must_use]
    pub fn with_concurrency(mut self, calls: usize) -> Self {
        self.work = Work::Fixed(calls.max(1));
        self
    }

    /// The same, and so many calls that begin in a second at most: see [`rate`](Self::rate).
    #[must_use]
    pub const fn with_rate(mut self, per_second: f64, burst: u32) -> Self {
        self.rate = Some((per_second, burst));
        self
    }

    /// How many calls may wait; the next one is refused. 1,024.
    #[must_use]
    pub const fn queue(mut self, calls: usize) -> Self {
        self.queue = calls;
        self
    }

    /// What the limit is called in errors.
    #[must_use]
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// What the limit is called.
    pub(super) fn name(&self) -> Arc<str> {
        self.name.clone().unwrap_or_else(|| Arc::from("limit"))
    }

    /// Called so, unless it has a name.
    pub(in crate::policy) fn named_by_default(mut self, name: impl FnOnce() -> Arc<str>) -> Self {
        self.name.get_or_insert_with(name);
        self
    }

    /// The gate that keeps this; its queue is shared among keys, or has one only.
    pub(in crate::policy) fn gate(&self, now: Instant, is_shared: bool) -> Gate {
        let limiter = match self.work {
            Work::Unlimited => Limiter::Unlimited,
            Work::Fixed(calls) => Limiter::Fixed(calls),
            Work::Adaptive(bounds) => Limiter::Adaptive(Gradient::new(now, bounds)),
        };
        let rate = self.rate.map(|(per_second, burst)| Rate::new(per_second, burst));
        Gate::new(limiter, rate, Queue::new(self.queue, is_shared))
    }

    fn with_work(work: Work) -> Self {
        Self { name: None, work, rate: None, queue: limits::LIMIT_QUEUE }
    }
}
