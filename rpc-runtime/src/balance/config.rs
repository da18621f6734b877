//! Owns [`Balance`] and [`Algorithm`]: how a channel spreads its calls over many endpoints. Does not spread them.

use std::sync::Arc;
use std::time::Duration;

use crate::balance::outlier::Ejection;
use crate::limits;
use crate::policy::breaker::BreakerConfig;

/// Which endpoint a call goes to, of those that are fit for it. *P2C*, the power of two choices: the better one of two that are
/// drawn at random, which is nearly as good as the best of all and sends nobody a herd. (Mitzenmacher, *The Power of Two Choices
/// in Randomized Load Balancing*, 2001.)
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Algorithm {
    /// P2C by response time × calls under way, more where calls fail or get no answer; the default. The response time is a peak
    /// EWMA with τ = 10 s. (Finagle's `PeakEwma`.)
    #[default]
    PeakEwma,
    /// P2C by calls under way. (Finagle's `P2CPick`, gRFC A48.)
    LeastLoaded,
    /// Each as likely as another.
    Random,
    /// One after the other, from a random one on.
    RoundRobin,
    /// By chance, as likely as its weight says.
    WeightedRandom,
    /// In turns by weight, spread evenly: gRPC's static stride scheduler (gRFC A58).
    WeightedRoundRobin,
    /// In turns by the load that servers report of themselves: each takes as many calls as it could end with all that it has
    /// (gRFC A58). They have to [serve their health](crate::ServerBuilder::health), and are asked once a second; who says nothing takes
    /// as much as the others on average. Weights that the source says do not count.
    ReportedLoad,
    /// By the argument marked `#[rpc(key)]`: the same key, the same endpoint, on a ring of hashes; where an endpoint comes or
    /// goes only its own keys move. One with more than `bound` times the mean of calls under way passes on what is too much.
    /// (Mirrokni, Thorup and Zadimoghaddam, *Consistent Hashing with Bounded Loads*, 2018.) Calls without a key go anywhere.
    ConsistentHash {
        /// How far above the mean; 1.25 is usual. Infinity lets a key stay where it is whatever happens.
        bound: f64,
    },
    /// By the same argument, with rendezvous hashing: more even than a ring, and slower with each endpoint. For some dozens.
    Rendezvous,
}

impl Algorithm {
    /// All of them, for those who compare; hashing on a ring with its usual bound.
    pub const ALL: &'static [Self] = &[
        Self::PeakEwma,
        Self::LeastLoaded,
        Self::Random,
        Self::RoundRobin,
        Self::WeightedRandom,
        Self::WeightedRoundRobin,
        Self::ReportedLoad,
        Self::consistent_hash(),
        Self::Rendezvous,
    ];

    /// Consistent hashing with the usual bound, 1.25.
    pub const fn consistent_hash() -> Self {
        Self::ConsistentHash { bound: limits::RING_BOUND }
    }

    /// The algorithm in snake case.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::PeakEwma => "peak_ewma",
            Self::LeastLoaded => "least_loaded",
            Self::Random => "random",
            Self::RoundRobin => "round_robin",
            Self::WeightedRandom => "weighted_random",
            Self::WeightedRoundRobin => "weighted_round_robin",
            Self::ReportedLoad => "reported_load",
            Self::ConsistentHash { .. } => "consistent_hash",
            Self::Rendezvous => "rendezvous",
        }
    }

    /// Whether it asks servers for their load.
    pub(crate) const fn takes_reports(&self) -> bool {
        matches!(self, Self::ReportedLoad)
    }

    /// Whether it asks for a call's key.
    pub(crate) const fn takes_key(&self) -> bool {
        matches!(self, Self::ConsistentHash { .. } | Self::Rendezvous)
    }
}

/// How a channel spreads its calls over the endpoints of an address like `static://a:1,b:2` or `dns://calc.internal:7000`.
///
/// ```
/// use std::time::Duration;
/// use traitwire::balance::{Algorithm, Balance};
///
/// let usual = Balance::new();
/// let cache = Balance::by(Algorithm::consistent_hash()).slow_start(Duration::ZERO);
/// let near = Balance::new().zone("eu-1a").subset(20);
/// ```
///
/// docs/BALANCING.md compares the algorithms, and says what is behind each default.
#[derive(Clone, Debug)]
#[must_use]
pub struct Balance {
    pub(crate) algorithm: Algorithm,
    pub(crate) ejection: Option<Ejection>,
    pub(crate) slow_start: Duration,
    pub(crate) subset: Option<usize>,
    pub(crate) seed: Option<u64>,
    pub(crate) zone: Option<Arc<str>>,
    pub(crate) panic: f64,
    pub(crate) warm: usize,
    pub(crate) breaker: Option<BreakerConfig>,
    pub(crate) health: Option<Arc<str>>,
    pub(crate) connections: usize,
    pub(crate) connection_calls: u32,
}

impl Default for Balance {
    fn default() -> Self {
        Self::new()
    }
}

impl From<Algorithm> for Balance {
    fn from(algorithm: Algorithm) -> Self {
        Self::by(algorithm)
    }
}

impl Balance {
    /// P2C by response time and load, with ejection of outliers and slow start.
    pub const fn new() -> Self {
        Self::by(Algorithm::PeakEwma)
    }

    /// The same with another algorithm.
    pub const fn by(algorithm: Algorithm) -> Self {
        Self {
            algorithm,
            ejection: Some(Ejection::new()),
            slow_start: limits::SLOW_START,
            subset: None,
            seed: None,
            zone: None,
            panic: limits::PANIC,
            warm: limits::WARM_ENDPOINTS,
            breaker: None,
            health: None,
            connections: limits::ENDPOINT_CONNECTIONS,
            connection_calls: limits::CONNECTION_CALLS,
        }
    }

    /// When an endpoint that does worse than the others is left out for a while.
    pub const fn ejection(mut self, ejection: Ejection) -> Self {
        self.ejection = Some(ejection);
        self
    }

    /// Leaves no endpoint out for what its calls came to.
    pub const fn no_ejection(mut self) -> Self {
        self.ejection = None;
        self
    }

    /// How long an endpoint that is new, or is back, takes less than its share: from a tenth of it, growing with the time; 10 s.
    /// Those of the first list begin with all of it, and hashing gives keys at once.
    pub const fn slow_start(mut self, time: Duration) -> Self {
        self.slow_start = time;
        self
    }

    /// Has to do with so many endpoints only, for fleets in which not every client is to connect to every server: each client has
    /// its own, evenly over all clients, and keeps them when the fleet changes. By default all.
    pub const fn subset(mut self, endpoints: usize) -> Self {
        self.subset = Some(if endpoints == 0 { 1 } else { endpoints });
        self
    }

    /// What the client's [subset](Self::subset) is drawn by, so that it has the same one after a restart; by default by chance.
    pub const fn subset_seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Where the client stands: endpoints of this zone are preferred. Others get calls as soon as more than two of seven near
    /// ones are not fit, and more the fewer are left; with P2C also when they are better by half.
    pub fn zone(mut self, zone: impl Into<Arc<str>>) -> Self {
        self.zone = Some(zone.into());
        self
    }

    /// Below which part of fit endpoints, of those that are connected, nobody is believed to be unfit any more; a half.
    pub const fn panic_threshold(mut self, part: f64) -> Self {
        self.panic = part;
        self
    }

    /// To how many endpoints a connection is made before a call needs it, and kept; 64. Further ones are connected by their first
    /// call.
    pub const fn warm(mut self, endpoints: usize) -> Self {
        self.warm = endpoints;
        self
    }

    /// How many connections there may be to one endpoint, and how many calls under way one of them is to have before there is a further
    /// one; 4 and 512, or as many as the server takes of one, if those are fewer. They are made as they are needed, and given up
    /// one by one when for a minute half of the calls would do with one less. With 1 there is never another.
    pub const fn connections(mut self, most: usize, calls: u32) -> Self {
        (self.connections, self.connection_calls) = (most, calls);
        self
    }

    /// Asks each endpoint that it is connected to how this service is there, or with `""` how the server as a whole is, by its
    /// service [`Health`](crate::health::Health), and gives it calls only while it says that it serves: as long as there is another one.
    /// An endpoint without that service counts as one that serves.
    pub fn health(mut self, service: impl Into<Arc<str>>) -> Self {
        self.health = Some(service.into());
        self
    }

    /// A circuit breaker for each endpoint: while one is open, its endpoint gets no call but the breaker's probes.
    pub fn breaker(mut self, config: BreakerConfig) -> Self {
        self.breaker = Some(config);
        self
    }
}
