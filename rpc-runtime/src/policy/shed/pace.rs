//! Owns [`Pace`]: how long calls take, and whether one that comes can be done in time. Pure: time is an argument.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::limits;

/// How long calls take, on average over the latest ones, all together and by method.
#[derive(Debug, Default)]
pub(super) struct Pace {
    overall: Option<f64>,
    /// As many as the server has methods.
    methods: BTreeMap<&'static str, f64>,
}

/// A call that comes, and what is before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    /// How many are served before it: those that wait ahead of it. None where it starts at once.
    pub(super) ahead: Option<usize>,
    /// How many are served at a time.
    pub(super) limit: usize,
    /// How long it waits at least, whatever calls take.
    pub(super) least: Duration,
    /// The time until its deadline.
    pub(super) left: Option<Duration>,
    /// How long a call may wait at most.
    pub(super) most: Duration,
}

/// Why a call cannot be done in time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum TooLate {
    /// It would wait so long, which is longer than calls may.
    Wait(Duration),
    /// It would wait and take so long, and has less time left.
    Deadline { wait: Duration, work: Duration, left: Duration },
}

impl Pace {
    /// A call of this method has ended after so long at work.
    pub(super) fn handle_end(&mut self, method: &'static str, took: Duration) {
        let took = took.as_secs_f64();
        let towards = |average: f64| average + (took - average) * limits::PACE_WEIGHT;
        self.overall = Some(self.overall.map_or(took, towards));
        self.methods.entry(method).and_modify(|average| *average = towards(*average)).or_insert(took);
    }

    /// What a call of this method takes; `None` before the first.
    pub(super) fn work(&self, method: &str) -> Option<Duration> {
        self.methods.get(method).map(|seconds| time(*seconds))
    }

    /// How long it takes until so many calls have begun, where so many are served at a time.
    pub(super) fn wait(&self, calls: usize, limit: usize) -> Duration {
        time(self.overall.unwrap_or_default() * calls as f64 / limit.max(1) as f64)
    }

    /// Whether a call that comes can be done in time. Before anything is known, it can.
    pub(super) fn judge(&self, method: &str, arrival: Arrival) -> Result<(), TooLate> {
        let Arrival { ahead, limit, least, left, most } = arrival;
        let wait = ahead.map_or(Duration::ZERO, |ahead| self.wait(ahead + 1, limit).max(least));
        if wait > most {
            return Err(TooLate::Wait(wait));
        }
        let work = self.work(method).unwrap_or_default();
        match left {
            // One that starts at once has its chance, also if most of its kind take longer than it has. Of one that waits
            // the forecast is off by some, and being told late is the worst that can come of it: a quarter is added.
            Some(left) if ahead.is_some() && wait + wait / 4 + work > left => {
                Err(TooLate::Deadline { wait, work, left })
            }
            _ => Ok(()),
        }
    }
}

/// Averages of real times are within what a duration holds; a day stands for what is not.
fn time(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::from_secs(24 * 60 * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn arrival(ahead: usize, left: u32) -> Arrival {
        Arrival {
            ahead: Some(ahead),
            limit: 10,
            least: Duration::ZERO,
            left: Some(MS * left),
            most: MS * 1_000,
        }
    }

    #[test]
    fn it_foretells_wait_and_work() {
        let mut pace = Pace::default();
        assert_eq!(pace.judge("S.m", arrival(5_000, 1)), Ok(()), "nothing is known yet");
        (0..100).for_each(|_| pace.handle_end("S.m", MS * 20));
        // 99 waiting and itself, 20 ms each, ten at a time: 200 ms until it begins, and a quarter for what is not foreseen.
        assert_eq!(pace.judge("S.m", arrival(99, 271)), Ok(()));
        let expected = TooLate::Deadline { wait: MS * 200, work: MS * 20, left: MS * 269 };
        assert_eq!(pace.judge("S.m", arrival(99, 269)), Err(expected));
        assert_eq!(pace.judge("S.other", arrival(99, 251)), Ok(()), "nobody knows what that one takes");
        assert_eq!(pace.judge("S.m", arrival(500, 5_000)), Err(TooLate::Wait(MS * 1_002)));
        assert_eq!(pace.judge("S.m", Arrival { left: None, ..arrival(100, 0) }), Ok(()));
        assert_eq!(pace.judge("S.m", Arrival { ahead: None, ..arrival(0, 1) }), Ok(()), "it starts at once");
        let paced = pace.judge("S.m", Arrival { least: MS * 900, ..arrival(0, 500) });
        assert_eq!(paced, Err(TooLate::Deadline { wait: MS * 900, work: MS * 20, left: MS * 500 }));
    }

    #[test]
    fn it_follows_what_calls_take_now() {
        let mut pace = Pace::default();
        pace.handle_end("S.m", MS * 20);
        (0..500).for_each(|_| pace.handle_end("S.m", MS * 80));
        assert!(pace.work("S.m").unwrap() > MS * 79);
        assert!(pace.wait(10, 10) > MS * 79);
    }
}
