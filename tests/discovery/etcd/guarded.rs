//! Who gets in, and who gives way: TLS, a user and a password, and the fence between a server and the one that has replaced it.

use std::time::Duration;

use serde_json::json;
use traitwire::discovery::{DiscoveryScheme, Endpoint, Etcd, Registrar};
use traitwire::tls::{ClientTls, dev};

use super::daemon::Daemon;
use super::{RECOVERY, etcd, key_of, registered};
use crate::support::{Watched, calculator};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_tls_with_a_user_and_a_password() {
    let folder = std::env::temp_dir().join(format!("traitwire-etcd-certs-{}", std::process::id()));
    let ca = dev::Ca::open(&folder).unwrap();
    ca.issue_to(&folder, "etcd", ["127.0.0.1"]).unwrap();
    let file = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let Some(mut daemon) = Daemon::started("tls").await else { return };
    for (path, body) in [
        ("/v3/auth/user/add", json!({ "name": "root", "password": "secret" })),
        ("/v3/auth/role/add", json!({ "name": "root" })),
        ("/v3/auth/user/grant", json!({ "user": "root", "role": "root" })),
        ("/v3/auth/enable", json!({})),
    ] {
        daemon.ask(path, &body);
    }
    daemon.kill();
    let mut daemon = daemon.tls(&file("etcd.pem"), &file("etcd.key"));
    daemon.start().await;
    let uri = format!("{}?transport=tls", daemon.uri("/prod/Calculator"));
    let address = uri.strip_prefix("etcd://").unwrap();

    // Somebody who does not know its CA hears why.
    let mut stranger = Watched::new(Etcd::new().tls(ClientTls::new()).open(address).unwrap());
    let told = stranger.known.wait_for(|known| known.problem.is_some());
    let told =
        tokio::time::timeout(Duration::from_secs(15), told).await.unwrap().unwrap().problem.clone().unwrap();
    assert!(told.to_string().contains("certificate"), "{told}");

    let tls = ClientTls::new().roots(ca.roots());
    let plain = etcd().tls(tls);
    let root = plain.clone().user("root", "secret");
    let registrar = plain.registrar(&format!("{}?transport=tls", daemon.uri("/prod"))).unwrap();
    let endpoint = Endpoint::new("h:1").unwrap();
    let refused = registrar.register(&["Calculator".to_owned()], &endpoint).await.err().unwrap().to_string();
    assert!(refused.contains("etcd refuses: "), "{refused}");

    let registrar = root.registrar(&format!("{}?transport=tls", daemon.uri("/prod"))).unwrap();
    let served = calculator(|server| server.register_with(registrar)).await;
    let mut watched = Watched::new(root.open(address).unwrap());
    watched.until(&[&served.address]).await;
    // A token does not live longer than its etcd. What was written after the login, and is on disk, keeps the login itself from
    // being read again from etcd's log; else it would know the token still.
    let writer = root.registrar(&format!("{}?transport=tls", daemon.uri("/other"))).unwrap();
    writer.register(&["A".to_owned(), "B".to_owned(), "C".to_owned()], &endpoint).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    daemon.kill();
    daemon.start().await;
    let registrar = root.registrar(&format!("{}?transport=tls", daemon.uri("/prod"))).unwrap();
    let late = calculator(|server| server.register_with(registrar)).await;
    let took = watched.until(&[&served.address, &late.address]).await;
    assert!(took < RECOVERY, "{took:?}");

    let mut wrong = Watched::new(plain.user("root", "guess").open(address).unwrap());
    let told = wrong.known.wait_for(|known| known.problem.is_some());
    let told =
        tokio::time::timeout(Duration::from_secs(15), told).await.unwrap().unwrap().problem.clone().unwrap();
    assert!(told.to_string().contains("authentication failed"), "{told}");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_replaced_gives_way() {
    let Some(daemon) = Daemon::started("fence").await else { return };
    let at = Endpoint::new("h:1").unwrap();
    let (old, new) = (at.clone().with_instance(1), at.with_instance(2));
    let services = ["Calculator".to_owned()];
    let registrar = || etcd().registrar(&daemon.uri("/prod")).unwrap();
    let (one, other) = (registrar(), registrar());
    let mut lease = one.register(&services, &old).await.unwrap();
    assert!(lease.renew().await.unwrap());
    // The new one has just begun to listen there: it takes the address over, and the old one's end leaves it alone.
    other.register(&services, &new).await.unwrap();
    lease.withdraw().await.unwrap();
    let value = || {
        use base64::Engine;
        let kv = daemon.get("/prod/Calculator/tcp://h:1").unwrap();
        let value = base64::engine::general_purpose::STANDARD.decode(kv["value"].as_str().unwrap()).unwrap();
        String::from_utf8(value).unwrap()
    };
    assert_eq!(value(), new.to_string());
    // The old one wakes up and registers again.
    let error = one.register(&services, &old).await.err().unwrap().to_string();
    assert!(error.contains("another server has registered as `tcp://h:1` since"), "{error}");
    assert_eq!(value(), new.to_string());
    // The same server may, as often as it likes; and a crashed one's entry is anybody's.
    other.register(&services, &new).await.unwrap();
    let served = registered(&daemon, |server| server).await;
    let began = tokio::time::Instant::now();
    while daemon.get(&key_of(&served)).is_none() {
        assert!(began.elapsed() < RECOVERY);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
