//! Owns [`Pool`]: buffers of small payloads, used again. Does not hold large ones.

use crate::limits;

/// A few small buffers that wait for the next payload, so that a steady flow of small calls allocates nothing.
#[derive(Debug, Default)]
pub(super) struct Pool {
    free: Vec<Vec<u8>>,
}

impl Pool {
    /// An empty buffer.
    pub(super) fn take(&mut self) -> Vec<u8> {
        self.free.pop().unwrap_or_default()
    }

    /// Takes a buffer back, unless there are enough or it has grown large.
    pub(super) fn put(&mut self, mut buffer: Vec<u8>) {
        let worth_it = (1..=limits::INLINE_PAYLOAD).contains(&buffer.capacity());
        if worth_it && self.free.len() < limits::POOL {
            buffer.clear();
            self.free.push(buffer);
        }
    }

    /// Gives the memory back.
    pub(super) fn clear(&mut self) {
        self.free = Vec::new();
    }
}
