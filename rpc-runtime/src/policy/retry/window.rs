//! Owns [`Window`]: a budget that holds over every stretch of ten seconds, whenever it begins. Pure: time is an argument.

use std::time::{Duration, Instant};

use crate::limits;

/// How much a [`Window`] gives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Terms {
    /// Retries for each call.
    pub(super) ratio: f64,
    /// The least and the most that there is beside them, a second.
    pub(super) floor_min: f64,
    pub(super) floor_max: f64,
}

impl Terms {
    /// What may be spent within any window with so many calls.
    pub(super) fn bound(&self, calls: u64) -> f64 {
        let (calls, seconds) = (calls as f64, limits::BUDGET_WINDOW.as_secs_f64());
        let floor = (limits::BUDGET_FLOOR * calls / seconds).clamp(self.floor_min, self.floor_max) * seconds;
        self.ratio.mul_add(calls, floor)
    }
}

/// A budget: `spent ≤ ratio × calls + clamp(0.1 × calls/s, floor_min, floor_max) × 10 s` within *any* ten seconds.
///
/// The ten seconds that begin now may see no further call. So for each moment of the last ten seconds, what has been spent
/// since then must be paid by the calls since then; a bucket of tokens, which gives out later what was earned earlier, does
/// not keep that. The price: after a burst of calls that all fail, only the floor is left, which is what a server that has
/// just failed a burst needs.
///
/// Calls and spendings are counted in slots of a tenth of a second. Within a slot the order is kept by what the worst
/// stretch that begins in it has overspent, so the bound holds for stretches that begin between slots.
#[derive(Debug)]
pub(super) struct Window {
    /// A ring: the slot of the present time is at `at`.
    slots: Vec<Slot>,
    at: usize,
    /// When the present slot began; none before the first event.
    began: Option<Instant>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    calls: u64,
    spent: u64,
    /// The most, over the stretches that begin in the slot and last to its end, by which spending exceeds `ratio × calls`.
    excess: f64,
}

impl Window {
    pub(super) fn new() -> Self {
        // One more than the window has: the oldest is in it in part.
        Self { slots: vec![Slot::default(); limits::BUDGET_SLOTS + 1], at: 0, began: None }
    }

    /// A call was made.
    pub(super) fn call(&mut self, terms: &Terms, now: Instant) {
        let slot = self.slot(now);
        slot.calls += 1;
        slot.excess = (slot.excess - terms.ratio).max(0.0);
    }

    /// Whether there is one to be spent.
    pub(super) fn has(&mut self, terms: &Terms, now: Instant) -> bool {
        self.slot(now);
        let (mut calls, mut spent) = (0, 1);
        for back in 0..self.slots.len() {
            let at = (self.at + self.slots.len() - back) % self.slots.len();
            let Slot { calls: here, spent: here_spent, excess } = self.slots[at];
            // For a stretch that begins within this slot, its calls there pay `ratio` each, and the bound of those after it
            // pays the rest: the bound rises by `ratio` a call at least.
            if excess + spent as f64 > terms.bound(calls) + ROUNDING {
                return false;
            }
            calls += here;
            spent += here_spent;
        }
        true
    }

    /// Spends one, if there is one.
    pub(super) fn spend(&mut self, terms: &Terms, now: Instant) -> bool {
        if !self.has(terms, now) {
            return false;
        }
        let slot = self.slot(now);
        slot.spent += 1;
        slot.excess += 1.0;
        true
    }

    /// The slot of `now`, with those that have become too old forgotten.
    fn slot(&mut self, now: Instant) -> &mut Slot {
        const SLOT: Duration =
            limits::BUDGET_WINDOW.checked_div(limits::BUDGET_SLOTS as u32).expect("not zero");
        let began = *self.began.get_or_insert(now);
        let passed = now.saturating_duration_since(began).as_nanos() / SLOT.as_nanos();
        for _ in 0..passed.min(self.slots.len() as u128) {
            self.at = (self.at + 1) % self.slots.len();
            self.slots[self.at] = Slot::default();
        }
        if passed >= self.slots.len() as u128 {
            self.began = Some(now);
        } else {
            self.began = Some(began + SLOT * passed as u32);
        }
        &mut self.slots[self.at]
    }
}

/// What sums of fractions may be off by: far less than one retry.
const ROUNDING: f64 = 1e-6;

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test may ask for any instant to start from")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TERMS: Terms = Terms { ratio: 0.2, floor_min: 1.0, floor_max: 10.0 };

    #[test]
    fn the_bound_is_that_of_the_promise() {
        for (calls, bound) in
            [(0, 10.0), (10, 12.0), (100, 30.0), (500, 150.0), (1_000, 300.0), (10_000, 2_100.0)]
        {
            assert!((TERMS.bound(calls) - bound).abs() < 1e-9, "{calls} {}", TERMS.bound(calls));
        }
    }

    #[test]
    fn a_channel_without_calls_has_its_floor_and_no_more_for_ten_seconds() {
        let start = Instant::now();
        let mut window = Window::new();
        assert_eq!((0..100).filter(|_| window.spend(&TERMS, start)).count(), 10);
        assert!(!window.spend(&TERMS, start + Duration::from_millis(9_999)));
        let later = start + Duration::from_millis(10_101);
        assert_eq!((0..100).filter(|_| window.spend(&TERMS, later)).count(), 10);
    }

    #[test]
    fn a_steady_load_may_add_all_that_its_calls_pay() {
        let start = Instant::now();
        let mut window = Window::new();
        let mut spent = 0;
        // 1,000 calls a second for twenty seconds, each of which wants a retry 30 ms later.
        for at in 0..20_000_u64 {
            let now = start + Duration::from_millis(at);
            window.call(&TERMS, now);
            spent += u32::from(at >= 30 && window.spend(&TERMS, now));
        }
        assert!((4_000..4_200).contains(&spent), "{spent}");
    }

    #[test]
    fn calls_long_ago_do_not_pay_for_what_is_spent_at_the_end_of_their_window() {
        let start = Instant::now();
        let mut window = Window::new();
        (0..1_000).for_each(|_| window.call(&TERMS, start));
        // The window that began just after the calls has seen none of them.
        let late = start + Duration::from_secs(9);
        assert_eq!((0..1_000).filter(|_| window.spend(&TERMS, late)).count(), 10);
    }

    /// Everything that happened, with its time in microseconds: `true` is a call, `false` a spending that was granted.
    type Log = Vec<(u64, bool)>;

    /// The first window of ten seconds whose spending exceeds the bound.
    fn exceeded(terms: &Terms, log: &Log) -> Option<String> {
        for (first, (began, _)) in log.iter().enumerate() {
            let within = log[first..].iter().take_while(|(at, _)| at - began < 10_000_000);
            let (calls, spent) = within.fold((0, 0_u64), |(calls, spent), (_, is_call)| {
                (calls + u64::from(*is_call), spent + u64::from(!is_call))
            });
            if spent as f64 > terms.bound(calls) + 1e-6 {
                return Some(format!("from {began} µs: {spent} spent, {calls} calls"));
            }
        }
        None
    }

    /// Bursts of calls and of attempts to spend, with pauses between them.
    fn load() -> impl Strategy<Value = Vec<(u64, u8, u8)>> {
        let pause = prop_oneof![0..5_u64, 1_000..200_000_u64, 500_000..12_000_000_u64];
        proptest::collection::vec((pause, 0..40_u8, 0..40_u8), 1..60)
    }

    proptest! {
        #[test]
        fn no_window_of_ten_seconds_exceeds_the_bound(
            load in load(),
            ratio in prop_oneof![Just(0.2), 0.0..1.0],
            floor_min in prop_oneof![Just(1.0), 0.0..3.0],
        ) {
            let terms = Terms { ratio, floor_min, floor_max: floor_min + 2.0 };
            let start = Instant::now();
            let (mut window, mut log, mut at) = (Window::new(), Log::new(), 0);
            for (pause, calls, wanted) in load {
                at += pause;
                for step in 0..calls.max(wanted) {
                    at += 1;
                    let now = start + Duration::from_micros(at);
                    if step < calls {
                        window.call(&terms, now);
                        log.push((at, true));
                    }
                    if step < wanted && window.spend(&terms, now) {
                        log.push((at, false));
                    }
                }
            }
            prop_assert_eq!(exceeded(&terms, &log), None);
        }
    }
}
