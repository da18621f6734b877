//! Owns [`Policies`], what a channel says of its calls. Does not read files, and does not decide what holds for one of them
//! (`in_force`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::call::{Hedge, Retry, Wanted};
use crate::policy::breaker::BreakerConfig;
#[cfg(feature = "cache")]
use crate::policy::cache::CacheConfig;
use crate::policy::limit::LimitConfig;
use crate::policy::retry::Budget;

/// What is said of some calls: all of a channel's, those of a service or of a method. What it leaves open, others decide:
/// see [the order](crate::policy#what-holds-for-a-call).
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Policy {
    pub(crate) timeout: Option<Duration>,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) total_timeout: Option<Duration>,
    pub(crate) retry: Option<Wanted<Retry>>,
    pub(crate) hedge: Option<Wanted<Hedge>>,
    pub(crate) budget: Option<Budget>,
    // Behind a pointer each, because every call has a policy of its own on its way through the levels.
    pub(crate) breaker: Option<Wanted<Arc<BreakerConfig>>>,
    pub(crate) limit: Option<Wanted<Arc<LimitConfig>>>,
    #[cfg(feature = "cache")]
    pub(crate) cache: Option<Wanted<Arc<CacheConfig>>>,
}

impl Policy {
    /// Says nothing.
    pub const fn new() -> Self {
        Self {
            timeout: None,
            idle_timeout: None,
            total_timeout: None,
            retry: None,
            hedge: None,
            budget: None,
            breaker: None,
            limit: None,
            #[cfg(feature = "cache")]
            cache: None,
        }
    }

    /// How long a call may take in all, its retries included; with a stream, until something first moves on it.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// How long nothing may move on a call's streams, once something has.
    #[must_use]
    pub const fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = Some(timeout);
        self
    }

    /// How long a call with a stream may take in all.
    #[must_use]
    pub const fn total_timeout(mut self, timeout: Duration) -> Self {
        self.total_timeout = Some(timeout);
        self
    }

    /// Tries calls again that have failed.
    #[must_use]
    pub const fn retry(mut self, retry: Retry) -> Self {
        self.retry = Some(Wanted::On(retry));
        self
    }

    /// Makes one attempt of each call, whatever the trait says.
    #[must_use]
    pub const fn no_retry(mut self) -> Self {
        self.retry = Some(Wanted::Off);
        self
    }

    /// Sends idempotent calls once more that take long.
    #[must_use]
    pub const fn hedge(mut self, hedge: Hedge) -> Self {
        self.hedge = Some(Wanted::On(hedge));
        self
    }

    /// Sends no call once more that only takes long, whatever the trait says.
    #[must_use]
    pub const fn no_hedge(mut self) -> Self {
        self.hedge = Some(Wanted::Off);
        self
    }

    /// How many retries and hedges may be added to these calls together. What is for everything is the channel's budget; a
    /// service's or a method's is a further bound, within the channel's.
    #[must_use]
    pub const fn budget(mut self, budget: Budget) -> Self {
        self.budget = Some(budget);
        self
    }

    /// Puts a circuit breaker before the channel: one for all of these calls, however many methods they are of. One that is
    /// said of a service or a method takes the place of the channel's for its calls.
    #[must_use]
    pub fn breaker(mut self, config: BreakerConfig) -> Self {
        self.breaker = Some(Wanted::On(Arc::new(config)));
        self
    }

    /// Puts no breaker before these calls.
    #[must_use]
    pub fn no_breaker(mut self) -> Self {
        self.breaker = Some(Wanted::Off);
        self
    }

    /// Puts a limit before the channel: one for all of these calls together, in place of the channel's.
    #[must_use]
    pub fn limit(mut self, config: LimitConfig) -> Self {
        self.limit = Some(Wanted::On(Arc::new(config)));
        self
    }

    /// Puts no limit before these calls.
    #[must_use]
    pub fn no_limit(mut self) -> Self {
        self.limit = Some(Wanted::Off);
        self
    }

    /// Keeps the answers of these calls, as far as their methods are idempotent. Said of a method, it is the word of who says it
    /// that the method only reads. Said of a service or of everything, it is for methods whose trait says `cache`, or which the
    /// configuration [names](CacheConfig::method): of others nobody has said that they do not write. Answers share the channel's
    /// memory, unless this has [`bytes`](CacheConfig::bytes) or a [`policy`](CacheConfig::policy) of its own.
    #[cfg(feature = "cache")]
    #[must_use]
    pub fn cache(mut self, config: CacheConfig) -> Self {
        self.cache = Some(Wanted::On(Arc::new(config)));
        self
    }

    /// Keeps no answers of these calls, whatever the trait says.
    #[cfg(feature = "cache")]
    #[must_use]
    pub fn no_cache(mut self) -> Self {
        self.cache = Some(Wanted::Off);
        self
    }
}

/// The policies of a channel: for everything, for services and for methods, and its budget.
///
/// ```
/// use std::time::Duration;
/// use traitwire::policy::{Policies, Policy};
/// use traitwire::{Channel, Retry};
///
/// let policies = Policies::new()
///     .everything(Policy::new().timeout(Duration::from_secs(2)))
///     .service("Calculator", Policy::new().retry(Retry::new()))
///     .method("Calculator.store", Policy::new().no_retry());
/// let channel = Channel::builder().policies(policies).lazy("tcp://127.0.0.1:7000")?;
/// channel.set_policies(Policies::new());
/// # Ok::<(), traitwire::RpcError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policies {
    everything: Policy,
    services: BTreeMap<String, Policy>,
    /// By the method's full name.
    methods: BTreeMap<String, Policy>,
}

impl Policies {
    /// Says nothing; with the default budget.
    pub fn new() -> Self {
        Self::default()
    }

    /// What holds where nothing else is said.
    #[must_use]
    pub fn everything(mut self, policy: Policy) -> Self {
        self.everything = policy;
        self
    }

    /// What holds for the methods of a service, by its name on the wire.
    #[must_use]
    pub fn service(mut self, name: impl Into<String>, policy: Policy) -> Self {
        self.services.insert(name.into(), policy);
        self
    }

    /// What holds for a method, by its name on the wire: `"Service.method"`.
    #[must_use]
    pub fn method(mut self, full_name: impl Into<String>, policy: Policy) -> Self {
        self.methods.insert(full_name.into(), policy);
        self
    }

    /// How many retries and hedges the channel may add to its calls; the same as [`Policy::budget`] for everything.
    #[must_use]
    pub const fn budget(mut self, budget: Budget) -> Self {
        self.everything.budget = Some(budget);
        self
    }

    pub(super) const fn has_own_budget(&self) -> bool {
        self.everything.budget.is_some()
    }

    pub(super) fn channel_budget(&self) -> Budget {
        self.everything.budget.unwrap_or_default()
    }

    /// The budgets within the channel's: of services and methods, by their names.
    pub(super) fn further_budgets(&self) -> impl Iterator<Item = (&String, Budget)> {
        let all = self.services.iter().chain(&self.methods);
        all.filter_map(|(name, policy)| policy.budget.map(|budget| (name, budget)))
    }

    /// Whose budget within the channel's is for this method.
    pub(crate) fn budget_of<'a>(&self, full_name: &'a str) -> Option<&'a str> {
        let has_budget = |policy: Option<&Policy>| policy.is_some_and(|policy| policy.budget.is_some());
        let service = service_of(full_name);
        let method = has_budget(self.methods.get(full_name)).then_some(full_name);
        method.or_else(|| has_budget(self.services.get(service)).then_some(service))
    }

    /// Whether it says nothing of any call.
    pub(crate) fn is_silent(&self) -> bool {
        self.everything == Policy::new() && self.services.is_empty() && self.methods.is_empty()
    }

    /// What is said of a service.
    pub(super) fn of_service(&self, name: &str) -> Option<&Policy> {
        self.services.get(name)
    }

    /// What is said of a method, of its service and of everything.
    pub(super) fn of(&self, full_name: &str) -> [Option<&Policy>; 3] {
        let service = self.services.get(service_of(full_name));
        [self.methods.get(full_name), service, Some(&self.everything)]
    }

    /// All that is said, with what it is said of.
    pub(super) fn placed(&self) -> impl Iterator<Item = (String, &Policy)> {
        let services = self.services.iter().map(|(name, policy)| (format!("{name}."), policy));
        let methods = self.methods.iter().map(|(name, policy)| (name.clone(), policy));
        std::iter::once((String::new(), &self.everything)).chain(services).chain(methods)
    }
}

/// The service's part of a full name.
fn service_of(full_name: &str) -> &str {
    full_name.rsplit_once('.').map_or("", |(service, _)| service)
}
