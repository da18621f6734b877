//! Dropped calls: the handler is dropped too, and nothing is left behind.

use std::time::Duration;

use traitwire::{Caller, Channel};

use super::support::{call, call_within, request, serve, until};

#[tokio::test]
async fn dropping_a_call_drops_its_handler() {
    let served = serve("tcp://127.0.0.1:0").await;
    let channel = Channel::connect(&served.uri).await.unwrap();
    let task = tokio::spawn({
        let channel = channel.clone();
        async move { call(&channel, "Hand.sleep", "60000").await }
    });
    until("the handler runs", || served.ledger.counts() == (1, 0, 0)).await;
    task.abort();
    until("the handler is dropped", || served.ledger.counts() == (1, 0, 1)).await;
    assert_eq!(call(&channel, "Hand.echo", "alive").await.unwrap(), b"alive");
}

#[tokio::test]
async fn a_call_that_is_never_polled_sends_nothing() {
    let served = serve("mem://unpolled").await;
    let channel = Channel::connect(&served.uri).await.unwrap();
    drop(channel.call(request("Hand.echo", "x")));
    call(&channel, "Hand.echo", "y").await.unwrap();
    assert_eq!(served.ledger.counts(), (1, 1, 0));
}

#[tokio::test]
async fn a_blocking_handler_is_dropped_at_its_next_await_only() {
    let served = serve("mem://blocking").await;
    let channel = Channel::connect(&served.uri).await.unwrap();
    let short = call_within(&channel, Duration::from_millis(20), "Hand.block", "100").await;
    assert_eq!(short.unwrap_err().code(), traitwire::Code::DEADLINE_EXCEEDED);
    until("the handler has come to its end", || served.ledger.counts() == (1, 1, 0)).await;
}

#[tokio::test]
async fn a_panic_in_the_drop_of_a_handler_harms_nobody() {
    let served = serve("mem://bomb").await;
    let channel = Channel::connect(&served.uri).await.unwrap();
    let short = call_within(&channel, Duration::from_millis(20), "Hand.drop_panics", "").await;
    assert_eq!(short.unwrap_err().code(), traitwire::Code::DEADLINE_EXCEEDED);
    assert_eq!(call(&channel, "Hand.echo", "alive").await.unwrap(), b"alive");
}

#[tokio::test]
async fn calls_are_dropped_at_every_poll_without_harm() {
    let served = serve("tcp://127.0.0.1:0").await;
    let channel = Channel::connect(&served.uri).await.unwrap();
    for polls in 0..20 {
        for size in [10, 400_000] {
            let mut inflight = Box::pin(channel.call(request("Hand.echo", vec![7; size])));
            for _ in 0..polls {
                let polled =
                    std::future::poll_fn(|cx| std::task::Poll::Ready(inflight.as_mut().poll(cx).is_ready()));
                if polled.await {
                    break;
                }
                tokio::task::yield_now().await;
            }
            drop(inflight);
            assert_eq!(call(&channel, "Hand.echo", "alive").await.unwrap(), b"alive");
        }
    }
}
