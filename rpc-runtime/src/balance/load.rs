//! Owns [`Load`]: what a client remembers of the calls that it made to one endpoint, and what a further one would cost there.
//! Does not choose.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::balance::moment::Moment;

/// The time constant τ of response times, 10 s, in ticks of 64 µs: Finagle's. What is older than three of it hardly counts.
const TAU_TICKS: f32 = 10_000_000.0 / 64.0;
/// How much later than a reader a writer may have read the clock, a second, in ticks of 64 µs.
const SKEW_TICKS: u32 = 1_000_000 / 64;
/// The least response time, in µs: below it differences are those of the clock.
const LEAST_RESPONSE_TIME: f32 = 1.0;
/// The most that failures make of a response time, in µs: 30 s, as brpc has it. With τ of 10 s it is forgotten in two minutes.
const WORST_RESPONSE_TIME: f32 = 30_000_000.0;
/// What a failure counts as a response time if there is no other, in µs: a second.
const FIRST_FAILURE: f32 = 1_000_000.0;
/// How much one call moves the share that fails: about the last ten count.
const FAILING_STEP: f32 = 0.1;
/// The least success rate: a cost grows by at most 10,000 for failures.
const LEAST_SUCCESS: f32 = 0.01;
/// What a call costs where one is under way and none has ended: more than anything that is known.
const UNKNOWN_COST: f32 = 1e12;

/// What a call's end says about the endpoint that it was made to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// It answered.
    Passed,
    /// It did not work.
    Failed,
    /// Nothing.
    Ignored,
    /// Nobody waited for the end: it would have taken at least so long.
    GivenUp,
}

/// What a client remembers of its calls to one endpoint. Whoever ends a call writes and whoever picks reads, all without a
/// lock: a count that is late by one call changes no choice that matters.
///
/// The response time is a peak EWMA (Finagle's `PeakEwma`): it rises to a longer time at once, and falls towards shorter ones
/// with a time constant τ of 10 s. So one slow answer is felt by the next pick, and is forgotten as slowly as is needed to see
/// whether it was chance.
#[derive(Debug, Default)]
pub(crate) struct Load {
    in_flight: AtomicU32,
    /// The response time in µs, the bits of an `f32`, and below it when it was written, in [ticks](Moment::ticks): one word,
    /// since one without the other is wrong. 0 without history.
    response: AtomicU64,
    /// The share of calls that fail lately, the bits of an `f32`.
    failing: AtomicU32,
    /// Calls that were given up since anything was answered: a black hole never ends a call, it only loses to hedges.
    unanswered: AtomicU32,
    /// Failures since the last success.
    streak: AtomicU32,
    /// Successes and failures since they were taken last.
    passed: AtomicU32,
    failed: AtomicU32,
}

impl Load {
    /// A call is sent.
    pub(crate) fn begin(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    /// A call that was sent has ended after so many µs. Says how many have failed in a row.
    pub(crate) fn end(&self, now: Moment, took: u64, outcome: Outcome) -> u32 {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        let took = (took as f32).max(LEAST_RESPONSE_TIME);
        match outcome {
            Outcome::Ignored => return 0,
            Outcome::GivenUp => {
                // Held against what is known by now: else one that has never answered, or not for long, would look cheap for ever.
                if self.respond(now, |known, weight| (took > known * weight).then_some(took)) {
                    self.unanswered.fetch_add(1, Ordering::Relaxed);
                }
                return 0;
            }
            Outcome::Passed => {
                self.respond(now, |known, weight| {
                    let falls = known > took;
                    Some(if falls { (known - took).mul_add(weight, took) } else { took })
                });
                self.answered();
            }
            // What fails at once is not fast: its time is at least twice what is known by now, so that a few failures in a row
            // are as dear as a second of waiting; and as much as when it was last called, though that is long ago.
            Outcome::Failed => {
                self.respond(now, |known, weight| {
                    let known = if known > 0.0 { (known * weight * 2.0).max(known) } else { FIRST_FAILURE };
                    Some(took.max(known).min(WORST_RESPONSE_TIME))
                });
            }
        }
        self.count(outcome == Outcome::Failed)
    }

    fn count(&self, is_failure: bool) -> u32 {
        let failing = f32::from_bits(self.failing.load(Ordering::Relaxed));
        if is_failure || failing > 0.0 {
            let to = if is_failure { 1.0 } else { 0.0 };
            let moved = (to - failing).mul_add(FAILING_STEP, failing);
            // What is next to nothing is nothing: most calls are then spared this.
            let moved = if moved < 0.001 { 0.0 } else { moved };
            self.failing.store(moved.to_bits(), Ordering::Relaxed);
        }
        if is_failure {
            self.failed.fetch_add(1, Ordering::Relaxed);
            return self.streak.fetch_add(1, Ordering::Relaxed) + 1;
        }
        self.passed.fetch_add(1, Ordering::Relaxed);
        if self.streak.load(Ordering::Relaxed) > 0 {
            self.streak.store(0, Ordering::Relaxed);
        }
        0
    }

    fn answered(&self) {
        if self.unanswered.load(Ordering::Relaxed) > 0 {
            self.unanswered.store(0, Ordering::Relaxed);
        }
    }

    /// Writes the response time that `to` makes of the known one and of what that weighs now; says whether it made one.
    fn respond(&self, now: Moment, to: impl Fn(f32, f32) -> Option<f32>) -> bool {
        let update = |word| {
            let (known, weight) = unpack(word, now);
            to(known, weight).map(|time| pack(time, now))
        };
        self.response.fetch_update(Ordering::Relaxed, Ordering::Relaxed, update).is_ok()
    }

    /// Lets an endpoint begin with what its fleet usually takes, in µs: without a history it would cost nothing.
    pub(crate) fn presume(&self, now: Moment, time: f32) {
        self.respond(now, |known, _| (known <= 0.0 && time > 0.0).then_some(time));
    }

    /// What one more call costs, for a comparison: response time × load × (1 + calls without an answer)² ÷ success rate².
    ///
    /// Without calls the time and the failures are forgotten with the same τ: so an endpoint that was slow is tried again, once
    /// its cost has sunk to that of the others.
    pub(crate) fn cost(&self, now: Moment) -> f32 {
        let (known, weight) = unpack(self.response.load(Ordering::Relaxed), now);
        let in_flight = self.in_flight() as f32;
        if known <= 0.0 {
            // Nothing is known, and what is under way has not said anything yet: one call at a time finds out.
            return if in_flight > 0.0 { UNKNOWN_COST + in_flight } else { 0.0 };
        }
        let unanswered = (self.unanswered.load(Ordering::Relaxed) as f32).mul_add(weight, 1.0);
        let doubt = unanswered / self.success_rate_weighted(weight);
        (known * weight).max(LEAST_RESPONSE_TIME) * (in_flight + 1.0) * doubt * doubt
    }

    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// The response time in µs; 0 without history.
    pub(crate) fn response_time(&self, now: Moment) -> f32 {
        let (known, weight) = unpack(self.response.load(Ordering::Relaxed), now);
        known * weight
    }

    /// The share of calls that succeed lately.
    pub(crate) fn success_rate(&self, now: Moment) -> f32 {
        self.success_rate_weighted(unpack(self.response.load(Ordering::Relaxed), now).1)
    }

    fn success_rate_weighted(&self, weight: f32) -> f32 {
        let failing = f32::from_bits(self.failing.load(Ordering::Relaxed));
        (-failing).mul_add(weight, 1.0).max(LEAST_SUCCESS)
    }

    /// Successes and failures since this was asked last.
    pub(crate) fn take_counts(&self) -> (u32, u32) {
        (self.passed.swap(0, Ordering::Relaxed), self.failed.swap(0, Ordering::Relaxed))
    }

    /// Forgets that failures came in a row.
    pub(crate) fn end_streak(&self) {
        self.streak.store(0, Ordering::Relaxed);
    }
}

/// The time that a word holds, and what it weighs now.
fn unpack(word: u64, now: Moment) -> (f32, f32) {
    let idle = now.ticks().wrapping_sub(word as u32);
    // What another thread wrote a moment later than this one read the clock is new, not ages old.
    let idle = if idle > u32::MAX - SKEW_TICKS { 0 } else { idle };
    let weight = if idle == 0 { 1.0 } else { (-(idle as f32) / TAU_TICKS).exp() };
    (f32::from_bits((word >> 32) as u32), weight)
}

fn pack(time: f32, now: Moment) -> u64 {
    (u64::from(time.to_bits()) << 32) | u64::from(now.ticks())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::from_micros(millis * 1_000)
    }

    fn call(load: &Load, millis: u64, took: u64, outcome: Outcome) -> u32 {
        load.begin();
        load.end(at(millis), took * 1_000, outcome)
    }

    #[test]
    fn it_rises_at_once_and_falls_with_its_time_constant() {
        let load = Load::default();
        assert_eq!((load.cost(at(0)), load.response_time(at(0))), (0.0, 0.0));
        call(&load, 0, 10, Outcome::Passed);
        call(&load, 0, 100, Outcome::Passed);
        assert!((load.response_time(at(0)) - 100_000.0).abs() < 1.0);
        // Ten seconds of answers of 10 ms: 10 + 90 ÷ e.
        for millis in 1..=10_000 {
            call(&load, millis, 10, Outcome::Passed);
        }
        let (found, exact) = (load.response_time(at(10_000)), 10_000.0 + 90_000.0 / std::f32::consts::E);
        assert!((found / exact - 1.0).abs() < 0.02, "{found} instead of {exact}");
        // Without calls it is forgotten.
        let later = load.response_time(at(20_000));
        assert!((later / (found / std::f32::consts::E) - 1.0).abs() < 0.01, "{later}");
    }

    #[test]
    fn what_is_under_way_and_what_fails_costs_more() {
        let (load, other) = (Load::default(), Load::default());
        call(&load, 0, 10, Outcome::Passed);
        let idle = load.cost(at(0));
        load.begin();
        assert!((load.cost(at(0)) / idle - 2.0).abs() < 0.01);
        load.end(at(0), 0, Outcome::Ignored);
        assert!((load.cost(at(0)) - idle).abs() < 1.0);
        // It fails in no time, and is dearer each time; so is one that has never done anything else.
        let mut last = idle;
        for streak in 1..=5 {
            assert_eq!(call(&load, 0, 0, Outcome::Failed), streak);
            assert!(load.cost(at(0)) > 2.0 * last, "{streak}");
            last = load.cost(at(0));
        }
        assert!(last > 50.0 * idle, "{last} after {idle}");
        call(&other, 0, 0, Outcome::Failed);
        assert!(other.cost(at(0)) >= 1_000_000.0);
        assert_eq!(call(&load, 0, 10, Outcome::Passed), 0);
        assert_eq!(call(&load, 0, 0, Outcome::Failed), 1);
        assert_eq!(load.take_counts(), (2, 6));
        assert_eq!(load.take_counts(), (0, 0));
        // Two minutes later nothing is held against it.
        assert!(load.success_rate(at(120_000)) > 0.999 && load.cost(at(120_000)) < idle);
    }

    #[test]
    fn a_call_that_was_given_up_tells_that_it_took_long_and_nothing_else() {
        let load = Load::default();
        call(&load, 0, 10, Outcome::Passed);
        call(&load, 0, 1, Outcome::GivenUp);
        assert!((load.response_time(at(0)) - 10_000.0).abs() < 1.0);
        call(&load, 0, 70, Outcome::GivenUp);
        assert!((load.response_time(at(0)) - 70_000.0).abs() < 1.0);
        // One that never answers costs more each time, and no more than its time once it does.
        assert!((load.cost(at(0)) - 280_000.0).abs() < 10.0);
        call(&load, 0, 80, Outcome::GivenUp);
        assert!((load.cost(at(0)) - 720_000.0).abs() < 10.0);
        call(&load, 0, 80, Outcome::Passed);
        assert!((load.cost(at(0)) - 80_000.0).abs() < 10.0);
        assert_eq!((load.in_flight(), load.take_counts()), (0, (2, 0)));
    }

    #[test]
    fn one_that_never_answers_is_never_the_cheapest() {
        let (silent, sound) = (Load::default(), Load::default());
        for millis in 0..10 {
            call(&silent, millis, 60, Outcome::GivenUp);
            call(&sound, millis, 10, Outcome::Passed);
            assert!(silent.cost(at(millis)) > 20.0 * sound.cost(at(millis)), "{millis}");
        }
        // It did answer, in a time that nothing but its decay makes short.
        let hung = Load::default();
        call(&hung, 0, 100, Outcome::Passed);
        call(&sound, 30_000, 10, Outcome::Passed);
        call(&hung, 30_000, 60, Outcome::GivenUp);
        assert!(hung.cost(at(30_000)) > 20.0 * sound.cost(at(30_000)));
        // A failure now and then does not add up over hours.
        let rare = Load::default();
        call(&rare, 0, 100, Outcome::Passed);
        for minute in 1..10 {
            call(&rare, minute * 60_000, 0, Outcome::Failed);
        }
        assert!((rare.response_time(at(540_000)) - 100_000.0).abs() < 1.0);
    }

    #[test]
    fn one_that_knows_nothing_gets_one_call_and_one_that_is_new_begins_as_the_others() {
        let load = Load::default();
        load.begin();
        assert!(load.cost(at(0)) > 1e6);
        load.end(at(0), 0, Outcome::Ignored);
        load.presume(at(0), 5_000.0);
        load.presume(at(0), 9_000.0);
        assert!((load.cost(at(0)) - 5_000.0).abs() < 1.0);
    }

    #[test]
    fn a_word_of_the_near_future_is_new() {
        let load = Load::default();
        call(&load, 50, 10, Outcome::Passed);
        assert!((load.response_time(at(49)) - 10_000.0).abs() < 1.0);
        let hours = 3_600_000;
        assert!(load.response_time(at(50 * hours)) < 1.0, "and one of two days ago is forgotten");
    }
}
