//! Owns [`Batch`]: encoded items, one behind the other in one buffer, each behind room for the head of its frame. Does not
//! encode them, and does not know what stands in such a head beside the length.

use std::fmt;

use crate::limits;

/// Encoded items in their order, in one allocation for a thousand small ones.
///
/// Each stands behind as many bytes as a frame's head has, of which the first four say, as there, how many bytes follow
/// them. So items that leave become frames, and frames that have come become items, by one copy of all of them.
#[derive(Clone, Default)]
pub struct Batch {
    /// A head and its payload, again and again.
    bytes: Vec<u8>,
    /// Where the first item that has not been taken begins.
    at: usize,
}

/// A buffer that has grown beyond this is not kept when it is empty.
const KEPT: usize = 4 * limits::BATCH;

/// The bytes of the length that a head begins with.
const LENGTH: usize = 4;

/// The bytes of a head that its length counts: it says nothing in them until it is sent.
const REST: usize = 6;

impl Batch {
    /// No items.
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), at: 0 }
    }

    /// Whether there is no item in it.
    pub const fn is_empty(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// The bytes before each item.
    #[doc(hidden)]
    pub const HEAD: usize = LENGTH + REST;

    /// The bytes that its items take, their heads included.
    pub const fn size(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// What its items cost the stream that they go by: their bytes, and [`limits::ITEM_OVERHEAD`] each.
    pub(crate) fn cost(&self) -> u64 {
        let (mut at, mut cost) = (self.at, 0);
        while let Some(length) = self.length_at(at) {
            cost += (length + limits::ITEM_OVERHEAD) as u64;
            at += Self::HEAD + length;
        }
        cost
    }

    /// Appends an item.
    pub fn push(&mut self, payload: &[u8]) {
        self.reuse();
        self.bytes.extend_from_slice(&head(payload.len()));
        self.bytes.extend_from_slice(payload);
    }

    /// Appends an item that `encode` writes; nothing is appended if it fails or panics.
    ///
    /// # Errors
    ///
    /// That of `encode`.
    pub fn push_with<E>(&mut self, encode: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<(), E> {
        self.reuse();
        let start = self.bytes.len();
        let mut appending = Appending { whole: start, bytes: &mut self.bytes };
        appending.bytes.extend_from_slice(&[0; Self::HEAD]);
        encode(appending.bytes)?;
        let written = length(appending.bytes.len() - start - Self::HEAD);
        appending.bytes[start..start + LENGTH].copy_from_slice(&written);
        appending.whole = appending.bytes.len();
        Ok(())
    }

    /// The first item.
    pub fn first(&self) -> Option<&[u8]> {
        let start = self.at + Self::HEAD;
        self.bytes.get(start..start + self.length_at(self.at)?)
    }

    /// Forgets the first item.
    pub fn pop(&mut self) {
        if let Some(first) = self.first() {
            self.at += Self::HEAD + first.len();
            self.shrink();
        }
    }

    /// Takes the first item out as a buffer of its own: without a copy if it is the last one.
    pub(crate) fn pop_owned(&mut self) -> Option<Vec<u8>> {
        let length = self.first()?.len();
        let start = self.at + Self::HEAD;
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

    /// Takes items from the front as long as `fits` says so of their lengths: as frames, with `rest` in each head.
    pub(crate) fn pop_framed(&mut self, rest: [u8; 6], mut fits: impl FnMut(usize) -> bool) -> Vec<u8> {
        let start = self.at;
        while let Some(length) = self.length_at(self.at).filter(|&length| fits(length)) {
            let payload = self.at + Self::HEAD;
            self.bytes[self.at + LENGTH..payload].copy_from_slice(&rest);
            self.at = payload + length;
        }
        let framed = self.bytes[start..self.at].to_vec();
        self.shrink();
        framed
    }

    /// Appends items that have come as frames.
    pub(crate) fn push_framed(&mut self, frames: &[u8]) {
        self.reuse();
        self.bytes.extend_from_slice(frames);
    }

    /// Begins an item of `total` bytes that comes in parts.
    pub(crate) fn part_way(total: usize) -> Self {
        Self { bytes: head(total).to_vec(), at: 0 }
    }

    /// Goes on with the item that [`part_way`](Self::part_way) began.
    pub(crate) fn append(&mut self, part: &[u8]) {
        self.bytes.extend_from_slice(part);
    }

    /// Makes room for so many further bytes, and no more.
    pub(crate) fn reserve(&mut self, bytes: usize) {
        self.bytes.reserve_exact(bytes);
    }

    /// The length of the payload behind the head at `at`.
    fn length_at(&self, at: usize) -> Option<usize> {
        let length = *self.bytes.get(at..)?.first_chunk::<LENGTH>()?;
        Some((u32::from_be_bytes(length) as usize).saturating_sub(REST))
    }

    fn shrink(&mut self) {
        if self.is_empty() && self.bytes.capacity() > KEPT {
            *self = Self::new();
        }
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

/// An item that is being written, and is no part of its batch until all of it is there.
struct Appending<'a> {
    bytes: &'a mut Vec<u8>,
    whole: usize,
}

impl Drop for Appending<'_> {
    fn drop(&mut self) {
        self.bytes.truncate(self.whole);
    }
}

/// The head of a payload of so many bytes.
fn head(payload: usize) -> [u8; Batch::HEAD] {
    let mut head = [0; Batch::HEAD];
    head[..LENGTH].copy_from_slice(&length(payload));
    head
}

/// What a head says of the length of its payload. One that is too long for it is longer than any message may be.
fn length(payload: usize) -> [u8; LENGTH] {
    u32::try_from(REST + payload).unwrap_or(u32::MAX).to_be_bytes()
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
        assert_eq!((batch.size(), batch.pop_owned()), (15, Some(b"again".to_vec())));
        assert!(batch.is_empty());
    }

    #[test]
    fn an_item_whose_writer_panics_is_none() {
        let mut batch = Batch::new();
        batch.push(b"one");
        let pushed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            batch.push_with(|out| -> Result<(), ()> {
                out.extend(b"tw");
                panic!("in a `Serialize`")
            })
        }));
        assert!(pushed.is_err());
        batch.push(b"three");
        for item in [&b"one"[..], b"three"] {
            assert_eq!(batch.first(), Some(item));
            batch.pop();
        }
        assert!(batch.is_empty());
    }

    #[test]
    fn items_become_frames_and_frames_items() {
        let (mut sent, mut come) = (Batch::new(), Batch::new());
        for item in [&b"one"[..], b"two", b"three", b"four"] {
            sent.push(item);
        }
        sent.pop();
        let head = [7, 0, 0, 0, 0, 5];
        let framed = sent.pop_framed(head, |length| length != 4);
        assert_eq!(framed, [&[0, 0, 0, 9][..], &head, b"two", &[0, 0, 0, 11], &head, b"three"].concat());
        assert_eq!(sent.first(), Some(&b"four"[..]));
        come.push_framed(&framed);
        assert_eq!(come.cost(), 8 + 2 * limits::ITEM_OVERHEAD as u64);
        for item in [&b"two"[..], b"three"] {
            assert_eq!(come.first(), Some(item));
            come.pop();
        }
        assert!(come.is_empty() && sent.pop_framed(head, |_| true).len() == 14 && sent.is_empty());
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
