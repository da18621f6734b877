//! Endpoints that are slow, come and go, or fail, some of them or all: breaker, hedge and budget do what docs/POLICIES.md says, in the
//! simulated network.

use std::sync::atomic::Ordering;
use std::time::Duration;

use traitwire::balance::{Algorithm, Balance};
use traitwire::policy::breaker::{BreakerConfig, BreakerState};
use traitwire::policy::{Policies, Policy};
use traitwire::{Channel, Hedge, Retry};
use traitwire_tests::fleet::{Called, Fleet, WorkClient, percentile};

const MILLI: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// Calls go to all alike, whatever becomes of them, so that what is seen is the policy.
fn even() -> Balance {
    Balance::by(Algorithm::Random).no_ejection()
}

fn client(fleet: &Fleet, balance: Balance, policy: Policy) -> (Channel, WorkClient) {
    let builder = fleet.builder(balance).policies(Policies::new().everything(policy));
    let channel = builder.lazy(&fleet.address()).unwrap();
    (channel.clone(), WorkClient::new(channel))
}

/// How many calls came to these servers.
fn begun(fleet: &Fleet, servers: std::ops::Range<usize>) -> usize {
    fleet.places[servers].iter().map(|place| place.begun.load(Ordering::SeqCst) as usize).sum()
}

fn break_down(fleet: &Fleet, servers: std::ops::Range<usize>, is_broken: bool) {
    fleet.places[servers].iter().for_each(|place| place.is_broken.store(is_broken, Ordering::SeqCst));
}

fn ended_with(calls: &[Called], text: &str) -> usize {
    calls.iter().filter(|call| call.end.as_ref().is_err_and(|error| error.contains(text))).count()
}

#[tokio::test(start_paused = true)]
async fn hedges_take_the_tail_of_a_slow_endpoint_and_the_budget_bounds_them() {
    // A quarter of the calls is late, or half of them.
    for (slow, hedges) in [(1, false), (1, true), (2, true)] {
        let fleet = Fleet::new(7, 4);
        let policy = if hedges { Policy::new().hedge(Hedge::after(60 * MILLI)) } else { Policy::new() };
        let (channel, client) = client(&fleet, even(), policy);
        fleet.places[..slow].iter().for_each(|place| place.slowness.store(30, Ordering::SeqCst));
        let calls = fleet.load(&client, 100.0, 20 * SECOND).await;
        assert_eq!(calls.iter().filter(|call| call.end.is_err()).count(), 0);
        let (added, tail) = (begun(&fleet, 0..4) - calls.len(), percentile(&calls, 0.95));
        let within = |low, high| (calls.len() * low / 100..=calls.len() * high / 100).contains(&added);
        match (slow, hedges) {
            (_, false) => assert!(added == 0 && tail > 300 * MILLI, "{added} {tail:?}"),
            (1, true) => assert!(within(22, 28) && tail < 150 * MILLI, "{added} {tail:?}"),
            // 0.2 of the calls of each ten seconds, and 0.1 of them for the floor.
            _ => assert!(within(25, 30) && tail > 300 * MILLI, "{added} {tail:?}"),
        }
        let known = channel.fleet().unwrap();
        assert!(
            known.endpoints.iter().all(|endpoint| endpoint.error_rate < 1e-6),
            "who loses has not failed"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn of_one_that_comes_and_goes_the_breaker_lets_no_more_fail_than_succeed() {
    let fleet = Fleet::new(7, 1);
    let (channel, client) = client(&fleet, even(), Policy::new().breaker(BreakerConfig::new()));
    let mut calls = Vec::new();
    for _ in 0..5 {
        for is_broken in [false, true] {
            break_down(&fleet, 0..1, is_broken);
            calls.extend(fleet.load(&client, 100.0, 2 * SECOND).await);
        }
    }
    let known = channel.breaker("Work.work").unwrap().snapshot();
    let (failed, held_back) = (ended_with(&calls, "it is broken"), ended_with(&calls, "circuit breaker"));
    let answered = calls.iter().filter(|call| call.end.is_ok()).count();
    assert_eq!((failed + answered, held_back as u64), (begun(&fleet, 0..1), known.held_back));
    // Half of a window, of at least twenty calls; and three probes a time.
    let most = answered + (20 + 3) * known.opened as usize;
    assert!(known.opened >= 3 && failed > 100 && failed <= most, "{failed} {answered} {known:?}");

    break_down(&fleet, 0..1, false);
    tokio::time::sleep(60 * SECOND).await;
    let calls = fleet.load(&client, 100.0, SECOND).await;
    assert!(ended_with(&calls, "") <= 3, "it is probed, and is back");
    assert_eq!(channel.breaker("Work.work").unwrap().state(), BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn where_all_fail_the_budget_bounds_what_is_added() {
    let fleet = Fleet::new(7, 3);
    fleet.places.iter().for_each(|place| place.is_full.store(true, Ordering::SeqCst));
    let (_, client) = client(&fleet, even(), Policy::new().retry(Retry::new().attempts(5)));
    let calls = fleet.load(&client, 50.0, 30 * SECOND).await;
    assert_eq!(ended_with(&calls, "it is full"), calls.len());
    let added = begun(&fleet, 0..3) - calls.len();
    // 0.2 of the calls of each ten seconds, and 0.1 of them for the floor.
    assert!((calls.len() / 4..=calls.len() * 3 / 10).contains(&added), "{added} of {}", calls.len());
}

#[tokio::test(start_paused = true)]
async fn where_all_fail_breakers_leave_a_few_probes_of_the_load() {
    let fleet = Fleet::new(7, 3);
    break_down(&fleet, 0..3, true);
    let (channel, client) = client(&fleet, even().breaker(BreakerConfig::new()), Policy::new());
    let calls = fleet.load(&client, 100.0, 30 * SECOND).await;
    assert_eq!(calls.len(), ended_with(&calls, ""));
    for (number, place) in fleet.places.iter().enumerate() {
        let known = channel.endpoint_breaker(&format!("sim://s{number}:1")).unwrap().snapshot();
        // 1, 2, 4, 8 and 16 s, give or take a fifth.
        assert!((4..=6).contains(&known.opened), "{known:?}");
        // Twenty calls open it, and each time up to three probes more.
        let most = 20 + 3 * (known.opened - 1);
        let begun = place.begun.load(Ordering::SeqCst);
        assert!((20..=most).contains(&begun), "{begun} {known:?}");
    }
    break_down(&fleet, 0..3, false);
    tokio::time::sleep(60 * SECOND).await;
    let calls = fleet.load(&client, 100.0, 2 * SECOND).await;
    assert!(ended_with(&calls, "") <= 9, "each is probed, and is back");
}

#[tokio::test(start_paused = true)]
async fn where_half_fail_the_others_do_the_work() {
    let usual = Balance::new();
    let guarded = even().breaker(BreakerConfig::new());
    // Five in a row eject; twenty of a window open a breaker, and then there are probes.
    for (balance, most) in [(usual, 2 * 5 + 6), (guarded, 2 * (20 + 3 * 5))] {
        let fleet = Fleet::new(7, 4);
        break_down(&fleet, 0..2, true);
        let (_, client) = client(&fleet, balance, Policy::new());
        let calls = fleet.load(&client, 100.0, 20 * SECOND).await;
        let failed = ended_with(&calls, "");
        assert!((10..=most).contains(&failed), "{failed}");
        assert_eq!(failed, begun(&fleet, 0..2));
        assert_eq!(calls.len() - failed, begun(&fleet, 2..4));
    }
}
