//! Breakers, limits and caches as policies of a channel: where they stand in its stack, whose they are, and what stays of them
//! when settings change.

use std::time::Duration;

use futures::future::join_all;
use tokio::time::Instant;
use traitwire::policy::breaker::{BreakerConfig, BreakerState};
use traitwire::policy::cache::CacheConfig;
use traitwire::policy::limit::LimitConfig;
use traitwire::policy::{Budget, Policies, Policy};
use traitwire::{
    CallOptions, Channel, Code, Delivery, Hedge, Keep, MethodDescriptor, Payload, Request, RpcError,
};

use crate::scripted::{STEADY, Script, Step, draining, get, ms, over_wire, request};

/// Opens at the second failure, for a minute.
fn quick() -> BreakerConfig {
    BreakerConfig::new().min_calls(2).ratio(1.0).open(Duration::from_secs(60), Duration::from_secs(60))
}

fn lost() -> RpcError {
    RpcError::new(Code::INTERNAL, Delivery::Executed, "on purpose")
}

fn failing() -> Script {
    Script::then([], || Step::Fail(lost()))
}

fn channel(script: &Script, policies: Policies) -> Channel {
    Channel::builder().policies(policies).seed(7).loopback(script.clone())
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_ends_calls_at_once_and_no_retry_asks_it_again() {
    let script = failing();
    let policy = Policy::new().breaker(quick()).retry(STEADY.attempts(3)).budget(Budget::Unlimited);
    let channel = channel(&script, Policies::new().everything(policy));
    for _ in 0..2 {
        get(&channel, request("get")).await.unwrap_err();
    }
    let began = Instant::now();
    let error = get(&channel, request("get")).await.unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::UNAVAILABLE, Delivery::NotSent));
    assert!(error.message().contains("the circuit breaker `loopback` has been open"), "{error}");
    assert_eq!((error.attempts(), began.elapsed(), script.seen().len()), (0, ms(0), 2));
    let snapshot = channel.breaker("Scripted.get").unwrap().snapshot();
    assert_eq!((snapshot.state, snapshot.opened, snapshot.held_back), (BreakerState::Open, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn each_attempt_counts_for_the_breaker_and_the_one_that_opens_it_is_the_last() {
    // A failure that is tried again and counts: the connection dies under it.
    let cut = Script::then([], || Step::Cut);
    let policy = Policy::new().breaker(quick()).retry(STEADY.attempts(5)).budget(Budget::Unlimited);
    let channel = over_wire(&cut, Policies::new().everything(policy)).await;
    let error = get(&channel, request("get")).await.unwrap_err();
    assert_eq!((cut.seen().len(), error.attempts()), (2, 2), "{error}");
    assert_eq!(error.delivery(), Delivery::Unknown, "of all attempts");
    assert!(error.message().contains("the circuit breaker `wire://script`"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_hedge_that_the_breaker_stops_leaves_the_first_attempt_alone() {
    let script = Script::new([Step::Fail(lost()), Step::Fail(lost()), Step::Slow(ms(200))]);
    let policies = Policies::new().everything(Policy::new().breaker(quick()));
    let channel = channel(&script, policies);
    let hedged = || request("get").with_options(&CallOptions::new().hedge(Hedge::after(ms(50))));
    let breaker = channel.breaker("Scripted.get").unwrap();
    breaker.hold_closed();
    get(&channel, request("get")).await.unwrap_err();
    get(&channel, request("get")).await.unwrap_err();
    let call = tokio::spawn({
        let channel = channel.clone();
        async move { get(&channel, hedged()).await }
    });
    tokio::time::sleep(ms(10)).await;
    breaker.hold_open();
    assert_eq!(call.await.unwrap().unwrap().0, b"late");
    assert_eq!((script.seen().len(), breaker.snapshot().held_back), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn what_is_said_of_a_service_is_one_for_its_methods_and_a_methods_is_its_own() {
    let script = failing();
    let policies = Policies::new()
        .service("Scripted", Policy::new().breaker(quick()))
        .method("Scripted.put", Policy::new().breaker(quick()))
        .method("Scripted.declared", Policy::new().no_breaker());
    let channel = channel(&script, policies);
    get(&channel, request("get")).await.unwrap_err();
    get(&channel, request("picky")).await.unwrap_err();
    let error = get(&channel, request("get")).await.unwrap_err();
    assert!(error.message().contains("`loopback Scripted` has been open"), "{error}");
    let state = |method| channel.breaker(method).map(|breaker| breaker.state());
    assert_eq!(state("Scripted.picky"), Some(BreakerState::Open));
    assert_eq!(state("Scripted.put"), Some(BreakerState::Closed));
    assert_eq!((state("Scripted.declared"), state("Other.get")), (None, None));
    get(&channel, request("put")).await.unwrap_err();
    assert_eq!(script.seen().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn settings_that_stay_keep_what_they_remember_and_others_begin_anew() {
    let (script, policies) = (failing(), |timeout| {
        let all = Policy::new().breaker(quick()).limit(LimitConfig::concurrency(8));
        Policies::new().everything(all.timeout(ms(timeout)))
    });
    let channel = channel(&script, policies(1_000));
    for _ in 0..2 {
        get(&channel, request("get")).await.unwrap_err();
    }
    channel.set_policies(policies(2_000));
    let state = || channel.breaker("Scripted.get").map(|breaker| breaker.state());
    assert_eq!(state(), Some(BreakerState::Open));
    channel.set_policies(Policies::new().everything(Policy::new().breaker(quick().probes(5))));
    assert_eq!(state(), Some(BreakerState::Closed));
    assert!(channel.limit("Scripted.get").is_none());
    channel.set_policies(Policies::new());
    assert_eq!(state(), None);
    get(&channel, request("get")).await.unwrap_err();
    assert_eq!(script.seen().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn calls_beyond_a_limit_wait_within_their_time_and_attempts_count() {
    let script = Script::then([], || Step::Slow(ms(100)));
    let policies =
        Policies::new().everything(Policy::new().limit(LimitConfig::concurrency(1)).timeout(ms(250)));
    let channel = channel(&script, policies);
    let began = Instant::now();
    let ended = join_all((0..4).map(|_| async {
        let ended =
            get(&channel, request("get")).await.map(|_| ()).map_err(|error| (error.code(), error.delivery()));
        (ended, began.elapsed())
    }));
    let late = |delivery| Err((Code::DEADLINE_EXCEEDED, delivery));
    let ended = ended.await;
    assert_eq!(ended[..2], [(Ok(()), ms(100)), (Ok(()), ms(200))]);
    // The third had begun, with what was left of its time; the fourth had not.
    assert_eq!((ended[2].0.is_err(), ended[2].1), (true, ms(250)));
    assert_eq!(ended[3], (late(Delivery::NotSent), ms(250)));
    assert_eq!(script.seen().len(), 3);
    // A wait between attempts holds no place.
    let script = Script::new([Step::Fail(draining())]);
    let policy = Policy::new().limit(LimitConfig::concurrency(1)).retry(STEADY).budget(Budget::Unlimited);
    let channel = self::channel(&script, Policies::new().everything(policy));
    let calls = join_all((0..2).map(|_| get(&channel, request("picky")))).await;
    assert!(calls.iter().all(Result::is_ok), "{calls:?}");
    assert_eq!(channel.limit("Scripted.picky").unwrap().snapshot().at_work, 0);
}

static KEPT: MethodDescriptor = MethodDescriptor::new("kept", "Scripted.get", 0)
    .idempotent()
    .with_cache(Keep::new(Duration::from_secs(60)));

fn kept() -> Request {
    Request::new(&KEPT, Payload::new(b"arguments".to_vec()))
}

/// Its trait says that its answers may be kept, and leaves the time to callers.
static READ: MethodDescriptor =
    MethodDescriptor::new("read", "Scripted.get", 0).idempotent().with_cache(Keep::allowed());

fn read() -> Request {
    Request::new(&READ, Payload::new(b"arguments".to_vec()))
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_the_trait_keeps_costs_no_attempt_and_one_that_is_wanted_anew_does() {
    let script = Script::new([Step::Answer(b"one"), Step::Answer(b"two"), Step::Answer(b"three")]);
    let channel = Channel::loopback(script.clone());
    assert_eq!(get(&channel, kept()).await.unwrap(), (b"one".to_vec(), 1));
    assert_eq!(get(&channel, kept()).await.unwrap(), (b"one".to_vec(), 0));
    let anew = kept().with_options(&CallOptions::new().anew());
    assert_eq!(get(&channel, anew).await.unwrap().0, b"two");
    assert_eq!(get(&channel, kept()).await.unwrap().0, b"two");
    let snapshot = channel.cache("Scripted.get").unwrap().snapshot();
    assert_eq!((snapshot.hit, snapshot.miss, snapshot.entries), (2, 2, 1));
    // Its time is its own, whatever else changes; off for everything is off.
    channel.set_policies(Policies::new().everything(Policy::new().timeout(ms(500))));
    assert_eq!(get(&channel, kept()).await.unwrap().0, b"two");
    channel.set_policies(Policies::new().everything(Policy::new().no_cache()));
    assert_eq!(get(&channel, kept()).await.unwrap().0, b"three");
}

#[tokio::test(start_paused = true)]
async fn a_channel_keeps_answers_of_methods_that_read_beside_an_open_breaker() {
    let script = Script::new([Step::Answer(b"one")]);
    let stale = CacheConfig::new(Duration::from_secs(5)).stale_if_error(Duration::from_secs(60));
    let policy = Policy::new().cache(stale).breaker(quick());
    let channel = channel(&script, Policies::new().everything(policy));
    for _ in 0..3 {
        assert_eq!(get(&channel, read()).await.unwrap().0, b"one");
        get(&channel, request("put")).await.unwrap();
    }
    assert_eq!(script.seen().len(), 4, "`put` is not kept");
    channel.breaker("Scripted.get").unwrap().hold_open();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(get(&channel, read()).await.unwrap().0, b"one", "it stands in");
    get(&channel, request("put")).await.unwrap_err();
    assert_eq!(script.seen().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_cache_of_more_than_a_method_is_for_those_whose_trait_says_so_or_whom_it_names() {
    let kept = || CacheConfig::new(Duration::from_secs(60));
    // How many of two calls of each come to the service: it may be kept, it is idempotent only.
    let came = async |policies| {
        let script = Script::new([]);
        let channel = channel(&script, policies);
        let mut came = [0, 0];
        for (count, request) in came.iter_mut().zip([read as fn() -> Request, || request("declared")]) {
            let before = script.seen().len();
            for _ in 0..2 {
                get(&channel, request()).await.unwrap();
            }
            *count = script.seen().len() - before;
        }
        came
    };
    let say = |config| Policy::new().cache(config).no_retry().no_hedge();
    let (everything, service) = (
        |config| Policies::new().everything(say(config)),
        |config| Policies::new().service("Scripted", say(config)),
    );
    let named = || kept().method("Scripted.declared");
    assert_eq!(came(Policies::new()).await, [2, 2], "who leaves the time to callers keeps nothing by itself");
    assert_eq!(came(everything(kept())).await, [1, 2]);
    assert_eq!(came(service(kept())).await, [1, 2]);
    // Whom it names; of others it says nothing.
    assert_eq!(came(everything(named())).await, [2, 1]);
    assert_eq!(came(service(named()).everything(say(kept()))).await, [1, 1]);
    // An operator who says it of the method answers for it, and has the last word.
    let of_method =
        |policy| Policies::new().everything(Policy::new().cache(kept())).method("Scripted.declared", policy);
    assert_eq!(came(of_method(Policy::new().cache(kept()).no_hedge())).await, [1, 1]);
    let off = Policies::new().service("Scripted", Policy::new().no_cache());
    assert_eq!(came(off.everything(Policy::new().cache(kept()))).await, [2, 2]);
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_for_the_same_answer_share_its_attempts_and_keep_their_own_time() {
    let script = Script::new([Step::Fail(draining()), Step::Slow(ms(300))]);
    let policy =
        Policy::new().cache(CacheConfig::new(Duration::from_secs(5))).retry(STEADY).timeout(ms(1_000));
    let channel = channel(&script, Policies::new().everything(policy));
    let began = Instant::now();
    let hasty = read().with_options(&CallOptions::new().timeout(ms(50)));
    let (first, second, hasty) = tokio::join!(get(&channel, read()), get(&channel, read()), async {
        (get(&channel, hasty).await, began.elapsed())
    });
    assert_eq!((first.unwrap().0, second.unwrap().0), (b"late".to_vec(), b"late".to_vec()));
    let (error, ended) = (hasty.0.unwrap_err(), hasty.1);
    assert_eq!((error.code(), error.delivery(), ended), (Code::DEADLINE_EXCEEDED, Delivery::NotSent, ms(50)));
    assert_eq!(script.seen().len(), 2);
    let snapshot = channel.cache("Scripted.get").unwrap().snapshot();
    assert_eq!((snapshot.miss, snapshot.coalesced), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_service_with_memory_of_its_own_does_not_share_the_channels() {
    let script = Script::new([]);
    let kept = || CacheConfig::new(Duration::from_secs(60));
    let policies = |bytes| {
        Policies::new()
            .everything(Policy::new().cache(kept()))
            .method("Scripted.declared", Policy::new().cache(kept().bytes(bytes)).no_retry().no_hedge())
    };
    let channel = channel(&script, policies(1 << 20));
    for request in [read(), read(), request("declared"), request("declared")] {
        get(&channel, request).await.unwrap();
    }
    assert_eq!(script.seen().len(), 2);
    let entries = |method| channel.cache(method).unwrap().snapshot().entries;
    assert_eq!((entries("Scripted.get"), entries("Scripted.declared")), (1, 1));
    channel.set_policies(policies(1 << 21));
    assert_eq!((entries("Scripted.get"), entries("Scripted.declared")), (1, 0));
}
