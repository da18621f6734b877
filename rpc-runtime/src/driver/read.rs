//! Owns [`Reading`]: bytes from the transport to the machine, and the part of a frame that is not all there.

use std::cell::RefCell;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncReadExt, ReadBuf};

use crate::driver::clock;
use crate::driver::shared::Shared;
use crate::limits;
use crate::transport::Io;

thread_local! {
    /// Where bytes are read to: one buffer for all connections of a thread, since each is emptied before the next one
    /// reads. An idle connection holds no buffer.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; limits::READ].into_boxed_slice());
}

/// What of the input does not make a whole frame yet.
#[derive(Debug, Default)]
pub(super) struct Reading {
    partial: Vec<u8>,
    count: u64,
}

/// What a read found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Found {
    /// Bytes; all of them are with the machine.
    Bytes,
    /// The end.
    End,
}

impl Reading {
    /// How many bytes were read since this was last asked.
    pub(super) const fn take_count(&mut self) -> u64 {
        std::mem::replace(&mut self.count, 0)
    }

    /// Reads once, and gives the machine what came.
    pub(super) fn poll(
        &mut self,
        io: &mut dyn Io,
        shared: &Shared,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Found>> {
        // The rest of a small frame is read with what follows it: read by itself, it would leave the next frame cut again.
        if self.partial.len() + missing(&self.partial) <= limits::READ / 2 {
            SCRATCH.with_borrow_mut(|scratch| self.poll_scratch(scratch, io, shared, cx))
        } else {
            self.poll_partial(io, shared, cx)
        }
    }

    fn poll_scratch(
        &mut self,
        scratch: &mut [u8],
        io: &mut dyn Io,
        shared: &Shared,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Found>> {
        let mut buffer = ReadBuf::new(scratch);
        let before = self.partial.len();
        buffer.put_slice(&self.partial);
        ready!(Pin::new(&mut *io).poll_read(cx, &mut buffer))?;
        let read = buffer.filled();
        if read.len() == before {
            return Poll::Ready(Ok(Found::End));
        }
        self.count += (read.len() - before) as u64;
        let taken = shared.with(|core| core.machine.handle_read(read, clock::now()));
        let rest = &read[taken..];
        if rest.is_empty() {
            self.partial = Vec::new();
        } else {
            self.partial.clear();
            self.partial.extend_from_slice(rest);
        }
        Poll::Ready(Ok(Found::Bytes))
    }

    /// Goes on with a large frame that has begun, straight into the buffer that will hold all of it.
    fn poll_partial(
        &mut self,
        io: &mut dyn Io,
        shared: &Shared,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Found>> {
        let missing = missing(&self.partial).max(1);
        self.partial.reserve(missing);
        let read = {
            let mut limited = (&mut *io).take(limits::READ.max(missing) as u64);
            let mut read = pin!(limited.read_buf(&mut self.partial));
            ready!(read.as_mut().poll(cx))?
        };
        if read == 0 {
            return Poll::Ready(Ok(Found::End));
        }
        self.count += read as u64;
        let taken = shared.with(|core| core.machine.handle_read(&self.partial, clock::now()));
        self.partial.drain(..taken);
        if self.partial.is_empty() {
            self.partial = Vec::new();
        }
        Poll::Ready(Ok(Found::Bytes))
    }
}

/// How many bytes the frame that has begun still needs. The machine has checked its length, if it is there.
fn missing(partial: &[u8]) -> usize {
    let whole = partial.first_chunk::<4>().map_or(0, |length| 4 + u32::from_be_bytes(*length) as usize);
    // The preface has no length; read as one it is far too large.
    whole.min(limits::FRAME_LENGTH + 4).saturating_sub(partial.len())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncRead, AsyncWrite};

    use super::*;
    use crate::proto::{Config, Connection, Side};
    use crate::wire::{Hello, Kind, PREFACE, write_number};

    /// Bytes that are all there, and how often they were asked for.
    struct Source {
        bytes: Vec<u8>,
        at: usize,
        reads: usize,
    }

    impl AsyncRead for Source {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let some = buffer.remaining().min(self.bytes.len() - self.at);
            buffer.put_slice(&self.bytes[self.at..self.at + some]);
            self.at += some;
            self.reads += 1;
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Source {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn a_frame_that_is_cut_costs_no_read_of_its_own() {
        let mut bytes = PREFACE.to_vec();
        Hello::default().write(&mut bytes);
        while bytes.len() < 10 * limits::READ {
            write_number(&mut bytes, Kind::Pong, 0, 1 << 20);
        }
        let mut source = Source { bytes, at: 0, reads: 0 };
        let shared = Shared::new(Connection::new(Side::Client, Config::default(), clock::now()), true);
        let (mut reading, mut cx) = (Reading::default(), Context::from_waker(std::task::Waker::noop()));
        while let Poll::Ready(Ok(Found::Bytes)) = reading.poll(&mut source, &shared, &mut cx) {}
        assert_eq!(source.at, source.bytes.len());
        assert!(source.reads <= 13, "{} reads for ten buffers", source.reads);
        assert!(reading.partial.is_empty() && reading.partial.capacity() == 0, "it holds no buffer");
    }
}
