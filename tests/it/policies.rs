//! Which policy holds for a call, and that it can change while calls run.

use std::sync::Arc;

use tokio::time::Instant;
use traitwire::observe::Counters;
use traitwire::policy::breaker::BreakerConfig;
use traitwire::policy::{Policies, Policy};
use traitwire::{CallOptions, Caller, Channel, Code, Delivery, Hedge, Request, RpcError};

use crate::scripted::{STEADY, Script, Step, draining, get, ms, request};

/// How many attempts a call has that is always refused.
async fn attempts(policies: Policies, request: Request) -> usize {
    let script = Script::then([], || Step::Fail(draining()));
    let channel = Channel::builder().policies(policies).seed(7).loopback(script.clone());
    get(&channel, request).await.unwrap_err();
    script.seen().len()
}

fn policy(attempts: u32) -> Policy {
    Policy::new().retry(STEADY.attempts(attempts))
}

#[tokio::test(start_paused = true)]
async fn who_knows_more_of_the_call_decides() {
    let all = || Policies::new().everything(policy(4));
    let service = || all().service("Scripted", policy(5));
    let method = || service().method("Scripted.declared", policy(6));
    let asked =
        |attempts| request("declared").with_options(&CallOptions::new().retry(STEADY.attempts(attempts)));
    // The trait says 3 of `declared`, and nothing of `put`.
    assert_eq!(attempts(Policies::new(), request("put")).await, 1);
    assert_eq!(attempts(Policies::new(), request("declared")).await, 3);
    assert_eq!(attempts(all(), request("put")).await, 4);
    assert_eq!(attempts(all(), request("declared")).await, 3, "what is for everything is not for this");
    assert_eq!(attempts(service(), request("declared")).await, 5);
    assert_eq!(attempts(method(), request("declared")).await, 6);
    assert_eq!(attempts(method(), request("put")).await, 5);
    assert_eq!(attempts(method(), asked(2)).await, 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_off_for_everything_is_off_where_the_trait_asks_for_it() {
    let off = || Policies::new().everything(Policy::new().no_retry().no_hedge());
    let asked = || request("declared").with_options(&CallOptions::new().retry(STEADY));
    assert_eq!(attempts(off(), request("declared")).await, 1);
    assert_eq!(attempts(off().method("Scripted.declared", policy(2)), request("declared")).await, 2);
    assert_eq!(attempts(off(), asked()).await, 3);
    let service_off = off().service("Scripted", Policy::new().no_retry());
    assert_eq!(attempts(service_off, asked()).await, 3);
    let no_retry = request("declared").with_options(&CallOptions::new().no_retry());
    assert_eq!(attempts(Policies::new(), no_retry).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_channels_policies_set_times() {
    let script = Script::then([], || Step::Hang);
    let policies = Policies::new()
        .everything(Policy::new().timeout(ms(400)))
        .method("Scripted.put", Policy::new().timeout(ms(200)));
    let channel = Channel::builder().policies(policies).loopback(script);
    for (method, options, expected) in [
        ("get", CallOptions::new(), 400),
        ("put", CallOptions::new(), 200),
        ("put", CallOptions::new().timeout(ms(50)), 50),
    ] {
        let began = Instant::now();
        let error = get(&channel, request(method).with_options(&options)).await.unwrap_err();
        assert_eq!((error.code(), began.elapsed()), (Code::DEADLINE_EXCEEDED, ms(expected)));
    }
}

#[tokio::test(start_paused = true)]
async fn policies_change_for_calls_that_begin_and_not_for_those_under_way() {
    let script = Script::then([], || Step::Fail(draining()));
    let channel = Channel::builder().seed(7).loopback(script.clone());
    assert_eq!(get(&channel, request("get")).await.unwrap_err().attempts(), 1);
    channel.set_policies(Policies::new().everything(policy(3)));
    let under_way = tokio::spawn({
        let channel = channel.clone();
        async move { get(&channel, request("get")).await.unwrap_err().attempts() }
    });
    tokio::time::sleep(ms(150)).await;
    channel.set_policies(Policies::new());
    assert_eq!(get(&channel, request("get")).await.unwrap_err().attempts(), 1);
    assert_eq!(under_way.await.unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_trait_may_ask_for_a_hedge() {
    let script = Script::new([Step::Hang]);
    let channel = Channel::loopback(script.clone());
    assert_eq!(get(&channel, request("declared")).await.unwrap().1, 2);
    assert_eq!(script.times(), [(0, 1), (30, 2)]);
    let put = request("put").with_options(&CallOptions::new().hedge(Hedge::after(ms(1))).timeout(ms(10)));
    let script = Script::new([Step::Hang]);
    get(&Channel::loopback(script.clone()), put).await.unwrap_err();
    assert_eq!(script.seen().len(), 1, "`put` is not idempotent");
}

#[tokio::test(start_paused = true)]
async fn an_observer_hears_of_calls_as_their_callers_see_them_and_of_what_is_done_for_them() {
    let busy = RpcError::new(Code::UNAVAILABLE, Delivery::Refused, "busy");
    let failed = RpcError::new(Code::INTERNAL, Delivery::Executed, "on purpose");
    let steps = [
        Step::Fail(busy),
        Step::Answer(b"again"),
        Step::Slow(ms(200)),
        Step::Answer(b"hedge"),
        Step::App(b"no"),
        Step::Fail(failed),
        Step::Hang,
    ];
    let (script, counters) = (Script::new(steps), Arc::new(Counters::new()));
    let policies = Policies::new().everything(Policy::new().retry(STEADY).breaker(BreakerConfig::new()));
    let builder = Channel::builder().policies(policies).observer(counters.clone());
    let channel = builder.loopback(script.clone());
    assert_eq!(get(&channel, request("get")).await.unwrap().0, b"again");
    let hedged = request("get").with_options(&CallOptions::new().hedge(Hedge::after(ms(50))));
    assert_eq!(get(&channel, hedged).await.unwrap().0, b"hedge");
    assert!(channel.call(request("picky")).await.unwrap().is_app_error());
    get(&channel, request("get")).await.unwrap_err();
    assert!(tokio::time::timeout(ms(10), get(&channel, request("get"))).await.is_err());
    channel.breaker("Scripted.get").unwrap().hold_open();
    get(&channel, request("get")).await.unwrap_err();

    let counted = counters.snapshot();
    assert_eq!((counted.started, counted.finished, counted.cancelled, counted.in_flight), (6, 5, 1, 0));
    assert_eq!(counted.failed, [(Code::INTERNAL, 1), (Code::UNAVAILABLE, 1)].into());
    assert_eq!((counted.added["retry"], counted.added["hedge"], counted.held_back["breaker"]), (1, 1, 1));
    let times = |method: &str| counted.latency[method].count();
    assert_eq!((times("Scripted.get"), times("Scripted.picky")), (5, 1));
    assert!(counted.to_string().contains("traitwire_attempts_added_total{why=\"hedge\"} 1\n"), "{counted}");
    // The first waited for 100 ms, the second for 50.
    assert!(counted.latency["Scripted.get"].sum() >= ms(150), "{counted}");
}
