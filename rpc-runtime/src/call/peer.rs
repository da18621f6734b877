//! Owns [`Peer`]: who is at the other end of a connection. Does not find out.

use std::fmt;
use std::sync::Arc;

use crate::call::Identity;

/// Who is at the other end of a connection.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Peer {
    // Each request has one: a clone counts once.
    said: Arc<Said>,
}

#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Said {
    address: Arc<str>,
    name: Arc<str>,
    instance: u64,
    identity: Option<Identity>,
}

impl Peer {
    /// A peer that has said nothing yet.
    pub(crate) fn new(address: impl Into<Arc<str>>, identity: Option<Identity>) -> Self {
        Self { said: Arc::new(Said { address: address.into(), name: Arc::default(), instance: 0, identity }) }
    }

    /// The peer with what it says of itself.
    pub(crate) fn introduce(&mut self, name: &str, instance: u64) {
        let said = Arc::make_mut(&mut self.said);
        said.name = name.into();
        said.instance = instance;
    }

    /// Its address as a URI: `tcp://127.0.0.1:51312`.
    pub fn address(&self) -> &str {
        &self.said.address
    }

    /// Who it has proved to be; `None` if the transport asks for no proof, or the peer gave none.
    pub fn identity(&self) -> Option<&Identity> {
        self.said.identity.as_ref()
    }

    /// What it calls itself, unchecked; may be empty.
    pub fn name(&self) -> &str {
        &self.said.name
    }

    /// The random number of its process, unchecked.
    pub fn instance(&self) -> u64 {
        self.said.instance
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.said.address)
    }
}
