//! A method's arguments: one positional array, so that a method can grow during a rolling upgrade.
//!
//! A missing argument at the end is what its type makes of that (`None`, a default, an error); a surplus one
//! is ignored. Names never travel: they are for errors. Arguments that stream take no place here.

use std::ops::Range;

use bytes::Bytes;
use serde::de::{DeserializeOwned, Visitor};
use serde::{Deserialize, Deserializer, Serialize, forward_to_deserialize_any};

use super::bytes::{Encoded, is_bytes, shared, write_head};
use super::decoder::Decoder;
use super::encoder::Encoder;
use super::error::{DecodeError, EncodeError};
use super::head::Counted;
use super::scan::ScanLimits;
use super::token::Token;

/// Writes arguments at the end of a buffer: `ArgumentsEncoder::new(out,
/// 2).argument(&a)?.argument(&b)?.finish()`.
#[derive(Debug)]
pub struct ArgumentsEncoder<'a> {
    out: &'a mut Vec<u8>,
    head: Range<usize>,
    announced: u32,
    written: u32,
    /// Bytes that follow what is written.
    tail: Option<Bytes>,
}

impl<'a> ArgumentsEncoder<'a> {
    /// Begins the array of `count` arguments.
    pub fn new(out: &'a mut Vec<u8>, count: u32) -> Self {
        let start = out.len();
        Counted::Array.write(out, count);
        let head = start..out.len();
        Self { out, head, announced: count, written: 0, tail: None }
    }

    /// Writes the next argument.
    ///
    /// # Errors
    /// It cannot be encoded, as [`encode`](super::encode) says; the buffer is then what it was before the
    /// arguments.
    pub fn argument<T: Serialize + ?Sized>(self, value: &T) -> Result<Self, EncodeError> {
        if let Err(error) = Encoder::append(value, self.out, 1) {
            self.out.truncate(self.head.start);
            return Err(error);
        }
        Ok(Self { written: self.written + 1, ..self })
    }

    /// The same for a type that borrows nothing: the last argument stays where it is if it is long [`Bytes`].
    ///
    /// # Errors
    /// As [`argument`](Self::argument).
    pub fn argument_owned<T: Serialize + 'static>(mut self, value: &T) -> Result<Self, EncodeError> {
        let is_last = self.written + 1 == self.announced;
        let Some(tail) = is_last.then(|| shared(value)).flatten() else { return self.argument(value) };
        write_head(self.out, &tail)?;
        self.tail = Some(tail);
        Ok(Self { written: self.written + 1, ..self })
    }

    /// Ends the array; it holds what was written, whatever count was announced. What comes back belongs behind it.
    pub fn finish(self) -> Option<Bytes> {
        if self.written != self.announced {
            Counted::Array.rewrite(self.out, self.head, self.written);
        }
        self.tail
    }
}

/// Reads arguments in their order. After an error of an argument, those behind it cannot be read.
#[derive(Debug)]
pub struct ArgumentsDecoder<'de> {
    decoder: Decoder<'de>,
    encoded: Encoded<'de>,
    left: u32,
}

impl<'de> ArgumentsDecoder<'de> {
    /// Scans `bytes`, which must be one array within `limits`.
    ///
    /// # Errors
    /// They are not.
    pub fn new(bytes: &'de [u8], limits: &ScanLimits) -> Result<Self, DecodeError> {
        Self::within(bytes.into(), limits)
    }

    /// The same, for arguments that may share what the bytes lie in.
    ///
    /// # Errors
    /// They are not.
    pub fn within(encoded: Encoded<'de>, limits: &ScanLimits) -> Result<Self, DecodeError> {
        let mut decoder = Decoder::new(encoded.bytes, limits)?;
        match decoder.token()? {
            Token::Array(left) => Ok(Self { decoder, encoded, left }),
            other => Err(other.is_not(&"an array of arguments")),
        }
    }

    /// Reads the next argument, which errors call `name`; one that was not sent is `None` if that is a `T`.
    ///
    /// # Errors
    /// It was not sent or is no `T`.
    pub fn next<T: Deserialize<'de>>(&mut self, name: &'static str) -> Result<T, DecodeError> {
        let Some(left) = self.left.checked_sub(1) else { return T::deserialize(Missing { name }) };
        self.left = left;
        T::deserialize(&mut self.decoder).map_err(|error| error.in_argument(name))
    }

    /// The same for a type that borrows nothing, as [`decode_owned`](super::decode_owned) has it.
    ///
    /// # Errors
    /// It was not sent or is no `T`.
    pub fn next_owned<T: DeserializeOwned + 'static>(
        &mut self,
        name: &'static str,
    ) -> Result<T, DecodeError> {
        if is_bytes::<T>()
            && let Some(left) = self.left.checked_sub(1)
            && let Some(value) = self.decoder.byte_string().and_then(|found| self.encoded.take(found))
        {
            self.left = left;
            return Ok(value);
        }
        self.next(name)
    }

    /// Reads the next argument, which errors call `name`; one that was not sent is the default.
    ///
    /// # Errors
    /// It is no `T`.
    pub fn next_or_default<T: Deserialize<'de> + Default>(
        &mut self,
        name: &'static str,
    ) -> Result<T, DecodeError> {
        match self.left {
            0 => Ok(T::default()),
            _ => self.next(name),
        }
    }
}

/// An argument that was not sent: nothing but an option can be read from it, as from a field that serde
/// misses.
struct Missing {
    name: &'static str,
}

impl<'de> Deserializer<'de> for Missing {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, DecodeError> {
        Err(DecodeError::missing_argument(self.name))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_none()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde_bytes::ByteBuf;

    use super::super::{ScanError, encode};
    use super::*;
    use crate::limits::MAX_DEPTH;

    const LIMITS: ScanLimits = ScanLimits { depth: MAX_DEPTH, elements: 1_000 };

    fn two<A: Serialize, B: Serialize>(a: &A, b: &B) -> Vec<u8> {
        let mut out = Vec::new();
        ArgumentsEncoder::new(&mut out, 2).argument(a).unwrap().argument(b).unwrap().finish();
        out
    }

    #[test]
    fn arguments_are_one_array_even_if_all_are_bytes() {
        assert_eq!(two(&1_u8, &200_u8), [0x92, 1, 0xcc, 200]);
        let mut out = vec![7];
        ArgumentsEncoder::new(&mut out, 0).finish();
        assert_eq!(out, [7, 0x90]);
    }

    #[test]
    fn a_count_that_was_wrong_is_put_right() {
        let mut out = vec![7];
        ArgumentsEncoder::new(&mut out, 20).argument("a").unwrap().finish();
        assert_eq!(out, [7, 0x91, 0xa1, b'a']);
    }

    #[test]
    fn arguments_are_read_in_order_and_borrow() {
        let bytes = two(&"text", &vec![1_u8, 2]);
        let mut arguments = ArgumentsDecoder::new(&bytes, &LIMITS).unwrap();
        assert_eq!(arguments.next::<&str>("a").unwrap(), "text");
        assert_eq!(arguments.next::<&[u8]>("b").unwrap(), [1, 2]);
    }

    #[test]
    fn a_missing_argument_is_none_or_a_default_or_an_error() {
        type Alias<T> = Option<T>;
        let mut arguments = ArgumentsDecoder::new(&[0x91, 5], &LIMITS).unwrap();
        assert_eq!(arguments.next_or_default::<u8>("a").unwrap(), 5);
        assert_eq!(arguments.next_or_default::<u8>("b").unwrap(), 0);
        assert_eq!(arguments.next::<Alias<String>>("c").unwrap(), None);
        for _ in 0..2 {
            let error = arguments.next::<()>("d").unwrap_err();
            assert_eq!((error.argument(), error.to_string().as_str()), (Some("d"), "missing argument `d`"));
        }
        assert!(arguments.next::<Vec<u8>>("e").is_err());
    }

    #[test]
    fn a_surplus_argument_is_ignored_but_scanned() {
        let mut arguments = ArgumentsDecoder::new(&[0x92, 5, 0x91, 0xc0], &LIMITS).unwrap();
        assert_eq!(arguments.next::<u8>("a").unwrap(), 5);
        let error = ArgumentsDecoder::new(&[0x92, 5, 0xc1], &LIMITS).unwrap_err();
        assert_eq!(error.scan_error(), Some(&ScanError::Reserved { at: 2 }));
    }

    #[test]
    fn an_error_names_its_argument() {
        let bytes = two(&5, &"text");
        let mut arguments = ArgumentsDecoder::new(&bytes, &LIMITS).unwrap();
        arguments.next::<i64>("a").unwrap();
        let error = arguments.next_or_default::<i64>("b").unwrap_err();
        assert_eq!(error.to_string(), "argument `b`: invalid type: string \"text\", expected i64");
        let error = ArgumentsDecoder::new(&[0x80], &LIMITS).unwrap_err();
        assert_eq!(error.to_string(), "invalid type: map, expected an array of arguments");
        let error = ArgumentsDecoder::new(&[0xc4, 1, 1], &LIMITS).unwrap_err();
        assert_eq!(error.to_string(), "invalid type: byte array, expected an array of arguments");
    }

    #[test]
    fn an_argument_that_cannot_be_encoded_leaves_the_buffer_as_it_was() {
        let mut out = vec![7];
        let nested = (0..63).fold(serde_json::Value::Null, |inner, _| serde_json::json!([inner]));
        ArgumentsEncoder::new(&mut out, 1).argument(&nested).unwrap().finish();
        assert!(ArgumentsDecoder::new(&out[1..], &LIMITS).is_ok(), "what goes out comes in");
        out.truncate(1);
        let deeper = serde_json::json!([nested]);
        assert!(ArgumentsEncoder::new(&mut out, 2).argument("a").unwrap().argument(&deeper).is_err());
        assert_eq!(out, [7]);
        assert!(encode(&deeper, &mut out).is_ok(), "the array of arguments was the container too many");
    }

    #[test]
    fn the_arguments_share_one_budget_of_elements() {
        let bytes = two(&vec![1_u8; 600], &ByteBuf::from(vec![1_u8; 600]));
        let mut arguments = ArgumentsDecoder::new(&bytes, &LIMITS).unwrap();
        assert_eq!(arguments.next::<Vec<u64>>("a").unwrap().len(), 600);
        assert!(arguments.next::<Vec<u64>>("b").is_err());
    }
}
