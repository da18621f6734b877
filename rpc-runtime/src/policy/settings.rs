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
    pub(crate) budget: Option<Budget>,
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
    fn budget_of<'a>(&self, full_name: &'a str) -> Option<&'a str> {
        let has_budget = |policy: Option<&Policy>| policy.is_some_and(|policy| policy.budget.is_some());
        let service = service_of(full_name);
        let method = has_budget(self.methods.get(full_name)).then_some(full_name);
        method.or_else(|| has_budget(self.services.get(service)).then_some(service))
    }

    /// Whether it says nothing of any call.
    pub(crate) fn is_silent(&self) -> bool {
        self.everything == Policy::new() && self.services.is_empty() && self.methods.is_empty()
    }

    /// What holds for a call.
    pub(crate) fn for_call(&self, request: &Request) -> InForce {
        let [timeout, idle_timeout, total_timeout] = request.own_timeouts();
        let asked = request.asked().copied().unwrap_or_default();
        let (retry, hedge) = (asked.retry, asked.hedge);
        let call = Policy { timeout, idle_timeout, total_timeout, retry, hedge, budget: None };
        self.told(&call, request.method(), request.descriptor()).in_force()
    }

    /// Whose budget within the channel's a call is for.
    pub(crate) fn budget_for<'a>(&self, request: &'a Request) -> Option<&'a str> {
        self.budget_of(request.method())
    }

    /// What is said of a method of which its caller says `call`, and by whom.
    pub(super) fn told(
        &self,
        call: &Policy,
        full_name: &str,
        method: Option<&'static MethodDescriptor>,
    ) -> Told {
        let levels = Levels {
            above: [
                (Origin::Call, Some(call)),
                (Origin::Method, self.methods.get(full_name)),
                (Origin::Service, self.services.get(service_of(full_name))),
            ],
            method,
            everything: &self.everything,
        };
        let is_idempotent = method.is_some_and(|method| method.idempotent);
        Told {
            timeout: levels.first(|policy| policy.timeout, |method| method.timeout),
            idle_timeout: levels.first(|policy| policy.idle_timeout, |method| method.idle_timeout),
            total_timeout: levels.first(|policy| policy.total_timeout, |method| method.total_timeout),
            retry: levels.wanted(|policy| policy.retry, |method| method.retry),
            hedge: match levels.wanted(|policy| policy.hedge, |method| method.hedge) {
                (Some(_), _) if !is_idempotent => (None, Origin::NotIdempotent),
                told => told,
            },
        }
    }
}

/// The service's part of a full name.
fn service_of(full_name: &str) -> &str {
    full_name.rsplit_once('.').map_or("", |(service, _)| service)
}

/// Who decides, the first one first.
struct Levels<'a> {
    above: [(Origin, Option<&'a Policy>); 3],
    method: Option<&'static MethodDescriptor>,
    everything: &'a Policy,
}

impl Levels<'_> {
    fn above<T>(&self, of: impl Fn(&Policy) -> Option<T>) -> Option<(T, Origin)> {
        self.above.iter().find_map(|(origin, policy)| Some((of((*policy)?)?, *origin)))
    }

    /// What the first one says that says anything.
    fn first<T>(
        &self,
        of: impl Fn(&Policy) -> Option<T>,
        declared: impl Fn(&MethodDescriptor) -> Option<T>,
    ) -> (Option<T>, Origin) {
        let told = self
            .above(&of)
            .or_else(|| Some((declared(self.method?)?, Origin::Trait)))
            .or_else(|| Some((of(self.everything)?, Origin::Everything)));
        told.map_or((None, Origin::BuiltIn), |(value, origin)| (Some(value), origin))
    }

    /// The same of what can be turned off: that it is off for everything is stronger than the trait.
    fn wanted<T>(
        &self,
        of: impl Fn(&Policy) -> Option<Wanted<T>>,
        declared: impl Fn(&MethodDescriptor) -> Option<T>,
    ) -> (Option<T>, Origin) {
        if self.above(&of).is_none() && matches!(of(self.everything), Some(Wanted::Off)) {
            return (None, Origin::Everything);
        }
        let (wanted, origin) = self.first(of, |method| declared(method).map(Wanted::On));
        (wanted.and_then(Wanted::on), origin)
    }
}

/// Who has said what holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Origin {
    Call,
    Method,
    Service,
    Trait,
    Everything,
    BuiltIn,
    /// It was asked for, and cannot be had.
    NotIdempotent,
}

/// What is said of a call, and by whom. Without a time, what the channel was built with holds.
pub(super) struct Told {
    pub(super) timeout: (Option<Duration>, Origin),
    pub(super) idle_timeout: (Option<Duration>, Origin),
    pub(super) total_timeout: (Option<Duration>, Origin),
    pub(super) retry: (Option<Retry>, Origin),
    pub(super) hedge: (Option<Hedge>, Origin),
}

impl Told {
    const fn in_force(&self) -> InForce {
        InForce {
            timeout: self.timeout.0,
            idle_timeout: self.idle_timeout.0,
            total_timeout: self.total_timeout.0,
            retry: self.retry.0,
            hedge: self.hedge.0,
        }
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
