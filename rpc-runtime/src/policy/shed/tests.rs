//! Load shedding in virtual time: overload, fairness between connections, and what becomes of those that wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::call::{
    CallResult, Code, Deadline, Delivery, Handler, HandlerFuture, Metadata, MethodDescriptor, Payload, Peer,
    Request, SharedDice,
};
use crate::policy::limit::LimitConfig;
use crate::policy::scripted::answer;
use crate::policy::shed::{Shed, ShedConfig};

static METHOD: MethodDescriptor = MethodDescriptor::new("m", "S.m", 0);
const MS: Duration = Duration::from_millis(1);

/// A service with ten workers; a call takes one of them for 15 to 25 ms, and waits for it for as long as it must.
struct Workers {
    free: Arc<Semaphore>,
    dice: Arc<SharedDice>,
    /// Calls whose work was done.
    done: Arc<AtomicU64>,
}

impl Workers {
    const MANY: usize = 10;
    const WORK: f64 = 0.020;

    fn new() -> Self {
        Self {
            free: Arc::new(Semaphore::new(Self::MANY)),
            dice: Arc::new(SharedDice::new(7)),
            done: Arc::default(),
        }
    }
}

impl Handler for Workers {
    fn handle(&self, request: Request) -> HandlerFuture {
        let (free, done) = (Arc::clone(&self.free), Arc::clone(&self.done));
        let work = Self::WORK * self.dice.throw().around_one(0.25);
        HandlerFuture::new(async move {
            let _worker = free.acquire().await;
            tokio::time::sleep(Duration::from_secs_f64(work)).await;
            done.fetch_add(1, Ordering::Relaxed);
            answer(request.arguments().bytes())
        })
    }
}

/// A call from this connection, which has so much time.
fn request(instance: u64, timeout: Duration) -> Request {
    let deadline = Deadline::after(Instant::now().into_std(), timeout);
    let mut peer = Peer::new("tcp://127.0.0.1:5", None);
    peer.introduce("", instance);
    let mut request =
        Request::received("S.m".into(), Payload::default(), Metadata::new(), Some(deadline), peer);
    request.set_route(0, &METHOD);
    request
}

/// What the calls of one connection came to.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    offered: u32,
    answered: u32,
    refused: u32,
    /// No answer within the deadline, as the driver of a connection sees it.
    late: u32,
    /// How many refusals took longer than 5 ms.
    slow: u32,
}

/// Offers calls of a second's deadline for ten seconds, at these rates a second from as many connections.
async fn offer(handler: Arc<dyn Handler>, rates: &[f64]) -> Vec<Tally> {
    let (dice, mut tallies) = (SharedDice::new(11), vec![Tally::default(); rates.len()]);
    let (ends, mut ended) = tokio::sync::mpsc::unbounded_channel();
    for tick in 0..10_000_u32 {
        for (peer, rate) in rates.iter().enumerate() {
            // Ten draws a millisecond: a Poisson process, but for what comes twice in a tenth of it.
            let arrivals = (0..10).filter(|_| dice.throw().unit() < rate / 10_000.0).count();
            for _ in 0..arrivals {
                tallies[peer].offered += 1;
                let (call, ends) = (handler.handle(request(peer as u64, MS * 1_000)), ends.clone());
                let began = Instant::now();
                tokio::spawn(async move {
                    let result = tokio::time::timeout(MS * 1_000, call).await;
                    let _ = ends.send((peer, tick, result.ok(), began.elapsed()));
                });
            }
        }
        tokio::time::sleep(MS).await;
    }
    drop(ends);
    while let Some((peer, _, result, took)) = ended.recv().await {
        count(&mut tallies[peer], result, took);
    }
    tallies
}

fn count(tally: &mut Tally, result: Option<CallResult>, took: Duration) {
    match result {
        None => tally.late += 1,
        Some(Ok(_)) => tally.answered += 1,
        Some(Err(error)) => {
            assert_eq!((error.code(), error.delivery()), (Code::RESOURCE_EXHAUSTED, Delivery::Refused));
            assert!(error.is_resend());
            tally.refused += 1;
            tally.slow += u32::from(took > MS * 5);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn overload_costs_no_goodput_and_is_refused_at_once() {
    // What the ten workers can do, in ten seconds.
    let could = Workers::MANY as f64 / Workers::WORK;
    // An adaptive limit is wrong for as long as it learns: of those that come meanwhile, a few wait in vain.
    let configs = [(LimitConfig::concurrency(Workers::MANY), 0.0), (LimitConfig::adaptive(1..=1_000), 0.005)];
    for (config, in_vain) in configs {
        let mut peak = 0;
        for load in [1.0, 2.0, 5.0, 10.0] {
            let shed = Shed::new(ShedConfig::new(config.clone()));
            let handler = Arc::new(shed.around(Workers::new()));
            let tally = offer(handler, &[could * load]).await[0];
            println!("{load:>4} × {config:?}: {tally:?}");
            peak = peak.max(tally.answered);
            assert!(f64::from(tally.answered) >= 0.9 * f64::from(peak), "{load} ×: {tally:?}, peak {peak}");
            assert!(f64::from(tally.slow + tally.late) <= in_vain * f64::from(tally.offered), "{tally:?}");
            if load > 1.0 {
                assert!(tally.refused > tally.offered / 3, "there was no overload: {tally:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_it_overload_leaves_no_goodput() {
    let workers = Workers::new();
    let done = Arc::clone(&workers.done);
    let tally = offer(Arc::new(workers), &[1_000.0]).await[0];
    assert!(tally.answered < tally.offered / 4, "this is no overload: {tally:?}");
    assert!(done.load(Ordering::Relaxed) > 0);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_asks_for_all_does_not_push_others_out() {
    let shed = Shed::new(ShedConfig::new(LimitConfig::concurrency(Workers::MANY)));
    let handler = Arc::new(shed.around(Workers::new()));
    let tallies = offer(handler, &[4_000.0, 100.0]).await;
    let share = |tally: &Tally| f64::from(tally.answered) / f64::from(tally.offered);
    assert!(share(&tallies[1]) >= 0.99, "{tallies:?}");
    assert!(share(&tallies[0]) < 0.2, "{tallies:?}");
}

#[tokio::test(start_paused = true)]
async fn one_that_waits_until_it_is_too_late_is_told_before_its_deadline() {
    let shed = Shed::new(ShedConfig::new(LimitConfig::concurrency(1)));
    let handler = shed.around(Stuck);
    let mut stuck = handler.handle(request(1, MS * 60_000));
    assert!((&mut stuck).now_or_never().is_none());
    let began = Instant::now();
    let error = handler.handle(request(1, MS * 300)).await.unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::RESOURCE_EXHAUSTED, Delivery::Refused));
    assert!(error.message().contains("1 calls are at work and 1 wait"), "{error}");
    assert_eq!(began.elapsed(), MS * 300, "nobody knows yet what a call takes");
    let known = shed.snapshot();
    assert_eq!((known.at_work, known.waiting, known.refused, known.dropped), (1, 0, 0, 1));
    drop(stuck);
    assert_eq!(shed.snapshot().at_work, 0);
}

#[tokio::test(start_paused = true)]
async fn what_takes_longer_than_its_callers_wait_is_known_to() {
    let shed = Shed::new(ShedConfig::new(LimitConfig::concurrency(1)));
    let handler = shed.around(Stuck);
    // As the driver of a connection does it: the handler is dropped at its deadline.
    assert!(tokio::time::timeout(MS * 200, handler.handle(request(1, MS * 200))).await.is_err());
    let _stuck = handler.handle(request(1, MS * 60_000));
    let error = handler.handle(request(2, MS * 300)).await.unwrap_err();
    let expected =
        "would wait for 200.0ms and take 200.0ms, and has 300.0ms left; it would take another one in 200.0ms";
    assert!(error.message().ends_with(expected), "{error}");
    assert_eq!(error.retry_after(), Some(MS * 200));
    assert_eq!(shed.snapshot().refused, 1);
}

/// Never answers.
struct Stuck;

impl Handler for Stuck {
    fn handle(&self, _: Request) -> HandlerFuture {
        HandlerFuture::new(std::future::pending())
    }
}
