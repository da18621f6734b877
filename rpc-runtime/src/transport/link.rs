//! Owns [`Link`]: a byte pipe with what is known of its other end, and the handshake that it may need first. Does not
//! decide how long a handshake may take.

use std::fmt;
use std::io;
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::runtime::{self, Handle};

use crate::call::Identity;

/// An ordered, reliable byte pipe.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {}

/// A byte pipe and what is known of its other end.
pub struct Link {
    pipe: Pipe,
    peer: String,
    can_die_silently: bool,
    is_private: bool,
    identity: Option<Identity>,
}

enum Pipe {
    Open(Box<dyn Io>),
    /// A socket, and the runtime that tells it when there is something to read.
    Socket(Box<dyn Socket>, runtime::Id),
    Opening(Pin<Box<dyn Future<Output = io::Result<Link>> + Send>>),
}

/// A socket that can move from one runtime to another.
trait Socket: Io {
    /// The same socket, told by the runtime that this is called in.
    fn at_home(self: Box<Self>) -> io::Result<Box<dyn Io>>;
    fn stay(self: Box<Self>) -> Box<dyn Io>;
}

macro_rules! socket {
    ($Stream:ty) => {
        impl Socket for $Stream {
            fn at_home(self: Box<Self>) -> io::Result<Box<dyn Io>> {
                Ok(Box::new(Self::from_std(self.into_std()?)?))
            }

            fn stay(self: Box<Self>) -> Box<dyn Io> {
                self
            }
        }
    };
}

socket!(TcpStream);
#[cfg(unix)]
socket!(UnixStream);

impl Link {
    /// A link over a network: its other end can vanish without a word, so keepalive is needed.
    pub fn new(io: impl Io, peer: impl Into<String>) -> Self {
        let (pipe, peer) = (Pipe::Open(Box::new(io)), peer.into());
        Self { pipe, peer, can_die_silently: true, is_private: false, identity: None }
    }

    /// A link within one machine: if its other end is gone, reads and writes say so.
    pub fn local(io: impl Io, peer: impl Into<String>) -> Self {
        Self { can_die_silently: false, is_private: true, ..Self::new(io, peer) }
    }

    /// A link that needs a handshake before it can be used: the future makes it, and gives the link that has come of it.
    ///
    /// Channels and servers run it within the handshake timeout, and a server outside of the loop that accepts, so that a
    /// peer that is slow or silent holds up nobody.
    pub fn opening(
        peer: impl Into<String>,
        handshake: impl Future<Output = io::Result<Self>> + Send + 'static,
    ) -> Self {
        let (pipe, peer) = (Pipe::Opening(Box::pin(handshake)), peer.into());
        Self { pipe, peer, can_die_silently: true, is_private: false, identity: None }
    }

    /// The link, encrypted: nobody on its way can read along.
    #[must_use]
    pub const fn encrypted(mut self) -> Self {
        self.is_private = true;
        self
    }

    /// The link with what its other end has proved to be.
    #[must_use]
    pub fn with_identity(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// The other end's address, without the scheme; may be empty.
    pub fn peer(&self) -> &str {
        &self.peer
    }

    /// Who the other end has proved to be.
    pub const fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// Whether the other end can vanish without a word.
    pub const fn can_die_silently(&self) -> bool {
        self.can_die_silently
    }

    /// Whether nobody can read along: it is encrypted, or stays within one machine.
    pub const fn is_private(&self) -> bool {
        self.is_private
    }

    /// Whether it needs a handshake first.
    pub const fn is_opening(&self) -> bool {
        matches!(self.pipe, Pipe::Opening(_))
    }

    /// Makes the handshake, if one is needed.
    ///
    /// # Errors
    ///
    /// When the handshake fails.
    pub async fn open(mut self) -> io::Result<Self> {
        while let Pipe::Opening(handshake) = self.pipe {
            self = handshake.await?;
        }
        Ok(self)
    }

    /// A TCP connection. Unlike with [`new`](Self::new), whoever serves it may do so in another runtime.
    pub(super) fn tcp(stream: TcpStream, peer: impl Into<String>) -> Self {
        let pipe = Pipe::Socket(Box::new(stream), Handle::current().id());
        Self { pipe, ..Self::new(tokio::io::empty(), peer) }
    }

    /// A Unix socket. Unlike with [`local`](Self::local), whoever serves it may do so in another runtime.
    #[cfg(unix)]
    pub(super) fn unix(stream: UnixStream, peer: impl Into<String>) -> Self {
        let pipe = Pipe::Socket(Box::new(stream), Handle::current().id());
        Self { pipe, ..Self::local(tokio::io::empty(), peer) }
    }

    /// The pipe of a link that is open; one that is not has come to its end before it began. A socket is told by the
    /// runtime that this is called in from now on: another thread's would be one more wake-up for each read.
    pub(crate) fn into_io(self) -> Box<dyn Io> {
        match self.pipe {
            Pipe::Open(io) => io,
            Pipe::Socket(socket, home) if home == Handle::current().id() => socket.stay(),
            Pipe::Socket(socket, _) => socket.at_home().unwrap_or_else(|error| {
                tracing::warn!(%error, peer = self.peer, "a socket cannot move to its runtime");
                Box::new(tokio::io::empty())
            }),
            Pipe::Opening(_) => Box::new(tokio::io::empty()),
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({})", self.peer)
    }
}
