//! What happened, counted: one small trait, [`Observer`], that servers, channels and policies tell, and [`Counters`], which counts, and
//! knows how long the calls of each method took. Does not decide anything, and does not allocate on the way of a call.

mod counters;
mod fleet;
mod histogram;
mod scale;
mod text;

pub use counters::{Counters, CountersSnapshot};
pub use fleet::{EndpointSnapshot, EndpointState, FleetMeans, FleetSnapshot};
pub use histogram::Times;

pub(crate) use scale::{BUCKETS, bucket, upper};

use std::fmt;
use std::time::Duration;

use crate::call::Code;

/// Something that wants to know what a server does, a channel, or a policy. Every method has an empty default; all are called on the way of
/// calls, so they must be quick.
pub trait Observer: Send + Sync + 'static {
    /// A transport's handshake failed, or took too long: who it was, as far as it is known, and why it failed, for people.
    /// There is no connection.
    fn handshake_failed(&self, peer: &str, why: &str) {
        let _ = (peer, why);
    }

    /// A connection was accepted.
    fn connection_opened(&self) {}

    /// A connection has ended.
    fn connection_closed(&self) {}

    /// A call is handed to the layers and the handler; of a channel, it is made. It ends with one of the four that follow.
    fn call_started(&self) {}

    /// A handler has ended, or the call of a channel after all that was done for it; `code` is the error's, `None` for a value or
    /// the service's own error.
    fn call_finished(&self, code: Option<Code>) {
        let _ = code;
    }

    /// A handler was dropped before its end: its caller gave up, its time was over, or the connection was lost. Of a channel, the
    /// caller gave up.
    fn call_cancelled(&self) {}

    /// Whether it wants to know [how long calls took](Self::call_took): the clock is read twice a call for that.
    fn wants_times(&self) -> bool {
        false
    }

    /// A call of this method, `"Service.method"`, has ended so long after its handler was started, however it ended; one that was
    /// turned away is not told. With a stream, that is the end of the stream; of a channel, its beginning.
    fn call_took(&self, method: &str, time: Duration) {
        let _ = (method, time);
    }

    /// A handler panicked.
    fn call_panicked(&self) {}

    /// A call that was [started](Self::call_started) was refused before the service's own code ran: by a layer, by the
    /// router, or because its arguments do not decode.
    fn call_turned_away(&self, why: Refused) {
        let _ = why;
    }

    /// So many bytes were read from clients and written to them.
    fn bytes_moved(&self, read: u64, written: u64) {
        let _ = (read, written);
    }

    /// A call was refused before it was started at all.
    fn call_refused(&self, why: Refused) {
        let _ = why;
    }

    /// A channel sends a call once more than its caller has made it.
    fn attempt_added(&self, what: Added) {
        let _ = what;
    }

    /// A circuit breaker of this name has changed its state.
    fn breaker_changed(&self, breaker: &str, from: BreakerState, to: BreakerState) {
        let _ = (breaker, from, to);
    }

    /// A cache was asked for an answer, and this came of it.
    fn cache_used(&self, what: CacheUse) {
        let _ = what;
    }

    /// A policy on the calling side has ended a call before it was sent.
    fn call_held_back(&self, why: HeldBack) {
        let _ = why;
    }
}

/// What a circuit breaker does with calls.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a breaker has these three states, and whoever shows them names all"
)]
pub enum BreakerState {
    /// It lets them through, and counts what becomes of them.
    Closed,
    /// It ends them at once.
    Open,
    /// It lets a few through, to see whether the endpoint is back.
    HalfOpen,
}

impl BreakerState {
    /// The state in snake case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

impl fmt::Display for BreakerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Why a channel sends a call once more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Added {
    /// An attempt has failed.
    Retry,
    /// An attempt is late.
    Hedge,
}

impl Added {
    /// All reasons.
    pub const ALL: [Self; 2] = [Self::Retry, Self::Hedge];

    /// The reason in snake case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Hedge => "hedge",
        }
    }
}

/// Which policy on the calling side has ended a call before it was sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum HeldBack {
    /// A circuit breaker that is open.
    Breaker,
    /// A limit with too many waiting, or with no place before the call's time was over.
    Limit,
}

impl HeldBack {
    /// All policies that do.
    pub const ALL: [Self; 2] = [Self::Breaker, Self::Limit];

    /// The policy in snake case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Breaker => "breaker",
            Self::Limit => "limit",
        }
    }
}

/// Why a call was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Refused {
    /// The server does not have the method.
    UnknownMethod,
    /// An argument or the metadata does not decode.
    BadArgument,
    /// The arguments or the metadata are too large.
    TooLarge,
    /// There is too much at work already.
    Overload,
    /// The server is shutting down.
    Draining,
    /// Its time was over.
    Expired,
    /// Its caller may not make it.
    Denied,
    /// Its caller gave it up.
    Cancelled,
}

impl Refused {
    /// All reasons.
    pub const ALL: [Self; 8] = [
        Self::UnknownMethod,
        Self::BadArgument,
        Self::TooLarge,
        Self::Overload,
        Self::Draining,
        Self::Expired,
        Self::Denied,
        Self::Cancelled,
    ];

    /// The reason in snake case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnknownMethod => "unknown_method",
            Self::BadArgument => "bad_argument",
            Self::TooLarge => "too_large",
            Self::Overload => "overload",
            Self::Draining => "draining",
            Self::Expired => "expired",
            Self::Denied => "denied",
            Self::Cancelled => "cancelled",
        }
    }

    /// The reason that an error with this code and the delivery `Refused` has.
    pub(crate) const fn of(code: Code) -> Self {
        match code {
            Code::UNIMPLEMENTED => Self::UnknownMethod,
            Code::INVALID_ARGUMENT => Self::BadArgument,
            Code::DEADLINE_EXCEEDED => Self::Expired,
            Code::PERMISSION_DENIED | Code::UNAUTHENTICATED => Self::Denied,
            Code::UNAVAILABLE => Self::Draining,
            Code::CANCELLED => Self::Cancelled,
            _ => Self::Overload,
        }
    }
}

/// How a cache answered a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum CacheUse {
    /// With an answer that it had.
    Hit,
    /// Not at all: the call was made.
    Miss,
    /// With an answer that is too old, because the call failed.
    Stale,
    /// With the outcome of the same call, which somebody else was making.
    Coalesced,
}

impl CacheUse {
    /// All ways.
    pub const ALL: [Self; 4] = [Self::Hit, Self::Miss, Self::Stale, Self::Coalesced];

    /// The way in snake case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Stale => "stale",
            Self::Coalesced => "coalesced",
        }
    }
}
