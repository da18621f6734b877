//! A [`Token`]: what a reader meets next, with the text or the bytes that its head announces.
//!
//! It does not hold the members of a container: [`super::access`] hands them out.

use serde::de::{Error, Expected, Unexpected, Visitor};

use super::error::DecodeError;

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

impl<'de> Token<'de> {
    /// Hands a scalar to `visitor`, which judges whether it is one for its type.
    pub(super) fn scalar<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self {
            Self::Nil => visitor.visit_unit(),
            Self::Bool(value) => visitor.visit_bool(value),
            Self::Unsigned(value) => visitor.visit_u64(value),
            Self::Negative(value) => visitor.visit_i64(value),
            Self::F32(value) => visitor.visit_f32(value),
            Self::F64(value) => visitor.visit_f64(value),
            Self::Str(value) => visitor.visit_borrowed_str(value),
            other => Err(other.is_not(&visitor)),
        }
    }

    /// The error of a reader that `expected` something else.
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
