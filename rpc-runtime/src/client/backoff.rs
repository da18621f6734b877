//! Owns [`Backoff`]: how long to wait between attempts to connect. Pure: the caller brings the randomness.

use std::time::Duration;

use crate::limits;

/// The waits of a channel that cannot connect: exponential with jitter, after gRPC's connection backoff protocol.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: i32,
}

impl Backoff {
    /// The wait after one more failure. `dice` is any number that is hard to foresee.
    pub(super) fn next(&mut self, dice: u64) -> Duration {
        let grown = limits::BACKOFF_FIRST.as_secs_f64() * limits::BACKOFF_FACTOR.powi(self.failures);
        self.failures = self.failures.saturating_add(1).min(64);
        let wait = grown.min(limits::BACKOFF_LAST.as_secs_f64());
        // 53 bits are what a float holds: from -1 to 1 in even steps.
        let spread = (dice >> 11) as f64 / (1_u64 << 52) as f64 - 1.0;
        Duration::from_secs_f64(wait * spread.mul_add(limits::BACKOFF_JITTER, 1.0))
    }

    /// A connection was made: the next failure is a first one.
    pub(super) const fn reset(&mut self) {
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
