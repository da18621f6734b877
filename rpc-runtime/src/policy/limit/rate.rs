//! Owns [`Rate`]: how many calls may start in a time. Pure: `now` is an argument.

use std::time::{Duration, Instant};

use crate::limits;

/// A rate of calls with a burst: the generic cell rate algorithm (GCRA) of ATM (ITU-T I.371), in its virtual scheduling form.
///
/// `arrival` is when the next call would come if calls came evenly at the rate; a call may come before that, by as much as the
/// burst allows. It is the token bucket with one instant in place of a level and a clock tick, so a pause of the process
/// cannot refill it beyond the burst.
#[derive(Debug)]
pub(in crate::policy) struct Rate {
    interval: Duration,
    tolerance: Duration,
    arrival: Option<Instant>,
}

impl Rate {
    /// So many calls a second, of which `burst` may come at once.
    pub(super) fn new(per_second: f64, burst: u32) -> Self {
        let interval = Duration::try_from_secs_f64(1.0 / per_second).unwrap_or(limits::RATE_INTERVAL_MOST);
        let interval = interval.clamp(Duration::from_nanos(1), limits::RATE_INTERVAL_MOST);
        Self { interval, tolerance: interval.saturating_mul(burst.max(1) - 1), arrival: None }
    }

    /// When a call may start: `now`, or later.
    pub(super) fn ready_at(&self, now: Instant) -> Instant {
        let early = self.arrival.and_then(|arrival| arrival.checked_sub(self.tolerance));
        early.map_or(now, |early| early.max(now))
    }

    /// How long it takes until so many calls have started after the present ones.
    pub(super) fn wait(&self, now: Instant, calls: usize) -> Duration {
        let later = self.interval.saturating_mul(u32::try_from(calls).unwrap_or(u32::MAX).saturating_sub(1));
        self.ready_at(now).saturating_duration_since(now).saturating_add(later)
    }

    /// When it has made up for all that has started: from then on it is as a new one.
    pub(super) fn fresh_at(&self, now: Instant) -> Instant {
        self.arrival.map_or(now, |arrival| arrival.max(now))
    }

    /// A call starts, which [may](Self::ready_at).
    pub(super) fn take(&mut self, now: Instant) {
        let due = self.arrival.map_or(now, |arrival| arrival.max(now));
        self.arrival = Some(due + self.interval);
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test may ask for any instant to start from")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The token bucket that it is another form of: time in place of tokens, so that nothing is rounded.
        #[test]
        fn it_admits_what_a_token_bucket_admits(
            per_second in 1_u32..5_000,
            burst in 1_u32..20,
            waits in prop::collection::vec(0_u64..400_000, 1..300),
        ) {
            let mut now = Instant::now();
            let mut rate = Rate::new(f64::from(per_second), burst);
            let full = rate.interval * burst;
            let mut level = full;
            for (step, wait) in waits.into_iter().enumerate() {
                // Every third call comes at once.
                let wait = Duration::from_micros(if step % 3 == 0 { 0 } else { wait });
                now += wait;
                level = full.min(level + wait);
                let admits = level >= rate.interval;
                let ready = rate.ready_at(now);
                prop_assert_eq!(ready == now, admits);
                if admits {
                    rate.take(now);
                    level -= rate.interval;
                } else {
                    prop_assert_eq!(ready - now, rate.interval - level, "what is missing of a token");
                }
            }
        }
    }

    #[test]
    fn rates_beyond_reason_neither_panic_nor_overflow() {
        let now = Instant::now();
        for per_second in [0.0, -1.0, f64::NAN, f64::INFINITY, f64::MIN_POSITIVE, 1e300] {
            let mut rate = Rate::new(per_second, u32::MAX);
            for _ in 0..3 {
                let _ = rate.ready_at(now);
                rate.take(now);
            }
        }
    }
}
