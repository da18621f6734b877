//! Connections that are cut between the two sides, with an end that nobody has announced: an error, never an end, wherever it comes.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::{StreamExt, stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use traitwire::observe::{Counters, CountersSnapshot};
use traitwire::tls::{ClientTls, ServerTls, dev};
use traitwire::{Channel, Code, Delivery, RpcError};

use super::super::numbers::{Basic, NumbersClient, NumbersServer};
use super::super::support::{call, until};
use super::serving::{address, serve_with};

/// Where a connection is cut.
#[derive(Clone, Copy)]
enum Cut {
    WhenTold,
    /// Behind so many bytes of the client.
    Client(u64),
    /// Behind so many bytes of the server.
    Server(u64),
}

/// Passes one connection on as far as that: then both sides see an end that nobody has announced.
async fn scissors(to: &str, cut: Cut) -> (String, oneshot::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (uri, to) = (format!("tls://{}", listener.local_addr().unwrap()), address(to).to_owned());
    let (now, told) = oneshot::channel();
    let [most_of_client, most_of_server] = match cut {
        Cut::WhenTold => [u64::MAX; 2],
        Cut::Client(bytes) => [bytes, u64::MAX],
        Cut::Server(bytes) => [u64::MAX, bytes],
    };
    tokio::spawn(async move {
        let (client, _) = listener.accept().await.unwrap();
        let server = TcpStream::connect(to).await.unwrap();
        let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
            (client.into_split(), server.into_split());
        let (mut of_client, mut of_server) =
            ((&mut from_client).take(most_of_client), (&mut from_server).take(most_of_server));
        tokio::select! {
            biased;
            Ok(()) = told => {}
            _ = copy(&mut of_client, &mut to_server) => {}
            _ = copy(&mut of_server, &mut to_client) => {}
        }
        to_client.shutdown().await.unwrap();
        to_server.shutdown().await.unwrap();
        // Open still for reading, so that the kernel sends an end and no reset.
        let (mut left, mut right) = (Vec::new(), Vec::new());
        let _ = tokio::join!(from_client.read_to_end(&mut left), from_server.read_to_end(&mut right));
    });
    (uri, now)
}

/// Two sides and the scissors between them.
struct Cuttable {
    channel: Channel,
    basic: Basic,
    counters: Arc<Counters>,
    now: oneshot::Sender<()>,
}

impl Cuttable {
    async fn new(cut: Cut) -> Self {
        let (ca, basic, counters) = (dev::Ca::new().unwrap(), Basic::default(), Arc::new(Counters::new()));
        let tls = ServerTls::new(ca.issue(["127.0.0.1"]).unwrap());
        let served = serve_with(tls, |builder| {
            builder.service(NumbersServer::new(basic.clone())).observer(counters.clone())
        });
        let (uri, now) = scissors(&served.await.uri, cut).await;
        let builder = Channel::builder().tls(ClientTls::new().roots(ca.roots()));
        Self { channel: builder.connect(&uri).await.unwrap(), basic, counters, now }
    }

    /// What the server knows when the connection is gone there too.
    async fn served(&self) -> CountersSnapshot {
        until("the server sees the end", || self.counters.snapshot().connections == 0).await;
        self.counters.snapshot()
    }
}

fn assert_cut(error: &RpcError, delivery: Delivery) {
    assert_eq!((error.code(), error.delivery()), (Code::UNAVAILABLE, delivery), "{error}");
    let words = "cut off: the server did not say that it ends (no close_notify)";
    assert!(error.message().contains(words), "{error}");
}

#[tokio::test]
async fn a_connection_that_is_cut_is_an_error_and_not_an_end() {
    let Cuttable { channel, now, .. } = Cuttable::new(Cut::WhenTold).await;
    assert_eq!(call(&channel, "Hand.echo", "x").await.unwrap(), b"x");
    let cutting = async {
        // The server has the call when it has answered a later one.
        assert_eq!(call(&channel, "Hand.echo", "y").await.unwrap(), b"y");
        now.send(()).unwrap();
    };
    let (ended, ()) = tokio::join!(call(&channel, "Hand.sleep", "60000"), cutting);
    assert_cut(&ended.unwrap_err(), Delivery::Unknown);
}

/// More than a handshake and HELLO take, and less than a payload of [`LARGE`] behind them.
const BEHIND_HELLO: u64 = 30_000;
const LARGE: usize = 100_000;

#[tokio::test]
async fn half_a_request_starts_nothing() {
    let cuttable = Cuttable::new(Cut::Client(BEHIND_HELLO)).await;
    let ended = call(&cuttable.channel, "Hand.echo", vec![7; LARGE]).await;
    assert_cut(&ended.unwrap_err(), Delivery::Unknown);
    let served = cuttable.served().await;
    assert_eq!((served.started, served.in_flight), (0, 0));
}

#[tokio::test]
async fn half_an_answer_is_none() {
    let cuttable = Cuttable::new(Cut::Server(BEHIND_HELLO)).await;
    let ended = call(&cuttable.channel, "Hand.echo", vec![7; LARGE]).await;
    assert_cut(&ended.unwrap_err(), Delivery::Unknown);
    assert_eq!(cuttable.served().await.finished, 1);
}

#[tokio::test]
async fn half_an_upload_is_not_taken_for_a_whole_one() {
    let cuttable = Cuttable::new(Cut::WhenTold).await;
    let fates = Arc::clone(&cuttable.basic.fates);
    let numbers = NumbersClient::new(cuttable.channel.clone());
    let values = stream::iter(0..3).chain(stream::pending());
    let cutting = async {
        until("three are taken", || fates.taken.load(Ordering::SeqCst) == 3).await;
    };
    let call = tokio::spawn(async move { numbers.sum(0, values).await });
    cutting.await;
    let Cuttable { now, counters, .. } = cuttable;
    now.send(()).unwrap();
    assert_cut(call.await.unwrap().unwrap_err().rpc().unwrap(), Delivery::Unknown);
    until("the handler is dropped", || fates.dropped.load(Ordering::SeqCst) == 1).await;
    assert_eq!(fates.whole.load(Ordering::SeqCst), 0, "it never saw an end");
    assert_eq!(counters.snapshot().cancelled, 1);
}

#[tokio::test]
async fn half_a_download_ends_with_an_error() {
    let cuttable = Cuttable::new(Cut::Server(BEHIND_HELLO)).await;
    let numbers = NumbersClient::new(cuttable.channel.clone());
    let items: Vec<_> = numbers.blocks(1_000, 1_000).collect().await;
    let (last, before) = items.split_last().unwrap();
    assert!(before.len() < 30 && before.iter().all(Result::is_ok), "{}", before.len());
    assert_cut(last.as_ref().unwrap_err().rpc().unwrap(), Delivery::Executed);
}
