//! Owns the trait [`Registry`] and what travels: the contract between servers, clients and the node. Does not keep anything.

use std::fmt;

use futures::Stream;
use serde::{Deserialize, Serialize};

use crate::discovery::Endpoint;

/// Where servers say where they are, and clients are told.
///
/// Any method may come twice without harm: to register again replaces what was registered before at the same address.
#[traitwire_macros::rpc_service(crate = "crate")]
pub trait Registry {
    /// Says that these services are to be had at this endpoint, for so many milliseconds unless renewed. The node may grant
    /// another time. Entries with the same service and address under another lease are taken over, and that lease ends.
    #[rpc(idempotent, timeout = "2s")]
    async fn register(
        &self,
        services: Vec<String>,
        endpoint: Endpoint,
        ttl_ms: u64,
    ) -> Result<Granted, RegistryError>;

    /// Renews a lease for the time that was granted.
    #[rpc(idempotent, timeout = "2s")]
    async fn renew(&self, lease: u64) -> Result<(), RegistryError>;

    /// Ends a lease, and its entries with it; one that is not there has ended.
    #[rpc(idempotent, timeout = "2s")]
    async fn deregister(&self, lease: u64);

    /// Where this service is to be had, in the order of the addresses.
    #[rpc(idempotent, timeout = "5s")]
    async fn list(&self, service: &str) -> Vec<Endpoint>;

    /// The names of all services, and at how many endpoints each is to be had.
    #[rpc(idempotent, timeout = "5s")]
    async fn services(&self) -> Vec<(String, u64)>;

    /// The whole list of this service, then what changes. When nothing does, an empty change comes every ten seconds.
    #[rpc(idempotent, timeout = "5s", idle_timeout = "30s")]
    async fn watch(&self, service: String) -> Result<impl Stream<Item = Change>, RegistryError>;
}

/// A lease.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Granted {
    /// Its number, which whoever renews it says.
    pub lease: u64,
    /// How long it lasts from now on unless it is renewed, in milliseconds.
    pub ttl_ms: u64,
}

/// What is new of a service.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Change {
    /// `set` is the whole list: what was known before is over.
    pub whole: bool,
    /// Endpoints that are new, or about which something else is said now.
    pub set: Vec<Endpoint>,
    /// Addresses that are gone.
    pub gone: Vec<String>,
    /// False while the node may not know all, because it began a short while ago: nobody is to be forgotten then.
    pub settled: bool,
}

/// Why the registry refuses.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub enum RegistryError {
    /// There is no such lease: it has run out, or its entries were taken over. Register again.
    UnknownLease,
    /// The registry has no room for this; the text names the limit.
    Full(String),
    /// This cannot be meant; the text says why.
    Invalid(String),
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownLease => {
                f.write_str("the registry knows no such lease: it has run out or was taken over")
            }
            Self::Full(why) => write!(f, "the registry is full: {why}"),
            Self::Invalid(why) => write!(f, "the registry cannot take this: {why}"),
        }
    }
}

impl std::error::Error for RegistryError {}
