//! A server that sends calls on without knowing what they are: every form, its ends, its time and its credit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::{StreamExt, stream};
use traitwire::{CallError, Caller, Channel, Code, Delivery, Handler, HandlerFuture, Request, Server};

use super::numbers::{Basic, Failed, Fates, NumbersClient, NumbersServer};
use super::support::{socket_path, until};

struct Proxy(Channel);

impl Handler for Proxy {
    fn handle(&self, request: Request) -> HandlerFuture {
        assert!(request.descriptor().is_none(), "it knows no service");
        HandlerFuture::new(self.0.call(request))
    }
}

/// A client of a proxy of a service.
async fn through_a_proxy(uri: &str) -> (NumbersClient, Arc<Fates>) {
    let basic = Basic::default();
    let fates = Arc::clone(&basic.fates);
    let upstream = Channel::loopback(NumbersServer::new(basic));
    let server = Server::builder().layer(|_| Proxy(upstream)).bind(uri).await.unwrap();
    let uri = server.addresses()[0].clone();
    tokio::spawn(async move { server.serve().await.unwrap() });
    (NumbersClient::connect(&uri).await.unwrap(), fates)
}

fn read(count: &AtomicU32) -> u32 {
    count.load(Ordering::SeqCst)
}

#[tokio::test]
async fn a_proxy_sends_every_form_on_without_knowing_it() {
    let path = format!("unix://{}", socket_path("proxy"));
    for uri in ["tcp://127.0.0.1:0", "mem://proxy", path.as_str()] {
        let (numbers, _) = through_a_proxy(uri).await;
        super::streams::every_form(&numbers).await;
        let mut failing = numbers.count(12, 20);
        assert_eq!(failing.next().await.unwrap().unwrap(), 12);
        let Some(Err(CallError::App(error))) = failing.next().await else { panic!("it fails at 13") };
        assert_eq!(error, Failed::Late(13));
        let items: Vec<_> = numbers.panics().collect().await;
        let error = items.last().unwrap().as_ref().unwrap_err().rpc().unwrap();
        assert_eq!((error.code(), error.delivery()), (Code::INTERNAL, Delivery::Executed), "{error}");
    }
}

#[tokio::test]
async fn what_is_given_up_is_given_up_behind_the_proxy_too() {
    let (numbers, fates) = through_a_proxy("mem://proxy-cancel").await;
    let mut stuck = numbers.stuck();
    assert_eq!(stuck.next().await.unwrap().unwrap(), 0);
    drop(stuck);
    until("the handler is dropped", || read(&fates.dropped) == 1).await;
    let sum = tokio::spawn(numbers.sum(0, stream::iter([1]).chain(stream::pending())));
    until("a value is taken", || read(&fates.taken) == 1).await;
    sum.abort();
    until("the handler is dropped", || read(&fates.dropped) == 2).await;
    assert_eq!(read(&fates.whole), 0, "a value that never comes is no end");
}

#[tokio::test(start_paused = true)]
async fn time_goes_through_the_proxy() {
    let (numbers, fates) = through_a_proxy("mem://proxy-time").await;
    // Neither of them is a default, and the first one is no bound of the whole.
    let mut items = numbers.stuck().timeout(Duration::from_secs(2)).idle_timeout(Duration::from_secs(30));
    for n in 0..3 {
        assert_eq!(items.next().await.unwrap().unwrap(), n);
    }
    let before = tokio::time::Instant::now();
    let error = items.next().await.unwrap().unwrap_err();
    assert_eq!(error.rpc().unwrap().code(), Code::DEADLINE_EXCEEDED, "{error:?}");
    assert_eq!(before.elapsed().as_secs(), 30);
    until("the handler is dropped", || read(&fates.dropped) == 1).await;
    let error = numbers.never().timeout(Duration::from_secs(3)).await.unwrap_err();
    assert_eq!(error.rpc().unwrap().code(), Code::DEADLINE_EXCEEDED, "{error:?}");
    assert_eq!(before.elapsed().as_secs(), 33);
}

#[tokio::test]
async fn a_reader_that_stands_still_holds_up_the_far_sender() {
    let (numbers, fates) = through_a_proxy("mem://proxy-credit").await;
    let given = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&given);
    let endless = stream::iter(0..).inspect(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
    });
    let mut doubled = numbers.doubled(endless);
    assert_eq!(doubled.next().await.unwrap().unwrap(), 0);
    // It stops of itself: after many turns of everybody no further value has been asked for.
    let (mut last, mut stopped) = (0, false);
    for _ in 0..1_000 {
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
        let before = std::mem::replace(&mut last, read(&given));
        stopped = before == last;
        if stopped {
            break;
        }
    }
    assert!(stopped, "the source goes on although nobody reads: {last} values");
    for n in 1..i64::from(last) + 50_000 {
        assert_eq!(doubled.next().await.unwrap().unwrap(), 2 * n);
    }
    drop(doubled);
    assert_eq!(read(&fates.whole), 0);
}
