//! Owns [`Shown`]: settings as TOML has them. Does not know who has said them (`table`).

use std::fmt;
use std::time::Duration;

use crate::call::{Backoff, Hedge, Retry};
use crate::policy::breaker::{BreakerConfig, Extent};
#[cfg(feature = "cache")]
use crate::policy::cache::{StoreConfig, Terms, Varies};
use crate::policy::limit::{Bounds, LimitConfig, Work};
use crate::policy::retry::Budget;
#[cfg(feature = "cache")]
use crate::policy::written::Quoted;

/// A time in the largest unit that leaves nothing over.
pub(super) struct Time(pub(super) Duration);

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
pub(super) struct Shown<T>(pub(super) T);

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

impl fmt::Display for Shown<&BreakerConfig> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BreakerConfig { extent, min_calls, ratio, slow, open, open_most, probes, per_method, .. } =
            self.0;
        match *extent {
            Extent::Time { buckets, width } => {
                let window = Time(width.saturating_mul(buckets as u32));
                write!(f, "{{ window = {window}, buckets = {buckets}")?;
            }
            Extent::Count(calls) => write!(f, "{{ last_calls = {calls}")?,
        }
        write!(f, ", min_calls = {min_calls}, ratio = {ratio}")?;
        if let Some(slow) = slow {
            write!(f, ", slow = {}, slow_ratio = {}", Time(slow.after), slow.ratio)?;
        }
        write!(f, ", open = {}, open_most = {}, probes = {probes}", Time(*open), Time(*open_most))?;
        f.write_str(if *per_method { ", per_method = true }" } else { " }" })
    }
}

impl fmt::Display for Shown<&LimitConfig> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LimitConfig { work, rate, queue, .. } = self.0;
        f.write_str("{ ")?;
        match work {
            Work::Unlimited => {}
            Work::Fixed(calls) => write!(f, "concurrency = {calls}, ")?,
            Work::Adaptive(Bounds { least, most, .. }) => {
                write!(f, "adaptive = {{ least = {least}, most = {most} }}, ")?;
            }
        }
        if let Some((per_second, burst)) = rate {
            write!(f, "rate = {per_second}, burst = {burst}, ")?;
        }
        write!(f, "queue = {queue} }}")
    }
}

#[cfg(feature = "cache")]
impl fmt::Display for Shown<(&Terms, StoreConfig)> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Terms { ttl, errors, stale, varies }, StoreConfig { bytes, policy, .. }) = self.0;
        write!(f, "{{ ttl = {}", Time(*ttl))?;
        if let Some(errors) = errors {
            write!(f, ", errors = {}", Time(*errors))?;
        }
        if !stale.is_zero() {
            write!(f, ", stale_if_error = {}", Time(*stale))?;
        }
        if let Varies::On(keys) = varies {
            let keys: Vec<_> = keys.iter().map(|key| Quoted(key).to_string()).collect();
            write!(f, ", vary_on = [{}]", keys.join(", "))?;
        }
        if let Some(bytes) = bytes {
            write!(f, ", bytes = {bytes}")?;
        }
        if let Some(policy) = policy {
            write!(f, ", policy = \"{}\"", policy.name())?;
        }
        f.write_str(" }")
    }
}
