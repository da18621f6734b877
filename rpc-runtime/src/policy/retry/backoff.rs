//! Owns [`Waits`]: how long a call waits before each retry. Pure: time and dice are arguments. Does not decide whether it is
//! tried again.

use std::time::Duration;

use crate::call::{Backoff, Retry, Throw};
use crate::limits;

/// The waits of one call; the formulas stand at [`Backoff`].
#[derive(Debug)]
pub(super) struct Waits {
    retry: Retry,
    /// Waits so far.
    count: u32,
    last: Duration,
}

impl Waits {
    pub(super) const fn new(retry: Retry) -> Self {
        Self { retry, count: 0, last: Duration::ZERO }
    }

    /// The next wait, of a call that began so long ago. Never longer than the cap.
    pub(super) fn next(&mut self, since_began: Duration, throw: Throw) -> Duration {
        let Retry { base, cap, backoff, .. } = self.retry;
        let grown = doubled(base, self.count).min(cap);
        let wait = match backoff {
            Backoff::FullJitter => throw.between(Duration::ZERO, grown),
            Backoff::EqualJitter => throw.between(grown / 2, grown),
            Backoff::Decorrelated => {
                let last = if self.count == 0 { base } else { self.last };
                throw.between(base, last.saturating_mul(3))
            }
            Backoff::Grpc => times(grown, throw.around_one(limits::RETRY_JITTER)),
            Backoff::Proportional { alpha, t_max, jitter } => {
                let spent = fraction(since_began, t_max);
                times(times(base, alpha.mul_add(spent, 1.0)), throw.around_one(jitter))
            }
        };
        self.count = self.count.saturating_add(1);
        // gRPC's jitter goes beyond the cap, by its formula.
        let most = if backoff == Backoff::Grpc { wait } else { cap };
        self.last = wait.min(most);
        self.last
    }
}

/// `base × 2ⁿ`, as long as that is a time.
fn doubled(base: Duration, n: u32) -> Duration {
    2_u32.checked_pow(n).and_then(|factor| base.checked_mul(factor)).unwrap_or(Duration::MAX)
}

/// `time × factor`, as long as that is a time: what is negative or no number is none, what is too much is the longest.
fn times(time: Duration, factor: f64) -> Duration {
    let seconds = time.as_secs_f64() * factor;
    if seconds.is_nan() || seconds <= 0.0 {
        return Duration::ZERO;
    }
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

/// `part ÷ whole`, at most 1.
fn fraction(part: Duration, whole: Duration) -> f64 {
    if part >= whole { 1.0 } else { part.as_secs_f64() / whole.as_secs_f64() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LOW: Throw = Throw(0);
    const HALF: Throw = Throw(1 << 63);
    const HIGH: Throw = Throw(u64::MAX);

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn retry(backoff: Backoff) -> Retry {
        Retry::new().base(ms(100)).cap(ms(1_000)).backoff(backoff)
    }

    /// The waits with the same dice each time, of a call that is `began` old.
    fn waits(backoff: Backoff, throw: Throw, began: Duration, count: usize) -> Vec<f64> {
        let mut waits = Waits::new(retry(backoff));
        (0..count).map(|_| waits.next(began, throw).as_secs_f64() * 1e3).collect()
    }

    #[track_caller]
    fn assert_near(waits: &[f64], expected: &[f64]) {
        let near = waits.iter().zip(expected).all(|(wait, expected)| (wait - expected).abs() < 1e-3);
        assert!(near && waits.len() == expected.len(), "{waits:?} {expected:?}");
    }

    #[test]
    fn full_jitter_is_from_nothing_to_what_has_grown() {
        let grown = [100.0, 200.0, 400.0, 800.0, 1_000.0, 1_000.0];
        assert_near(&waits(Backoff::FullJitter, LOW, ms(0), 6), &[0.0; 6]);
        assert_near(&waits(Backoff::FullJitter, HALF, ms(0), 6), &grown.map(|wait| wait / 2.0));
        assert_near(&waits(Backoff::FullJitter, HIGH, ms(0), 6), &grown);
    }

    #[test]
    fn equal_jitter_is_from_half_to_all_of_what_has_grown() {
        let grown = [100.0, 200.0, 400.0, 800.0, 1_000.0];
        assert_near(&waits(Backoff::EqualJitter, LOW, ms(0), 5), &grown.map(|wait| wait / 2.0));
        assert_near(&waits(Backoff::EqualJitter, HALF, ms(0), 5), &grown.map(|wait| wait * 0.75));
        assert_near(&waits(Backoff::EqualJitter, HIGH, ms(0), 5), &grown);
    }

    #[test]
    fn decorrelated_is_from_the_base_to_three_times_the_wait_before() {
        assert_near(&waits(Backoff::Decorrelated, LOW, ms(0), 3), &[100.0; 3]);
        assert_near(&waits(Backoff::Decorrelated, HALF, ms(0), 4), &[200.0, 350.0, 575.0, 912.5]);
        assert_near(&waits(Backoff::Decorrelated, HIGH, ms(0), 4), &[300.0, 900.0, 1_000.0, 1_000.0]);
    }

    #[test]
    fn grpcs_is_what_has_grown_within_a_fifth() {
        let grown = [100.0, 200.0, 400.0, 800.0, 1_000.0];
        assert_near(&waits(Backoff::Grpc, LOW, ms(0), 5), &grown.map(|wait| wait * 0.8));
        assert_near(&waits(Backoff::Grpc, HALF, ms(0), 5), &grown);
        assert_near(&waits(Backoff::Grpc, HIGH, ms(0), 5), &grown.map(|wait| wait * 1.2));
    }

    #[test]
    fn proportional_grows_with_the_time_that_is_spent() {
        let form = Backoff::proportional(3.0, ms(10_000));
        for (began, expected) in
            [(0, 100.0), (2_500, 175.0), (5_000, 250.0), (10_000, 400.0), (99_000, 400.0)]
        {
            assert_near(&waits(form, HALF, ms(began), 2), &[expected; 2]);
            assert_near(&waits(form, LOW, ms(began), 1), &[expected * 0.8]);
            assert_near(&waits(form, HIGH, ms(began), 1), &[expected * 1.2]);
        }
        let exact = Backoff::Proportional { alpha: 3.0, t_max: ms(10_000), jitter: 0.0 };
        assert_near(&waits(exact, LOW, ms(5_000), 1), &[250.0]);
    }

    fn any_backoff() -> impl Strategy<Value = Backoff> {
        prop_oneof![
            Just(Backoff::FullJitter),
            Just(Backoff::EqualJitter),
            Just(Backoff::Decorrelated),
            Just(Backoff::Grpc),
            (any::<f64>(), any::<Duration>(), any::<f64>())
                .prop_map(|(alpha, t_max, jitter)| Backoff::Proportional { alpha, t_max, jitter }),
        ]
    }

    proptest! {
        #[test]
        fn no_settings_overflow_and_the_cap_holds(
            backoff in any_backoff(),
            base in any::<Duration>(),
            cap in any::<Duration>(),
            steps in proptest::collection::vec((any::<Duration>(), any::<u64>()), 1..80),
        ) {
            let mut waits = Waits::new(Retry::new().base(base).cap(cap).backoff(backoff));
            for (began, throw) in steps {
                let wait = waits.next(began, Throw(throw));
                let most = if backoff == Backoff::Grpc { times(cap, 1.21) } else { cap };
                prop_assert!(wait <= most, "{wait:?} {most:?}");
            }
        }
    }
}
