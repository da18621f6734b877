//! Owns [`Window`]: how many of the latest calls failed or were slow. Pure: `now` is an argument.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How the latest calls are chosen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::policy) enum Extent {
    /// Those of the last `buckets` stretches of time of this length, the present one included.
    Time { buckets: usize, width: Duration },
    /// The last so many.
    Count(usize),
}

/// The calls in a window.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Tally {
    /// `failures <= calls` and `slow <= calls`; a slow call may have failed as well.
    pub(super) calls: u64,
    pub(super) failures: u64,
    pub(super) slow: u64,
}

/// What became of one call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Outcome {
    pub(super) failed: bool,
    pub(super) slow: bool,
}

/// A sliding window over what became of calls.
///
/// The window of time is a ring of buckets: it moves by one bucket's width, so that it covers between `buckets - 1` and
/// `buckets` widths. Its total is kept and not summed: recording and reading cost the same whatever its size.
#[derive(Debug)]
pub(super) struct Window {
    began: Instant,
    ring: Ring,
    total: Tally,
}

#[derive(Debug)]
enum Ring {
    /// `buckets[i % len]` holds the calls of the stretch `i` for `latest - len < i <= latest`.
    Time { buckets: Vec<Tally>, width: Duration, latest: u64 },
    /// `latest.len() <= most`.
    Count { latest: VecDeque<Outcome>, most: usize },
}

impl Window {
    pub(super) fn new(now: Instant, extent: Extent) -> Self {
        let ring = match extent {
            Extent::Time { buckets, width } => {
                Ring::Time { buckets: vec![Tally::default(); buckets], width, latest: 0 }
            }
            Extent::Count(most) => Ring::Count { latest: VecDeque::new(), most },
        };
        Self { began: now, ring, total: Tally::default() }
    }

    /// Counts a call that ended at `now`.
    pub(super) fn record(&mut self, now: Instant, outcome: Outcome) {
        self.advance(now);
        match &mut self.ring {
            Ring::Time { buckets, latest, .. } => {
                let at = (*latest % buckets.len() as u64) as usize;
                buckets[at].add(outcome);
            }
            Ring::Count { latest, most } => {
                if latest.len() == *most {
                    self.total.subtract(latest.pop_front().map(Tally::of).unwrap_or_default());
                }
                latest.push_back(outcome);
            }
        }
        self.total.add(outcome);
    }

    /// The calls in the window at `now`.
    pub(super) fn tally(&mut self, now: Instant) -> Tally {
        self.advance(now);
        self.total
    }

    /// Forgets all calls.
    pub(super) fn clear(&mut self) {
        self.total = Tally::default();
        match &mut self.ring {
            Ring::Time { buckets, .. } => buckets.fill(Tally::default()),
            Ring::Count { latest, .. } => latest.clear(),
        }
    }

    /// Empties the buckets that `now` has left behind. A clock that stands still or jumps costs one round of the ring.
    fn advance(&mut self, now: Instant) {
        let Ring::Time { buckets, width, latest } = &mut self.ring else { return };
        // 64 bits of nanoseconds are 584 years, and divide twenty times as fast as 128.
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let present = nanos(now.saturating_duration_since(self.began)) / nanos(*width).max(1);
        let size = buckets.len() as u64;
        // A thread that read its clock before another one comes late: its call counts where the window stands.
        let gone = present.saturating_sub(*latest).min(size);
        for stretch in 1..=gone {
            let at = ((*latest + stretch) % size) as usize;
            self.total.subtract(std::mem::take(&mut buckets[at]));
        }
        *latest = present.max(*latest);
        // After a leap of more than a round the ring is empty, and which bucket is which no longer matters.
    }
}

impl Tally {
    fn of(outcome: Outcome) -> Self {
        Self { calls: 1, failures: outcome.failed.into(), slow: outcome.slow.into() }
    }

    fn add(&mut self, outcome: Outcome) {
        let one = Self::of(outcome);
        self.calls += one.calls;
        self.failures += one.failures;
        self.slow += one.slow;
    }

    const fn subtract(&mut self, other: Self) {
        self.calls -= other.calls;
        self.failures -= other.failures;
        self.slow -= other.slow;
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test may ask for any instant to start from")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All calls ever, with the time of each: what a window is a quick form of.
    struct Naive {
        calls: Vec<(Duration, Outcome)>,
        extent: Extent,
    }

    impl Naive {
        fn tally(&self, at: Duration) -> Tally {
            let stretch = |at: Duration, width: Duration| at.as_nanos() / width.as_nanos();
            let mut tally = Tally::default();
            let counted = self.calls.iter().enumerate().filter(|(index, (then, _))| match self.extent {
                Extent::Time { buckets, width } => {
                    stretch(at, width) - stretch(*then, width) < buckets as u128
                }
                Extent::Count(most) => index + most >= self.calls.len(),
            });
            counted.for_each(|(_, (_, outcome))| tally.add(*outcome));
            tally
        }
    }

    fn extents() -> impl Strategy<Value = Extent> {
        prop_oneof![
            (1_usize..12, 1_u64..2_000)
                .prop_map(|(buckets, width)| Extent::Time { buckets, width: Duration::from_millis(width) }),
            (1_usize..50).prop_map(Extent::Count),
        ]
    }

    proptest! {
        #[test]
        fn it_counts_what_a_list_of_all_calls_counts(
            extent in extents(),
            steps in prop::collection::vec((0_u64..3_000, any::<(bool, bool, bool)>()), 1..200),
        ) {
            let began = Instant::now();
            let mut window = Window::new(began, extent);
            let mut naive = Naive { calls: Vec::new(), extent };
            let mut at = Duration::ZERO;
            for (wait, (moves, failed, slow)) in steps {
                // Half of the steps stay where they are, so that buckets hold more than one call.
                at += if moves { Duration::from_millis(wait) } else { Duration::ZERO };
                window.record(began + at, Outcome { failed, slow });
                naive.calls.push((at, Outcome { failed, slow }));
                prop_assert_eq!(window.tally(began + at), naive.tally(at));
            }
            let later = at + Duration::from_millis(1_234);
            prop_assert_eq!(window.tally(began + later), naive.tally(later));
            window.clear();
            prop_assert_eq!(window.tally(began + later), Tally::default());
        }
    }

    #[test]
    fn a_pause_of_the_process_empties_it_and_a_clock_that_lags_does_not_upset_it() {
        let began = Instant::now();
        let mut window = Window::new(began, Extent::Time { buckets: 10, width: Duration::from_secs(1) });
        let failure = Outcome { failed: true, slow: false };
        window.record(began + Duration::from_secs(5), failure);
        window.record(began, failure);
        assert_eq!(window.tally(began + Duration::from_secs(5)).failures, 2);
        assert_eq!(window.tally(began + Duration::from_secs(40_000_000)), Tally::default());
        window.record(began, failure);
        assert_eq!(window.tally(began).calls, 1);
    }
}
