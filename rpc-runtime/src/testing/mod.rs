//! The laboratory: a network within one test, with faults and a clock that stands still. Feature `testing`.
//!
//! [`Network`] is where to begin. Nothing of this belongs into a program that serves.
//!
//! | who | does |
//! |---|---|
//! | [`Network`] | makes hosts, injects faults, reports |
//! | [`Host`] | runs servers and clients; the transport `sim://host:port` |
//! | [`Path`], [`Latency`] | what a way between two hosts is like |
//! | [`Fault`], [`Injected`] | what goes wrong, and whether it has hit anything |
//! | [`Chaos`] | faults at random |
//! | [`Report`] | what happened |
//! | [`sweep()`] | one test with many seeds |
//! | [`Dice`] | chance that a seed determines |

mod chaos;
mod effects;
mod fabric;
mod fault;
mod flow;
mod frames;
mod host;
mod lab;
mod network;
mod path;
mod report;
mod sweep;
mod traffic;

pub use crate::call::Dice;
pub use chaos::Chaos;
pub use fault::Fault;
pub use host::Host;
pub use network::{Injected, Network};
pub use path::{Latency, Path};
pub use report::{Event, FaultCount, Happening, Report};
pub use sweep::sweep;
