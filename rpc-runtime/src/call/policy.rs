//! Owns [`Retry`], [`Backoff`], [`Hedge`] and [`Keep`]: what a trait, a caller or a file may ask for beyond a single attempt, and
//! [`PushBack`], what a callee says about it. Does not decide anything: `policy` does.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use crate::call::{Entry, Metadata, Value};
use crate::limits;

/// When a failed call is tried again, and how often.
///
/// ```
/// use std::time::Duration;
/// use traitwire::{Backoff, Retry};
/// const PATIENT: Retry = Retry::new().attempts(5).base(Duration::from_millis(100)).backoff(Backoff::EqualJitter);
/// ```
///
/// What is tried again, and what never is, does not depend on this: see the module [`policy`](crate::policy).
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Retry {
    /// Attempts in all, the first one included; 3.
    pub attempts: u32,
    /// What the first wait is measured by; 50 ms.
    pub base: Duration,
    /// The longest wait; 2 s.
    pub cap: Duration,
    /// How the waits grow.
    pub backoff: Backoff,
}

impl Retry {
    /// Three attempts, with waits up to 50 ms that double, up to 2 s.
    pub const fn new() -> Self {
        Self {
            attempts: limits::ATTEMPTS,
            base: limits::RETRY_BASE,
            cap: limits::RETRY_CAP,
            backoff: Backoff::FullJitter,
        }
    }

    /// Attempts in all, the first one included.
    #[must_use]
    pub const fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// What the first wait is measured by.
    #[must_use]
    pub const fn base(mut self, base: Duration) -> Self {
        self.base = base;
        self
    }

    /// The longest wait.
    #[must_use]
    pub const fn cap(mut self, cap: Duration) -> Self {
        self.cap = cap;
        self
    }

    /// How the waits grow.
    #[must_use]
    pub const fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self::new()
    }
}

/// How long to wait before attempt *n* + 1, for *n* = 1, 2, …; `U(a, b)` is a random time between `a` and `b`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Backoff {
    /// `U(0, min(cap, base × 2ⁿ⁻¹))`: spreads those who failed together over the whole time, which is why it is the default.
    /// ("Exponential Backoff And Jitter", AWS Architecture Blog, 2015.)
    FullJitter,
    /// `t ÷ 2 + U(0, t ÷ 2)` with `t = min(cap, base × 2ⁿ⁻¹)`: never at once. (The same source.)
    EqualJitter,
    /// `min(cap, U(base, 3 × the wait before))`, where the first wait is `U(base, 3 × base)`. (The same source.)
    Decorrelated,
    /// `min(base × 2ⁿ⁻¹, cap) × U(0.8, 1.2)`, as gRPC waits. (gRFC A6.)
    Grpc,
    /// `base × (1 + alpha × t ÷ t_max) × U(1 − jitter, 1 + jitter)`, where `t` is the time since the call began, at most
    /// `t_max`: it grows with the time that has been spent rather than with the attempts. `cap` still holds.
    Proportional {
        /// By how much of `base` the wait has grown when `t` is `t_max`.
        alpha: f64,
        /// From when on the wait grows no further.
        t_max: Duration,
        /// By how much of itself the wait is moved at random, from 0 to 1; with 0 those who failed together come back
        /// together.
        jitter: f64,
    },
}

impl Backoff {
    /// The names of the forms, as the attribute and files have them.
    pub const NAMES: [&str; 5] = ["full", "equal", "decorrelated", "grpc", "proportional"];

    /// The form of this name, with its defaults.
    pub fn named(name: &str) -> Option<Self> {
        let proportional = Self::proportional(limits::RETRY_ALPHA, limits::RETRY_T_MAX);
        let forms = [Self::FullJitter, Self::EqualJitter, Self::Decorrelated, Self::Grpc, proportional];
        forms.into_iter().find(|form| form.name() == name)
    }

    /// The form's name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::FullJitter => "full",
            Self::EqualJitter => "equal",
            Self::Decorrelated => "decorrelated",
            Self::Grpc => "grpc",
            Self::Proportional { .. } => "proportional",
        }
    }

    /// The proportional form with the jitter of the others: ± 20 %.
    pub const fn proportional(alpha: f64, t_max: Duration) -> Self {
        Self::Proportional { alpha, t_max, jitter: limits::RETRY_JITTER }
    }
}

/// When an idempotent call that has no answer yet is sent once more, beside the first: the earlier answer counts, and the
/// other attempt is cancelled.
///
/// ```
/// use std::time::Duration;
/// use traitwire::Hedge;
/// const SLOWEST_TWENTIETH: Hedge = Hedge::at_percentile(95.0);
/// const AFTER_20_MS: Hedge = Hedge::after(Duration::from_millis(20));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Hedge {
    /// After this time; beside a percentile, as long as too little has been observed for one.
    pub after: Option<Duration>,
    /// After the time within which so many per cent of the method's answers came lately.
    pub percentile: Option<f64>,
}

impl Hedge {
    /// After the time within which 95 of 100 answers came lately.
    pub const fn new() -> Self {
        Self::at_percentile(limits::HEDGE_PERCENTILE)
    }

    /// After this time.
    pub const fn after(time: Duration) -> Self {
        Self { after: Some(time), percentile: None }
    }

    /// After the time within which so many per cent of the method's answers came lately; not at all until enough have
    /// come.
    pub const fn at_percentile(percent: f64) -> Self {
        Self { after: None, percentile: Some(percent) }
    }

    /// After this time, as long as too little has been observed for the percentile.
    #[must_use]
    pub const fn at_first(mut self, time: Duration) -> Self {
        self.after = Some(time);
        self
    }
}

impl Default for Hedge {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether the answers of a method that reads may be kept by those who call it, and how long: what a trait says with
/// `cache(…)`. It has an effect where callers have the feature `cache`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Keep {
    /// How long an answer stands for the method; `None` for as long as callers say, and not at all if they say nothing.
    pub ttl: Option<Duration>,
    /// How long the service's own errors do; `None` for not at all.
    pub errors: Option<Duration>,
    /// How long after that an answer may stand in where the callee fails.
    pub stale_if_error: Duration,
}

impl Keep {
    /// So long, ± 10 %.
    pub const fn new(ttl: Duration) -> Self {
        Self { ttl: Some(ttl), ..Self::allowed() }
    }

    /// As long as callers say, for a service or for everything.
    pub const fn allowed() -> Self {
        Self { ttl: None, errors: None, stale_if_error: Duration::ZERO }
    }

    /// Keeps the service's own errors too, for so long.
    #[must_use]
    pub const fn errors(mut self, ttl: Duration) -> Self {
        self.errors = Some(ttl);
        self
    }

    /// Lets an answer that has been too old for at most so long stand in where the callee fails.
    #[must_use]
    pub const fn stale_if_error(mut self, time: Duration) -> Self {
        self.stale_if_error = time;
        self
    }
}

// ===== impl Wanted =====

/// A policy that somebody wants, or wants not.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a third case would be to say nothing, which is `None` around it"
)]
pub enum Wanted<T> {
    /// Not, whatever others say who are asked later.
    Off,
    /// This one.
    On(T),
}

impl<T> Wanted<T> {
    /// The policy, unless it is not wanted.
    pub fn on(self) -> Option<T> {
        match self {
            Self::Off => None,
            Self::On(policy) => Some(policy),
        }
    }

    #[cfg(feature = "config")]
    pub(crate) fn map<U>(self, with: impl FnOnce(T) -> U) -> Wanted<U> {
        match self {
            Self::Off => Wanted::Off,
            Self::On(policy) => Wanted::On(with(policy)),
        }
    }

    pub(crate) const fn as_ref(&self) -> Wanted<&T> {
        match self {
            Self::Off => Wanted::Off,
            Self::On(policy) => Wanted::On(policy),
        }
    }
}

/// What a caller wants of one call beyond a single attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Asked {
    pub(crate) retry: Option<Wanted<Retry>>,
    pub(crate) hedge: Option<Wanted<Hedge>>,
    /// An answer that is kept is not wanted.
    pub(crate) anew: bool,
}

impl Asked {
    /// What `over` says, and what `under` says where it leaves something open.
    pub(crate) fn merge(under: Option<&Arc<Self>>, over: Option<&Arc<Self>>) -> Option<Arc<Self>> {
        let (Some(low), Some(high)) = (under, over) else { return over.or(under).cloned() };
        let (retry, hedge) = (high.retry.or(low.retry), high.hedge.or(low.hedge));
        Some(Arc::new(Self { retry, hedge, anew: high.anew || low.anew }))
    }
}

// ===== impl PushBack =====

/// What a callee says about another attempt, beside its answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum PushBack {
    /// Nothing.
    None,
    /// Not before so much time has passed.
    After(Duration),
    /// Not at all.
    Never,
}

impl PushBack {
    /// The key of it: milliseconds in decimal, or `never`.
    const KEY: &str = "rpc-retry-after";
    const NEVER: &str = "never";

    /// What is said beside an answer.
    pub(crate) fn of(metadata: &Metadata) -> Self {
        match metadata.text(Self::KEY) {
            Some(Self::NEVER) => Self::Never,
            Some(text) => {
                text.parse().map_or(Self::None, |millis| Self::After(Duration::from_millis(millis)))
            }
            None => Self::None,
        }
    }

    /// Says it beside an answer. Times are rounded up, since what comes a little early is turned away once more.
    pub(crate) fn put(self, metadata: &mut Metadata) {
        let value = match self {
            Self::None => return,
            Self::After(time) => time.as_nanos().div_ceil(1_000_000).to_string(),
            Self::Never => Self::NEVER.to_owned(),
        };
        let (key, value) = (Cow::Borrowed(Self::KEY), Value::Text(value));
        metadata.put(Entry { key, value, propagates: false, sensitive: false, confined: false });
    }
}
