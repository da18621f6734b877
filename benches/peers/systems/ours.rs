//! traitwire as a user gets it: default settings, all promises on.

use std::net::SocketAddr;

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};

use crate::count::Counter;
use crate::systems::{Failure, Item, System};

#[traitwire::rpc_service]
pub(crate) trait Bench {
    async fn add(&self, a: i64, b: i64) -> i64;
    async fn echo(&self, body: &[u8]) -> Vec<u8>;
    fn items(&self, count: u64) -> impl Stream<Item = Item>;
}

struct Basic;

impl Bench for Basic {
    async fn add(&self, a: i64, b: i64) -> i64 {
        a + b
    }

    async fn echo(&self, body: &[u8]) -> Vec<u8> {
        body.to_vec()
    }

    fn items(&self, count: u64) -> impl Stream<Item = Item> {
        stream::iter((0..count).map(Item::nth))
    }
}

#[derive(Clone)]
pub(crate) struct Traitwire(BenchClient);

impl System for Traitwire {
    async fn serve(listening: fn(SocketAddr)) -> Result<(), Failure> {
        let server =
            traitwire::Server::builder().service(BenchServer::new(Basic)).bind("tcp://127.0.0.1:0").await?;
        listening(server.addresses()[0].trim_start_matches("tcp://").parse()?);
        server.serve().await?;
        Ok(())
    }

    async fn connect(address: SocketAddr) -> Result<Self, Failure> {
        Ok(Self(BenchClient::connect(&format!("tcp://{address}")).await?))
    }

    async fn add(&mut self, a: i64, b: i64) -> Result<i64, Failure> {
        Ok(self.0.add(a, b).await?)
    }

    async fn echo(&mut self, body: &Bytes) -> Result<usize, Failure> {
        Ok(self.0.echo(body).await?.len())
    }

    async fn items(&mut self, count: u64, seen: &Counter) -> Result<(), Failure> {
        let mut items = self.0.items(count);
        while let Some(item) = items.next().await {
            std::hint::black_box(item?);
            seen.add(1);
        }
        Ok(())
    }
}
