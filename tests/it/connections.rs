//! The connections to one endpoint: more while its calls need them, and fewer when they do not.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::future::join_all;
use tokio::time::{Instant, sleep};
use traitwire::balance::{Algorithm, Balance};
use traitwire::observe::Counters;
use traitwire::testing::Network;
use traitwire::{Channel, Client, Server, rpc_service};
use traitwire_tests::fleet::{Fleet, WorkClient};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn there_are_as_many_as_calls_need_and_one_when_they_are_gone() {
    let fleet = Fleet::new(1, 2);
    let client = WorkClient::new(fleet.channel(Balance::by(Algorithm::RoundRobin).connections(3, 8)));
    let connections =
        || client.caller().fleet().unwrap().endpoints.iter().map(|one| one.connections).collect::<Vec<_>>();
    client.work(0).await.unwrap();
    sleep(SECOND).await;
    assert_eq!(connections(), [1, 1]);
    // Each call takes a second or so, and both servers have twenty of them.
    fleet.places.iter().for_each(|place| place.slowness.store(100, Ordering::SeqCst));
    let mut calls: Vec<_> = Vec::new();
    for key in 0..60 {
        calls.push(tokio::spawn(client.work(key).timeout(60 * SECOND)));
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(connections(), [3, 3], "and no more, whatever comes");
    let served =
        || fleet.places.iter().map(|place| place.counters.snapshot().connections).collect::<Vec<_>>();
    assert_eq!(served(), [3, 3]);
    for call in join_all(calls).await {
        call.unwrap().unwrap();
    }
    sleep(50 * SECOND).await;
    assert_eq!(connections(), [3, 3], "a pause is no reason");
    sleep(15 * SECOND).await;
    assert_eq!((connections(), served()), (vec![2, 2], vec![2, 2]), "one by one");
    sleep(65 * SECOND).await;
    assert_eq!((connections(), served()), (vec![1, 1], vec![1, 1]));
    // What is closed is closed with all of its connections.
    fleet.places.iter().for_each(|place| place.slowness.store(1, Ordering::SeqCst));
    client.caller().close();
    sleep(SECOND).await;
    assert_eq!(served(), [0, 0]);
}

#[rpc_service]
trait Narrow {
    async fn work(&self);
}

struct Slow;

impl Narrow for Slow {
    async fn work(&self) {
        sleep(Duration::from_millis(100)).await;
    }
}

/// What forty callers get out of a server that takes four calls of a connection at a time, a second, and with how many
/// connections.
async fn calls_a_second(most: usize) -> (f64, usize) {
    let network = Network::seeded(2);
    let counters = Arc::<Counters>::default();
    let observer = Arc::clone(&counters);
    network.host("narrow").serve(1, move || {
        Server::builder().in_flight(4).observer(observer.clone()).service(NarrowServer::new(Slow))
    });
    let builder =
        Channel::builder().transport(network.host("client")).balance(Balance::new().connections(most, 512));
    let client = NarrowClient::new(builder.lazy("static://sim://narrow:1").unwrap());
    client.work().await.unwrap();
    let (began, time) = (Instant::now(), 20 * SECOND);
    let callers = (0..40).map(|_| async {
        let mut calls = 0_u32;
        while began.elapsed() < time {
            client.work().await.unwrap();
            calls += 1;
        }
        calls
    });
    let calls: u32 = join_all(callers).await.into_iter().sum();
    (f64::from(calls) / time.as_secs_f64(), counters.snapshot().connections as usize)
}

#[tokio::test(start_paused = true)]
async fn a_server_that_takes_few_calls_of_a_connection_takes_more_of_four() {
    let (alone, one) = calls_a_second(1).await;
    let (together, four) = calls_a_second(4).await;
    println!("{one} connection: {alone:.0} calls a second; {four} connections: {together:.0}");
    assert_eq!((one, four), (1, 4));
    assert!((35.0..=45.0).contains(&alone) && together > 3.5 * alone, "{alone} and {together}");
}
