//! Owns [`Secured`]: an encrypted byte pipe whose errors say what happened. Makes no handshake.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsStream;

use crate::transport::tls::names::identity;
use crate::transport::tls::reason::{self, Side};
use crate::transport::{Io, Link};

/// An encrypted byte pipe. It ends where the peer says that it does: a pipe that just stops was cut, and reading it is an
/// error. Shutting it down says so to the peer.
#[derive(Debug)]
pub(super) struct Secured<T> {
    stream: TlsStream<T>,
    side: Side,
}

impl<T: Io> Secured<T> {
    pub(super) const fn new(side: Side, stream: TlsStream<T>) -> Self {
        Self { stream, side }
    }

    /// The link to this peer, with who it has proved to be.
    pub(super) fn into_link(self, peer: String) -> Link {
        let certificates = self.stream.get_ref().1.peer_certificates();
        let identity = certificates.and_then(|chain| chain.first()).and_then(identity);
        let link = Link::new(self, peer).encrypted();
        match identity {
            Some(identity) => link.with_identity(identity),
            None => link,
        }
    }

    fn told<R>(&self, poll: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        poll.map_err(|error| reason::of_session(self.side, error))
    }
}

impl<T: Io> AsyncRead for Secured<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.told(read)
    }
}

impl<T: Io> AsyncWrite for Secured<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.told(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.told(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut_down = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.told(shut_down)
    }
}
