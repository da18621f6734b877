//! Owns [`Frames`]: where in the bytes of one direction frames begin, so that a fault can meet one. Checks nothing: what
//! is no frame is its receiver's to refuse.

use crate::wire::PREFACE;

/// The part of a frame's head that is looked at: its length, and its kind.
const HEAD: usize = 5;

/// Follows the frames of one direction.
#[derive(Debug)]
pub(super) struct Frames {
    /// Bytes until the next head.
    skip: usize,
    head: [u8; HEAD],
    have: usize,
}

/// A frame that has begun.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Begun {
    /// Where its first byte is in the bytes that were given; 0 if it was in those before.
    pub(super) at: usize,
    pub(super) kind: u8,
}

impl Frames {
    pub(super) const fn new() -> Self {
        Self { skip: PREFACE.len(), head: [0; HEAD], have: 0 }
    }

    /// Takes the next bytes; tells each frame whose kind has been seen in them.
    pub(super) fn follow(&mut self, bytes: &[u8], mut each: impl FnMut(Begun)) {
        let mut at = 0;
        while at < bytes.len() {
            if self.skip > 0 {
                let skipped = self.skip.min(bytes.len() - at);
                self.skip -= skipped;
                at += skipped;
                continue;
            }
            self.head[self.have] = bytes[at];
            self.have += 1;
            at += 1;
            if self.have == HEAD {
                let [length @ .., kind] = self.head;
                each(Begun { at: at.saturating_sub(HEAD), kind });
                self.have = 0;
                self.skip = (u32::from_be_bytes(length) as usize).saturating_sub(1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Hello, Kind, write_number};

    #[test]
    fn frames_are_found_however_the_bytes_are_cut() {
        let mut bytes = PREFACE.to_vec();
        let mut starts = vec![bytes.len()];
        Hello::default().write(&mut bytes);
        for number in [0, 1 << 20] {
            starts.push(bytes.len());
            write_number(&mut bytes, Kind::Pong, 0, number);
        }
        for size in 1..bytes.len() {
            let (mut frames, mut found, mut offset) = (Frames::new(), Vec::new(), 0);
            for part in bytes.chunks(size) {
                frames.follow(part, |begun| found.push((offset + begun.at, begun.kind)));
                offset += part.len();
            }
            let kinds: Vec<_> = found.iter().map(|found| found.1).collect();
            assert_eq!(kinds, [Kind::Hello as u8, Kind::Pong as u8, Kind::Pong as u8], "parts of {size}");
            // A head that was cut is told where the second part of it begins.
            assert!(found.iter().zip(&starts).all(|(found, start)| found.0.abs_diff(*start) < HEAD));
        }
    }
}
