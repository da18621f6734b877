//! Owns the small buffers that wait for use, two lists for each thread: those of payloads, and larger ones for the segments
//! of an output. Does not know what was in them; `large` has the large ones.
//!
//! A call's arguments and its answer are each encoded into one and read from another. What gives one to the machine gets
//! another back from it, so a list neither grows nor runs dry, and a steady flow of small calls allocates nothing. It
//! belongs to the thread and not to a connection, so that idle connections hold none, and needs no lock.

use std::cell::RefCell;
use std::thread::LocalKey;

use crate::call::large;
use crate::limits;

type List = RefCell<Free>;

thread_local! {
    static SMALL: List = const { RefCell::new(Free::new(limits::INLINE_PAYLOAD)) };
    static SEGMENTS: List = const { RefCell::new(Free::new(limits::FRAME + limits::SEGMENT)) };
}

/// Buffers of one thread.
///
/// Invariant: `bytes` is the sum of their capacities, at most [`limits::BUFFERS`].
struct Free {
    buffers: Vec<Vec<u8>>,
    bytes: usize,
    /// The largest that is kept.
    largest: usize,
}

/// An empty buffer for a payload.
#[inline]
pub(crate) fn take() -> Vec<u8> {
    take_from(&SMALL)
}

/// Takes the buffer of a payload back, unless there are enough.
#[inline]
pub(crate) fn put(buffer: Vec<u8>) {
    if buffer.capacity() > limits::INLINE_PAYLOAD {
        large::put(buffer);
    } else {
        put_into(&SMALL, buffer);
    }
}

/// Makes room for so many bytes at the end of a payload's buffer: exactly so many if they are many, in a buffer that has
/// served before if there is one.
pub(crate) fn grow(buffer: &mut Vec<u8>, bytes: usize) {
    let needed = buffer.len() + bytes;
    if needed <= limits::INLINE_PAYLOAD || needed <= buffer.capacity() {
        return buffer.reserve(bytes);
    }
    let mut larger = large::take(needed);
    larger.extend_from_slice(buffer);
    put(std::mem::replace(buffer, larger));
}

/// An empty buffer for a segment.
pub(crate) fn take_segment() -> Vec<u8> {
    take_from(&SEGMENTS)
}

/// Takes the buffer of a segment back, unless there are enough or it has grown large.
pub(crate) fn put_segment(buffer: Vec<u8>) {
    put_into(&SEGMENTS, buffer);
}

/// Room for the arguments of most calls, and for their answers.
const SMALLEST: usize = 64;

#[inline]
fn take_from(list: &'static LocalKey<List>) -> Vec<u8> {
    // A thread that ends has none any more.
    list.try_with(|free| free.borrow_mut().take())
        .ok()
        .flatten()
        .unwrap_or_else(|| Vec::with_capacity(SMALLEST))
}

#[inline]
fn put_into(list: &'static LocalKey<List>, buffer: Vec<u8>) {
    if buffer.capacity() >= SMALLEST {
        let _ = list.try_with(|free| free.borrow_mut().put(buffer));
    }
}

impl Free {
    const fn new(largest: usize) -> Self {
        Self { buffers: Vec::new(), bytes: 0, largest }
    }

    fn take(&mut self) -> Option<Vec<u8>> {
        let buffer = self.buffers.pop()?;
        self.bytes -= buffer.capacity();
        Some(buffer)
    }

    fn put(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() <= self.largest && self.bytes + buffer.capacity() <= limits::BUFFERS {
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
        let (held, bytes) = SMALL.with_borrow(|free| (free.buffers.len(), free.bytes));
        assert_eq!((held, bytes), (limits::BUFFERS / limits::INLINE_PAYLOAD, limits::BUFFERS));
    }
}
