//! Three hops, of which the last one always fails: how many attempts each hop makes, exactly.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::future::join_all;
use tokio::time::Instant;
use traitwire::policy::{Budget, Policies, Policy};
use traitwire::{
    CallResult, Caller, Channel, Code, Delivery, Handler, HandlerFuture, MethodDescriptor, Payload, Request,
    Response, Service, ServiceDescriptor,
};

use crate::scripted::{STEADY, draining};

static HOP: ServiceDescriptor = ServiceDescriptor::new(
    "Hop",
    "",
    &[MethodDescriptor::new("go", "Hop.go", 0).idempotent().with_retry(STEADY)],
);

/// Calls the next one, or fails; counts the calls that it gets.
#[derive(Clone)]
struct Hop {
    next: Option<Channel>,
    seen: Arc<AtomicU32>,
    /// What the last one says.
    end: fn() -> CallResult,
}

impl Service for Hop {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        &HOP
    }
}

impl Handler for Hop {
    fn handle(&self, _: Request) -> HandlerFuture {
        self.seen.fetch_add(1, Ordering::SeqCst);
        match &self.next {
            None => HandlerFuture::ready((self.end)()),
            Some(next) => {
                let call = next.call(Request::new(&HOP.methods[0], Payload::default()));
                // As a service does: what went wrong behind it is an error of its own.
                HandlerFuture::new(async move {
                    Ok(match call.await {
                        Ok(answer) if !answer.is_app_error() => Response::value(Payload::default()),
                        Ok(_) | Err(_) => Response::app_error(Payload::new(b"behind".to_vec())),
                    })
                })
            }
        }
    }
}

/// A chain of three, and what each of them has seen.
fn chain(policies: &Policies, end: fn() -> CallResult) -> (Channel, [Arc<AtomicU32>; 3]) {
    let seen: [Arc<AtomicU32>; 3] = Default::default();
    let mut next = None;
    for seen in seen.iter().rev() {
        let hop = Hop { next: next.take(), seen: Arc::clone(seen), end };
        next = Some(Channel::builder().policies(policies.clone()).seed(7).loopback(hop));
    }
    (next.unwrap(), seen)
}

fn counts(seen: &[Arc<AtomicU32>; 3]) -> [u32; 3] {
    seen.each_ref().map(|seen| seen.load(Ordering::SeqCst))
}

async fn go(channel: &Channel) -> CallResult {
    channel.call(Request::new(&HOP.methods[0], Payload::default())).await
}

fn refused() -> CallResult {
    Err(draining())
}

#[tokio::test(start_paused = true)]
async fn attempts_do_not_multiply_over_hops() {
    let (channel, seen) = chain(&Policies::new().budget(Budget::Unlimited), refused);
    assert!(go(&channel).await.unwrap().is_app_error());
    // The last hop refused three attempts of the one before it. Further out it is an error that left a handler.
    assert_eq!(counts(&seen), [1, 1, 3]);
}

#[tokio::test(start_paused = true)]
async fn what_has_run_is_tried_again_nowhere() {
    let ran = || Err(traitwire::RpcError::new(Code::UNAVAILABLE, Delivery::Executed, "ran"));
    let (channel, seen) = chain(&Policies::new(), ran);
    for _ in 0..10 {
        go(&channel).await.unwrap();
    }
    assert_eq!(counts(&seen), [10, 10, 10]);
}

#[tokio::test(start_paused = true)]
async fn a_hop_that_always_fails_sees_no_more_than_the_budget_allows() {
    // 20 calls a second for thirty seconds.
    let (channel, seen) = chain(&Policies::new(), refused);
    let began = Instant::now();
    let calls = (0..600_u64).map(|at| {
        let channel = channel.clone();
        async move {
            tokio::time::sleep(Duration::from_millis(50 * at)).await;
            go(&channel).await.unwrap();
        }
    });
    join_all(calls).await;
    assert!(began.elapsed() < Duration::from_secs(31));
    let [first, second, last] = counts(&seen);
    assert_eq!((first, second), (600, 600));
    // In any ten seconds: 0.2 × 200 + clamp(0.1 × 20, 1, 10) × 10 = 60 retries; so at most 180 in thirty.
    let retries = last - 600;
    assert!((150..=180).contains(&retries), "{retries}");
}

#[tokio::test(start_paused = true)]
async fn a_hundred_channels_have_a_hundred_budgets_and_no_more() {
    let seen = Arc::new(AtomicU32::new(0));
    let hop = Hop { next: None, seen: Arc::clone(&seen), end: refused };
    let policies = Policies::new().everything(Policy::new().retry(STEADY.attempts(100)));
    let channels: Vec<_> = (0..100)
        .map(|seed| Channel::builder().policies(policies.clone()).seed(seed).loopback(hop.clone()))
        .collect();
    let calls = channels.iter().map(|channel| async {
        for _ in 0..5 {
            let options =
                traitwire::CallOptions::new().retry(STEADY.attempts(100)).timeout(Duration::from_secs(2));
            let call = channel.call(Request::new(&HOP.methods[0], Payload::default()).with_options(&options));
            call.await.unwrap_err();
        }
    });
    join_all(calls).await;
    // Each channel: 5 calls, and the 10 retries of the floor, all of which the first call takes. The four after it would
    // pay 0.8 of one more.
    assert_eq!(seen.load(Ordering::SeqCst), 100 * (5 + 10));
}
