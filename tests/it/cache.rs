//! A cache around a breaker around a limit around a channel, by hand, in a simulated network: each does its part.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::future::join_all;
use traitwire::policy::breaker::{Breaker, BreakerConfig, BreakerState};
use traitwire::policy::cache::{Cache, CacheConfig, CachePolicy};
use traitwire::policy::limit::{Limit, LimitConfig};
use traitwire::testing::{Fault, Network};
use traitwire::{Server, rpc_service};

const SECOND: Duration = Duration::from_secs(1);

#[rpc_service]
trait Stock {
    #[rpc(idempotent)]
    async fn count(&self, article: &str) -> u32;
    async fn take(&self, article: &str) -> u32;
}

#[derive(Clone, Default)]
struct Shelf(Arc<AtomicU32>);

impl Stock for Shelf {
    async fn count(&self, _article: &str) -> u32 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }

    async fn take(&self, article: &str) -> u32 {
        self.count(article).await
    }
}

#[tokio::test(start_paused = true)]
async fn policies_stack_and_a_kept_answer_stands_in_while_the_breaker_is_open() {
    for policy in [CachePolicy::WTinyLfu, CachePolicy::Arc] {
        let (network, shelf) = (Network::seeded(7), Shelf::default());
        let (client, served) = (network.host("client"), shelf.clone());
        network.host("server").serve(1, move || Server::builder().service(StockServer::new(served.clone())));

        let limit = Limit::new(LimitConfig::concurrency(2));
        let breaker = Breaker::new(BreakerConfig::new().last_calls(4).min_calls(4).seed(7));
        let kept = CacheConfig::new(SECOND).method("Stock.count").method("Stock.take").policy(policy).seed(7);
        let cache = Cache::new(kept.stale_if_error(60 * SECOND));
        let channel = client.channel("sim://server:1");
        let stock = StockClient::new(cache.around(breaker.around(limit.around(channel))));

        // Four callers of one article are one call; three articles are three, two at a time.
        let began = tokio::time::Instant::now();
        let articles = ["tea", "tea", "tea", "tea", "salt", "rice"];
        let counts = join_all(articles.map(|article| stock.count(article))).await;
        assert_eq!(counts.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [1, 1, 1, 1, 2, 3]);
        assert_eq!(began.elapsed().as_millis() / 100, 2);
        assert_eq!(stock.take("tea").await.unwrap(), 4, "taking is no reading, whatever the settings say");
        assert_eq!(stock.count("tea").await.unwrap(), 1);

        // Crashed: what is too old stands in, at the price of a call each until the breaker opens, then of none.
        let fault = network.inject(Fault::crash("server"));
        tokio::time::sleep(2 * SECOND).await;
        for _ in 0..8 {
            assert_eq!(stock.count("tea").await.unwrap(), 1);
        }
        assert!(fault.hits() > 0);
        assert_eq!(breaker.state(), BreakerState::Open);
        let known = (cache.snapshot(), breaker.snapshot(), limit.snapshot());
        assert_eq!((known.0.hit, known.0.coalesced, known.0.stale), (1, 3, 8));
        assert!(known.1.held_back >= 4, "{:?}", known.1);
        assert_eq!((known.2.at_work, known.2.waiting), (0, 0));
        assert!(stock.count("coffee").await.is_err(), "nobody has an answer to that");

        fault.heal();
        tokio::time::sleep(60 * SECOND).await;
        assert_eq!(stock.count("tea").await.unwrap(), 5);
    }
}
