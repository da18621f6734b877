//! A method's arguments: one positional array, so that a method can grow during a rolling upgrade.
//!
//! A missing argument at the end is what its type makes of that (`None`, a default, an error); a surplus one is
//! ignored. Names never travel: they are for errors. Arguments that stream take no place here.

use std::ops::Range;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, forward_to_deserialize_any};

use super::deserializer::{Decoder, Token};
use super::error::{DecodeError, EncodeError};
use super::head::Counted;
use super::scan::ScanLimits;
use super::serializer::Encoder;

/// Writes arguments at the end of a buffer: `ArgumentsEncoder::new(out, 2).argument(&a)?.argument(&b)?.finish()`.
#[derive(Debug)]
pub struct ArgumentsEncoder<'a> {
    out: &'a mut Vec<u8>,
    head: Range<usize>,
    announced: u32,
    written: u32,
}

impl<'a> ArgumentsEncoder<'a> {
    /// Begins the array of `count` arguments.
    pub fn new(out: &'a mut Vec<u8>, count: u32) -> Self {
        let start = out.len();
        Counted::Array.write(out, count);
        let head = start..out.len();
        Self { out, head, announced: count, written: 0 }
    }

    /// Writes the next argument.
    ///
    /// # Errors
    /// It cannot be encoded, as [`encode`](super::encode) says; the buffer is then what it was before the arguments.
    pub fn argument<T: Serialize + ?Sized>(self, value: &T) -> Result<Self, EncodeError> {
        if let Err(error) = Encoder::append(value, self.out, 1) {
            self.out.truncate(self.head.start);
            return Err(error);
        }
        Ok(Self { written: self.written + 1, ..self })
    }

    /// Ends the array; it holds what was written, whatever count was announced.
    pub fn finish(self) {
        if self.written != self.announced {
            Counted::Array.rewrite(self.out, self.head, self.written);
        }
    }
}

/// Reads arguments in their order. After an error of an argument, those behind it cannot be read.
#[derive(Debug)]
pub struct ArgumentsDecoder<'de> {
    decoder: Decoder<'de>,
    left: u32,
}

impl<'de> ArgumentsDecoder<'de> {
    /// Scans `bytes`, which must be one array within `limits`.
    ///
    /// # Errors
    /// They are not.
    pub fn new(bytes: &'de [u8], limits: &ScanLimits) -> Result<Self, DecodeError> {
        let mut decoder = Decoder::new(bytes, limits)?;
        match decoder.token()? {
            Token::Array(left) => Ok(Self { decoder, left }),
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

/// An argument that was not sent: nothing but an option can be read from it, as from a field that serde misses.
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
