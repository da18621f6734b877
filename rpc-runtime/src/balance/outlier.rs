//! Owns [`Ejection`], when an endpoint is taken out of the picks for a while, and the sweep that decides it by statistics. Does not
//! know what a failure is.

use std::time::Duration;

use crate::balance::moment::Moment;
use crate::balance::seat::{Reach, Seat};
use crate::limits;

/// Endpoints with enough calls below which statistics say nothing. (gRFC A50.)
const EJECT_HOSTS: usize = 5;
/// Calls in an interval with which a success rate counts. (gRFC A50.)
const EJECT_RATE_CALLS: u32 = 100;
/// How many standard deviations below the mean a success rate is an outlier. (gRFC A50.)
const EJECT_DEVIATIONS: f64 = 1.9;
/// Calls in an interval with which a share of failures counts. (gRFC A50.)
const EJECT_FAILURE_CALLS: u32 = 50;
/// The share of failures that ejects whatever the others do. (gRFC A50.)
const EJECT_FAILURES: f64 = 0.85;

/// When an endpoint that does worse than the others is ejected: taken out of the picks for a while. Its connection stays.
///
/// Three things eject. So many failures in a row do at once, in fleets of any size. Every 10 s two statistics of gRPC (gRFC A50)
/// look at those with enough calls: a success rate far below the mean of all, or too many failures outright.
///
/// The first time it is out for 30 s, the n-th time in a row n × 30 s, at most 300 s; a sweep that finds nothing makes it one less.
/// At most half of the endpoints are out at a time, those included that cannot be reached, and the last one never is.
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use]
pub struct Ejection {
    pub(crate) consecutive: u32,
    pub(crate) base: Duration,
    pub(crate) most: f64,
    pub(crate) interval: Duration,
    pub(crate) statistics: bool,
}

impl Default for Ejection {
    fn default() -> Self {
        Self::new()
    }
}

impl Ejection {
    /// The defaults: 5 failures in a row or the statistics of gRFC A50, 30 s × count, at most half.
    pub const fn new() -> Self {
        Self {
            consecutive: limits::EJECT_CONSECUTIVE,
            base: limits::EJECT_BASE,
            most: limits::EJECT_MOST,
            interval: limits::EJECT_INTERVAL,
            statistics: true,
        }
    }

    /// How many failures in a row eject; 5.
    pub const fn consecutive(mut self, failures: u32) -> Self {
        self.consecutive = failures;
        self
    }

    /// How long the first ejection lasts; 30 s.
    pub const fn base(mut self, time: Duration) -> Self {
        self.base = time;
        self
    }

    /// What part of the endpoints may be out at a time, from 0 to 1; a half.
    pub const fn at_most(mut self, part: f64) -> Self {
        self.most = part;
        self
    }

    /// How often the statistics are looked at; 10 s.
    pub const fn interval(mut self, time: Duration) -> Self {
        self.interval = time;
        self
    }

    /// Leaves the statistics out: failures in a row alone eject.
    pub const fn without_statistics(mut self) -> Self {
        self.statistics = false;
        self
    }

    /// An endpoint has failed often enough in a row: ejects it, if it may be. Says for how long.
    pub(crate) fn streak(&self, seats: &[&Seat], of: &Seat, now: Moment) -> Option<Duration> {
        let out = seats.iter().filter(|seat| is_out(seat, now)).count();
        let is_free = !of.is_ejected(now) && out < self.room(seats.len());
        is_free.then(|| self.eject(of, now))
    }

    /// Looks at what became of the calls since the last sweep. Says who is out from now on, and for how long.
    pub(crate) fn sweep(&self, seats: &[&Seat], now: Moment) -> Vec<(usize, Duration)> {
        let counts: Vec<_> = seats.iter().map(|seat| seat.load.take_counts()).collect();
        let mut out = seats.iter().filter(|seat| is_out(seat, now)).count();
        let worst = if self.statistics { outliers(&counts) } else { Vec::new() };
        let mut ejected = Vec::new();
        for index in worst {
            if out < self.room(seats.len()) && !seats[index].is_ejected(now) {
                ejected.push((index, self.eject(seats[index], now)));
                out += 1;
            }
        }
        for (seat, (passed, _)) in seats.iter().zip(counts) {
            if passed > 0 && !seat.is_ejected(now) {
                let less = |times: u32| Some(times.saturating_sub(1));
                let order = std::sync::atomic::Ordering::Relaxed;
                let _ = seat.times_ejected.fetch_update(order, order, less);
            }
        }
        ejected
    }

    fn room(&self, endpoints: usize) -> usize {
        ((endpoints as f64 * self.most) as usize).min(endpoints.saturating_sub(1))
    }

    fn eject(&self, seat: &Seat, now: Moment) -> Duration {
        let times = seat.times_ejected.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        let time = self.base.saturating_mul(times).min(limits::EJECT_LONGEST.max(self.base));
        seat.eject(now, time);
        time
    }
}

/// Whether an endpoint gets no calls already. One that cannot be reached counts: those that do its work are the busier for it, and to
/// eject one of them for what it cannot do in time would leave even more to the others.
fn is_out(seat: &Seat, now: Moment) -> bool {
    seat.is_ejected(now) || matches!(seat.reach(), Reach::Lost | Reach::Away)
}

/// Those that the statistics find, the worst first.
fn outliers(counts: &[(u32, u32)]) -> Vec<usize> {
    let rate = |(passed, failed): (u32, u32)| f64::from(passed) / f64::from(passed + failed).max(1.0);
    let with = |least: u32| {
        let enough: Vec<_> = counts.iter().map(|(passed, failed)| passed + failed >= least).collect();
        let count = enough.iter().filter(|enough| **enough).count();
        (enough, count)
    };
    let mut found: Vec<usize> = Vec::new();
    let (enough, of) = with(EJECT_RATE_CALLS);
    if of >= EJECT_HOSTS {
        let rates =
            || counts.iter().zip(&enough).filter(|(_, enough)| **enough).map(|(count, _)| rate(*count));
        let mean = rates().sum::<f64>() / of as f64;
        let variance = rates().map(|rate| (rate - mean).powi(2)).sum::<f64>() / of as f64;
        let floor = mean - EJECT_DEVIATIONS * variance.sqrt();
        found.extend((0..counts.len()).filter(|index| enough[*index] && rate(counts[*index]) < floor));
    }
    let (enough, of) = with(EJECT_FAILURE_CALLS);
    if of >= EJECT_HOSTS {
        let fails = |index: usize| 1.0 - rate(counts[index]) > EJECT_FAILURES;
        found.extend((0..counts.len()).filter(|index| enough[*index] && fails(*index)));
    }
    found.sort_by(|one, other| rate(counts[*one]).total_cmp(&rate(counts[*other])).then(one.cmp(other)));
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::load::Outcome;

    fn at(secs: u64) -> Moment {
        Moment::after(Duration::from_secs(secs))
    }

    fn calls(seat: &Seat, passed: u32, failed: u32) {
        for nth in 0..passed + failed {
            seat.load.begin();
            seat.load.end(at(0), 1, if nth < failed { Outcome::Failed } else { Outcome::Passed });
        }
    }

    #[test]
    fn failures_in_a_row_eject_for_longer_each_time_but_never_more_than_half() {
        let all: Vec<_> = (0..4).map(Seat::new).collect();
        let (seats, ejection) = (all.iter().collect::<Vec<_>>(), Ejection::new());
        assert_eq!(ejection.streak(&seats, seats[0], at(0)), Some(Duration::from_secs(30)));
        assert_eq!(ejection.streak(&seats, seats[0], at(1)), None, "it is out");
        assert_eq!(ejection.streak(&seats, seats[0], at(31)), Some(Duration::from_secs(60)));
        assert_eq!(ejection.streak(&seats, seats[1], at(31)), Some(Duration::from_secs(30)));
        assert_eq!(ejection.streak(&seats, seats[2], at(31)), None, "two of four are out");
        assert_eq!(ejection.streak(&seats[..1], seats[0], at(200)), None, "it is the only one");
        let others = [Seat::new(7), Seat::new(8), Seat::new(9)];
        others[0].set_reach(at(200), Reach::Away);
        let busy: Vec<_> = others.iter().collect();
        assert_eq!(ejection.streak(&busy, busy[1], at(200)), None, "it does the work of one that is away");
        others[0].set_reach(at(201), Reach::Up);
        assert!(ejection.streak(&busy, busy[1], at(201)).is_some());
        // Sweeps with answers make the next one shorter again.
        for _ in 0..2 {
            calls(seats[0], 1, 0);
            assert_eq!(ejection.sweep(&seats, at(300)), []);
        }
        assert_eq!(ejection.streak(&seats, seats[0], at(400)), Some(Duration::from_secs(30)));
    }

    #[test]
    fn the_statistics_find_who_is_far_from_the_others() {
        let all: Vec<_> = (0..10).map(Seat::new).collect();
        let (seats, ejection) = (all.iter().collect::<Vec<_>>(), Ejection::new());
        seats[1..].iter().for_each(|seat| calls(seat, 199, 1));
        calls(seats[0], 160, 40);
        assert_eq!(ejection.sweep(&seats, at(10)), [(0, Duration::from_secs(30))]);
        // Too few calls say nothing, and neither do too few endpoints.
        calls(seats[1], 60, 30);
        seats[2..].iter().for_each(|seat| calls(seat, 90, 1));
        assert_eq!(ejection.sweep(&seats, at(20)), []);
        seats[1..5].iter().for_each(|seat| calls(seat, 0, 500));
        assert_eq!(ejection.sweep(&seats[1..5], at(30)), []);
        assert_eq!(ejection.without_statistics().sweep(&seats, at(40)), []);
    }

    #[test]
    fn where_all_but_a_few_fail_half_is_the_most() {
        let all: Vec<_> = (0..6).map(Seat::new).collect();
        let seats: Vec<_> = all.iter().collect();
        seats.iter().for_each(|seat| calls(seat, 1, 60));
        assert_eq!(Ejection::new().sweep(&seats, at(10)).len(), 3);
        assert_eq!(Ejection::new().sweep(&seats, at(20)).len(), 0);
    }
}
