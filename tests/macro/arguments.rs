//! How arguments travel: borrowed, lent, optional, defaulted, too few, too many, wrong.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use traitwire::{Code, Delivery, rpc_service};

use crate::caller::InProcess;

#[derive(Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Item {
    name: String,
}

#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct View<'a> {
    key: &'a str,
    #[serde(borrow)]
    tags: Vec<&'a str>,
}

type Maybe<T> = Option<T>;

#[rpc_service]
pub(crate) trait Arguments {
    async fn text(&self, text: &str) -> String;
    async fn bytes(&self, bytes: &[u8]) -> usize;
    #[allow(elided_lifetimes_in_paths, reason = "people write it so, and it must work")]
    async fn cow(&self, text: Cow<'_, str>, hidden: Cow<str>, #[rpc(default)] bytes: Cow<'_, [u8]>)
    -> String;
    async fn maybe(&self, text: Option<&str>) -> Option<String>;
    async fn pairs(&self, pairs: Vec<(&str, i64)>) -> BTreeMap<String, i64>;
    async fn view(&self, view: View<'_>) -> String;
    async fn lent(&self, item: &Item, items: &[Item]) -> String;
    async fn lent_view(&self, view: &View<'_>, texts: &[&str]) -> String;
    #[allow(clippy::ptr_arg, reason = "people write it so, and it must work")]
    async fn lent_odd(&self, list: &Vec<u32>, maybe: &Option<Item>, number: &u8) -> String;
    async fn mixed(&self, item: Item, text: &str, number: u8) -> String;
    async fn grow(&self, a: i64, b: Option<i64>, c: Maybe<String>) -> String;
    async fn defaulted(&self, a: i64, #[rpc(default)] b: Vec<u8>, #[rpc(default)] c: &str) -> String;
    async fn none(&self) -> u8;
}

pub(crate) struct Echo;

impl Arguments for Echo {
    async fn text(&self, text: &str) -> String {
        text.to_uppercase()
    }
    async fn bytes(&self, bytes: &[u8]) -> usize {
        bytes.len()
    }
    async fn cow(&self, text: Cow<'_, str>, hidden: Cow<'_, str>, bytes: Cow<'_, [u8]>) -> String {
        let views = [matches!(text, Cow::Borrowed(_)), matches!(hidden, Cow::Borrowed(_))];
        assert_eq!((views, bytes.is_empty() || matches!(bytes, Cow::Borrowed(_))), ([true; 2], true));
        format!("{text}{hidden}{}", bytes.len())
    }
    async fn maybe(&self, text: Option<&str>) -> Option<String> {
        text.map(str::to_uppercase)
    }
    async fn pairs(&self, pairs: Vec<(&str, i64)>) -> BTreeMap<String, i64> {
        pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }
    async fn view(&self, view: View<'_>) -> String {
        format!("{}:{}", view.key, view.tags.join(","))
    }
    async fn lent(&self, item: &Item, items: &[Item]) -> String {
        items.iter().fold(item.name.clone(), |all, item| all + &item.name)
    }
    async fn lent_view(&self, view: &View<'_>, texts: &[&str]) -> String {
        tokio::task::yield_now().await;
        format!("{}+{}", view.key, texts.join("+"))
    }
    async fn lent_odd(&self, list: &Vec<u32>, maybe: &Option<Item>, number: &u8) -> String {
        format!("{list:?} {maybe:?} {number}")
    }
    async fn mixed(&self, item: Item, text: &str, number: u8) -> String {
        tokio::task::yield_now().await;
        format!("{}{text}{number}", item.name)
    }
    async fn grow(&self, a: i64, b: Option<i64>, c: Maybe<String>) -> String {
        format!("{a} {b:?} {c:?}")
    }
    async fn defaulted(&self, a: i64, b: Vec<u8>, c: &str) -> String {
        format!("{a} {b:?} {c:?}")
    }
    async fn none(&self) -> u8 {
        0
    }
}

fn client() -> ArgumentsClient<InProcess> {
    ArgumentsClient::new(InProcess::new(ArgumentsServer::new(Echo)))
}

fn item(name: &str) -> Item {
    Item { name: name.to_owned() }
}

#[tokio::test]
async fn borrowed_arguments_are_lent_from_the_message() {
    let client = client();
    // Nothing of what was borrowed for the call lives when it runs.
    let call = client.text(&String::from("héllo"));
    assert_eq!(call.await.unwrap(), "HÉLLO");
    assert_eq!(client.bytes(&[0, 255, 7]).await.unwrap(), 3);
    assert_eq!(client.bytes(&[]).await.unwrap(), 0);
    assert_eq!(client.cow("a".into(), Cow::Owned("b".to_owned()), vec![7].into()).await.unwrap(), "ab1");
    assert_eq!(client.maybe(Some("x")).await.unwrap().as_deref(), Some("X"));
    assert_eq!(client.maybe(None).await.unwrap(), None);
    assert_eq!(client.pairs(vec![("a", 1), ("b", 2)]).await.unwrap()["b"], 2);
    let tags = [String::from("t"), String::from("u")];
    let view = || View { key: "k", tags: tags.iter().map(String::as_str).collect() };
    assert_eq!(client.view(view()).await.unwrap(), "k:t,u");
    assert_eq!(client.lent(&item("a"), &[item("b"), item("c")]).await.unwrap(), "abc");
    assert_eq!(client.lent_view(&view(), &["x", "y"]).await.unwrap(), "k+x+y");
    assert_eq!(client.lent_odd(&vec![1, 2], &None, &3).await.unwrap(), "[1, 2] None 3");
    assert_eq!(client.mixed(item("i"), "t", 1).await.unwrap(), "it1");
}

#[tokio::test]
async fn calls_borrow_nothing_and_can_be_spawned() {
    let client = client();
    let calls: Vec<_> = (0..4).map(|number| client.text(&format!("call {number}"))).collect();
    drop(client);
    for (number, call) in calls.into_iter().enumerate() {
        assert_eq!(tokio::spawn(call).await.unwrap().unwrap(), format!("CALL {number}"));
    }
}

#[tokio::test]
async fn missing_arguments_are_none_or_the_default_and_surplus_ones_are_ignored() {
    let caller = InProcess::new(ArgumentsServer::new(Echo));
    for (method, arguments, expected) in [
        ("Arguments.grow", &b"\x91\x01"[..], "1 None None"),
        ("Arguments.grow", b"\x92\x01\x02", "1 Some(2) None"),
        ("Arguments.grow", b"\x93\x01\xc0\xa1x", "1 None Some(\"x\")"),
        ("Arguments.grow", b"\x95\x01\x02\xa1x\x90\x80", "1 Some(2) Some(\"x\")"),
        ("Arguments.cow", b"\x92\xa1x\xa1y", "xy0"),
        ("Arguments.defaulted", b"\x91\x01", "1 [] \"\""),
        ("Arguments.defaulted", b"\x92\x01\xc4\x01\x05", "1 [5] \"\""),
        ("Arguments.defaulted", b"\x94\x01\xc4\x01\x05\xa1x\x01", "1 [5] \"x\""),
    ] {
        let response = caller.raw(method, arguments).await.unwrap();
        assert_eq!(std::str::from_utf8(&response.body().bytes()[1..]).unwrap(), expected);
    }
    assert_eq!(caller.raw("Arguments.none", b"\x93\x01\x02\x03").await.unwrap().body().bytes(), b"\x00");
}

#[tokio::test]
async fn bad_arguments_are_refused_by_name() {
    let caller = InProcess::new(ArgumentsServer::new(Echo));
    for (method, arguments, words) in [
        ("Arguments.grow", &b"\x90"[..], "missing argument `a`"),
        ("Arguments.grow", b"\x92\x01\xa1x", "argument `b`"),
        ("Arguments.text", b"\x91\x01", "argument `text`"),
        ("Arguments.text", b"\xa1x", "Arguments.text"),
        ("Arguments.text", b"", "Arguments.text"),
        ("Arguments.none", b"\xc1", "Arguments.none"),
        ("Arguments.lent", b"\x92\x81\xa4name\xa1a\x91\x01", "argument `items`"),
    ] {
        let error = caller.raw(method, arguments).await.unwrap_err();
        assert_eq!((error.code(), error.delivery()), (Code::INVALID_ARGUMENT, Delivery::Refused), "{error}");
        assert!(error.message().starts_with(method), "{error}");
        assert!(error.message().contains(words), "{error}");
    }
}

#[tokio::test]
async fn a_call_s_bytes_are_one_array() {
    let client = client();
    client.mixed(item("i"), "t", 1).await.unwrap();
    client.none().await.unwrap();
    let seen = traitwire::Client::caller(&client).seen();
    assert_eq!(seen[0].arguments, b"\x93\x81\xa4name\xa1i\xa1t\x01");
    assert_eq!(seen[1].arguments, b"\x90");
    assert_eq!((seen[0].method.as_str(), seen[0].index), ("Arguments.mixed", Some(9)));
}
