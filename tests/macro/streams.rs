//! Streams through the generated code: in each form, borrowed, refused, failed, and through the trait itself.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use traitwire::{CallError, Code, Delivery, RpcError, Stream, Streaming, rpc_service};

use crate::caller::InProcess;

#[derive(Debug, Deserialize, PartialEq, Serialize)]
enum Wrong {
    Empty,
    Far,
    Lost(String),
}

impl From<RpcError> for Wrong {
    fn from(error: RpcError) -> Self {
        Self::Lost(error.to_string())
    }
}

type Answer = Result<u32, Wrong>;

#[rpc_service]
trait Numbers {
    fn up(&self, from: u32, far: u32) -> impl Stream<Item = Answer>;
    fn letters(
        &self,
        text: &str,
        more: &[String],
        #[rpc(default)] times: u32,
    ) -> impl Stream<Item = Result<char, Wrong>>;
    async fn open(&self, text: &str) -> Result<impl Stream<Item = Answer>, Wrong>;
    async fn sum(&self, times: u32, values: Streaming<u32>, plus: u32) -> Answer;
    async fn both(
        &self,
        text: &str,
        values: Streaming<u32>,
    ) -> Result<impl Stream<Item = Result<String, Wrong>>, Wrong>;
}

#[derive(Clone, Default)]
struct Basic {
    called: Arc<AtomicU32>,
}

impl Numbers for Basic {
    fn up(&self, from: u32, far: u32) -> impl Stream<Item = Answer> {
        self.called.fetch_add(1, Ordering::Relaxed);
        stream::iter(from..).map(move |number| if number < far { Ok(number) } else { Err(Wrong::Far) })
    }
    fn letters(&self, text: &str, more: &[String], times: u32) -> impl Stream<Item = Result<char, Wrong>> {
        let called = &self.called;
        let more = stream::iter(more).flat_map(|more| stream::iter(more.chars()));
        stream::iter(text.chars()).take(times as usize).chain(more).map(|letter| {
            called.fetch_add(1, Ordering::Relaxed);
            Ok(letter)
        })
    }
    async fn open(&self, text: &str) -> Result<impl Stream<Item = Answer>, Wrong> {
        self.called.fetch_add(1, Ordering::Relaxed);
        if text.is_empty() {
            return Err(Wrong::Empty);
        }
        Ok(stream::iter(text.bytes().map(|byte| Ok(u32::from(byte)))))
    }
    async fn sum(&self, times: u32, mut values: Streaming<u32>, plus: u32) -> Answer {
        let mut sum = plus;
        while let Some(value) = values.next().await {
            sum += value? * times;
        }
        Ok(sum)
    }
    async fn both(
        &self,
        text: &str,
        values: Streaming<u32>,
    ) -> Result<impl Stream<Item = Result<String, Wrong>>, Wrong> {
        Ok(values.map(move |value| Ok(format!("{text}{}", value?))))
    }
}

fn client(basic: &Basic) -> (NumbersClient<InProcess>, InProcess) {
    let caller = InProcess::new(NumbersServer::new(basic.clone()));
    (NumbersClient::new(caller.clone()), caller)
}

#[tokio::test]
async fn items_come_until_one_is_an_error() {
    let (client, _) = client(&Basic::default());
    let items: Vec<_> = client.up(1, 3).collect().await;
    assert!(matches!(items[..], [Ok(1), Ok(2), Err(CallError::App(Wrong::Far))]), "{items:?}");
}

#[tokio::test]
async fn a_stream_borrows_from_the_service_and_from_what_is_lent() {
    let basic = Basic::default();
    let (client, _) = client(&basic);
    let letters: Vec<_> = client.letters("abc", &["d".to_owned(), "ef".to_owned()], 2).collect().await;
    let letters: Result<String, _> = letters.into_iter().collect();
    assert_eq!(letters.expect("no letter fails"), "abdef");
    assert_eq!(basic.called.load(Ordering::Relaxed), 5);
}

#[tokio::test]
async fn opening_fails_or_streams() {
    let (client, _) = client(&Basic::default());
    assert!(matches!(client.open("").await, Err(CallError::App(Wrong::Empty))));
    let items: Vec<_> = client.open("ab").await.expect("it opens").collect().await;
    assert!(matches!(items[..], [Ok(97), Ok(98)]), "{items:?}");
}

#[tokio::test]
async fn what_is_sent_item_by_item_takes_no_place_among_the_arguments() {
    let (client, caller) = client(&Basic::default());
    assert_eq!(client.sum(2, stream::iter([1, 2, 3]), 5).await.expect("it is summed"), 17);
    assert_eq!(caller.seen()[0].arguments, [0x92, 2, 5]);
    let both: Vec<_> = client.both("n", stream::iter([1, 2])).await.expect("it opens").collect().await;
    let both: Result<Vec<_>, _> = both.into_iter().collect();
    assert_eq!(both.expect("no item fails"), ["n1", "n2"]);
}

#[tokio::test]
async fn what_does_not_decode_is_refused_before_the_method_runs() {
    let basic = Basic::default();
    let (_, caller) = client(&basic);
    for method in ["Numbers.up", "Numbers.letters", "Numbers.open", "Numbers.sum", "Numbers.both"] {
        for bytes in [&[0x90][..], &[0x92, 0xc0, 0xc0], &[0xc1]] {
            let error = caller.raw(method, bytes).await.expect_err("it is refused");
            assert_eq!(
                (error.code(), error.delivery()),
                (Code::INVALID_ARGUMENT, Delivery::Refused),
                "{error}"
            );
        }
    }
    assert_eq!(basic.called.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_call_that_sends_no_items_is_refused() {
    let (_, caller) = client(&Basic::default());
    let error = caller.raw("Numbers.sum", &[0x92, 1, 2]).await.expect_err("it is refused");
    assert_eq!((error.code(), error.delivery()), (Code::INVALID_ARGUMENT, Delivery::Refused), "{error}");
    let surplus = caller.raw("Numbers.up", &[0x93, 1, 2, 3]).await.expect("surplus arguments are ignored");
    assert!(surplus.items().is_some());
}

#[tokio::test]
async fn local_and_remote_are_the_same_trait() {
    async fn told(numbers: impl Numbers) -> Result<Vec<String>, Wrong> {
        let mut told = vec![];
        let mut up = pin!(numbers.up(1, 3));
        while let Some(Ok(number)) = up.next().await {
            told.push(number.to_string());
        }
        let text = "ab".to_owned();
        let mut opened = pin!(numbers.open(&text).await?);
        while let Some(number) = opened.next().await {
            told.push(number?.to_string());
        }
        told.push(numbers.sum(1, stream::iter([1, 2]).into(), 0).await?.to_string());
        let both = pin!(numbers.both(&text, Streaming::fallible(stream::iter([Ok(1)]))).await?);
        told.extend(both.collect::<Vec<_>>().await.into_iter().flatten());
        Ok(told)
    }
    let basic = Basic::default();
    let (client, _) = client(&basic);
    let local = told(basic).await;
    assert_eq!(local, told(client).await);
    assert_eq!(local.expect("nothing fails"), ["1", "2", "97", "98", "3", "ab1"]);
}
