//! The standard health service of a server.

use std::time::Duration;

use futures::StreamExt;
use tokio::time::Instant;
use traitwire::balance::{Algorithm, Balance};
use traitwire::health::{HealthClient, HealthStatus};
use traitwire::observe::EndpointState;
use traitwire::{Channel, Client};

use super::support::{CalculatorClient, Served, calculator};

#[tokio::test]
async fn a_server_says_how_it_is_and_that_it_ends() {
    let served = calculator(|builder| builder.health().grace(Duration::from_secs(5))).await;
    let health = HealthClient::connect(&served.address).await.unwrap();
    assert_eq!(health.check("Calculator").await.unwrap(), HealthStatus::Serving);
    assert_eq!(health.check("Elsewhere").await.unwrap(), HealthStatus::Unknown);
    let mut watched = health.watch("Calculator".to_owned());
    assert_eq!(watched.next().await.unwrap().unwrap(), HealthStatus::Serving);
    assert!(served.handle.set_health("Calculator", false) && !served.handle.set_health("Elsewhere", false));
    assert_eq!(watched.next().await.unwrap().unwrap(), HealthStatus::NotServing);
    assert!(served.handle.set_health("Calculator", true));
    assert_eq!(watched.next().await.unwrap().unwrap(), HealthStatus::Serving);
    served.handle.shutdown();
    assert_eq!(watched.next().await.unwrap().unwrap(), HealthStatus::NotServing);
    assert!(watched.next().await.is_none(), "who watches does not hold the server back");
    let drained = tokio::time::timeout(Duration::from_secs(2), served.done).await;
    assert_eq!(drained.unwrap().unwrap().cut, 0);
}

/// A channel to these, which asks for the health of what `asked` names.
fn asking(asked: &str, servers: &[&Served]) -> CalculatorClient {
    let addresses: Vec<_> = servers.iter().map(|one| one.address.as_str()).collect();
    let balance = Balance::by(Algorithm::RoundRobin).slow_start(Duration::ZERO).health(asked);
    let channel = Channel::builder().balance(balance).lazy(&format!("static://{}", addresses.join(",")));
    CalculatorClient::new(channel.unwrap())
}

/// Waits until these servers are in these states.
async fn until(client: &CalculatorClient, expected: &[(&Served, EndpointState)]) {
    let began = Instant::now();
    loop {
        let known = client.caller().fleet().unwrap().endpoints;
        let state = |served: &Served| known.iter().find(|one| *one.address == *served.address).unwrap().state;
        if known.len() == expected.len()
            && expected.iter().all(|(served, expected)| state(served) == *expected)
        {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "{known:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Where the next calls go, each address once.
async fn answered_by(client: &CalculatorClient) -> Vec<String> {
    let mut seen = Vec::new();
    for _ in 0..8 {
        seen.push(client.add(1, 2).detailed().await.unwrap().picks[0].endpoint.to_string());
    }
    seen.sort();
    seen.dedup();
    seen
}

#[tokio::test]
async fn clients_that_ask_call_none_that_does_not_serve() {
    use EndpointState::{NotServing, Ready};
    let (one, other) =
        (calculator(|server| server.health()).await, calculator(|server| server.health()).await);
    let client = asking("Calculator", &[&one, &other]);
    client.add(1, 2).await.unwrap();
    until(&client, &[(&one, Ready), (&other, Ready)]).await;
    assert_eq!(answered_by(&client).await.len(), 2);

    assert!(one.handle.set_health("Calculator", false));
    until(&client, &[(&one, NotServing), (&other, Ready)]).await;
    assert_eq!(answered_by(&client).await, [other.address.as_str()]);
    // What is said of another service does not count.
    assert!(one.handle.set_health("", false) && other.handle.set_health("", false));
    assert!(one.handle.set_health("Calculator", true));
    until(&client, &[(&one, Ready), (&other, Ready)]).await;
    assert_eq!(answered_by(&client).await.len(), 2, "it is back");
    // Where nobody serves, calls go all the same: whoever says so serves those that come.
    for served in [&one, &other] {
        assert!(served.handle.set_health("Calculator", false));
    }
    until(&client, &[(&one, NotServing), (&other, NotServing)]).await;
    assert!(!answered_by(&client).await.is_empty());
}

#[tokio::test]
async fn a_server_without_health_counts_as_one_that_serves_and_an_unknown_service_does_not() {
    use EndpointState::{Idle, NotServing, Ready};
    let (silent, other) = (calculator(|server| server).await, calculator(|server| server.health()).await);
    let client = asking("Elsewhere", &[&silent, &other]);
    client.add(1, 2).await.unwrap();
    until(&client, &[(&silent, Ready), (&other, NotServing)]).await;
    assert_eq!(answered_by(&client).await, [silent.address.as_str()]);
    // Nobody is asked who is not to be called: the connections of a channel that rests can close.
    client.caller().close();
    until(&client, &[(&silent, Idle), (&other, Idle)]).await;
    for served in [silent, other] {
        served.handle.shutdown();
        let drained = tokio::time::timeout(Duration::from_secs(5), served.done).await;
        assert_eq!(drained.unwrap().unwrap().cut, 0);
    }
}
