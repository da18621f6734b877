//! Owns [`Machine`]: when a breaker opens, lets probes through and closes. Pure: `now` and the dice are arguments.

use std::fmt;
use std::time::{Duration, Instant};

use crate::call::Throw;
use crate::limits;
use crate::observe::BreakerState;
use crate::policy::breaker::config::BreakerConfig;
use crate::policy::breaker::verdict::Verdict;
use crate::policy::breaker::window::{Outcome, Tally, Window};

/// A breaker.
///
/// ```text
///             enough calls, too many failed or slow
///    Closed ─────────────────────────────────────────▶ Open { until }
///      ▲                                                 │      ▲
///      │ as many probes passed as are asked for          │      │ a probe failed: open for longer
///      │                                     admit, and  ▼      │
///      └──────────────────────────────── HalfOpen { under way, passed }
///                                        until is over
///    Held(open), Held(closed): by an operator, until released; then Closed, with an empty window
/// ```
///
/// Probes of which nothing is heard for a minute are lost, and others may take their places. Each call that is admitted gets a
/// [`Permit`] and gives it back with its end. Every change of state begins a new epoch, and
/// what comes back from an earlier one counts no more: a call that was sent before the breaker opened says nothing about
/// whether the endpoint is back.
#[derive(Debug)]
pub(super) struct Machine {
    window: Window,
    state: State,
    epoch: u64,
    /// How many doublings the next time of being open has.
    doublings: u32,
    /// Since when it has been closed, for taking doublings back.
    closed_since: Instant,
}

#[derive(Debug)]
enum State {
    Closed,
    Open {
        since: Instant,
        until: Instant,
        why: Why,
    },
    /// `under_way + passed <= probes` and `passed < probes`; `latest` is when the latest probe was let through.
    HalfOpen {
        under_way: u32,
        passed: u32,
        latest: Instant,
        opened: Instant,
        why: Why,
    },
    Held {
        state: BreakerState,
        since: Instant,
    },
}

/// Why it opened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Why {
    Failures(Tally),
    Slow(Tally),
    Probe,
}

/// A call that was let through.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Permit {
    epoch: u64,
    began: Instant,
}

/// A change of state.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Change {
    pub(super) from: BreakerState,
    pub(super) to: BreakerState,
    /// Why it opened, if it did so by itself.
    pub(super) why: Option<Why>,
}

/// Why a call was not let through.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Rejection {
    /// It has been open for so long, and will be for so long.
    Open { since: Duration, left: Duration, why: Why },
    /// As many probes as it allows are under way; it opened so long ago.
    Probing { probes: u32, since: Duration, why: Why },
    /// An operator opened it so long ago.
    Held { since: Duration },
}

impl Machine {
    pub(super) fn new(now: Instant, config: &BreakerConfig) -> Self {
        let window = Window::new(now, config.extent);
        Self { window, state: State::Closed, epoch: 0, doublings: 0, closed_since: now }
    }

    /// Asks for a call to be let through. A call after the time of being open is a probe, and changes the state.
    pub(super) fn admit(
        &mut self,
        now: Instant,
        config: &BreakerConfig,
    ) -> (Result<Permit, Rejection>, Option<Change>) {
        let mut change = None;
        if let State::Open { since, until, why } = self.state
            && until <= now
        {
            let half_open = State::HalfOpen { under_way: 0, passed: 0, latest: now, opened: since, why };
            change = Some(self.enter(half_open, None));
        }
        if let State::HalfOpen { under_way, latest, .. } = &mut self.state
            && now.saturating_duration_since(*latest) >= limits::BREAKER_PROBE
        {
            // Nobody polls them any more and nobody has dropped them: without this they would keep it half open for ever.
            *under_way = 0;
            self.epoch += 1;
        }
        let admitted = match &mut self.state {
            State::Closed | State::Held { state: BreakerState::Closed, .. } => Ok(()),
            State::HalfOpen { under_way, passed, latest, .. } if *under_way + *passed < config.probes => {
                *under_way += 1;
                *latest = now;
                Ok(())
            }
            State::HalfOpen { opened, why, .. } => {
                let since = now.saturating_duration_since(*opened);
                Err(Rejection::Probing { probes: config.probes, since, why: *why })
            }
            State::Open { since, until, why } => Err(Rejection::Open {
                since: now.saturating_duration_since(*since),
                left: until.saturating_duration_since(now),
                why: *why,
            }),
            State::Held { since, .. } => {
                Err(Rejection::Held { since: now.saturating_duration_since(*since) })
            }
        };
        (admitted.map(|()| Permit { epoch: self.epoch, began: now }), change)
    }

    /// Takes the end of a call that was let through. `throw` decides the jitter if this opens the breaker.
    pub(super) fn handle_end(
        &mut self,
        now: Instant,
        throw: Throw,
        config: &BreakerConfig,
        permit: Permit,
        verdict: Verdict,
    ) -> Option<Change> {
        if permit.epoch != self.epoch {
            return None;
        }
        let failed = verdict == Verdict::Failed;
        let took = now.saturating_duration_since(permit.began);
        let outcome = Outcome { failed, slow: config.slow.is_some_and(|slow| took > slow.after) };
        match &mut self.state {
            State::Closed | State::Held { .. } if verdict == Verdict::Ignored => None,
            State::Closed => {
                self.window.record(now, outcome);
                let why = judge(self.window.tally(now), config)?;
                self.take_doublings_back(now);
                Some(self.open(now, throw, config, why))
            }
            State::Held { .. } => {
                self.window.record(now, outcome);
                None
            }
            State::HalfOpen { under_way, passed, .. } => {
                *under_way -= 1;
                match verdict {
                    Verdict::Ignored => None,
                    Verdict::Passed if !outcome.slow => {
                        *passed += 1;
                        (*passed >= config.probes).then(|| self.close(now))
                    }
                    // ## HalfOpen => Open: a probe that failed, or was as slow as those that opened the breaker.
                    Verdict::Passed | Verdict::Failed => Some(self.open(now, throw, config, Why::Probe)),
                }
            }
            // No permit is of an epoch that is open.
            State::Open { .. } => None,
        }
    }

    /// Takes a permit back whose call was dropped before its end: its place is free again.
    pub(super) const fn give_back(&mut self, permit: Permit) {
        if let State::HalfOpen { under_way, .. } = &mut self.state
            && permit.epoch == self.epoch
        {
            *under_way -= 1;
        }
    }

    /// Holds it open or closed, whatever happens to calls, until it is released.
    pub(super) fn hold(&mut self, now: Instant, state: BreakerState) -> Option<Change> {
        let is_held = matches!(self.state, State::Held { state: held, .. } if held == state);
        (!is_held).then(|| self.enter(State::Held { state, since: now }, None))
    }

    /// Lets it decide by itself again, from closed and with an empty window.
    pub(super) fn release(&mut self, now: Instant) -> Option<Change> {
        matches!(self.state, State::Held { .. }).then(|| {
            self.doublings = 0;
            self.close(now)
        })
    }

    pub(super) const fn state(&self) -> BreakerState {
        match self.state {
            State::Closed => BreakerState::Closed,
            State::Open { .. } => BreakerState::Open,
            State::HalfOpen { .. } => BreakerState::HalfOpen,
            State::Held { state, .. } => state,
        }
    }

    pub(super) const fn is_held(&self) -> bool {
        matches!(self.state, State::Held { .. })
    }

    /// Whether a call at `now` would be let through.
    pub(super) fn is_ready(&self, now: Instant, config: &BreakerConfig) -> bool {
        match self.state {
            State::Closed | State::Held { state: BreakerState::Closed, .. } => true,
            State::Open { until, .. } => until <= now,
            State::HalfOpen { under_way, passed, latest, .. } => {
                under_way + passed < config.probes
                    || now.saturating_duration_since(latest) >= limits::BREAKER_PROBE
            }
            State::Held { .. } => false,
        }
    }

    /// How long it stays open if nobody interferes.
    pub(super) fn left(&self, now: Instant) -> Option<Duration> {
        match self.state {
            State::Open { until, .. } => Some(until.saturating_duration_since(now)),
            _ => None,
        }
    }

    pub(super) fn tally(&mut self, now: Instant) -> Tally {
        self.window.tally(now)
    }

    fn open(&mut self, now: Instant, throw: Throw, config: &BreakerConfig, why: Why) -> Change {
        let growth = 2_f64.powi(self.doublings.try_into().unwrap_or(i32::MAX));
        let open = (config.open.as_secs_f64() * growth).min(config.open_most.as_secs_f64());
        let jitter = throw.around_one(limits::BREAKER_JITTER);
        // Saturates where a setting is out of a clock's reach, and opens for a day then.
        let open = Duration::try_from_secs_f64(open * jitter).unwrap_or(limits::BREAKER_OPEN_LIMIT);
        let until = now + open.min(limits::BREAKER_OPEN_LIMIT);
        // Stops growing where it no longer matters, so that it can shrink again.
        if config.open.as_secs_f64() * growth < config.open_most.as_secs_f64() {
            self.doublings += 1;
        }
        self.window.clear();
        self.enter(State::Open { since: now, until, why }, Some(why))
    }

    fn close(&mut self, now: Instant) -> Change {
        self.window.clear();
        self.closed_since = now;
        self.enter(State::Closed, None)
    }

    /// Each stretch spent closed takes one doubling back, as the outlier detection of Envoy does: an endpoint that fails
    /// once a day opens the breaker for the first time each day.
    fn take_doublings_back(&mut self, now: Instant) {
        let closed = now.saturating_duration_since(self.closed_since).as_secs();
        let stretches = closed / limits::BREAKER_FORGIVE.as_secs();
        self.doublings = self.doublings.saturating_sub(stretches.try_into().unwrap_or(u32::MAX));
    }

    fn enter(&mut self, state: State, why: Option<Why>) -> Change {
        let from = self.state();
        self.state = state;
        self.epoch += 1;
        Change { from, to: self.state(), why }
    }
}

/// Whether the calls in the window are reason to open.
fn judge(tally: Tally, config: &BreakerConfig) -> Option<Why> {
    if tally.calls < config.min_calls_asked() {
        return None;
    }
    // Divided, not multiplied: 7 of 10 is the same number as the literal 0.7, and 0.7 × 10 is not 7.
    let share = |part: u64| part as f64 / tally.calls as f64;
    if share(tally.failures) >= config.ratio {
        return Some(Why::Failures(tally));
    }
    let slow = config.slow.filter(|slow| share(tally.slow) >= slow.ratio);
    slow.map(|_| Why::Slow(tally))
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failures(tally) => write!(f, "{} of {} calls had failed", tally.failures, tally.calls),
            Self::Slow(tally) => write!(f, "{} of {} calls were slow", tally.slow, tally.calls),
            Self::Probe => f.write_str("a probe had failed"),
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open { since, left, why } => {
                write!(
                    f,
                    "has been open for {since:.1?}, because {why}; it lets a probe through in {left:.1?}"
                )
            }
            Self::Probing { probes, since, why } => write!(
                f,
                "opened {since:.1?} ago, because {why}; it is half open, and as many probes are under way as it \
                 allows ({probes})"
            ),
            Self::Held { since } => {
                write!(f, "was opened by an operator {since:.1?} ago, and stays open until it is released")
            }
        }
    }
}
