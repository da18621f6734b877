//! Byte pipes: how two processes reach each other. Owns sockets, addresses and how they fail; knows no frame.
//!
//! A transport is one file behind one small trait, [`Transport`], which users can implement too. The scheme of a URI
//! chooses it: `tcp://127.0.0.1:7000`, `tls://orders.internal:7000`, `unix:///run/app.sock`, `mem://name`.

mod link;
mod memory;
mod tcp;
mod throttle;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(unix)]
mod unix;
mod uri;

use std::io;

use async_trait::async_trait;

pub use link::{Io, Link};
pub use memory::{Memory, pipe};
pub use tcp::Tcp;
pub(crate) use throttle::Throttle;
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

    /// Opens a link to this address, one that `name` was [resolved](Self::resolve) to. A transport that checks whom it has
    /// reached needs the name for that; others have nothing to do here.
    async fn connect_named(&self, address: &str, name: &str) -> io::Result<Link> {
        let _ = name;
        self.connect(address).await
    }

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
