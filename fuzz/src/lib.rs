//! Owns what the fuzz targets do with their bytes: each target is one function here, which panics if a promise is
//! broken. Owns no corpus and no fuzzer.

mod body;
mod config;
mod frames;
#[path = "../../rpc-runtime/src/proto/tests/model.rs"]
mod model;
mod pair;
#[path = "../../rpc-runtime/src/proto/tests/probe.rs"]
mod probe;
#[path = "../../rpc-runtime/src/proto/tests/river.rs"]
mod river;
mod session;
#[path = "../../rpc-runtime/src/proto/tests/steps.rs"]
mod steps;
mod tls;
#[path = "../../rpc-runtime/src/proto/tests/watch.rs"]
mod watch;

pub use body::body;
pub use config::config;
pub use frames::frames;
pub use pair::{pair, streams};
pub use session::{client_session, server_session};
pub use tls::tls;

// The model names its rooms as the crate that it lives in does.
use traitwire as call;
use traitwire::{proto, wire};
