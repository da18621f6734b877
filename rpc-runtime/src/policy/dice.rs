//! Owns [`Dice`]: the randomness of a channel's policies, from one seed. Does not know what is decided by it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::call::{SPLIT_MIX_STEP, split_mix};

/// Random numbers that repeat where the seed and the order of those who ask do.
///
/// SplitMix64, as in `call/chance`: one addition that callers share, and a mixture of their own.
#[derive(Debug)]
pub(crate) struct Dice(AtomicU64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// The next throw.
    pub(crate) fn throw(&self) -> Throw {
        Throw(split_mix(self.0.fetch_add(SPLIT_MIX_STEP, Ordering::Relaxed).wrapping_add(SPLIT_MIX_STEP)))
    }
}

/// One random number, for one decision.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Throw(pub(crate) u64);

impl Throw {
    /// Evenly from 0 to 1, 1 left out.
    pub(crate) fn unit(self) -> f64 {
        // 53 bits are what a float holds.
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Evenly from `low` to `high`.
    pub(crate) fn between(self, low: Duration, high: Duration) -> Duration {
        let part = high.saturating_sub(low).as_secs_f64() * self.unit();
        // Rounding may lead beyond the longest time there is.
        low.saturating_add(Duration::try_from_secs_f64(part).unwrap_or(high)).min(high.max(low))
    }

    /// Evenly from `1 - spread` to `1 + spread`.
    pub(crate) fn around_one(self, spread: f64) -> f64 {
        (self.unit() * 2.0 - 1.0).mul_add(spread, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_throws_the_same_and_spreads() {
        let throws = |seed| {
            let dice = Dice::new(seed);
            (0..1_000).map(|_| dice.throw().unit()).collect::<Vec<_>>()
        };
        assert_eq!(throws(7), throws(7));
        assert_ne!(throws(7), throws(8));
        let all = throws(7);
        assert!(all.iter().all(|unit| (0.0..1.0).contains(unit)));
        let mean = all.iter().sum::<f64>() / 1_000.0;
        assert!((0.45..0.55).contains(&mean), "{mean}");
        assert!(all.iter().any(|unit| *unit < 0.01) && all.iter().any(|unit| *unit > 0.99));
    }
}
