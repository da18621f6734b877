//! A circuit breaker: a service that hangs is called until that is clear, then no more until it has had time to recover.
//!
//! Run it with `cargo run --example breaker`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use traitwire::policy::breaker::{Breaker, BreakerConfig};
use traitwire::{Channel, rpc_service};

/// A stock of goods.
#[rpc_service]
pub trait Stock {
    /// How many of an article there are.
    #[rpc(idempotent, timeout = "50ms")]
    async fn count(&self, article: &str) -> u32;
}

/// Hangs while it is told to, as a service does whose database is gone.
struct Shelf {
    hangs: Arc<AtomicBool>,
}

impl Stock for Shelf {
    async fn count(&self, article: &str) -> u32 {
        if self.hangs.load(Ordering::Relaxed) {
            sleep(Duration::from_secs(60)).await;
        }
        article.len() as u32
    }
}

#[tokio::main]
async fn main() {
    let hangs = Arc::new(AtomicBool::new(false));
    let channel = Channel::loopback(StockServer::new(Shelf { hangs: Arc::clone(&hangs) }));

    // The window and the ratio are the defaults; a handful of calls is enough for an example.
    let config = BreakerConfig::new().named("stock").min_calls(6);
    let breaker = Breaker::new(config.open(Duration::from_millis(300), Duration::from_secs(5)));
    let stock = StockClient::new(breaker.around(channel));

    for (round, calls) in [("well", 3), ("hanging", 6), ("well again", 4)] {
        hangs.store(round == "hanging", Ordering::Relaxed);
        println!("the stock is {round}:");
        for _ in 0..calls {
            let began = Instant::now();
            let result = stock.count("tea").await;
            let took = began.elapsed();
            match result {
                Ok(count) => println!("  {count} of it, after {took:.0?}"),
                Err(error) => println!("  after {took:.0?}: {error}"),
            }
        }
        let known = breaker.snapshot();
        println!("  the breaker is {}, and has held {} calls back", known.state, known.held_back);
        if let Some(left) = known.open_for {
            sleep(left).await;
        }
    }
}
