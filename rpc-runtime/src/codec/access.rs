//! How serde takes the members of a container, one at a time, out of a [`Decoder`].
//!
//! Members that a visitor leaves behind are an error here: what follows them would be read in their place.

use std::slice;

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeSeed, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor};
use serde::{Deserializer, forward_to_deserialize_any};

use super::decoder::Decoder;
use super::error::DecodeError;
use super::token::Token;

/// The items of an array.
pub(super) struct Elements<'a, 'de> {
    decoder: &'a mut Decoder<'de>,
    len: u32,
    left: u32,
}

impl<'a, 'de> Elements<'a, 'de> {
    pub(super) fn new(decoder: &'a mut Decoder<'de>, len: u32) -> Self {
        Self { decoder, len, left: len }
    }

    pub(super) fn end(self) -> Result<(), DecodeError> {
        all_read(self.left as usize, self.len as usize)
    }
}

impl<'de> SeqAccess<'de> for Elements<'_, 'de> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DecodeError> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        seed.deserialize(&mut *self.decoder).map(Some)
    }

    /// Never a lie that multiplies: the scan has met each of these items, so that all hints of a message
    /// together are at most its elements.
    fn size_hint(&self) -> Option<usize> {
        Some((self.left as usize).min(self.decoder.left()))
    }
}

/// The entries of a map.
pub(super) struct Entries<'a, 'de> {
    decoder: &'a mut Decoder<'de>,
    len: u32,
    left: u32,
}

impl<'a, 'de> Entries<'a, 'de> {
    pub(super) fn new(decoder: &'a mut Decoder<'de>, len: u32) -> Self {
        Self { decoder, len, left: len }
    }

    pub(super) fn end(self) -> Result<(), DecodeError> {
        all_read(self.left as usize, self.len as usize)
    }
}

impl<'de> MapAccess<'de> for Entries<'_, 'de> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        seed.deserialize(&mut *self.decoder).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, DecodeError> {
        seed.deserialize(&mut *self.decoder)
    }

    /// Bounded as that of [`Elements`].
    fn size_hint(&self) -> Option<usize> {
        Some((self.left as usize).min(self.decoder.left()))
    }
}

/// The entries of a map that is a struct: mostly its fields, in their order.
pub(super) struct Fields<'a, 'de> {
    entries: Entries<'a, 'de>,
    names: slice::Iter<'static, &'static str>,
}

impl<'a, 'de> Fields<'a, 'de> {
    pub(super) fn new(decoder: &'a mut Decoder<'de>, len: u32, names: &'static [&'static str]) -> Self {
        Self { entries: Entries::new(decoder, len), names: names.iter() }
    }

    pub(super) fn end(self) -> Result<(), DecodeError> {
        self.entries.end()
    }
}

impl<'de> MapAccess<'de> for Fields<'_, 'de> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        self.entries.decoder.expected = self.names.next().copied();
        let key = self.entries.next_key_seed(seed);
        // A key that was read in another way was no name.
        self.entries.decoder.expected = None;
        key
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, DecodeError> {
        self.entries.next_value_seed(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        self.entries.size_hint()
    }
}

/// The items of a byte string.
pub(super) struct Bytes<'a, 'de> {
    decoder: &'a mut Decoder<'de>,
    len: usize,
    left: slice::Iter<'de, u8>,
}

impl<'a, 'de> Bytes<'a, 'de> {
    pub(super) fn new(decoder: &'a mut Decoder<'de>, bytes: &'de [u8]) -> Self {
        Self { decoder, len: bytes.len(), left: bytes.iter() }
    }

    pub(super) fn end(self) -> Result<(), DecodeError> {
        all_read(self.left.len(), self.len)
    }
}

impl<'de> SeqAccess<'de> for Bytes<'_, 'de> {
    type Error = DecodeError;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DecodeError> {
        let Some(&value) = self.left.next() else { return Ok(None) };
        seed.deserialize(Byte { value, decoder: self.decoder }).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left.len())
    }
}

/// One item of a byte string. The scan counted the string as one element: whatever is not read as a `u8` may
/// be larger in memory (serde's buffer takes 32 bytes an item), so that it is charged as the element that it
/// becomes.
struct Byte<'a, 'de> {
    value: u8,
    decoder: &'a mut Decoder<'de>,
}

impl<'de> Deserializer<'de> for Byte<'_, 'de> {
    type Error = DecodeError;

    #[inline]
    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_u8(self.value)
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.decoder.charge_byte()?;
        visitor.visit_u8(self.value)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.decoder.charge_byte()?;
        self.decoder.open_wrapper()?;
        let value = visitor.visit_some(Byte { value: self.value, decoder: self.decoder });
        self.decoder.close_wrapper();
        value
    }

    fn deserialize_newtype_struct<V>(self, _: &'static str, visitor: V) -> Result<V::Value, DecodeError>
    where
        V: Visitor<'de>,
    {
        self.decoder.open_wrapper()?;
        let value = visitor.visit_newtype_struct(Byte { value: self.value, decoder: self.decoder });
        self.decoder.close_wrapper();
        value
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map struct enum identifier
    }
}

/// A variant that is the one entry of a map: its name, then its content.
pub(super) struct Variant<'a, 'de> {
    decoder: &'a mut Decoder<'de>,
}

impl<'a, 'de> Variant<'a, 'de> {
    pub(super) fn new(decoder: &'a mut Decoder<'de>) -> Self {
        Self { decoder }
    }
}

impl<'de> EnumAccess<'de> for Variant<'_, 'de> {
    type Error = DecodeError;
    type Variant = Self;

    /// Only a name will do: an index would change its meaning with the order of the variants.
    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self), DecodeError> {
        match self.decoder.token()? {
            Token::Str(name) => {
                let name = BorrowedStrDeserializer::<DecodeError>::new(name);
                Ok((seed.deserialize(name)?, self))
            }
            other => Err(other.is_not(&"the name of a variant")),
        }
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, 'de> {
    type Error = DecodeError;

    fn unit_variant(self) -> Result<(), DecodeError> {
        match self.decoder.token()? {
            Token::Nil => Ok(()),
            other => Err(other.is_not(&"unit variant")),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, DecodeError> {
        seed.deserialize(self.decoder)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, DecodeError> {
        self.decoder.deserialize_seq(visitor)
    }

    fn struct_variant<V>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, DecodeError>
    where
        V: Visitor<'de>,
    {
        self.decoder.deserialize_map(visitor)
    }
}

fn all_read(left: usize, len: usize) -> Result<(), DecodeError> {
    match left {
        0 => Ok(()),
        _ => Err(Error::invalid_length(len, &&*format!("{} members", len - left))),
    }
}
