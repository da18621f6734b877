//! Owns [`Latency`]: how long a method's answers took lately. Pure: time is an argument. Does not know what is decided by
//! it.

use std::time::{Duration, Instant};

use crate::limits;
use crate::observe::{BUCKETS, bucket, upper};

/// A sliding histogram of times from a microsecond to more than an hour, each known to one part in eight.
///
/// The buckets are those of `observe/scale`, in a ring of slots of which the oldest is forgotten as time goes on.
#[derive(Debug)]
pub(in crate::policy) struct Latency {
    slots: Vec<Slot>,
    at: usize,
    began: Option<Instant>,
    /// The percentiles that were asked for last, since when, and what they were: to sum all slots up for each call would
    /// cost more than the call.
    known: [Option<(f64, Instant, Option<Duration>)>; 2],
}

#[derive(Clone, Debug)]
struct Slot {
    count: u32,
    /// Empty until something is in it.
    buckets: Vec<u32>,
}

/// How long a percentile is taken for known.
const FRESH: Duration = Duration::from_millis(100);

impl Latency {
    pub(in crate::policy) fn new() -> Self {
        let slots = vec![Slot { count: 0, buckets: Vec::new() }; limits::LATENCY_SLOTS];
        Self { slots, at: 0, began: None, known: [None; 2] }
    }

    /// An answer took so long.
    pub(in crate::policy) fn note(&mut self, took: Duration, now: Instant) {
        self.turn(now);
        let slot = &mut self.slots[self.at];
        slot.buckets.resize(BUCKETS, 0);
        slot.buckets[bucket(took)] += 1;
        slot.count += 1;
    }

    /// The time within which so many per cent of the answers came; `None` until there are enough of them.
    pub(in crate::policy) fn percentile(&mut self, percent: f64, now: Instant) -> Option<Duration> {
        let is_fresh = |since: Instant| now.saturating_duration_since(since) < FRESH;
        let known = self.known.iter().flatten().find(|(of, since, _)| *of == percent && is_fresh(*since));
        if let Some((.., time)) = known {
            return *time;
        }
        self.turn(now);
        let time = self.look_up(percent);
        // Two are asked for: what is usual, and what is late.
        let at = self.known.iter().position(|known| known.is_none_or(|(of, ..)| of == percent));
        self.known[at.unwrap_or(1)] = Some((percent, now, time));
        time
    }

    fn look_up(&self, percent: f64) -> Option<Duration> {
        let count: u32 = self.slots.iter().map(|slot| slot.count).sum();
        if count < limits::LATENCY_SAMPLES {
            return None;
        }
        let wanted = (f64::from(count) * percent / 100.0).ceil().clamp(1.0, f64::from(count)) as u32;
        let mut passed = 0;
        for at in 0..BUCKETS {
            passed += self.slots.iter().filter_map(|slot| slot.buckets.get(at)).sum::<u32>();
            if passed >= wanted {
                return Some(upper(at));
            }
        }
        None
    }

    /// Forgets what is too old.
    fn turn(&mut self, now: Instant) {
        const SLOT: Duration =
            limits::LATENCY_WINDOW.checked_div(limits::LATENCY_SLOTS as u32).expect("not zero");
        let began = *self.began.get_or_insert(now);
        let passed = now.saturating_duration_since(began).as_nanos() / SLOT.as_nanos();
        for _ in 0..passed.min(self.slots.len() as u128) {
            self.at = (self.at + 1) % self.slots.len();
            let slot = &mut self.slots[self.at];
            slot.count = 0;
            slot.buckets.clear();
        }
        if passed > 0 {
            let whole = u32::try_from(passed).ok().and_then(|passed| SLOT.checked_mul(passed));
            self.began = whole.and_then(|whole| began.checked_add(whole)).or(Some(now));
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test may ask for any instant to start from")]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn percentiles_are_those_of_what_was_noted() {
        let (mut latency, now) = (Latency::new(), Instant::now());
        for millis in 1..=100 {
            assert_eq!(latency.percentile(50.0, now + ms(200 * millis)).is_some(), millis > 20, "{millis}");
            latency.note(ms(millis), now + ms(200 * millis));
        }
        let now = now + ms(20_001);
        for (percent, expected) in [(50.0, 50.0), (95.0, 95.0), (99.0, 99.0)] {
            let found = latency.percentile(percent, now).unwrap().as_secs_f64() * 1e3;
            assert!((expected..expected * 1.13).contains(&found), "{percent} {found}");
        }
    }

    #[test]
    fn what_is_old_is_forgotten_and_what_was_asked_lately_is_known() {
        let (mut latency, now) = (Latency::new(), Instant::now());
        (0..100).for_each(|_| latency.note(ms(10), now));
        let slow = latency.percentile(95.0, now).unwrap();
        (0..900).for_each(|_| latency.note(ms(1), now));
        assert_eq!(latency.percentile(95.0, now + ms(99)), Some(slow), "known for a tenth of a second");
        assert!(latency.percentile(80.0, now).unwrap() < ms(2));
        assert!(latency.percentile(95.0, now + ms(29_999)).is_some());
        assert_eq!(latency.percentile(95.0, now + ms(35_000)), None);
    }
}
