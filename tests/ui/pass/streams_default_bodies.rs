#![deny(warnings)]

use futures::{StreamExt, stream};
use traitwire::{Stream, Streaming, rpc_service};

#[rpc_service]
pub trait Service {
    async fn base(&self) -> u8;
    fn ticks(&self, n: u8) -> impl Stream<Item = u8> {
        stream::iter(0..n)
    }
    fn more(&self) -> impl Stream<Item = u8> {
        self.ticks(3).map(|tick| tick + 1)
    }
    fn shared(&self) -> impl Stream<Item = u8>
    where
        Self: Sync,
    {
        stream::once(self.base())
    }
    fn bytes(&self, text: &str) -> impl Stream<Item = u8> {
        stream::iter(text.bytes())
    }
    async fn opened(&self, mut text: String, other: &str) -> Result<impl Stream<Item = u8>, String> {
        text.push_str(other);
        if text.is_empty() {
            return Err("empty".to_owned());
        }
        let number: u8 = text.parse().map_err(|_| "no number")?;
        Ok(stream::iter(0..number).chain(stream::iter(other.bytes())))
    }
    async fn just(&self) -> impl Stream<Item = u8>
    where
        Self: Sync,
    {
        let base = self.base().await;
        self.ticks(base)
    }
    async fn sum(&self, mut values: Streaming<u8>) -> u8 {
        let mut sum = 0;
        while let Some(Ok(value)) = values.next().await {
            sum += value;
        }
        sum
    }
    async fn unused(&self, _values: Streaming<u8>) {}
}

#[rpc_service]
pub trait SyncService: Sync {
    async fn base(&self) -> u8;
    async fn uses_self(&self) -> Result<impl Stream<Item = u8>, String> {
        Ok(stream::iter([self.base().await]))
    }
    fn lends_self(&self) -> impl Stream<Item = u8> {
        stream::once(self.base())
    }
}

fn main() {}
