//! The fleet: servers of a simulated network, a client that balances over them, and calls at a rate; all from one seed and in
//! virtual time. Owns one run; what is to come of it is for tests and for the program `balancing` to say.

mod service;

use std::fmt;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::join_all;
use futures::stream;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use traitwire::balance::Balance;
use traitwire::discovery::{Discovery, Endpoint, Updates};
use traitwire::testing::{Dice, Host, Network};
use traitwire::{Channel, ChannelBuilder, Server, ServerBuilder};

use service::Door;

pub use service::{Ledger, Place, Work, WorkClient, WorkServer, Worker};

/// Servers of a simulated network.
pub struct Fleet {
    /// The network.
    pub network: Network,
    /// Where the calls come from.
    pub client: Host,
    /// The servers, `s0`, `s1`, …
    pub places: Vec<Arc<Place>>,
    /// What was written, at all of them together.
    pub ledger: Ledger,
}

/// One call.
#[derive(Clone, Debug)]
pub struct Called {
    /// When it was made, since the beginning of the load.
    pub at: Duration,
    /// How long it took.
    pub took: Duration,
    /// Which server answered it, or how it failed.
    pub end: Result<u32, String>,
}

/// How long a server that is restarted is away.
const AWAY: Duration = Duration::from_millis(500);
/// How long one that is restarted lets its calls go on.
const GRACE: Duration = Duration::from_secs(1);

impl Fleet {
    /// So many servers, each of which takes 10 ms for a call on average and 16 at a time.
    pub fn new(seed: u64, servers: u32) -> Self {
        let network = Network::seeded(seed);
        let (client, ledger) = (network.host("client"), Arc::new(Mutex::default()));
        let mut fleet = Self { network, client, places: Vec::new(), ledger };
        (0..servers).for_each(|_| _ = fleet.add());
        fleet
    }

    /// One more, which starts again after a crash.
    pub fn add(&mut self) -> Arc<Place> {
        let place = self.place();
        let served = Arc::clone(&place);
        self.network.host(&name(&place)).serve(1, move || server(&served));
        place
    }

    /// One more, which can be [restarted](Place::restart) in good order.
    pub fn add_restartable(&mut self) -> Arc<Place> {
        let place = self.place();
        let served = Arc::clone(&place);
        self.network.host(&name(&place)).start(move |host| {
            let place = Arc::clone(&served);
            async move {
                loop {
                    let server = server(&place).transport(host.clone()).grace(GRACE);
                    let bound = server.bind(&format!("sim://{}:1", host.name())).await;
                    let bound = bound.unwrap_or_else(|error| panic!("{error}"));
                    let ended = bound.serve_with_shutdown(place.restart.notified()).await;
                    ended.unwrap_or_else(|error| panic!("{error}"));
                    sleep(AWAY).await;
                }
            }
        });
        place
    }

    fn place(&mut self) -> Arc<Place> {
        let number = self.places.len() as u32;
        let place = Arc::new(Place::new(number, self.network.dice(), Arc::clone(&self.ledger)));
        self.places.push(Arc::clone(&place));
        place
    }

    /// The address of all of them.
    pub fn address(&self) -> String {
        let all: Vec<_> = self.places.iter().map(|place| format!("sim://{}:1", name(place))).collect();
        format!("static://{}", all.join(","))
    }

    /// A channel to all of them.
    ///
    /// # Panics
    ///
    /// Never: the address is well formed.
    pub fn channel(&self, balance: impl Into<Balance>) -> Channel {
        let channel = self.builder(balance).lazy(&self.address());
        channel.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Settings of a channel on the client's host.
    pub fn builder(&self, balance: impl Into<Balance>) -> ChannelBuilder {
        Channel::builder().transport(self.client.clone()).balance(balance)
    }

    /// Makes calls of `work` at random moments, so many a second, for so long; each with a key below 1,000.
    pub async fn load(&self, client: &WorkClient, rate: f64, time: Duration) -> Vec<Called> {
        let mut dice = self.network.dice();
        let (began, mut at, mut calls) = (Instant::now(), Duration::ZERO, Vec::new());
        loop {
            at += pause(&mut dice, rate);
            if at >= time {
                break;
            }
            sleep_until(began + at).await;
            let call = client.work(dice.below(1_000));
            calls.push(tokio::spawn(async move {
                let sent = Instant::now();
                let end = call.await.map_err(|error| error.to_string());
                Called { at: sent - began, took: sent.elapsed(), end }
            }));
        }
        join_all(calls).await.into_iter().flatten().collect()
    }
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fleet({})", self.address())
    }
}

fn name(place: &Place) -> String {
    format!("s{}", place.number)
}

fn server(place: &Arc<Place>) -> ServerBuilder {
    let (worker, place) = (Worker(Arc::clone(place)), Arc::clone(place));
    let (counters, told) = (Arc::clone(&place.counters), Arc::clone(&place));
    Server::builder()
        .utilization(move || told.utilization())
        .service(WorkServer::new(worker))
        .observer(counters)
        .layer(move |inner| Door { place, inner })
}

/// The time to the next of calls that come independently of each other.
fn pause(dice: &mut Dice, rate: f64) -> Duration {
    Duration::from_secs_f64(-(1.0 - dice.unit()).ln() / rate)
}

/// How many of these calls each of so many servers answered, as a part of all.
pub fn shares(calls: &[Called], servers: usize) -> Vec<f64> {
    let mut counts = vec![0.0; servers];
    calls.iter().filter_map(|call| call.end.as_ref().ok()).for_each(|of| counts[*of as usize] += 1.0);
    let sum = counts.iter().sum::<f64>().max(1.0);
    counts.iter().map(|count| count / sum).collect()
}

/// The time within which this part of the calls ended.
pub fn percentile(calls: &[Called], part: f64) -> Duration {
    let mut times: Vec<_> = calls.iter().map(|call| call.took).collect();
    times.sort_unstable();
    let at = ((times.len() as f64 * part) as usize).min(times.len().saturating_sub(1));
    times.get(at).copied().unwrap_or_default()
}

/// The calls of a part of a run.
pub fn between(calls: &[Called], from: Duration, to: Duration) -> Vec<Called> {
    calls.iter().filter(|call| call.at >= from && call.at < to).cloned().collect()
}

/// A source of endpoints that says what it is told.
#[derive(Clone, Debug)]
pub struct Told(watch::Sender<Option<Vec<Endpoint>>>);

impl Default for Told {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl Told {
    /// There are these servers of a fleet now.
    ///
    /// # Panics
    ///
    /// Never: the addresses are well formed.
    pub fn say(&self, places: &[Arc<Place>]) {
        let endpoint = |place: &Arc<Place>| Endpoint::new(&format!("sim://{}:1", name(place)));
        let all = places.iter().map(|place| endpoint(place).unwrap_or_else(|error| panic!("{error}")));
        self.say_endpoints(all.collect());
    }

    /// There are these now.
    pub fn say_endpoints(&self, endpoints: Vec<Endpoint>) {
        self.0.send_replace(Some(endpoints));
    }
}

impl Discovery for Told {
    fn name(&self) -> String {
        "told://".to_owned()
    }

    fn watch(&self) -> Updates {
        let told = stream::unfold((self.0.subscribe(), false), async |(mut told, is_read)| {
            if is_read {
                told.changed().await.ok()?;
            }
            loop {
                let said = told.borrow_and_update().clone();
                if let Some(endpoints) = said {
                    return Some((Ok(endpoints), (told, true)));
                }
                told.changed().await.ok()?;
            }
        });
        told.chain(stream::once(pending())).boxed()
    }
}
