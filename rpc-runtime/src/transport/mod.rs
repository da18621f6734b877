//! Byte pipes: how two processes reach each other. Owns sockets, addresses and how they fail; knows no frame.
//!
//! A transport is one file behind one small trait, [`Transport`], which users can implement too. The scheme of a URI
//! chooses it: `tcp://127.0.0.1:7000`, `unix:///run/app.sock`, `mem://name`.

mod memory;
mod tcp;
#[cfg(unix)]
mod unix;
mod uri;

use std::fmt;
use std::io;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};

pub use memory::{Memory, pipe};
pub use tcp::Tcp;
#[cfg(unix)]
pub use unix::Unix;
pub use uri::{Transports, Uri, UriError};

/// A way to reach another process.
///
/// Addresses are what stands behind `scheme://` in a URI.
#[async_trait]
pub trait Transport: Send + Sync + 'static {
    /// The scheme that chooses this transport.
    fn scheme(&self) -> &'static str;

    /// The addresses that this one stands for, each to be given to [`connect`](Self::connect) until one takes the
    /// link. Most transports have nothing to resolve: the address stands for itself.
    async fn resolve(&self, address: &str) -> io::Result<Vec<String>> {
        Ok(vec![address.to_owned()])
    }

    /// Opens a link to this address, one that was [resolved](Self::resolve).
    async fn connect(&self, address: &str) -> io::Result<Link>;

    /// Listens at this address.
    async fn bind(&self, address: &str) -> io::Result<Box<dyn Listener>>;
}

/// A place where links arrive.
#[async_trait]
pub trait Listener: Send + 'static {
    /// The next link. Must not lose a link when it is dropped before it is ready.
    async fn accept(&mut self) -> io::Result<Link>;

    /// The address that it listens at, without the scheme: with the port that `:0` became, for example.
    fn address(&self) -> String;
}

/// An ordered, reliable byte pipe.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {}

/// A byte pipe and what is known of its other end.
pub struct Link {
    io: Box<dyn Io>,
    peer: String,
    can_die_silently: bool,
}

impl Link {
    /// A link over a network: its other end can vanish without a word, so keepalive is needed.
    pub fn new(io: impl Io, peer: impl Into<String>) -> Self {
        Self { io: Box::new(io), peer: peer.into(), can_die_silently: true }
    }

    /// A link within one machine: if its other end is gone, reads and writes say so.
    pub fn local(io: impl Io, peer: impl Into<String>) -> Self {
        Self { io: Box::new(io), peer: peer.into(), can_die_silently: false }
    }

    /// The other end's address, without the scheme; may be empty.
    pub fn peer(&self) -> &str {
        &self.peer
    }

    /// Whether the other end can vanish without a word.
    pub const fn can_die_silently(&self) -> bool {
        self.can_die_silently
    }

    pub(crate) fn into_io(self) -> Box<dyn Io> {
        self.io
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({})", self.peer)
    }
}
