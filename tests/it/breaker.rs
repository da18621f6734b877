//! The circuit breaker around a channel, in a simulated network: how much a broken endpoint costs its callers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use traitwire::policy::breaker::{Breaker, BreakerCaller, BreakerConfig, BreakerState};
use traitwire::testing::{Fault, Network};
use traitwire::{Caller, Channel, Code, Delivery, RpcError, Server, rpc_service};

const MILLI: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

#[rpc_service]
trait Bell {
    #[rpc(timeout = "200ms")]
    async fn ring(&self) -> u64;
}

/// Hangs at so many of ten calls; counts all.
#[derive(Clone)]
struct Tower {
    rung: Arc<AtomicU64>,
    hangs: u64,
}

impl Tower {
    fn new(hangs: u64) -> Self {
        Self { rung: Arc::default(), hangs }
    }
}

impl Bell for Tower {
    async fn ring(&self) -> u64 {
        let number = self.rung.fetch_add(1, Ordering::Relaxed) + 1;
        if number % 10 < self.hangs {
            std::future::pending::<()>().await;
        }
        number
    }
}

struct Lab {
    network: Network,
    channel: Channel,
    tower: Tower,
}

fn lab(hangs: u64) -> Lab {
    let (network, tower) = (Network::seeded(7), Tower::new(hangs));
    let (client, served) = (network.host("client"), tower.clone());
    network.host("server").serve(1, move || Server::builder().service(BellServer::new(served.clone())));
    let channel = client.channel("sim://server:1");
    Lab { network, channel, tower }
}

/// What calls came to: how many were answered, failed after they were sent, and were held back.
#[derive(Debug, Default, PartialEq)]
struct Ends {
    answered: u32,
    failed: u32,
    held_back: u32,
}

/// A hundred calls a second, none of which waits for another.
async fn ring_for<C: Caller>(bell: &BellClient<C>, time: Duration) -> Ends
where
    C::Error: Send,
{
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..time.as_millis() / 10 {
        let bell = bell.clone();
        calls.spawn(async move {
            let began = Instant::now();
            let result = bell.ring().await.map_err(RpcError::from);
            (result, began.elapsed())
        });
        sleep(10 * MILLI).await;
    }
    let mut ends = Ends::default();
    while let Some(end) = calls.join_next().await {
        match end.unwrap() {
            (Ok(_), _) => ends.answered += 1,
            (Err(error), took) if error.message().contains("circuit breaker") => {
                assert_eq!((error.code(), error.delivery()), (Code::UNAVAILABLE, Delivery::NotSent));
                assert_eq!(took, Duration::ZERO, "it is told at once");
                ends.held_back += 1;
            }
            (Err(_), took) => {
                assert!(took >= 200 * MILLI, "what fails here costs its whole time");
                ends.failed += 1;
            }
        }
    }
    ends
}

fn guarded(channel: Channel) -> (Breaker, BellClient<BreakerCaller<Channel>>) {
    let breaker = Breaker::new(BreakerConfig::new().named("server").seed(7));
    (breaker.clone(), BellClient::new(breaker.around(channel)))
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_gone_is_asked_now_and_then_until_it_is_back() {
    let Lab { network, channel, tower } = lab(0);
    let (breaker, bell) = guarded(channel);
    assert_eq!(ring_for(&bell, 2 * SECOND).await, Ends { answered: 200, ..Ends::default() });
    let fault = network.inject(Fault::partition("client", "server"));
    let gone = ring_for(&bell, 20 * SECOND).await;
    assert!(fault.hits() > 0 && gone.answered == 0, "{gone:?}");
    assert_eq!(gone.failed + gone.held_back, 2_000);
    // The window has 200 that were answered: so many must fail too. Then come those that were under way, and three probes
    // each after 1, 2, 4 and 8 s; every other call would have waited for its 200 ms.
    assert!((200..=240).contains(&gone.failed), "{gone:?}");
    let opened = breaker.snapshot().opened;
    assert!((4..=5).contains(&opened), "{opened}");

    fault.heal();
    let began = Instant::now();
    while breaker.state() != BreakerState::Closed {
        let _ = bell.ring().await;
        sleep(10 * MILLI).await;
    }
    // It doubles: coming back takes at most as long as the failure has lasted, and the jitter.
    assert!(began.elapsed() < 24 * SECOND, "{:?}", began.elapsed());
    assert_eq!(ring_for(&bell, SECOND).await.answered, 100);
    assert!(tower.rung.load(Ordering::Relaxed) >= 300);
}

#[tokio::test(start_paused = true)]
async fn more_than_half_that_fail_open_it_and_three_in_ten_do_not() {
    for (hangs, opens) in [(6, true), (3, false)] {
        let Lab { channel, tower, .. } = lab(hangs);
        let (breaker, bell) = guarded(channel);
        let ends = ring_for(&bell, 10 * SECOND).await;
        assert_eq!(u64::from(ends.answered + ends.failed), tower.rung.load(Ordering::Relaxed));
        if opens {
            assert!(breaker.snapshot().opened > 0 && ends.held_back > 500, "{ends:?}");
        } else {
            assert_eq!((breaker.snapshot().opened, ends.held_back, ends.failed), (0, 0, 300), "{ends:?}");
        }
    }
}
