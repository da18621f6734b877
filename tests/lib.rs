//! What the programs and tests of this package share: the conformance pair, the fleet, the shop and the sweep of the simulated network.

mod conformance;
pub mod fleet;
pub mod shop;
pub mod sweep;

pub use conformance::{
    Answering, Callback, CallbackClient, CallbackServer, Conformance, ConformanceClient, ConformanceError,
    ConformanceServer, Counters, Dynamic, Exerciser, Item, TlsOptions, Tree, from_json, metadata_from_json,
    to_json,
};
