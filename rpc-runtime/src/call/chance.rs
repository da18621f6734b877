//! Owns [`roll`], the one place where the runtime asks for chance. Does not decide anything: machines take what is rolled, or
//! [`Dice`](super::Dice) that it seeds, as an argument.

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

#[cfg(feature = "testing")]
pub(crate) use seeded::load;

#[cfg(feature = "testing")]
mod seeded {
    use std::cell::RefCell;

    use crate::call::dice::Dice;

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
}
