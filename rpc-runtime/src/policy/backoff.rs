//! Owns [`Backoff`]: how long to wait between attempts to reach something. Pure: the caller brings the randomness. Waits before
//! retries of calls are `retry`'s.

use std::time::Duration;

use crate::limits;

/// Waits that grow from the first to the last, with jitter: gRPC's connection backoff protocol. By default those of a channel
/// that cannot connect.
#[derive(Debug)]
pub(crate) struct Backoff {
    first: Duration,
    last: Duration,
    failures: i32,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new(limits::BACKOFF_FIRST, limits::BACKOFF_LAST)
    }
}

impl Backoff {
    pub(crate) const fn new(first: Duration, last: Duration) -> Self {
        Self { first, last, failures: 0 }
    }

    /// The wait after one more failure. `dice` is any number that is hard to foresee.
    pub(crate) fn next(&mut self, dice: u64) -> Duration {
        let grown = self.first.as_secs_f64() * limits::BACKOFF_FACTOR.powi(self.failures);
        self.failures = self.failures.saturating_add(1).min(64);
        let wait = grown.min(self.last.as_secs_f64());
        // 53 bits are what a float holds: from -1 to 1 in even steps.
        let spread = (dice >> 11) as f64 / (1_u64 << 52) as f64 - 1.0;
        Duration::from_secs_f64(wait * spread.mul_add(limits::BACKOFF_JITTER, 1.0))
    }

    /// It was reached: the next failure is a first one.
    pub(crate) const fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_last_and_stay_within_their_jitter() {
        for (dice, factor) in [(0, 0.8), (1 << 63, 1.0), (u64::MAX, 1.2)] {
            let mut backoff = Backoff::default();
            for expected in [1.0, 1.6, 2.56, 4.096] {
                let wait = backoff.next(dice).as_secs_f64();
                assert!((wait - expected * factor).abs() < 1e-6, "{wait} {expected} {factor}");
            }
            let last = (0..100).map(|_| backoff.next(dice)).last().unwrap().as_secs_f64();
            assert!((last - 30.0 * factor).abs() < 1e-6, "{last}");
            backoff.reset();
            assert!((backoff.next(dice).as_secs_f64() - factor).abs() < 1e-6);
        }
    }
}
