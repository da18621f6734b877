//! Mocks: what they were told is what their clients get, for every kind of argument and answer; and what nobody told them.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use futures::{Stream, StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use traitwire::testing::{Mock, Mockable, mock};
use traitwire::{CallError, Caller, Client, Code, Delivery, RpcError, Streaming, rpc_service};

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct Place {
    x: i8,
}

#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Broken(u8);

#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct View<'a> {
    name: &'a str,
}

type Answer = Result<u8, Broken>;

#[rpc_service]
trait Everything {
    async fn nothing(&self);
    async fn add(&self, a: i64, b: i64) -> i64;
    async fn kinds(&self, text: &str, at: &Place, all: &[Place], cow: Cow<'_, str>, view: View<'_>)
    -> String;
    async fn optional(&self, #[rpc(default)] a: Option<u8>, #[rpc(default)] b: Vec<u8>) -> usize;
    async fn aliased(&self, fails: bool) -> Answer;
    #[rpc(oneway)]
    async fn tell(&self, what: String);
    fn count(&self, to: u8) -> impl Stream<Item = u8>;
    fn checked(&self, to: u8) -> impl Stream<Item = Result<u8, Broken>>;
    async fn open(&self, name: &str) -> Result<impl Stream<Item = String>, Broken>;
    async fn sum(&self, values: Streaming<u32>) -> u32;
    fn twice(&self, values: Streaming<u32>) -> impl Stream<Item = u32>;
    #[cfg(any())]
    async fn not_there(&self, a: NoSuchType) -> NoSuchType;
}

fn lost() -> RpcError {
    RpcError::new(Code::UNAVAILABLE, Delivery::Unknown, "the connection broke")
}

#[tokio::test]
async fn arguments_of_every_kind_are_told_and_answered() {
    let (client, hand) = EverythingClient::mock();
    hand.nothing().returns(());
    hand.add().with((2, 3)).returns(5);
    hand.add().answers(|(a, b)| a * b);
    let (one, all) = (Place { x: 1 }, vec![Place { x: 2 }, Place { x: 3 }]);
    hand.kinds()
        .with(("a", one.clone(), all.clone(), "b".into(), View { name: "c" }))
        .returns("exactly".into());
    hand.kinds()
        .answers(|(text, at, all, cow, view)| format!("{text} {} {} {cow} {}", at.x, all.len(), view.name));
    hand.optional().answers(|(a, b)| a.map_or(0, usize::from) + b.len());

    client.nothing().await.unwrap();
    assert_eq!((client.add(2, 3).await.unwrap(), client.add(3, 3).await.unwrap()), (5, 9));
    let kinds = |text| client.kinds(text, &one, &all, Cow::Borrowed("b"), View { name: "c" });
    assert_eq!(kinds("a").await.unwrap(), "exactly");
    assert_eq!(kinds("z").await.unwrap(), "z 1 2 b c");
    assert_eq!(client.optional(Some(3), vec![0; 4]).await.unwrap(), 7);
    let calls: Vec<_> = hand.calls().iter().map(ToString::to_string).collect();
    let expected = [
        "nothing()",
        "add(2, 3)",
        "add(3, 3)",
        r#"kinds("a", {x: 1}, [{x: 2}, {x: 3}], "b", {name: "c"})"#,
        r#"kinds("z", {x: 1}, [{x: 2}, {x: 3}], "b", {name: "c"})"#,
        "optional(3, [0, 0, 0, 0])",
    ];
    assert_eq!(calls, expected);
}

#[tokio::test(start_paused = true)]
async fn errors_and_delays_are_as_told() {
    let (client, hand) = EverythingClient::mock();
    hand.aliased().with(true).app_error(Broken(7));
    hand.aliased().answers(|fails| if fails { Err(Broken(0)) } else { Ok(1) });
    hand.tell().returns(());
    hand.add().once().rpc_error(lost());
    hand.add().after(Duration::from_secs(3)).returns(5);

    assert!(matches!(client.aliased(true).await, Err(CallError::App(Broken(7)))));
    assert_eq!(client.aliased(false).await.unwrap(), 1);
    client.tell("this".into()).await.unwrap();
    assert_eq!(client.add(2, 3).await.unwrap_err().rpc().unwrap().delivery(), Delivery::Unknown);
    let began = tokio::time::Instant::now();
    assert_eq!((client.add(2, 3).await.unwrap(), began.elapsed()), (5, Duration::from_secs(3)));
    let late = RpcError::from(client.add(2, 3).timeout(Duration::from_secs(1)).await.unwrap_err());
    assert_eq!((late.code(), late.delivery()), (Code::DEADLINE_EXCEEDED, Delivery::Unknown));
    assert_eq!(began.elapsed(), Duration::from_secs(4));
    assert_eq!(hand.calls().last().unwrap().timeout, Some(Duration::from_secs(1)));
}

#[tokio::test]
async fn streams_are_as_told() {
    let (client, hand) = EverythingClient::mock();
    hand.count().with(3).streams([1, 2, 3]);
    hand.count().breaks_off([1, 2], lost());
    hand.checked().streams([Ok(1), Err(Broken(2)), Ok(3)]);
    hand.open().with("poem").streams(["roses".to_owned()]);
    hand.open().app_error(Broken(9));
    hand.sum().returns(6);
    hand.twice().streams([2, 4]);

    assert_eq!(client.count(3).try_collect::<Vec<_>>().await.unwrap(), [1, 2, 3]);
    let mut broken = client.count(4);
    assert_eq!((broken.next().await.unwrap().unwrap(), broken.next().await.unwrap().unwrap()), (1, 2));
    assert_eq!(broken.next().await.unwrap().unwrap_err().rpc().unwrap().delivery(), Delivery::Unknown);
    assert!(broken.next().await.is_none());
    let checked: Vec<_> = client.checked(1).collect().await;
    assert!(matches!(checked[..], [Ok(1), Err(CallError::App(Broken(2)))]), "{checked:?}");
    assert_eq!(client.open("poem").await.unwrap().try_collect::<Vec<_>>().await.unwrap(), ["roses"]);
    assert!(matches!(client.open("prose").await, Err(CallError::App(Broken(9)))));
    // What is sent is taken, to its end.
    assert_eq!(client.sum(stream::iter([1, 2, 3])).await.unwrap(), 6);
    assert_eq!(client.twice(stream::iter([1, 2])).try_collect::<Vec<_>>().await.unwrap(), [2, 4]);
}

/// What a hand says when it is dropped.
fn judged<H>(hand: H) -> String {
    let panic = catch_unwind(AssertUnwindSafe(|| drop(hand))).unwrap_err();
    *panic.downcast::<String>().unwrap()
}

#[tokio::test]
async fn a_call_that_nobody_told_of_fails_and_is_told_of() {
    let (client, hand) = EverythingClient::mock();
    let error = RpcError::from(client.add(1, 1).await.unwrap_err());
    assert_eq!((error.code(), error.delivery()), (Code::UNIMPLEMENTED, Delivery::NotSent));
    assert_eq!(error.message(), "unexpected call of a mock: add(1, 1); it was told nothing");
    hand.add().with((2, 3)).times(1).returns(5);
    client.add(2, 3).await.unwrap();
    let error = RpcError::from(client.add(2, 3).await.unwrap_err());
    let expected = "unexpected call of a mock: add(2, 3); of `add` it was told: add(2, 3), all of which came";
    assert_eq!(error.message(), expected);
    let error = RpcError::from(client.tell("it".into()).await.unwrap_err());
    assert_eq!(error.message(), r#"unexpected call of a mock: tell("it"); it was told of: add"#);
    assert_eq!(judged(hand).lines().count(), 3);
}

#[tokio::test]
async fn a_call_that_does_not_come_is_missed() {
    let (client, hand) = EverythingClient::mock();
    hand.add().times(2).returns(5);
    client.add(2, 3).await.unwrap();
    assert_eq!(judged(hand), "a mock expected 2 calls of add(…), and 1 came");
    // Any number of calls may be none.
    let (_, hand) = EverythingClient::mock();
    hand.add().returns(5);
}

#[allow(clippy::wrong_self_convention, reason = "no name is forbidden")]
#[rpc_service]
trait Taken {
    async fn mock(&self) -> u8;
    async fn from_impl(&self) -> u8;
    async fn calls(&self) -> u8;
}

struct Seven;

impl Taken for Seven {
    async fn mock(&self) -> u8 {
        7
    }
    async fn from_impl(&self) -> u8 {
        7
    }
    async fn calls(&self) -> u8 {
        7
    }
}

#[tokio::test]
async fn the_short_forms_give_way() {
    let (client, hand) = mock::<TakenClient<_>>();
    hand.mock().returns(1);
    hand.from_impl().returns(2);
    hand.calls().returns(3);
    assert_eq!((client.mock().await.unwrap(), client.from_impl().await.unwrap()), (1, 2));
    assert_eq!(client.calls().await.unwrap(), 3);
    let under: &Mock = &hand;
    assert_eq!(under.calls(), ["mock()", "from_impl()", "calls()"]);
    let client: TakenClient<_> = traitwire::testing::from_impl(TakenServer::new(Seven));
    assert_eq!(client.from_impl().await.unwrap(), 7);
}

/// What is written against any client takes a mock, and a mock can be made without its name.
async fn sum<C: Caller>(client: &EverythingClient<C>) -> i64 {
    client.add(1, 2).await.unwrap()
}

fn any<C: Mockable>() -> (C, C::Hand) {
    let (client, hand) = mock::<C>();
    assert!(hand.calls().is_empty() && !C::DESCRIPTOR.methods.is_empty());
    (client, hand)
}

#[tokio::test]
async fn generic_code_takes_mocks() {
    let (client, hand) = any::<EverythingClient<Mock>>();
    hand.add().returns(3);
    assert_eq!(sum(&client).await, 3);
    assert_eq!(format!("{:?}", client.caller()), r#"["add(1, 2)"]"#);
}
