//! Which of many endpoints a call goes to. All of it is decided here and nothing is done: no task, no clock, no connection. Time
//! and chance are arguments.
//!
//! # Glossary
//!
//! - An **endpoint** is one server that answers for a service; the **fleet** is all of them that a channel knows. `discovery` finds
//!   them.
//! - A **picker** chooses the endpoint of one call by its [`Algorithm`]; each attempt of a call is a call here.
//! - The **load** of an endpoint is what this client has under way there. What servers report of themselves counts for
//!   [`Algorithm::ReportedLoad`] alone.
//! - An endpoint is **ready** when it is connected or was never tried, and is neither ejected nor has a breaker that is open. One
//!   that is not ready is picked only when no other is.
//! - It is **ejected** when it does worse than the others, for a while ([`Ejection`]).
//! - Its **slow start** is the time in which it gets less than its share, after it has come or come back.
//! - Where most are in doubt, the fleet is in **panic**, and doubts nobody.
//!
//! # How a pick goes
//!
//! ```text
//!  near or all ─▶ draw by the algorithm ─▶ fit? ── yes ──▶ this one
//!                        ▲                  │ no: not ready, tried before, passed over in its slow start
//!                        └── a few times ───┤
//!                                           ▼ then
//!                      any that is ready, from a random one on ─▶ or the least unfit of all
//! ```
//!
//! Usually that is one draw, of which the cost does not depend on how many there are.

mod config;
mod fleet;
mod hash;
mod load;
mod moment;
mod outlier;
mod report;
mod ring;
mod seat;
mod stride;
#[cfg(test)]
mod tests;

pub use config::{Algorithm, Balance};
pub use outlier::Ejection;

pub(crate) use fleet::{Ask, Carried, Fleet, Picked, Site};
pub(crate) use hash::{hash, highest};
pub(crate) use load::Outcome;
pub(crate) use moment::Moment;
pub(crate) use report::capacity;
pub(crate) use seat::{Reach, Seat, Word};
