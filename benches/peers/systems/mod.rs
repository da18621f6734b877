//! What is compared: [`System`], the one seam between the workloads and the frameworks, and the list of those. How
//! they are loaded and measured is not known here.

#[cfg(capnp)]
pub(crate) mod capnp;
pub(crate) mod jsonrpsee;
pub(crate) mod ours;
pub(crate) mod raw;
pub(crate) mod tarpc;
pub(crate) mod tonic;
pub(crate) mod volo;

use std::future::Future;
use std::path::PathBuf;
use std::str::FromStr;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::count::Counter;

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A framework: a server of three methods, and a client of it. Clones of a client share its connection.
///
/// Buffers and limits are its defaults, unless those would refuse or throttle a workload; what was raised is said where
/// it is raised.
pub(crate) trait System: Clone + Send + Sync + 'static {
    /// Listens at a free address of this place, says which, and serves until the process ends. Not asked for
    /// [`Over::Memory`].
    fn serve(place: &Place, listening: fn(&str)) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Opens a connection of its own; over [`Over::Memory`] to a server that it starts itself.
    fn connect(place: &Place, address: &str) -> impl Future<Output = Result<Self, Failure>> + Send;

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

/// What is between client and server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Over {
    Tcp,
    /// TLS 1.3 over TCP: rustls and ring on all sides, which take AES-256-GCM, and the same certificate.
    Tls,
    Unix,
    /// Both are in one process.
    Memory,
}

/// Where a client and a server meet.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) over: Over,
    /// Where sockets are made and certificates lie (`scratch`).
    pub(crate) folder: PathBuf,
    /// As [`Listed::sharded`].
    pub(crate) sharded: bool,
}

/// The runtimes of one thread that either side has where it is sharded: as many as `multi_thread` has threads.
pub(crate) const SHARDS: usize = 2;

/// What a system is compared as.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Role {
    /// Ratios are taken to it.
    Limit,
    Ours,
    Peer,
}

/// A system in the list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listed {
    pub(crate) name: &'static str,
    /// What `with_system!` calls it.
    pub(crate) framework: &'static str,
    /// Whose version in `Cargo.lock` is its version.
    pub(crate) package: &'static str,
    pub(crate) over: Over,
    pub(crate) role: Role,
    pub(crate) streams: bool,
    /// Whether either side has a runtime of one thread for each core, and each connection stays with one of them.
    pub(crate) sharded: bool,
    /// Whether it can be on `current_thread` alone.
    pub(crate) one_thread: bool,
}

/// All systems, the limit first.
pub(crate) const SYSTEMS: &[Listed] = &[
    RAW,
    TRAITWIRE,
    TARPC,
    Listed { name: "tarpc-msgpack", framework: "tarpc-msgpack", ..TARPC },
    TONIC,
    Listed { name: "volo-thrift", framework: "volo-thrift", package: "volo-thrift", ..TARPC },
    Listed { name: "jsonrpsee", framework: "jsonrpsee", package: "jsonrpsee", ..TONIC },
    #[cfg(capnp)]
    Listed { name: "capnp", framework: "capnp", package: "capnp-rpc", one_thread: true, ..TARPC },
    Listed { name: "traitwire-sharded", sharded: true, ..TRAITWIRE },
    Listed { name: "traitwire-tls", over: Over::Tls, ..TRAITWIRE },
    Listed { name: "tonic-tls", over: Over::Tls, ..TONIC },
    Listed { name: "raw-unix", over: Over::Unix, ..RAW },
    Listed { name: "traitwire-unix", over: Over::Unix, ..TRAITWIRE },
    Listed { name: "tarpc-unix", over: Over::Unix, ..TARPC },
    Listed { name: "tonic-unix", over: Over::Unix, ..TONIC },
    Listed { name: "raw-memory", over: Over::Memory, ..RAW },
    Listed { name: "traitwire-memory", over: Over::Memory, ..TRAITWIRE },
    Listed { name: "tarpc-memory", over: Over::Memory, ..TARPC },
];

const RAW: Listed = Listed {
    name: "raw",
    framework: "raw",
    package: "tokio",
    over: Over::Tcp,
    role: Role::Limit,
    streams: true,
    sharded: false,
    one_thread: false,
};
const TRAITWIRE: Listed =
    Listed { name: "traitwire", framework: "traitwire", package: "traitwire", role: Role::Ours, ..RAW };
const TONIC: Listed = Listed { name: "tonic", framework: "tonic", package: "tonic", role: Role::Peer, ..RAW };
const TARPC: Listed = Listed {
    name: "tarpc-bincode",
    framework: "tarpc-bincode",
    package: "tarpc",
    role: Role::Peer,
    streams: false,
    ..RAW
};

impl Over {
    pub(crate) const ALL: [Self; 4] = [Self::Tcp, Self::Tls, Self::Unix, Self::Memory];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Unix => "unix",
            Self::Memory => "memory",
        }
    }
}

impl FromStr for Over {
    type Err = Failure;

    fn from_str(name: &str) -> Result<Self, Failure> {
        let names = Self::ALL.map(Self::name).join(", ");
        let found = Self::ALL.into_iter().find(|over| over.name() == name);
        found.ok_or_else(|| format!("nothing is called {name}: {names}").into())
    }
}

impl Place {
    /// A socket in the file system that no other process of the comparison has.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join(format!("{}.sock", std::process::id()))
    }

    /// What a system says that cannot be there.
    pub(crate) fn unknown<T>(&self) -> Result<T, Failure> {
        Err(format!("is not measured over {}", self.over.name()).into())
    }
}

impl FromStr for Listed {
    type Err = Failure;

    fn from_str(name: &str) -> Result<Self, Failure> {
        let found = SYSTEMS.iter().copied().find(|system| system.name == name);
        found.ok_or_else(|| {
            let names: Vec<_> = SYSTEMS.iter().map(|system| system.name).collect();
            format!("no system is called {name}: there are {}", names.join(", ")).into()
        })
    }
}

/// Does `$body` with `$System` as the type of the framework called `$name`.
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
            #[cfg(capnp)]
            "capnp" => {
                type $System = $crate::systems::capnp::Capnp;
                $body
            }
            "jsonrpsee" => {
                type $System = $crate::systems::jsonrpsee::Jsonrpsee;
                $body
            }
            other => Err(format!("no framework is called {other}").into()),
        }
    };
}
pub(crate) use with_system;
