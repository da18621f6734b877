//! etcd, a real one, and all that may happen to it.

mod daemon;
mod faults;
mod guarded;
mod relay;

use std::sync::Arc;
use std::time::Duration;

use traitwire::ServerBuilder;
use traitwire::discovery::{Discovery, DiscoveryScheme, Etcd};

use super::support::{Served, Watched, calculator};
use daemon::Daemon;

/// How soon everything is known again when etcd is back.
const RECOVERY: Duration = Duration::from_secs(5);

/// etcd with the shortest lease there is.
fn etcd() -> Etcd {
    Etcd::new().lease(Duration::from_secs(2))
}

fn source(uri: &str) -> Arc<dyn Discovery> {
    etcd().open(uri.strip_prefix("etcd://").unwrap()).unwrap()
}

async fn registered(daemon: &Daemon, more: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Served {
    let registrar = etcd().registrar(&daemon.uri("/prod")).unwrap();
    calculator(|server| more(server.register_with(registrar))).await
}

fn key_of(served: &Served) -> String {
    format!("/prod/Calculator/{}", served.address)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_register_and_withdraw() {
    let Some(daemon) = Daemon::started("basics").await else { return };
    let mut watched = Watched::new(source(&daemon.uri("/prod/Calculator")));
    let one = registered(&daemon, |server| server.weight(7).zone("a").tag("k", "v")).await;
    // The address alone says as much, for those who need no more.
    let other = calculator(|server| server.register(&daemon.uri("/prod"))).await;
    watched.until(&[&one.address, &other.address]).await;
    let known = watched.known.borrow().endpoints.clone();
    let endpoint = known.iter().find(|endpoint| endpoint.address() == one.address).unwrap();
    assert_eq!((endpoint.weight(), endpoint.zone(), endpoint.tags()["k"].as_str()), (7, Some("a"), "v"));
    assert!(endpoint.instance().is_some());

    one.handle.shutdown();
    assert!(watched.until(&[&other.address]).await < Duration::from_secs(2));
    assert!(daemon.get(&key_of(&one)).is_none() && daemon.get(&key_of(&other)).is_some());
    // One that crashes is gone with its lease; the last one known stays in force.
    let crashed = registered(&daemon, |server| server).await;
    watched.until(&[&crashed.address, &other.address]).await;
    crashed.done.abort();
    watched.until(&[&other.address]).await;
}
