//! Owns [`PolicyTable`]: what holds for the methods of a service, printed. Decides nothing.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::call::{MethodDescriptor, ServiceDescriptor, Wanted};
use crate::limits;
#[cfg(feature = "cache")]
use crate::policy::cache::StoreConfig;
use crate::policy::in_force::{Origin, Told};
use crate::policy::settings::{Policies, Policy};
use crate::policy::shown::{Shown, Time};
use crate::policy::written::Key;

/// What holds for the calls of a service, and who said so: [`Channel::in_force`](crate::Channel::in_force) gives it.
///
/// It prints as TOML, so that it can be read back as it stands:
///
/// ```text
/// [default]
/// budget = { ratio = 0.2, floor_min = 1, floor_max = 10 }  # built in
///
/// [service.Calculator.add]
/// timeout = "10s"  # the channel
/// retry = { attempts = 3, base = "50ms", cap = "2s", backoff = "full" }  # the trait
/// hedge = false  # built in
/// breaker = false  # built in
/// limit = { concurrency = 64, queue = 1024 }  # the method
/// ```
#[derive(Clone, Debug)]
pub struct PolicyTable {
    policies: Arc<Policies>,
    service: &'static ServiceDescriptor,
    /// The channel's own, for methods of which nobody says anything.
    timeout: Duration,
}

impl PolicyTable {
    pub(crate) const fn new(
        policies: Arc<Policies>,
        service: &'static ServiceDescriptor,
        timeout: Duration,
    ) -> Self {
        Self { policies, service, timeout }
    }

    fn method(&self, f: &mut fmt::Formatter<'_>, told: &Told<'_>, method: &MethodDescriptor) -> fmt::Result {
        let has_stream = method.sends || method.takes;
        let timeout = told.timeout.0.unwrap_or(self.timeout);
        let of_channel = |(time, origin): (Option<Duration>, Origin)| match time {
            Some(_) => origin.text(),
            None => "the channel",
        };
        writeln!(f, "timeout = {}  # {}", Time(timeout), of_channel(told.timeout))?;
        if has_stream {
            let (idle, origin) = told.idle_timeout;
            writeln!(f, "idle_timeout = {}  # {}", Time(idle.unwrap_or(limits::IDLE)), origin.text())?;
            match told.total_timeout {
                (Some(total), origin) => writeln!(f, "total_timeout = {}  # {}", Time(total), origin.text())?,
                (None, origin) => writeln!(f, "total_timeout = false  # {}", origin.text())?,
            }
        }
        match told.retry {
            (Some(retry), origin) => writeln!(f, "retry = {}  # {}", Shown(retry), origin.text())?,
            (None, origin) => writeln!(f, "retry = false  # {}", origin.text())?,
        }
        match told.hedge {
            (Some(hedge), origin) => writeln!(f, "hedge = {}  # {}", Shown(hedge), origin.text())?,
            (None, origin) => writeln!(f, "hedge = false  # {}", origin.text())?,
        }
        guard(f, "breaker", told.breaker.0.map(|config| Shown(&**config)), told.breaker.1)?;
        guard(f, "limit", told.limit.0.map(|config| Shown(&**config)), told.limit.1)?;
        #[cfg(feature = "cache")]
        {
            let own = self.policies.of(method.full_name)[0].and_then(|policy| policy.cache.clone()?.on());
            let store = own.map_or_else(StoreConfig::default, |config| config.store());
            guard(f, "cache", told.cache.0.as_ref().map(|terms| Shown((terms, store))), told.cache.1)?;
        }
        Ok(())
    }

    /// The breaker, limit and cache that are said of a service or of everything: one for all methods, which theirs is no copy
    /// of.
    fn shared(f: &mut fmt::Formatter<'_>, policy: &Policy, origin: &str) -> fmt::Result {
        if let Some(Wanted::On(config)) = &policy.breaker {
            writeln!(f, "breaker = {}  # {origin}", Shown(&**config))?;
        }
        if let Some(Wanted::On(config)) = &policy.limit {
            writeln!(f, "limit = {}  # {origin}", Shown(&**config))?;
        }
        #[cfg(feature = "cache")]
        if let Some(Wanted::On(config)) = &policy.cache {
            writeln!(f, "cache = {}  # {origin}", Shown((config.terms(), config.store())))?;
        }
        Ok(())
    }
}

impl fmt::Display for PolicyTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = if self.policies.has_own_budget() { Origin::Everything } else { Origin::BuiltIn };
        writeln!(f, "[default]")?;
        writeln!(f, "budget = {}  # {}", Shown(self.policies.channel_budget()), origin.text())?;
        let name = Key(self.service.name);
        let [.., everything] = self.policies.of("");
        Self::shared(f, everything.unwrap_or(&Policy::new()), Origin::Everything.text())?;
        if let Some(service) = self.policies.of_service(self.service.name) {
            writeln!(f, "\n[service.{name}]")?;
            if let Some(budget) = service.budget {
                writeln!(f, "budget = {}  # the service", Shown(budget))?;
            }
            Self::shared(f, service, Origin::Service.text())?;
        }
        for method in self.service.methods {
            let call = Policy::new();
            let told = Told::of(&self.policies, &call, method.full_name, Some(method));
            writeln!(f, "\n[service.{name}.{}]", Key(method.name))?;
            self.method(f, &told, method)?;
            for (_, budget) in self.policies.further_budgets().filter(|(of, _)| *of == method.full_name) {
                writeln!(f, "budget = {}  # the method", Shown(budget))?;
            }
        }
        Ok(())
    }
}

/// What is before the calls of a method. What it shares with others stands where they share it, and here as a comment: a line
/// of its own would be one of its own when it is read back.
fn guard(
    f: &mut fmt::Formatter<'_>,
    key: &str,
    shown: Option<impl fmt::Display>,
    origin: Origin,
) -> fmt::Result {
    let text = origin.text();
    match shown {
        Some(shown) if [Origin::Service, Origin::Everything].contains(&origin) => {
            writeln!(f, "# {key} = {shown}  # {text}")
        }
        Some(shown) => writeln!(f, "{key} = {shown}  # {text}"),
        None => writeln!(f, "{key} = false  # {text}"),
    }
}

impl Origin {
    const fn text(self) -> &'static str {
        match self {
            Self::Call => "the call",
            Self::Method => "the method",
            Self::Service => "the service",
            Self::Trait => "the trait",
            Self::Everything => "the default",
            Self::BuiltIn => "built in",
            Self::NotIdempotent => "asked for, but the method is not idempotent",
            #[cfg(feature = "cache")]
            Self::NotOneAnswer => "asked for, but its answer is not one that can be kept",
            #[cfg(feature = "cache")]
            Self::NotDeclared => "asked for, but neither its own section nor its trait says `cache`",
        }
    }
}
