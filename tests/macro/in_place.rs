//! Services in place: the same client, and what holds over a wire holds without one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::{Stream, StreamExt, TryStreamExt, stream};
use traitwire::testing::InPlace;
use traitwire::{Code, Context, Delivery, RpcError, Streaming, rpc_service};

#[rpc_service]
trait Work {
    async fn add(&self, a: i64, b: &i64) -> i64;
    async fn fail(&self, text: &str) -> Result<(), String>;
    async fn sleep(&self, millis: u64) -> u64;
    async fn panic(&self) -> u8;
    async fn context(&self) -> String;
    async fn leaves(&self, millis: u64);
    #[rpc(oneway)]
    async fn tell(&self, millis: u64);
    fn count(&self, to: u8, millis: u64) -> impl Stream<Item = u8>;
    fn panics_later(&self) -> impl Stream<Item = u8>;
    async fn sum(&self, values: Streaming<u32>) -> u32;
    fn twice(&self, values: Streaming<u32>) -> impl Stream<Item = u32>;
}

#[derive(Clone, Default)]
struct Basic {
    finished: Arc<AtomicU32>,
    dropped: Arc<AtomicU32>,
}

struct Guard(Arc<AtomicU32>);

impl Drop for Guard {
    fn drop(&mut self) {
        assert!(Context::current().is_call(), "it is dropped within its call's context");
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

async fn pause(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

impl Work for Basic {
    async fn add(&self, a: i64, b: &i64) -> i64 {
        a + b
    }

    async fn fail(&self, text: &str) -> Result<(), String> {
        Err(text.to_uppercase())
    }

    async fn sleep(&self, millis: u64) -> u64 {
        let _guard = Guard(Arc::clone(&self.dropped));
        pause(millis).await;
        self.finished.fetch_add(1, Ordering::SeqCst);
        Context::current().remaining().map_or(0, |left| left.as_millis() as u64)
    }

    async fn panic(&self) -> u8 {
        panic!("on purpose")
    }

    async fn context(&self) -> String {
        let context = Context::current();
        context.set_reply_metadata("seen", "yes").unwrap();
        format!("{} {:?}", context.method(), context.metadata().text("tenant"))
    }

    async fn leaves(&self, millis: u64) {
        // A task of the call, which may see that nobody waits for it any more.
        let (finished, context) = (Arc::clone(&self.finished), Context::current());
        let scope = context.clone().scope(async move {
            pause(20).await;
            finished.store(if context.is_cancelled() { 100 } else { 1 }, Ordering::SeqCst);
        });
        tokio::spawn(scope.into_future());
        pause(millis).await;
    }

    async fn tell(&self, millis: u64) {
        pause(millis).await;
        self.finished.fetch_add(1, Ordering::SeqCst);
    }

    fn count(&self, to: u8, millis: u64) -> impl Stream<Item = u8> {
        let guard = Guard(Arc::clone(&self.dropped));
        stream::iter(0..to).then(move |item| {
            let _alive = &guard;
            async move {
                pause(millis).await;
                item
            }
        })
    }

    fn panics_later(&self) -> impl Stream<Item = u8> {
        stream::iter(0..3).map(|item| if item < 2 { item } else { panic!("on purpose") })
    }

    async fn sum(&self, values: Streaming<u32>) -> u32 {
        values.map(|value| value.unwrap()).fold(0, async |sum, value| sum + value).await
    }

    fn twice(&self, values: Streaming<u32>) -> impl Stream<Item = u32> {
        values.map(|value| value.unwrap() * 2)
    }
}

fn client() -> (WorkClient<InPlace>, Basic) {
    let service = Basic::default();
    (WorkClient::from_impl(service.clone()), service)
}

fn read(counter: &AtomicU32) -> u32 {
    counter.load(Ordering::SeqCst)
}

#[tokio::test]
async fn values_errors_and_context_are_as_over_a_wire() {
    let (client, _) = client();
    assert_eq!(client.add(2, &3).await.unwrap(), 5);
    assert_eq!(client.fail("no").await.unwrap_err().app().unwrap(), "NO");
    let reply = client.context().metadata("tenant", "blue").detailed().await.unwrap();
    assert_eq!(
        (reply.value.as_str(), reply.metadata.text("seen")),
        (r#"Work.context Some("blue")"#, Some("yes"))
    );
    let error = RpcError::from(client.panic().await.unwrap_err());
    assert_eq!((error.code(), error.delivery()), (Code::INTERNAL, Delivery::Executed));
    assert!(!error.to_string().contains("purpose"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn deadlines_and_cancels_reach_the_handler() {
    let (client, service) = client();
    let left = client.sleep(100).timeout(Duration::from_millis(400)).await.unwrap();
    assert_eq!((left, read(&service.finished), read(&service.dropped)), (300, 1, 1));
    let error = RpcError::from(client.sleep(100).timeout(Duration::from_millis(50)).await.unwrap_err());
    assert_eq!((error.code(), error.delivery()), (Code::DEADLINE_EXCEEDED, Delivery::Executed));
    assert_eq!((read(&service.finished), read(&service.dropped)), (1, 2));
    let given_up = tokio::time::timeout(Duration::from_millis(10), client.sleep(100)).await;
    assert!(given_up.is_err() && read(&service.dropped) == 3);
    // Before it is polled nothing has begun.
    drop(client.sleep(100));
    assert_eq!(read(&service.dropped), 3);
}

#[tokio::test(start_paused = true)]
async fn streams_go_both_ways_and_end_with_their_call() {
    let (client, service) = client();
    assert_eq!(client.count(3, 10).try_collect::<Vec<_>>().await.unwrap(), [0, 1, 2]);
    assert_eq!(client.sum(stream::iter([1, 2, 3])).await.unwrap(), 6);
    assert_eq!(client.twice(stream::iter([1, 2])).try_collect::<Vec<_>>().await.unwrap(), [2, 4]);
    let mut long = client.count(200, 10).total_timeout(Duration::from_millis(35));
    let mut items = Vec::new();
    let error = loop {
        match long.next().await.unwrap() {
            Ok(item) => items.push(item),
            Err(error) => break RpcError::from(error),
        }
    };
    assert_eq!((items, error.code(), read(&service.dropped)), (vec![0, 1, 2], Code::DEADLINE_EXCEEDED, 2));
    let mut given_up = client.count(200, 10);
    given_up.next().await.unwrap().unwrap();
    drop(given_up);
    assert_eq!(read(&service.dropped), 3);
    let panics: Vec<_> = client.panics_later().collect().await;
    assert!(
        matches!(&panics[..], [Ok(0), Ok(1), Err(error)] if error.rpc().unwrap().code() == Code::INTERNAL)
    );
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_oneway_call() {
    let (client, service) = client();
    let began = tokio::time::Instant::now();
    client.tell(50).await.unwrap();
    assert_eq!((began.elapsed(), read(&service.finished)), (Duration::ZERO, 0));
    pause(60).await;
    assert_eq!(read(&service.finished), 1);
}

#[tokio::test(start_paused = true)]
async fn only_who_is_given_up_is_cancelled() {
    let (client, service) = client();
    client.leaves(0).await.unwrap();
    pause(30).await;
    assert_eq!(read(&service.finished), 1);
    assert!(tokio::time::timeout(Duration::from_millis(10), client.leaves(1_000)).await.is_err());
    pause(30).await;
    assert_eq!(read(&service.finished), 100);
}
