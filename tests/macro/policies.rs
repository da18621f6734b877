//! What a trait asks for beyond one attempt: its descriptor has it, its client does it, and its own errors say what is worth it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use traitwire::{Backoff, CallOptions, Client, Context, Hedge, Keep, Retry, Stream, Streaming, rpc_service};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum StoreError {
    Busy { left: u32 },
    Lost,
}

impl StoreError {
    const fn is_busy(&self) -> bool {
        matches!(self, Self::Busy { .. })
    }
}

type Answer<T> = Result<T, StoreError>;

#[rpc_service]
trait Store {
    #[rpc(
        idempotent,
        retry(attempts = 5, base = "10ms", cap = "1s", backoff = "equal"),
        retry_on = StoreError::is_busy,
        hedge(after = "20ms", percentile = 99)
    )]
    async fn get(&self, busy: u32) -> Answer<u32>;
    #[rpc(retry_on = |error| matches!(error, StoreError::Busy { left } if *left > 1))]
    async fn put(&self, busy: u32) -> Answer<u32>;
    #[rpc(idempotent, retry(backoff = "proportional", alpha = 2, t_max = "5s"))]
    async fn lost(&self) -> Result<u32, StoreError>;
    #[rpc(idempotent, retry, retry_on = StoreError::is_busy)]
    async fn open(&self, busy: u32) -> Result<impl Stream<Item = u32>, StoreError>;
    #[rpc(idempotent, retry, retry_on = StoreError::is_busy)]
    async fn upload(&self, busy: u32, parts: Streaming<u32>) -> Answer<u32>;
    #[rpc(idempotent, cache(ttl = "5s", errors = "1s", stale_if_error = "1m"))]
    async fn kept(&self) -> Answer<u32>;
}

/// Busy for the first calls.
#[derive(Clone, Default)]
struct Shop(Arc<AtomicU32>);

impl Shop {
    fn visit(&self, busy: u32) -> Answer<u32> {
        let visits = self.0.fetch_add(1, Ordering::SeqCst);
        if visits < busy { Err(StoreError::Busy { left: busy - visits }) } else { Ok(visits) }
    }
}

impl Store for Shop {
    async fn get(&self, busy: u32) -> Answer<u32> {
        self.visit(busy)
    }

    async fn put(&self, busy: u32) -> Answer<u32> {
        Context::current().set_retry_after(Duration::from_secs(3));
        self.visit(busy)
    }

    async fn lost(&self) -> Result<u32, StoreError> {
        self.visit(0)?;
        Err(StoreError::Lost)
    }

    async fn open(&self, busy: u32) -> Result<impl Stream<Item = u32>, StoreError> {
        self.visit(busy).map(|visits| stream::iter(0..visits))
    }

    async fn upload(&self, busy: u32, mut parts: Streaming<u32>) -> Answer<u32> {
        while parts.next().await.is_some() {}
        self.visit(busy)
    }

    async fn kept(&self) -> Answer<u32> {
        self.visit(0)
    }
}

fn shop() -> (Shop, StoreClient) {
    let shop = Shop::default();
    (shop.clone(), StoreClient::loopback(shop))
}

#[test]
fn the_descriptor_says_what_the_trait_asks_for() {
    let method = |at: usize| &StoreClient::<traitwire::Channel>::DESCRIPTOR.methods[at];
    let get = Retry::new()
        .attempts(5)
        .base(Duration::from_millis(10))
        .cap(Duration::from_secs(1))
        .backoff(Backoff::EqualJitter);
    assert_eq!(method(0).retry, Some(get));
    assert_eq!(method(0).hedge, Some(Hedge::at_percentile(99.0).at_first(Duration::from_millis(20))));
    assert_eq!((method(1).retry, method(1).hedge), (None, None));
    let proportional = Backoff::proportional(2.0, Duration::from_secs(5));
    assert_eq!(method(2).retry, Some(Retry::new().backoff(proportional)));
    let [second, minute] = [1, 60].map(Duration::from_secs);
    let keep = Keep::new(5 * second).errors(second).stale_if_error(minute);
    assert_eq!((method(5).cache, method(0).cache), (Some(keep), None));
}

#[tokio::test(start_paused = true)]
async fn an_error_that_says_so_is_tried_again_and_another_is_not() {
    let reply = shop().1.get(3).detailed().await.unwrap();
    assert_eq!((reply.value, reply.attempts), (3, 4));
    let (shop, client) = shop();
    assert_eq!(*client.lost().await.unwrap_err().app().unwrap(), StoreError::Lost);
    assert_eq!(shop.0.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn its_caller_gets_the_last_error_when_the_attempts_are_over() {
    let (shop, client) = shop();
    assert_eq!(*client.get(9).await.unwrap_err().app().unwrap(), StoreError::Busy { left: 5 });
    assert_eq!(shop.0.load(Ordering::SeqCst), 5);
}

#[tokio::test(start_paused = true)]
async fn an_error_that_did_nothing_is_tried_again_where_the_caller_asks_for_retries() {
    let (shop, client) = shop();
    let patient = client.with(CallOptions::new().retry(Retry::new()));
    let began = tokio::time::Instant::now();
    assert_eq!(*client.put(9).await.unwrap_err().app().unwrap(), StoreError::Busy { left: 9 });
    assert_eq!(*patient.put(4).await.unwrap_err().app().unwrap(), StoreError::Busy { left: 1 });
    assert_eq!(shop.0.load(Ordering::SeqCst), 4);
    // The service says when.
    assert_eq!(began.elapsed(), Duration::from_secs(6));
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_tried_again_until_it_is_open() {
    let (_, client) = shop();
    let items: Vec<u32> = client.open(2).await.unwrap().map(Result::unwrap).collect().await;
    assert_eq!(items, [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn items_that_were_taken_are_not_sent_again() {
    let (shop, client) = shop();
    let error = client.upload(1, stream::iter(0..3)).await.unwrap_err();
    assert_eq!(*error.app().unwrap(), StoreError::Busy { left: 1 });
    assert_eq!(shop.0.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_the_trait_keeps_is_not_asked_for_again_before_its_time() {
    let (shop, client) = shop();
    for _ in 0..3 {
        assert_eq!(client.kept().await.unwrap(), 0);
    }
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(client.kept().await.unwrap(), 1);
    assert_eq!(shop.0.load(Ordering::SeqCst), 2);
}
