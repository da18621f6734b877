//! Owns [`Deadline`]: an instant here, remaining time on the wire. Does not read a clock.

use std::time::{Duration, Instant};

/// The instant after which nobody wants a call's answer.
///
/// It crosses the wire as *remaining time*, so two machines need not agree on the time of day, and it only
/// ever shrinks on the way.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Deadline(Instant);

/// Longer timeouts are cut to this: ten years. It keeps `now + timeout` inside what every platform's clock
/// can hold, and nobody waits longer.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

impl Deadline {
    /// The deadline that lies `timeout` after `now`; timeouts above ten years count as ten years.
    #[inline]
    pub fn after(now: Instant, timeout: Duration) -> Self {
        // A clock that cannot add ten years does not exist; the fall-back keeps this total all the same.
        Self(now.checked_add(timeout.min(LONGEST)).unwrap_or(now))
    }

    /// The deadline at this instant.
    pub const fn at(instant: Instant) -> Self {
        Self(instant)
    }

    /// The instant of the deadline.
    pub const fn instant(self) -> Instant {
        self.0
    }

    /// The time left at `now`, zero once it has passed.
    #[inline]
    pub fn remaining(self, now: Instant) -> Duration {
        self.0.saturating_duration_since(now)
    }

    /// Whether the deadline has passed at `now`.
    pub fn has_passed(self, now: Instant) -> bool {
        self.0 <= now
    }

    /// The earlier of two deadlines, where `None` means "whenever".
    #[inline]
    pub fn earlier(a: Option<Self>, b: Option<Self>) -> Option<Self> {
        match (a, b) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (one, other) => one.or(other),
        }
    }

    /// The remaining time at `now` in whole microseconds, rounded down so that it shrinks at every hop.
    #[inline]
    pub(crate) fn to_wire(self, now: Instant) -> u64 {
        u64::try_from(self.remaining(now).as_micros()).unwrap_or(u64::MAX)
    }

    /// The deadline of a call whose first byte was read at `now` and which had so many microseconds left.
    #[inline]
    pub(crate) fn from_wire(micros: u64, now: Instant) -> Self {
        Self::after(now, Duration::from_micros(micros))
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test may ask for any instant to start from")]
mod tests {
    use super::*;

    #[test]
    fn remaining_shrinks_and_stops_at_zero() {
        let now = Instant::now();
        let deadline = Deadline::after(now, Duration::from_millis(250));
        assert_eq!(deadline.remaining(now + Duration::from_millis(100)), Duration::from_millis(150));
        assert_eq!(deadline.remaining(now + Duration::from_secs(9)), Duration::ZERO);
        assert!(!deadline.has_passed(now + Duration::from_millis(249)));
        assert!(deadline.has_passed(now + Duration::from_millis(250)));
    }

    #[test]
    fn absurd_times_do_not_overflow() {
        let now = Instant::now();
        let deadline = Deadline::from_wire(u64::MAX, now);
        assert_eq!(deadline.remaining(now), LONGEST);
        assert_eq!(Deadline::after(now, Duration::MAX), deadline);
    }

    #[test]
    fn a_hop_never_gains_time() {
        let now = Instant::now();
        let deadline = Deadline::after(now, Duration::from_nanos(1_999));
        assert_eq!(deadline.to_wire(now), 1);
        assert_eq!(Deadline::from_wire(deadline.to_wire(now), now).to_wire(now), 1);
    }

    #[test]
    fn the_earlier_one_wins_and_none_means_whenever() {
        let now = Instant::now();
        let (soon, late) = (Deadline::at(now), Deadline::after(now, Duration::from_secs(1)));
        assert_eq!(Deadline::earlier(Some(late), Some(soon)), Some(soon));
        assert_eq!(Deadline::earlier(None, Some(late)), Some(late));
        assert_eq!(Deadline::earlier(None, None), None);
    }
}
