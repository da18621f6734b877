//! Owns [`FrameWriter`]: appends one frame to a buffer, always in the shortest form. Does not choose what to
//! write.

use crate::limits;
use crate::wire::{Flags, Header, Kind};

/// Appends one frame to a buffer; [`finish`](Self::finish) puts its length in.
#[derive(Debug)]
pub struct FrameWriter<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
}

impl<'a> FrameWriter<'a> {
    /// Begins a frame at the end of `out`.
    #[inline]
    pub fn new(out: &'a mut Vec<u8>, header: Header) -> Self {
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&header.bytes());
        Self { out, start }
    }

    /// Puts the length into the header and hands back the frame's size in the buffer.
    #[inline]
    pub fn finish(self) -> usize {
        let size = self.out.len() - self.start;
        debug_assert!(size - 4 <= limits::FRAME_LENGTH, "a frame of {size} bytes is too long");
        // Cannot be cut off: every writer of this crate keeps to `FRAME_LENGTH`, far below `u32::MAX`.
        let length = (size - 4) as u32;
        self.out[self.start..self.start + 4].copy_from_slice(&length.to_be_bytes());
        size
    }

    /// The total of a payload, which a first fragment begins with.
    pub fn total(&mut self, total: u32) {
        self.out.extend_from_slice(&total.to_be_bytes());
    }

    /// A payload, or a part of one.
    #[inline]
    pub fn payload(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    #[inline]
    pub(super) fn uint(&mut self, value: u64) {
        match value {
            0..=0x7f => self.out.push(value as u8),
            0x80..=0xff => self.out.extend_from_slice(&[0xcc, value as u8]),
            0x100..=0xffff => self.marked(0xcd, &(value as u16).to_be_bytes()),
            0x1_0000..=0xffff_ffff => self.marked(0xce, &(value as u32).to_be_bytes()),
            _ => self.marked(0xcf, &value.to_be_bytes()),
        }
    }

    #[inline]
    pub(super) fn nil(&mut self) {
        self.out.push(0xc0);
    }

    pub(super) fn str(&mut self, text: &str) {
        match text.len() {
            length @ 0..=31 => self.out.push(0xa0 | length as u8),
            length @ 32..=0xff => self.out.extend_from_slice(&[0xd9, length as u8]),
            length @ 0x100..=0xffff => self.marked(0xda, &(length as u16).to_be_bytes()),
            length => self.marked(0xdb, &(length as u32).to_be_bytes()),
        }
        self.out.extend_from_slice(text.as_bytes());
    }

    pub(super) fn bin(&mut self, bytes: &[u8]) {
        match bytes.len() {
            length @ 0..=0xff => self.out.extend_from_slice(&[0xc4, length as u8]),
            length @ 0x100..=0xffff => self.marked(0xc5, &(length as u16).to_be_bytes()),
            length => self.marked(0xc6, &(length as u32).to_be_bytes()),
        }
        self.out.extend_from_slice(bytes);
    }

    /// The head of a map with so many entries, at most 65,535.
    pub(super) fn map(&mut self, entries: usize) {
        match entries {
            0..=15 => self.out.push(0x80 | entries as u8),
            _ => self.marked(0xde, &(entries as u16).to_be_bytes()),
        }
    }

    /// The head of an array with so many elements, at most 65,535.
    pub(super) fn array(&mut self, elements: usize) {
        match elements {
            0..=15 => self.out.push(0x90 | elements as u8),
            _ => self.marked(0xdc, &(elements as u16).to_be_bytes()),
        }
    }

    #[inline]
    fn marked(&mut self, marker: u8, bytes: &[u8]) {
        self.out.push(marker);
        self.out.extend_from_slice(bytes);
    }
}

/// Appends a frame that has no body.
pub(super) fn bare(out: &mut Vec<u8>, kind: Kind, id: u32) {
    FrameWriter::new(out, Header { kind, flags: Flags::NONE, id }).finish();
}
