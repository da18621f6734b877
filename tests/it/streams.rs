//! Streams as users have them: out, in and both ways, over every transport, and what ends them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use tokio::sync::mpsc;
use traitwire::{
    CallError, Channel, Code, Delivery, RpcError, Server, ServerBuilder, ServerHandle, Streaming, rpc_service,
};

use super::numbers::{Basic, Failed, Fates, NumbersClient, NumbersServer};
use super::support::{socket_path, until};

struct Served {
    uri: String,
    fates: Arc<Fates>,
    handle: ServerHandle,
    done: tokio::task::JoinHandle<traitwire::Drained>,
}

async fn serve(uri: &str, settings: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Served {
    let basic = Basic::default();
    let fates = Arc::clone(&basic.fates);
    let builder = settings(Server::builder().service(NumbersServer::new(basic)));
    let server = builder.bind(uri).await.unwrap();
    let (uri, handle) = (server.addresses()[0].clone(), server.handle());
    let done = tokio::spawn(async move { server.serve().await.unwrap() });
    Served { uri, fates, handle, done }
}

fn loopback() -> (NumbersClient, Arc<Fates>) {
    let basic = Basic::default();
    let fates = Arc::clone(&basic.fates);
    (NumbersClient::loopback(basic), fates)
}

fn read(count: &AtomicU32) -> u32 {
    count.load(Ordering::SeqCst)
}

#[tokio::test]
async fn every_form_works_over_every_transport() {
    let path = format!("unix://{}", socket_path("streams"));
    for uri in ["tcp://127.0.0.1:0", "mem://streams", path.as_str()] {
        let served = serve(uri, |builder| builder).await;
        every_form(&NumbersClient::connect(&served.uri).await.unwrap()).await;
        served.handle.shutdown();
        assert_eq!(served.done.await.unwrap().cut, 0);
    }
    every_form(&loopback().0).await;
}

pub(super) async fn every_form(numbers: &NumbersClient) {
    let counted: Vec<u32> = numbers.count(0, 10).map(Result::unwrap).collect().await;
    assert_eq!(counted, (0..10).collect::<Vec<_>>());
    for (count, size) in [(2_000, 10), (50, 100_000), (3, 3 << 20)] {
        let mut blocks = numbers.blocks(count, size);
        for nth in 0..count {
            assert_eq!(blocks.next().await.unwrap().unwrap(), vec![nth as u8; size]);
        }
        assert!(blocks.next().await.is_none());
        let received = blocks.received();
        assert_eq!(received.items, u64::from(count));
        // Each has a head of two to five bytes.
        let bytes = u64::from(count) * size as u64;
        assert!(
            (bytes + 2 * received.items..=bytes + 5 * received.items).contains(&received.bytes),
            "{received:?}"
        );
    }
    let opened: Vec<u32> = numbers.open("four").await.unwrap().map(Result::unwrap).collect().await;
    assert_eq!(opened, [0, 1, 2, 3]);
    assert_eq!(numbers.open("missing").await.unwrap_err().app(), Some(&Failed::Early));
    assert_eq!(numbers.sum(5, stream::iter(0..30_000)).await.unwrap(), 5 + 29_999 * 15_000);
    assert_eq!(numbers.sum(5, stream::empty()).await.unwrap(), 5);
    let doubled: Vec<i64> = numbers.doubled(stream::iter(0..20_000)).map(Result::unwrap).collect().await;
    assert!(doubled.iter().copied().eq((0..20_000).map(|n| n * 2)));
    // An early answer: what follows is of no interest.
    assert_eq!(numbers.first(stream::iter(7..)).await.unwrap(), Some(7));
}

// ----- ends -----

#[tokio::test]
async fn the_services_own_error_comes_behind_its_items() {
    let (numbers, _) = loopback();
    let mut failing = numbers.count(11, 20);
    assert_eq!(failing.next().await.unwrap().unwrap(), 11);
    assert_eq!(failing.next().await.unwrap().unwrap(), 12);
    let Some(Err(CallError::App(error))) = failing.next().await else { panic!("it fails at 13") };
    assert_eq!(error, Failed::Late(13));
    assert!(failing.next().await.is_none(), "an error is the last that comes");
}

#[tokio::test]
async fn a_panic_costs_its_stream_only() {
    let (numbers, _) = loopback();
    let items: Vec<_> = numbers.panics().collect().await;
    assert_eq!(items[..2].iter().map(|item| *item.as_ref().unwrap()).collect::<Vec<_>>(), [0, 1]);
    let error = items[2].as_ref().unwrap_err().rpc().unwrap();
    assert_eq!((items.len(), error.code(), error.delivery()), (3, Code::INTERNAL, Delivery::Executed));
    assert_eq!(numbers.sum(1, stream::empty()).await.unwrap(), 1);
}

/// A stream that panics once `count` values have been read, and the handler is at work.
fn panicking(count: u32, fates: &Arc<Fates>) -> impl Stream<Item = i64> + Send + use<> {
    let fates = Arc::clone(fates);
    stream::unfold(0, move |n| {
        let fates = Arc::clone(&fates);
        async move {
            until("earlier values are taken", || read(&fates.taken) == n).await;
            assert!(n < count, "on purpose");
            Some((i64::from(n), n + 1))
        }
    })
}

#[tokio::test]
async fn a_source_that_panics_gives_its_call_up() {
    let (numbers, fates) = loopback();
    let call = tokio::spawn(numbers.sum(0, panicking(2, &fates)));
    assert!(call.await.unwrap_err().is_panic(), "it is the caller's own");
    until("the handler is dropped", || read(&fates.dropped) == 1).await;
    assert_eq!(read(&fates.whole), 0);

    // Once the service has opened its stream, the source is read by a task of its own.
    let (numbers, fates) = loopback();
    let items: Vec<_> = numbers.doubled(panicking(2, &fates)).collect().await;
    let error = items[2].as_ref().unwrap_err().rpc().unwrap();
    assert!(items.len() == 3 && error.message().contains("panicked"), "{items:?}");
    until("the handler is dropped", || read(&fates.dropped) == 1).await;
}

#[tokio::test]
async fn dropping_a_stream_drops_its_handler() {
    let (numbers, fates) = loopback();
    let mut stuck = numbers.stuck();
    for n in 0..3 {
        assert_eq!(stuck.next().await.unwrap().unwrap(), n);
    }
    assert_eq!(read(&fates.dropped), 0);
    drop(stuck);
    until("the handler is dropped", || read(&fates.dropped) == 1).await;
    let mut unread = numbers.blocks(100, 1 << 20);
    unread.next().await.unwrap().unwrap();
    drop(unread);
    assert_eq!(numbers.sum(1, stream::empty()).await.unwrap(), 1);
}

#[tokio::test]
async fn an_upload_that_is_given_up_or_lost_is_never_whole() {
    let served = serve("tcp://127.0.0.1:0", |builder| builder).await;
    let numbers = NumbersClient::connect(&served.uri).await.unwrap();
    let (sender, values) = mpsc::unbounded_channel();
    let upload = numbers.sum(0, stream::unfold(values, |mut v| async { Some((v.recv().await?, v)) }));
    let upload = tokio::spawn(upload);
    sender.send(1).unwrap();
    until("a value has come", || read(&served.fates.taken) == 1).await;
    upload.abort();
    until("the handler is dropped", || read(&served.fates.dropped) == 1).await;

    let broken = stream::iter([Ok(1), Err(RpcError::new(Code::UNAVAILABLE, Delivery::Unknown, "no disk"))]);
    let error = numbers.sum(0, Streaming::fallible(broken)).await.unwrap_err();
    assert!(error.to_string().contains("no disk"), "{error}");
    // Its handler may not even have been started.
    until("no handler is left", || read(&served.fates.dropped) == read(&served.fates.started)).await;
    assert_eq!(read(&served.fates.whole), 0, "what is cut off is not the end");
}

/// The handler runs on another thread than the connection, and may look for an item just when the call is over.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_handler_whose_caller_gives_up_waits_to_be_dropped() {
    let served = serve("tcp://127.0.0.1:0", |builder| builder).await;
    let numbers = NumbersClient::connect(&served.uri).await.unwrap();
    for round in 0..40_u64 {
        let uploads = (0..10).map(|nth| {
            let upload = tokio::spawn(numbers.careless(stream::repeat(1)));
            async move {
                tokio::time::sleep(Duration::from_micros((round * 97 + nth * 331) % 3_000)).await;
                upload.abort();
            }
        });
        futures::future::join_all(uploads).await;
    }
    assert_eq!(numbers.careless(stream::iter([1, 2])).await.unwrap(), 2);
    assert_eq!(read(&served.fates.whole), 1, "what is cut off is not the end");
}

#[tokio::test]
async fn a_lost_connection_is_not_the_end_of_a_stream() {
    let served = serve("tcp://127.0.0.1:0", |builder| builder.grace(Duration::ZERO)).await;
    let numbers = NumbersClient::connect(&served.uri).await.unwrap();
    let mut stuck = numbers.stuck();
    stuck.next().await.unwrap().unwrap();
    let (_sender, values) = mpsc::unbounded_channel::<i64>();
    let upload = numbers.sum(0, stream::unfold(values, |mut v| async { Some((v.recv().await?, v)) }));
    let upload = tokio::spawn(upload);
    until("both handlers run", || read(&served.fates.started) == 2).await;
    served.handle.shutdown();
    let ended: Vec<_> = stuck.collect().await;
    let error = ended.last().unwrap().as_ref().unwrap_err().rpc().unwrap();
    assert_eq!((error.code(), error.delivery()), (Code::UNAVAILABLE, Delivery::Executed), "{error}");
    let error = upload.await.unwrap().unwrap_err();
    assert_eq!(error.rpc().unwrap().code(), Code::UNAVAILABLE, "{error}");
    assert_eq!(served.done.await.unwrap().cut, 2);
    until("both handlers are dropped", || read(&served.fates.dropped) == 2).await;
    assert_eq!(read(&served.fates.whole), 0);
}

// ----- time -----

#[tokio::test(start_paused = true)]
async fn time_runs_until_first_progress_then_while_nothing_moves_and_in_all_if_asked() {
    let (numbers, fates) = loopback();
    let began = tokio::time::Instant::now();
    let error = numbers.never().timeout(Duration::from_secs(3)).await.unwrap_err();
    assert_eq!(error.rpc().unwrap().code(), Code::DEADLINE_EXCEEDED);
    assert!(began.elapsed() < Duration::from_millis(3_100), "{:?}", began.elapsed());
    until("the handler is dropped", || read(&fates.dropped) == 1).await;

    for (nth, seconds) in [(2, 5), (3, 60)] {
        let began = tokio::time::Instant::now();
        let stuck = numbers.stuck().timeout(Duration::from_secs(1));
        let stuck = if seconds == 5 { stuck.idle_timeout(Duration::from_secs(5)) } else { stuck };
        let items: Vec<_> = stuck.collect().await;
        let error = items[3].as_ref().unwrap_err().rpc().unwrap();
        assert_eq!((error.code(), error.delivery()), (Code::DEADLINE_EXCEEDED, Delivery::Executed));
        assert!(error.message().contains("idle_timeout"), "{error}");
        assert_eq!(began.elapsed().as_secs(), seconds);
        until("the handler is dropped", || read(&fates.dropped) == nth).await;
    }

    let ticks = stream::unfold((), |()| async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Some((1, ()))
    });
    let began = tokio::time::Instant::now();
    let error = numbers.sum(0, ticks).total_timeout(Duration::from_secs(90)).await.unwrap_err();
    assert!(error.to_string().contains("total_timeout"), "{error}");
    assert_eq!(began.elapsed().as_secs(), 90);
}

#[rpc_service]
trait Impatient {
    #[rpc(idle_timeout = "2s")]
    fn idle(&self) -> impl Stream<Item = u32>;
    #[rpc(total_timeout = "5s")]
    fn total(&self) -> impl Stream<Item = u32>;
}

struct Ticking;

impl Impatient for Ticking {
    fn idle(&self) -> impl Stream<Item = u32> {
        stream::iter([1]).chain(stream::pending())
    }

    fn total(&self) -> impl Stream<Item = u32> {
        stream::unfold(0, |nth| async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Some((nth, nth + 1))
        })
    }
}

#[tokio::test(start_paused = true)]
async fn times_that_the_trait_gives_hold_without_options() {
    let client = ImpatientClient::loopback(Ticking);
    for (stream, what, seconds) in [(client.idle(), "idle_timeout", 2), (client.total(), "total_timeout", 5)]
    {
        let began = tokio::time::Instant::now();
        let items: Vec<_> = stream.collect().await;
        let error = items.last().unwrap().as_ref().unwrap_err().rpc().unwrap();
        assert_eq!(error.code(), Code::DEADLINE_EXCEEDED);
        assert!(error.message().contains(what), "{error}");
        assert_eq!(began.elapsed().as_secs(), seconds);
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_is_slow_and_steady_has_all_the_time_it_needs() {
    let (numbers, _) = loopback();
    // All of them are handed out at once, and nothing more moves on the wire.
    let mut blocks = numbers.blocks(300, 4);
    for nth in 0..300_u32 {
        assert_eq!(blocks.next().await.unwrap().unwrap(), [nth as u8; 4]);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(blocks.next().await.is_none());
    assert_eq!(numbers.slowly(stream::iter(0..300)).await.unwrap(), 299 * 150);
    let quick = numbers.blocks(20, 4).idle_timeout(Duration::from_millis(100));
    let slow = quick.then(|block| async {
        tokio::time::sleep(Duration::from_millis(80)).await;
        block
    });
    assert!(slow.collect::<Vec<_>>().await.iter().all(Result::is_ok));
}

// ----- who waits for whom -----

#[tokio::test]
async fn items_go_out_though_nobody_reads_what_comes_back() {
    let (numbers, fates) = loopback();
    let (sender, values) = mpsc::unbounded_channel();
    let mut doubled = numbers.doubled(stream::unfold(values, |mut v| async { Some((v.recv().await?, v)) }));
    sender.send(1).unwrap();
    assert_eq!(doubled.next().await.unwrap().unwrap(), 2);
    (2..100).for_each(|n| sender.send(n).unwrap());
    until("the handler has them all", || read(&fates.taken) == 99).await;
    drop(sender);
    let rest: Vec<i64> = doubled.map(Result::unwrap).collect().await;
    assert_eq!(rest, (2..100).map(|n| n * 2).collect::<Vec<_>>());
    until("the handler is done", || read(&fates.dropped) == 1).await;
}

#[tokio::test]
async fn what_is_sent_is_dropped_with_the_call() {
    let (numbers, fates) = loopback();
    let (sender, values) = mpsc::unbounded_channel();
    let mut doubled = numbers.doubled(stream::unfold(values, |mut v| async { Some((v.recv().await?, v)) }));
    sender.send(1).unwrap();
    doubled.next().await.unwrap().unwrap();
    drop(doubled);
    until("the source is dropped", || sender.is_closed()).await;
    until("the handler is dropped", || read(&fates.dropped) == 1).await;
}

#[tokio::test]
async fn a_reader_that_stands_still_stops_its_sender_and_nobody_else() {
    let served = serve("tcp://127.0.0.1:0", |builder| builder.credit(64 << 10)).await;
    let channel = Channel::builder().credit(64 << 10).connect(&served.uri).await.unwrap();
    let numbers = NumbersClient::new(channel);
    let mut stalled = Vec::new();
    for _ in 0..100 {
        let mut blocks = numbers.blocks(100, 10_000);
        blocks.next().await.unwrap().unwrap();
        stalled.push(blocks);
    }
    let others: Vec<_> = numbers.blocks(200, 20_000).collect().await;
    assert!(others.len() == 200 && others.iter().all(Result::is_ok));
    assert_eq!(numbers.sum(1, stream::iter(0..10_000)).await.unwrap(), 1 + 9_999 * 5_000);
    for blocks in stalled {
        assert_eq!(blocks.count().await, 99);
    }
}

// ----- beside items -----

#[tokio::test]
async fn metadata_goes_both_ways() {
    let (numbers, _) = loopback();
    let mut tagged = numbers.tagged().metadata("tag", "blue");
    assert_eq!(tagged.next().await.unwrap().unwrap(), "blue");
    assert_eq!(tagged.received_metadata().text("kind"), Some("tags"));
}

#[tokio::test]
async fn an_upload_that_the_draining_server_never_saw_goes_to_its_successor_whole() {
    let first = serve("mem://upload-first", |builder| builder).await;
    let second = serve("mem://upload-second", |builder| builder).await;
    let numbers = NumbersClient::connect(&first.uri).await.unwrap();
    numbers.sum(0, stream::empty()).await.unwrap();
    first.handle.shutdown();
    first.done.await.unwrap();
    drop(second);
    // The address is free again: whoever listens there next is the successor.
    let next = serve("mem://upload-first", |builder| builder).await;
    assert_eq!(numbers.sum(0, stream::iter(0..1_000)).wait_for_ready().await.unwrap(), 499_500);
    assert_eq!((read(&first.fates.whole), read(&next.fates.whole)), (1, 1));
}
