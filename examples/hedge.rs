//! Hedges: one call in ten is slow, and the slow ones go out a second time. Prints what that does to the slowest calls, and
//! what it costs.
//!
//! `cargo run --example hedge`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use traitwire::policy::{Policies, Policy};
use traitwire::{Channel, Hedge, rpc_service};

#[rpc_service]
trait Search {
    #[rpc(idempotent)]
    async fn find(&self, words: &str) -> u32;
}

/// Every tenth search takes fifty times as long.
#[derive(Clone, Default)]
struct Index(Arc<AtomicU32>);

impl Search for Index {
    async fn find(&self, words: &str) -> u32 {
        let searches = self.0.fetch_add(1, Ordering::Relaxed);
        let millis = if searches % 10 == 9 { 100 } else { 2 };
        tokio::time::sleep(Duration::from_millis(millis)).await;
        words.len() as u32
    }
}

/// Searches one after the other, and tells how long the slowest ones took.
async fn search(name: &str, policy: Policy) -> Result<(), Box<dyn std::error::Error>> {
    let index = Index::default();
    let policies = Policies::new().everything(policy);
    let channel = Channel::builder().policies(policies).loopback(SearchServer::new(index.clone()));
    let search = SearchClient::new(channel);
    let mut times = Vec::new();
    for _ in 0..200 {
        let began = Instant::now();
        search.find("needle").await?;
        times.push(began.elapsed());
    }
    times.sort();
    let searches = index.0.load(Ordering::Relaxed);
    println!(
        "{name:<16} median {:>8.1?}  95 % within {:>8.1?}  {searches} searches for 200 calls",
        times[100], times[190]
    );
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    search("without hedges", Policy::new()).await?;
    search("after 10 ms", Policy::new().hedge(Hedge::after(Duration::from_millis(10)))).await?;
    search("learnt: p85", Policy::new().hedge(Hedge::at_percentile(85.0))).await?;
    Ok(())
}
