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
        if self.partial.is_empty() {
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
        ready!(Pin::new(&mut *io).poll_read(cx, &mut buffer))?;
        let read = buffer.filled();
        if read.is_empty() {
            return Poll::Ready(Ok(Found::End));
        }
        self.count += read.len() as u64;
        let taken = shared.with(|core| core.machine.handle_read(read, clock::now()));
        self.partial.extend_from_slice(&read[taken..]);
        Poll::Ready(Ok(Found::Bytes))
    }

    /// Goes on with a frame that has begun, straight into the buffer that will hold all of it.
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
