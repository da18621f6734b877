//! Servers that end: nothing that was accepted is lost within the grace, and nothing waits for ever.

use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use traitwire::{CallError, Channel, Code, Context, Delivery, RpcError, Server, rpc_service};

use super::support::{Hand, call, serve, serve_with, tell, until};

#[tokio::test]
async fn accepted_calls_finish_and_the_listener_is_closed() {
    let served = serve("tcp://127.0.0.1:0").await;
    let channel = Channel::connect(&served.uri).await.unwrap();
    let slow = tokio::spawn({
        let channel = channel.clone();
        async move { call(&channel, "Hand.sleep", "200").await }
    });
    until("the call is accepted", || served.ledger.counts().0 == 1).await;
    served.handle.shutdown();
    let error = loop {
        // The listener closes first; until this client has heard, calls are refused or sent again in vain.
        match call(&channel, "Hand.echo", "x").await {
            Ok(_) => tokio::task::yield_now().await,
            Err(error) => break error,
        }
    };
    assert_eq!(error.code(), Code::UNAVAILABLE, "{error}");
    assert!(error.delivery().is_harmless(), "{error}");
    assert_eq!(slow.await.unwrap().unwrap(), b"200");
    assert_eq!(served.done.await.unwrap().cut, 0);
    assert!(Channel::connect(&served.uri).await.is_err());
}

#[tokio::test]
async fn what_is_left_after_the_grace_is_cut_and_told() {
    let grace = Duration::from_millis(50);
    let served = serve_with("tcp://127.0.0.1:0", Hand::default(), |builder| builder.grace(grace)).await;
    let channel = Channel::connect(&served.uri).await.unwrap();
    let slow = tokio::spawn(async move { call(&channel, "Hand.sleep", "60000").await });
    until("the call is accepted", || served.ledger.counts().0 == 1).await;
    served.handle.shutdown();
    assert_eq!(served.done.await.unwrap().cut, 1);
    let error = slow.await.unwrap().unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::UNAVAILABLE, Delivery::Executed), "{error}");
    until("the handler is dropped", || served.ledger.counts() == (1, 0, 1)).await;
}

#[tokio::test]
async fn an_idle_server_ends_at_once() {
    let served = serve("mem://idle-end").await;
    let channel = Channel::connect(&served.uri).await.unwrap();
    call(&channel, "Hand.echo", "x").await.unwrap();
    served.handle.shutdown();
    let ended = tokio::time::timeout(Duration::from_secs(2), served.done).await;
    assert_eq!(ended.unwrap().unwrap().cut, 0);
}

#[tokio::test]
async fn it_may_listen_at_many_places_and_says_where() {
    let server = Server::builder().service(Hand::default()).bind("tcp://127.0.0.1:0").await.unwrap();
    let server = server.bind("mem://second").await.unwrap();
    let addresses = server.addresses().to_vec();
    assert!(addresses[0].starts_with("tcp://127.0.0.1:") && !addresses[0].ends_with(":0"), "{addresses:?}");
    assert_eq!(addresses[1], "mem://second");
    let (stop, stopped) = futures::channel::oneshot::channel::<()>();
    let serving = tokio::spawn(server.serve_with_shutdown(async { assert!(stopped.await.is_ok()) }));
    for uri in &addresses {
        let channel = Channel::connect(uri).await.unwrap();
        assert_eq!(call(&channel, "Hand.echo", "x").await.unwrap(), b"x");
    }
    stop.send(()).unwrap();
    assert_eq!(serving.await.unwrap().unwrap().cut, 0);
}

#[tokio::test]
async fn mistakes_in_setting_up_are_told() {
    let twice = Server::builder().service(Hand::default()).service(Hand::default());
    let error = twice.bind("mem://twice").await.unwrap_err().to_string();
    assert!(error.contains("two services are named `Hand`"), "{error}");
    let taken = serve("mem://taken").await;
    let error = Server::builder().bind(&taken.uri).await.unwrap_err().to_string();
    assert!(error.contains("mem://taken"), "{error}");
    let error = Server::builder().bind("http://x").await.unwrap_err().to_string();
    assert!(error.contains("`tcp://`"), "{error}");
}

#[tokio::test]
async fn a_call_that_the_draining_server_never_saw_is_sent_to_its_successor() {
    // One address, two servers one after the other: what the first one refuses, the second one answers.
    let uri = format!("unix://{}", super::support::socket_path("successor"));
    let first = serve(&uri).await;
    let channel = Channel::connect(&uri).await.unwrap();
    let hold = tokio::spawn({
        let channel = channel.clone();
        async move { call(&channel, "Hand.sleep", "100").await }
    });
    until("the call is accepted", || first.ledger.counts().0 == 1).await;
    first.handle.shutdown();
    until("the listener is closed", || !std::path::Path::new(uri.trim_start_matches("unix://")).exists())
        .await;
    let second = serve(&uri).await;
    let mut answered = 0;
    for _ in 0..50 {
        if call(&channel, "Hand.echo", "x").await.is_ok() {
            answered += 1;
        }
    }
    assert_eq!(answered, 50, "no call is lost between the two");
    assert_eq!(hold.await.unwrap().unwrap(), b"100");
    assert_eq!(first.done.await.unwrap().cut, 0);
    assert!(second.ledger.counts().0 > 0);
    assert_eq!(first.ledger.counts().0 + second.ledger.counts().0, 51);
}

#[tokio::test]
async fn a_server_whose_future_is_dropped_finishes_and_answers_nobody_else() {
    let served = serve("mem://dropped").await;
    let channel = Channel::connect(&served.uri).await.unwrap();
    let slow = tokio::spawn({
        let channel = channel.clone();
        async move { call(&channel, "Hand.sleep", "100").await }
    });
    until("the call is accepted", || served.ledger.counts().0 == 1).await;
    served.done.abort();
    assert_eq!(slow.await.unwrap().unwrap(), b"100");
    assert_eq!(call(&channel, "Hand.echo", "x").await.unwrap_err().code(), Code::UNAVAILABLE);
}

#[tokio::test]
async fn handlers_of_oneway_calls_are_waited_for() {
    let served = serve("mem://oneway-drain").await;
    let channel = Channel::connect(&served.uri).await.unwrap();
    call(&channel, "Hand.notify", "100").await.unwrap();
    assert_eq!(served.ledger.counts(), (1, 0, 0));
    served.handle.shutdown();
    assert_eq!(served.done.await.unwrap().cut, 0);
    assert_eq!(served.ledger.counts(), (1, 1, 0));
}

#[tokio::test]
async fn handlers_of_oneway_calls_are_stopped_when_the_grace_is_over() {
    let grace = Duration::from_millis(50);
    let served = serve_with("mem://oneway-grace", Hand::default(), |builder| builder.grace(grace)).await;
    let channel = Channel::connect(&served.uri).await.unwrap();
    for _ in 0..2 {
        tell(&channel, "5000").await.unwrap();
    }
    let slow = tokio::spawn({
        let channel = channel.clone();
        async move { call(&channel, "Hand.sleep", "5000").await }
    });
    until("all are at work", || served.ledger.counts().0 == 3).await;
    served.handle.shutdown();
    assert_eq!(served.done.await.unwrap().cut, 3);
    // `serve` waits for the handlers of oneway calls, which have nobody left but the server.
    until("all are dropped", || served.ledger.counts() == (3, 0, 3)).await;
    assert!(slow.await.unwrap().is_err());
}

#[tokio::test]
async fn they_are_stopped_even_if_their_connection_is_long_gone() {
    let grace = Duration::from_millis(50);
    let served = serve_with("mem://oneway-alone", Hand::default(), |builder| builder.grace(grace)).await;
    let channel = Channel::connect(&served.uri).await.unwrap();
    tell(&channel, "5000").await.unwrap();
    until("it is at work", || served.ledger.counts().0 == 1).await;
    drop(channel);
    served.handle.shutdown();
    assert_eq!(served.done.await.unwrap().cut, 1);
    assert_eq!(served.ledger.counts(), (1, 0, 1));
}

#[rpc_service]
trait Ticker {
    /// Goes on until the server goes, and then says so in one more item.
    fn polite(&self) -> impl Stream<Item = bool>;
    /// Goes on whatever happens.
    fn stubborn(&self) -> impl Stream<Item = bool>;
    /// When the server goes.
    async fn farewell(&self) -> bool;
}

struct Ticks;

impl Ticker for Ticks {
    fn polite(&self) -> impl Stream<Item = bool> {
        stream::unfold(false, async |is_over| {
            if is_over {
                return None;
            }
            let context = Context::current();
            tokio::select! {
                biased;
                () = context.draining() => Some((context.is_draining(), true)),
                () = tokio::time::sleep(Duration::from_millis(10)) => Some((context.is_draining(), false)),
            }
        })
    }

    fn stubborn(&self) -> impl Stream<Item = bool> {
        stream::unfold((), async |()| {
            tokio::time::sleep(Duration::from_millis(10)).await;
            Some((Context::current().is_draining(), ()))
        })
    }

    async fn farewell(&self) -> bool {
        // Not inherited by tasks: the future is, wherever it is waited for.
        tokio::spawn(Context::current().draining()).await.is_ok()
    }
}

#[tokio::test(start_paused = true)]
async fn handlers_see_that_the_server_goes_and_what_is_cut_is_told_why() {
    let grace = Duration::from_secs(1);
    let server = Server::builder().service(TickerServer::new(Ticks)).grace(grace).bind("mem://going").await;
    let server = server.unwrap();
    let handle = server.handle();
    let serving = tokio::spawn(async move { server.serve().await.unwrap() });
    let ticker = TickerClient::connect("mem://going").await.unwrap();
    let (mut polite, mut stubborn) = (ticker.polite(), ticker.stubborn());
    assert!(!polite.next().await.unwrap().unwrap() && !stubborn.next().await.unwrap().unwrap());
    let farewell = tokio::spawn(ticker.farewell());
    tokio::time::sleep(Duration::from_millis(50)).await;

    handle.shutdown();
    let began = tokio::time::Instant::now();
    assert!(farewell.await.unwrap().unwrap());
    let said: Vec<bool> = polite.map(Result::unwrap).collect().await;
    assert_eq!(said.last(), Some(&true));
    assert!(began.elapsed() < grace, "it ends by itself, in good order");
    let cut = loop {
        match stubborn.next().await.unwrap() {
            Ok(_) => {}
            Err(CallError::Rpc(error)) => break error,
        }
    };
    assert!(began.elapsed() >= grace);
    assert_eq!((cut.code(), cut.delivery()), (Code::UNAVAILABLE, Delivery::Executed), "{cut}");
    assert_eq!(cut.detail(), Some(RpcError::GOING_AWAY), "{cut}");
    assert_eq!(serving.await.unwrap().cut, 1);
    assert!(!Context::current().is_draining(), "there is no call here");
}
