//! TLS: `tls://host:port`, with certificates on one side or on both. Owns settings, handshakes and who the peer has proved to be;
//! the cryptography is that of rustls and ring. No type of theirs is in a public signature.
//!
//! ```no_run
//! # async fn example(service: impl traitwire::Service) -> Result<(), Box<dyn std::error::Error>> {
//! use traitwire::tls::{CertifiedKey, ClientTls, Roots, ServerTls};
//! use traitwire::{Channel, Server};
//!
//! let tls = ServerTls::new(CertifiedKey::files("certs/server.pem", "certs/server.key"));
//! let server = Server::builder().tls(tls).service(service).bind("tls://0.0.0.0:7000").await?;
//!
//! let tls = ClientTls::new().roots(Roots::file("certs/ca.pem"));
//! let channel = Channel::builder().tls(tls).connect("tls://orders.internal:7000").await?;
//! # Ok(()) }
//! ```
//!
//! # Who is who
//!
//! A client takes a server whose certificate leads to a root that it [believes](ClientTls::roots) and is for the host in
//! the address, a DNS name or an IP address; the common name does not count. A server takes anybody, unless it
//! [requires](ServerTls::require_clients) certificates of its clients. What a peer has proved is its
//! [`Identity`](crate::Identity), which handlers and layers find in [`Peer::identity`](crate::Peer::identity).
//!
//! # Rotation
//!
//! Certificates, keys and roots that come from files are read again when they change: by the first handshake that is ten
//! seconds after they were last read, or by [`ServerTls::reload`] and [`ClientTls::reload`]. New connections use what was
//! read; connections that there are go on. Files that cannot be used (half written, a key that is not the certificate's)
//! change nothing: the old ones stay in use, an error is logged once, and `reload` returns it. Where there are no old ones yet,
//! the first handshake waits for up to a second until the files fit together. To exchange a root, let
//! all sides believe [both](Roots::and) for a while.
//!
//! A certificate that must not count any more, although its time is not over, is in its CA's list:
//! [`ServerTls::revocation_lists`], [`ClientTls::revocation_lists`].
//!
//! # Development
//!
//! The feature `dev-certs` has a certificate authority in `tls::dev`, for tests and for one's own machine.
//!
//! # What is resumed and what not
//!
//! A client that comes back resumes its session, which spares both sides the signatures. The peer's certificate is
//! checked again even so. No data is sent before the handshake is done (no "0-RTT"), because whoever records it could send
//! it again. A certificate that expires does not end the connections that it was shown on.

mod certificate;
mod client;
mod client_verifier;
#[cfg(feature = "dev-certs")]
pub mod dev;
mod error;
mod live;
mod names;
mod provider;
mod reason;
mod revocation;
mod server;
mod server_verifier;
mod source;
mod stream;
mod taken;

use std::sync::Arc;
use std::{fmt, io};

use async_trait::async_trait;

pub use certificate::{CertifiedKey, Roots};
pub use client::ClientTls;
pub use error::TlsError;
pub use live::Reloaded;
pub use revocation::RevocationLists;
pub use server::ServerTls;

use crate::transport::{Link, Listener, Tcp, Transport};

/// TLS over TCP: `tls://host:port`. A server needs [settings](Tls::server), a client may have [some](Tls::client).
#[derive(Clone)]
pub struct Tls {
    client: ClientTls,
    server: Option<ServerTls>,
    /// What it goes over.
    inner: Arc<dyn Transport>,
}

impl Default for Tls {
    fn default() -> Self {
        Self::client(ClientTls::default())
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("client", &self.client)
            .field("server", &self.server)
            .field("over", &self.inner.scheme())
            .finish()
    }
}

impl Tls {
    /// For clients with these settings.
    pub fn client(client: ClientTls) -> Self {
        Self { client, server: None, inner: Arc::new(Tcp) }
    }

    /// For a server with these settings.
    pub fn server(server: ServerTls) -> Self {
        Self { client: ClientTls::default(), server: Some(server), inner: Arc::new(Tcp) }
    }

    /// Over this transport in place of TCP: addresses are what it takes them for, still behind `tls://`.
    ///
    /// ```
    /// use traitwire::Channel;
    /// use traitwire::tls::{ClientTls, Tls};
    /// use traitwire::transport::Memory;
    ///
    /// let tls = Tls::client(ClientTls::new().server_name("orders.internal")).over(Memory);
    /// let builder = Channel::builder().transport(tls);
    /// ```
    pub fn over(mut self, transport: impl Transport) -> Self {
        self.inner = Arc::new(transport);
        self
    }
}

#[cfg(feature = "etcd")]
impl Tls {
    /// A pipe to `host:port` for another protocol than ours, in which the client speaks first.
    pub(crate) async fn pipe(&self, address: &str) -> io::Result<impl crate::transport::Io + use<>> {
        let link = Tcp.connect(address).await?;
        self.client.clone().pipe(link, host(address)).await
    }
}

#[async_trait]
impl Transport for Tls {
    fn scheme(&self) -> &'static str {
        "tls"
    }

    async fn resolve(&self, address: &str) -> io::Result<Vec<String>> {
        self.inner.resolve(address).await
    }

    async fn connect(&self, address: &str) -> io::Result<Link> {
        self.connect_named(address, address).await
    }

    async fn connect_named(&self, address: &str, name: &str) -> io::Result<Link> {
        let link = self.inner.connect(address).await?;
        Ok(Link::opening(link.peer().to_owned(), self.client.clone().secure(link, host(name).to_owned())))
    }

    async fn bind(&self, address: &str) -> io::Result<Box<dyn Listener>> {
        let tls = self.server.clone().ok_or(TlsError::NoCertificate)?;
        // A server that cannot show a certificate is told so here, and not to its clients.
        tls.check().await?;
        Ok(Box::new(Bound { inner: self.inner.bind(address).await?, tls }))
    }
}

struct Bound {
    inner: Box<dyn Listener>,
    tls: ServerTls,
}

#[async_trait]
impl Listener for Bound {
    async fn accept(&mut self) -> io::Result<Link> {
        let link = self.inner.accept().await?;
        Ok(Link::opening(link.peer().to_owned(), self.tls.clone().secure(link)))
    }

    fn address(&self) -> String {
        self.inner.address()
    }
}

/// The host of `host:port`; that of `[::1]:7000` is `::1`.
fn host(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_what_the_certificate_is_for() {
        for (address, expected) in [
            ("orders.internal:7000", "orders.internal"),
            ("127.0.0.1:7000", "127.0.0.1"),
            ("[::1]:7000", "::1"),
            ("orders", "orders"),
        ] {
            assert_eq!(host(address), expected);
        }
    }
}
