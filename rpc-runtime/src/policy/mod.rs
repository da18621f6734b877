//! What may be done about a call beyond sending it once: how long it may take, whether it is tried again, whether it goes
//! out twice, whether it goes out at all. Does not know bytes or sockets, and makes no connections.
//!
//! # Glossary
//!
//! - A **policy** is one of these decisions. Its folder has files that decide, which know no clock, no task and no
//!   randomness (time and dice are arguments), and `caller`, a [`Caller`](crate::Caller) around a `Caller` that asks them; on
//!   the serving side `handler`, a [`Handler`](crate::Handler) around a `Handler`.
//! - The **settings** of a policy say how much of it is wanted. They come from the caller, from a channel's [`Policies`] or
//!   from the trait, and may change while calls run. What a policy remembers, its **state**, belongs to the channel and
//!   survives that. A breaker, a limit or a cache is there once for each place that says one: the channel, a service, a method.
//! - An **attempt** is one sending of a call, a **retry** an attempt after a failed one, a **hedge** an attempt beside one
//!   that has no answer yet. A **resend** is of a call that no handler saw and which the same bytes may carry elsewhere.
//! - The **back-off** is the wait before a retry. **Push-back** is what a callee says about it.
//! - The **budget** bounds what a channel adds to its calls: retries and hedges together.
//!
//! # The order
//!
//! ```text
//!  observe › deadline › cache › retry › hedge › balance › breaker › limit › channel
//! ```
//!
//! Each one sees what those on its right let through, and what is on its left sees one call:
//!
//! - **observe** is outermost: what it counts is what callers see;
//! - **deadline** is outside of all that makes a call longer, so that its time is one for all attempts;
//! - **cache** is outside of retry, so that an answer it has costs no attempt, and those who wait for the same answer share
//!   the attempts too;
//! - **retry** is outside of hedge, so that a hedge is part of an attempt, and a retry never one of a hedge;
//! - **balance** is inside of both, so that each attempt chooses its endpoint anew;
//! - **breaker** is inside of balance, since it is about one endpoint, and outside of limit, so that calls it stops take no
//!   place;
//! - **limit** is next to the channel: what it counts is what is really under way.
//!
//! A call to which none of them applies is not touched, and costs one branch.
//!
//! # What holds for a call
//!
//! The first that says something about a policy decides it:
//!
//! 1. the call itself ([`CallOptions`](crate::CallOptions), or the methods of [`Call`](crate::Call));
//! 2. its client (`client.with(options)`);
//! 3. the channel's policies for the method, then for the service;
//! 4. the trait (`#[rpc(retry(…), hedge(…), cache(…))]`);
//! 5. the channel's policies for everything;
//! 6. what is built in: no retries, no hedges, no breaker, no limit, no cache, 10 s.
//!
//! So whoever knows more of the method wins, and operators win over authors about the same thing; what holds for everything
//! is for methods of which nobody has said anything. There is one word that is stronger: a policy that is off for everything
//! is off where the trait asks for it too, because without that word it would be off anyway; only 1 to 3 bring it back.
//!
//! docs/POLICIES.md says the same at length, with defaults, reasons and diagrams, and how to write it in TOML.

pub mod access;
mod backoff;
pub mod breaker;
#[cfg(feature = "cache")]
pub mod cache;
mod clock;
pub mod cluster;
#[cfg(feature = "config")]
mod config;
mod deadline;
pub mod dedup;
mod guards;
mod hedge;
mod in_force;
pub mod limit;
mod maybe;
mod observed;
pub mod quota;
mod retry;
#[cfg(test)]
mod scripted;
mod settings;
pub mod shed;
mod shown;
mod state;
mod table;
mod written;

#[cfg(feature = "config")]
pub(crate) use config::unknown;
#[cfg(feature = "config")]
pub use config::{ConfigError, Mistake};
pub use retry::Budget;
pub use settings::{Policies, Policy};
pub use table::PolicyTable;

pub(crate) use backoff::Backoff;
pub(crate) use clock::now;
pub(crate) use deadline::Deadlined;
pub(crate) use dedup::{Dedup, OnceOnly};
pub(crate) use hedge::Hedged;
pub(crate) use in_force::InForce;
pub(crate) use maybe::Maybe;
pub(crate) use observed::Observed;
pub(crate) use retry::Retried;
pub(crate) use state::State;
