//! The standard health service of a server.

use std::time::Duration;

use futures::StreamExt;
use traitwire::health::{HealthClient, HealthStatus};

use super::support::calculator;

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
