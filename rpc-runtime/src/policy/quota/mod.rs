//! Limits for each caller, on the serving side: how many calls of one principal are at work, and how many begin in a second. One
//! that asks for too much is told so at once, and when to come again; the others notice nothing.
//!
//! Load shedding ([`shed`](crate::policy::shed)) shares out what a server can do among those who ask, and needs no numbers. A
//! quota is a promise about one caller, whatever the server could do: it keeps a batch job from taking what an agreement gives to
//! somebody else. Calls that it refuses do not wait, because whoever is over his quota makes a queue that only grows.
//!
//! ```
//! use traitwire::Server;
//! use traitwire::policy::access::{Authenticate, StaticTokens};
//! use traitwire::policy::quota::{Quota, Quotas};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let quotas = Quotas::new(Quota::in_flight(16).with_rate(100.0, 20)) // for each caller
//!     .except(["spiffe://shop/batch/*", "role:batch"], Quota::in_flight(2))?;
//! # let tokens = StaticTokens::new();
//! let builder = Server::builder()
//!     .layer(quotas.layer())
//!     .layer(move |inner| Authenticate::by(tokens).around(inner)); // added last, asked first: it says who calls
//! # let _ = builder;
//! # Ok(()) }
//! ```
//!
//! `table` keeps a gate for each caller, those of [`limit`](crate::policy::limit), and forgets those that are as new; `handler` is the
//! layer.

mod handler;
mod table;
#[cfg(test)]
mod tests;

use crate::policy::limit::LimitConfig;

pub use handler::{QuotaHandler, QuotaSnapshot, Quotas};

/// What one caller may have: so many calls at work, and so many that begin in a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quota {
    in_flight: Option<usize>,
    rate: Option<(f64, u32)>,
}

impl Quota {
    /// At most so many calls at work at a time; at least one. A call whose answer is a stream is at work until that ends.
    pub const fn in_flight(calls: usize) -> Self {
        Self { in_flight: Some(calls), rate: None }
    }

    /// So many calls that begin in a second, of which `burst` may begin at once. A rate that is no number above 0 counts as one
    /// call an hour, which is also the least.
    pub const fn rate(per_second: f64, burst: u32) -> Self {
        Self { in_flight: None, rate: Some((per_second, burst)) }
    }

    /// The same, and so many calls that begin in a second at most: see [`rate`](Self::rate).
    #[must_use]
    pub const fn with_rate(mut self, per_second: f64, burst: u32) -> Self {
        self.rate = Some((per_second, burst));
        self
    }

    /// The gate that keeps it: nobody waits at it.
    fn limit(self) -> LimitConfig {
        let limit = match (self.in_flight, self.rate) {
            (Some(calls), None) => LimitConfig::concurrency(calls),
            (Some(calls), Some((per_second, burst))) => {
                LimitConfig::concurrency(calls).with_rate(per_second, burst)
            }
            (None, Some((per_second, burst))) => LimitConfig::rate(per_second, burst),
            (None, None) => LimitConfig::concurrency(usize::MAX),
        };
        limit.queue(0)
    }
}
