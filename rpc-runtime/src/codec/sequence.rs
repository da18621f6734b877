//! [`Sequence`]: a sequence or tuple, which becomes a byte string if every item turns out to be a `u8`.
//!
//! serde's data model has no way to ask: `Vec<u8>` and a vector of an untagged enum look alike until an item
//! is written. So the first item decides, an item that is no `u8` after some that were puts them right, and
//! no item is serialized twice. A newtype of a `u8` counts as one; an option does not, or the form would
//! depend on the data.

use std::fmt::Display;
use std::ops::Range;

use serde::ser::{SerializeSeq, SerializeTuple};
use serde::{Serialize, Serializer};

use super::encoder::Encoder;
use super::error::EncodeError;
use super::head::{Counted, counted, write_unsigned};
use super::members::Members;
use crate::limits;

/// An open sequence.
pub(super) struct Sequence<'a> {
    encoder: &'a mut Encoder,
    form: Form,
    /// The length that it was opened with, if any: all heads but a wrong one are written once.
    announced: Option<usize>,
    written: usize,
    head: Range<usize>,
}

/// ```text
/// Undecided ── a u8 ──▶ Bytes ── anything else ──▶ Array
///     └─────────────── anything else ────────────────▲
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    /// No item yet, and no head: an empty sequence is an array, for want of a byte.
    Undecided,
    Bytes,
    Array,
}

impl<'a> Sequence<'a> {
    #[inline]
    pub(super) fn new(encoder: &'a mut Encoder, announced: Option<usize>) -> Result<Self, EncodeError> {
        encoder.enter()?;
        let head = encoder.out.len()..encoder.out.len();
        Ok(Self { encoder, form: Form::Undecided, announced, written: 0, head })
    }

    /// Writes a whole sequence.
    pub(super) fn collect<I>(encoder: &mut Encoder, mut items: I) -> Result<(), EncodeError>
    where
        I: Iterator<Item: Serialize>,
    {
        let (least, most) = items.size_hint();
        let mut sequence = Sequence::new(encoder, (most == Some(least)).then_some(least))?;
        let Some(first) = items.next() else { return sequence.close() };
        sequence.item(&first)?;
        let rest = match sequence.form {
            Form::Bytes => sequence.gather(items)?,
            _ => Some(items),
        };
        if let Some(items) = rest {
            for item in items {
                sequence.written += 1;
                item.serialize(&mut *sequence.encoder)?;
            }
        }
        sequence.close()
    }

    /// Writes items up to the first one that is no `u8`, that one included, and returns those behind it, if
    /// any.
    ///
    /// Bytes go through a chunk on the stack: pushing each of them onto the buffer costs several times as
    /// much.
    fn gather<I>(&mut self, mut items: I) -> Result<Option<I>, EncodeError>
    where
        I: Iterator<Item: Serialize>,
    {
        let mut chunk = [0; 256];
        loop {
            let mut filled = 0;
            while filled < chunk.len() {
                let Some(item) = items.next() else { break };
                let mut byte = None;
                item.serialize(Item { sequence: self, gathered: &chunk[..filled], byte: &mut byte })?;
                let Some(byte) = byte else { return Ok(Some(items)) };
                chunk[filled] = byte;
                filled += 1;
            }
            self.extend(&chunk[..filled])?;
            if filled < chunk.len() {
                return Ok(None);
            }
        }
    }

    #[inline]
    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        if self.form == Form::Array {
            self.written += 1;
            return value.serialize(&mut *self.encoder);
        }
        let mut byte = None;
        value.serialize(Item { sequence: self, gathered: &[], byte: &mut byte })?;
        match byte {
            Some(byte) if self.form == Form::Bytes => {
                self.written += 1;
                self.encoder.out.push(byte);
                Ok(())
            }
            Some(byte) => self.extend(&[byte]),
            None => Ok(()),
        }
    }

    #[inline]
    fn extend(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        if self.form == Form::Undecided && !bytes.is_empty() {
            self.begin(Form::Bytes, Counted::Bin)?;
            let announced = self.announced.unwrap_or(0);
            // A hint that lies must not abort: where there is no room, the bytes themselves will tell.
            match announced <= limits::MESSAGE {
                true => self.encoder.room(announced),
                false => drop(self.encoder.out.try_reserve(announced)),
            }
        }
        self.written += bytes.len();
        self.encoder.out.extend_from_slice(bytes);
        Ok(())
    }

    #[inline]
    fn begin(&mut self, form: Form, kind: Counted) -> Result<(), EncodeError> {
        self.form = form;
        kind.write(&mut self.encoder.out, counted(self.announced.unwrap_or(0))?);
        self.head.end = self.encoder.out.len();
        Ok(())
    }

    /// Makes this an array because an item comes that is no byte: behind those in the buffer, and those that
    /// were `gathered` since.
    fn settle(&mut self, gathered: &[u8]) -> Result<&mut Encoder, EncodeError> {
        if self.form == Form::Undecided && gathered.is_empty() {
            self.begin(Form::Array, Counted::Array)?;
        } else {
            self.spell_out(gathered)?;
        }
        self.written += 1;
        Ok(self.encoder)
    }

    /// Writes the bytes so far again, as numbers. The copy is the price of a mixture, which is rare.
    #[cold]
    fn spell_out(&mut self, gathered: &[u8]) -> Result<(), EncodeError> {
        let bytes = [&self.encoder.out[self.head.end..], gathered].concat();
        self.encoder.out.truncate(self.head.start);
        self.begin(Form::Array, Counted::Array)?;
        for byte in &bytes {
            write_unsigned(&mut self.encoder.out, u64::from(*byte));
        }
        self.written = bytes.len();
        Ok(())
    }

    #[inline]
    fn close(mut self) -> Result<(), EncodeError> {
        let kind = match self.form {
            Form::Undecided => {
                self.announced = Some(0);
                return self.begin(Form::Array, Counted::Array).map(|()| self.encoder.leave(1));
            }
            Form::Bytes => Counted::Bin,
            Form::Array => Counted::Array,
        };
        if self.announced != Some(self.written) {
            kind.rewrite(&mut self.encoder.out, self.head, counted(self.written)?);
        }
        self.encoder.leave(1);
        Ok(())
    }
}

impl SerializeSeq for Sequence<'_> {
    type Ok = ();
    type Error = EncodeError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.item(value)
    }

    fn end(self) -> Result<(), EncodeError> {
        self.close()
    }
}

impl SerializeTuple for Sequence<'_> {
    type Ok = ();
    type Error = EncodeError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.item(value)
    }

    fn end(self) -> Result<(), EncodeError> {
        self.close()
    }
}

/// The serializer of an item while the sequence may still be bytes: a `u8` is handed back, all else settles
/// it.
struct Item<'a, 'b> {
    sequence: &'a mut Sequence<'b>,
    gathered: &'a [u8],
    byte: &'a mut Option<u8>,
}

/// Methods that settle the sequence and leave the item to the encoder.
macro_rules! settle {
    ($($method:ident($($name:ident: $type:ty),*) $(-> $open:ident)?;)*) => {$(
        fn $method(self, $($name: $type),*) -> Result<settle!(@$($open)?), EncodeError> {
            self.sequence.settle(self.gathered)?.$method($($name),*)
        }
    )*};
    (@) => { () };
    (@$open:ident) => { $open<'a> };
}

impl<'a> Serializer for Item<'a, '_> {
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
    fn serialize_u8(self, value: u8) -> Result<(), EncodeError> {
        *self.byte = Some(value);
        Ok(())
    }

    fn serialize_newtype_struct<T>(self, _: &'static str, value: &T) -> Result<(), EncodeError>
    where
        T: Serialize + ?Sized,
    {
        value.serialize(self)
    }

    settle! {
        serialize_bool(value: bool);
        serialize_i8(value: i8);
        serialize_i16(value: i16);
        serialize_i32(value: i32);
        serialize_i64(value: i64);
        serialize_i128(value: i128);
        serialize_u16(value: u16);
        serialize_u32(value: u32);
        serialize_u64(value: u64);
        serialize_u128(value: u128);
        serialize_f32(value: f32);
        serialize_f64(value: f64);
        serialize_char(value: char);
        serialize_str(value: &str);
        serialize_bytes(value: &[u8]);
        serialize_none();
        serialize_unit();
        serialize_unit_struct(name: &'static str);
        serialize_unit_variant(of: &'static str, index: u32, name: &'static str);
        serialize_seq(len: Option<usize>) -> Sequence;
        serialize_tuple(len: usize) -> Sequence;
        serialize_tuple_struct(name: &'static str, len: usize) -> Members;
        serialize_tuple_variant(of: &'static str, index: u32, name: &'static str, len: usize) -> Members;
        serialize_map(len: Option<usize>) -> Members;
        serialize_struct(name: &'static str, len: usize) -> Members;
        serialize_struct_variant(of: &'static str, index: u32, name: &'static str, len: usize) -> Members;
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), EncodeError> {
        self.sequence.settle(self.gathered)?.serialize_some(value)
    }

    fn serialize_newtype_variant<T>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), EncodeError>
    where
        T: Serialize + ?Sized,
    {
        self.sequence.settle(self.gathered)?.serialize_newtype_variant(name, index, variant, value)
    }

    fn collect_seq<I>(self, items: I) -> Result<(), EncodeError>
    where
        I: IntoIterator,
        I::Item: Serialize,
    {
        self.sequence.settle(self.gathered)?.collect_seq(items)
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<(), EncodeError> {
        self.sequence.settle(self.gathered)?.collect_str(value)
    }
}
