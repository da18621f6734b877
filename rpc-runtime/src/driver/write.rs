//! Owns [`Writing`]: segments from the machine to the transport, one write each.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::call::put_segment;
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
        if self.segment.is_empty()
            && let Some(segment) = shared.with(|core| core.machine.poll_transmit(clock::now()))
        {
            self.segment = segment;
        }
        while !self.segment.is_empty() {
            match Pin::new(&mut *io).poll_write(cx, &self.segment[self.at..]) {
                Poll::Pending => {
                    shared.with(|core| core.machine.handle_blocked(clock::now()));
                    return Ok(Wrote::Blocked);
                }
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Ready(Ok(bytes)) => {
                    self.unflushed = true;
                    if self.took(bytes, shared) {
                        return Ok(Wrote::Large);
                    }
                }
            }
        }
        if self.unflushed { self.flush(io, cx) } else { Ok(Wrote::All) }
    }

    /// Notes that the transport took bytes, and goes on with the next segment after a small one; says whether a large one
    /// is done: what comes after it is chosen when others have had their turn.
    fn took(&mut self, bytes: usize, shared: &Shared) -> bool {
        self.at += bytes;
        self.count += bytes as u64;
        let is_done = self.at == self.segment.len();
        let is_large = self.segment.len() >= limits::SEGMENT;
        let next = shared.with(|core| {
            let now = clock::now();
            core.machine.handle_written(bytes, now);
            if is_done && !is_large { core.machine.poll_transmit(now) } else { None }
        });
        if is_done {
            put_segment(std::mem::replace(&mut self.segment, next.unwrap_or_default()));
            self.at = 0;
        }
        is_done && is_large
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
