//! Hedges: when a second attempt is made, which one counts, and what becomes of the other.

use futures::future::join_all;
use tokio::time::Instant;
use traitwire::policy::{Budget, Policies, Policy};
use traitwire::{CallOptions, Caller, Channel, Code, Delivery, Hedge, RpcError};

use crate::scripted::{STEADY, Script, Step, draining, get, ms, refused, request};
use crate::support::until;

fn channel(script: &Script, hedge: Hedge) -> Channel {
    let policies = Policies::new().everything(Policy::new().hedge(hedge));
    Channel::builder().policies(policies).seed(7).loopback(script.clone())
}

#[tokio::test(start_paused = true)]
async fn a_late_call_goes_out_once_more_and_the_loser_is_cancelled_on_the_wire() {
    let script = Script::new([Step::Hang]);
    let channel = channel(&script, Hedge::after(ms(30)));
    let began = Instant::now();
    let (value, attempts) = get(&channel, request("get")).await.unwrap();
    assert_eq!((value.as_slice(), attempts, began.elapsed()), (&b"done"[..], 2, ms(30)));
    assert_eq!(script.times(), [(0, 1), (30, 2)]);
    until("the loser's handler is dropped", || script.dropped() == 1).await;
}

#[tokio::test(start_paused = true)]
async fn the_first_may_still_win() {
    let script = Script::new([Step::Slow(ms(50)), Step::Hang]);
    let (value, attempts) = get(&channel(&script, Hedge::after(ms(30))), request("get")).await.unwrap();
    assert_eq!((value.as_slice(), attempts), (&b"late"[..], 2));
    until("the loser's handler is dropped", || script.dropped() == 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_in_time_and_one_that_is_not_idempotent_go_out_once() {
    let script = Script::new([Step::Slow(ms(29)), Step::Slow(ms(90))]);
    let channel = channel(&script, Hedge::after(ms(30)));
    assert_eq!(get(&channel, request("get")).await.unwrap().1, 1);
    assert_eq!(get(&channel, request("put")).await.unwrap().1, 1);
    assert_eq!(script.seen().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn when_one_fails_the_other_decides() {
    let script = Script::new([Step::SlowFail(ms(40), draining()), Step::Slow(ms(50))]);
    let channel = channel(&script, Hedge::after(ms(30)));
    let (value, attempts) = get(&channel, request("get")).await.unwrap();
    assert_eq!((value.as_slice(), attempts), (&b"late"[..], 2));

    let ran = RpcError::new(Code::INTERNAL, Delivery::Executed, "ran");
    let script = Script::new([Step::SlowFail(ms(40), draining()), Step::SlowFail(ms(50), ran)]);
    let error = get(&self::channel(&script, Hedge::after(ms(30))), request("get")).await.unwrap_err();
    assert_eq!((error.code(), error.delivery(), error.attempts()), (Code::INTERNAL, Delivery::Executed, 2));
    let told: Vec<_> =
        error.history().iter().map(|one| (one.number, one.hedge, one.began, one.took)).collect();
    assert_eq!(told, [(1, false, ms(0), ms(40)), (2, true, ms(30), ms(50))]);
}

#[tokio::test(start_paused = true)]
async fn what_would_fail_anywhere_ends_both() {
    let script = Script::new([Step::Hang, Step::Fail(refused(Code::PERMISSION_DENIED))]);
    let error = get(&channel(&script, Hedge::after(ms(30))), request("get")).await.unwrap_err();
    // The first attempt is given up, and may have run.
    assert_eq!((error.code(), error.delivery()), (Code::PERMISSION_DENIED, Delivery::Unknown));
    until("the first handler is dropped", || script.dropped() == 1).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_late_is_learnt_from_the_answers() {
    let script = Script::then([], || Step::Slow(ms(10)));
    let channel = channel(&script, Hedge::at_percentile(95.0));
    for _ in 0..40 {
        assert_eq!(get(&channel, request("get")).await.unwrap().1, 1);
    }
    // Learnt: 10 ms and a little. One that hangs is hedged soon after that.
    let hanging = Script::then((0..40).map(|_| Step::Slow(ms(10))).chain([Step::Hang]), || Step::Slow(ms(1)));
    let channel = self::channel(&hanging, Hedge::at_percentile(95.0));
    for _ in 0..40 {
        get(&channel, request("get")).await.unwrap();
    }
    let began = Instant::now();
    assert_eq!(get(&channel, request("get")).await.unwrap().1, 2);
    assert!((ms(11)..ms(15)).contains(&began.elapsed()), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn hedges_are_taken_from_the_budget_of_retries() {
    let script = Script::then([], || Step::Slow(ms(50)));
    let channel = channel(&script, Hedge::after(ms(30)));
    let calls = (0..200).map(|_| get(&channel, request("get")));
    assert!(join_all(calls).await.iter().all(Result::is_ok));
    // The ten seconds that began just after the calls have seen none of them: there is the floor.
    assert_eq!(script.seen().len() - 200, 10);
    let spread = Script::then([], || Step::Slow(ms(50)));
    let channel = self::channel(&spread, Hedge::after(ms(30)));
    let calls = (0..200).map(|at| {
        let channel = &channel;
        async move {
            tokio::time::sleep(ms(10 * at)).await;
            get(channel, request("get")).await
        }
    });
    assert!(join_all(calls).await.iter().all(Result::is_ok));
    // Two seconds of a steady load: 0.2 × 200 + 20 for all of it, and no more than 10 before there were calls.
    let hedges = spread.seen().len() - 200;
    assert!((45..=60).contains(&hedges), "{hedges}");
    channel.set_policies((*channel.policies()).clone().budget(Budget::Unlimited));
    assert_eq!(get(&channel, request("get")).await.unwrap().1, 2);
}

#[tokio::test(start_paused = true)]
async fn a_hedged_attempt_that_fails_is_retried_as_one() {
    let script = Script::new([Step::SlowFail(ms(40), draining()), Step::SlowFail(ms(20), draining())]);
    let policy = Policy::new().hedge(Hedge::after(ms(30))).retry(STEADY.attempts(2));
    let channel =
        Channel::builder().policies(Policies::new().everything(policy)).seed(7).loopback(script.clone());
    assert_eq!(get(&channel, request("get")).await.unwrap().1, 3);
    assert_eq!(script.times(), [(0, 1), (30, 2), (150, 3)]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_takes_both_attempts_with_it() {
    let script = Script::then([], || Step::Hang);
    let call = channel(&script, Hedge::after(ms(30))).call(request("get"));
    assert!(tokio::time::timeout(ms(60), call).await.is_err());
    until("both handlers are dropped", || script.dropped() == 2).await;
    let options = CallOptions::new().no_hedge();
    let call = channel(&script, Hedge::after(ms(30))).call(request("get").with_options(&options));
    assert!(tokio::time::timeout(ms(60), call).await.is_err());
    assert_eq!(script.seen().len(), 3);
}
