//! Oneway calls: their futures end when they are written, and what comes of them later is the channel's affair.

use std::time::Duration;

use futures::FutureExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;
use traitwire::{Caller, Channel, Code, Delivery, MethodDescriptor, Payload, Request};

use super::support::{Hand, call, notification, serve, serve_with, socket_path, tell, until};

/// Says HELLO to one client, and reads until these bytes have come.
async fn stranger(listener: &UnixListener, awaited: &[u8]) -> tokio::net::UnixStream {
    let (mut socket, _) = listener.accept().await.unwrap();
    socket.write_all(b"\xc1RPC\x01\x00\x00\x00\x07\x01\x00\x00\x00\x00\x00\x80").await.unwrap();
    let mut seen = Vec::new();
    while !seen.windows(awaited.len()).any(|window| window == awaited) {
        assert!(socket.read_buf(&mut seen).await.unwrap() > 0);
    }
    socket
}

#[tokio::test]
async fn a_oneway_call_ends_when_it_is_written_though_nobody_answers() {
    let path = socket_path("withheld");
    let listener = UnixListener::bind(&path).unwrap();
    let channel = Channel::builder().lazy(&format!("unix://{path}")).unwrap();
    let (told, socket) = tokio::join!(tell(&channel, "withheld"), stranger(&listener, b"withheld"));
    told.unwrap();
    assert_eq!(channel.oneway_failures(), 0);
    // Whether it was accepted will never be known.
    drop(socket);
    until("the loss is counted", || channel.oneway_failures() == 1).await;
}

#[tokio::test]
async fn one_that_is_not_accepted_in_time_is_counted() {
    let path = socket_path("never-accepted");
    let listener = UnixListener::bind(&path).unwrap();
    let channel = Channel::builder().lazy(&format!("unix://{path}")).unwrap();
    let mut request = notification("slowly");
    request.set_timeout(Duration::from_secs(1));
    let (told, _socket) = tokio::join!(channel.call(request), stranger(&listener, b"slowly"));
    assert!(told.is_ok());
    until("its time is over", || channel.oneway_failures() == 1).await;
}

#[tokio::test]
async fn one_that_a_draining_server_refuses_is_sent_to_its_successor() {
    let path = socket_path("oneway-successor");
    let uri = format!("unix://{path}");
    let listener = UnixListener::bind(&path).unwrap();
    let channel = Channel::builder().lazy(&uri).unwrap();
    let (told, mut socket) = tokio::join!(tell(&channel, "0"), stranger(&listener, b"0"));
    told.unwrap();
    std::fs::remove_file(&path).unwrap();
    let second = serve(&uri).await;
    // GOAWAY: nothing was accepted.
    let goaway = b"\x00\x00\x00\x10\x0c\x00\x00\x00\x00\x00\x00\x00\xa7closing";
    socket.write_all(goaway).await.unwrap();
    until("its handler has run", || second.ledger.counts() == (1, 1, 0)).await;
    assert_eq!(channel.oneway_failures(), 0);
}

#[tokio::test]
async fn one_that_is_refused_for_good_is_counted() {
    static LOST: MethodDescriptor = MethodDescriptor::new("lost", "Hand.lost", 99).oneway();
    let served = serve_with("mem://oneway-refused", Hand::default(), |builder| builder.in_flight(1)).await;
    let channel = Channel::connect(&served.uri).await.unwrap();
    channel.call(Request::new(&LOST, Payload::default())).await.unwrap();
    until("an unknown method is counted", || channel.oneway_failures() == 1).await;
    // Its handler takes the one place for oneway calls, and the next one would be refused here again and again.
    tell(&channel, "60000").await.unwrap();
    until("it is started", || served.ledger.counts().0 == 1).await;
    tell(&channel, "0").await.unwrap();
    until("the overload is counted", || channel.oneway_failures() == 2).await;
    assert_eq!(served.ledger.counts(), (1, 0, 0));
}

#[tokio::test]
async fn what_happens_before_it_is_written_is_told_to_its_caller() {
    let channel = Channel::builder().lazy("mem://nobody-listens").unwrap();
    let error = tell(&channel, "0").await.unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::UNAVAILABLE, Delivery::NotSent), "{error}");
    let channel =
        Channel::builder().message(10).connect(&serve("mem://oneway-small").await.uri).await.unwrap();
    let error = tell(&channel, [0; 11]).await.unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::RESOURCE_EXHAUSTED, Delivery::NotSent), "{error}");
    assert_eq!(channel.oneway_failures(), 0);
}

#[tokio::test]
async fn dropping_it_cancels_it_only_before_it_is_written() {
    let served = serve("mem://oneway-dropped").await;
    let channel = Channel::connect(&served.uri).await.unwrap();
    call(&channel, "Hand.echo", "x").await.unwrap();
    // On this one thread the connection's task has had no turn when the future is dropped.
    assert!(channel.call(notification("0")).now_or_never().is_none());
    call(&channel, "Hand.echo", "x").await.unwrap();
    assert_eq!(served.ledger.counts(), (2, 2, 0));
    // This one ends, and nobody comes for its end.
    let mut told = channel.call(notification("0"));
    assert!((&mut told).now_or_never().is_none());
    until("its handler has run", || served.ledger.counts() == (3, 3, 0)).await;
    drop(told);
    call(&channel, "Hand.echo", "x").await.unwrap();
    assert_eq!((served.ledger.counts(), channel.oneway_failures()), ((4, 4, 0), 0));
}

#[tokio::test]
async fn many_end_each_for_its_own_caller() {
    let served = serve("mem://oneway-many").await;
    let channel = Channel::connect(&served.uri).await.unwrap();
    for round in 0..50_u32 {
        let calls = (0..10).map(|at| {
            let channel = channel.clone();
            async move {
                let sent = format!("{round}/{at}");
                tell(&channel, "0").await.unwrap();
                assert_eq!(call(&channel, "Hand.echo", &sent).await.unwrap(), sent.as_bytes());
            }
        });
        futures::future::join_all(calls).await;
    }
    until("all handlers have run", || served.ledger.counts() == (1_000, 1_000, 0)).await;
    assert_eq!(channel.oneway_failures(), 0);
}
