//! Owns [`Policies`], what a channel says of its calls, and [`InForce`], what holds for one of them. Pure. Does not read
//! files.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::call::{Hedge, MethodDescriptor, Request, Retry, Wanted};
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
}

impl Policy {
    /// Says nothing.
    pub const fn new() -> Self {
        Self { timeout: None, idle_timeout: None, total_timeout: None, retry: None, hedge: None }
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
    budget: Budget,
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

    /// How many retries and hedges the channel may add to its calls.
    #[must_use]
    pub const fn budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    pub(super) const fn channel_budget(&self) -> Budget {
        self.budget
    }

    /// Whether it says nothing of any call.
    pub(crate) fn is_silent(&self) -> bool {
        self.everything == Policy::new() && self.services.is_empty() && self.methods.is_empty()
    }

    /// What holds for a call.
    pub(crate) fn for_call(&self, request: &Request) -> InForce {
        let own = request.own_timeouts();
        let asked = request.asked().copied().unwrap_or_default();
        let call = Policy {
            timeout: own[0],
            idle_timeout: own[1],
            total_timeout: own[2],
            retry: asked.retry,
            hedge: asked.hedge,
        };
        self.in_force(&call, request.method(), request.descriptor())
    }

    /// What holds for a method, of which its caller says `call`.
    pub(crate) fn in_force(
        &self,
        call: &Policy,
        full_name: &str,
        method: Option<&'static MethodDescriptor>,
    ) -> InForce {
        let service = full_name.rsplit_once('.').map_or("", |(service, _)| service);
        let levels = [Some(call), self.methods.get(full_name), self.services.get(service)];
        let everything = &self.everything;
        InForce {
            timeout: first(levels, |policy| policy.timeout)
                .or_else(|| method?.timeout)
                .or(everything.timeout),
            idle_timeout: first(levels, |policy| policy.idle_timeout)
                .or_else(|| method?.idle_timeout)
                .or(everything.idle_timeout),
            total_timeout: first(levels, |policy| policy.total_timeout)
                .or_else(|| method?.total_timeout)
                .or(everything.total_timeout),
            retry: choose(levels, |policy| policy.retry, method.and_then(|method| method.retry), everything),
            hedge: choose(levels, |policy| policy.hedge, method.and_then(|method| method.hedge), everything)
                .filter(|_| method.is_some_and(|method| method.idempotent)),
        }
    }
}

type Levels<'a> = [Option<&'a Policy>; 3];

/// What the first one says that says anything.
fn first<T>(levels: Levels<'_>, of: impl Fn(&Policy) -> Option<T>) -> Option<T> {
    levels.into_iter().flatten().find_map(of)
}

/// The same of what can be turned off: that it is off for everything is stronger than the trait.
fn choose<T>(
    levels: Levels<'_>,
    of: impl Fn(&Policy) -> Option<Wanted<T>>,
    declared: Option<T>,
    everything: &Policy,
) -> Option<T> {
    if let Some(wanted) = first(levels, &of) {
        return wanted.on();
    }
    match of(everything) {
        Some(Wanted::Off) => None,
        Some(Wanted::On(policy)) => Some(declared.unwrap_or(policy)),
        None => declared,
    }
}

/// What holds for one call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct InForce {
    /// None for what the channel was built with.
    pub(crate) timeout: Option<Duration>,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) total_timeout: Option<Duration>,
    pub(crate) retry: Option<Retry>,
    pub(crate) hedge: Option<Hedge>,
}

impl InForce {
    /// Whether the call needs more than the channel itself.
    pub(crate) const fn needs_stack(&self) -> bool {
        self.retry.is_some() || self.hedge.is_some()
    }

    /// Writes the times into the call.
    pub(crate) const fn apply(&self, request: &mut Request) {
        if let Some(timeout) = self.timeout {
            request.set_timeout(timeout);
        }
        if let Some(timeout) = self.idle_timeout {
            request.set_idle_timeout(timeout);
        }
        if let Some(timeout) = self.total_timeout {
            request.set_total_timeout(timeout);
        }
    }
}
