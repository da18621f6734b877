//! The [`Decoder`]: a place in scanned bytes, and what may still come of them.
//!
//! It does not bound depth, members or lengths: [`scan()`] did. It bounds the two things that no scan can see,
//! the recursion that consumes no byte and the memory of bytes that are read as something larger. Which value
//! serde asks for is the business of [`super::deserializer`].

use rmp::Marker;
use serde::de::Visitor;

use super::error::DecodeError;
use super::head::{Head, NoHead};
use super::scan::{ScanLimits, scan, scan_prefix};
use super::token::Token;
use crate::limits::{MAX_DEPTH, MAX_WRAPPERS};

/// Reads one value after the other from bytes that passed the scan.
#[derive(Debug)]
pub(super) struct Decoder<'de> {
    rest: &'de [u8],
    /// How many bytes there were at first: errors count from there.
    len: usize,
    /// How many elements may come of these bytes, for the error that says so.
    limit: u32,
    elements_left: u32,
    wrappers_left: u16,
    /// The name that the next key of a struct has, if its sender has written the fields in their order.
    pub(super) expected: Option<&'static str>,
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
            expected: None,
        })
    }

    /// How many bytes are not read yet.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    /// Reads the next scalar, or the head of the next container.
    #[inline]
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

    /// Reads a byte string, if one comes next.
    pub(super) fn byte_string(&mut self) -> Option<&'de [u8]> {
        let (Head::Bin(len), rest) = Head::read(self.rest).ok()? else { return None };
        let (bytes, rest) = rest.split_at_checked(len as usize)?;
        self.rest = rest;
        Some(bytes)
    }

    /// Reads a nil, if one comes next.
    pub(super) fn take_nil(&mut self) -> bool {
        let nil = self.rest.first() == Some(&Marker::Null.to_u8());
        if nil {
            self.rest = &self.rest[1..];
        }
        nil
    }

    #[inline]
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
        // In bounds: a prefix of `rest` is no longer than it.
        self.rest = &self.rest[len..];
        Ok(())
    }

    /// Charges a byte that becomes something larger, as a scanned element was.
    pub(super) fn charge_byte(&mut self) -> Result<(), DecodeError> {
        let left = self.elements_left.checked_sub(1);
        self.elements_left = left.ok_or_else(|| DecodeError::too_many_bytes(self.limit))?;
        Ok(())
    }

    /// Opens a newtype or option here, for [`close_wrapper`](Self::close_wrapper) to close.
    pub(super) fn open_wrapper(&mut self) -> Result<(), DecodeError> {
        self.wrappers_left = self.wrappers_left.checked_sub(1).ok_or_else(DecodeError::too_wrapped)?;
        Ok(())
    }

    pub(super) fn close_wrapper(&mut self) {
        self.wrappers_left += 1;
    }

    /// A number, by the shortest way: the visitors of numbers are few and met often.
    #[inline]
    pub(super) fn number<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, DecodeError> {
        let (head, rest) = Head::read(self.rest).map_err(|why| self.cut(why))?;
        match head {
            Head::Unsigned(value) => {
                self.rest = rest;
                visitor.visit_u64(value)
            }
            Head::Negative(value) => {
                self.rest = rest;
                visitor.visit_i64(value)
            }
            Head::F32(value) => {
                self.rest = rest;
                visitor.visit_f32(value)
            }
            Head::F64(value) => {
                self.rest = rest;
                visitor.visit_f64(value)
            }
            _ => self.scalar(visitor),
        }
    }

    /// The text that comes next, if it is text.
    fn text(&mut self) -> Option<&'de str> {
        let (head, rest) = Head::read(self.rest).ok()?;
        let Head::Str(len) = head else { return None };
        let (text, rest) = rest.split_at_checked(len as usize)?;
        let text = str::from_utf8(text).ok()?;
        self.rest = rest;
        Some(text)
    }

    /// Text: a field's name, as a rule.
    pub(super) fn string<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.text() {
            Some(text) => visitor.visit_borrowed_str(text),
            None => self.scalar(visitor),
        }
    }

    /// The name of a field or a variant. One that is expected is known to be UTF-8: looking whether it is costs more than all
    /// else about it.
    pub(super) fn identifier<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.expected.take() {
            Some(name) if self.take_name(name) => visitor.visit_borrowed_str(name),
            _ => self.string(visitor),
        }
    }

    /// Reads this short text, if it comes next.
    #[inline]
    fn take_name(&mut self, name: &str) -> bool {
        let Some((&marker, rest)) = self.rest.split_first() else { return false };
        if name.len() >= 32 || marker != (Marker::FixStr(name.len() as u8).to_u8()) {
            return false;
        }
        let Some(rest) = rest.strip_prefix(name.as_bytes()) else { return false };
        self.rest = rest;
        true
    }

    /// Any scalar.
    pub(super) fn scalar<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, DecodeError> {
        self.token()?.scalar(visitor)
    }
}
