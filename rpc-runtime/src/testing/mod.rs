//! What tests need: clients without a server, and a network within one test, with faults and a clock that stands still.
//! Feature `testing`. Nothing of this belongs into a program that serves.
//!
//! | to test | use | what is real |
//! |---|---|---|
//! | what calls a service | `FooClient::mock()`: answers are said beforehand, calls are recorded ([`Mock`]) | the client |
//! | what calls a service, with an implementation at hand | `FooClient::from_impl(foo)`: handlers run in their callers' polls ([`InPlace`]) | and the implementation |
//! | both sides | `FooClient::loopback(foo)` | and the protocol and the connection, over a pipe |
//! | what happens when things go wrong | a [`Network`] | everything but the wire and the time |
//!
//! # A simulated network
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
mod in_place;
mod lab;
mod mock;
mod network;
mod path;
mod report;
mod sweep;
mod traffic;

pub use crate::call::Dice;
pub use chaos::Chaos;
pub use fault::Fault;
pub use host::Host;
pub use in_place::{InPlace, Running, from_impl};
pub use mock::{Answering, Mock, Mockable, Mocked, MockedOnce, MockedStream, Recorded, Verified, When, mock};
pub use network::{Injected, Network};
pub use path::{Latency, Path};
pub use report::{Event, FaultCount, Happening, Report};
pub use sweep::sweep;

#[doc(hidden)]
pub use mock::when;
