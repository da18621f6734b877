//! Owns [`Throttle`]: how often the log is told one thing of peers, however often they do it. Does not know what, and has no clock.

use std::time::Instant;

use parking_lot::Mutex;

use crate::limits;

/// Lets the first one through at once, and then one in each [`WARNING_EVERY`](limits::WARNING_EVERY).
///
/// Whoever can make a process write a line can fill its disk. Those that are left out are counted, and told with the next one that
/// is let through; if none follows, only counters know of them.
#[derive(Debug, Default)]
pub(crate) struct Throttle(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    last: Option<Instant>,
    left_out: u64,
}

impl Throttle {
    /// Whether to say it now, and then how many were left out before it.
    pub(crate) fn pass(&self, now: Instant) -> Option<u64> {
        let mut told = self.0.lock();
        if told.last.is_some_and(|last| now.saturating_duration_since(last) < limits::WARNING_EVERY) {
            told.left_out += 1;
            return None;
        }
        told.last = Some(now);
        Some(std::mem::take(&mut told.left_out))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_first_one_passes_and_then_one_a_second_with_the_number_of_the_others() {
        let (throttle, start) = (Throttle::default(), tokio::time::Instant::now().into_std());
        let at = |millis| throttle.pass(start + Duration::from_millis(millis));
        assert_eq!([0, 0, 1, 999].map(at), [Some(0), None, None, None]);
        assert_eq!([1_000, 1_001, 1_999].map(at), [Some(3), None, None]);
        assert_eq!([60_000, 60_000].map(at), [Some(2), None]);
        // A clock that was read before the last one was told.
        assert_eq!(at(0), None);
        assert_eq!(at(61_000), Some(2));
    }
}
