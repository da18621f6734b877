//! Every form of a stream, in a crate that denies what can be denied.
#![deny(warnings, missing_docs, unreachable_pub, refining_impl_trait, elided_lifetimes_in_paths, unused_qualifications)]

use std::convert::Infallible;

use futures::{StreamExt, stream};
use traitwire::{Call, CallStream, Caller, OpenCall, RpcError, Stream, Streaming, rpc_service};

/// A service with streams.
#[rpc_service]
pub trait Clock {
    /// At once.
    #[rpc(idle_timeout = "60s", total_timeout = "10m", timeout = "5s")]
    fn ticks(&self, n: u32) -> impl Stream<Item = u32>;
    /// At once, without an argument.
    #[rpc(idempotent, name = "of-units", elements = 100_000)]
    fn units(&self) -> impl Stream<Item = ()> + Send;
    /// Opened.
    async fn open(&self, name: &str) -> Result<impl Stream<Item = u32>, String>;
    /// Opened, whatever comes.
    async fn just(&self, list: Vec<u8>) -> impl Stream<Item = Vec<u8>>;
    /// In.
    #[rpc(idle_timeout = "1m")]
    async fn sum(&self, values: Streaming<i64>) -> i64;
    /// In, among others.
    async fn among(&self, a: u8, values: Streaming<String>, b: &str, #[rpc(default)] c: u8) -> Result<usize, String>;
    /// Both ways.
    fn echo(&self, values: Streaming<u32>) -> impl Stream<Item = u32>;
    /// Both ways, opened.
    #[rpc(blocking)]
    async fn load(&self, to: u64, rows: Streaming<(u8, String)>) -> Result<impl Stream<Item = u64>, String>;
    /// Both ways, opened, whatever comes.
    async fn meet(&self, rows: Streaming<u8>, name: &str) -> impl Stream<Item = u8>;
    /// Neither.
    async fn plain(&self, sink: u8, stream: u8, items: u8, request: u8, read: u8, returned: u8) -> u8;
    /// Names that generated code uses too.
    async fn names(&self, sink: &str, stream: Streaming<u8>, items: u8, request: u8, read: u8, returned: u8, method: u8, service: u8, payload: u8) -> Result<impl Stream<Item = u8>, u8>;
}

struct Basic;

impl Clock for Basic {
    fn ticks(&self, n: u32) -> impl Stream<Item = u32> {
        stream::iter(0..n)
    }
    fn units(&self) -> impl Stream<Item = ()> {
        stream::pending()
    }
    async fn open(&self, name: &str) -> Result<impl Stream<Item = u32>, String> {
        if name.is_empty() {
            return Err("no name".to_owned());
        }
        Ok(stream::iter(0..3))
    }
    async fn just(&self, list: Vec<u8>) -> impl Stream<Item = Vec<u8>> {
        stream::iter([list])
    }
    async fn sum(&self, values: Streaming<i64>) -> i64 {
        values.map(|value| value.unwrap_or(0)).fold(0, async |a, b| a + b).await
    }
    async fn among(&self, _: u8, mut values: Streaming<String>, _: &str, _: u8) -> Result<usize, String> {
        let first = values.next().await;
        first.map_or(Ok(0), |first| first.map(|first| first.len())).map_err(|error| error.to_string())
    }
    fn echo(&self, values: Streaming<u32>) -> impl Stream<Item = u32> {
        values.filter_map(async |value| value.ok())
    }
    async fn load(&self, to: u64, rows: Streaming<(u8, String)>) -> Result<impl Stream<Item = u64>, String> {
        Ok(rows.map(move |row| row.map_or(0, |(row, _)| to + u64::from(row))))
    }
    async fn meet(&self, rows: Streaming<u8>, _: &str) -> impl Stream<Item = u8> {
        rows.filter_map(async |value| value.ok())
    }
    async fn plain(&self, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8) -> u8 {
        1
    }
    async fn names(&self, sink: &str, _: Streaming<u8>, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8) -> Result<impl Stream<Item = u8>, u8> {
        Ok(stream::iter(sink.bytes()))
    }
}

fn calls<C: Caller>(client: &ClockClient<C>, values: Streaming<i64>) -> (CallStream<C, u32>, Call<C, i64>, Call<C, i64>) {
    (client.ticks(1), client.sum(stream::iter([1, 2])), client.sum(values))
}

fn opened<C: Caller>(client: &ClockClient<C>) -> (OpenCall<C, u32, Infallible, String>, OpenCall<C, Vec<u8>, Infallible, Infallible>) {
    (client.open("a"), client.just(vec![]))
}

async fn read(client: ClockClient) -> Result<u32, RpcError> {
    let mut ticks = client.ticks(3);
    let mut sum = 0;
    while let Some(tick) = ticks.next().await {
        sum += tick?;
    }
    let rows = stream::iter([(1, String::new())]);
    if let Ok(mut sums) = client.load(1, rows).await {
        sum += sums.next().await.is_some() as u32;
    }
    let _ = client.echo(stream::iter([1])).next().await;
    let _ = client.among(1, stream::iter(["a".to_owned()]), "b", 2).await;
    Ok(sum)
}

fn is_send<T: Send + 'static>(_: T) {}

fn main() {
    let _ = (calls::<traitwire::Channel>, opened::<traitwire::Channel>);
    let _ = |client: ClockClient| is_send(read(client));
    let _ = |service: Basic| ClockServer::new(service);
    let _ = |client: &ClockClient| {
        is_send(client.plain(1, 2, 3, 4, 5, 6));
        is_send(client.names("", stream::iter([1]), 1, 2, 3, 4, 5, 6, 7));
        is_send(client.meet(stream::iter([1]), ""));
        is_send(client.units());
    };
}
