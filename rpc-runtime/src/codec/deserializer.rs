//! The [`Decoder`]: serde's deserializer over scanned bytes, of which text and byte strings are borrowed.
//!
//! It does not bound depth, members or lengths: [`super::scan`] did. It bounds the two things that no scan can see,
//! the recursion that consumes no byte and the memory of bytes that are read as something larger.

use rmp::Marker;
use serde::Deserializer;
use serde::de::{Error, Expected, IntoDeserializer, Unexpected, Visitor};

use super::access::{Bytes, Elements, Entries, Variant};
use super::error::DecodeError;
use super::head::{Head, NoHead};
use super::scan::{ScanLimits, scan, scan_prefix};
use crate::limits::{MAX_DEPTH, MAX_WRAPPERS};

/// Reads one value after the other from bytes that passed the scan.
#[derive(Debug)]
pub(super) struct Decoder<'de> {
    rest: &'de [u8],
    /// How many bytes there were at first: errors count from there.
    len: usize,
    limit: u32,
    elements_left: u32,
    wrappers_left: u16,
}

/// A scalar, or the head of a container whose members follow.
#[derive(Clone, Copy)]
pub(super) enum Token<'de> {
    Nil,
    Bool(bool),
    Unsigned(u64),
    Negative(i64),
    F32(f32),
    F64(f64),
    Str(&'de str),
    Bin(&'de [u8]),
    Array(u32),
    Map(u32),
}

impl<'de> Decoder<'de> {
    /// Scans `bytes`, which must be one value within `limits`, and stands before it.
    pub(super) fn new(bytes: &'de [u8], limits: &ScanLimits) -> Result<Self, DecodeError> {
        let elements = scan(bytes, limits)?;
        Ok(Self {
            rest: bytes,
            len: bytes.len(),
            limit: limits.elements,
            elements_left: limits.elements.saturating_sub(elements),
            wrappers_left: MAX_WRAPPERS,
        })
    }

    /// How many bytes are not read yet.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    pub(super) fn token(&mut self) -> Result<Token<'de>, DecodeError> {
        let (head, rest) = Head::read(self.rest).map_err(|why| self.cut(why))?;
        self.rest = rest;
        Ok(match head {
            Head::Nil => Token::Nil,
            Head::Bool(value) => Token::Bool(value),
            Head::Unsigned(value) => Token::Unsigned(value),
            Head::Negative(value) => Token::Negative(value),
            Head::F32(value) => Token::F32(value),
            Head::F64(value) => Token::F64(value),
            Head::Str(len) => {
                let bytes = self.take(len)?;
                Token::Str(str::from_utf8(bytes).map_err(|_| Token::Bin(bytes).is_not(&"text in UTF-8"))?)
            }
            Head::Bin(len) => Token::Bin(self.take(len)?),
            Head::Array(len) => Token::Array(len),
            Head::Map(len) => Token::Map(len),
        })
    }

    fn take(&mut self, len: u32) -> Result<&'de [u8], DecodeError> {
        let (taken, rest) =
            self.rest.split_at_checked(len as usize).ok_or_else(|| self.cut(NoHead::Truncated))?;
        self.rest = rest;
        Ok(taken)
    }

    /// After the scan this happens only where a user's `Deserialize` left a value half read.
    #[cold]
    fn cut(&self, why: NoHead) -> DecodeError {
        why.at(self.len - self.rest.len()).into()
    }

    /// Passes over one value.
    pub(super) fn skip(&mut self) -> Result<(), DecodeError> {
        let len = scan_prefix(self.rest, &ScanLimits { depth: MAX_DEPTH, elements: u32::MAX })?;
        self.rest = &self.rest[len..];
        Ok(())
    }

    /// Charges a byte that becomes something larger, as a scanned element was.
    pub(super) fn charge_byte(&mut self) -> Result<(), DecodeError> {
        let left = self.elements_left.checked_sub(1);
        self.elements_left = left.ok_or_else(|| DecodeError::too_many_bytes(self.limit))?;
        Ok(())
    }

    /// Opens a newtype or option here, to be closed by [`unwrap`](Self::unwrap).
    pub(super) fn wrap(&mut self) -> Result<(), DecodeError> {
        self.wrappers_left = self.wrappers_left.checked_sub(1).ok_or_else(DecodeError::too_wrapped)?;
        Ok(())
    }

    pub(super) fn unwrap(&mut self) {
        self.wrappers_left += 1;
    }

    fn scalar<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, DecodeError> {
        self.token()?.scalar(visitor)
    }

    /// The members of the map whose head was read: all of them, or an error.
    fn entries<V: Visitor<'de>>(&mut self, len: u32, visitor: V) -> Result<V::Value, DecodeError> {
        let mut entries = Entries::new(self, len);
        let value = visitor.visit_map(&mut entries)?;
        entries.end()?;
        Ok(value)
    }

    /// The items of an array, or of a byte string, each of which is a `u8`: all of them, or an error.
    fn items<V: Visitor<'de>>(&mut self, token: Token<'de>, visitor: V) -> Result<V::Value, DecodeError> {
        match token {
            Token::Array(len) => {
                let mut elements = Elements::new(self, len);
                let value = visitor.visit_seq(&mut elements)?;
                elements.end()?;
                Ok(value)
            }
            Token::Bin(bytes) => {
                let mut bytes = Bytes::new(self, bytes);
                let value = visitor.visit_seq(&mut bytes)?;
                bytes.end()?;
                Ok(value)
            }
            other => Err(other.is_not(&visitor)),
        }
    }

    /// A number of 128 bits: one that needs them travels as its 16 bytes.
    fn wide<V: Visitor<'de>>(
        &mut self,
        visitor: V,
        visit: impl FnOnce(V, [u8; 16]) -> Result<V::Value, DecodeError>,
    ) -> Result<V::Value, DecodeError> {
        match self.token()? {
            Token::Unsigned(value) => visitor.visit_u64(value),
            Token::Negative(value) => visitor.visit_i64(value),
            token @ Token::Bin(bytes) => match bytes.try_into() {
                Ok(bytes) => visit(visitor, bytes),
                Err(_) => Err(token.is_not(&visitor)),
            },
            other => Err(other.is_not(&visitor)),
        }
    }

    /// An array where bytes are wanted: a sender that did not know, or an empty sequence.
    fn small_numbers(&mut self, len: u32) -> Result<Vec<u8>, DecodeError> {
        (0..len)
            .map(|_| match self.token()? {
                Token::Unsigned(value @ 0..=0xff) => Ok(value as u8),
                other => Err(other.is_not(&"a byte")),
            })
            .collect()
    }
}

impl<'de> Token<'de> {
    fn scalar<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self {
            Token::Nil => visitor.visit_unit(),
            Token::Bool(value) => visitor.visit_bool(value),
            Token::Unsigned(value) => visitor.visit_u64(value),
            Token::Negative(value) => visitor.visit_i64(value),
            Token::F32(value) => visitor.visit_f32(value),
            Token::F64(value) => visitor.visit_f64(value),
            Token::Str(value) => visitor.visit_borrowed_str(value),
            other => Err(other.is_not(&visitor)),
        }
    }

    #[cold]
    pub(super) fn is_not(self, expected: &dyn Expected) -> DecodeError {
        let met = match self {
            Self::Nil => Unexpected::Other("nil"),
            Self::Bool(value) => Unexpected::Bool(value),
            Self::Unsigned(value) => Unexpected::Unsigned(value),
            Self::Negative(value) => Unexpected::Signed(value),
            Self::F32(value) => Unexpected::Float(value.into()),
            Self::F64(value) => Unexpected::Float(value),
            Self::Str(value) => Unexpected::Str(value),
            Self::Bin(value) => Unexpected::Bytes(value),
            Self::Array(_) => Unexpected::Seq,
            Self::Map(_) => Unexpected::Map,
        };
        Error::invalid_type(met, expected)
    }
}

/// Methods for types that are one scalar: which one, and in which range, their visitors judge.
macro_rules! scalars {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            self.scalar(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for &mut Decoder<'de> {
    type Error = DecodeError;

    scalars! {
        deserialize_bool
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_f32 deserialize_f64
        deserialize_char deserialize_str deserialize_string deserialize_identifier
        deserialize_unit
    }

    /// What serde buffers comes this way, and what it buffers as bytes could never be read as a sequence: bytes are
    /// offered as their items, and each is charged.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.token()? {
            token @ (Token::Array(_) | Token::Bin(_)) => self.items(token, visitor),
            Token::Map(len) => self.entries(len, visitor),
            token => token.scalar(visitor),
        }
    }

    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.wide(visitor, |visitor, bytes| visitor.visit_i128(i128::from_be_bytes(bytes)))
    }

    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.wide(visitor, |visitor, bytes| visitor.visit_u128(u128::from_be_bytes(bytes)))
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_byte_buf(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.token()? {
            Token::Bin(bytes) => visitor.visit_borrowed_bytes(bytes),
            Token::Array(0) => visitor.visit_borrowed_bytes(&[]),
            Token::Array(len) => visitor.visit_byte_buf(self.small_numbers(len)?),
            other => Err(other.is_not(&visitor)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if let [NIL, rest @ ..] = self.rest {
            self.rest = rest;
            return visitor.visit_none();
        }
        self.wrap()?;
        let value = visitor.visit_some(&mut *self);
        self.unwrap();
        value
    }

    fn deserialize_unit_struct<V>(self, _: &'static str, visitor: V) -> Result<V::Value, DecodeError>
    where
        V: Visitor<'de>,
    {
        self.scalar(visitor)
    }

    fn deserialize_newtype_struct<V>(self, _: &'static str, visitor: V) -> Result<V::Value, DecodeError>
    where
        V: Visitor<'de>,
    {
        self.wrap()?;
        let value = visitor.visit_newtype_struct(&mut *self);
        self.unwrap();
        value
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let token = self.token()?;
        self.items(token, visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError>
    where
        V: Visitor<'de>,
    {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.token()? {
            Token::Map(len) => self.entries(len, visitor),
            other => Err(other.is_not(&visitor)),
        }
    }

    /// A struct is never read from an array: it would seem to work until a field is added.
    fn deserialize_struct<V>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError>
    where
        V: Visitor<'de>,
    {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError>
    where
        V: Visitor<'de>,
    {
        match self.token()? {
            Token::Str(name) => visitor.visit_enum(name.into_deserializer()),
            Token::Map(1) => visitor.visit_enum(Variant::new(self)),
            Token::Map(len) => Err(Error::invalid_length(len as usize, &"a map of one entry, the variant")),
            other => Err(other.is_not(&visitor)),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.skip()?;
        visitor.visit_unit()
    }
}

const NIL: u8 = Marker::Null.to_u8();
