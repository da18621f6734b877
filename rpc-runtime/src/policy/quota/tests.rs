//! Quotas in virtual time: who is over his, who is not, and what a caller cannot gain by being many.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use proptest::prelude::*;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::call::{
    Batch, CallResult, Code, Delivery, Handler, HandlerFuture, Identity, ItemSource, Items, Metadata,
    Payload, Peer, Request, Response,
};
use crate::limits;
use crate::policy::quota::table::{Seat, Table};
use crate::policy::quota::{Quota, Quotas};
use crate::policy::scripted::answer;

const MS: Duration = Duration::from_millis(1);

/// Answers when the test lets it, or at once.
#[derive(Clone)]
struct Gated(Arc<Semaphore>);

impl Handler for Gated {
    fn handle(&self, request: Request) -> HandlerFuture {
        let gate = Arc::clone(&self.0);
        HandlerFuture::new(async move {
            gate.acquire().await.unwrap().forget();
            answer(request.arguments().bytes())
        })
    }
}

fn request(address: &str, identity: Option<Identity>) -> Request {
    Request::received("S.m".into(), Payload::default(), Metadata::new(), None, Peer::new(address, identity))
}

fn of(name: &str) -> Request {
    request("tcp://10.0.0.7:4000", Some(Identity::new([name])))
}

#[tokio::test(start_paused = true)]
async fn one_caller_s_calls_at_work_are_counted_for_him_alone() {
    let (quotas, gate) = (Quotas::new(Quota::in_flight(2)), Arc::new(Semaphore::new(0)));
    let handler = quotas.around(Gated(Arc::clone(&gate)));
    let mut at_work: Vec<_> = (0..2).map(|_| handler.handle(of("user:ada"))).collect();
    assert!(at_work.iter_mut().all(|call| call.now_or_never().is_none()));
    let error = handler.handle(of("user:ada")).await.unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::RESOURCE_EXHAUSTED, Delivery::Refused));
    assert_eq!(error.retry_after(), Some(limits::QUOTA_LATER));
    assert!(!error.is_resend());
    let text = "the quota is used up: user:ada has 2 calls at work already (`Quota::in_flight`)";
    assert!(error.message().starts_with(text), "{error}");
    let mut other = handler.handle(of("user:eve"));
    assert!((&mut other).now_or_never().is_none());
    assert_eq!((quotas.snapshot().callers, quotas.snapshot().refused), (2, 1));
    // One ends, one is given up: both places are free again.
    gate.add_permits(1);
    at_work.remove(0).await.unwrap();
    at_work.clear();
    gate.add_permits(3);
    other.await.unwrap();
    for _ in 0..2 {
        handler.handle(of("user:ada")).await.unwrap();
    }
    assert_eq!(quotas.snapshot().refused, 1);
}

#[tokio::test(start_paused = true)]
async fn a_rate_says_when_the_next_call_may_come() {
    let handler = Quotas::new(Quota::rate(10.0, 3)).around(Gated(Arc::new(Semaphore::new(1_000))));
    for _ in 0..3 {
        handler.handle(of("user:ada")).await.unwrap();
    }
    let error = handler.handle(of("user:ada")).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(MS * 100));
    assert!(error.message().contains("begun as many calls as may in this time (`Quota::rate`)"), "{error}");
    handler.handle(of("user:eve")).await.unwrap();
    tokio::time::advance(MS * 99).await;
    assert!(handler.handle(of("user:ada")).await.is_err());
    tokio::time::advance(MS).await;
    handler.handle(of("user:ada")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn exceptions_go_by_names_and_roles_and_strangers_by_where_they_are() {
    let quotas = Quotas::new(Quota::in_flight(1))
        .except(["spiffe://shop/batch/*"], Quota::in_flight(2))
        .and_then(|quotas| quotas.except(["role:ops", "spiffe://shop/*"], Quota::in_flight(3)))
        .unwrap();
    let handler = quotas.around(Gated(Arc::new(Semaphore::new(0))));
    let most = |make: &dyn Fn(u32) -> Request| {
        let mut at_work = Vec::new();
        for number in 0.. {
            let mut call = handler.handle(make(number));
            if (&mut call).now_or_never().is_some() {
                break;
            }
            at_work.push(call);
        }
        at_work.len()
    };
    let ops = Identity::new(["user:ada"]).with_roles(["ops"]);
    assert_eq!(most(&|_| of("spiffe://shop/batch/night")), 2, "the first that names one counts");
    assert_eq!(most(&|_| of("spiffe://shop/till")), 3);
    assert_eq!(most(&|_| request("mem://x", Some(ops.clone()))), 3);
    assert_eq!(most(&|_| of("role:ops")), 1, "a name is no role");
    assert_eq!(most(&|number| request(&format!("tcp://[::1]:{number}"), None)), 1, "ports do not count");
    assert_eq!(
        most(&|number| request(&format!("tcp://10.0.0.{number}:7"), Some(Identity::new(["user:b"])))),
        1
    );
    assert!(quotas.except(["spiffe://shop*"], Quota::in_flight(1)).is_err());
}

/// Tells its end at the second poll.
struct Twice(u32);

impl ItemSource for Twice {
    fn poll_items(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut Batch,
    ) -> Poll<ControlFlow<CallResult>> {
        self.0 += 1;
        if self.0 < 2 { Poll::Pending } else { Poll::Ready(ControlFlow::Break(answer(b""))) }
    }
}

struct Streams;

impl Handler for Streams {
    fn handle(&self, _: Request) -> HandlerFuture {
        HandlerFuture::ready(Ok(Response::stream(Items::new(Twice(0)))))
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_at_work_until_it_ends_or_is_dropped() {
    let handler = Quotas::new(Quota::in_flight(1)).around(Streams);
    let mut stream = handler.handle(of("user:ada")).await.unwrap();
    handler.handle(of("user:ada")).await.unwrap_err();
    let mut items = stream.take_items().unwrap();
    let poll = |items: &mut Items| {
        let waker = futures::task::noop_waker();
        items.poll(&mut Context::from_waker(&waker), &mut Batch::new()).is_ready()
    };
    assert!(!poll(&mut items));
    handler.handle(of("user:ada")).await.unwrap_err();
    assert!(poll(&mut items), "it has ended");
    let second = handler.handle(of("user:ada")).await.unwrap();
    handler.handle(of("user:ada")).await.unwrap_err();
    drop(second);
    handler.handle(of("user:ada")).await.unwrap();
}

#[test]
fn callers_beyond_the_table_share_one_gate_until_somebody_has_gone() {
    let now = Instant::now().into_std();
    let quota = Quota::in_flight(2).with_rate(10.0, 2);
    let mut table = Table::new(now, 3, quota);
    let seats: Vec<_> = (1..=3).map(|caller| table.enter(now, caller, quota).unwrap()).collect();
    assert_eq!(seats, [Seat::Of(1), Seat::Of(2), Seat::Of(3)]);
    assert_eq!(table.enter(now, 4, quota), Ok(Seat::Shared));
    assert_eq!(table.enter(now, 5, quota), Ok(Seat::Shared));
    assert_eq!(table.enter(now, 6, quota).unwrap_err().seat, Seat::Shared);
    // One goes, whose rate remembers him: his place is not another's yet.
    table.leave(now, now, seats[0]);
    assert!(table.enter(now, 7, quota).is_err());
    let later = now + MS * 100;
    assert_eq!(table.enter(later, 7, quota), Ok(Seat::Of(7)));
    assert_eq!(table.len(), 3);
}

proptest! {
    /// Whatever comes and goes: nobody has more at work than his quota, nor begins more calls than his rate lets him, by having
    /// been forgotten least of all; and the table stays as small as it has to.
    #[test]
    fn nobody_gains_by_being_forgotten(
        steps in prop::collection::vec((0_u64..6, 0_u64..60, any::<bool>()), 1..400),
    ) {
        let (burst, interval) = (3_u32, MS * 20);
        let quota = Quota::in_flight(2).with_rate(50.0, burst);
        let begin = Instant::now().into_std();
        let (mut now, mut table) = (begin, Table::new(begin, 4, quota));
        let mut at_work: Vec<(u64, std::time::Instant, Seat)> = Vec::new();
        let mut begun: BTreeMap<u64, Vec<std::time::Instant>> = BTreeMap::new();
        for (caller, wait, leaves) in steps {
            now += MS * u32::try_from(wait / 4).unwrap();
            if leaves && let Some(at) = at_work.iter().position(|(whose, ..)| *whose == caller) {
                let (_, began, seat) = at_work.remove(at);
                table.leave(now, began, seat);
            } else if let Ok(seat) = table.enter(now, caller, quota) {
                at_work.push((caller, now, seat));
                if seat == Seat::Of(caller) {
                    begun.entry(caller).or_default().push(now);
                }
            }
            prop_assert!(table.len() <= 4);
            for seat in at_work.iter().map(|(.., seat)| *seat) {
                prop_assert!(at_work.iter().filter(|(.., other)| *other == seat).count() <= 2);
            }
            for times in begun.values() {
                for window in times.windows(burst as usize + 1) {
                    prop_assert!(window[burst as usize] - window[0] >= interval, "more than a burst at once");
                }
            }
        }
    }
}
