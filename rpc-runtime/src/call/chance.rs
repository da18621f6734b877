//! Owns [`roll`], the one place where the runtime asks for chance, and `Dice`, a small generator that a seed determines.
//! Does not decide anything: machines take what is rolled as an argument.

use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

/// A number that is hard to foresee. Where a simulation runs on this thread it is drawn from the simulation's seed, so
/// that the same seed makes the same run.
pub(crate) fn roll() -> u64 {
    #[cfg(feature = "testing")]
    if let Some(number) = seeded::roll() {
        return number;
    }
    RandomState::new().hash_one(0_u8)
}

/// The number of this process; in a simulation another one each time, since one process is many hosts there.
pub(crate) fn instance() -> u64 {
    #[cfg(feature = "testing")]
    if let Some(number) = seeded::roll() {
        return number;
    }
    static INSTANCE: OnceLock<u64> = OnceLock::new();
    *INSTANCE.get_or_init(|| RandomState::new().hash_one(std::process::id()))
}

/// What SplitMix64 (Steele, Lea and Flood, *Fast splittable pseudorandom number generators*, 2014) adds to its state for
/// each number; [`split_mix`] makes the number of the state.
pub(crate) const SPLIT_MIX_STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// The number of SplitMix64 that belongs to this state.
pub(crate) const fn split_mix(state: u64) -> u64 {
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(feature = "testing")]
pub use seeded::Dice;
#[cfg(feature = "testing")]
pub(crate) use seeded::load;

#[cfg(feature = "testing")]
mod seeded {
    use std::cell::RefCell;

    use super::{SPLIT_MIX_STEP, split_mix};

    thread_local! {
        static LOADED: RefCell<Option<Dice>> = const { RefCell::new(None) };
    }

    /// What [`roll`](super::roll) gives on this thread from here on; `None` for chance.
    pub(crate) fn load(dice: Option<Dice>) {
        LOADED.set(dice);
    }

    pub(super) fn roll() -> Option<u64> {
        LOADED.with_borrow_mut(|dice| dice.as_mut().map(Dice::roll))
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

        /// Any number.
        pub const fn roll(&mut self) -> u64 {
            self.state = self.state.wrapping_add(SPLIT_MIX_STEP);
            split_mix(self.state)
        }

        /// A number below `limit`, each as likely as another; 0 if the limit is 0.
        pub const fn below(&mut self, limit: u64) -> u64 {
            // The high half of the product: its bias is at most `limit` in 2^64.
            ((self.roll() as u128 * limit as u128) >> 64) as u64
        }

        /// A number from 0 up to 1, without 1 itself.
        pub const fn unit(&mut self) -> f64 {
            // 53 bits are what a float holds.
            (self.roll() >> 11) as f64 / (1_u64 << 53) as f64
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

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn it_is_the_published_generator() {
            // The first numbers of the reference implementation with the seed 1234567.
            let mut dice = Dice::new(1_234_567);
            let rolled = [dice.roll(), dice.roll(), dice.roll()];
            assert_eq!(rolled, [6457827717110365317, 3203168211198807973, 9817491932198370423]);
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
            assert_eq!((dice.below(0), dice.pick::<u8>(&[])), (0, None));
        }
    }
}
