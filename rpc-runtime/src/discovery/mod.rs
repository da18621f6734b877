//! Where the servers of a service are: the sources that know it, and what is in force of what they say. Does not connect to
//! anything on behalf of calls, and picks no endpoint.
//!
//! A source is a [`Discovery`]: a stream of whole lists. An address chooses it by its scheme ([`Discoveries`]), and users can
//! add their own ([`DiscoveryScheme`]):
//!
//! | address | where the list comes from |
//! |---|---|
//! | `static://10.0.0.7:7000,10.0.0.8:7000?weight=50` | the address itself |
//! | `registry://10.0.0.5:7070/Calculator` | our own [`registry`](crate::registry) |
//! | `file:///etc/calc.toml` | a file that is looked at every second (feature `config`) |
//! | `dns://calc.internal:7000`, `dns://_calc._tcp.internal` | the addresses of a name, or the hosts and ports of a service (feature `dns`) |
//! | `etcd://10.0.0.5:2379,10.0.0.6:2379/prod/Calculator` | etcd (feature `etcd`) |
//!
//! A [`Directory`] reads one source and keeps what is in force, so that a source that is away, slow or wrong never leaves a
//! client without servers: what was known last stays, changes that come together are one, a list that has become empty is not
//! believed, and what is known survives a restart if a [file](DirectoryConfig::cache) is given.

mod directory;
#[cfg(feature = "dns")]
mod dns;
mod endpoint;
mod error;
#[cfg(feature = "etcd")]
mod etcd;
mod feed;
#[cfg(feature = "config")]
mod file;
mod fixed;
mod holding;
mod registration;
mod schemes;
mod snapshot;
mod source;

pub use directory::{Directory, DirectoryConfig, Known};
pub use endpoint::Endpoint;
pub use error::DiscoveryError;
#[cfg(feature = "etcd")]
pub use etcd::Etcd;
pub use registration::{Lease, Registrar};
pub use schemes::Discoveries;
pub use source::{Discovery, DiscoveryScheme, Updates};

pub(crate) use endpoint::replaced;
#[cfg(all(feature = "etcd", feature = "tls"))]
pub(crate) use etcd::{Dial, Pipe};
pub(crate) use feed::Feed;
pub(crate) use registration::Registrations;
pub(crate) use snapshot::Snapshot;
