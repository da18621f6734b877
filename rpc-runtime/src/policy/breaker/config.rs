//! Owns [`BreakerConfig`]: when a breaker opens, and for how long.

use std::sync::Arc;
use std::time::Duration;

use crate::call::CallResult;
use crate::limits;
use crate::policy::breaker::verdict::Verdict;
use crate::policy::breaker::window::Extent;

/// When a breaker opens, and for how long.
///
/// ```
/// use std::time::Duration;
/// use traitwire::policy::breaker::BreakerConfig;
/// let config = BreakerConfig::new()
///     .window(Duration::from_secs(10), 10)                // ten buckets of a second
///     .min_calls(20)                                      // in the window, before anything is concluded
///     .ratio(0.5)                                         // of them have failed: open
///     .slow(Duration::from_millis(800), 0.8)              // or four of five took longer than this
///     .open(Duration::from_secs(1), Duration::from_secs(60))
///     .probes(3);
/// ```
#[derive(Clone)]
pub struct BreakerConfig {
    /// None for one that whoever uses it finds.
    name: Option<Arc<str>>,
    pub(in crate::policy) extent: Extent,
    pub(in crate::policy) min_calls: u64,
    pub(in crate::policy) ratio: f64,
    pub(in crate::policy) slow: Option<Slow>,
    pub(in crate::policy) open: Duration,
    pub(in crate::policy) open_most: Duration,
    pub(in crate::policy) probes: u32,
    pub(in crate::policy) per_method: bool,
    pub(super) seed: Option<u64>,
    /// None for [`Verdict::of`].
    classify: Option<Classify>,
}

/// Which calls are slow, and how many of them are too many.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::policy) struct Slow {
    pub(in crate::policy) after: Duration,
    pub(in crate::policy) ratio: f64,
}

type Classify = Arc<dyn Fn(&CallResult) -> Verdict + Send + Sync>;

impl Default for BreakerConfig {
    fn default() -> Self {
        Self {
            name: None,
            extent: Extent::Time { buckets: limits::BREAKER_BUCKETS, width: limits::BREAKER_BUCKET },
            min_calls: limits::BREAKER_MIN_CALLS,
            ratio: limits::BREAKER_RATIO,
            slow: None,
            open: limits::BREAKER_OPEN,
            open_most: limits::BREAKER_OPEN_MOST,
            probes: limits::BREAKER_PROBES,
            per_method: false,
            seed: None,
            classify: None,
        }
    }
}

impl BreakerConfig {
    /// The defaults: a window of 10 × 1 s, open at half of at least 20 calls, first for a second.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the breaker is called in errors, in the log and by its observer: the endpoint's name or address.
    #[must_use]
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Looks at the calls that ended within this time, in so many buckets (1 to 1,000): the window moves by a bucket's
    /// width. 10 s in 10.
    #[must_use]
    pub fn window(mut self, time: Duration, buckets: usize) -> Self {
        let buckets = buckets.clamp(1, limits::BREAKER_BUCKETS_MOST);
        let width = (time / buckets as u32).max(limits::BREAKER_BUCKET_LEAST);
        self.extent = Extent::Time { buckets, width };
        self
    }

    /// Looks at the last so many calls (1 to 10,000), whenever they were.
    #[must_use]
    pub fn last_calls(mut self, calls: usize) -> Self {
        self.extent = Extent::Count(calls.clamp(1, limits::BREAKER_COUNT_MOST));
        self
    }

    /// How many calls there must be in the window before anything is concluded; 20. In a window of the last N calls no
    /// more than N can be asked for.
    #[must_use]
    pub const fn min_calls(mut self, calls: u64) -> Self {
        self.min_calls = if calls == 0 { 1 } else { calls };
        self
    }

    /// Opens when so much of the window's calls failed; 0.5. At most 1, and at least above 0: one failure among
    /// [`min_calls`](Self::min_calls).
    #[must_use]
    pub const fn ratio(mut self, ratio: f64) -> Self {
        self.ratio = share(ratio);
        self
    }

    /// Opens also when so much of the window's calls took longer than this, whatever came of them. Off by default: what is
    /// slow for one method is the work of another.
    #[must_use]
    pub const fn slow(mut self, after: Duration, ratio: f64) -> Self {
        self.slow = Some(Slow { after, ratio: share(ratio) });
        self
    }

    /// How long it is open the first time, and how long at most: each time that it opens soon after it closed doubles it,
    /// and each 10 s spent closed take one doubling back. ± 20 %, so that many callers do not come back
    /// at once. 1 s and 60 s.
    #[must_use]
    pub const fn open(mut self, first: Duration, most: Duration) -> Self {
        self.open = first;
        self.open_most = most;
        self
    }

    /// How many calls at a time are let through to see whether the endpoint is back; when so many have succeeded it
    /// closes, and the first that fails opens it again. 3.
    #[must_use]
    pub const fn probes(mut self, probes: u32) -> Self {
        self.probes = if probes == 0 { 1 } else { probes };
        self
    }

    /// Has a window for each method, so that one that is broken does not close the way to the others. Methods beyond the
    /// first 1,024 share one.
    #[must_use]
    pub const fn per_method(mut self) -> Self {
        self.per_method = true;
        self
    }

    /// Draws its jitter from this seed, so that simulations repeat.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// How many calls the window must have: what it can hold, if fewer were asked for than that.
    pub(super) fn min_calls_asked(&self) -> u64 {
        match self.extent {
            Extent::Time { .. } => self.min_calls,
            Extent::Count(most) => self.min_calls.min(most as u64),
        }
    }

    /// Says what counts as a failure, in place of [`Verdict::of`].
    #[must_use]
    pub fn classify(mut self, classify: impl Fn(&CallResult) -> Verdict + Send + Sync + 'static) -> Self {
        self.classify = Some(Arc::new(classify));
        self
    }

    /// What the breaker is called.
    pub(super) fn name(&self) -> Arc<str> {
        self.name.clone().unwrap_or_else(|| Arc::from("breaker"))
    }

    /// Called so, unless it has a name.
    pub(in crate::policy) fn named_by_default(mut self, name: impl FnOnce() -> Arc<str>) -> Self {
        self.name.get_or_insert_with(name);
        self
    }

    /// What the end of a call says.
    pub(super) fn verdict(&self, result: &CallResult) -> Verdict {
        self.classify.as_ref().map_or_else(|| Verdict::of(result), |classify| classify(result))
    }
}

/// A ratio above 0 and at most 1. What is no number opens never by itself: it counts as 1.
const fn share(ratio: f64) -> f64 {
    if ratio.is_nan() || ratio > 1.0 {
        1.0
    } else if ratio < f64::EPSILON {
        f64::EPSILON
    } else {
        ratio
    }
}

/// Two that classify by functions of their own are the same if it is the same function.
impl PartialEq for BreakerConfig {
    fn eq(&self, other: &Self) -> bool {
        let Self {
            name,
            extent,
            min_calls,
            ratio,
            slow,
            open,
            open_most,
            probes,
            per_method,
            seed,
            classify,
        } = self;
        let is_classified_alike = match (classify, &other.classify) {
            (Some(one), Some(two)) => Arc::ptr_eq(one, two),
            (one, two) => one.is_none() && two.is_none(),
        };
        is_classified_alike
            && (name, extent, min_calls, ratio)
                == (&other.name, &other.extent, &other.min_calls, &other.ratio)
            && (slow, open, open_most) == (&other.slow, &other.open, &other.open_most)
            && (probes, per_method, seed) == (&other.probes, &other.per_method, &other.seed)
    }
}

impl std::fmt::Debug for BreakerConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BreakerConfig")
            .field("name", &self.name)
            .field("extent", &self.extent)
            .field("min_calls", &self.min_calls)
            .field("ratio", &self.ratio)
            .field("slow", &self.slow)
            .field("open", &(self.open, self.open_most))
            .field("probes", &self.probes)
            .field("per_method", &self.per_method)
            .finish_non_exhaustive()
    }
}
