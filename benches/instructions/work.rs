//! Owns what is counted: calls and items between a client and a server in one thread, over a pipe in memory. The clock
//! stands still, so that a processor that is simulated, and slow, exceeds no budget of time.

use std::cell::Cell;
use std::rc::Rc;

use futures::future::join_all;
use futures::{Stream, StreamExt, stream};
use serde::{Deserialize, Serialize};
use traitwire::rpc_service;

use crate::Failure;

/// What can be run.
pub(crate) const ALL: [&str; 5] =
    ["call, 1 in flight", "call, 64 in flight", "call, 512 in flight", "echo of 1 KiB", "item"];

#[rpc_service]
pub(crate) trait Bench {
    async fn add(&self, a: i64, b: i64) -> i64;
    async fn echo(&self, body: &[u8]) -> Vec<u8>;
    fn items(&self, count: u64) -> impl Stream<Item = Item>;
}

/// An item as small streams have them.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Item {
    id: u64,
    value: f64,
    name: String,
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
        stream::iter((0..count).map(|id| Item { id, value: id as f64, name: format!("item-{id:07}") }))
    }
}

pub(crate) fn run(what: &str, times: u64) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
    runtime.block_on(async {
        let client = BenchClient::loopback(Basic);
        match what {
            "item" => items(&client, times).await,
            "echo of 1 KiB" => {
                let body = [7; 1024];
                calls(64, times, || async { client.echo(&body).await.map(drop) }).await
            }
            _ => {
                let mut numbers =
                    what.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok());
                let in_flight = numbers.next().ok_or_else(|| format!("{what} is none of {ALL:?}"))?;
                calls(in_flight, times, || async { client.add(40, 2).await.map(drop) }).await
            }
        }
    })
}

/// Makes calls, so many of them at a time.
async fn calls<F, Fut>(in_flight: usize, times: u64, call: F) -> Result<(), Failure>
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<(), traitwire::CallError>>,
{
    let left = Rc::new(Cell::new(times));
    let caller = || async {
        while let Some(less) = left.get().checked_sub(1) {
            left.set(less);
            call().await?;
        }
        Ok::<_, traitwire::CallError>(())
    };
    for ended in join_all((0..in_flight).map(|_| caller())).await {
        ended?;
    }
    Ok(())
}

async fn items(client: &BenchClient, times: u64) -> Result<(), Failure> {
    let mut items = client.items(times);
    let mut seen = 0;
    while let Some(item) = items.next().await {
        item?;
        seen += 1;
    }
    if seen == times { Ok(()) } else { Err(format!("{seen} items of {times}").into()) }
}
