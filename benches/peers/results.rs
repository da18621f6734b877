//! Owns [`Results`] and what follows from them: medians, paired ratios, the best peer. Prints nothing.

use crate::systems::{Listed, Role};
use crate::workload::{Metric, Workload};

/// What one measurement gave.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    /// In the order of the workload's.
    pub(crate) metrics: Vec<f64>,
    pub(crate) cpu_us: Sides,
    pub(crate) allocations: Sides,
}

/// Of one call, or one item, on either side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sides {
    pub(crate) client: f64,
    pub(crate) server: f64,
}

/// All measurements of a system at a workload, in the order of the rounds.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) workload: Workload,
    pub(crate) runtime: &'static str,
    pub(crate) system: Listed,
    pub(crate) rounds: Vec<Measured>,
    pub(crate) allocations: Option<Sides>,
}

/// A median with the interval around it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

#[derive(Debug, Default)]
pub(crate) struct Results {
    pub(crate) rows: Vec<Row>,
}

impl Row {
    pub(crate) const fn new(workload: Workload, runtime: &'static str, system: Listed) -> Self {
        Self { workload, runtime, system, rounds: Vec::new(), allocations: None }
    }

    /// How many values a round has: its metrics, and behind them the CPU time of a call where there is one.
    pub(crate) fn sorts(&self) -> usize {
        self.workload.metrics().len() + usize::from(self.workload.is_uniform())
    }

    /// The values of the `nth` sort, in the order of the rounds.
    fn values(&self, nth: usize) -> Vec<f64> {
        let value = |measured: &Measured| measured.metrics.get(nth).copied();
        self.rounds.iter().map(|round| value(round).unwrap_or_else(|| round.cpu_us.sum())).collect()
    }

    /// Its `nth` sort with the interval that holds the true median nine times of ten.
    pub(crate) fn interval(&self, nth: usize) -> Spread {
        Spread::of(self.values(nth))
    }

    /// Its `nth` sort: median, least and most.
    pub(crate) fn spread(&self, nth: usize) -> Spread {
        let sorted = sorted(self.values(nth));
        match (sorted.first(), sorted.last()) {
            (Some(&low), Some(&high)) => Spread { median: median(&sorted), low, high },
            _ => Spread { median: f64::NAN, low: f64::NAN, high: f64::NAN },
        }
    }

    /// The CPU time of a call on either side; `None` where calls of two kinds share it.
    pub(crate) fn cpu_us(&self) -> Option<Sides> {
        let side = |of: fn(&Sides) -> f64| {
            median(&sorted(self.rounds.iter().map(|measured| of(&measured.cpu_us)).collect()))
        };
        self.workload
            .is_uniform()
            .then(|| Sides { client: side(|sides| sides.client), server: side(|sides| sides.server) })
    }

    /// This row's `nth` sort by another's: the median of what each round gave, which noise that hits a whole round
    /// does not touch. The interval holds the true median nine times of ten.
    pub(crate) fn ratio(&self, to: &Self, nth: usize) -> Spread {
        let pairs = self.values(nth).into_iter().zip(to.values(nth));
        Spread::of(pairs.map(|(ours, theirs)| ours / theirs).collect())
    }
}

impl Spread {
    fn of(values: Vec<f64>) -> Self {
        let sorted = sorted(values);
        if sorted.is_empty() {
            return Self { median: f64::NAN, low: f64::NAN, high: f64::NAN };
        }
        let inward = inward(sorted.len());
        Self { median: median(&sorted), low: sorted[inward], high: sorted[sorted.len() - 1 - inward] }
    }
}

impl Results {
    /// The rows of the same workload and runtime as `row`, with the same between both sides.
    pub(crate) fn beside<'r>(&'r self, row: &'r Row) -> impl Iterator<Item = &'r Row> {
        let of = |row: &Row| (row.workload, row.runtime, row.system.over);
        self.rows.iter().filter(move |other| of(other) == of(row))
    }

    /// The limit's row beside this one.
    pub(crate) fn limit<'r>(&'r self, row: &'r Row) -> Option<&'r Row> {
        self.beside(row).find(|other| other.system.role == Role::Limit)
    }

    /// The row of the peer that is best at this row's `nth` sort.
    pub(crate) fn best_peer<'r>(&'r self, row: &'r Row, nth: usize) -> Option<&'r Row> {
        let peers = self.beside(row).filter(|other| other.system.role == Role::Peer);
        let less_is_better = row.workload.metrics().get(nth).copied().is_none_or(Metric::is_time);
        let goodness = |row: &&Row| {
            let median = row.spread(nth).median;
            if less_is_better { -median } else { median }
        };
        peers.max_by(|a, b| goodness(a).total_cmp(&goodness(b)))
    }
}

impl Sides {
    pub(crate) fn sum(self) -> f64 {
        self.client + self.server
    }
}

/// Numbers only, the least first.
fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.retain(|value| value.is_finite());
    values.sort_by(f64::total_cmp);
    values
}

fn median(sorted: &[f64]) -> f64 {
    match sorted {
        [] => f64::NAN,
        _ => f64::midpoint(sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]),
    }
}

/// How many values at either end of so many lie outside an interval that holds the median with a probability of 0.9 at
/// least: the median misses the rest only if so many fair coins fall alike. None do below five values, which cannot
/// be that sure.
fn inward(values: usize) -> usize {
    let (mut tail, mut ways, mut outside) = (0.0, 1.0, 0);
    let all = 2_f64.powi(values.min(1_000) as i32);
    for heads in 0..values / 2 {
        tail += ways / all;
        if 2.0 * tail > 0.1 {
            break;
        }
        outside = heads;
        ways *= (values - heads) as f64 / (heads + 1) as f64;
    }
    outside
}

#[test]
fn an_interval_is_as_narrow_as_it_may_be() {
    // From tables of the sign test, two-sided at 0.1.
    assert_eq!([2, 5, 7, 8, 11, 20].map(inward), [0, 0, 0, 1, 2, 5]);
}

#[test]
fn a_median_of_an_even_number_lies_between() {
    assert!((median(&[1.0, 2.0, 4.0, 9.0]) - 3.0).abs() < 1e-9);
    assert!((median(&sorted(vec![3.0, f64::NAN, 1.0, 2.0])) - 2.0).abs() < 1e-9);
}
