//! Owns [`Unfinished`]: a frame of which a part is here, and taken already. Does not know what the part is for.

use crate::wire::{Flags, Header};

/// A frame that goes on with a payload, and of which only a part is here.
///
/// Where a sender cuts a payload means nothing, so what is here of such a frame is taken as a frame of its own. A large
/// payload is thus copied once, from where it was read to where it belongs, and nobody keeps a frame until it is whole.
#[derive(Debug)]
pub(super) struct Unfinished {
    header: Header,
    /// Bytes of its body that have been taken, and those that are to come.
    taken: usize,
    missing: usize,
}

impl Unfinished {
    /// A frame with a body of `size` bytes, none of them taken.
    pub(super) const fn new(header: Header, size: usize) -> Self {
        Self { header, taken: 0, missing: size }
    }

    /// Takes what belongs to it from the front of `input`, as a frame of its own; `None` if there is nothing.
    pub(super) fn take<'a>(&mut self, input: &'a [u8]) -> Option<(Header, &'a [u8])> {
        let part = &input[..input.len().min(self.missing)];
        self.taken += part.len();
        self.missing -= part.len();
        let Header { kind, flags, id } = self.header;
        let flags = if self.is_finished() { flags } else { flags.with(Flags::MORE) };
        (!part.is_empty()).then_some((Header { kind, flags, id }, part))
    }

    /// How many bytes of its body have been taken.
    pub(super) const fn taken(&self) -> usize {
        self.taken
    }

    /// Whether nothing of it is to come.
    pub(super) const fn is_finished(&self) -> bool {
        self.missing == 0
    }
}
