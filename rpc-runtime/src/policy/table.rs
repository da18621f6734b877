//! Owns [`PolicyTable`]: what holds for the methods of a service, printed. Decides nothing.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::call::{Backoff, Hedge, Retry, ServiceDescriptor};
use crate::limits;
use crate::policy::retry::Budget;
use crate::policy::settings::{Origin, Policies, Policy, Told};
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

    fn method(&self, f: &mut fmt::Formatter<'_>, told: &Told, has_stream: bool) -> fmt::Result {
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
            (Some(hedge), origin) => writeln!(f, "hedge = {}  # {}", Shown(hedge), origin.text()),
            (None, origin) => writeln!(f, "hedge = false  # {}", origin.text()),
        }
    }
}

impl fmt::Display for PolicyTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = if self.policies.has_own_budget() { Origin::Everything } else { Origin::BuiltIn };
        writeln!(f, "[default]")?;
        writeln!(f, "budget = {}  # {}", Shown(self.policies.channel_budget()), origin.text())?;
        let name = Key(self.service.name);
        for (_, budget) in self.policies.further_budgets().filter(|(of, _)| *of == self.service.name) {
            write!(f, "\n[service.{name}]\nbudget = {}  # the service\n", Shown(budget))?;
        }
        for method in self.service.methods {
            let told = self.policies.told(&Policy::new(), method.full_name, Some(method));
            writeln!(f, "\n[service.{name}.{}]", Key(method.name))?;
            self.method(f, &told, method.sends || method.takes)?;
            for (_, budget) in self.policies.further_budgets().filter(|(of, _)| *of == method.full_name) {
                writeln!(f, "budget = {}  # the method", Shown(budget))?;
            }
        }
        Ok(())
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
        }
    }
}

/// A time in the largest unit that leaves nothing over.
struct Time(Duration);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.as_micros();
        let units = [(3_600_000_000, "h"), (60_000_000, "m"), (1_000_000, "s"), (1_000, "ms")];
        let unit = units.into_iter().find(|(size, _)| micros > 0 && micros.is_multiple_of(*size));
        let (size, unit) = unit.unwrap_or((1, "us"));
        write!(f, "\"{}{unit}\"", micros / size)
    }
}

/// A setting as TOML has it.
struct Shown<T>(T);

impl fmt::Display for Shown<Retry> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Retry { attempts, base, cap, backoff } = self.0;
        let name = backoff.name();
        let (base, cap) = (Time(base), Time(cap));
        write!(f, "{{ attempts = {attempts}, base = {base}, cap = {cap}, backoff = \"{name}\"")?;
        if let Backoff::Proportional { alpha, t_max, jitter } = backoff {
            write!(f, ", alpha = {alpha}, t_max = {}, jitter = {jitter}", Time(t_max))?;
        }
        f.write_str(" }")
    }
}

impl fmt::Display for Shown<Hedge> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Hedge { after: Some(after), percentile: Some(percent) } => {
                write!(f, "{{ after = {}, percentile = {percent} }}", Time(after))
            }
            Hedge { after: Some(after), percentile: None } => write!(f, "{{ after = {} }}", Time(after)),
            Hedge { after: None, percentile: Some(percent) } => write!(f, "{{ percentile = {percent} }}"),
            Hedge { after: None, percentile: None } => f.write_str("false"),
        }
    }
}

impl fmt::Display for Shown<Budget> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Budget::Window { ratio, floor_min, floor_max } => {
                write!(f, "{{ ratio = {ratio}, floor_min = {floor_min}, floor_max = {floor_max} }}")
            }
            Budget::Tokens { tokens, ratio } => write!(f, "{{ tokens = {tokens}, ratio = {ratio} }}"),
            Budget::Unlimited => f.write_str("false"),
        }
    }
}
