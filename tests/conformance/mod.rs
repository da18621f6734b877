//! The conformance pair: a trait that exercises the protocol, and what its two programs share. Anybody can check an
//! implementation from outside with `conformance-server` and `conformance-client`.

mod dynamic;
mod json;
mod service;
mod tls;

pub use dynamic::Dynamic;
pub use json::{from_json, metadata_from_json, to_json};
pub use service::{
    Answering, Callback, CallbackClient, CallbackServer, Conformance, ConformanceClient, ConformanceError,
    ConformanceServer, Counters, Exerciser, Item, Tree,
};
pub use tls::TlsOptions;
