//! Owns the small buffers that wait for use, a list for each thread. Does not know what was in them.
//!
//! A call's arguments and its answer are each encoded into one and read from another. What gives one to the machine gets
//! another back from it, so a list neither grows nor runs dry, and a steady flow of small calls allocates nothing. It
//! belongs to the thread and not to a connection, so that idle connections hold none, and needs no lock.

use std::cell::RefCell;

use crate::limits;

thread_local! {
    static FREE: RefCell<Free> = const { RefCell::new(Free { buffers: Vec::new(), bytes: 0 }) };
}

/// The buffers of one thread.
///
/// Invariant: `bytes` is the sum of their capacities, at most [`limits::BUFFERS`].
struct Free {
    buffers: Vec<Vec<u8>>,
    bytes: usize,
}

/// An empty buffer.
pub(crate) fn take() -> Vec<u8> {
    // A thread that ends has none any more.
    FREE.try_with(|free| free.borrow_mut().take())
        .ok()
        .flatten()
        .unwrap_or_else(|| Vec::with_capacity(SMALLEST))
}

/// Takes a buffer back, unless there are enough or it has grown large.
pub(crate) fn put(buffer: Vec<u8>) {
    if (SMALLEST..=limits::INLINE_PAYLOAD).contains(&buffer.capacity()) {
        let _ = FREE.try_with(|free| free.borrow_mut().put(buffer));
    }
}

/// Room for the arguments of most calls, and for their answers.
const SMALLEST: usize = 64;

impl Free {
    fn take(&mut self) -> Option<Vec<u8>> {
        let buffer = self.buffers.pop()?;
        self.bytes -= buffer.capacity();
        Some(buffer)
    }

    fn put(&mut self, mut buffer: Vec<u8>) {
        if self.bytes + buffer.capacity() <= limits::BUFFERS {
            buffer.clear();
            self.bytes += buffer.capacity();
            self.buffers.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_empty_and_lists_are_bounded() {
        assert!(take().capacity() >= SMALLEST, "there was none");
        let mut buffer = Vec::with_capacity(1_000);
        buffer.extend_from_slice(b"secret");
        put(buffer);
        put(vec![0; limits::INLINE_PAYLOAD + 1]);
        put(Vec::new());
        let again = take();
        assert_eq!((again.len(), again.capacity()), (0, 1_000));
        for _ in 0..2 * limits::BUFFERS / limits::INLINE_PAYLOAD {
            put(vec![0; limits::INLINE_PAYLOAD]);
        }
        let (held, bytes) = FREE.with_borrow(|free| (free.buffers.len(), free.bytes));
        assert_eq!((held, bytes), (limits::BUFFERS / limits::INLINE_PAYLOAD, limits::BUFFERS));
    }
}
