//! The conformance pair: a trait that exercises the protocol, and what its two programs share. Anybody can check an
//! implementation from outside with `conformance-server` and `conformance-client`.

mod json;
mod service;

pub use json::{from_json, metadata_from_json, to_json};
pub use service::{
    Conformance, ConformanceClient, ConformanceError, ConformanceServer, Counts, Exerciser, Tree,
};
