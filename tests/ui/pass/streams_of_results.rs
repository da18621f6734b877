//! Items that may be errors, by whatever name.
#![deny(warnings)]

use std::convert::Infallible;

use futures::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use traitwire::{CallError, CallStream, Channel, OpenCall, Stream, Streaming, rpc_service};

#[derive(Debug, Deserialize, Serialize)]
pub enum Wrong {
    Very,
}

type Answer = Result<i64, Wrong>;
type Fallible<T, E = Wrong> = Result<T, E>;
type Number = i64;

mod io {
    pub type Result<T> = std::result::Result<T, super::Wrong>;
}

mod sports {
    #[derive(serde::Deserialize, serde::Serialize)]
    pub struct Result {
        pub points: u8,
    }
}

macro_rules! service {
    ($name:ident, $item:ty, $returned:ty) => {
        #[rpc_service]
        trait $name {
            fn stream(&self, values: Streaming<$item>) -> impl Stream<Item = $item>;
            async fn whole(&self) -> $returned;
        }
    };
}

service!(Written, Result<i64, Wrong>, Result<impl Stream<Item = i64>, Wrong>);

#[rpc_service]
trait Service {
    fn result(&self) -> impl Stream<Item = Result<i64, Wrong>>;
    fn std(&self) -> impl Stream<Item = std::result::Result<i64, Wrong>>;
    fn answer(&self) -> impl Stream<Item = Answer>;
    fn fallible(&self) -> impl Stream<Item = Fallible<i64>>;
    fn io(&self) -> impl Stream<Item = io::Result<i64>>;
    fn number(&self) -> impl Stream<Item = Number>;
    fn sports(&self) -> impl Stream<Item = sports::Result>;
    fn path(&self) -> impl futures::Stream<Item = i64>;
    #[allow(unused_parens)]
    fn parens(&self) -> (impl Stream<Item = (Answer)>);
    async fn open_result(&self) -> Result<impl Stream<Item = Result<i64, Wrong>>, String>;
    async fn open_answer(&self) -> std::result::Result<impl Stream<Item = Answer>, Wrong>;
    async fn open_number(&self) -> Result<impl Stream<Item = Number>, Infallible2>;
    async fn open_plain(&self) -> impl Stream<Item = Answer>;
    #[cfg(any())]
    async fn gone(&self) -> Result<impl Stream<Item = Gone>, Missing>;
    async fn sent(&self, values: Streaming<Result<u8, Wrong>>) -> Answer;
}

#[derive(Debug, Deserialize, Serialize)]
pub struct Infallible2;

fn flat(client: &ServiceClient) -> [CallStream<Channel, i64, Wrong>; 6] {
    [client.result(), client.std(), client.answer(), client.fallible(), client.io(), client.parens()]
}

fn plain(client: &ServiceClient) -> (CallStream<Channel, i64>, CallStream<Channel, i64>, CallStream<Channel, sports::Result>) {
    (client.number(), client.path(), client.sports())
}

fn opened(
    client: &ServiceClient,
) -> (
    OpenCall<Channel, i64, Wrong, String>,
    OpenCall<Channel, i64, Wrong, Wrong>,
    OpenCall<Channel, i64, Infallible, Infallible2>,
    OpenCall<Channel, i64, Wrong, Infallible>,
) {
    (client.open_result(), client.open_answer(), client.open_number(), client.open_plain())
}

async fn read(client: ServiceClient) -> Result<i64, CallError<Wrong>> {
    let mut items = client.answer();
    let mut sum = client.sent(stream::iter([Ok(1), Err(Wrong::Very)])).await?;
    while let Some(item) = items.next().await {
        sum += item?;
    }
    Ok(sum)
}

fn main() {
    let _ = (flat, plain, opened, read, Wrong::Very, Infallible2);
    let _ = |client: &WrittenClient| drop((client.stream(stream::iter([Ok(1)])), client.whole()));
}
