//! The shop: servers of known capacity under open-loop load, ten seconds of trouble, and the goodput that is left afterwards. (Bronson
//! et al., "Metastable Failures in Distributed Systems", 2021.) Owns the service, the load and its curve; `simulated` runs it in
//! the simulated network, the program `metastable` with real processes.

mod curve;
mod simulated;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use traitwire::balance::Balance;
use traitwire::policy::breaker::BreakerConfig;
use traitwire::policy::limit::LimitConfig;
use traitwire::policy::shed::{Shed, ShedConfig};
use traitwire::policy::{Policies, Policy};
use traitwire::{Channel, ChannelBuilder, Hedge, Retry, Server, ServerBuilder, rpc_service};

pub use curve::{Curve, plot};
pub use simulated::simulate;

const SECOND: Duration = Duration::from_secs(1);
/// How late a worker may be woken: timers are good to a millisecond.
const LATE: Duration = Duration::from_millis(3);
/// In which second of a load the trouble begins, and when it is gone.
pub const BEGINS: usize = 5;
/// See [`BEGINS`].
pub const ENDS: usize = 15;
/// How many seconds a load takes.
pub const OVER: usize = 30;

/// What is sold.
#[rpc_service]
pub trait Shop {
    /// Waits for a worker, and keeps it busy for a while.
    #[rpc(idempotent, timeout = "500ms")]
    async fn buy(&self);
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "whoever makes trouble makes all of it")]
pub enum Trouble {
    /// The work of the one server takes ten times as long.
    Slow,
    /// One of three servers is killed, and started again when the trouble is over.
    Killed,
}

impl Trouble {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Slow, Self::Killed];

    /// How many servers there are.
    pub const fn servers(self) -> usize {
        match self {
            Self::Slow => 1,
            Self::Killed => 3,
        }
    }

    /// In words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Slow => "ten times as slow",
            Self::Killed => "one of three killed",
        }
    }
}

/// The workers of one server, each of which takes so long for a call; calls wait for one. So what a server can do does not depend
/// on the machine: a worker that is woken a little late makes up for it.
#[derive(Clone, Debug)]
pub struct Workers {
    places: Arc<Semaphore>,
    /// Since when those are free that are.
    free: Arc<Mutex<Vec<Instant>>>,
    count: usize,
    work: Duration,
    /// How many times as long.
    slowness: Arc<AtomicU64>,
}

impl Workers {
    /// So many, who take so long.
    pub fn new(count: usize, work: Duration) -> Self {
        let (places, free) = (Arc::new(Semaphore::new(count)), Arc::default());
        Self { places, free, count, work, slowness: Arc::new(AtomicU64::new(1)) }
    }

    /// How many calls they do in a second.
    pub fn capacity(&self) -> f64 {
        self.count as f64 / self.work.as_secs_f64()
    }

    /// From now on they take so many times as long.
    pub fn slow_down(&self, times: u64) {
        self.slowness.store(times, Ordering::SeqCst);
    }

    /// Their server, which sheds what they cannot do in time.
    pub fn server(&self) -> ServerBuilder {
        let shed = Shed::new(ShedConfig::new(LimitConfig::concurrency(self.count)));
        Server::builder().service(ShopServer::new(self.clone())).layer(shed.layer())
    }
}

impl Shop for Workers {
    async fn buy(&self) {
        // They are never closed.
        let Ok(_place) = self.places.acquire().await else { return };
        let mut worker = Worker { of: self, free: self.free.lock().pop().unwrap_or_else(Instant::now) };
        let (now, work) = (Instant::now(), self.work * self.slowness.load(Ordering::SeqCst) as u32);
        let begins = if now > worker.free + LATE { now } else { worker.free };
        tokio::time::sleep_until(begins + work).await;
        worker.free = begins + work;
    }
}

/// One that is busy, until this is dropped.
struct Worker<'a> {
    of: &'a Workers,
    free: Instant,
}

impl Drop for Worker<'_> {
    fn drop(&mut self) {
        self.of.free.lock().push(self.free);
    }
}

/// A channel to these servers, with everything on by its defaults.
///
/// # Panics
///
/// Never, if the addresses are well formed.
pub fn channel(builder: ChannelBuilder, servers: &[String]) -> Channel {
    let policy = Policy::new().retry(Retry::new()).hedge(Hedge::new());
    let (policy, address) = match servers {
        [server] => (policy.breaker(BreakerConfig::new()), server.clone()),
        _ => (policy, format!("static://{}", servers.join(","))),
    };
    let builder = builder.policies(Policies::new().everything(policy));
    let channel = builder.balance(Balance::new().breaker(BreakerConfig::new())).lazy(&address);
    channel.unwrap_or_else(|error| panic!("{error}"))
}

/// Calls at an even rate, whatever becomes of them: what part of those that begin in each second is answered.
pub async fn offer(rate: f64, channel: Channel) -> Vec<f64> {
    let shop = ShopClient::new(channel);
    let answered: Arc<Vec<AtomicU64>> = Arc::new((0..OVER).map(|_| AtomicU64::new(0)).collect());
    let (began, mut calls) = (Instant::now(), tokio::task::JoinSet::new());
    for nth in 0..(rate * OVER as f64) as usize {
        tokio::time::sleep_until(began + SECOND.mul_f64(nth as f64 / rate)).await;
        let (call, answered) = (shop.buy(), Arc::clone(&answered));
        calls.spawn(async move {
            let is_answered = call.await.is_ok();
            answered[(nth as f64 / rate) as usize].fetch_add(u64::from(is_answered), Ordering::SeqCst);
        });
        while calls.try_join_next().is_some() {}
    }
    calls.join_all().await;
    answered.iter().map(|count| count.load(Ordering::SeqCst) as f64 / rate).collect()
}
