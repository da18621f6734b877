//! gRPC's interop procedures with their names and sizes, over memory, TCP and Unix sockets, and those that its list has
//! left undone: pushback both ways, thousands of timeouts at a time, a server that breaks the rules (`buggy`), a
//! connection that is lost in mid-stream.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::future::join_all;
use futures::{Stream, StreamExt, stream};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, copy_bidirectional, duplex};
use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;
use traitwire::transport::{Link, Listener, Tcp, Transport, Unix};
use traitwire::{
    CallError, Channel, ChannelBuilder, Code, Delivery, RpcError, Server, ServerBuilder, Streaming, limits,
    rpc_service,
};

use super::support::{socket_path, until};

/// What a request asks for, and what it carries.
#[derive(Debug, Deserialize, Serialize)]
struct Ask {
    size: u32,
    #[serde(with = "serde_bytes")]
    payload: Vec<u8>,
}

impl Ask {
    fn new(sent: usize, size: u32) -> Self {
        Self { size, payload: vec![0; sent] }
    }
}

#[rpc_service]
trait Interop {
    async fn empty(&self);
    async fn unary(&self, ask: Ask) -> ByteBuf;
    /// The bytes of all payloads.
    async fn collect(&self, payloads: Streaming<Vec<u8>>) -> u64;
    /// The same, but between the first one and the rest it waits until it is told to go on.
    async fn hold(&self, payloads: Streaming<Vec<u8>>) -> u64;
    fn produce(&self, sizes: Vec<u32>) -> impl Stream<Item = Vec<u8>>;
    fn produce_many(&self, count: u32, size: u32) -> impl Stream<Item = Vec<u8>>;
    fn answer_each(&self, asks: Streaming<Ask>) -> impl Stream<Item = Vec<u8>>;
    async fn sleep(&self);
    /// Never opens its stream.
    async fn sleep_over(&self, asks: Streaming<Ask>) -> Result<impl Stream<Item = Vec<u8>>, ()>;
}

const REQUESTS: [usize; 4] = [27_182, 8, 1_828, 45_904];
const RESPONSES: [u32; 4] = [31_415, 9, 2_653, 58_979];

/// What the handlers have done.
#[derive(Debug, Default)]
struct Ledger {
    started: AtomicU32,
    /// Before their end or after it.
    dropped: AtomicU32,
    made: AtomicU32,
    taken: AtomicU32,
    go_on: Notify,
}

fn read(counter: &AtomicU32) -> u32 {
    counter.load(Ordering::SeqCst)
}

/// A handler at work.
struct AtWork(Arc<Ledger>);

impl AtWork {
    fn new(ledger: &Arc<Ledger>) -> Self {
        ledger.started.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(ledger))
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

#[derive(Clone, Default)]
struct Service {
    ledger: Arc<Ledger>,
}

impl Interop for Service {
    async fn empty(&self) {}

    async fn unary(&self, ask: Ask) -> ByteBuf {
        ByteBuf::from(vec![0; ask.size as usize])
    }

    async fn collect(&self, mut payloads: Streaming<Vec<u8>>) -> u64 {
        let _at_work = AtWork::new(&self.ledger);
        let mut sum = 0;
        while let Some(payload) = payloads.next().await {
            sum += payload.unwrap().len() as u64;
            self.ledger.taken.fetch_add(1, Ordering::SeqCst);
        }
        sum
    }

    async fn hold(&self, mut payloads: Streaming<Vec<u8>>) -> u64 {
        let first = payloads.next().await.unwrap().unwrap().len() as u64;
        self.ledger.taken.fetch_add(1, Ordering::SeqCst);
        self.ledger.go_on.notified().await;
        first + self.collect(payloads).await
    }

    fn produce(&self, sizes: Vec<u32>) -> impl Stream<Item = Vec<u8>> {
        stream::iter(sizes.into_iter().map(|size| vec![0; size as usize]))
    }

    fn produce_many(&self, count: u32, size: u32) -> impl Stream<Item = Vec<u8>> {
        let at_work = AtWork::new(&self.ledger);
        stream::iter((0..count).map(move |nth| {
            at_work.0.made.fetch_add(1, Ordering::SeqCst);
            vec![nth as u8; size as usize]
        }))
    }

    fn answer_each(&self, asks: Streaming<Ask>) -> impl Stream<Item = Vec<u8>> {
        let at_work = AtWork::new(&self.ledger);
        asks.map(move |ask| {
            at_work.0.taken.fetch_add(1, Ordering::SeqCst);
            vec![0; ask.unwrap().size as usize]
        })
    }

    async fn sleep(&self) {
        let _at_work = AtWork::new(&self.ledger);
        std::future::pending().await
    }

    async fn sleep_over(&self, _: Streaming<Ask>) -> Result<impl Stream<Item = Vec<u8>>, ()> {
        self.sleep().await;
        Ok(stream::empty())
    }
}

// ===== the transports =====

/// A service, and a client of it.
struct Pair {
    client: InteropClient,
    ledger: Arc<Ledger>,
}

impl Pair {
    async fn new(
        kind: Kind,
        server: impl FnOnce(ServerBuilder) -> ServerBuilder,
        client: impl FnOnce(ChannelBuilder) -> ChannelBuilder,
    ) -> Self {
        let uri = match kind {
            Kind::Memory => format!("mem://interop-{}", unique()),
            Kind::Tcp => "tcp://127.0.0.1:0".to_owned(),
            Kind::Unix => format!("unix://{}", socket_path(&format!("interop-{}", unique()))),
        };
        let (server, ledger) = serve(&uri, server).await;
        let channel = client(Channel::builder()).connect(&server).await.unwrap();
        Self { client: InteropClient::new(channel), ledger }
    }

    /// One whose connections pass through wires that can be cut.
    async fn wired(kind: Kind) -> (Self, Wires) {
        let wires = Wires::new(kind);
        let uri = match kind {
            Kind::Memory => "wires://memory".to_owned(),
            Kind::Tcp => "tcp://127.0.0.1:0".to_owned(),
            Kind::Unix => format!("unix://{}", socket_path(&format!("interop-{}", unique()))),
        };
        let (server, ledger) = serve(&uri, |builder| builder.transport(wires.clone())).await;
        let (_, address) = server.split_once("://").unwrap();
        let builder = Channel::builder().transport(wires.clone());
        let channel = builder.connect(&format!("wires://{address}")).await.unwrap();
        (Self { client: InteropClient::new(channel), ledger }, wires)
    }

    async fn plain(kind: Kind) -> Self {
        Self::new(kind, |builder| builder, |builder| builder).await
    }

    /// After so many round trips whatever else there was to do has been done.
    async fn settle(&self) {
        for _ in 0..100 {
            self.client.empty().await.unwrap();
        }
    }
}

/// A server there, and what its service has seen.
async fn serve(uri: &str, settings: impl FnOnce(ServerBuilder) -> ServerBuilder) -> (String, Arc<Ledger>) {
    let service = Service::default();
    let ledger = Arc::clone(&service.ledger);
    let server = settings(Server::builder().service(InteropServer::new(service))).bind(uri).await.unwrap();
    let address = server.addresses()[0].clone();
    tokio::spawn(server.serve());
    (address, ledger)
}

fn unique() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::SeqCst)
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Memory,
    Tcp,
    Unix,
}

const EVERYWHERE: [Kind; 3] = [Kind::Memory, Kind::Tcp, Kind::Unix];

/// Connections that pass through a task, which can be stopped.
#[derive(Clone)]
struct Wires {
    kind: Kind,
    links: Arc<Mutex<Vec<AbortHandle>>>,
    dialled: mpsc::UnboundedSender<DuplexStream>,
    accepted: Arc<Mutex<Option<mpsc::UnboundedReceiver<DuplexStream>>>>,
}

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

impl Wires {
    fn new(kind: Kind) -> Self {
        let (dialled, accepted) = mpsc::unbounded_channel();
        let accepted = Arc::new(Mutex::new(Some(accepted)));
        Self { kind, links: Arc::default(), dialled, accepted }
    }

    /// Cuts all connections that there are; says how many there have been.
    fn cut(&self) -> usize {
        let links = self.links.lock();
        links.iter().for_each(AbortHandle::abort);
        links.len()
    }
}

#[async_trait::async_trait]
impl Transport for Wires {
    fn scheme(&self) -> &'static str {
        "wires"
    }

    async fn connect(&self, address: &str) -> io::Result<Link> {
        let (near, mut inner) = duplex(64 << 10);
        let mut far: Box<dyn Io> = match self.kind {
            Kind::Tcp => Box::new(tokio::net::TcpStream::connect(address).await?),
            Kind::Unix => Box::new(tokio::net::UnixStream::connect(address).await?),
            Kind::Memory => {
                let (ours, theirs) = duplex(64 << 10);
                self.dialled.send(theirs).map_err(io::Error::other)?;
                Box::new(ours)
            }
        };
        let wire = tokio::spawn(async move { copy_bidirectional(&mut inner, &mut far).await });
        self.links.lock().push(wire.abort_handle());
        Ok(Link::local(near, address))
    }

    async fn bind(&self, address: &str) -> io::Result<Box<dyn Listener>> {
        match self.kind {
            Kind::Tcp => Tcp.bind(address).await,
            Kind::Unix => Unix.bind(address).await,
            Kind::Memory => Ok(Box::new(Dialled(self.accepted.lock().take().unwrap()))),
        }
    }
}

struct Dialled(mpsc::UnboundedReceiver<DuplexStream>);

#[async_trait::async_trait]
impl Listener for Dialled {
    async fn accept(&mut self) -> io::Result<Link> {
        let io = self.0.recv().await.ok_or(io::ErrorKind::NotConnected)?;
        Ok(Link::local(io, "memory"))
    }

    fn address(&self) -> String {
        "memory".to_owned()
    }
}

// ===== gRPC's procedures =====

#[tokio::test]
async fn large_unary() {
    for kind in EVERYWHERE {
        let pair = Pair::plain(kind).await;
        assert_eq!(pair.client.unary(Ask::new(271_828, 314_159)).await.unwrap().len(), 314_159, "{kind:?}");
    }
}

#[tokio::test]
async fn client_streaming() {
    for kind in EVERYWHERE {
        let pair = Pair::plain(kind).await;
        let payloads = stream::iter(REQUESTS).map(|size| vec![0; size]);
        assert_eq!(pair.client.collect(payloads).await.unwrap(), 74_922, "{kind:?}");
    }
}

#[tokio::test]
async fn server_streaming() {
    for kind in EVERYWHERE {
        let pair = Pair::plain(kind).await;
        let items = pair.client.produce(RESPONSES.to_vec());
        let sizes: Vec<u32> = items.map(|item| item.unwrap().len() as u32).collect().await;
        assert_eq!(sizes, RESPONSES, "{kind:?}");
    }
}

#[tokio::test]
async fn ping_pong() {
    for kind in EVERYWHERE {
        let pair = Pair::plain(kind).await;
        let (asks, source) = mpsc::unbounded_channel();
        let mut answers = pair.client.answer_each(received(source));
        for (sent, size) in REQUESTS.into_iter().zip(RESPONSES) {
            asks.send(Ask::new(sent, size)).unwrap();
            assert_eq!(answers.next().await.unwrap().unwrap().len(), size as usize, "{kind:?}");
        }
        drop(asks);
        assert!(answers.next().await.is_none(), "{kind:?}");
        assert_eq!(answers.received().items, 4);
    }
}

#[tokio::test]
async fn empty_stream() {
    for kind in EVERYWHERE {
        // Each of them is the first thing on its connection.
        let pair = Pair::plain(kind).await;
        assert!(pair.client.answer_each(stream::empty()).next().await.is_none(), "{kind:?}");
        let pair = Pair::plain(kind).await;
        assert_eq!(pair.client.collect(stream::empty()).await.unwrap(), 0, "{kind:?}");
        let pair = Pair::plain(kind).await;
        assert!(pair.client.produce(Vec::new()).next().await.is_none(), "{kind:?}");
    }
}

#[tokio::test]
async fn cancel_after_begin() {
    for kind in EVERYWHERE {
        let pair = Pair::plain(kind).await;
        let (source, dropped) = guarded(stream::pending());
        let call = tokio::spawn(pair.client.collect(source));
        until("the handler has begun", || read(&pair.ledger.started) == 1).await;
        call.abort();
        until("the handler is dropped", || read(&pair.ledger.dropped) == 1).await;
        until("the source is dropped", || read(&dropped.dropped) == 1).await;
        pair.settle().await;
    }
}

#[tokio::test]
async fn cancel_after_first_response() {
    for kind in EVERYWHERE {
        let pair = Pair::plain(kind).await;
        let first = Ask::new(27_182, 31_415);
        let (source, dropped) = guarded(stream::once(async { first }).chain(stream::pending()));
        let mut answers = pair.client.answer_each(source);
        assert_eq!(answers.next().await.unwrap().unwrap().len(), 31_415, "{kind:?}");
        drop(answers);
        until("the handler is dropped", || read(&pair.ledger.dropped) == 1).await;
        until("the source is dropped", || read(&dropped.dropped) == 1).await;
        pair.settle().await;
    }
}

#[tokio::test]
async fn timeout_on_sleeping_server() {
    for kind in EVERYWHERE {
        let pair = Pair::plain(kind).await;
        let ask = || stream::once(async { Ask::new(27_182, 0) });
        // What has left by itself is no progress: the server is silent. What is known of the handler differs.
        let call = pair.client.sleep_over(ask()).timeout(Duration::from_millis(1));
        assert_eq!(call.await.unwrap_err().rpc().unwrap().code(), Code::DEADLINE_EXCEEDED);
        pair.settle().await;
        let begun = read(&pair.ledger.started);
        let patient = pair.client.sleep_over(ask()).timeout(Duration::from_millis(300));
        let (error, ()) =
            tokio::join!(patient, until("it sleeps", || read(&pair.ledger.started) == begun + 1));
        assert_eq!(error.unwrap_err().rpc().unwrap().code(), Code::DEADLINE_EXCEEDED, "{kind:?}");
        until("all are dropped", || read(&pair.ledger.dropped) == begun + 1).await;
        // A stream that was opened, and then nothing.
        let mut answers = pair.client.answer_each(stream::pending()).idle_timeout(Duration::from_millis(100));
        let Some(Err(CallError::Rpc(error))) = answers.next().await else { panic!("it ends by its time") };
        assert_eq!(
            (error.code(), error.delivery()),
            (Code::DEADLINE_EXCEEDED, Delivery::Executed),
            "{error}"
        );
        assert!(answers.next().await.is_none());
    }
}

#[tokio::test]
async fn concurrent_large_unary() {
    for kind in EVERYWHERE {
        // Together they are more than a channel's queue holds by default.
        let pair = Pair::new(kind, |builder| builder, |builder| builder.queue(1_000, 512 << 20)).await;
        let calls = (0..1_000).map(|_| {
            let call = pair.client.unary(Ask::new(271_828, 314_159)).timeout(Duration::from_secs(120));
            async move { call.await.map(|answer| answer.len()) }
        });
        for answer in join_all(calls).await {
            assert_eq!(answer.unwrap(), 314_159, "{kind:?}");
        }
    }
}

// ===== what gRPC's list has left undone =====

const SMALL: usize = 64 << 10;
/// What a payload of 1,000 bytes costs: itself, the head of a `bin`, and the 16 that each item costs.
const COST: usize = 1_000 + 3 + limits::ITEM_OVERHEAD;
/// Items that go on the credit of a stream that nobody reads.
const PAID: u32 = (SMALL / COST) as u32;
/// Items that are made before it is known that there is no credit for them: two batches.
const AHEAD: u32 = 2 * (limits::BATCH / 1_003 + 1) as u32;

#[tokio::test]
async fn a_stalled_client_stops_its_server_and_nobody_else() {
    for kind in EVERYWHERE {
        let pair = Pair::new(kind, |builder| builder, |builder| builder.credit(SMALL)).await;
        let mut items = pair.client.produce_many(1_000, 1_000);
        assert_eq!(items.next().await.unwrap().unwrap(), vec![0; 1_000]);
        until("the credit is spent", || read(&pair.ledger.made) >= PAID).await;
        pair.settle().await;
        let made = read(&pair.ledger.made);
        assert!((PAID..=PAID + AHEAD).contains(&made), "{kind:?}: {made} of {PAID}");
        assert_eq!(
            pair.client.produce(vec![1_000; 2_000]).count().await,
            2_000,
            "another one does not stall"
        );
        pair.settle().await;
        assert_eq!(read(&pair.ledger.made), made, "{kind:?}: it stands still");
        let mut nth = 1;
        while let Some(item) = items.next().await {
            assert_eq!(item.unwrap(), vec![nth as u8; 1_000], "{kind:?}");
            nth += 1;
        }
        assert_eq!(nth, 1_000, "{kind:?}: nothing is lost");
    }
}

#[tokio::test]
async fn a_stalled_server_stops_its_client_and_nobody_else() {
    for kind in EVERYWHERE {
        let pair = Pair::new(kind, |builder| builder.credit(SMALL), |builder| builder).await;
        let made = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&made);
        let payloads = stream::iter(0..1_000).map(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            vec![0; 1_000]
        });
        let call = tokio::spawn(pair.client.hold(payloads));
        until("the first is taken", || read(&pair.ledger.taken) == 1).await;
        until("the credit is spent", || read(&made) >= PAID).await;
        pair.settle().await;
        let stalled = read(&made);
        assert!((PAID..=PAID + AHEAD).contains(&stalled), "{kind:?}: {stalled} of {PAID}");
        assert_eq!(pair.client.collect(stream::iter(vec![vec![0; 10]; 100])).await.unwrap(), 1_000);
        pair.settle().await;
        assert_eq!(read(&made), stalled, "{kind:?}: it stands still");
        pair.ledger.go_on.notify_one();
        assert_eq!(call.await.unwrap().unwrap(), 1_000_000, "{kind:?}: nothing is lost");
    }
}

#[tokio::test]
async fn thousands_of_timeouts_at_a_time() {
    for kind in EVERYWHERE {
        let pair = Pair::plain(kind).await;
        let calls = (0..3_900).map(|nth| pair.client.sleep().timeout(Duration::from_millis(100 + nth % 100)));
        let opening = (0..100).map(|nth| {
            let asks = stream::pending();
            pair.client.sleep_over(asks).timeout(Duration::from_millis(100 + nth))
        });
        let (calls, opening) = tokio::join!(join_all(calls), join_all(opening));
        let errors = calls.into_iter().map(|result| RpcError::from(result.unwrap_err()));
        let opening = opening.into_iter().map(|result| result.unwrap_err().rpc().unwrap().clone());
        for error in errors.chain(opening) {
            assert_eq!(error.code(), Code::DEADLINE_EXCEEDED, "{kind:?}: {error}");
        }
        let (started, dropped) = (&pair.ledger.started, &pair.ledger.dropped);
        until("all handlers are dropped", || read(started) == read(dropped) && read(started) > 0).await;
        pair.settle().await;
        // All places are free again.
        let calls = (0..u64::from(limits::IN_FLIGHT)).map(|_| pair.client.empty());
        assert!(join_all(calls).await.into_iter().all(|result| result.is_ok()), "{kind:?}");
    }
}

#[tokio::test]
async fn a_connection_that_is_lost_in_mid_stream_is_an_error_and_the_next_call_connects() {
    for kind in EVERYWHERE {
        let (pair, wires) = Pair::wired(kind).await;
        let mut items = pair.client.produce_many(u32::MAX, 1_000);
        for _ in 0..10 {
            items.next().await.unwrap().unwrap();
        }
        let (source, dropped) = guarded(stream::iter([vec![0; 7]]).chain(stream::pending()));
        let sending = tokio::spawn(pair.client.collect(source));
        until("its item is there", || read(&pair.ledger.taken) == 1).await;
        assert_eq!(wires.cut(), 1);

        // What had come is still read; then the stream fails, once, and does not end as if it were whole.
        let error = loop {
            match items.next().await.expect("a lost connection is no end") {
                Ok(item) => assert_eq!(item.len(), 1_000),
                Err(error) => break RpcError::from(error),
            }
        };
        assert_eq!((error.code(), error.delivery()), (Code::UNAVAILABLE, Delivery::Executed), "{error}");
        assert!(!error.is_resend() && items.next().await.is_none());
        let error = RpcError::from(sending.await.unwrap().unwrap_err());
        assert_eq!((error.code(), error.delivery()), (Code::UNAVAILABLE, Delivery::Unknown), "{error}");
        until("the source is dropped", || read(&dropped.dropped) == 1).await;
        until("both handlers are dropped", || read(&pair.ledger.dropped) == 2).await;

        assert_eq!(pair.client.produce_many(100, 10).count().await, 100, "{kind:?}");
        assert_eq!(pair.client.collect(stream::iter([vec![0; 7]])).await.unwrap(), 7, "{kind:?}");
        assert_eq!(wires.cut(), 2, "{kind:?}: it has connected once more, and no more often");
    }
}

/// A source, and who knows when it has been dropped.
fn guarded<T: Send + 'static>(
    source: impl Stream<Item = T> + Send + 'static,
) -> (impl Stream<Item = T> + Send + 'static, Arc<Ledger>) {
    let ledger = Arc::<Ledger>::default();
    let at_work = AtWork::new(&ledger);
    let guarded = source.map(move |item| {
        let _at_work = &at_work;
        item
    });
    (guarded, ledger)
}

fn received<T: Send + 'static>(source: mpsc::UnboundedReceiver<T>) -> impl Stream<Item = T> + Send {
    stream::unfold(source, |mut source| async move { Some((source.recv().await?, source)) })
}
