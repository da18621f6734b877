//! What a server says of the time of its calls, and how long they took.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use traitwire::observe::Counters;
use traitwire::testing::Network;
use traitwire::{Code, Context, Delivery, RpcError, Server, ServerBuilder, rpc_service};

const MILLI: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

#[rpc_service]
trait Clock {
    /// What is left of the call's time.
    async fn left(&self) -> Option<Duration>;
    async fn wait(&self, millis: u64);
}

struct Ticking;

impl Clock for Ticking {
    async fn left(&self) -> Option<Duration> {
        Context::current().remaining()
    }

    async fn wait(&self, millis: u64) {
        tokio::time::sleep(millis as u32 * MILLI).await;
    }
}

fn clock(network: &Network, server: fn(ServerBuilder) -> ServerBuilder) -> (ClockClient, Arc<Counters>) {
    let counters = Arc::new(Counters::new());
    let observer = Arc::clone(&counters);
    network.host("server").serve(1, move || {
        server(Server::builder().service(ClockServer::new(Ticking)).observer(observer.clone()))
    });
    (ClockClient::new(network.host("client").channel("sim://server:1")), counters)
}

#[tokio::test(start_paused = true)]
async fn a_server_cuts_long_times_and_refuses_short_ones() {
    let network = Network::seeded(1);
    let (clock, counters) = clock(&network, |server| server.deadline_most(SECOND).deadline_least(50 * MILLI));
    assert_eq!(clock.left().timeout(30 * SECOND).await.unwrap(), Some(SECOND));
    assert_eq!(clock.left().timeout(SECOND / 2).await.unwrap(), Some(SECOND / 2));
    let began = Instant::now();
    let error = RpcError::from(clock.wait(60_000).timeout(30 * SECOND).await.unwrap_err());
    assert_eq!((error.code(), error.delivery()), (Code::DEADLINE_EXCEEDED, Delivery::Executed));
    let took = began.elapsed();
    assert!((SECOND..SECOND + 10 * MILLI).contains(&took), "{took:?}");
    let error = RpcError::from(clock.left().timeout(20 * MILLI).await.unwrap_err());
    assert_eq!((error.code(), error.delivery()), (Code::DEADLINE_EXCEEDED, Delivery::Refused));
    assert!(error.message().contains("calls need 50.0ms here (`deadline_least`)"), "{error}");
    assert_eq!((counters.snapshot().refused["expired"], counters.snapshot().started), (1, 3));
}

#[tokio::test(start_paused = true)]
async fn how_long_calls_took_is_known_by_method() {
    let network = Network::seeded(1);
    let (clock, counters) = clock(&network, |server| server);
    for millis in 1..=100 {
        clock.wait(millis).await.unwrap();
    }
    clock.left().await.unwrap();
    clock.wait(60_000).timeout(400 * MILLI).await.unwrap_err();
    tokio::time::sleep(SECOND).await;
    let counted = counters.snapshot();
    let times = &counted.latency["Clock.wait"];
    assert_eq!((times.count(), counted.latency["Clock.left"].count()), (101, 1));
    for (percent, millis) in [(50.0, 50), (99.0, 100), (100.0, 400)] {
        let time = times.percentile(percent).unwrap();
        assert!((millis * MILLI..millis * MILLI * 9 / 8 + MILLI).contains(&time), "{percent} {time:?}");
    }
    let line = "traitwire_call_seconds_count{method=\"Clock.wait\"} 101";
    assert!(counted.to_string().lines().any(|have| have == line), "{counted}");
}
