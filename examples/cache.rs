//! A cache of answers: the second caller waits for the first one's call, the third has it at once, and while the service is
//! gone an answer that is somewhat too old stands in.
//!
//! Run it with `cargo run --example cache`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use tokio::time::{Instant, sleep};
use traitwire::policy::cache::{Cache, CacheConfig};
use traitwire::{Channel, Server, rpc_service};

/// Prices of goods.
#[rpc_service]
pub trait Prices {
    /// What an article costs, in cents.
    #[rpc(idempotent)]
    async fn price(&self, article: &str) -> u32;
}

/// Has to think about each price.
struct Slow;

impl Prices for Slow {
    async fn price(&self, article: &str) -> u32 {
        sleep(Duration::from_millis(100)).await;
        article.len() as u32 * 100
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::builder().service(PricesServer::new(Slow)).grace(Duration::ZERO);
    let server = server.bind("tcp://127.0.0.1:0").await?;
    let (address, handle) = (server.addresses()[0].clone(), server.handle());
    let serving = tokio::spawn(server.serve());

    let config = CacheConfig::new(Duration::from_millis(300)).method("Prices.price");
    let cache = Cache::new(config.stale_if_error(Duration::from_secs(60)));
    let prices = PricesClient::new(cache.around(Channel::connect(&address).await?));

    let timed = async |what| {
        let began = Instant::now();
        let price = prices.price("tea").await;
        println!("{what}: {price:?} after {:.0?}", began.elapsed());
    };
    // Both ask at once: the service hears of one.
    tokio::join!(timed("the first"), timed("the second"));
    timed("the third").await;

    sleep(Duration::from_millis(400)).await;
    timed("when it is too old").await;

    handle.shutdown();
    serving.await??;
    sleep(Duration::from_millis(400)).await;
    timed("when the service is gone").await;
    println!("a price that nobody has asked for: {:?}", prices.price("coffee").await.is_err());

    let known = cache.snapshot();
    println!(
        "{} hit, {} coalesced, {} misses, {} stale",
        known.hit, known.coalesced, known.miss, known.stale
    );
    Ok(())
}
