//! Nothing of an overload stays when its cause is gone: open-loop load on a server of known capacity, a trigger of ten seconds, and
//! the goodput after it. (Bronson et al., "Metastable Failures in Distributed Systems", 2021.)

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;
use traitwire::policy::breaker::BreakerConfig;
use traitwire::policy::cluster::Failover;
use traitwire::policy::limit::LimitConfig;
use traitwire::policy::shed::{Shed, ShedConfig};
use traitwire::policy::{Policies, Policy};
use traitwire::testing::{Fault, Network};
use traitwire::{Hedge, Retry, Server, rpc_service};

const MILLI: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
/// Workers of a server, and how long one is busy with a call: fifty calls a second.
const WORKERS: usize = 2;
const WORK: Duration = Duration::from_millis(40);
const CAPACITY: f64 = 50.0;

#[rpc_service]
trait Shop {
    #[rpc(idempotent, timeout = "500ms")]
    async fn buy(&self);
}

/// So many workers, each of which takes so long; calls wait for one.
#[derive(Clone)]
struct Workers {
    free: Arc<Semaphore>,
    millis: Arc<AtomicU64>,
}

impl Workers {
    fn new() -> Self {
        let millis = AtomicU64::new(WORK.as_millis() as u64);
        Self { free: Arc::new(Semaphore::new(WORKERS)), millis: Arc::new(millis) }
    }
}

impl Shop for Workers {
    async fn buy(&self) {
        let _worker = self.free.acquire().await.unwrap();
        tokio::time::sleep(self.millis.load(Ordering::SeqCst) as u32 * MILLI).await;
    }
}

fn policies() -> Policies {
    let policy = Policy::new().retry(Retry::new()).hedge(Hedge::new()).breaker(BreakerConfig::new());
    Policies::new().everything(policy)
}

fn served(network: &Network, name: &str) -> Workers {
    let workers = Workers::new();
    let shop = workers.clone();
    network.host(name).serve(1, move || {
        let shed = Shed::new(ShedConfig::new(LimitConfig::concurrency(WORKERS)));
        Server::builder().service(ShopServer::new(shop.clone())).layer(shed.layer())
    });
    workers
}

/// Calls at an even rate, whatever becomes of them; how many were answered of those that began in each second.
async fn offer<F>(rate: f64, seconds: usize, call: impl Fn(usize) -> F) -> Vec<usize>
where
    F: Future<Output = bool> + Send + 'static,
{
    let answered: Arc<Vec<AtomicUsize>> = Arc::new((0..seconds).map(|_| AtomicUsize::new(0)).collect());
    let (began, mut calls) = (Instant::now(), tokio::task::JoinSet::new());
    for nth in 0..(rate * seconds as f64) as usize {
        tokio::time::sleep_until(began + SECOND.mul_f64(nth as f64 / rate)).await;
        let (call, answered) = (call(nth), Arc::clone(&answered));
        calls.spawn(async move {
            let is_answered = call.await;
            answered[(nth as f64 / rate) as usize].fetch_add(usize::from(is_answered), Ordering::SeqCst);
        });
    }
    calls.join_all().await;
    answered.iter().map(|count| count.load(Ordering::SeqCst)).collect()
}

/// Five seconds, a trigger of ten, and twenty afterwards, of which so many are for coming back.
#[track_caller]
fn assert_comes_back(load: f64, offered: f64, (felt, back): (f64, usize), answered: &[usize]) {
    let share = |seconds: &[usize]| seconds.iter().sum::<usize>() as f64 / (offered * seconds.len() as f64);
    assert!(share(&answered[..5]) > 0.98, "{load}: before: {answered:?}");
    assert!(share(&answered[6..15]) < felt, "{load}: the trigger has to be felt: {answered:?}");
    assert!(share(&answered[15 + back..]) >= 0.95, "{load}: it has not come back: {answered:?}");
}

#[tokio::test(start_paused = true)]
async fn after_ten_seconds_of_slow_work_goodput_is_back_within_five() {
    for load in [0.7, 0.8, 0.9] {
        let network = Network::seeded(7);
        let workers = served(&network, "server");
        let channel = network.host("client").channel("sim://server:1");
        channel.set_policies(policies());
        let shop = ShopClient::new(channel);
        let trigger = tokio::spawn(async move {
            tokio::time::sleep(5 * SECOND).await;
            workers.millis.store(10 * WORK.as_millis() as u64, Ordering::SeqCst);
            tokio::time::sleep(10 * SECOND).await;
            workers.millis.store(WORK.as_millis() as u64, Ordering::SeqCst);
        });
        let offered = load * CAPACITY;
        let answered = offer(offered, 35, |_| {
            let call = shop.buy();
            async move { call.await.is_ok() }
        });
        assert_comes_back(load, offered, (0.8, 5), &answered.await);
        trigger.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn after_ten_seconds_without_one_of_three_servers_goodput_is_back_within_ten() {
    for load in [0.7, 0.8] {
        let network = Network::seeded(7);
        let client = network.host("client");
        let channels: Vec<_> = (1..=3)
            .map(|number| {
                served(&network, &format!("server {number}"));
                let channel = client.channel(&format!("sim://server {number}:1"));
                channel.set_policies(policies());
                channel
            })
            .collect();
        // Each third of the calls prefers another server.
        let shops: Vec<_> = (0..3)
            .map(|first| ShopClient::new(Failover::new((0..3).map(|at| channels[(first + at) % 3].clone()))))
            .collect();
        network.at(5 * SECOND, Fault::crash("server 1").lasting(10 * SECOND));
        let offered = 3.0 * load * CAPACITY;
        let answered = offer(offered, 35, |nth| {
            let call = shops[nth % 3].buy();
            async move { call.await.is_ok() }
        });
        let answered = answered.await;
        // Two of three do nearly all of 70 %. A channel whose server was gone for ten seconds waits up to eight before it
        // connects again.
        assert_comes_back(load, offered, (0.97, 10), &answered);
        assert!(network.report().hits("crash") > 0);
    }
}
