//! The breaker in virtual time: the machine against a naive model and step by step, and the wrapper around calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use futures::FutureExt;
use parking_lot::Mutex;
use proptest::prelude::*;

use crate::call::{Caller, Code, Deadline, Delivery, RpcError, Throw};
use crate::limits;
use crate::observe::{BreakerState, Counters, HeldBack, Observer};
use crate::policy::breaker::machine::{Machine, Permit, Rejection};
use crate::policy::breaker::{Breaker, BreakerConfig, Verdict};
use crate::policy::scripted::{Scripted, answer, lost, request};

const EVEN: Throw = Throw(1 << 63);

#[expect(clippy::disallowed_methods, reason = "a test may ask for any instant to start from")]
fn began() -> Instant {
    Instant::now()
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A machine with its settings and a clock.
struct Bench {
    machine: Machine,
    config: BreakerConfig,
    now: Instant,
}

impl Bench {
    fn new(config: BreakerConfig) -> Self {
        let now = began();
        Self { machine: Machine::new(now, &config), config, now }
    }

    fn pass(&mut self, time: Duration) -> &mut Self {
        self.now += time;
        self
    }

    fn admit(&mut self) -> Result<Permit, Rejection> {
        self.machine.admit(self.now, &self.config).0
    }

    fn end(&mut self, permit: Permit, verdict: Verdict) -> BreakerState {
        self.machine.handle_end(self.now, EVEN, &self.config, permit, verdict);
        self.machine.state()
    }

    /// A call that begins and ends now.
    fn call(&mut self, verdict: Verdict) -> BreakerState {
        let permit = self.admit().unwrap();
        self.end(permit, verdict)
    }

    /// How long it stays open.
    fn left(&self) -> Duration {
        self.machine.left(self.now).unwrap()
    }

    /// Fails until it opens.
    fn break_it(&mut self) {
        while self.call(Verdict::Failed) != BreakerState::Open {}
    }
}

#[test]
fn it_opens_at_the_ratio_and_not_before_there_are_enough_calls() {
    let mut bench = Bench::new(BreakerConfig::new());
    for _ in 0..10 {
        assert_eq!(bench.call(Verdict::Passed), BreakerState::Closed);
    }
    for _ in 0..9 {
        assert_eq!(bench.call(Verdict::Failed), BreakerState::Closed);
        assert_eq!(bench.call(Verdict::Ignored), BreakerState::Closed);
    }
    assert_eq!(bench.call(Verdict::Failed), BreakerState::Open);
    assert_eq!(bench.left(), limits::BREAKER_OPEN);
}

#[test]
fn failures_that_have_left_the_window_are_forgotten() {
    let mut bench = Bench::new(BreakerConfig::new());
    for _ in 0..19 {
        bench.call(Verdict::Failed);
    }
    bench.pass(secs(10));
    assert_eq!(bench.call(Verdict::Failed), BreakerState::Closed);
    let tally = bench.machine.tally(bench.now);
    assert_eq!((tally.calls, tally.failures), (1, 1));
}

#[test]
fn slow_calls_open_it_only_if_it_was_told_what_is_slow() {
    for (config, expected) in [
        (BreakerConfig::new(), BreakerState::Closed),
        (BreakerConfig::new().slow(Duration::from_millis(100), 0.8), BreakerState::Open),
    ] {
        let mut bench = Bench::new(config);
        for took in [50, 150, 150, 150, 150].repeat(4) {
            let permit = bench.admit().unwrap();
            bench.pass(Duration::from_millis(took)).end(permit, Verdict::Passed);
        }
        assert_eq!(bench.machine.state(), expected);
    }
}

#[test]
fn half_open_lets_so_many_probes_through_and_closes_when_all_have_passed() {
    let mut bench = Bench::new(BreakerConfig::new());
    bench.break_it();
    assert!(matches!(bench.admit(), Err(Rejection::Open { .. })));
    bench.pass(secs(1));
    let probes: Vec<_> = (0..3).map(|_| bench.admit().unwrap()).collect();
    assert_eq!(bench.machine.state(), BreakerState::HalfOpen);
    let too_many = bench.admit().unwrap_err();
    assert!(too_many.to_string().contains("as many probes"), "{too_many}");
    assert_eq!(bench.end(probes[0], Verdict::Passed), BreakerState::HalfOpen);
    assert!(bench.admit().is_err(), "one has passed and two are under way: that is all it asked for");
    assert_eq!(bench.end(probes[1], Verdict::Passed), BreakerState::HalfOpen);
    assert_eq!(bench.end(probes[2], Verdict::Passed), BreakerState::Closed);
    assert_eq!(bench.machine.tally(bench.now).calls, 0, "it closes with an empty window");
}

#[test]
fn a_probe_that_is_lost_or_says_nothing_gives_its_place_back() {
    let mut bench = Bench::new(BreakerConfig::new().probes(1));
    bench.break_it();
    bench.pass(secs(1));
    for _ in 0..10 {
        let probe = bench.admit().unwrap();
        assert!(bench.admit().is_err());
        bench.machine.give_back(probe);
        let refused = bench.admit().unwrap();
        assert_eq!(bench.end(refused, Verdict::Ignored), BreakerState::HalfOpen);
    }
    assert_eq!(bench.call(Verdict::Passed), BreakerState::Closed);
}

#[test]
fn probes_of_which_nothing_is_heard_are_given_up() {
    let mut bench = Bench::new(BreakerConfig::new());
    bench.break_it();
    bench.pass(secs(1));
    let lost: Vec<_> = (0..3).map(|_| bench.admit().unwrap()).collect();
    bench.pass(secs(59));
    assert!(bench.admit().is_err() && !bench.machine.is_ready(bench.now, &bench.config));
    bench.pass(secs(1));
    assert!(bench.machine.is_ready(bench.now, &bench.config));
    let probes: Vec<_> = (0..3).map(|_| bench.admit().unwrap()).collect();
    assert!(bench.admit().is_err());
    assert_eq!(bench.end(lost[0], Verdict::Failed), BreakerState::HalfOpen, "it comes too late to count");
    bench.machine.give_back(lost[1]);
    assert!(bench.admit().is_err());
    probes.into_iter().for_each(|probe| assert_ne!(bench.end(probe, Verdict::Passed), BreakerState::Open));
    assert_eq!(bench.machine.state(), BreakerState::Closed);
}

#[test]
fn what_began_before_a_change_counts_no_more() {
    let mut bench = Bench::new(BreakerConfig::new());
    let early = bench.admit().unwrap();
    let another = bench.admit().unwrap();
    bench.break_it();
    bench.pass(secs(1));
    let probe = bench.admit().unwrap();
    assert_eq!(bench.end(early, Verdict::Failed), BreakerState::HalfOpen);
    bench.machine.give_back(another);
    assert_eq!(bench.end(probe, Verdict::Failed), BreakerState::Open);
    assert_eq!(bench.left(), secs(2));
}

#[test]
fn the_time_of_being_open_grows_and_shrinks_again() {
    let mut bench = Bench::new(BreakerConfig::new());
    bench.break_it();
    for expected in [1, 2, 4, 8, 16, 32, 60, 60] {
        assert_eq!(bench.left(), secs(expected));
        bench.pass(secs(expected));
        bench.call(Verdict::Failed);
    }
    let heal = |bench: &mut Bench| {
        let left = bench.left();
        bench.pass(left);
        (0..3).for_each(|_| assert_ne!(bench.call(Verdict::Passed), BreakerState::Open));
        assert_eq!(bench.machine.state(), BreakerState::Closed);
    };
    heal(&mut bench);
    bench.pass(secs(9)).break_it();
    assert_eq!(bench.left(), secs(60), "nine seconds take nothing back");
    heal(&mut bench);
    bench.pass(secs(20)).break_it();
    assert_eq!(bench.left(), secs(16), "twenty take two of six doublings back");
    heal(&mut bench);
    bench.pass(secs(3_600)).break_it();
    assert_eq!(bench.left(), secs(1));
}

#[test]
fn jitter_moves_the_time_of_being_open_by_a_fifth_at_most() {
    for (throw, expected) in [(Throw(0), 0.8), (EVEN, 1.0), (Throw(u64::MAX), 1.2)] {
        let mut bench = Bench::new(BreakerConfig::new());
        for _ in 0..20 {
            let permit = bench.admit().unwrap();
            bench.machine.handle_end(bench.now, throw, &bench.config, permit, Verdict::Failed);
        }
        assert!((bench.left().as_secs_f64() - expected).abs() < 1e-6, "{:?}", bench.left());
    }
}

#[test]
fn settings_beyond_reason_neither_panic_nor_overflow() {
    let config = BreakerConfig::new().window(Duration::ZERO, 0).min_calls(0).ratio(f64::NAN).probes(0);
    let mut bench = Bench::new(config.open(Duration::MAX, Duration::MAX));
    assert_eq!(bench.call(Verdict::Failed), BreakerState::Open);
    assert_eq!(bench.left(), limits::BREAKER_OPEN_LIMIT);
    let mut bench = Bench::new(BreakerConfig::new().last_calls(5).ratio(-1.0));
    (0..4).for_each(|_| assert_eq!(bench.call(Verdict::Passed), BreakerState::Closed));
    assert_eq!(
        bench.call(Verdict::Failed),
        BreakerState::Open,
        "no more calls are asked for than are counted"
    );
}

#[test]
fn an_operator_is_obeyed_until_the_breaker_is_released() {
    let mut bench = Bench::new(BreakerConfig::new());
    let now = bench.now;
    assert!(bench.machine.hold(now, BreakerState::Open).is_some());
    assert!(bench.machine.hold(now, BreakerState::Open).is_none());
    let held = bench.pass(secs(100)).admit().unwrap_err();
    assert_eq!(held.to_string(), "was opened by an operator 100.0s ago, and stays open until it is released");
    bench.machine.hold(now, BreakerState::Closed);
    for _ in 0..50 {
        assert_eq!(bench.call(Verdict::Failed), BreakerState::Closed);
    }
    assert_eq!(bench.machine.tally(bench.now).failures, 50, "it counts while it is held");
    assert!(bench.machine.release(bench.now).is_some());
    assert!(bench.machine.release(bench.now).is_none());
    bench.break_it();
}

// ----- against a model -----

/// The breaker as its document tells it, with a list of all calls in place of a window and of all permits in place of
/// counters.
struct Model {
    state: BreakerState,
    /// The calls since it closed: when, and whether each failed.
    calls: Vec<(Duration, bool)>,
    until: Duration,
    closed_since: Duration,
    doublings: u32,
    passed: usize,
    /// When the latest probe was let through.
    latest: Duration,
    /// The permits of the present state, by their numbers.
    valid: Vec<usize>,
}

impl Model {
    const PROBES: usize = 3;

    fn admit(&mut self, at: Duration, number: usize) -> bool {
        if self.state == BreakerState::Open && self.until <= at {
            (self.state, self.passed, self.valid) = (BreakerState::HalfOpen, 0, Vec::new());
            self.latest = at;
        }
        if self.state == BreakerState::HalfOpen && at - self.latest >= secs(60) {
            self.valid.clear();
        }
        let admits = match self.state {
            BreakerState::Closed => true,
            BreakerState::Open => false,
            BreakerState::HalfOpen => self.valid.len() + self.passed < Self::PROBES,
        };
        if admits {
            self.valid.push(number);
            self.latest = at;
        }
        admits
    }

    fn end(&mut self, at: Duration, number: usize, verdict: Option<Verdict>) {
        let Some(place) = self.valid.iter().position(|valid| *valid == number) else { return };
        self.valid.remove(place);
        let (Some(verdict), state) = (verdict.filter(|verdict| *verdict != Verdict::Ignored), self.state)
        else {
            return;
        };
        let failed = verdict == Verdict::Failed;
        if state == BreakerState::HalfOpen {
            self.passed += usize::from(!failed);
            if failed {
                self.open(at);
            } else if self.passed == Self::PROBES {
                (self.state, self.closed_since) = (BreakerState::Closed, at);
                (self.calls, self.valid) = (Vec::new(), Vec::new());
            }
            return;
        }
        self.calls.push((at, failed));
        let recent = |then: Duration| at.as_secs() - then.as_secs() < 10;
        let window: Vec<_> = self.calls.iter().filter(|(then, _)| recent(*then)).collect();
        let failures = window.iter().filter(|(_, failed)| *failed).count();
        if window.len() >= 20 && failures * 2 >= window.len() {
            let stretches = (at - self.closed_since).as_secs() / 10;
            self.doublings = self.doublings.saturating_sub(stretches as u32);
            self.open(at);
        }
    }

    fn open(&mut self, at: Duration) {
        let open = secs(60).min(secs(1 << self.doublings));
        (self.state, self.until, self.valid) = (BreakerState::Open, at + open, Vec::new());
        self.doublings = (self.doublings + 1).min(6);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Begin,
    /// Ends one of those under way: with a verdict, or dropped.
    End(prop::sample::Index, Option<Verdict>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let verdict = prop_oneof![
        4 => Just(Some(Verdict::Failed)),
        3 => Just(Some(Verdict::Passed)),
        1 => Just(Some(Verdict::Ignored)),
        1 => Just(None),
    ];
    let step = prop_oneof![
        30 => (1_u64..4_000).prop_map(Step::Wait),
        1 => Just(Step::Wait(60_000)),
        180 => Just(Step::Begin),
        180 => (any::<prop::sample::Index>(), verdict).prop_map(|(which, verdict)| Step::End(which, verdict)),
    ];
    prop::collection::vec(step, 1..600)
}

proptest! {
    #[test]
    fn it_does_what_its_document_says(steps in steps()) {
        let mut bench = Bench::new(BreakerConfig::new());
        let start = bench.now;
        let mut model = Model {
            state: BreakerState::Closed,
            calls: Vec::new(),
            until: Duration::ZERO,
            closed_since: Duration::ZERO,
            doublings: 0,
            passed: 0,
            latest: Duration::ZERO,
            valid: Vec::new(),
        };
        let mut under_way = Vec::new();
        for (number, step) in steps.into_iter().enumerate() {
            let at = bench.now - start;
            match step {
                Step::Wait(millis) => drop(bench.pass(Duration::from_millis(millis))),
                Step::Begin => {
                    let admitted = bench.admit();
                    prop_assert_eq!(admitted.is_ok(), model.admit(at, number));
                    under_way.extend(admitted.ok().map(|permit| (number, permit)));
                }
                Step::End(which, verdict) if !under_way.is_empty() => {
                    let (number, permit) = under_way.swap_remove(which.index(under_way.len()));
                    match verdict {
                        Some(verdict) => drop(bench.end(permit, verdict)),
                        None => bench.machine.give_back(permit),
                    }
                    model.end(at, number, verdict);
                }
                Step::End(..) => {}
            }
            prop_assert_eq!(bench.machine.state(), model.state);
            prop_assert_eq!(bench.machine.left(bench.now).is_some(), model.state == BreakerState::Open);
        }
    }
}

// ----- the wrapper -----

/// A caller that fails while it is told to.
fn patient() -> (Scripted, Arc<Mutex<bool>>) {
    let broken = Arc::new(Mutex::new(false));
    let script = Arc::clone(&broken);
    let caller = Scripted::new(move |request| {
        let result = if *script.lock() { lost() } else { answer(b"x") };
        async move {
            match request.method() {
                "S.never" => std::future::pending().await,
                "S.overload" => Err(RpcError::new(Code::RESOURCE_EXHAUSTED, Delivery::Refused, "enough")),
                _ => result,
            }
        }
    });
    (caller, broken)
}

#[derive(Default)]
struct Heard(Mutex<Vec<String>>, AtomicU32);

impl Observer for Heard {
    fn breaker_changed(&self, breaker: &str, from: BreakerState, to: BreakerState) {
        self.0.lock().push(format!("{breaker}: {from} to {to}"));
    }

    fn call_held_back(&self, why: HeldBack) {
        assert_eq!(why, HeldBack::Breaker);
        self.1.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(start_paused = true)]
async fn calls_are_ended_while_it_is_open_and_told_since_when_and_until_when() {
    let (inner, broken) = patient();
    let heard = Arc::new(Heard::default());
    let breaker = Breaker::observed(BreakerConfig::new().named("orders").seed(7), heard.clone());
    let caller = breaker.around(inner.clone());
    *broken.lock() = true;
    for _ in 0..20 {
        assert_eq!(caller.call(request("S.m")).await.unwrap_err().delivery(), Delivery::Unknown);
    }
    tokio::time::advance(Duration::from_millis(500)).await;
    let error = caller.call(request("S.m")).await.unwrap_err();
    assert_eq!(
        (error.code(), error.delivery(), error.is_resend()),
        (Code::UNAVAILABLE, Delivery::NotSent, false)
    );
    let start = "the circuit breaker `orders` has been open for 500.0ms, because 20 of 20 calls had failed; it \
                 lets a probe through in ";
    assert!(error.message().starts_with(start), "{error}");
    assert_eq!(inner.began(), 20, "what is held back does not come to the endpoint");
    let known = breaker.snapshot();
    assert_eq!((known.state, known.opened, known.held_back), (BreakerState::Open, 1, 1));
    assert!(!breaker.is_ready());

    *broken.lock() = false;
    tokio::time::advance(known.open_for.unwrap()).await;
    assert!(breaker.is_ready());
    for _ in 0..3 {
        caller.call(request("S.m")).await.unwrap();
    }
    assert_eq!(breaker.state(), BreakerState::Closed);
    let changes =
        ["closed to open", "open to half_open", "half_open to closed"].map(|c| format!("orders: {c}"));
    assert_eq!(*heard.0.lock(), changes);
    assert_eq!(heard.1.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn overload_cancelled_calls_and_calls_without_time_do_not_open_it() {
    let (inner, broken) = patient();
    let breaker = Breaker::new(BreakerConfig::new().last_calls(10).min_calls(5));
    let caller = breaker.around(inner.clone());
    for _ in 0..50 {
        caller.call(request("S.overload")).await.unwrap_err();
        let given_up = tokio::time::timeout(Duration::from_millis(1), caller.call(request("S.never")));
        assert!(given_up.await.is_err());
    }
    *broken.lock() = true;
    let late = Deadline::at(tokio::time::Instant::now().into_std());
    for _ in 0..50 {
        let mut request = request("S.m");
        request.limit_deadline(late);
        caller.call(request).await.unwrap_err();
    }
    let known = breaker.snapshot();
    assert_eq!((known.state, known.calls), (BreakerState::Closed, 0));
    assert_eq!(inner.began(), 150);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_dropped_leaves_its_place_to_the_next() {
    let (inner, broken) = patient();
    let breaker = Breaker::new(BreakerConfig::new().last_calls(1).probes(1));
    let caller = breaker.around(inner);
    *broken.lock() = true;
    caller.call(request("S.m")).await.unwrap_err();
    *broken.lock() = false;
    tokio::time::advance(Duration::from_secs(2)).await;
    let mut probe = caller.call(request("S.never"));
    assert!((&mut probe).now_or_never().is_none());
    assert!(caller.call(request("S.m")).await.is_err(), "the one probe is under way");
    drop(probe);
    caller.call(request("S.m")).await.unwrap();
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn methods_have_breakers_of_their_own_if_asked_and_operators_hold_them_all() {
    let (inner, broken) = patient();
    let breaker =
        Breaker::observed(BreakerConfig::new().last_calls(1).per_method(), Arc::new(Counters::new()));
    let caller = breaker.around(inner);
    *broken.lock() = true;
    caller.call(request("S.broken")).await.unwrap_err();
    *broken.lock() = false;
    let error = caller.call(request("S.broken")).await.unwrap_err();
    assert!(error.message().contains("`breaker S.broken`"), "{error}");
    caller.call(request("S.well")).await.unwrap();
    assert_eq!(breaker.snapshot_of("S.broken").unwrap().state, BreakerState::Open);
    assert_eq!(breaker.snapshot_of("S.well").unwrap().state, BreakerState::Closed);
    assert_eq!(breaker.snapshot_of("S.other"), None);

    breaker.hold_open();
    for method in ["S.well", "S.other"] {
        let error = caller.call(request(method)).await.unwrap_err();
        assert!(error.message().contains("an operator"), "{error}");
    }
    breaker.hold_closed();
    caller.call(request("S.broken")).await.unwrap();
    breaker.release();
    assert!(!breaker.snapshot_of("S.broken").unwrap().is_held);
    caller.call(request("S.broken")).await.unwrap();
}
