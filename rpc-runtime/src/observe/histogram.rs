//! Owns [`Histogram`]: how long something took, counted in atomics, and [`Times`], what it had counted at one moment.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::observe::scale::{BUCKETS, bucket, upper};

/// How long something took, each time. It takes two kilobytes, and counting is two additions.
#[derive(Debug)]
pub(super) struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    micros: AtomicU64,
}

impl Histogram {
    pub(super) const fn new() -> Self {
        Self { buckets: [const { AtomicU64::new(0) }; BUCKETS], micros: AtomicU64::new(0) }
    }

    /// It took so long once.
    pub(super) fn note(&self, took: Duration) {
        self.buckets[bucket(took)].fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(super) fn snapshot(&self) -> Times {
        let buckets = self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect();
        Times { buckets, sum: Duration::from_micros(self.micros.load(Ordering::Relaxed)) }
    }
}

/// How long calls of a method took, from the start of their handlers to their end.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Times {
    buckets: Vec<u64>,
    sum: Duration,
}

impl Times {
    /// How many calls.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// What they took together.
    pub const fn sum(&self) -> Duration {
        self.sum
    }

    /// The time within which so many of a hundred ended, at most an eighth too long; `None` of none.
    pub fn percentile(&self, percent: f64) -> Option<Duration> {
        let count = self.count();
        let wanted = (count as f64 * percent / 100.0).ceil().clamp(1.0, count.max(1) as f64) as u64;
        let mut passed = 0;
        let reached = |bucket: &u64| {
            passed += bucket;
            passed >= wanted
        };
        self.buckets.iter().position(reached).map(upper)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_what_was_noted() {
        let histogram = Histogram::new();
        assert_eq!(histogram.snapshot().percentile(50.0), None);
        for millis in 1..=1_000 {
            histogram.note(Duration::from_millis(millis));
        }
        let times = histogram.snapshot();
        assert_eq!((times.count(), times.sum()), (1_000, Duration::from_millis(500_500)));
        for (percent, expected) in [(0.0, 0.001), (50.0, 0.5), (99.0, 0.99), (99.9, 0.999), (100.0, 1.0)] {
            let found = times.percentile(percent).map(|time| time.as_secs_f64());
            assert!(
                found.is_some_and(|found| (expected..expected * 1.13).contains(&found)),
                "{percent} {found:?}"
            );
        }
        histogram.note(Duration::MAX);
        assert_eq!(histogram.snapshot().count(), 1_001);
    }
}
