//! Owns [`Reader`]: takes the envelope's MessagePack values off the front of a frame's body. Accepts every
//! width of an integer or a length, not only the shortest. Does not read payloads.

use crate::codec;
use crate::wire::WireError;

/// Reads one value after the other; each method names the field for the error.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) const fn new(body: &'a [u8]) -> Self {
        Self { rest: body }
    }

    /// What has not been read.
    #[inline]
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// A `u32` that is not a MessagePack value: the total of a payload.
    pub(super) fn total(&mut self) -> Result<u32, WireError> {
        Ok(u32::from_be_bytes(self.array("total")?))
    }

    #[inline]
    pub(super) fn uint(&mut self, field: &'static str) -> Result<u64, WireError> {
        let marker = self.byte(field)?;
        Ok(match marker {
            0x00..=0x7f => u64::from(marker),
            0xcc => u64::from(self.byte(field)?),
            0xcd => u64::from(u16::from_be_bytes(self.array(field)?)),
            0xce => u64::from(u32::from_be_bytes(self.array(field)?)),
            0xcf => u64::from_be_bytes(self.array(field)?),
            // Some writers have signed integers only.
            0xd0 => self.unsigned(field, marker, |[byte]: [u8; 1]| i64::from(byte as i8))?,
            0xd1 => self.unsigned(field, marker, |bytes| i64::from(i16::from_be_bytes(bytes)))?,
            0xd2 => self.unsigned(field, marker, |bytes| i64::from(i32::from_be_bytes(bytes)))?,
            0xd3 => self.unsigned(field, marker, i64::from_be_bytes)?,
            _ => return Err(WireError::Value { field, got: marker }),
        })
    }

    /// A signed integer that is not negative.
    fn unsigned<const N: usize>(
        &mut self,
        field: &'static str,
        got: u8,
        read: impl FnOnce([u8; N]) -> i64,
    ) -> Result<u64, WireError> {
        u64::try_from(read(self.array(field)?)).map_err(|_| WireError::Value { field, got })
    }

    /// An unsigned integer that fits `T`.
    #[inline]
    pub(super) fn small<T: TryFrom<u64>>(&mut self, field: &'static str) -> Result<T, WireError> {
        let got = self.peek(field)?;
        T::try_from(self.uint(field)?).map_err(|_| WireError::Value { field, got })
    }

    #[inline]
    pub(super) fn uint_or_nil(&mut self, field: &'static str) -> Result<Option<u64>, WireError> {
        if self.nil(field)? { Ok(None) } else { self.uint(field).map(Some) }
    }

    pub(super) fn str(&mut self, field: &'static str) -> Result<&'a str, WireError> {
        let marker = self.byte(field)?;
        let length = match marker {
            0xa0..=0xbf => usize::from(marker & 0x1f),
            0xd9 => usize::from(self.byte(field)?),
            0xda => usize::from(u16::from_be_bytes(self.array(field)?)),
            0xdb => u32::from_be_bytes(self.array(field)?) as usize,
            _ => return Err(WireError::Value { field, got: marker }),
        };
        std::str::from_utf8(self.take(length, field)?).map_err(|_| WireError::Utf8 { field })
    }

    pub(super) fn bin(&mut self, field: &'static str) -> Result<&'a [u8], WireError> {
        let marker = self.byte(field)?;
        let length = match marker {
            0xc4 => usize::from(self.byte(field)?),
            0xc5 => usize::from(u16::from_be_bytes(self.array(field)?)),
            0xc6 => u32::from_be_bytes(self.array(field)?) as usize,
            _ => return Err(WireError::Value { field, got: marker }),
        };
        self.take(length, field)
    }

    pub(super) fn map(&mut self, field: &'static str) -> Result<usize, WireError> {
        let marker = self.byte(field)?;
        Ok(match marker {
            0x80..=0x8f => usize::from(marker & 0x0f),
            0xde => usize::from(u16::from_be_bytes(self.array(field)?)),
            0xdf => u32::from_be_bytes(self.array(field)?) as usize,
            _ => return Err(WireError::Value { field, got: marker }),
        })
    }

    pub(super) fn array_length(&mut self, field: &'static str) -> Result<usize, WireError> {
        let marker = self.byte(field)?;
        Ok(match marker {
            0x90..=0x9f => usize::from(marker & 0x0f),
            0xdc => usize::from(u16::from_be_bytes(self.array(field)?)),
            0xdd => u32::from_be_bytes(self.array(field)?) as usize,
            _ => return Err(WireError::Value { field, got: marker }),
        })
    }

    /// Takes a nil if one is next, and says whether it did.
    #[inline]
    pub(super) fn nil(&mut self, field: &'static str) -> Result<bool, WireError> {
        let found = self.peek(field)? == 0xc0;
        if found {
            self.byte(field)?;
        }
        Ok(found)
    }

    /// The first byte of the next value.
    #[inline]
    pub(super) fn peek(&self, field: &'static str) -> Result<u8, WireError> {
        self.rest.first().copied().ok_or(WireError::Truncated { field })
    }

    /// Skips one whole value of any type.
    pub(super) fn skip(&mut self, field: &'static str) -> Result<(), WireError> {
        let got = self.peek(field)?;
        let limits = codec::ScanLimits::for_body(self.rest.len());
        let length = codec::scan_prefix(self.rest, &limits).map_err(|_| WireError::Value { field, got })?;
        self.take(length, field).map(drop)
    }

    #[inline]
    fn byte(&mut self, field: &'static str) -> Result<u8, WireError> {
        self.array::<1>(field).map(|[byte]| byte)
    }

    #[inline]
    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], WireError> {
        let (&first, rest) = self.rest.split_first_chunk().ok_or(WireError::Truncated { field })?;
        self.rest = rest;
        Ok(first)
    }

    fn take(&mut self, length: usize, field: &'static str) -> Result<&'a [u8], WireError> {
        let (first, rest) = self.rest.split_at_checked(length).ok_or(WireError::Truncated { field })?;
        self.rest = rest;
        Ok(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_of_every_width_are_read() {
        for (bytes, expected) in [
            (&[0x7f][..], 127),
            (&[0xcc, 5], 5),
            (&[0xcd, 1, 0], 256),
            (&[0xce, 0, 0, 0, 9], 9),
            (&[0xcf, 0, 0, 0, 1, 0, 0, 0, 0], 1 << 32),
            (&[0xd0, 5], 5),
            (&[0xd1, 1, 0], 256),
            (&[0xd2, 0, 0, 0, 9], 9),
            (&[0xd3, 0, 0, 0, 1, 0, 0, 0, 0], 1 << 32),
        ] {
            let mut reader = Reader::new(bytes);
            assert_eq!(reader.uint("x"), Ok(expected));
            assert!(reader.rest().is_empty());
        }
        assert_eq!(Reader::new(&[0xd0, 0xff]).uint("x"), Err(WireError::Value { field: "x", got: 0xd0 }));
        assert_eq!(Reader::new(&[0xff]).uint("x"), Err(WireError::Value { field: "x", got: 0xff }));
        assert_eq!(Reader::new(&[0xcd, 1]).uint("x"), Err(WireError::Truncated { field: "x" }));
        assert_eq!(
            Reader::new(&[0xcd, 1, 0]).small::<u8>("x"),
            Err(WireError::Value { field: "x", got: 0xcd })
        );
    }

    #[test]
    fn lengths_are_held_against_what_is_there() {
        assert_eq!(
            Reader::new(&[0xdb, 0xff, 0xff, 0xff, 0xff, b'a']).str("s"),
            Err(WireError::Truncated { field: "s" })
        );
        assert_eq!(Reader::new(&[0xa1, 0xff]).str("s"), Err(WireError::Utf8 { field: "s" }));
        assert_eq!(Reader::new(&[0xc4, 2, 1, 2, 3]).bin("b"), Ok(&[1, 2][..]));
    }

    #[test]
    fn a_value_of_any_type_is_skipped_whole() {
        let mut reader = Reader::new(&[0x82, 0xa1, b'k', 0x91, 0xc0, 0x01, 0xc3, 0x2a]);
        reader.skip("x").unwrap();
        assert_eq!(reader.uint("y"), Ok(42));
        assert!(Reader::new(&[0x92, 0x01]).skip("x").is_err());
    }
}
