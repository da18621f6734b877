//! Owns [`Tcp`]: sockets over a network. Tries the resolved addresses in their order.

use std::io;
use std::net::SocketAddr;

use async_trait::async_trait;
#[cfg(any(target_os = "linux", target_os = "android"))]
use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket, TcpStream, lookup_host};

use crate::limits;
use crate::transport::{Link, Listener, Transport};

/// TCP: `tcp://host:port`. Small writes go out at once (`TCP_NODELAY`), because the driver batches by itself.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has no settings of its own")]
pub struct Tcp;

#[async_trait]
impl Transport for Tcp {
    fn scheme(&self) -> &'static str {
        "tcp"
    }

    async fn resolve(&self, address: &str) -> io::Result<Vec<String>> {
        Ok(resolve(address).await?.into_iter().map(|resolved| resolved.to_string()).collect())
    }

    async fn connect(&self, address: &str) -> io::Result<Link> {
        let mut last = None;
        for resolved in resolve(address).await? {
            match connect_to(resolved).await {
                Ok(link) => return Ok(link),
                Err(error) => last = Some(io::Error::new(error.kind(), format!("{resolved}: {error}"))),
            }
        }
        Err(last.unwrap_or_else(|| no_address(address)))
    }

    async fn bind(&self, address: &str) -> io::Result<Box<dyn Listener>> {
        let mut last = None;
        for resolved in resolve(address).await? {
            match listen_at(resolved) {
                Ok(listener) => return Ok(Box::new(listener)),
                Err(error) => last = Some(io::Error::new(error.kind(), format!("{resolved}: {error}"))),
            }
        }
        Err(last.unwrap_or_else(|| no_address(address)))
    }
}

async fn resolve(address: &str) -> io::Result<Vec<SocketAddr>> {
    if !address.contains(':') {
        let text = format!("`{address}` has no port: an address looks like `127.0.0.1:7000`");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    match lookup_host(address).await {
        Ok(resolved) => Ok(resolved.collect()),
        Err(error) => Err(io::Error::new(error.kind(), format!("resolving `{address}`: {error}"))),
    }
}

async fn connect_to(address: SocketAddr) -> io::Result<Link> {
    let stream = socket(address)?.connect(address).await?;
    prepare(&stream)?;
    Ok(Link::tcp(stream, address.to_string()))
}

fn listen_at(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket(address)?;
    // A restarted server takes its port back although connections of the last one linger.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// A socket with keepalive, which accepted ones inherit: the kernel notices a dead peer even where ours is off.
fn socket(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_keepalive(true)?;
    Ok(socket)
}

/// Sends small segments at once, and lets the kernel have little more than it can send: what waits there has lost its
/// place to nothing, and what is small would wait behind megabytes of what is large.
fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    SockRef::from(stream).set_tcp_notsent_lowat(limits::UNSENT)?;
    Ok(())
}

fn no_address(address: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("`{address}` resolves to no address"))
}

#[async_trait]
impl Listener for TcpListener {
    async fn accept(&mut self) -> io::Result<Link> {
        let (stream, peer) = Self::accept(self).await?;
        prepare(&stream)?;
        Ok(Link::tcp(stream, peer.to_string()))
    }

    fn address(&self) -> String {
        self.local_addr().map_or_else(|_| String::new(), |address| address.to_string())
    }
}

/// Connections that the kernel completes before they are accepted; Linux caps it at `somaxconn`, 4,096 by default.
const BACKLOG: u32 = 4_096;
