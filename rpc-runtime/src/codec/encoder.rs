//! The [`Encoder`]: the end of a buffer, and how much deeper the value may nest there.
//!
//! It does not choose the form of a value: [`super::serializer`] does.

use std::mem;

use serde::{Serialize, Serializer};

use super::error::EncodeError;
use super::head::Counted;
use crate::call::grow_buffer;
use crate::limits::{INLINE_PAYLOAD, MAX_DEPTH, MAX_WRAPPERS};

/// Writes one value at the end of a buffer, which it owns meanwhile: a pointer less on the way to each byte.
pub(super) struct Encoder {
    pub(super) out: Vec<u8>,
    containers_left: u8,
    wrappers_left: u16,
}

/// Gives the buffer back whatever becomes of the value, up to where it is whole.
struct Writing<'a> {
    encoder: Encoder,
    out: &'a mut Vec<u8>,
    whole: usize,
}

impl Drop for Writing<'_> {
    #[inline]
    fn drop(&mut self) {
        *self.out = mem::take(&mut self.encoder.out);
        self.out.truncate(self.whole);
    }
}

impl Encoder {
    /// Appends a value that lies in `within` containers to `out`, which an error leaves as it was.
    pub(super) fn append<T>(value: &T, out: &mut Vec<u8>, within: u8) -> Result<(), EncodeError>
    where
        T: Serialize + ?Sized,
    {
        let whole = out.len();
        let containers_left = MAX_DEPTH.saturating_sub(within);
        let encoder = Self { out: mem::take(out), containers_left, wrappers_left: MAX_WRAPPERS };
        let mut writing = Writing { encoder, out, whole };
        value.serialize(&mut writing.encoder)?;
        writing.whole = writing.encoder.out.len();
        Ok(())
    }

    /// Makes room for bytes that are to follow, if they are so many that it matters where.
    #[inline]
    pub(super) fn room(&mut self, bytes: usize) {
        if bytes > INLINE_PAYLOAD {
            grow_buffer(&mut self.out, bytes);
        }
    }

    /// Counts a container that begins here. Only success leaves it: an error ends the whole value.
    #[inline]
    pub(super) fn enter(&mut self) -> Result<(), EncodeError> {
        self.containers_left = self.containers_left.checked_sub(1).ok_or_else(EncodeError::too_deep)?;
        Ok(())
    }

    /// Counts `containers` that end here.
    #[inline]
    pub(super) fn leave(&mut self, containers: u8) {
        self.containers_left += containers;
    }

    /// Writes what lies in a newtype or an option: no byte of its own, but a frame of the stack.
    pub(super) fn wrapped<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.wrappers_left = self.wrappers_left.checked_sub(1).ok_or_else(EncodeError::too_wrapped)?;
        value.serialize(&mut *self)?;
        self.wrappers_left += 1;
        Ok(())
    }

    /// Opens the map of one entry that is a variant with content.
    pub(super) fn variant(&mut self, name: &str) -> Result<(), EncodeError> {
        self.enter()?;
        Counted::Map.write(&mut self.out, 1);
        self.serialize_str(name)
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    struct Panics;

    impl Serialize for Panics {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            panic!("in a `Serialize`")
        }
    }

    #[test]
    fn a_value_that_panics_leaves_what_was_before_it() {
        let mut out = vec![7];
        let written = catch_unwind(AssertUnwindSafe(|| Encoder::append(&(1, Panics), &mut out, 0)));
        assert!(written.is_err());
        assert_eq!(out, [7]);
    }
}
