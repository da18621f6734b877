//! Owns [`CacheConfig`]: which answers are kept, for how long, and in how much memory.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::call::{Keep, MethodDescriptor};
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
#[derive(Clone, Debug, PartialEq)]
pub struct CacheConfig {
    terms: Terms,
    methods: BTreeMap<String, Duration>,
    store: StoreConfig,
}

/// How long the answers of a method are kept, and which of its calls are the same.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Terms {
    pub(in crate::policy) ttl: Duration,
    pub(in crate::policy) errors: Option<Duration>,
    pub(in crate::policy) stale: Duration,
    pub(in crate::policy) varies: Varies,
}

/// What answers are kept in; nothing said is the default.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(in crate::policy) struct StoreConfig {
    pub(in crate::policy) bytes: Option<usize>,
    pub(in crate::policy) policy: Option<CachePolicy>,
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
    pub fn new(ttl: Duration) -> Self {
        Self { terms: Terms::new(ttl), methods: BTreeMap::new(), store: StoreConfig::default() }
    }

    /// One that is asked about each call by itself, and keeps its answers so.
    pub(in crate::policy) fn of_store(store: StoreConfig) -> Self {
        Self { store, ..Self::new(Duration::ZERO) }
    }

    /// Keeps the answers of this method, `"Service.method"`. Name only methods that read: one that is not marked as
    /// `idempotent`, that is oneway or that has a stream is not cached, whether it is named or not.
    #[must_use]
    pub fn method(self, name: impl Into<String>) -> Self {
        let ttl = self.terms.ttl;
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
        self.terms.errors = Some(ttl.min(limits::CACHE_TTL_MOST));
        self
    }

    /// Gives an answer that has been too old for at most so long where the callee fails: `unavailable`, `deadline_exceeded`,
    /// `resource_exhausted`, `internal`, `unknown` or `data_loss`. Off by default.
    #[must_use]
    pub const fn stale_if_error(mut self, time: Duration) -> Self {
        self.terms.stale = time;
        self
    }

    /// Of the metadata that calls carry, only these keys tell answers apart, and those marked as sensitive, because they say
    /// who calls. By default all do, but for the trace context.
    #[must_use]
    pub fn vary_on<K: Into<String>>(mut self, keys: impl IntoIterator<Item = K>) -> Self {
        self.terms.varies = Varies::On(keys.into_iter().map(Into::into).collect());
        self
    }

    /// How many bytes answers take together, with their keys; 64 MiB. One that takes more than an eighth is not kept.
    #[must_use]
    pub const fn bytes(mut self, bytes: usize) -> Self {
        self.store.bytes = Some(bytes);
        self
    }

    /// What goes when there is no room; [`CachePolicy::WTinyLfu`].
    #[must_use]
    pub const fn policy(mut self, policy: CachePolicy) -> Self {
        self.store.policy = Some(policy);
        self
    }

    /// Draws its jitter from this seed, so that simulations repeat.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.store.seed = Some(seed);
        self
    }

    /// What holds for the answers of a method: one that is named, or, where none is, one that `is_meant` by who says this.
    pub(in crate::policy) fn terms_of(&self, full_name: &str, is_meant: bool) -> Option<Terms> {
        if self.methods.is_empty() { is_meant.then(|| self.terms.clone()) } else { self.named(full_name) }
    }

    /// What holds for the answers of a method that is named.
    pub(super) fn named(&self, full_name: &str) -> Option<Terms> {
        let ttl = *self.methods.get(full_name)?;
        Some(Terms { ttl, ..self.terms.clone() })
    }

    /// The same for so long.
    #[cfg(feature = "config")]
    pub(in crate::policy) fn with_ttl(mut self, ttl: Duration) -> Self {
        self.terms.ttl = ttl.min(limits::CACHE_TTL_MOST);
        self
    }

    pub(in crate::policy) const fn terms(&self) -> &Terms {
        &self.terms
    }

    pub(in crate::policy) const fn store(&self) -> StoreConfig {
        self.store
    }
}

impl Terms {
    fn new(ttl: Duration) -> Self {
        Self {
            ttl: ttl.min(limits::CACHE_TTL_MOST),
            errors: None,
            stale: Duration::ZERO,
            varies: Varies::All,
        }
    }

    /// What a trait says of a method; `None` if it leaves the time to those who call.
    pub(in crate::policy) fn of(keep: Keep) -> Option<Self> {
        let errors = keep.errors.map(|ttl| ttl.min(limits::CACHE_TTL_MOST));
        Some(Self { errors, stale: keep.stale_if_error, ..Self::new(keep.ttl?) })
    }

    /// Whether answers of a method can be kept at all: it may be left out, and its answer comes in one piece.
    pub(in crate::policy) const fn may_keep(method: &MethodDescriptor) -> bool {
        method.idempotent && !method.oneway && !method.sends && !method.takes
    }
}

impl StoreConfig {
    pub(in crate::policy) fn bytes(&self) -> usize {
        self.bytes.unwrap_or(limits::CACHE_BYTES)
    }

    pub(in crate::policy) fn policy(&self) -> CachePolicy {
        self.policy.unwrap_or_default()
    }
}

impl CachePolicy {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::WTinyLfu, Self::Lru, Self::Lfu, Self::Arc];

    /// Its name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::WTinyLfu => "w-tinylfu",
            Self::Lru => "lru",
            Self::Lfu => "lfu",
            Self::Arc => "arc",
        }
    }
}
