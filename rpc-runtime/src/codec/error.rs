//! What can go wrong between values and bytes: [`EncodeError`] is the sender's, [`DecodeError`] the peer's or
//! the contract's.
//!
//! It does not say what a failure means for a call: its reader maps these to a code once.

use std::fmt::{self, Display};

use serde::{de, ser};

use crate::limits::{MAX_DEPTH, MAX_WRAPPERS};

/// Why a value could not be written.
pub struct EncodeError(Box<EncodeReason>);

#[derive(Debug)]
enum EncodeReason {
    TooDeep,
    TooWrapped,
    TooLong { len: usize },
    Refused { text: String },
}

impl EncodeError {
    #[cold]
    pub(super) fn too_deep() -> Self {
        Self(Box::new(EncodeReason::TooDeep))
    }

    #[cold]
    pub(super) fn too_wrapped() -> Self {
        Self(Box::new(EncodeReason::TooWrapped))
    }

    #[cold]
    pub(super) fn too_long(len: usize) -> Self {
        Self(Box::new(EncodeReason::TooLong { len }))
    }
}

impl Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            EncodeReason::TooDeep => write!(f, "nested deeper than {MAX_DEPTH} containers"),
            EncodeReason::TooWrapped => write!(f, "nested in more than {MAX_WRAPPERS} newtypes and options"),
            EncodeReason::TooLong { len } => write!(f, "a length of {len} does not fit in 32 bits"),
            EncodeReason::Refused { text } => f.write_str(text),
        }
    }
}

impl fmt::Debug for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for EncodeError {}

impl ser::Error for EncodeError {
    fn custom<T: Display>(text: T) -> Self {
        Self(Box::new(EncodeReason::Refused { text: text.to_string() }))
    }
}

/// Why bytes are not the value that was asked for.
pub struct DecodeError(Box<DecodeReason>);

#[derive(Debug)]
enum DecodeReason {
    Scan(ScanError),
    Mismatch { text: String },
    Unread,
    TooWrapped,
    TooManyBytes { limit: u32 },
    Missing { argument: &'static str },
    Argument { name: &'static str, reason: DecodeError },
}

impl DecodeError {
    /// What the scan met, if the bytes did not even pass it.
    pub fn scan_error(&self) -> Option<&ScanError> {
        match &*self.0 {
            DecodeReason::Scan(error) => Some(error),
            DecodeReason::Argument { reason, .. } => reason.scan_error(),
            _ => None,
        }
    }

    /// The argument that is missing or did not decode.
    pub fn argument(&self) -> Option<&'static str> {
        match &*self.0 {
            DecodeReason::Missing { argument: name } | DecodeReason::Argument { name, .. } => Some(name),
            _ => None,
        }
    }

    /// The value was read, but not all of its bytes: its `Deserialize` is at fault.
    #[cold]
    pub(super) fn unread() -> Self {
        Self(Box::new(DecodeReason::Unread))
    }

    #[cold]
    pub(super) fn too_wrapped() -> Self {
        Self(Box::new(DecodeReason::TooWrapped))
    }

    #[cold]
    pub(super) fn too_many_bytes(limit: u32) -> Self {
        Self(Box::new(DecodeReason::TooManyBytes { limit }))
    }

    #[cold]
    pub(super) fn missing_argument(argument: &'static str) -> Self {
        Self(Box::new(DecodeReason::Missing { argument }))
    }

    #[cold]
    pub(super) fn in_argument(self, name: &'static str) -> Self {
        Self(Box::new(DecodeReason::Argument { name, reason: self }))
    }
}

impl Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            DecodeReason::Scan(error) => error.fmt(f),
            DecodeReason::Mismatch { text } => f.write_str(text),
            DecodeReason::Unread => f.write_str("the type did not read all of its value"),
            DecodeReason::TooWrapped => write!(f, "nested in more than {MAX_WRAPPERS} newtypes and options"),
            DecodeReason::TooManyBytes { limit } => write!(
                f,
                "more than {limit} elements: bytes under `flatten`, `tag` or `untagged`, or read as \
                 anything but u8, count one each"
            ),
            DecodeReason::Missing { argument } => write!(f, "missing argument `{argument}`"),
            DecodeReason::Argument { name, reason } => write!(f, "argument `{name}`: {reason}"),
        }
    }
}

impl fmt::Debug for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for DecodeError {}

impl de::Error for DecodeError {
    #[cold]
    fn custom<T: Display>(text: T) -> Self {
        Self(Box::new(DecodeReason::Mismatch { text: text.to_string() }))
    }
}

impl From<ScanError> for DecodeError {
    #[cold]
    fn from(error: ScanError) -> Self {
        Self(Box::new(DecodeReason::Scan(error)))
    }
}

/// Why a scan stopped. Offsets count bytes from the front of what was scanned, to the value at fault.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanError {
    /// The bytes end where a value must begin, or within a number.
    Truncated {
        /// Where it begins or should.
        at: usize,
    },
    /// Bytes follow the value.
    TrailingBytes {
        /// Where the first of them lies.
        at: usize,
    },
    /// More arrays and maps in each other than allowed.
    TooDeep {
        /// How many are.
        limit: u8,
        /// Where the first one too many begins.
        at: usize,
    },
    /// More values in arrays and maps than allowed.
    TooManyElements {
        /// How many are.
        limit: u32,
        /// Where the container that holds the first one too many begins.
        at: usize,
    },
    /// The one byte that MessagePack never uses.
    Reserved {
        /// Where it lies.
        at: usize,
    },
    /// An extension type: no value of this protocol is one.
    Extension {
        /// Where it begins.
        at: usize,
    },
    /// A length that the bytes left cannot hold; a member takes at least one byte.
    LengthBeyondEnd {
        /// How many bytes it needs at least.
        needed: u64,
        /// How many there are.
        left: usize,
        /// Where the value that declares it begins.
        at: usize,
    },
}

impl Display for ScanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { at } => write!(f, "the value at byte {at} is cut off"),
            Self::TrailingBytes { at } => write!(f, "the value ends at byte {at}, but bytes follow"),
            Self::TooDeep { limit, at } => {
                write!(f, "the container at byte {at} is nested deeper than {limit}")
            }
            Self::TooManyElements { limit, at } => {
                write!(f, "the container at byte {at} holds more than what is left of {limit} elements")
            }
            Self::Reserved { at } => write!(f, "0xc1 at byte {at} is never used"),
            Self::Extension { at } => write!(f, "the extension type at byte {at} is no value here"),
            Self::LengthBeyondEnd { needed, left, at } => {
                write!(f, "the value at byte {at} needs {needed} more bytes, but {left} are left")
            }
        }
    }
}

impl std::error::Error for ScanError {}

#[cfg(test)]
mod tests {
    use std::mem::size_of;

    use super::*;

    #[test]
    fn an_error_costs_its_result_no_more_than_a_pointer() {
        assert_eq!(size_of::<Result<(), EncodeError>>(), size_of::<usize>());
        assert_eq!(size_of::<Result<(), DecodeError>>(), size_of::<usize>());
    }

    #[test]
    fn an_argument_s_error_names_it_and_keeps_what_the_scan_met() {
        let error = DecodeError::from(ScanError::Reserved { at: 7 }).in_argument("b");
        assert_eq!(error.to_string(), "argument `b`: 0xc1 at byte 7 is never used");
        assert_eq!((error.argument(), error.scan_error()), (Some("b"), Some(&ScanError::Reserved { at: 7 })));
        assert_eq!(DecodeError::missing_argument("c").argument(), Some("c"));
    }
}
