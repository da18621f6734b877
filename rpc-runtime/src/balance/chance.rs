//! Owns [`Chance`]: the random numbers of one pick. Does not make the number that they begin with.

use crate::call::{SPLIT_MIX_STEP, split_mix};

/// As many random numbers as a pick needs, from one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(SPLIT_MIX_STEP);
        split_mix(self.0)
    }

    /// A number below `limit`, each as likely as another; 0 if that is 0.
    pub(crate) const fn below(&mut self, limit: u64) -> u64 {
        // The high half of the product: its bias is at most `limit` in 2^64.
        ((self.next() as u128 * limit as u128) >> 64) as u64
    }

    /// Evenly from 0 to 1, 1 left out.
    pub(crate) const fn unit(&mut self) -> f64 {
        // 53 bits are what a float holds.
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}
