//! [`Members`]: the members of a map, a struct or a tuple struct, and of variants that have such content.
//!
//! It does not look for bytes: only a [`Sequence`](super::sequence::Sequence) can turn out to be a byte
//! string.

use std::ops::Range;

use serde::ser::{
    SerializeMap, SerializeStruct, SerializeStructVariant, SerializeTupleStruct, SerializeTupleVariant,
};
use serde::{Serialize, Serializer};

use super::encoder::Encoder;
use super::error::EncodeError;
use super::head::{Counted, counted};

/// An open array or map whose head is written, and put right at the end if it announced another length.
pub(super) struct Members<'a> {
    encoder: &'a mut Encoder,
    kind: Counted,
    head: Range<usize>,
    announced: usize,
    written: usize,
    containers: u8,
}

impl<'a> Members<'a> {
    /// Opens an array or a map. An unknown length is announced as 0, which takes the shortest head.
    #[inline]
    pub(super) fn new(
        encoder: &'a mut Encoder,
        kind: Counted,
        announced: usize,
    ) -> Result<Self, EncodeError> {
        encoder.enter()?;
        let head = encoder.out.len();
        kind.write(&mut encoder.out, counted(announced)?);
        let head = head..encoder.out.len();
        Ok(Self { encoder, kind, head, announced, written: 0, containers: 1 })
    }

    /// These are the content of a variant, whose own map ends with them.
    pub(super) fn of_variant(self) -> Self {
        Self { containers: 2, ..self }
    }

    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.written += 1;
        value.serialize(&mut *self.encoder)
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), EncodeError> {
        self.encoder.serialize_str(name)?;
        self.item(value)
    }

    #[inline]
    fn close(self) -> Result<(), EncodeError> {
        if self.written != self.announced {
            self.kind.rewrite(&mut self.encoder.out, self.head, counted(self.written)?);
        }
        self.encoder.leave(self.containers);
        Ok(())
    }
}

impl SerializeMap for Members<'_> {
    type Ok = ();
    type Error = EncodeError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), EncodeError> {
        self.item(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        value.serialize(&mut *self.encoder)
    }

    fn end(self) -> Result<(), EncodeError> {
        self.close()
    }
}

/// The other four differ in names only: a member is an item, or a field with its name.
macro_rules! close_with {
    ($($role:ident: $method:ident($($name:ident)?) => $write:ident;)*) => {$(
        impl $role for Members<'_> {
            type Ok = ();
            type Error = EncodeError;

            fn $method<T>(&mut self, $($name: &'static str,)? value: &T) -> Result<(), EncodeError>
            where
                T: Serialize + ?Sized,
            {
                self.$write($($name,)? value)
            }

            fn end(self) -> Result<(), EncodeError> {
                self.close()
            }
        }
    )*};
}

close_with! {
    SerializeTupleStruct: serialize_field() => item;
    SerializeTupleVariant: serialize_field() => item;
    SerializeStruct: serialize_field(name) => field;
    SerializeStructVariant: serialize_field(name) => field;
}
