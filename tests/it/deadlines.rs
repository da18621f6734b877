//! No call outlives its deadline, whatever it waits for.

use std::time::Duration;

use tokio::net::TcpListener;
use traitwire::{Caller, Channel, Code, Delivery};

use super::support::{Hand, call, call_within, request, serve, until};

const SHORT: Duration = Duration::from_millis(60);

#[tokio::test]
async fn a_handler_is_dropped_at_its_deadline() {
    let served = serve("tcp://127.0.0.1:0").await;
    let channel = Channel::connect(&served.uri).await.unwrap();
    let error = call_within(&channel, SHORT, "Hand.sleep", "60000").await.unwrap_err();
    assert_eq!(error.code(), Code::DEADLINE_EXCEEDED);
    // Whoever is first: this side's own clock, or the server's answer that it has dropped the handler.
    assert!(matches!(error.delivery(), Delivery::Unknown | Delivery::Executed), "{error}");
    assert!(error.to_string().contains("tcp://127.0.0.1:"), "{error}");
    until("the handler is dropped", || served.ledger.counts() == (1, 0, 1)).await;
}

#[tokio::test]
async fn a_peer_that_accepts_and_says_nothing_does_not_look_ready() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("tcp://{}", silent.local_addr().unwrap());
    let channel = Channel::builder().lazy(&uri).unwrap();
    let began = tokio::time::Instant::now();
    let error = call_within(&channel, SHORT, "Hand.echo", "x").await.unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::DEADLINE_EXCEEDED, Delivery::NotSent));
    assert!(error.message().contains("waiting for a place"), "{error}");
    assert!(began.elapsed() < SHORT * 10);
}

#[tokio::test(start_paused = true)]
async fn the_default_is_ten_seconds_and_the_clock_may_be_paused() {
    let channel = Channel::loopback(Hand::default());
    let began = tokio::time::Instant::now();
    let error = call(&channel, "Hand.sleep", "60000").await.unwrap_err();
    assert_eq!(error.code(), Code::DEADLINE_EXCEEDED);
    assert_eq!(began.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn the_clock_starts_at_the_first_poll() {
    let channel = Channel::loopback(Hand::default());
    let mut late = request("Hand.sleep", "50");
    late.set_timeout(SHORT);
    let inflight = channel.call(late);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(inflight.await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn calls_within_a_second_of_sleep_are_exact() {
    let channel = Channel::loopback(Hand::default());
    for millis in [1_u64, 10, 999] {
        let began = tokio::time::Instant::now();
        call(&channel, "Hand.sleep", millis.to_string()).await.unwrap();
        let took = began.elapsed();
        assert!(
            took >= Duration::from_millis(millis) && took < Duration::from_millis(millis + 5),
            "{took:?}"
        );
    }
}
