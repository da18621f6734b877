//! The limit in virtual time: the gate against its invariants, and the wrapper around calls.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::join_all;
use proptest::prelude::*;

use crate::call::{Caller, Code, Deadline, Delivery, Request, SharedDice};
use crate::observe::Counters;
use crate::policy::limit::gate::{Entry, Gate};
use crate::policy::limit::sample::Said;
use crate::policy::limit::{Limit, LimitConfig};
use crate::policy::scripted::{Scripted, answer, impatient, request};

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Enter(u64),
    Leave(prop::sample::Index),
    End(prop::sample::Index, bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (1_u64..30).prop_map(Step::Wait),
        4 => (0_u64..3).prop_map(Step::Enter),
        1 => any::<prop::sample::Index>().prop_map(Step::Leave),
        3 => (any::<prop::sample::Index>(), any::<bool>()).prop_map(|(which, well)| Step::End(which, well)),
    ]
}

fn configs() -> impl Strategy<Value = LimitConfig> {
    prop_oneof![
        (1_usize..8).prop_map(LimitConfig::concurrency),
        (1_usize..8).prop_map(|most| LimitConfig::adaptive(1..=most)),
        (1_u32..8).prop_map(|burst| LimitConfig::rate(100.0, burst)),
        (1_usize..8).prop_map(|calls| LimitConfig::rate(100.0, 2).with_concurrency(calls)),
    ]
}

proptest! {
    /// Nobody is lost, nobody starts twice, and nobody waits where there is a place for him.
    #[test]
    fn the_gate_loses_nobody(
        config in configs(),
        is_shared: bool,
        steps in prop::collection::vec(step(), 1..400),
    ) {
        let mut now = now();
        let mut gate: Gate = config.queue(8).gate(now, is_shared);
        let (mut at_work, mut waiting): (Vec<Instant>, BTreeMap<u64, u64>) = (Vec::new(), BTreeMap::new());
        for step in steps {
            match step {
                Step::Wait(millis) => now += Duration::from_millis(millis),
                Step::Enter(key) => {
                    let is_open = gate.is_open(now);
                    let entry = gate.enter(now, key);
                    prop_assert_eq!(entry == Entry::Started, is_open);
                    match entry {
                        Entry::Started => at_work.push(now),
                        Entry::Waits(ticket) => prop_assert!(waiting.insert(ticket, key).is_none()),
                        Entry::Full => prop_assert!(!waiting.is_empty()),
                    }
                }
                Step::Leave(which) if !waiting.is_empty() => {
                    let (ticket, key) = waiting.iter().nth(which.index(waiting.len())).unwrap();
                    let (ticket, key) = (*ticket, *key);
                    waiting.remove(&ticket);
                    gate.leave(key, ticket);
                }
                Step::End(which, well) if !at_work.is_empty() => {
                    let began = at_work.swap_remove(which.index(at_work.len()));
                    gate.end(now, began, if well { Said::Answer } else { Said::Overload });
                }
                Step::Leave(_) | Step::End(..) => {}
            }
            while let Some(ticket) = gate.poll_start(now) {
                prop_assert!(waiting.remove(&ticket).is_some(), "it started, and did not wait");
                at_work.push(now);
            }
            prop_assert_eq!(gate.at_work(), at_work.len());
            prop_assert_eq!(gate.queue().len(), waiting.len());
            prop_assert!(waiting.len() <= 8);
            // The limit of an adaptive gate may fall below what is at work, and nobody starts then.
            let held_by_rate = gate.looks_again_at(now).is_some_and(|(_, at)| at > now);
            prop_assert!(waiting.is_empty() || gate.at_work() >= gate.limit() || held_by_rate);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a test may ask for any instant to start from")]
fn now() -> Instant {
    Instant::now()
}

/// A caller whose calls take 100 ms, and which knows how many are at work at most.
fn slow() -> (Scripted, Arc<AtomicUsize>) {
    let (most, at_work) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&most);
    let caller = Scripted::new(move |_: Request| {
        let (seen, at_work) = (Arc::clone(&seen), Arc::clone(&at_work));
        async move {
            let guard = Counted::new(&at_work);
            seen.fetch_max(at_work.load(Ordering::Relaxed), Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(100)).await;
            drop(guard);
            answer(b"x")
        }
    });
    (caller, most)
}

struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[tokio::test(start_paused = true)]
async fn calls_beyond_the_limit_wait_their_turn_and_those_beyond_the_queue_are_refused() {
    let (inner, most) = slow();
    let counters = Arc::new(Counters::new());
    let limit = Limit::observed(LimitConfig::concurrency(3).queue(6).named("orders"), counters.clone());
    let caller = limit.around(inner.clone());
    let began = tokio::time::Instant::now();
    let results = join_all((0..10).map(|_| caller.call(request("S.m")).map(|r| (r, began.elapsed())))).await;
    assert_eq!(most.load(Ordering::Relaxed), 3);
    let took: Vec<_> = results.iter().map(|(_, took)| took.as_millis()).collect();
    assert_eq!(took, [100, 100, 100, 200, 200, 200, 300, 300, 300, 0], "first come, first served");
    let error = results[9].0.as_ref().unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::RESOURCE_EXHAUSTED, Delivery::NotSent));
    assert!(error.message().contains("`orders` of this client is reached: 3 calls are at work and 6 wait"));
    assert_eq!(inner.began(), 9);
    let known = limit.snapshot();
    assert_eq!((known.limit, known.at_work, known.waiting, known.refused), (Some(3), 0, 0, 1));
    assert_eq!(counters.snapshot().held_back["limit"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_no_longer_than_its_deadline_and_is_sent_with_what_is_left() {
    let seen = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let script = Arc::clone(&seen);
    let limit = Limit::new(LimitConfig::concurrency(1));
    let caller = limit.around(Scripted::new(move |request: Request| {
        script.lock().push(request.timeout());
        async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            answer(b"x")
        }
    }));
    let with = |timeout: u64| {
        let mut request = request("S.m");
        request.set_timeout(Duration::from_millis(timeout));
        caller.call(request)
    };
    let mut inherited = request("S.m");
    inherited
        .limit_deadline(Deadline::after(tokio::time::Instant::now().into_std(), Duration::from_millis(50)));
    let began = tokio::time::Instant::now();
    let timed =
        |call: crate::policy::limit::LimitCall<Scripted>| call.map(move |r| (r, began.elapsed().as_millis()));
    let calls = [with(400), with(200), with(400), caller.call(inherited)].map(timed);
    let results = join_all(calls).await;
    for (at, expected) in [(1, 200), (3, 50)] {
        let (result, took) = &results[at];
        let error = result.as_ref().unwrap_err();
        assert_eq!((error.code(), error.delivery()), (Code::DEADLINE_EXCEEDED, Delivery::NotSent));
        assert!(error.message().contains("waiting for a place of the limit `limit`"), "{error}");
        assert_eq!(*took, expected);
    }
    let millis = |time| Some(Duration::from_millis(time));
    assert_eq!(*seen.lock(), [millis(400), millis(100)], "the second one has waited for 300 ms");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_at_any_moment_leaves_its_place_to_the_next() {
    let (inner, _) = slow();
    let limit = Limit::new(LimitConfig::concurrency(1));
    let caller = limit.around(inner);
    let mut working = caller.call(request("S.m"));
    assert!((&mut working).now_or_never().is_none());
    let mut waiting: Vec<_> = (0..3).map(|_| caller.call(request("S.m"))).collect();
    assert!(waiting.iter_mut().all(|call| call.now_or_never().is_none()));
    // One in the middle of the queue; then the one at work, whose place the first one gets, who is dropped before it knows.
    drop(waiting.remove(1));
    drop(working);
    drop(waiting.remove(0));
    let known = limit.snapshot();
    assert_eq!((known.at_work, known.waiting), (1, 0), "the last one has the place");
    waiting.remove(0).await.unwrap();
    assert_eq!(limit.snapshot().at_work, 0);
}

#[tokio::test(start_paused = true)]
async fn a_rate_spreads_calls_evenly_after_its_burst() {
    let inner = Scripted::new(|_| async { answer(b"x") });
    let limit = Limit::new(LimitConfig::rate(100.0, 3));
    let caller = limit.around(inner);
    let began = tokio::time::Instant::now();
    let mut calls: Vec<_> = (0..8).map(|_| caller.call(request("S.m"))).collect();
    // Polled once in their order; the fifth gives up while it waits.
    let first: Vec<_> = calls.iter_mut().map(|call| call.now_or_never().is_some()).collect();
    assert_eq!(first, [true, true, true, false, false, false, false, false]);
    drop(calls.drain(..3));
    drop(calls.remove(1));
    let took = join_all(calls.into_iter().map(|call| call.map(|_| began.elapsed().as_millis()))).await;
    assert_eq!(took, [10, 20, 30, 40]);
}

/// Many threads, callers that leave after any number of polls, and nobody who waits in vain: a wake that is lost, or a place, ends
/// in the timeout.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn threads_that_come_and_go_never_exceed_it_and_leave_nothing() {
    let (most, at_work) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&most);
    let inner = Scripted::new(move |_: Request| {
        let (seen, at_work) = (Arc::clone(&seen), Arc::clone(&at_work));
        async move {
            let _guard = Counted::new(&at_work);
            seen.fetch_max(at_work.load(Ordering::Relaxed), Ordering::Relaxed);
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
            answer(b"x")
        }
    });
    let limit = Limit::new(LimitConfig::concurrency(4));
    let tasks = (0..16).map(|number| {
        let (caller, dice) = (limit.around(inner.clone()), SharedDice::new(number));
        tokio::spawn(async move {
            for _ in 0..300 {
                let polls = dice.throw().0 % 12;
                impatient(caller.call(request("S.m")), Some(polls).filter(|polls| *polls < 8)).await;
            }
        })
    });
    let all = tokio::time::timeout(Duration::from_secs(60), join_all(tasks.collect::<Vec<_>>()));
    assert!(all.await.expect("somebody waits in vain").into_iter().all(|task| task.is_ok()));
    let known = limit.snapshot();
    assert_eq!((known.at_work, known.waiting, known.refused), (0, 0, 0));
    assert_eq!(most.load(Ordering::Relaxed), 4);
}
