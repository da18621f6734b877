//! Owns [`Writing`]: segments from the machine to the transport, one write each.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::driver::clock;
use crate::driver::shared::Shared;
use crate::limits;
use crate::transport::Io;

/// The segment that is being written.
///
/// Invariant: `at < segment.len()`, or `segment` is empty.
#[derive(Debug, Default)]
pub(super) struct Writing {
    segment: Vec<u8>,
    at: usize,
    /// Bytes were written since the transport was last flushed to the end.
    unflushed: bool,
    count: u64,
}

/// Why writing stopped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Wrote {
    /// Everything that is framed has been taken.
    All,
    /// The transport takes no more for now.
    Blocked,
    /// A large segment has been written; others may want their turn.
    Large,
}

impl Writing {
    /// How many bytes were written since this was last asked.
    pub(super) const fn take_count(&mut self) -> u64 {
        std::mem::replace(&mut self.count, 0)
    }

    /// Whether no segment is half written, and nothing is to be flushed.
    pub(super) fn is_idle(&self) -> bool {
        self.segment.is_empty() && !self.unflushed
    }

    /// Writes what the machine has, until all is written or the transport is full.
    pub(super) fn poll(
        &mut self,
        io: &mut dyn Io,
        shared: &Shared,
        cx: &mut Context<'_>,
    ) -> io::Result<Wrote> {
        loop {
            if self.segment.is_empty() {
                match shared.with(|core| core.machine.poll_transmit(clock::now())) {
                    Some(segment) => self.segment = segment,
                    None if self.unflushed => return self.flush(io, cx),
                    None => return Ok(Wrote::All),
                }
            }
            match Pin::new(&mut *io).poll_write(cx, &self.segment[self.at..]) {
                Poll::Pending => {
                    shared.with(|core| core.machine.handle_blocked(clock::now()));
                    return Ok(Wrote::Blocked);
                }
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Ready(Ok(bytes)) => {
                    self.unflushed = true;
                    let large = self.segment.len() >= limits::SEGMENT;
                    if self.took(bytes, shared) && large {
                        return Ok(Wrote::Large);
                    }
                }
            }
        }
    }

    /// Notes that the transport took bytes; says whether the segment is done.
    fn took(&mut self, bytes: usize, shared: &Shared) -> bool {
        self.at += bytes;
        self.count += bytes as u64;
        let done = (self.at == self.segment.len()).then(|| std::mem::take(&mut self.segment));
        let is_done = done.is_some();
        if is_done {
            self.at = 0;
        }
        shared.with(|core| {
            core.machine.handle_written(bytes, clock::now());
            if let Some(segment) = done {
                core.machine.recycle(segment);
            }
        });
        is_done
    }

    fn flush(&mut self, io: &mut dyn Io, cx: &mut Context<'_>) -> io::Result<Wrote> {
        match Pin::new(io).poll_flush(cx) {
            Poll::Ready(Err(error)) => Err(error),
            Poll::Ready(Ok(())) => {
                self.unflushed = false;
                Ok(Wrote::All)
            }
            Poll::Pending => Ok(Wrote::Blocked),
        }
    }
}
