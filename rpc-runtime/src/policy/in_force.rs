//! Owns [`Told`], what is said of a call and by whom, and [`InForce`], what holds for it. Does not remember anything
//! (`state`).

use std::sync::Arc;
use std::time::Duration;

use crate::call::{Hedge, MethodDescriptor, Request, Retry, Wanted};
use crate::policy::breaker::{Breaker, BreakerConfig};
#[cfg(feature = "cache")]
use crate::policy::cache::{Cache, Terms};
use crate::policy::limit::{Limit, LimitConfig};
use crate::policy::settings::{Policies, Policy};
use crate::policy::state::State;

/// What is said of a call, and by whom. Without a time, what the channel was built with holds.
pub(super) struct Told<'a> {
    pub(super) timeout: (Option<Duration>, Origin),
    pub(super) idle_timeout: (Option<Duration>, Origin),
    pub(super) total_timeout: (Option<Duration>, Origin),
    pub(super) retry: (Option<Retry>, Origin),
    pub(super) hedge: (Option<Hedge>, Origin),
    pub(super) breaker: (Option<&'a Arc<BreakerConfig>>, Origin),
    pub(super) limit: (Option<&'a Arc<LimitConfig>>, Origin),
    #[cfg(feature = "cache")]
    pub(super) cache: (Option<Terms>, Origin),
}

impl<'a> Told<'a> {
    /// Of a method of which its caller says `call`.
    pub(super) fn of(
        policies: &'a Policies,
        call: &'a Policy,
        full_name: &str,
        method: Option<&'static MethodDescriptor>,
    ) -> Self {
        let [of_method, of_service, everything] = policies.of(full_name);
        let levels = Levels {
            above: [(Origin::Call, Some(call)), (Origin::Method, of_method), (Origin::Service, of_service)],
            method,
            everything,
        };
        let is_idempotent = method.is_some_and(|method| method.idempotent);
        Self {
            timeout: levels.first(|policy, _| policy.timeout, |method| method.timeout),
            idle_timeout: levels.first(|policy, _| policy.idle_timeout, |method| method.idle_timeout),
            total_timeout: levels.first(|policy, _| policy.total_timeout, |method| method.total_timeout),
            retry: levels.wanted(|policy, _| policy.retry, |method| method.retry),
            hedge: idempotent(levels.wanted(|policy, _| policy.hedge, |method| method.hedge), is_idempotent),
            breaker: levels.wanted(|policy, _| policy.breaker.as_ref().map(Wanted::as_ref), |_| None),
            limit: levels.wanted(|policy, _| policy.limit.as_ref().map(Wanted::as_ref), |_| None),
            #[cfg(feature = "cache")]
            cache: levels.kept(full_name),
        }
    }
}

impl Told<'_> {
    fn guards(&self, state: &State, name: &str) -> (Option<Breaker>, Option<Limit>) {
        let breaker = self.breaker.0.and_then(|_| state.guards.breaker(self.breaker.1.place(name)));
        let limit = self.limit.0.and_then(|_| state.guards.limit(self.limit.1.place(name)));
        (breaker, limit)
    }
}

/// What is asked for, unless it would do the work twice or not at all of a method that is not idempotent.
fn idempotent<T>(told: (Option<T>, Origin), is_idempotent: bool) -> (Option<T>, Origin) {
    match told {
        (Some(_), _) if !is_idempotent => (None, Origin::NotIdempotent),
        told => told,
    }
}

/// What holds for one call.
#[derive(Debug)]
pub(crate) struct InForce {
    /// None for what the channel was built with.
    timeout: Option<Duration>,
    idle_timeout: Option<Duration>,
    total_timeout: Option<Duration>,
    pub(crate) retry: Option<Retry>,
    pub(crate) hedge: Option<Hedge>,
    pub(crate) breaker: Option<Breaker>,
    pub(crate) limit: Option<Limit>,
    #[cfg(feature = "cache")]
    pub(crate) cache: Option<(Cache, Terms)>,
}

impl InForce {
    /// What holds for a call of a channel with these policies, which remembers that.
    pub(crate) fn new(policies: &Policies, state: &State, request: &Request) -> Self {
        let [timeout, idle_timeout, total_timeout] = request.own_timeouts();
        let asked = request.asked().copied().unwrap_or_default();
        let (retry, hedge) = (asked.retry, asked.hedge);
        let call = Policy { timeout, idle_timeout, total_timeout, retry, hedge, ..Policy::new() };
        let name = request.method();
        let told = Told::of(policies, &call, name, request.descriptor());
        let (breaker, limit) = told.guards(state, name);
        Self {
            timeout: told.timeout.0,
            idle_timeout: told.idle_timeout.0,
            total_timeout: told.total_timeout.0,
            retry: told.retry.0,
            hedge: told.hedge.0,
            breaker,
            limit,
            #[cfg(feature = "cache")]
            cache: told.cache.0.map(|terms| (state.guards.cache(told.cache.1.place(name)), terms)),
        }
    }

    /// The breaker before the calls of this method, and the limit.
    pub(crate) fn guards(policies: &Policies, state: &State, name: &str) -> (Option<Breaker>, Option<Limit>) {
        let call = Policy::new();
        Told::of(policies, &call, name, None).guards(state, name)
    }

    /// Whether the call needs more than the channel itself.
    pub(crate) const fn needs_stack(&self) -> bool {
        #[cfg(feature = "cache")]
        let is_kept = self.cache.is_some();
        #[cfg(not(feature = "cache"))]
        let is_kept = false;
        let may_go_twice = self.retry.is_some() || self.hedge.is_some();
        is_kept || may_go_twice || self.breaker.is_some() || self.limit.is_some()
    }

    /// Writes the times into the call.
    pub(crate) fn apply(&self, request: &mut Request) {
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

/// Who decides, the first one first.
struct Levels<'a> {
    above: [(Origin, Option<&'a Policy>); 3],
    method: Option<&'static MethodDescriptor>,
    everything: Option<&'a Policy>,
}

impl<'a> Levels<'a> {
    fn above<T>(&self, of: impl Fn(&'a Policy, Origin) -> Option<T>) -> Option<(T, Origin)> {
        self.above.iter().find_map(|(origin, policy)| Some((of((*policy)?, *origin)?, *origin)))
    }

    /// What the first one says that says anything.
    fn first<T>(
        &self,
        of: impl Fn(&'a Policy, Origin) -> Option<T>,
        declared: impl Fn(&MethodDescriptor) -> Option<T>,
    ) -> (Option<T>, Origin) {
        let told = self
            .above(&of)
            .or_else(|| Some((declared(self.method?)?, Origin::Trait)))
            .or_else(|| Some((of(self.everything?, Origin::Everything)?, Origin::Everything)));
        told.map_or((None, Origin::BuiltIn), |(value, origin)| (Some(value), origin))
    }

    /// The same of what can be turned off: that it is off for everything is stronger than the trait.
    fn wanted<T>(
        &self,
        of: impl Fn(&'a Policy, Origin) -> Option<Wanted<T>>,
        declared: impl Fn(&MethodDescriptor) -> Option<T>,
    ) -> (Option<T>, Origin) {
        let everything = || self.everything.and_then(|policy| of(policy, Origin::Everything));
        if self.above(&of).is_none() && matches!(everything(), Some(Wanted::Off)) {
            return (None, Origin::Everything);
        }
        let (wanted, origin) = self.first(of, |method| declared(method).map(Wanted::On));
        (wanted.and_then(Wanted::on), origin)
    }

    /// What is said of answers that are kept. What is said of a service or of everything is for the methods that it names, or else
    /// for those whose trait says `cache`: to write the same twice is idempotent too, and an answer that is kept would
    /// swallow a write.
    #[cfg(feature = "cache")]
    fn kept(&self, full_name: &str) -> (Option<Terms>, Origin) {
        let is_declared = self.method.is_some_and(|method| method.cache.is_some());
        let told = self.wanted(
            |policy, origin| match policy.cache.as_ref()? {
                Wanted::On(config) => {
                    config.terms_of(full_name, is_declared || origin == Origin::Method).map(Wanted::On)
                }
                Wanted::Off => Some(Wanted::Off),
            },
            |method| Terms::of(method.cache?),
        );
        let is_asked_for = |policy: &Policy| matches!(policy.cache, Some(Wanted::On(_)));
        let asking = self.above.iter().filter_map(|(_, policy)| *policy).chain(self.everything);
        match told {
            (Some(_), _) if !self.method.is_some_and(|method| method.idempotent) => {
                (None, Origin::NotIdempotent)
            }
            (Some(_), _) if !self.method.is_some_and(Terms::may_keep) => (None, Origin::NotOneAnswer),
            (None, Origin::BuiltIn) if asking.into_iter().any(is_asked_for) => (None, Origin::NotDeclared),
            told => told,
        }
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
    /// The same of a cache, for a method that is oneway or has a stream.
    #[cfg(feature = "cache")]
    NotOneAnswer,
    /// A cache was asked for more than this method, of which nobody says that it only reads.
    #[cfg(feature = "cache")]
    NotDeclared,
}

impl Origin {
    /// Where what it says of a method is kept: the name of the method, that of the service with its dot, or nothing for the
    /// channel. No two of them are the same.
    fn place(self, full_name: &str) -> &str {
        match self {
            Self::Method => full_name,
            Self::Service => full_name.rfind('.').map_or("", |dot| &full_name[..=dot]),
            _ => "",
        }
    }
}
