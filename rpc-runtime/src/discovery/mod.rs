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
//!
//! A [`Directory`] reads one source and keeps what is in force, so that a source that is away, slow or wrong never leaves a
//! client without servers: what was known last stays, changes that come together are one, a list that has become empty is not
//! believed, and what is known survives a restart if a [file](DirectoryConfig::cache) is given.

mod directory;
mod endpoint;
mod error;
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
pub use registration::{Lease, Registrar};
pub use schemes::Discoveries;
pub use source::{Discovery, DiscoveryScheme, Updates};

pub(crate) use feed::Feed;
pub(crate) use registration::Registrations;
pub(crate) use snapshot::Snapshot;
