//! Owns [`Backoff`]: how long to wait between attempts to reach something. Pure: the caller brings the randomness. Waits before
//! retries of calls are `retry`'s.

use std::time::Duration;

use crate::call::Throw;
use crate::limits;

/// Waits that grow from the first to the last, with jitter: gRPC's connection backoff protocol.
#[derive(Debug)]
pub(crate) struct Backoff {
    first: Duration,
    last: Duration,
    failures: i32,
}

impl Backoff {
    pub(crate) const fn new(first: Duration, last: Duration) -> Self {
        Self { first, last, failures: 0 }
    }

    /// The wait after one more failure.
    pub(crate) fn next(&mut self, throw: Throw) -> Duration {
        let grown = self.first.as_secs_f64() * limits::BACKOFF_FACTOR.powi(self.failures);
        self.failures = self.failures.saturating_add(1).min(64);
        let wait = grown.min(self.last.as_secs_f64());
        Duration::from_secs_f64(wait * throw.around_one(limits::BACKOFF_JITTER))
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
        for (throw, factor) in [(Throw(0), 0.8), (Throw(1 << 63), 1.0), (Throw(u64::MAX), 1.2)] {
            let mut backoff = Backoff::new(limits::BACKOFF_FIRST, limits::BACKOFF_LAST);
            for expected in [1.0, 1.6, 2.56, 4.096] {
                let wait = backoff.next(throw).as_secs_f64();
                assert!((wait - expected * factor).abs() < 1e-6, "{wait} {expected} {factor}");
            }
            let last = (0..100).map(|_| backoff.next(throw)).last().unwrap().as_secs_f64();
            assert!((last - 30.0 * factor).abs() < 1e-6, "{last}");
            backoff.reset();
            assert!((backoff.next(throw).as_secs_f64() - factor).abs() < 1e-6);
        }
    }
}
