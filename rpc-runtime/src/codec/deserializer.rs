//! serde's deserializer: which forms on the wire each kind of value is read from.
//!
//! It neither reads bytes, which is the [`Decoder`]'s, nor hands out the members of containers: [`super::access`].

use serde::Deserializer;
use serde::de::{Error, IntoDeserializer, Visitor};

use super::access::{Bytes, Elements, Entries, Fields, Variant};
use super::decoder::Decoder;
use super::error::DecodeError;
use super::token::Token;

/// Methods for types that are one scalar: which one, and in which range, their visitors judge.
macro_rules! scalars {
    ($($read:ident: $($method:ident)*;)*) => {$($(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            self.$read(visitor)
        }
    )*)*};
}

impl<'de> Deserializer<'de> for &mut Decoder<'de> {
    type Error = DecodeError;

    scalars! {
        number: deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64;
        number: deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64;
        number: deserialize_f32 deserialize_f64;
        string: deserialize_char deserialize_str deserialize_string;
        identifier: deserialize_identifier;
        scalar: deserialize_bool deserialize_unit;
    }

    /// What serde buffers comes this way, and what it buffers as bytes could never be read as a sequence:
    /// bytes are offered as their items, and each is charged.
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
        if self.take_nil() {
            return visitor.visit_none();
        }
        self.open_wrapper()?;
        let value = visitor.visit_some(&mut *self);
        self.close_wrapper();
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
        self.open_wrapper()?;
        let value = visitor.visit_newtype_struct(&mut *self);
        self.close_wrapper();
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
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError>
    where
        V: Visitor<'de>,
    {
        match self.token()? {
            Token::Map(len) => {
                let mut fields = Fields::new(self, len, names);
                let value = visitor.visit_map(&mut fields)?;
                fields.end()?;
                Ok(value)
            }
            other => Err(other.is_not(&visitor)),
        }
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

impl<'de> Decoder<'de> {
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
