//! The head of a value: its marker byte and the number or the length that follows, written in the smallest
//! form.
//!
//! It does not touch what a length announces: text, bytes and members are their readers' and writers'
//! business.

use std::ops::Range;

use rmp::Marker;

use super::error::EncodeError;

/// A value's head as read: all of a scalar, and the length of everything else.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Head {
    Nil,
    Bool(bool),
    Unsigned(u64),
    /// Below zero: a signed form of any other number is read as [`Head::Unsigned`].
    Negative(i64),
    F32(f32),
    F64(f64),
    Str(u32),
    Bin(u32),
    Array(u32),
    Map(u32),
}

/// Why there is no head at the front of some bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum NoHead {
    Truncated,
    Reserved,
    Extension,
}

impl Head {
    /// Reads the head at the front of `bytes`; returns it and what follows.
    ///
    /// Inlined by force, so that the match on a head melts into the one that made it: twice as fast on
    /// integers.
    #[inline(always)]
    pub(super) fn read(bytes: &[u8]) -> Result<(Self, &[u8]), NoHead> {
        let Some((&marker, rest)) = bytes.split_first() else { return Err(NoHead::Truncated) };
        Ok(match Marker::from_u8(marker) {
            Marker::FixPos(value) => (Self::Unsigned(value.into()), rest),
            Marker::FixNeg(value) => (Self::Negative(value.into()), rest),
            Marker::FixStr(len) => (Self::Str(len.into()), rest),
            Marker::FixArray(len) => (Self::Array(len.into()), rest),
            Marker::FixMap(len) => (Self::Map(len.into()), rest),
            Marker::Null => (Self::Nil, rest),
            Marker::False => (Self::Bool(false), rest),
            Marker::True => (Self::Bool(true), rest),
            Marker::U8 => with(rest, |be| Self::Unsigned(u8::from_be_bytes(be).into()))?,
            Marker::U16 => with(rest, |be| Self::Unsigned(u16::from_be_bytes(be).into()))?,
            Marker::U32 => with(rest, |be| Self::Unsigned(u32::from_be_bytes(be).into()))?,
            Marker::U64 => with(rest, |be| Self::Unsigned(u64::from_be_bytes(be)))?,
            Marker::I8 => with(rest, |be| Self::signed(i8::from_be_bytes(be).into()))?,
            Marker::I16 => with(rest, |be| Self::signed(i16::from_be_bytes(be).into()))?,
            Marker::I32 => with(rest, |be| Self::signed(i32::from_be_bytes(be).into()))?,
            Marker::I64 => with(rest, |be| Self::signed(i64::from_be_bytes(be)))?,
            Marker::F32 => with(rest, |be| Self::F32(f32::from_be_bytes(be)))?,
            Marker::F64 => with(rest, |be| Self::F64(f64::from_be_bytes(be)))?,
            Marker::Str8 => with(rest, |be| Self::Str(u8::from_be_bytes(be).into()))?,
            Marker::Str16 => with(rest, |be| Self::Str(u16::from_be_bytes(be).into()))?,
            Marker::Str32 => with(rest, |be| Self::Str(u32::from_be_bytes(be)))?,
            Marker::Bin8 => with(rest, |be| Self::Bin(u8::from_be_bytes(be).into()))?,
            Marker::Bin16 => with(rest, |be| Self::Bin(u16::from_be_bytes(be).into()))?,
            Marker::Bin32 => with(rest, |be| Self::Bin(u32::from_be_bytes(be)))?,
            Marker::Array16 => with(rest, |be| Self::Array(u16::from_be_bytes(be).into()))?,
            Marker::Array32 => with(rest, |be| Self::Array(u32::from_be_bytes(be)))?,
            Marker::Map16 => with(rest, |be| Self::Map(u16::from_be_bytes(be).into()))?,
            Marker::Map32 => with(rest, |be| Self::Map(u32::from_be_bytes(be)))?,
            Marker::Reserved => return Err(NoHead::Reserved),
            Marker::FixExt1
            | Marker::FixExt2
            | Marker::FixExt4
            | Marker::FixExt8
            | Marker::FixExt16
            | Marker::Ext8
            | Marker::Ext16
            | Marker::Ext32 => return Err(NoHead::Extension),
        })
    }

    fn signed(value: i64) -> Self {
        u64::try_from(value).map_or(Self::Negative(value), Self::Unsigned)
    }
}

/// Takes the `N` bytes that `head` is made of.
#[inline]
fn with<const N: usize>(bytes: &[u8], head: impl FnOnce([u8; N]) -> Head) -> Result<(Head, &[u8]), NoHead> {
    match bytes.split_first_chunk() {
        Some((number, rest)) => Ok((head(*number), rest)),
        None => Err(NoHead::Truncated),
    }
}

/// The four kinds of value whose head is a length.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Counted {
    Str,
    Bin,
    Array,
    Map,
}

impl Counted {
    /// Appends the head of a value of this kind with `len` bytes, items or entries.
    #[inline]
    pub(super) fn write(self, out: &mut Vec<u8>, len: u32) {
        match self.short(len) {
            Some(marker) => out.push(marker),
            None => self.write_long(out, len),
        }
    }

    /// Not inlined: long values are rare, and cost more than the call.
    #[inline(never)]
    fn write_long(self, out: &mut Vec<u8>, len: u32) {
        let (head, size) = self.head(len);
        out.extend_from_slice(&head[..size]);
    }

    /// Puts the head for the true `len` where one of another length stands; what follows it moves if it must.
    pub(super) fn rewrite(self, out: &mut Vec<u8>, old: Range<usize>, len: u32) {
        let (head, size) = self.head(len);
        out.splice(old, head[..size].iter().copied());
    }

    /// The head of one byte, if `len` is short enough for it.
    #[inline]
    fn short(self, len: u32) -> Option<u8> {
        let bits = len as u8;
        match self {
            Self::Str if len < 32 => Some(Marker::FixStr(bits).to_u8()),
            Self::Array if len < 16 => Some(Marker::FixArray(bits).to_u8()),
            Self::Map if len < 16 => Some(Marker::FixMap(bits).to_u8()),
            _ => None,
        }
    }

    fn head(self, len: u32) -> ([u8; 5], usize) {
        if let Some(marker) = self.short(len) {
            return ([marker, 0, 0, 0, 0], 1);
        }
        let [a, b, c, d] = len.to_be_bytes();
        // Arrays and maps have no form with a length of one byte.
        let (in_8, in_16, in_32) = match self {
            Self::Str => (Some(Marker::Str8), Marker::Str16, Marker::Str32),
            Self::Bin => (Some(Marker::Bin8), Marker::Bin16, Marker::Bin32),
            Self::Array => (None, Marker::Array16, Marker::Array32),
            Self::Map => (None, Marker::Map16, Marker::Map32),
        };
        match (in_8, len) {
            (Some(marker), 0..=0xff) => ([marker.to_u8(), d, 0, 0, 0], 2),
            (_, 0..=0xffff) => ([in_16.to_u8(), c, d, 0, 0], 3),
            _ => ([in_32.to_u8(), a, b, c, d], 5),
        }
    }
}

/// A length as a head can hold it.
#[inline]
pub(super) fn counted(len: usize) -> Result<u32, EncodeError> {
    u32::try_from(len).map_err(|_| EncodeError::too_long(len))
}

/// Appends a number in its smallest form.
#[inline]
pub(super) fn write_unsigned(out: &mut Vec<u8>, value: u64) {
    let [_, _, _, _, c, d, e, f] = value.to_be_bytes();
    match value {
        0..=0x7f => out.push(f),
        0x80..=0xff => out.extend_from_slice(&[Marker::U8.to_u8(), f]),
        0x100..=0xffff => out.extend_from_slice(&[Marker::U16.to_u8(), e, f]),
        0x1_0000..=0xffff_ffff => out.extend_from_slice(&[Marker::U32.to_u8(), c, d, e, f]),
        _ => write_marked(out, Marker::U64, value.to_be_bytes()),
    }
}

/// Appends a number in its smallest form; one that is not below zero takes the unsigned form.
#[inline]
pub(super) fn write_signed(out: &mut Vec<u8>, value: i64) {
    let [_, _, _, _, c, d, e, f] = value.to_be_bytes();
    match value {
        0.. => write_unsigned(out, value.unsigned_abs()),
        -32.. => out.push(f),
        -0x80.. => out.extend_from_slice(&[Marker::I8.to_u8(), f]),
        -0x8000.. => out.extend_from_slice(&[Marker::I16.to_u8(), e, f]),
        -0x8000_0000.. => out.extend_from_slice(&[Marker::I32.to_u8(), c, d, e, f]),
        _ => write_marked(out, Marker::I64, value.to_be_bytes()),
    }
}

/// Appends `marker` and the bytes that follow it.
#[inline]
pub(super) fn write_marked<const N: usize>(out: &mut Vec<u8>, marker: Marker, bytes: [u8; N]) {
    out.push(marker.to_u8());
    out.extend_from_slice(&bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out);
        out
    }

    #[test]
    fn numbers_take_the_form_that_rmp_gives_them_and_read_back() {
        let edges = (0..64).flat_map(|bit| [(1_u64 << bit) - 1, 1 << bit, (1 << bit) + 1]).chain([u64::MAX]);
        for value in edges {
            let ours = written(|out| write_unsigned(out, value));
            let theirs = written(|out| assert!(rmp::encode::write_uint(out, value).is_ok()));
            assert_eq!(ours, theirs, "{value}");
            assert_eq!(Head::read(&ours), Ok((Head::Unsigned(value), &[][..])));
            let value = value.cast_signed().wrapping_neg();
            let ours = written(|out| write_signed(out, value));
            let theirs = written(|out| assert!(rmp::encode::write_sint(out, value).is_ok()));
            assert_eq!(ours, theirs, "{value}");
            assert_eq!(Head::read(&ours), Ok((Head::signed(value), &[][..])));
        }
    }

    #[test]
    fn lengths_take_the_form_that_rmp_gives_them_and_read_back() {
        for len in [0, 1, 15, 16, 31, 32, 255, 256, 65_535, 65_536, u32::MAX] {
            let cases = [
                (
                    Counted::Str,
                    written(|o| assert!(rmp::encode::write_str_len(o, len).is_ok())),
                    Head::Str(len),
                ),
                (
                    Counted::Bin,
                    written(|o| assert!(rmp::encode::write_bin_len(o, len).is_ok())),
                    Head::Bin(len),
                ),
                (
                    Counted::Array,
                    written(|o| assert!(rmp::encode::write_array_len(o, len).is_ok())),
                    Head::Array(len),
                ),
                (
                    Counted::Map,
                    written(|o| assert!(rmp::encode::write_map_len(o, len).is_ok())),
                    Head::Map(len),
                ),
            ];
            for (kind, theirs, head) in cases {
                let ours = written(|out| kind.write(out, len));
                assert_eq!(ours, theirs, "{kind:?} of {len}");
                assert_eq!(Head::read(&ours), Ok((head, &[][..])));
            }
        }
        assert_eq!(counted(5).unwrap(), 5);
        assert_eq!(
            counted(1 << 32).unwrap_err().to_string(),
            "a length of 4294967296 does not fit in 32 bits"
        );
    }

    #[test]
    fn a_head_is_rewritten_in_place_and_its_body_moves() {
        for (kind, old) in [(Counted::Array, 0), (Counted::Str, 300)] {
            for new in [0, 40, 70_000] {
                let mut out = b"before".to_vec();
                kind.write(&mut out, old);
                let head = 6..out.len();
                out.extend_from_slice(b"body");
                kind.rewrite(&mut out, head, new);
                let mut wanted = b"before".to_vec();
                kind.write(&mut wanted, new);
                wanted.extend_from_slice(b"body");
                assert_eq!(out, wanted);
            }
        }
    }

    #[test]
    fn every_first_byte_is_a_head_or_says_why_not() {
        for marker in 0..=u8::MAX {
            let met = Head::read(&[marker]).map(|_| ());
            let wanted = match marker {
                0xc1 => Err(NoHead::Reserved),
                0xc7..=0xc9 | 0xd4..=0xd8 => Err(NoHead::Extension),
                0xc4..=0xc6 | 0xca..=0xd3 | 0xd9..=0xdf => Err(NoHead::Truncated),
                _ => Ok(()),
            };
            assert_eq!(met, wanted, "{marker:#x}");
        }
        assert_eq!(Head::read(&[]), Err(NoHead::Truncated));
    }

    #[test]
    fn a_number_that_is_not_below_zero_is_unsigned_in_any_form() {
        assert_eq!(Head::read(&[0xd0, 5]), Ok((Head::Unsigned(5), &[][..])));
        assert_eq!(Head::read(&[0xd1, 0, 0, 7]), Ok((Head::Unsigned(0), &[7][..])));
    }
}
