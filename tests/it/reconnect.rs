//! Connections that are lost, refused or used up, and calls that are sent again.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use traitwire::transport::{Link, Listener, Memory, Transport};
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
    let error = Channel::connect("pigeon://x").await.unwrap_err();
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

/// Memory whose links are made when somebody opens the gate.
#[derive(Clone, Default)]
struct Gate {
    open: Arc<tokio::sync::Notify>,
}

#[async_trait::async_trait]
impl Transport for Gate {
    fn scheme(&self) -> &'static str {
        "gate"
    }

    async fn connect(&self, address: &str) -> io::Result<Link> {
        self.open.notified().await;
        Memory.connect(address).await
    }

    async fn bind(&self, address: &str) -> io::Result<Box<dyn Listener>> {
        Memory.bind(address).await
    }
}

#[tokio::test(start_paused = true)]
async fn calls_that_wait_for_a_connection_are_bounded() {
    let served = serve("mem://gated").await;
    let gate = Gate::default();
    let builder = Channel::builder().transport(gate.clone()).connect_timeout(Duration::from_secs(60));
    let channel = builder.queue(3, 1_000).lazy("gate://gated").unwrap();
    let begin = |size: usize| {
        let mut waiting = Box::pin({
            let channel = channel.clone();
            async move { call(&channel, "Hand.echo", vec![7; size]).await }
        });
        let polled = futures::FutureExt::now_or_never(&mut waiting);
        (waiting, polled.map(Result::unwrap_err))
    };
    let (first, none) = begin(600);
    assert!(none.is_none());
    let (_, full) = begin(401);
    let full = full.unwrap();
    assert_eq!((full.code(), full.delivery()), (Code::RESOURCE_EXHAUSTED, Delivery::NotSent), "{full}");
    assert!(
        full.message().contains("wait for a connection") && full.message().contains("`queue_bytes`"),
        "{full}"
    );
    let (second, third) = (begin(0), begin(0));
    assert!(second.1.is_none() && third.1.is_none());
    assert!(
        begin(0).1.unwrap().message().contains("3 with 600 bytes, at most 3 and 1000 may"),
        "three wait already"
    );
    // One that is dropped leaves its place to the next.
    drop(first);
    let fourth = begin(1_000);
    assert!(fourth.1.is_none());
    gate.open.notify_one();
    for waiting in [second.0, third.0, fourth.0] {
        waiting.await.unwrap();
    }
    assert_eq!(served.ledger.counts(), (3, 3, 0));
    assert_eq!(call(&channel, "Hand.echo", "x").await.unwrap(), b"x");
}

#[tokio::test(start_paused = true)]
async fn patient_calls_are_bounded_between_attempts_too() {
    let channel = Channel::builder().queue(1, 1_000).lazy("mem://between-attempts").unwrap();
    let patient = traitwire::CallOptions::new().wait_for_ready();
    let one = || channel.call(request("Hand.echo", "x").with_options(&patient));
    let mut first = one();
    assert!(futures::FutureExt::now_or_never(&mut first).is_none());
    assert_eq!(one().await.unwrap_err().code(), Code::RESOURCE_EXHAUSTED);
    // The attempt has failed meanwhile, and the first one goes on waiting.
    let ended = tokio::time::timeout(Duration::from_millis(100), &mut first).await;
    assert!(ended.is_err());
    assert_eq!(one().await.unwrap_err().code(), Code::RESOURCE_EXHAUSTED);
    drop(first);
    let _served = serve("mem://between-attempts").await;
    assert!(one().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn many_that_wait_all_go_on_and_those_that_left_do_not() {
    let served = serve("mem://many-wait").await;
    let gate = Gate::default();
    let channel = Channel::builder().transport(gate.clone()).lazy("gate://many-wait").unwrap();
    let mut waiting: Vec<_> = (0..1_000)
        .map(|_| {
            let channel = channel.clone();
            tokio::spawn(async move { call(&channel, "Hand.echo", "x").await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(1)).await;
    for (at, call) in waiting.iter().enumerate() {
        if at % 2 == 0 {
            call.abort();
        }
    }
    tokio::time::sleep(Duration::from_millis(1)).await;
    gate.open.notify_one();
    let mut ended = 0;
    for call in waiting.drain(..) {
        ended += u32::from(call.await.is_ok_and(|result| result.is_ok()));
    }
    assert_eq!((ended, served.ledger.counts()), (500, (500, 500, 0)));
}
