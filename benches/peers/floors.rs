//! Owns what is to be reached ([`FLOORS`]) and whether it was ([`judge`]). Measures nothing; what it speaks of that is not
//! timed is counted by tests, which [`ELSEWHERE`] names.
//!
//! A ratio is the median of the rounds' paired ratios, with its interval. A floor is missed only when the interval lies
//! on its wrong side: on a machine that others use too, one that it holds is open.

use std::fmt::Write;

use crate::results::{Results, Row, Spread};
use crate::systems::{Over, Role};
use crate::workload::{CURRENT_THREAD, MULTI_THREAD, Metric};

/// One number that is to be reached, by the system that is ours with its default settings, over TCP.
#[derive(Debug)]
pub(crate) struct Floor {
    workload: &'static str,
    runtimes: &'static [&'static str],
    what: What,
    to: To,
    bound: Bound,
}

#[derive(Clone, Copy, Debug)]
enum What {
    /// The metric that stands for the workload.
    Speed,
    Of(Metric),
    /// CPU time of a call on both sides.
    Cpu,
    /// Heap allocations of a call on both sides.
    Allocations,
}

#[derive(Clone, Copy, Debug)]
enum To {
    Raw,
    BestPeer,
    /// As it is, in its unit.
    Itself,
}

#[derive(Clone, Copy, Debug)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

use Bound::{AtLeast, AtMost};

const CT: &[&str] = &[CURRENT_THREAD];
const MT: &[&str] = &[MULTI_THREAD];
const BOTH: &[&str] = &[CURRENT_THREAD, MULTI_THREAD];

const fn of(
    workload: &'static str,
    runtimes: &'static [&'static str],
    what: What,
    to: To,
    bound: Bound,
) -> Floor {
    Floor { workload, runtimes, what, to, bound }
}

/// The table. Raw binds on `current_thread` where it says so: on `multi_thread` a bare socket without the yield before a
/// write is slower than frameworks that have it, and says little.
const FLOORS: &[Floor] = &[
    of("W1-pinned", BOTH, What::Cpu, To::Raw, AtMost(1.10)),
    of("W1-pinned", BOTH, What::Cpu, To::BestPeer, AtMost(0.8)),
    of("W2", CT, What::Speed, To::Raw, AtLeast(0.80)),
    of("W2", CT, What::Speed, To::BestPeer, AtLeast(2.5)),
    of("W2", MT, What::Speed, To::BestPeer, AtLeast(4.0)),
    of("W3", CT, What::Speed, To::Raw, AtLeast(0.65)),
    of("W3", BOTH, What::Speed, To::BestPeer, AtLeast(5.0)),
    of("W3", CT, What::Cpu, To::BestPeer, AtMost(0.25)),
    of("W4", CT, What::Speed, To::Raw, AtLeast(0.75)),
    of("W4", CT, What::Speed, To::BestPeer, AtLeast(3.0)),
    of("W4", MT, What::Speed, To::BestPeer, AtLeast(6.0)),
    of("W5", CT, What::Speed, To::Raw, AtLeast(0.80)),
    of("W5", BOTH, What::Speed, To::BestPeer, AtLeast(2.0)),
    of("W6", BOTH, What::Speed, To::BestPeer, AtLeast(0.90)),
    of("W7", BOTH, What::Speed, To::BestPeer, AtLeast(0.65)),
    of("W8", BOTH, What::Speed, To::Raw, AtLeast(0.65)),
    // Its best peer is tonic: the others that have streams send an item at a time.
    of("W8", BOTH, What::Speed, To::BestPeer, AtLeast(1.1)),
    of("W9", CT, What::Of(Metric::Tail), To::Itself, AtMost(500.0)),
    of("W9", MT, What::Of(Metric::Tail), To::Itself, AtMost(2_000.0)),
    of("W9", BOTH, What::Of(Metric::Bytes), To::Raw, AtLeast(0.8)),
    of("W1", BOTH, What::Allocations, To::Itself, AtMost(0.0)),
    of("W2", BOTH, What::Allocations, To::Itself, AtMost(0.0)),
    of("W3", BOTH, What::Allocations, To::Itself, AtMost(0.0)),
];

/// What is to be reached and is exact, or is no call: (what, floor, the command that shows it).
pub(crate) const ELSEWHERE: &[(&str, &str, &str)] = &[
    ("allocations of a small call", "0 on either side", "cargo test -p traitwire-tests --test cost"),
    ("writes a call, 64 in flight", "<= 0.1", "cargo test -p traitwire-tests --test cost"),
    ("live bytes of an idle connection, server", "<= 6 KB", "cargo test -p traitwire-tests --test cost"),
    (
        "resident bytes of an idle connection, server",
        "<= 6 KB",
        "cargo run --release -p traitwire-tests --bin idle",
    ),
    ("clean release build, crates", "<= tarpc's", "cargo run -p traitwire-clean-build"),
];

/// Counted allocations that are none: what was left of the warm-up, divided by all calls of a measurement.
const NO_ALLOCATION: f64 = 0.05;

/// What was found for one floor on one runtime.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) workload: &'static str,
    pub(crate) runtime: &'static str,
    /// What is judged: `CPU by raw`, say.
    pub(crate) what: String,
    pub(crate) floor: String,
    pub(crate) found: Spread,
    pub(crate) verdict: &'static str,
}

/// Each floor that these results speak of.
pub(crate) fn judge(results: &Results) -> Vec<Judged> {
    let each = FLOORS.iter().flat_map(|floor| floor.runtimes.iter().map(move |&runtime| (floor, runtime)));
    each.filter_map(|(floor, runtime)| floor.judge(results, runtime)).collect()
}

impl Floor {
    fn judge(&self, results: &Results, runtime: &'static str) -> Option<Judged> {
        let is_row = |row: &&Row| {
            let system = row.system;
            let is_ours = system.role == Role::Ours && system.over == Over::Tcp && !system.sharded;
            is_ours && row.workload.name == self.workload && row.runtime == runtime
        };
        let row = results.rows.iter().find(is_row)?;
        let found = self.found(results, row).filter(|found| found.median.is_finite())?;
        let (sign, bound, is_met, is_missed) = match self.bound {
            AtLeast(bound) => (">=", bound, found.median >= bound, found.high < bound),
            AtMost(bound) => ("<=", bound, found.median <= bound, found.low > bound),
        };
        let verdict = match (is_met, is_missed) {
            (true, _) => "met",
            (_, true) => "MISSED",
            _ => "open",
        };
        let floor = format!("{sign} {bound}");
        Some(Judged { workload: self.workload, runtime, what: self.what(row), floor, found, verdict })
    }

    fn found(&self, results: &Results, row: &Row) -> Option<Spread> {
        let nth = match self.what {
            What::Speed => 0,
            What::Of(metric) => row.workload.metrics().iter().position(|&of| of == metric)?,
            What::Cpu => row.workload.metrics().len(),
            What::Allocations => {
                let counted = row.allocations?.sum();
                let exact = if counted < NO_ALLOCATION { 0.0 } else { counted };
                return Some(Spread { median: exact, low: exact, high: exact });
            }
        };
        Some(match self.to {
            To::Raw => row.ratio(results.limit(row)?, nth),
            To::BestPeer => row.ratio(results.best_peer(row, nth)?, nth),
            To::Itself => row.interval(nth),
        })
    }

    fn what(&self, row: &Row) -> String {
        let what = match self.what {
            What::Speed => row.workload.metrics().first().map_or("", |metric| metric.unit()),
            What::Of(metric) => metric.name(),
            What::Cpu => "CPU of a call",
            What::Allocations => "allocations of a call",
        };
        match self.to {
            To::Raw => format!("{what} by raw"),
            To::BestPeer => format!("{what} by best peer"),
            To::Itself => what.to_owned(),
        }
    }
}

/// The table for people.
pub(crate) fn text(results: &Results) -> String {
    let mut text =
        String::from("\nfloors: met; missed, when the whole interval is on the wrong side; else open\n");
    for judged in judge(results) {
        let Judged { workload, runtime, what, floor, found, verdict } = judged;
        let found = format!("{:.2} ({:.2} - {:.2})", found.median, found.low, found.high);
        let _ = writeln!(text, "{workload:<11}{runtime:<16}{what:<30}{floor:<9}{found:>26}  {verdict}");
    }
    for (what, floor, command) in ELSEWHERE {
        let _ = writeln!(text, "{what:<46}{floor:<18}{command}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{Measured, Sides};
    use crate::systems::Listed;

    fn row(system: &str, rates: [f64; 5]) -> Row {
        let system: Listed = system.parse().expect("it is in the list");
        let mut row = Row::new("W2".parse().expect("it is in the list"), CURRENT_THREAD, system);
        let sides = Sides { client: 0.0, server: 0.0 };
        row.rounds =
            rates.map(|rate| Measured { metrics: vec![rate], cpu_us: sides, allocations: sides }).into();
        row
    }

    fn verdict(ours: [f64; 5], what: &str) -> &'static str {
        let raw = row("raw", [100.0; 5]);
        let results = Results { rows: vec![raw, row("traitwire", ours)] };
        let judged = judge(&results);
        judged.iter().find(|judged| judged.what.contains(what)).expect("it is judged").verdict
    }

    #[test]
    fn a_floor_is_missed_only_when_the_whole_interval_is_below_it() {
        assert_eq!(verdict([90.0, 85.0, 70.0, 95.0, 60.0], "raw"), "met");
        assert_eq!(verdict([70.0, 75.0, 81.0, 60.0, 60.0], "raw"), "open");
        assert_eq!(verdict([70.0, 75.0, 79.9, 60.0, 60.0], "raw"), "MISSED");
    }

    #[test]
    fn every_floor_names_a_workload_and_its_metric() {
        for floor in FLOORS {
            let workload: crate::workload::Workload = floor.workload.parse().expect("it is in the list");
            if let What::Of(metric) = floor.what {
                assert!(workload.metrics().contains(&metric), "{floor:?}");
            }
        }
    }
}
