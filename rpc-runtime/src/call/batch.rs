//! Owns [`Batch`]: encoded items, one behind the other in one buffer. Does not encode them and does not know frames.

use std::fmt;

use crate::limits;

/// Encoded items in their order. Each stands behind its length, so that a thousand small ones are one allocation.
#[derive(Clone, Default)]
pub struct Batch {
    /// `u32` length and payload, again and again.
    bytes: Vec<u8>,
    /// Where the first item that has not been taken begins.
    at: usize,
}

/// A buffer that has grown beyond this is not kept when it is empty.
const KEPT: usize = 4 * limits::BATCH;

/// The bytes of an item's length.
const LENGTH: usize = 4;

impl Batch {
    /// No items.
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), at: 0 }
    }

    /// Whether there is no item in it.
    pub const fn is_empty(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// The bytes that its items take, their lengths included.
    pub const fn size(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// What its items cost the stream that they go by: their bytes, and [`limits::ITEM_OVERHEAD`] each.
    pub(crate) fn cost(&self) -> u64 {
        let (mut rest, mut cost) = (&self.bytes[self.at..], 0);
        while let Some((&length, items)) = rest.split_first_chunk::<LENGTH>() {
            let length = u32::from_be_bytes(length) as usize;
            cost += (length + limits::ITEM_OVERHEAD) as u64;
            rest = items.get(length..).unwrap_or_default();
        }
        cost
    }

    /// Appends an item.
    pub fn push(&mut self, payload: &[u8]) {
        self.reuse();
        self.bytes.extend_from_slice(&length(payload.len()));
        self.bytes.extend_from_slice(payload);
    }

    /// Appends an item that `encode` writes; nothing is appended if it fails.
    ///
    /// # Errors
    ///
    /// That of `encode`.
    pub fn push_with<E>(&mut self, encode: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<(), E> {
        self.reuse();
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; LENGTH]);
        if let Err(error) = encode(&mut self.bytes) {
            self.bytes.truncate(start);
            return Err(error);
        }
        let written = length(self.bytes.len() - start - LENGTH);
        self.bytes[start..start + LENGTH].copy_from_slice(&written);
        Ok(())
    }

    /// The first item.
    pub fn first(&self) -> Option<&[u8]> {
        let (&length, rest) = self.bytes.get(self.at..)?.split_first_chunk::<LENGTH>()?;
        rest.get(..u32::from_be_bytes(length) as usize)
    }

    /// Forgets the first item.
    pub fn pop(&mut self) {
        if let Some(first) = self.first() {
            self.at += LENGTH + first.len();
            if self.is_empty() && self.bytes.capacity() > KEPT {
                *self = Self::new();
            }
        }
    }

    /// Takes the first item out as a buffer of its own: without a copy if it is the last one.
    pub(crate) fn pop_owned(&mut self) -> Option<Vec<u8>> {
        let length = self.first()?.len();
        let start = self.at + LENGTH;
        if start + length < self.bytes.len() {
            let item = self.bytes[start..start + length].to_vec();
            self.at = start + length;
            return Some(item);
        }
        let mut item = std::mem::take(&mut self.bytes);
        self.at = 0;
        item.drain(..start);
        Some(item)
    }

    /// Begins an item of `total` bytes that comes in parts.
    pub(crate) fn part_way(total: usize) -> Self {
        Self { bytes: length(total).to_vec(), at: 0 }
    }

    /// Goes on with the item that [`part_way`](Self::part_way) began.
    pub(crate) fn append(&mut self, part: &[u8]) {
        self.bytes.extend_from_slice(part);
    }

    /// Makes room for so many further bytes, and no more.
    pub(crate) fn reserve(&mut self, bytes: usize) {
        self.bytes.reserve_exact(bytes);
    }

    fn reuse(&mut self) {
        if self.is_empty() {
            self.bytes.clear();
            self.at = 0;
        }
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Batch({} bytes)", self.size())
    }
}

/// A payload's length. Payloads are at most `u32::MAX` bytes: `Config::message` is, and encoders stop there.
fn length(bytes: usize) -> [u8; LENGTH] {
    u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_has_its_cost() {
        let mut batch = Batch::new();
        assert_eq!(batch.cost(), 0);
        batch.push(b"one");
        batch.push(b"");
        assert_eq!(batch.cost(), 3 + 2 * limits::ITEM_OVERHEAD as u64);
        batch.pop();
        assert_eq!(batch.cost(), limits::ITEM_OVERHEAD as u64);
    }

    #[test]
    fn items_come_out_as_they_went_in() {
        let mut batch = Batch::new();
        batch.push(b"one");
        batch.push(b"");
        assert_eq!(
            batch.push_with(|out| {
                out.extend(b"tw");
                Err(7)
            }),
            Err(7)
        );
        batch
            .push_with(|out| {
                out.extend(b"three");
                Ok::<_, ()>(())
            })
            .unwrap();
        for item in [&b"one"[..], b"", b"three"] {
            assert_eq!(batch.first(), Some(item));
            batch.pop();
        }
        assert!(batch.is_empty() && batch.first().is_none());
        batch.pop();
        batch.push(b"again");
        assert_eq!((batch.size(), batch.pop_owned()), (9, Some(b"again".to_vec())));
        assert!(batch.is_empty());
    }

    #[test]
    fn an_item_is_taken_out_before_others() {
        let mut batch = Batch::new();
        batch.push(b"one");
        batch.push(b"two");
        assert_eq!(batch.pop_owned(), Some(b"one".to_vec()));
        assert_eq!(batch.pop_owned(), Some(b"two".to_vec()));
        assert_eq!(batch.pop_owned(), None);
    }

    #[test]
    fn an_item_in_parts_is_one_item() {
        let mut batch = Batch::part_way(4);
        batch.append(b"ab");
        assert_eq!(batch.first(), None);
        batch.append(b"cd");
        assert_eq!(batch.first(), Some(&b"abcd"[..]));
    }
}
