//! Owns [`Peer`]: who is at the other end of a connection. Does not find out.

use std::fmt;
use std::sync::Arc;

/// Who is at the other end of a connection.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Peer {
    address: Arc<str>,
    name: Arc<str>,
    instance: u64,
}

impl Peer {
    pub(crate) fn new(address: impl Into<Arc<str>>, name: impl Into<Arc<str>>, instance: u64) -> Self {
        Self { address: address.into(), name: name.into(), instance }
    }

    /// Its address as a URI: `tcp://127.0.0.1:51312`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What it calls itself, unchecked; may be empty.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The random number of its process, unchecked.
    pub const fn instance(&self) -> u64 {
        self.instance
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}
