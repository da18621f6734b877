//! The trial of the adaptive limits: each before the same simulated server, in virtual time, from one seed.
//!
//! `cargo test -p traitwire --lib policy::limit::trial -- --nocapture` prints the table of docs/POLICIES.md.

use std::fmt;
use std::time::{Duration, Instant};

use crate::call::SharedDice;
use crate::policy::limit::gradient::Gradient;
use crate::policy::limit::sample::{Bounds, Said, Sample};

/// One millisecond.
const TICK: Duration = Duration::from_millis(1);
/// What a call takes where nothing else runs, on average.
const WORK: f64 = 20.0;
/// What callers wait for, in ticks.
const PATIENCE: u32 = 1_000;

/// Additive increase, multiplicative decrease (Chiu and Jain, 1989; TCP's): the other candidate. While the limit is in use and
/// calls succeed it grows by one for each round of as many calls as it is; a call that was refused for overload, or had no
/// answer in time, makes it a tenth smaller, once for each time that a call takes.
struct Aimd {
    limit: f64,
    bounds: Bounds,
    shrank: Option<(Instant, Duration)>,
}

impl Aimd {
    fn handle_end(&mut self, now: Instant, sample: Sample) {
        match sample.said {
            Said::Overload => {
                let is_due = self.shrank.is_none_or(|(at, wait)| now.saturating_duration_since(at) >= wait);
                if is_due {
                    self.limit = self.bounds.clamp(self.limit * 0.9);
                    self.shrank = Some((now, sample.took));
                }
            }
            Said::Answer if sample.at_work as f64 * 2.0 >= self.limit => {
                self.limit = self.bounds.clamp(self.limit + 1.0 / self.limit);
            }
            Said::Answer | Said::Nothing => {}
        }
    }
}

enum Limiter {
    Fixed(usize),
    Aimd(Aimd),
    Gradient(Gradient),
}

impl Limiter {
    fn limit(&self) -> usize {
        match self {
            Self::Fixed(limit) => *limit,
            Self::Aimd(aimd) => aimd.limit as usize,
            Self::Gradient(gradient) => gradient.limit(),
        }
    }

    fn handle_end(&mut self, now: Instant, sample: Sample) {
        match self {
            Self::Fixed(_) => {}
            Self::Aimd(aimd) => aimd.handle_end(now, sample),
            Self::Gradient(gradient) => gradient.handle_end(now, sample),
        }
    }
}

/// A call at work: what is left of its work, and how old it is; both in ticks.
struct Job {
    left: f64,
    age: u32,
}

struct Figures {
    /// Calls answered in time for each second, as a share of what the server can do.
    goodput: f64,
    /// What an answered call took, in ticks, at the median and the 99th percentile.
    p50: u32,
    p99: u32,
    limit: usize,
    /// Calls that the server refused, for each that it answered.
    refused: f64,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { goodput, p50, p99, limit, refused } = self;
        write!(f, "{:.0} % | {p50} ms | {p99} ms | {limit} | {:.0} %", goodput * 100.0, refused * 100.0)
    }
}

/// What a limit has to deal with.
struct Stretch {
    name: &'static str,
    /// How many processors calls share.
    processors: f64,
    /// What is offered, in times of what the server can do.
    load: f64,
    seconds: u32,
    /// The server refuses what comes beyond so many at work.
    refuses: usize,
}

/// One stretch after what came before; figures of its last half.
fn run(limiter: &mut Limiter, now: &mut Instant, dice: &SharedDice, stretch: &Stretch) -> Figures {
    let Stretch { processors, load, seconds, refuses, .. } = *stretch;
    let (mut jobs, mut took): (Vec<Job>, Vec<u32>) = (Vec::new(), Vec::new());
    let (ticks, mut refused) = (seconds * 1_000, 0);
    for tick in 0..ticks {
        *now += TICK;
        let now = *now;
        // Arrivals of a Poisson process, for each tick a binomial draw that is as good.
        let per_draw = load * processors / WORK / 10.0;
        let arrivals = (0..10).filter(|_| dice.throw().unit() < per_draw).count();
        for _ in 0..arrivals {
            if jobs.len() >= refuses && jobs.len() < limiter.limit() {
                refused += u32::from(tick >= ticks / 2);
                limiter.handle_end(now, Sample { took: TICK, at_work: jobs.len() + 1, said: Said::Overload });
            } else if jobs.len() < limiter.limit() {
                jobs.push(Job { left: -WORK * (1.0 - dice.throw().unit()).ln(), age: 0 });
            }
        }
        let share = (processors / jobs.len() as f64).min(1.0);
        jobs.iter_mut().for_each(|job| (job.left, job.age) = (job.left - share, job.age + 1));
        let at_work = jobs.len();
        jobs.retain(|job| {
            let said = match (job.left <= 0.0, job.age >= PATIENCE) {
                (true, _) => Said::Answer,
                (false, true) => Said::Overload,
                (false, false) => return true,
            };
            limiter.handle_end(now, Sample { took: TICK * job.age, at_work, said });
            if said == Said::Answer && tick >= ticks / 2 {
                took.push(job.age);
            }
            false
        });
    }
    took.sort_unstable();
    let at = |share: f64| took.get((took.len() as f64 * share) as usize).copied().unwrap_or_default();
    let could = processors / WORK * f64::from(ticks / 2);
    Figures {
        goodput: took.len() as f64 / could,
        p50: at(0.5),
        p99: at(0.99),
        limit: limiter.limit(),
        refused: f64::from(refused) / took.len() as f64,
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test may ask for any instant to start from")]
fn the_gradient_keeps_calls_quick_where_others_do_not() {
    let all = usize::MAX;
    let stretches = [
        Stretch { name: "0.7 ×", processors: 10.0, load: 0.7, seconds: 30, refuses: all },
        Stretch { name: "2 ×", processors: 10.0, load: 2.0, seconds: 60, refuses: all },
        Stretch { name: "10 ×", processors: 10.0, load: 10.0, seconds: 60, refuses: all },
        Stretch { name: "2 ×, half the server", processors: 5.0, load: 2.0, seconds: 60, refuses: all },
        Stretch { name: "1.2 ×, all of it again", processors: 10.0, load: 1.2, seconds: 60, refuses: all },
        Stretch { name: "2 ×, refuses beyond 15", processors: 10.0, load: 2.0, seconds: 60, refuses: 15 },
    ];
    let bounds = Bounds { least: 1, first: 20, most: 1_000 };
    let mut columns = [
        ("at most 300", Limiter::Fixed(300)),
        ("AIMD", Limiter::Aimd(Aimd { limit: 20.0, bounds, shrank: None })),
        ("gradient", Limiter::Gradient(Gradient::new(Instant::now(), bounds))),
    ]
    .map(|(name, mut limiter)| {
        let (dice, mut now) = (SharedDice::new(7), Instant::now());
        let figures = stretches.iter().map(|stretch| run(&mut limiter, &mut now, &dice, stretch));
        (name, figures.collect::<Vec<_>>().into_iter())
    });
    for stretch in &stretches {
        let [none, aimd, gradient] = columns.each_mut().map(|(name, column)| {
            let figures = column.next().unwrap();
            println!("| {} | {name} | {figures} |", stretch.name);
            figures
        });
        assert!(none.goodput >= 0.65 && aimd.goodput >= 0.65);
        if stretch.load > 1.0 {
            assert!(gradient.goodput >= 0.93, "{}: {gradient}", stretch.name);
            assert!(gradient.p99 <= 200 && gradient.refused <= 0.1, "{}: {gradient}", stretch.name);
        }
        if stretch.load > 1.0 && stretch.refuses == all {
            assert!(aimd.p99 >= 3 * gradient.p99, "{}: {aimd}", stretch.name);
        }
    }
}
