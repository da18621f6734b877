//! serde's serializer: the one form on the wire of each kind of value, as the table in [`super`] has it.
//!
//! It does not write the members of containers: [`Sequence`] and [`Members`] do.

use std::fmt::{self, Display, Write};

use rmp::Marker;
use serde::{Serialize, Serializer};

use super::encoder::Encoder;
use super::error::EncodeError;
use super::head::{Counted, counted, write_marked, write_signed, write_unsigned};
use super::members::Members;
use super::sequence::Sequence;

impl<'a> Serializer for &'a mut Encoder {
    type Ok = ();
    type Error = EncodeError;
    type SerializeSeq = Sequence<'a>;
    type SerializeTuple = Sequence<'a>;
    type SerializeTupleStruct = Members<'a>;
    type SerializeTupleVariant = Members<'a>;
    type SerializeMap = Members<'a>;
    type SerializeStruct = Members<'a>;
    type SerializeStructVariant = Members<'a>;

    #[inline]
    fn serialize_bool(self, value: bool) -> Result<(), EncodeError> {
        self.out.push(if value { Marker::True } else { Marker::False }.to_u8());
        Ok(())
    }

    #[inline]
    fn serialize_i8(self, value: i8) -> Result<(), EncodeError> {
        self.serialize_i64(value.into())
    }

    #[inline]
    fn serialize_i16(self, value: i16) -> Result<(), EncodeError> {
        self.serialize_i64(value.into())
    }

    #[inline]
    fn serialize_i32(self, value: i32) -> Result<(), EncodeError> {
        self.serialize_i64(value.into())
    }

    #[inline]
    fn serialize_i64(self, value: i64) -> Result<(), EncodeError> {
        write_signed(&mut self.out, value);
        Ok(())
    }

    fn serialize_i128(self, value: i128) -> Result<(), EncodeError> {
        match (u64::try_from(value), i64::try_from(value)) {
            (Ok(value), _) => self.serialize_u64(value),
            (_, Ok(value)) => self.serialize_i64(value),
            _ => self.serialize_bytes(&value.to_be_bytes()),
        }
    }

    #[inline]
    fn serialize_u8(self, value: u8) -> Result<(), EncodeError> {
        self.serialize_u64(value.into())
    }

    #[inline]
    fn serialize_u16(self, value: u16) -> Result<(), EncodeError> {
        self.serialize_u64(value.into())
    }

    #[inline]
    fn serialize_u32(self, value: u32) -> Result<(), EncodeError> {
        self.serialize_u64(value.into())
    }

    #[inline]
    fn serialize_u64(self, value: u64) -> Result<(), EncodeError> {
        write_unsigned(&mut self.out, value);
        Ok(())
    }

    fn serialize_u128(self, value: u128) -> Result<(), EncodeError> {
        match u64::try_from(value) {
            Ok(value) => self.serialize_u64(value),
            Err(_) => self.serialize_bytes(&value.to_be_bytes()),
        }
    }

    #[inline]
    fn serialize_f32(self, value: f32) -> Result<(), EncodeError> {
        write_marked(&mut self.out, Marker::F32, value.to_be_bytes());
        Ok(())
    }

    #[inline]
    fn serialize_f64(self, value: f64) -> Result<(), EncodeError> {
        write_marked(&mut self.out, Marker::F64, value.to_be_bytes());
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), EncodeError> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result<(), EncodeError> {
        Counted::Str.write(&mut self.out, counted(value.len())?);
        self.room(value.len());
        self.out.extend_from_slice(value.as_bytes());
        Ok(())
    }

    /// Formats into the buffer itself: a `String` between would cost an allocation for each timestamp.
    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<(), EncodeError> {
        let head = self.out.len();
        Counted::Str.write(&mut self.out, 0);
        let text = self.out.len();
        write!(Text(&mut self.out), "{value}").map_err(serde::ser::Error::custom)?;
        let len = counted(self.out.len() - text)?;
        Counted::Str.rewrite(&mut self.out, head..text, len);
        Ok(())
    }

    #[inline]
    fn serialize_bytes(self, value: &[u8]) -> Result<(), EncodeError> {
        Counted::Bin.write(&mut self.out, counted(value.len())?);
        self.room(value.len());
        self.out.extend_from_slice(value);
        Ok(())
    }

    #[inline]
    fn serialize_none(self) -> Result<(), EncodeError> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), EncodeError> {
        self.wrapped(value)
    }

    #[inline]
    fn serialize_unit(self) -> Result<(), EncodeError> {
        self.out.push(Marker::Null.to_u8());
        Ok(())
    }

    #[inline]
    fn serialize_unit_struct(self, _: &'static str) -> Result<(), EncodeError> {
        self.serialize_unit()
    }

    #[inline]
    fn serialize_unit_variant(self, _: &'static str, _: u32, name: &'static str) -> Result<(), EncodeError> {
        self.serialize_str(name)
    }

    fn serialize_newtype_struct<T>(self, _: &'static str, value: &T) -> Result<(), EncodeError>
    where
        T: Serialize + ?Sized,
    {
        self.wrapped(value)
    }

    fn serialize_newtype_variant<T>(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        value: &T,
    ) -> Result<(), EncodeError>
    where
        T: Serialize + ?Sized,
    {
        self.variant(name)?;
        value.serialize(&mut *self)?;
        self.leave(1);
        Ok(())
    }

    fn collect_seq<I>(self, items: I) -> Result<(), EncodeError>
    where
        I: IntoIterator,
        I::Item: Serialize,
    {
        Sequence::collect(self, items.into_iter())
    }

    #[inline]
    fn serialize_seq(self, len: Option<usize>) -> Result<Sequence<'a>, EncodeError> {
        Sequence::new(self, len)
    }

    #[inline]
    fn serialize_tuple(self, len: usize) -> Result<Sequence<'a>, EncodeError> {
        Sequence::new(self, Some(len))
    }

    #[inline]
    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<Members<'a>, EncodeError> {
        Members::new(self, Counted::Array, len)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        len: usize,
    ) -> Result<Members<'a>, EncodeError> {
        self.variant(name)?;
        Members::new(self, Counted::Array, len).map(Members::of_variant)
    }

    #[inline]
    fn serialize_map(self, len: Option<usize>) -> Result<Members<'a>, EncodeError> {
        Members::new(self, Counted::Map, len.unwrap_or(0))
    }

    #[inline]
    fn serialize_struct(self, _: &'static str, len: usize) -> Result<Members<'a>, EncodeError> {
        Members::new(self, Counted::Map, len)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        len: usize,
    ) -> Result<Members<'a>, EncodeError> {
        self.variant(name)?;
        Members::new(self, Counted::Map, len).map(Members::of_variant)
    }
}

/// Lets `format_args!` write at the end of a buffer of bytes.
struct Text<'a>(&'a mut Vec<u8>);

impl Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}
