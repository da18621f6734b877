//! Byte strings that are a whole argument or a whole value: read in one copy, or in none, where serde would hand over
//! byte by byte or copy. Those that lie deeper are read by `deserializer`.

use std::any::{Any, TypeId};

use bytes::Bytes;

use super::error::EncodeError;
use super::head::{Counted, counted};
use crate::limits::INLINE_PAYLOAD;

/// Encoded bytes that are to be read.
#[derive(Clone, Copy, Debug)]
pub struct Encoded<'de> {
    pub(super) bytes: &'de [u8],
    /// What they are a part of, if values may share it.
    owner: Option<&'de Bytes>,
}

impl<'de> Encoded<'de> {
    /// Bytes that lie in `owner`, which values that are read from them may share.
    pub const fn within(bytes: &'de [u8], owner: Option<&'de Bytes>) -> Self {
        Self { bytes, owner }
    }

    /// All of them.
    pub const fn bytes(self) -> &'de [u8] {
        self.bytes
    }

    /// A byte string of these as a `T`, which is one of the types that [`is_bytes`] knows.
    pub(super) fn take<T: 'static>(self, bytes: &'de [u8]) -> Option<T> {
        let mut taken = None::<T>;
        let place: &mut dyn Any = &mut taken;
        if let Some(place) = place.downcast_mut::<Option<Vec<u8>>>() {
            *place = Some(bytes.to_vec());
        } else if let Some(place) = place.downcast_mut::<Option<Bytes>>() {
            *place = Some(match self.owner {
                // A value that is a small part of its message would keep all of that alive.
                Some(owner) if bytes.len() >= owner.len() / 2 => owner.slice_ref(bytes),
                _ => Bytes::copy_from_slice(bytes),
            });
        }
        taken
    }
}

impl<'de> From<&'de [u8]> for Encoded<'de> {
    fn from(bytes: &'de [u8]) -> Self {
        Self { bytes, owner: None }
    }
}

/// Takes bytes that may leave as they are out of what they were: a `Vec<u8>` or `Bytes`, if they are many.
pub(super) fn leaving<T: 'static>(value: &mut Option<T>) -> Option<Bytes> {
    let place: &mut dyn Any = value;
    if let Some(place) = place.downcast_mut::<Option<Vec<u8>>>() {
        return place.take_if(|bytes| is_long(bytes)).map(Bytes::from);
    }
    place.downcast_mut::<Option<Bytes>>()?.take_if(|bytes| is_long(bytes))
}

/// The same of what is lent, and can be had without a copy: `Bytes`.
pub(super) fn shared<T: 'static>(value: &T) -> Option<Bytes> {
    let value: &dyn Any = value;
    value.downcast_ref::<Bytes>().filter(|bytes| is_long(bytes)).cloned()
}

/// Writes the head of a byte string that follows elsewhere.
pub(super) fn write_head(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), EncodeError> {
    Counted::Bin.write(out, counted(bytes.len())?);
    Ok(())
}

/// A copy of a few bytes costs less than keeping account of them.
const fn is_long(bytes: &[u8]) -> bool {
    bytes.len() > INLINE_PAYLOAD
}

/// Whether a `T` is bytes and nothing else: `Vec<u8>` or `Bytes`. The compiler knows.
pub(super) fn is_bytes<T: 'static>() -> bool {
    TypeId::of::<T>() == TypeId::of::<Vec<u8>>() || TypeId::of::<T>() == TypeId::of::<Bytes>()
}

#[cfg(test)]
mod tests {
    use super::super::{
        ArgumentsDecoder, ArgumentsEncoder, DecodeError, ScanLimits, decode_owned, encode_owned,
    };
    use super::*;
    use crate::call::Load;

    const LONG: usize = INLINE_PAYLOAD + 1;

    fn limits() -> ScanLimits {
        ScanLimits::for_body(LONG)
    }

    fn within(owner: &Bytes) -> Encoded<'_> {
        Encoded::within(owner, Some(owner))
    }

    /// The encoded value, and whether it lies where the value did.
    fn sent<T: serde::Serialize + 'static>(value: T, at: *const u8) -> (Vec<u8>, bool) {
        let mut load = Load::from(vec![7]);
        encode_owned(value, &mut load).unwrap();
        let [_, tail] = load.part(0..load.len());
        (load.bytes()[1..].to_vec(), tail.as_ptr() == at)
    }

    #[test]
    fn long_bytes_leave_from_where_they_are_and_short_ones_do_not() {
        let long = vec![5; LONG];
        let encoded = [&[0xc5, 0x40, 0x01][..], &long].concat();
        let at = long.as_ptr();
        assert_eq!(sent(long.clone(), at), (encoded.clone(), false), "another buffer");
        assert_eq!(sent(long, at), (encoded.clone(), true));
        let long = Bytes::from(vec![5; LONG]);
        assert_eq!(sent(long.clone(), long.as_ptr()), (encoded, true));
        let short = Bytes::from_static(b"ab");
        assert_eq!(sent(short.clone(), short.as_ptr()), (vec![0xc4, 2, b'a', b'b'], false));
        assert_eq!(sent(vec![300_u16; 2], at), (vec![0x92, 0xcd, 1, 44, 0xcd, 1, 44], false));
    }

    #[test]
    fn only_a_last_argument_stays_where_it_is() {
        let long = Bytes::from(vec![5; LONG]);
        let (mut last, mut first) = (Vec::new(), Vec::new());
        let encoder = ArgumentsEncoder::new(&mut last, 2).argument(&1).unwrap();
        assert_eq!(encoder.argument_owned(&long).unwrap().finish(), Some(long.clone()));
        assert_eq!(last, [0x92, 1, 0xc5, 0x40, 0x01]);
        let encoder = ArgumentsEncoder::new(&mut first, 2).argument_owned(&long).unwrap();
        assert_eq!(encoder.argument(&1).unwrap().finish(), None);
        assert_eq!(first.len(), 1 + 3 + LONG + 1);
        let all = [&last[..], &long].concat();
        let mut arguments = ArgumentsDecoder::new(&all, &limits()).unwrap();
        assert_eq!(arguments.next::<u8>("a").unwrap(), 1);
        assert_eq!(arguments.next_owned::<Vec<u8>>("b").unwrap(), long);
    }

    #[test]
    fn bytes_share_their_message_unless_they_are_a_small_part_of_it() {
        let message = Bytes::from([&[0xc4, 3][..], b"abc"].concat());
        let shared: Bytes = decode_owned(within(&message), &limits()).unwrap();
        assert_eq!((&shared[..], shared.as_ptr()), (&b"abc"[..], message[2..].as_ptr()));
        let copied: Bytes = decode_owned(message[..].into(), &limits()).unwrap();
        assert_eq!((&copied[..], copied.as_ptr() == shared.as_ptr()), (&b"abc"[..], false));
        let large = Bytes::from([&[0x92, 0xc4, 3][..], b"abc", &[0xc4, 9], &[0; 9]].concat());
        let mut arguments = ArgumentsDecoder::within(within(&large), &limits()).unwrap();
        let small: Bytes = arguments.next_owned("a").unwrap();
        assert_eq!((&small[..], small.as_ptr() == large[3..].as_ptr()), (&b"abc"[..], false));
    }

    #[test]
    fn whatever_is_no_byte_string_is_read_as_ever() {
        let read = |bytes: &[u8]| -> Result<Vec<u8>, DecodeError> { decode_owned(bytes.into(), &limits()) };
        assert!(read(&[0x90]).unwrap().is_empty());
        assert_eq!(read(&[0x92, 1, 0xcc, 200]).unwrap(), [1, 200]);
        assert_eq!(read(&[0xc4, 1, 5]).unwrap(), [5]);
        for wrong in [&[0xa1, b'x'][..], &[0xc4, 2, 5], &[0xc4, 1, 5, 5], &[0x91, 0xcd, 1, 0]] {
            assert!(read(wrong).is_err(), "{wrong:x?}");
        }
        assert!(decode_owned::<Bytes>((&[0xa1, b'x'][..]).into(), &limits()).is_err());
        assert_eq!(decode_owned::<Bytes>((&[0x91, 5][..]).into(), &limits()).unwrap(), [5][..]);
    }
}
