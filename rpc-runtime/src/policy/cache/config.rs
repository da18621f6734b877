//! Owns [`CacheConfig`]: which answers are kept, for how long, and in how much memory.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::call::Request;
use crate::limits;
use crate::policy::cache::key::Varies;

/// Which answers are kept, for how long (a year at most), and in how much memory. Nothing is kept before methods are named.
///
/// ```
/// use std::time::Duration;
/// use traitwire::policy::cache::{CacheConfig, CachePolicy};
/// let config = CacheConfig::new(Duration::from_secs(5))
///     .method("Stock.count")
///     .method_for("Stock.prices", Duration::from_secs(60))
///     .vary_on(["tenant"])
///     .bytes(16 * 1024 * 1024)
///     .policy(CachePolicy::Arc);
/// ```
#[derive(Clone, Debug)]
pub struct CacheConfig {
    ttl: Duration,
    methods: BTreeMap<String, Duration>,
    pub(super) errors: Option<Duration>,
    pub(super) stale: Duration,
    pub(super) varies: Varies,
    pub(super) bytes: usize,
    pub(super) policy: CachePolicy,
    pub(super) seed: Option<u64>,
}

/// What goes when there is no room.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum CachePolicy {
    /// Whoever was used least often of late, judged on arrival (Einziger, Friedman and Manes, 2017): a scan of what is asked
    /// for once does not push out what is asked for again.
    #[default]
    WTinyLfu,
    /// Whoever was used longest ago. The one to take where what was asked for last is asked for next.
    Lru,
    /// Whoever was used least often. Counts are halved from time to time.
    Lfu,
    /// Between the two, finding out which is better (Megiddo and Modha, 2003).
    Arc,
}

impl CacheConfig {
    /// Keeps answers for so long, ± 10 %, so that what was asked for together does not expire together.
    pub const fn new(ttl: Duration) -> Self {
        Self {
            ttl,
            methods: BTreeMap::new(),
            errors: None,
            stale: Duration::ZERO,
            varies: Varies::All,
            bytes: limits::CACHE_BYTES,
            policy: CachePolicy::WTinyLfu,
            seed: None,
        }
    }

    /// Keeps the answers of this method, `"Service.method"`. Name only methods that read: one that is not marked as
    /// `idempotent`, that is oneway or that has a stream is not cached, whether it is named or not.
    #[must_use]
    pub fn method(self, name: impl Into<String>) -> Self {
        let ttl = self.ttl;
        self.method_for(name, ttl)
    }

    /// Keeps the answers of this method for so long.
    #[must_use]
    pub fn method_for(mut self, name: impl Into<String>, ttl: Duration) -> Self {
        self.methods.insert(name.into(), ttl.min(limits::CACHE_TTL_MOST));
        self
    }

    /// Keeps the service's own errors too, for so long: "not found", say, which is otherwise asked for again and again. Off by
    /// default.
    #[must_use]
    pub fn errors(mut self, ttl: Duration) -> Self {
        self.errors = Some(ttl.min(limits::CACHE_TTL_MOST));
        self
    }

    /// Gives an answer that has been too old for at most so long where the callee fails: `unavailable`, `deadline_exceeded`,
    /// `resource_exhausted`, `internal`, `unknown` or `data_loss`. Off by default.
    #[must_use]
    pub const fn stale_if_error(mut self, time: Duration) -> Self {
        self.stale = time;
        self
    }

    /// Of the metadata that calls carry, only these keys tell answers apart, and those marked as sensitive, because they say
    /// who calls. By default all do, but for the trace context.
    #[must_use]
    pub fn vary_on<K: Into<String>>(mut self, keys: impl IntoIterator<Item = K>) -> Self {
        self.varies = Varies::On(keys.into_iter().map(Into::into).collect());
        self
    }

    /// How many bytes answers take together, with their keys; 64 MiB. One that takes more than an eighth is not kept.
    #[must_use]
    pub const fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }

    /// What goes when there is no room; [`CachePolicy::WTinyLfu`].
    #[must_use]
    pub const fn policy(mut self, policy: CachePolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Draws its jitter from this seed, so that simulations repeat.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// How long the answer to a call is kept; `None` if it is not.
    pub(super) fn ttl(&self, request: &Request) -> Option<Duration> {
        let method = request.descriptor()?;
        let is_kept = method.idempotent && !method.oneway && !method.sends && !method.takes;
        self.methods.get(request.method()).copied().filter(|_| is_kept)
    }
}
