//! Balancing, in a simulated network: where calls go, and what becomes of them when servers are slow, broken, new or gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::future::join_all;
use tokio::time::{Instant, sleep};
use traitwire::balance::{Algorithm, Balance, Ejection};
use traitwire::discovery::{Discovery, Endpoint, Updates};
use traitwire::observe::{Counters, EndpointState};
use traitwire::policy::breaker::BreakerConfig;
use traitwire::testing::Fault;
use traitwire::{
    CallOptions, Code, Delivery, Handler, HandlerFuture, Hedge, Request, Retry, RpcError, Server,
};
use traitwire_tests::fleet::{Fleet, Told, WorkClient, between, percentile, shares};

const SECOND: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);

#[tokio::test(start_paused = true)]
async fn calls_go_to_all_alike_and_say_why() {
    let fleet = Fleet::new(1, 5);
    let client = WorkClient::new(fleet.channel(Balance::new()));
    let calls = fleet.load(&client, 200.0, 5 * SECOND).await;
    assert!(calls.iter().all(|call| call.end.is_ok()), "{:?}", calls.iter().find(|call| call.end.is_err()));
    let shares = shares(&calls, 5);
    assert!(shares.iter().all(|share| (0.1..0.3).contains(share)), "{shares:?}");

    let reply = client.work(7).detailed().await.unwrap();
    let [pick] = &reply.picks[..] else { panic!("{:?}", reply.picks) };
    assert_eq!(&*pick.endpoint, format!("sim://s{}:1", reply.value));
    assert!(pick.algorithm == "peak_ewma" && !pick.last_resort && pick.candidates.len() == 2, "{pick}");
    let chosen = pick.candidates.iter().min_by(|one, other| one.cost.total_cmp(&other.cost)).unwrap();
    assert!(chosen.endpoint == pick.endpoint && chosen.cost > 5_000.0, "{pick}");

    let known = client.caller_fleet();
    assert!(known.endpoints.iter().all(|one| one.state == EndpointState::Ready && one.in_flight == 0));
    let means = known.means();
    assert!((5 * MILLI..200 * MILLI).contains(&means.response_time) && means.fault_rate == 0.0, "{means:?}");
}

#[tokio::test(start_paused = true)]
async fn one_that_is_ten_times_as_slow_gets_next_to_nothing() {
    let p99 = |is_slow: bool| async move {
        let fleet = Fleet::new(2, 10);
        let client = WorkClient::new(fleet.channel(Balance::new()));
        fleet.load(&client, 300.0, 3 * SECOND).await;
        if is_slow {
            fleet.places[3].slowness.store(10, Ordering::SeqCst);
        }
        let calls = fleet.load(&client, 300.0, 10 * SECOND).await;
        let later = shares(&between(&calls, 2 * SECOND, 10 * SECOND), 10);
        assert_eq!(later[3] < 0.03, is_slow, "{later:?}");
        percentile(&calls, 0.99)
    };
    let (without, with) = (p99(false).await, p99(true).await);
    assert!(with.as_secs_f64() <= 1.5 * without.as_secs_f64(), "{with:?} instead of {without:?}");
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_at_once_attracts_nothing_and_comes_back() {
    for balance in [Balance::new().no_ejection(), Balance::by(Algorithm::Random)] {
        let fleet = Fleet::new(3, 5);
        let client = WorkClient::new(fleet.channel(balance));
        fleet.load(&client, 100.0, SECOND).await;
        fleet.places[1].is_broken.store(true, Ordering::SeqCst);
        let calls = fleet.load(&client, 100.0, 10 * SECOND).await;
        let failed = calls.iter().filter(|call| call.end.is_err()).count();
        assert!((1..=25).contains(&failed), "{failed} of {}", calls.len());
        fleet.places[1].is_broken.store(false, Ordering::SeqCst);
        sleep(40 * SECOND).await;
        let calls = fleet.load(&client, 100.0, 20 * SECOND).await;
        let share = shares(&between(&calls, 12 * SECOND, 20 * SECOND), 5)[1];
        assert!(share > 0.1, "{share}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_says_that_it_can_do_less_gets_less() {
    let fleet = Fleet::new(18, 4);
    fleet.places[2].slowness.store(4, Ordering::SeqCst);
    let client = WorkClient::new(fleet.channel(Balance::by(Algorithm::ReportedLoad).no_ejection()));
    let calls = fleet.load(&client, 400.0, 20 * SECOND).await;
    assert!(calls.iter().all(|call| call.end.is_ok()));
    let (first, later) = (
        shares(&between(&calls, Duration::ZERO, SECOND), 4)[2],
        shares(&between(&calls, 5 * SECOND, 20 * SECOND), 4),
    );
    // A quarter while nobody has said anything, then one of 4 + 4 + 1 + 4 parts.
    assert!(first > 0.2 && (0.05..0.11).contains(&later[2]), "{first}, then {later:?}");
    assert!([0, 1, 3].iter().all(|at| (0.26..0.36).contains(&later[*at])), "{later:?}");
}

#[tokio::test(start_paused = true)]
async fn a_new_one_gets_its_share_within_its_slow_start() {
    let mut fleet = Fleet::new(4, 4);
    let told = Told::default();
    told.say(&fleet.places);
    let client = WorkClient::new(fleet.builder(Balance::new()).discovery(told.clone()));
    fleet.load(&client, 200.0, 3 * SECOND).await;
    fleet.add();
    told.say(&fleet.places);
    let calls = fleet.load(&client, 200.0, 15 * SECOND).await;
    let share = |from: u32, to: u32| shares(&between(&calls, from * SECOND, to * SECOND), 5)[4];
    let (first, middle, last) = (share(0, 2), share(4, 6), share(11, 15));
    assert!(first < 0.08 && (0.03..0.16).contains(&middle), "{first} {middle} {last}");
    assert!((0.13..0.3).contains(&last), "{first} {middle} {last}");
    assert!(calls.iter().all(|call| call.end.is_ok()));
}

#[tokio::test(start_paused = true)]
async fn one_that_leaves_is_drained() {
    let fleet = Fleet::new(5, 3);
    let told = Told::default();
    told.say(&fleet.places);
    let client = WorkClient::new(fleet.builder(Balance::new()).discovery(told.clone()));
    fleet.places.iter().for_each(|place| place.slowness.store(100, Ordering::SeqCst));
    let calls: Vec<_> = (0..30).map(|key| tokio::spawn(client.work(key))).collect();
    sleep(300 * MILLI).await;
    assert!(fleet.places[0].begun.load(Ordering::SeqCst) > 0);
    told.say(&fleet.places[1..]);
    sleep(100 * MILLI).await;
    let before = fleet.places[0].begun.load(Ordering::SeqCst);
    let known = client.caller_fleet();
    assert_eq!(known.endpoints.len(), 2);
    for call in join_all((30..60).map(|key| client.work(key)).chain([])).await {
        assert_ne!(call.unwrap(), 0);
    }
    let ends = join_all(calls).await;
    let ended: Vec<_> = ends.into_iter().map(|call| call.unwrap().unwrap()).collect();
    assert!(ended.contains(&0), "calls that were under way there: {ended:?}");
    assert_eq!(fleet.places[0].begun.load(Ordering::SeqCst), before);
    sleep(SECOND).await;
    assert_eq!(fleet.places[0].counters.snapshot().connections, 0, "its connection is closed");
}

#[tokio::test(start_paused = true)]
async fn a_black_hole_costs_no_more_than_connecting_or_the_hedge() {
    // It was never there: those who try it go elsewhere after the time for connecting.
    let fleet = Fleet::new(6, 4);
    let hang = fleet.network.inject(Fault::hang("s2"));
    let client = WorkClient::new(fleet.channel(Balance::new()));
    let calls = fleet.load(&client, 100.0, 10 * SECOND).await;
    assert!(hang.hits() > 0 && calls.iter().all(|call| call.end.is_ok()));
    let slow: Vec<_> = calls.iter().filter(|call| call.took > 500 * MILLI).collect();
    assert!(slow.iter().all(|call| call.took < 2_500 * MILLI), "{slow:?}");
    assert!(slow.len() <= 2, "{slow:?}");

    // It goes silent: a hedge goes elsewhere, and the endpoint is soon left alone.
    let gone = fleet.network.inject(Fault::vanish("s1"));
    let hedged = client.with(CallOptions::new().hedge(Hedge::after(60 * MILLI)));
    let calls = fleet.load(&hedged, 100.0, 10 * SECOND).await;
    assert!(calls.iter().all(|call| call.end.is_ok()), "{:?}", calls.iter().find(|call| call.end.is_err()));
    let worst = calls.iter().map(|call| call.took).max().unwrap();
    assert!(worst < 250 * MILLI, "{worst:?}");
    let late = calls.iter().filter(|call| call.took > 60 * MILLI).count();
    assert!(late < 40, "{late} of {}", calls.len());
    gone.heal();
}

#[tokio::test(start_paused = true)]
async fn retries_and_hedges_go_to_others() {
    let fleet = Fleet::new(7, 4);
    let balance = Balance::by(Algorithm::Random).no_ejection();
    let client = WorkClient::new(fleet.channel(balance));
    client.work(1).await.unwrap();
    for place in &fleet.places[..3] {
        place.is_full.store(true, Ordering::SeqCst);
    }
    // Three of four fail; four attempts find the fourth each time.
    let patient = client.with(CallOptions::new().retry(Retry::new().attempts(4).base(MILLI)));
    for key in 0..8 {
        // The budget has one retry a second.
        sleep(5 * SECOND).await;
        let reply = patient.work(key).detailed().await;
        let Ok(reply) = reply else { panic!("{reply:?}") };
        let mut to: Vec<_> = reply.picks.iter().map(|pick| &pick.endpoint).collect();
        assert_eq!((reply.value, to.len()), (3, reply.attempts as usize));
        to.sort();
        to.dedup();
        assert_eq!(to.len(), reply.attempts as usize, "each to another one");
    }
    for place in &fleet.places {
        place.is_full.store(false, Ordering::SeqCst);
        place.slowness.store(100, Ordering::SeqCst);
    }
    let hedged = client.with(CallOptions::new().hedge(Hedge::after(20 * MILLI)));
    for key in 0..10 {
        sleep(SECOND).await;
        let picks = hedged.work(key).detailed().await.unwrap().picks;
        assert!(picks.len() == 2 && picks[0].endpoint != picks[1].endpoint, "{picks:?}");
    }
}

/// Has enough to do, and counts whom it tells so.
struct Full(Arc<AtomicU32>);

impl Handler for Full {
    fn handle(&self, _request: Request) -> HandlerFuture {
        self.0.fetch_add(1, Ordering::SeqCst);
        let error = RpcError::new(Code::RESOURCE_EXHAUSTED, Delivery::Refused, "it is full");
        HandlerFuture::ready(Err(error.with_resend()))
    }
}

#[tokio::test(start_paused = true)]
async fn an_overload_is_not_handed_to_the_others_at_once() {
    let (fleet, refused) = (Fleet::new(13, 0), Arc::new(AtomicU32::new(0)));
    for host in ["full0", "full1", "full2"] {
        let refused = Arc::clone(&refused);
        let server = move || {
            let refused = Arc::clone(&refused);
            Server::builder().layer(move |_| Full(refused))
        };
        fleet.network.host(host).serve(1, server);
    }
    let channel = fleet.builder(Balance::new()).lazy("static://sim://full0:1,sim://full1:1,sim://full2:1");
    let client = WorkClient::new(channel.unwrap());
    let error = RpcError::from(client.write(1).await.unwrap_err());
    assert_eq!((error.code(), refused.load(Ordering::SeqCst)), (Code::RESOURCE_EXHAUSTED, 1), "{error}");
    // Those who may try again wait first.
    let patient = client.with(CallOptions::new().retry(Retry::new().attempts(2).base(SECOND)));
    let began = Instant::now();
    let attempts = RpcError::from(patient.write(2).await.unwrap_err()).attempts();
    assert!((2..10).contains(&attempts) && began.elapsed() > SECOND, "{attempts}");
    assert_eq!(refused.load(Ordering::SeqCst), 1 + attempts);
    // Nobody waits for a oneway call: it is lost, and does not go round until its deadline.
    client.note(3).timeout(60 * SECOND).await.unwrap();
    sleep(50 * SECOND).await;
    assert_eq!(refused.load(Ordering::SeqCst), 2 + attempts);
}

#[tokio::test(start_paused = true)]
async fn a_key_has_one_server_and_others_when_that_is_gone() {
    for algorithm in [Algorithm::consistent_hash(), Algorithm::Rendezvous] {
        let fleet = Fleet::new(8, 5);
        let client = WorkClient::new(fleet.channel(algorithm));
        let mut first = Vec::new();
        for key in 0..60 {
            first.push(client.work(key).await.unwrap());
        }
        let crash = fleet.network.inject(Fault::crash("s2"));
        sleep(SECOND).await;
        let (mut moved, mut had) = (0, 0);
        for key in 0..60 {
            let of = client.work(key).await.unwrap();
            assert_eq!(of != first[key as usize], first[key as usize] == 2, "{algorithm:?}: {key}");
            (moved, had) =
                (moved + usize::from(of != first[key as usize]), had + usize::from(first[key as usize] == 2));
        }
        assert!(moved == had && (3..25).contains(&had), "{algorithm:?}: {had}");
        crash.heal();
        sleep(40 * SECOND).await;
        for key in 0..60 {
            assert_eq!(client.work(key).await.unwrap(), first[key as usize]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_endpoints_calls_wait_or_fail_as_they_are_told() {
    let fleet = Fleet::new(9, 2);
    let told = Told::default();
    let client = WorkClient::new(fleet.builder(Balance::new()).discovery(told.clone()));
    // Nothing is known yet: calls wait for the first list, within their time.
    let began = Instant::now();
    let error = RpcError::from(client.work(1).timeout(300 * MILLI).await.unwrap_err());
    assert_eq!((error.code(), error.delivery()), (Code::DEADLINE_EXCEEDED, Delivery::NotSent), "{error}");
    assert!(began.elapsed() < 400 * MILLI && error.message().contains("told://"), "{error}");
    let waiting = tokio::spawn(client.work(2));
    sleep(100 * MILLI).await;
    // There are some, of which none takes calls.
    let resting = Endpoint::new("sim://s0:1").unwrap().with_weight(0);
    told.say_endpoints(vec![resting]);
    let error = RpcError::from(waiting.await.unwrap().unwrap_err());
    assert_eq!((error.code(), error.delivery()), (Code::UNAVAILABLE, Delivery::NotSent), "{error}");
    assert!(error.message().contains("none that takes calls"), "{error}");
    let patient = tokio::spawn(client.work(3).wait_for_ready());
    sleep(SECOND).await;
    assert!(!patient.is_finished());
    told.say(&fleet.places);
    patient.await.unwrap().unwrap();
    // All are gone: at once, or when they are back.
    let crashes = ["s0", "s1"].map(|host| fleet.network.inject(Fault::crash(host)));
    sleep(SECOND).await;
    let began = Instant::now();
    let error = RpcError::from(client.work(4).await.unwrap_err());
    assert_eq!((error.code(), error.delivery()), (Code::UNAVAILABLE, Delivery::NotSent));
    assert!(began.elapsed() < 100 * MILLI, "as long as it takes to be refused: {:?}", began.elapsed());
    assert!(error.peer().is_some(), "{error:?}");
    let patient = tokio::spawn(client.work(5).wait_for_ready().timeout(60 * SECOND));
    sleep(3 * SECOND).await;
    crashes.iter().for_each(|crash| crash.heal());
    patient.await.unwrap().unwrap();
    assert!(began.elapsed() < 10 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_tripped_breaker_makes_an_endpoint_not_ready_until_its_probe() {
    let fleet = Fleet::new(10, 3);
    let balance = Balance::by(Algorithm::RoundRobin).no_ejection().slow_start(Duration::ZERO);
    let client = WorkClient::new(fleet.channel(balance.breaker(BreakerConfig::new().seed(1))));
    client.work(0).await.unwrap();
    fleet.places[0].is_broken.store(true, Ordering::SeqCst);
    let calls = fleet.load(&client, 100.0, 2 * SECOND).await;
    assert!(calls.iter().any(|call| call.end.is_err()));
    let tripped =
        client.caller_fleet().endpoints.iter().find(|one| one.state == EndpointState::Tripped).cloned();
    assert_eq!(tripped.map(|one| one.address.to_string()), Some("sim://s0:1".to_owned()));
    let before = fleet.places[0].begun.load(Ordering::SeqCst);
    let calls = fleet.load(&client, 100.0, 5 * SECOND).await;
    let probes = fleet.places[0].begun.load(Ordering::SeqCst) - before;
    let failed = calls.iter().filter(|call| call.end.is_err()).count() as u64;
    assert!(probes == failed && probes < 15, "{probes} {failed}");
    fleet.places[0].is_broken.store(false, Ordering::SeqCst);
    sleep(60 * SECOND).await;
    let calls = fleet.load(&client, 100.0, 3 * SECOND).await;
    assert!(shares(&calls, 3)[0] > 0.2 && calls.iter().all(|call| call.end.is_ok()));
}

#[tokio::test(start_paused = true)]
async fn an_operator_holds_the_breaker_of_one_endpoint() {
    let (fleet, counters) = (Fleet::new(7, 3), Arc::new(Counters::new()));
    let balance = Balance::new().slow_start(Duration::ZERO).breaker(BreakerConfig::new());
    let channel = fleet.builder(balance).observer(counters.clone()).lazy(&fleet.address()).unwrap();
    let client = WorkClient::new(channel.clone());
    let answered = async || {
        let before = fleet.places[1].begun.load(Ordering::SeqCst);
        let calls = fleet.load(&client, 100.0, 2 * SECOND).await;
        assert!(calls.iter().all(|call| call.end.is_ok()), "{calls:?}");
        fleet.places[1].begun.load(Ordering::SeqCst) - before
    };
    assert!(answered().await > 20);
    let breaker = channel.endpoint_breaker("sim://s1:1").unwrap();
    breaker.hold_open();
    assert_eq!(answered().await, 0);
    assert!(counters.snapshot().held_back["breaker"] > 0, "its breaker tells the channel's observer");
    breaker.release();
    assert!(answered().await > 20);
    assert!(channel.endpoint_breaker("sim://s9:1").is_none());
}

#[tokio::test(start_paused = true)]
async fn calls_that_wait_for_tripped_endpoints_are_woken_for_the_probe_and_by_its_end() {
    for of_method in [false, true] {
        let config = BreakerConfig::new();
        let config = if of_method { config.per_method() } else { config };
        let fleet = Fleet::new(12, 2);
        let client = WorkClient::new(fleet.channel(Balance::new().no_ejection().breaker(config.seed(1))));
        fleet.places.iter().for_each(|place| place.is_broken.store(true, Ordering::SeqCst));
        fleet.load(&client, 100.0, 2 * SECOND).await;
        let error = RpcError::from(client.work(0).await.unwrap_err());
        assert_eq!(error.delivery(), Delivery::NotSent, "{error}");
        assert_eq!(client.caller_fleet().in_panic, !of_method, "where nothing ejects, too");
        fleet.places.iter().for_each(|place| place.is_broken.store(false, Ordering::SeqCst));
        let patient = (0..500).map(|key| client.work(key).wait_for_ready().timeout(100 * SECOND));
        let began = Instant::now();
        for end in join_all(patient).await {
            assert!(end.is_ok(), "{end:?}");
        }
        assert!(began.elapsed() < 60 * SECOND, "{:?}", began.elapsed());
    }
}

/// A source whose reader panics the first time, and then says what it is to say.
#[derive(Debug)]
struct Shaky(Told, AtomicU32);

impl Discovery for Shaky {
    fn name(&self) -> String {
        "shaky://".to_owned()
    }

    fn watch(&self) -> Updates {
        assert!(self.1.fetch_add(1, Ordering::SeqCst) > 0, "on purpose");
        self.0.watch()
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_panics_is_asked_anew_for_those_who_wait() {
    let (fleet, told) = (Fleet::new(14, 2), Told::default());
    told.say(&fleet.places);
    let source = Shaky(told, AtomicU32::new(0));
    let client = WorkClient::new(fleet.builder(Balance::new()).discovery(source));
    let began = Instant::now();
    client.work(1).timeout(10 * SECOND).await.unwrap();
    assert!(began.elapsed() < 3 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn the_statistics_eject_and_let_back() {
    let fleet = Fleet::new(11, 3);
    let ejection = Ejection::new().base(5 * SECOND);
    let client = WorkClient::new(fleet.channel(Balance::by(Algorithm::Random).ejection(ejection)));
    fleet.places[2].is_broken.store(true, Ordering::SeqCst);
    fleet.load(&client, 100.0, 2 * SECOND).await;
    let state = || client.caller_fleet().endpoints.iter().map(|one| one.state).collect::<Vec<_>>();
    assert_eq!(state().iter().filter(|state| **state == EndpointState::Ejected).count(), 1);
    // More than half of them never are: of three, one.
    fleet.places[1].is_broken.store(true, Ordering::SeqCst);
    fleet.load(&client, 100.0, SECOND).await;
    assert_eq!(state().iter().filter(|state| **state == EndpointState::Ejected).count(), 1);
    fleet.places.iter().for_each(|place| place.is_broken.store(false, Ordering::SeqCst));
    sleep(6 * SECOND).await;
    assert!(state().iter().all(|state| *state == EndpointState::Ready));
}

#[tokio::test(start_paused = true)]
async fn a_rolling_restart_fails_no_call_and_runs_none_twice() {
    let mut fleet = Fleet::new(12, 0);
    (0..3).for_each(|_| _ = fleet.add_restartable());
    let client = WorkClient::new(fleet.channel(Balance::new()));
    client.work(0).await.unwrap();
    let rolling = async {
        for place in fleet.places.iter().chain(&fleet.places) {
            sleep(SECOND).await;
            place.restart.notify_one();
            sleep(2 * SECOND).await;
        }
    };
    let writing = async {
        let mut calls = Vec::new();
        for number in 0..3_600 {
            sleep(5 * MILLI).await;
            calls.push(tokio::spawn(client.write(number)));
            if number % 10 == 0 {
                client.note(1_000_000 + number).await.unwrap();
            }
        }
        join_all(calls).await
    };
    let ((), ends) = tokio::join!(rolling, writing);
    let failed: Vec<_> = ends.into_iter().filter_map(|end| end.unwrap().err()).collect();
    assert!(failed.is_empty(), "{} failed: {:?}", failed.len(), failed.first());
    sleep(SECOND).await;
    let ledger = fleet.ledger.lock().clone();
    assert!(ledger.values().all(|times| *times == 1), "{:?}", ledger.iter().find(|one| *one.1 != 1));
    assert_eq!(ledger.len(), 3_960, "each exactly once, oneway calls included");
}

#[tokio::test(start_paused = true)]
async fn the_last_one_may_leave_as_soon_as_the_first_is_back() {
    let mut fleet = Fleet::new(16, 0);
    (0..2).for_each(|_| _ = fleet.add_restartable());
    let client = WorkClient::new(fleet.channel(Balance::new()));
    client.work(0).await.unwrap();
    // The first is away for half a second, and the client's second attempt to connect comes after a whole one.
    let rolling = async {
        for place in fleet.places.iter().chain(&fleet.places) {
            place.restart.notify_one();
            sleep(600 * MILLI).await;
        }
    };
    let calls = fleet.load(&client, 200.0, 3 * SECOND);
    let ((), calls) = tokio::join!(rolling, calls);
    let failed: Vec<_> = calls.iter().filter(|call| call.end.is_err()).collect();
    assert!(failed.is_empty(), "{} failed: {:?}", failed.len(), failed.first());
    assert!(shares(&calls, 2).iter().all(|share| *share > 0.1), "{:?}", shares(&calls, 2));
}

#[tokio::test(start_paused = true)]
async fn a_fleet_that_is_away_is_not_stormed() {
    let fleet = Fleet::new(17, 2);
    let client = WorkClient::new(fleet.channel(Balance::new()));
    client.work(0).await.unwrap();
    let crashes = ["s0", "s1"].map(|host| fleet.network.inject(Fault::crash(host)));
    let calls = fleet.load(&client, 200.0, 10 * SECOND).await;
    assert!(calls.iter().all(|call| call.end.is_err()));
    // Many attempts to connect at first, then one a second.
    let attempts = fleet.network.report().to_string().matches("refused client").count();
    assert!((20..60).contains(&attempts), "{attempts}");
    crashes.iter().for_each(|crash| crash.heal());
    // They are found again within a second, and both of them: the waits have not grown by what was tried in between.
    sleep(10 * MILLI).await;
    let began = Instant::now();
    while client.work(1).await.is_err() {
        sleep(10 * MILLI).await;
    }
    assert!(began.elapsed() <= 1_250 * MILLI, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn killed_servers_violate_nothing_and_retries_succeed() {
    let fleet = Fleet::new(13, 4);
    let client = WorkClient::new(fleet.channel(Balance::new()));
    let patient = client.with(CallOptions::new().retry(Retry::new().attempts(5)));
    client.work(0).await.unwrap();
    for second in 0..20 {
        let victim = format!("s{}", fleet.network.dice().below(4));
        let after = second * SECOND + 100 * MILLI;
        fleet.network.at(after, Fault::crash(&victim).lasting(500 * MILLI));
    }
    let writing = async {
        let mut calls = Vec::new();
        for number in 0..2_000 {
            sleep(10 * MILLI).await;
            calls.push(tokio::spawn(client.write(number)));
        }
        join_all(calls).await
    };
    let (calls, writes) = tokio::join!(fleet.load(&patient, 100.0, 20 * SECOND), writing);
    let failed: Vec<_> = calls.iter().filter(|call| call.end.is_err()).collect();
    assert!(failed.is_empty(), "{} of {}: {:?}", failed.len(), calls.len(), failed.first());
    let ledger = fleet.ledger.lock().clone();
    let mut lost = 0;
    for (number, end) in (0..).zip(writes) {
        let times = ledger.get(&number).copied().unwrap_or(0);
        match end.unwrap() {
            Ok(_) => assert_eq!(times, 1, "{number}"),
            Err(error) => {
                let error = RpcError::from(error);
                lost += 1;
                match error.delivery() {
                    Delivery::NotSent | Delivery::Refused => assert_eq!(times, 0, "{number}: {error}"),
                    Delivery::Executed => assert_eq!(times, 1, "{number}: {error}"),
                    _ => assert!(times <= 1, "{number}: {error}"),
                }
            }
        }
    }
    assert!((1..200).contains(&lost), "the faults hit: {lost}");
}

#[tokio::test]
async fn processes_that_restart_or_are_killed_cost_no_call() {
    for how in [["--rounds", "1"], ["--kill", "3"]] {
        let mut rolling = tokio::process::Command::new(env!("CARGO_BIN_EXE_rolling"));
        let output = rolling.args(how).args(["--rate", "100", "--streams", "5"]).output().await.unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && told.contains("all is as it should be"), "{output:?}");
    }
}

/// What the channel of a client knows.
trait Known {
    fn caller_fleet(&self) -> traitwire::observe::FleetSnapshot;
}

impl Known for WorkClient {
    fn caller_fleet(&self) -> traitwire::observe::FleetSnapshot {
        traitwire::Client::caller(self).fleet().unwrap()
    }
}
