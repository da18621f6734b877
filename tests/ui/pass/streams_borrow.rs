//! Streams that borrow from the service and from what they were called with.
#![deny(warnings)]

use std::borrow::Cow;

use futures::{StreamExt, stream};
use traitwire::{Stream, Streaming, rpc_service};

#[derive(serde::Deserialize, serde::Serialize)]
struct Item {
    name: String,
}

#[derive(serde::Deserialize, serde::Serialize)]
struct View<'a> {
    key: &'a str,
}

#[rpc_service]
trait Store {
    fn all(&self) -> impl Stream<Item = String>;
    fn words(&self, text: &str, more: &[String]) -> impl Stream<Item = String>;
    fn bytes(&self, bytes: &[u8], item: &Item, items: &[Item]) -> impl Stream<Item = u8>;
    fn views(&self, view: View<'_>, views: &View<'_>, maybe: Option<&str>, cow: Cow<'_, str>, texts: &[&str]) -> impl Stream<Item = String>;
    async fn find(&self, text: &str, item: &Item) -> Result<impl Stream<Item = String>, String>;
    async fn seek(&self, item: &Item, items: &[Item]) -> impl Stream<Item = String>;
    async fn both(&self, text: &str, values: Streaming<String>, n: u8) -> Result<impl Stream<Item = String>, String>;
    async fn held(&self, view: &View<'_>, values: Streaming<String>) -> String;
    #[rpc(blocking)]
    fn defaulted(&self, #[rpc(default)] text: &str, #[rpc(default)] n: u8) -> impl Stream<Item = u8>;
}

struct Basic(Vec<String>);

impl Store for Basic {
    fn all(&self) -> impl Stream<Item = String> {
        stream::iter(self.0.iter().cloned())
    }
    fn words(&self, text: &str, more: &[String]) -> impl Stream<Item = String> {
        stream::iter(text.split(' ').map(str::to_owned).chain(more.iter().cloned()).chain(self.0.iter().cloned()))
    }
    fn bytes(&self, bytes: &[u8], item: &Item, items: &[Item]) -> impl Stream<Item = u8> {
        stream::iter(bytes.iter().copied().chain(item.name.bytes()).chain(items.iter().map(|_| 1)))
    }
    fn views(&self, view: View<'_>, views: &View<'_>, maybe: Option<&str>, cow: Cow<'_, str>, texts: &[&str]) -> impl Stream<Item = String> {
        stream::iter(texts.iter().map(move |text| format!("{text}{cow}{}{}{maybe:?}", view.key, views.key)))
    }
    async fn find(&self, text: &str, item: &Item) -> Result<impl Stream<Item = String>, String> {
        std::future::ready(()).await;
        if item.name.is_empty() {
            return Err(text.to_owned());
        }
        Ok(stream::iter(self.0.iter().filter(move |name| name.contains(text) || **name == item.name).cloned()))
    }
    async fn seek(&self, item: &Item, items: &[Item]) -> impl Stream<Item = String> {
        stream::iter(items.iter().map(move |other| format!("{}{}", other.name, item.name)))
    }
    async fn both(&self, text: &str, values: Streaming<String>, n: u8) -> Result<impl Stream<Item = String>, String> {
        Ok(values.map(move |value| format!("{text}{}{n}{}", value.unwrap_or_default(), self.0.len())))
    }
    async fn held(&self, view: &View<'_>, values: Streaming<String>) -> String {
        let count = values.count().await;
        format!("{}{count}", view.key)
    }
    fn defaulted(&self, text: &str, n: u8) -> impl Stream<Item = u8> {
        stream::iter(text.bytes().map(move |byte| byte + n))
    }
}

fn own<T: Send + 'static>(value: T) -> T {
    value
}

fn calls(client: &StoreClient) {
    let text = String::new();
    let item = Item { name: String::new() };
    let _ = own(client.words(&text, &[]));
    let _ = own(client.bytes(&[], &item, &[]));
    let _ = own(client.find(&text, &item));
    let _ = own(client.both(&text, stream::iter([String::new()]), 1));
    let _ = own(client.held(&View { key: &text }, stream::iter([String::new()])));
}

fn main() {
    let _ = (calls, |basic: Basic| StoreServer::new(basic));
}
