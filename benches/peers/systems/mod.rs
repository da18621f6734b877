//! What is compared: [`System`], the one seam between the workloads and the frameworks, and the list of those. How
//! they are loaded and measured is not known here.

pub(crate) mod jsonrpsee;
pub(crate) mod ours;
pub(crate) mod raw;
pub(crate) mod tarpc;
pub(crate) mod tonic;
pub(crate) mod volo;

use std::future::Future;
use std::net::SocketAddr;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::count::Counter;

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The limit that ratios are taken to.
pub(crate) const LIMIT: &str = "raw";
/// The one that is not its own peer.
pub(crate) const OURS: &str = "traitwire";

/// A framework: a server of three methods, and a client of it. Clones of a client share its connection.
///
/// Buffers and limits are its defaults, unless those would refuse or throttle a workload; what was raised is said where
/// it is raised.
pub(crate) trait System: Clone + Send + Sync + 'static {
    /// Listens at a free port of the loopback, says which, and serves until the process ends.
    fn serve(listening: fn(SocketAddr)) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Opens a connection of its own.
    fn connect(address: SocketAddr) -> impl Future<Output = Result<Self, Failure>> + Send;

    /// Asks for `a + b`.
    fn add(&mut self, a: i64, b: i64) -> impl Future<Output = Result<i64, Failure>> + Send;

    /// Sends `body`, and says how long the answer is.
    fn echo(&mut self, body: &Bytes) -> impl Future<Output = Result<usize, Failure>> + Send;

    /// Reads a stream of so many [`Item`]s, and counts each as it comes. Systems without streams are not asked.
    fn items(&mut self, count: u64, seen: &Counter) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// What streams carry.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Item {
    pub(crate) id: u64,
    pub(crate) value: f64,
    pub(crate) name: String,
}

/// The name of each item, 12 characters.
pub(crate) const NAME: &str = "twelve chars";

impl Item {
    pub(crate) fn nth(id: u64) -> Self {
        Self { id, value: id as f64, name: NAME.to_owned() }
    }
}

/// A system in the list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listed {
    pub(crate) name: &'static str,
    /// Whose version in `Cargo.lock` is its version.
    pub(crate) package: &'static str,
    pub(crate) streams: bool,
}

/// All systems, the limit first.
pub(crate) const SYSTEMS: &[Listed] = &[
    Listed { name: LIMIT, package: "tokio", streams: true },
    Listed { name: OURS, package: "traitwire", streams: true },
    Listed { name: "tarpc-bincode", package: "tarpc", streams: false },
    Listed { name: "tarpc-msgpack", package: "tarpc", streams: false },
    Listed { name: "tonic", package: "tonic", streams: true },
    Listed { name: "volo-thrift", package: "volo-thrift", streams: false },
    Listed { name: "jsonrpsee", package: "jsonrpsee", streams: true },
];

/// Does `$body` with `$System` as the type of the system called `$name`.
macro_rules! with_system {
    ($name:expr, $System:ident => $body:expr) => {
        match $name {
            "raw" => {
                type $System = $crate::systems::raw::Raw;
                $body
            }
            "traitwire" => {
                type $System = $crate::systems::ours::Traitwire;
                $body
            }
            "tarpc-bincode" => {
                type $System = $crate::systems::tarpc::Bincoded;
                $body
            }
            "tarpc-msgpack" => {
                type $System = $crate::systems::tarpc::MessagePacked;
                $body
            }
            "tonic" => {
                type $System = $crate::systems::tonic::Tonic;
                $body
            }
            "volo-thrift" => {
                type $System = $crate::systems::volo::VoloThrift;
                $body
            }
            "jsonrpsee" => {
                type $System = $crate::systems::jsonrpsee::Jsonrpsee;
                $body
            }
            other => Err(format!("no system is called {other}").into()),
        }
    };
}
pub(crate) use with_system;
