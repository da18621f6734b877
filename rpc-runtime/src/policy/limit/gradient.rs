//! Owns [`Gradient`]: a limit that follows how much slower calls have become than they are without load. Pure: time is an
//! argument.

use std::time::{Duration, Instant};

use crate::limits;
use crate::policy::limit::sample::{Bounds, Said, Sample};

/// A limit on the calls at work by what they take, after the gradient controller of Envoy and Netflix's concurrency-limits.
///
/// ```text
///   gradient = clamp(1.25 × base / took, 0.5, 1)         took: mean of a window of calls; base: the same without load
///   limit   ← limit × gradient + √limit                  at the end of each window in which the limit was in use
///
///              30 s with the limit in use
///   Following ────────────────────────────▶ Draining ──the last call beyond the limit is gone──▶ Measuring
///       ▲                                   (half the limit)                                        │
///       └────────────── a window of calls that began since: their mean is the new base ─────────────┘
/// ```
///
/// Where calls take the same however many there are, the limit grows by its root a window. Where they share what there is,
/// it settles a quarter and a root above what keeps the server busy. Without the measurements a lasting overload would be
/// taken for normal: an average over the long run follows the load (`trial` shows it). A call that was refused for overload,
/// or had no answer in time, makes the limit a tenth smaller, once for each time that a call takes.
#[derive(Debug)]
pub(in crate::policy) struct Gradient {
    limit: f64,
    bounds: Bounds,
    /// What calls take without load, in seconds; none before the first window.
    base: Option<f64>,
    phase: Phase,
    window: Mean,
    /// The latest time that overload made it shrink, and for how long that does not happen again.
    shrank: Option<(Instant, Duration)>,
}

#[derive(Debug)]
enum Phase {
    /// Since the base was measured.
    Following { since: Instant },
    /// At half of this limit.
    Draining { from: f64 },
    /// At half of this limit; calls that began before do not count.
    Measuring { from: f64, since: Instant },
}

/// The calls of a window.
#[derive(Debug, Default)]
struct Mean {
    calls: u32,
    seconds: f64,
    /// Those that ended while at least half of the limit was in use.
    busy: u32,
}

impl Gradient {
    pub(super) fn new(now: Instant, bounds: Bounds) -> Self {
        let phase = Phase::Following { since: now };
        Self { limit: bounds.first as f64, bounds, base: None, phase, window: Mean::default(), shrank: None }
    }

    /// How many calls may be at work.
    pub(super) fn limit(&self) -> usize {
        match self.phase {
            Phase::Following { .. } => self.limit as usize,
            Phase::Draining { from } | Phase::Measuring { from, .. } => {
                self.bounds.clamp(from / 2.0) as usize
            }
        }
    }

    /// A call has ended.
    pub(super) fn handle_end(&mut self, now: Instant, sample: Sample) {
        match sample.said {
            Said::Nothing => return,
            Said::Overload => self.shrink(now, sample.took),
            Said::Answer => {}
        }
        match self.phase {
            Phase::Draining { from } if sample.at_work <= self.limit() => {
                self.phase = Phase::Measuring { from, since: now };
                return;
            }
            Phase::Draining { .. } => return,
            Phase::Measuring { since, .. } if now.saturating_duration_since(since) < sample.took => return,
            Phase::Measuring { .. } | Phase::Following { .. } => {}
        }
        self.window.calls += 1;
        self.window.seconds += sample.took.as_secs_f64().max(1e-9);
        self.window.busy += u32::from(sample.at_work * 2 >= self.limit());
        if self.window.calls >= limits::GRADIENT_WINDOW {
            let window = std::mem::take(&mut self.window);
            self.conclude(now, &window);
        }
    }

    /// A window is full.
    fn conclude(&mut self, now: Instant, window: &Mean) {
        let took = window.seconds / f64::from(window.calls);
        if let Phase::Measuring { from, .. } = self.phase {
            self.base = Some(took);
            self.limit = from;
            self.phase = Phase::Following { since: now };
            return;
        }
        let base = *self.base.insert(self.base.map_or(took, |base| base.min(took)));
        if window.busy * 2 < window.calls {
            // The limit is no limit now: what calls take is what they take without load, and says so without a measurement.
            self.base = Some(base + (took - base) / 4.0);
            self.phase = Phase::Following { since: now };
            return;
        }
        let gradient = (1.25 * base / took).clamp(0.5, 1.0);
        self.limit = self.bounds.clamp(self.limit * gradient + self.limit.sqrt());
        if let Phase::Following { since } = self.phase
            && now.saturating_duration_since(since) >= limits::GRADIENT_MEASURE
        {
            self.phase = Phase::Draining { from: self.limit };
        }
    }

    fn shrink(&mut self, now: Instant, took: Duration) {
        let is_due = self.shrank.is_none_or(|(at, wait)| now.saturating_duration_since(at) >= wait);
        if is_due {
            self.limit = self.bounds.clamp(self.limit * 0.9);
            self.shrank = Some((now, took.max(limits::GRADIENT_SHRINK)));
        }
    }
}
