//! Connections that are lost, refused or used up, and calls that are sent again.

use std::time::Duration;

use traitwire::{Caller, Channel, Code, Delivery, limits};

use super::support::{call, request, serve, socket_path, until};

#[tokio::test]
async fn an_address_where_nobody_listens_is_an_error_at_once() {
    for uri in ["tcp://127.0.0.1:1", "mem://nobody", "unix:///nonexistent/socket"] {
        let began = tokio::time::Instant::now();
        let error = Channel::connect(uri).await.unwrap_err();
        assert_eq!((error.code(), error.delivery()), (Code::UNAVAILABLE, Delivery::NotSent), "{error}");
        assert_eq!(error.peer(), Some(uri));
        assert!(std::error::Error::source(&error).is_some());
        let lazy = Channel::builder().lazy(uri).unwrap();
        assert_eq!(call(&lazy, "Hand.echo", "x").await.unwrap_err().code(), Code::UNAVAILABLE);
        // During the wait after a failed attempt calls end at once, with its cause.
        let error = call(&lazy, "Hand.echo", "x").await.unwrap_err();
        assert!(error.message().contains("no connection"), "{error}");
        assert!(began.elapsed() < Duration::from_secs(1));
    }
}

#[tokio::test]
async fn addresses_that_nothing_takes_are_told_apart() {
    let error = Channel::connect("dns://x").await.unwrap_err();
    assert_eq!(error.code(), Code::INVALID_ARGUMENT);
    assert!(error.message().contains("`tcp://`"), "{error}");
}

#[tokio::test]
async fn a_restarted_server_is_found_by_the_next_call() {
    let uri = format!("unix://{}", socket_path("restart"));
    let first = serve(&uri).await;
    let channel = Channel::connect(&uri).await.unwrap();
    call(&channel, "Hand.echo", "x").await.unwrap();
    first.handle.shutdown();
    assert_eq!(first.done.await.unwrap().cut, 0);
    let second = serve(&uri).await;
    assert_eq!(call(&channel, "Hand.echo", "again").await.unwrap(), b"again");
    assert_eq!(second.ledger.counts(), (1, 1, 0));
}

#[tokio::test]
async fn a_patient_call_waits_for_the_server() {
    let uri = format!("unix://{}", socket_path("patient"));
    let channel = Channel::builder().lazy(&uri).unwrap();
    let options = traitwire::CallOptions::new().wait_for_ready();
    let patient = tokio::spawn({
        let channel = channel.clone();
        async move { channel.call(request("Hand.echo", "x").with_options(&options)).await }
    });
    until("the first attempt has failed", || format!("{channel:?}").contains("unix")).await;
    let _served = serve(&uri).await;
    assert!(patient.await.unwrap().is_ok());
}

#[tokio::test]
async fn a_fresh_connection_takes_over_when_ids_run_out() {
    let served = serve("tcp://127.0.0.1:0").await;
    let channel = Channel::builder().first_id(limits::LAST_ID - 20).connect(&served.uri).await.unwrap();
    for round in 0..100 {
        let sent = round.to_string();
        assert_eq!(call(&channel, "Hand.echo", &sent).await.unwrap(), sent.as_bytes());
    }
    assert_eq!(served.ledger.counts(), (100, 100, 0));
}

#[tokio::test]
async fn a_lost_connection_ends_its_calls_as_unknown() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("tcp://{}", listener.local_addr().unwrap());
    let stranger = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut socket, _) = listener.accept().await.unwrap();
        socket.write_all(b"\xc1RPC\x01\x00\x00\x00\x07\x01\x00\x00\x00\x00\x00\x80").await.unwrap();
        let mut seen = Vec::new();
        while !seen.windows(5).any(|window| window == b"twice") {
            let mut buffer = [0; 1024];
            let read = socket.read(&mut buffer).await.unwrap();
            seen.extend_from_slice(&buffer[..read]);
        }
    });
    let channel = Channel::connect(&uri).await.unwrap();
    let error = call(&channel, "Hand.echo", "never twice").await.unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::UNAVAILABLE, Delivery::Unknown), "{error}");
    assert!(!error.is_resend());
    stranger.await.unwrap();
}

#[test]
fn a_runtime_that_ends_takes_no_call_with_it_silently() {
    let first = tokio::runtime::Runtime::new().unwrap();
    let second = tokio::runtime::Runtime::new().unwrap();
    let (_served, channel) = first.block_on(async {
        let served = serve("tcp://127.0.0.1:0").await;
        let channel = Channel::connect(&served.uri).await.unwrap();
        call(&channel, "Hand.echo", "x").await.unwrap();
        (served, channel)
    });
    let waiting = second.spawn(async move { call(&channel, "Hand.sleep", "60000").await });
    std::thread::park_timeout(Duration::from_millis(50));
    first.shutdown_background();
    let error = second.block_on(waiting).unwrap().unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::UNAVAILABLE, Delivery::Unknown), "{error}");
}

#[test]
fn a_call_outside_of_any_runtime_is_an_error_and_no_panic() {
    let channel = Channel::builder().lazy("tcp://127.0.0.1:1").unwrap();
    let error = futures::FutureExt::now_or_never(call(&channel, "Hand.echo", "x")).unwrap().unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::UNAVAILABLE, Delivery::NotSent), "{error}");
    assert!(error.message().contains("tokio runtime"), "{error}");
}
