//! Owns [`Load`]: encoded bytes on their way out, of which the last may lie in a buffer of the application's. Does not know
//! what they encode.

use std::fmt;
use std::ops::Range;
use std::sync::OnceLock;

use bytes::Bytes;

use crate::call::buffers;

/// Encoded bytes that leave.
///
/// What was encoded stands in a buffer of this crate's. A long byte string at its end is not copied there: it leaves from
/// where the application made it.
#[derive(Clone, Default)]
pub struct Load {
    head: Vec<u8>,
    /// What follows the head; in a box, because few have one.
    tail: Option<Box<Tail>>,
}

/// A buffer of the application's. Its end may be code of the application too, which must not run under a lock.
pub(crate) struct Tail {
    bytes: Bytes,
    /// What it is the tail of and it in one place, once somebody has asked.
    whole: OnceLock<Vec<u8>>,
}

impl Load {
    /// Bytes in one buffer of somebody else's.
    pub(crate) fn shared(bytes: Bytes) -> Self {
        Self { head: Vec::new(), tail: Some(Box::new(bytes.into())) }
    }

    /// How many bytes it has.
    pub fn len(&self) -> usize {
        self.head.len() + self.tail().len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes in this range of it, in two parts.
    pub(crate) fn part(&self, range: Range<usize>) -> [&[u8]; 2] {
        let (head, split) = (&self.head[..], self.head.len());
        let first = &head[range.start.min(split)..range.end.min(split)];
        [first, &self.tail()[range.start.saturating_sub(split)..range.end.saturating_sub(split)]]
    }

    /// Whether there is a buffer to be given back.
    #[inline]
    pub(crate) const fn has_buffer(&self) -> bool {
        self.head.capacity() > 0 || self.tail.is_some()
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        match (&self.head[..], &self.tail) {
            (head, None) => head,
            ([], Some(tail)) => &tail.bytes,
            // For a policy or a layer that looks at what leaves: the wire needs it not.
            (head, Some(tail)) => tail.whole.get_or_init(|| [head, &tail.bytes].concat()),
        }
    }

    /// The buffer that all of its bytes lie in, if values may share that.
    pub(crate) fn shareable(&self) -> Option<&Bytes> {
        self.tail.as_deref().map(|tail| &tail.bytes).filter(|_| self.head.is_empty())
    }

    /// What it begins with, to be written to.
    pub(crate) const fn head_mut(&mut self) -> &mut Vec<u8> {
        &mut self.head
    }

    /// Adds what follows that, at last.
    pub(crate) fn end_with(&mut self, tail: Bytes) {
        self.tail = Some(Box::new(tail.into()));
    }

    /// Gives its own buffer to the next one; hands back the application's, whose end is the application's code.
    #[inline]
    pub(crate) fn recycle(&mut self) -> Option<Box<Tail>> {
        buffers::put(std::mem::take(&mut self.head));
        self.tail.take()
    }

    fn tail(&self) -> &[u8] {
        self.tail.as_deref().map_or(&[], |tail| &tail.bytes)
    }
}

impl From<Vec<u8>> for Load {
    fn from(head: Vec<u8>) -> Self {
        Self { head, tail: None }
    }
}

impl From<Bytes> for Tail {
    fn from(bytes: Bytes) -> Self {
        Self { bytes, whole: OnceLock::new() }
    }
}

impl Clone for Tail {
    fn clone(&self) -> Self {
        self.bytes.clone().into()
    }
}

impl fmt::Debug for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tail({} bytes)", self.bytes.len())
    }
}

impl fmt::Debug for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Load({} bytes)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_parts_are_cut_wherever_the_two_buffers_meet() {
        let mut load = Load::from(b"head".to_vec());
        assert_eq!((load.len(), load.bytes()), (4, &b"head"[..]));
        load.end_with(Bytes::from_static(b"and tail"));
        assert_eq!((load.len(), load.bytes(), load.shareable()), (12, &b"headand tail"[..], None));
        for start in 0..=12 {
            for end in start..=12 {
                assert_eq!(load.part(start..end).concat(), b"headand tail"[start..end], "{start}..{end}");
            }
        }
        let shared = Load::shared(Bytes::from_static(b"all"));
        assert_eq!((shared.bytes(), shared.shareable().is_some()), (&b"all"[..], true));
    }
}
