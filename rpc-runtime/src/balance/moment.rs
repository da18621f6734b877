//! Owns [`Moment`]: time as balancing counts it. Does not read a clock.

use std::time::Duration;

/// A moment, in microseconds since the fleet was made.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Moment(u64);

impl Moment {
    pub(crate) const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    pub(crate) const fn after(since: Duration) -> Self {
        Self(since.as_micros() as u64)
    }

    pub(crate) const fn micros(self) -> u64 {
        self.0
    }

    /// In ticks of 64 µs, which 32 bits hold for 76 hours: enough to tell what is old from what is new.
    pub(crate) const fn ticks(self) -> u32 {
        (self.0 >> 6) as u32
    }

    /// So many µs have passed since an earlier one.
    pub(crate) const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    pub(crate) const fn plus(self, time: Duration) -> Self {
        Self(self.0.saturating_add(time.as_micros() as u64))
    }
}
