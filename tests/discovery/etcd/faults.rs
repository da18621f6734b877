//! What happens to etcd, and that clients go on with what they knew and are right again within five seconds.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tokio::time::Instant;

use super::daemon::Daemon;
use super::relay::Relay;
use super::{RECOVERY, key_of, registered, source};
use crate::support::{CalculatorClient, Served, Watched};

async fn fails(watched: &mut Watched) {
    let failed = watched.known.wait_for(|known| known.problem.is_some());
    tokio::time::timeout(Duration::from_secs(15), failed).await.expect("the fault is noticed").unwrap();
}

/// Traffic goes on: where a client would call is known, and answers.
async fn all_answer(watched: &Watched, servers: &[&Served]) {
    let mut addresses: Vec<_> = servers.iter().map(|served| served.address.clone()).collect();
    addresses.sort();
    assert_eq!(watched.addresses(), addresses);
    for address in addresses {
        assert_eq!(CalculatorClient::connect(&address).await.unwrap().add(2, 3).await.unwrap(), 5);
    }
}

async fn within_recovery(what: &str, is_true: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_true() {
        assert!(began.elapsed() < RECOVERY, "{what} takes more than {RECOVERY:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_down_when_everybody_starts() {
    let Some(mut daemon) = Daemon::new("down") else { return };
    let mut watched = Watched::new(source(&daemon.uri("/prod/Calculator")));
    let served = registered(&daemon, |server| server).await;
    fails(&mut watched).await;
    assert!(watched.addresses().is_empty());
    assert_eq!(CalculatorClient::connect(&served.address).await.unwrap().add(1, 1).await.unwrap(), 2);
    daemon.start().await;
    let took = watched.until(&[&served.address]).await;
    assert!(took < RECOVERY, "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_killed_and_comes_back() {
    let Some(mut daemon) = Daemon::started("killed").await else { return };
    let mut watched = Watched::new(source(&daemon.uri("/prod/Calculator")));
    let (one, other) =
        (registered(&daemon, |server| server).await, registered(&daemon, |server| server).await);
    watched.until(&[&one.address, &other.address]).await;
    daemon.kill();
    fails(&mut watched).await;
    all_answer(&watched, &[&one, &other]).await;
    let late = registered(&daemon, |server| server).await;
    daemon.start().await;
    let took = watched.until(&[&one.address, &other.address, &late.address]).await;
    assert!(took < RECOVERY, "{took:?}");
}

/// Six seconds: three times the lease. `TRAITWIRE_ETCD_PAUSE=60` makes it a minute.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_paused_and_goes_on() {
    let Some(daemon) = Daemon::started("paused").await else { return };
    let pause = std::env::var("TRAITWIRE_ETCD_PAUSE").ok().and_then(|text| text.parse().ok()).unwrap_or(6);
    let mut watched = Watched::new(source(&daemon.uri("/prod/Calculator")));
    let (one, other) =
        (registered(&daemon, |server| server).await, registered(&daemon, |server| server).await);
    watched.until(&[&one.address, &other.address]).await;
    daemon.signal("-STOP");
    let stopped = Instant::now();
    fails(&mut watched).await;
    tokio::time::sleep(Duration::from_secs(pause).saturating_sub(stopped.elapsed())).await;
    all_answer(&watched, &[&one, &other]).await;
    daemon.signal("-CONT");
    // It may end both leases first, which have run out meanwhile; then both register again.
    let is_well = |known: &traitwire::discovery::Known| known.problem.is_none() && known.endpoints.len() == 2;
    let well = watched.known.wait_for(is_well);
    tokio::time::timeout(RECOVERY, well).await.expect("it is well again in time").unwrap();
    let late = registered(&daemon, |server| server).await;
    let took = watched.until(&[&one.address, &other.address, &late.address]).await;
    assert!(took < RECOVERY, "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_missed_is_resumed_or_read_again_when_it_was_compacted_away() {
    let Some(daemon) = Daemon::started("compacted").await else { return };
    let mut relay = Relay::new(daemon.port).await;
    let mut watched = Watched::new(source(&format!("etcd://127.0.0.1:{}/prod/Calculator", relay.port)));
    let endpoint = |n: u32| (format!("/prod/Calculator/{n}"), Some(format!("h:{n}")));
    daemon.write(&[endpoint(1), endpoint(2)]);
    watched.until(&["tcp://h:1", "tcp://h:2"]).await;
    let mut known = BTreeSet::from([1, 2]);
    for is_compacted in [false, true] {
        let seen = daemon.revision();
        relay.cut().await;
        fails(&mut watched).await;
        let (new, gone) = (known.last().unwrap() + 1, *known.first().unwrap());
        daemon.write(&[endpoint(new), (format!("/prod/Calculator/{gone}"), None)]);
        known.insert(new);
        known.remove(&gone);
        if is_compacted {
            daemon.ask("/v3/kv/compaction", &json!({ "revision": daemon.revision().to_string() }));
            // The fault is there: what has been seen cannot be gone on from.
            let past = json!({ "key": STANDARD.encode("x"), "revision": seen.to_string() });
            let asked =
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| daemon.ask("/v3/kv/range", &past)));
            assert!(asked.is_err(), "nothing was compacted");
        }
        relay.mend().await;
        let addresses: Vec<_> = known.iter().map(|n| format!("tcp://h:{n}")).collect();
        let addresses: Vec<_> = addresses.iter().map(String::as_str).collect();
        let took = watched.until(&addresses).await;
        assert!(took < RECOVERY, "{took:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_is_revoked_and_its_server_registers_again() {
    let Some(daemon) = Daemon::started("revoked").await else { return };
    let served = registered(&daemon, |server| server).await;
    let key = key_of(&served);
    within_recovery("registering", || daemon.get(&key).is_some()).await;
    let lease = daemon.get(&key).unwrap()["lease"].clone();
    daemon.ask("/v3/lease/revoke", &json!({ "ID": lease }));
    assert!(daemon.get(&key).is_none(), "the fault is there");
    within_recovery("registering again", || daemon.get(&key).is_some_and(|kv| kv["lease"] != lease)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_is_left_out_and_harms_nobody_else() {
    let Some(daemon) = Daemon::started("garbage").await else { return };
    daemon.put("/prod/Calculator/before", b"\xff\xfe");
    let mut watched = Watched::new(source(&daemon.uri("/prod/Calculator")));
    daemon.put("/prod/Calculator/good", "h:1");
    watched.until(&["tcp://h:1"]).await;
    for garbage in [&b""[..], b"{\"a\":1}", b"h:1?weight=-1", &[b'x'; 100_000]] {
        daemon.put("/prod/Calculator/good", garbage);
        daemon.put("/prod/Calculator/other", garbage);
    }
    daemon.put("/prod/CalculatorOfOthers/x", "h:9");
    // The same address twice, and the one that is not ours.
    daemon.write(&[
        ("/prod/Calculator/2".into(), Some("h:2".into())),
        ("/prod/Calculator/3".into(), Some("h:2".into())),
    ]);
    watched.until(&["tcp://h:1", "tcp://h:2"]).await;
    daemon.write(&[("/prod/Calculator/2".into(), None)]);
    daemon.put("/prod/Calculator/other", "h:3");
    watched.until(&["tcp://h:1", "tcp://h:2", "tcp://h:3"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_thousand_endpoints_come_and_go() {
    let Some(daemon) = Daemon::started("churn").await else { return };
    let mut watched = Watched::new(source(&daemon.uri("/prod/Calculator")));
    let key = |n: u32| format!("/prod/Calculator/{n:05}");
    let put = |n: u32, weight: u32| (key(n), Some(format!("h:{n}?weight={weight}")));
    daemon.write(&(0..5_000).map(|n| put(n, 1)).collect::<Vec<_>>());
    for round in 0..5 {
        // Some go, some change, some come back.
        let gone = (0..5_000).filter(|n| n % 5 == round).map(|n| (key(n), None));
        let changed = (0..5_000).filter(|n| n % 7 == round && n % 5 != round).map(|n| put(n, round + 2));
        let back = (0..5_000).filter(|n| round > 0 && n % 5 == round - 1).map(|n| put(n, round + 2));
        daemon.write(&gone.chain(changed).chain(back).collect::<Vec<_>>());
    }
    let expected: Vec<_> = (0..5_000).filter(|n| n % 5 != 4).map(|n| format!("tcp://h:{n}")).collect();
    let expected: Vec<_> = expected.iter().map(String::as_str).collect();
    let took = watched.until(&expected).await;
    assert!(took < RECOVERY, "{took:?}");
    // Pages and events come to the same.
    let mut fresh = Watched::new(source(&daemon.uri("/prod/Calculator")));
    fresh.until(&expected).await;
    assert_eq!(fresh.known.borrow().endpoints, watched.known.borrow().endpoints);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_data_are_gone() {
    let Some(mut daemon) = Daemon::started("wiped").await else { return };
    let mut watched = Watched::new(source(&daemon.uri("/prod/Calculator")));
    let (one, other) =
        (registered(&daemon, |server| server).await, registered(&daemon, |server| server).await);
    watched.until(&[&one.address, &other.address]).await;
    daemon.kill();
    daemon.wipe();
    fails(&mut watched).await;
    daemon.start().await;
    let both = [key_of(&one), key_of(&other)];
    let began = Instant::now();
    while !both.iter().all(|key| daemon.get(key).is_some()) {
        assert!(began.elapsed() < RECOVERY, "the servers have not registered again");
        all_answer(&watched, &[&one, &other]).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    all_answer(&watched, &[&one, &other]).await;
    let late = registered(&daemon, |server| server).await;
    let took = watched.until(&[&one.address, &other.address, &late.address]).await;
    assert!(took < RECOVERY, "{took:?}");
}
