//! Owns [`Dice`] and [`SharedDice`], generators that a seed determines, and [`Throw`], one number of them. Pure: the seed is an
//! argument (`chance` rolls one).

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What SplitMix64 (Steele, Lea and Flood, *Fast splittable pseudorandom number generators*, 2014) adds to its state for
/// each number; [`split_mix`] makes the number of the state.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// The number of SplitMix64 that belongs to this state.
pub(crate) const fn split_mix(state: u64) -> u64 {
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// One random number, for one decision.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Throw(pub(crate) u64);

impl Throw {
    /// A number below `limit`, each as likely as another; 0 if the limit is 0.
    const fn below(self, limit: u64) -> u64 {
        // The high half of the product: its bias is at most `limit` in 2^64.
        ((self.0 as u128 * limit as u128) >> 64) as u64
    }

    /// Evenly from 0 to 1, 1 left out.
    pub(crate) const fn unit(self) -> f64 {
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

/// A generator of numbers that are determined by a seed, for tests that are to be repeated.
///
/// It is SplitMix64 (Steele, Lea and Flood, *Fast splittable pseudorandom number generators*, 2014), written here
/// because a seed that failed must mean the same run in a year: a library may change its generator in any release.
/// Not for secrets.
///
/// ```
/// use traitwire::testing::Dice;
/// let (mut one, mut other) = (Dice::new(7), Dice::new(7));
/// assert_eq!(one.below(6), other.below(6));
/// ```
#[derive(Clone, Debug)]
pub struct Dice {
    state: u64,
}

impl Dice {
    /// The generator of this seed.
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    const fn throw(&mut self) -> Throw {
        self.state = self.state.wrapping_add(STEP);
        Throw(split_mix(self.state))
    }

    /// A number below `limit`, each as likely as another; 0 if the limit is 0.
    pub const fn below(&mut self, limit: u64) -> u64 {
        self.throw().below(limit)
    }

    /// A number from 0 up to 1, without 1 itself.
    pub const fn unit(&mut self) -> f64 {
        self.throw().unit()
    }
}

#[cfg(feature = "testing")]
impl Dice {
    /// Any number.
    pub const fn roll(&mut self) -> u64 {
        self.throw().0
    }

    /// True with this probability.
    pub const fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// One of these, each as likely as another; `None` of none.
    pub const fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        if of.is_empty() { None } else { Some(&of[self.below(of.len() as u64) as usize]) }
    }

    /// A generator of its own: what is drawn from one does not move the other.
    #[must_use]
    pub const fn fork(&mut self) -> Self {
        Self::new(self.roll())
    }
}

/// The same for many at a time: numbers repeat where the seed and the order of those who ask do. One addition that they
/// share, and a mixture of their own.
#[derive(Debug)]
pub(crate) struct SharedDice(AtomicU64);

impl SharedDice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// The next throw.
    pub(crate) fn throw(&self) -> Throw {
        Throw(split_mix(self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP)))
    }

    /// A generator of its own, for a decision that needs several numbers.
    pub(crate) fn fork(&self) -> Dice {
        Dice::new(self.throw().0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_published_generator() {
        // The first numbers of the reference implementation with the seed 1234567.
        let published = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        let (mut dice, shared) = (Dice::new(1_234_567), SharedDice::new(1_234_567));
        assert_eq!([(); 3].map(|()| dice.throw().0), published);
        assert_eq!([(); 3].map(|()| shared.throw().0), published);
        assert_ne!(shared.fork().throw().0, shared.fork().throw().0);
    }

    #[test]
    fn numbers_stay_in_their_bounds_and_reach_all_of_them() {
        let mut dice = Dice::new(1);
        let mut seen = [0_u32; 6];
        for _ in 0..6_000 {
            seen[dice.below(6) as usize] += 1;
            assert!((0.0..1.0).contains(&dice.unit()));
        }
        assert!(seen.iter().all(|&count| (900..1_100).contains(&count)), "{seen:?}");
        assert_eq!(dice.below(0), 0);
        let (low, high) = (Throw(0), Throw(u64::MAX));
        let second = Duration::from_secs(1);
        assert_eq!((low.unit(), low.around_one(0.2), low.between(second, 3 * second)), (0.0, 0.8, second));
        assert!(high.unit() < 1.0 && high.around_one(0.2) <= 1.2);
        assert!(high.between(second, Duration::MAX) > second, "and no panic");
        assert_eq!(high.between(second, Duration::ZERO), second);
    }
}
