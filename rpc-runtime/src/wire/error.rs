//! Owns [`WireError`]: what a peer can do wrong in the envelope. Each is the peer's fault and costs it the
//! connection; mistakes inside a call are not here.

use std::fmt;

use crate::limits;

/// A fault in the envelope. The connection ends, because what follows cannot be trusted to be in step.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum WireError {
    /// The first bytes are not the preface.
    NotTraitwire {
        /// The first byte that is wrong.
        got: u8,
    },
    /// The preface names another major version.
    Version {
        /// The peer's version.
        got: u8,
        /// This side's version.
        own: u8,
    },
    /// The length field is too small to hold a header or larger than a frame may be.
    Length {
        /// The length field.
        got: u32,
    },
    /// The kind is not known and not optional.
    Kind {
        /// The kind's number.
        got: u8,
    },
    /// A flag that this kind does not have, or flags that exclude each other.
    Flags {
        /// The frame's kind.
        kind: u8,
        /// Its flags.
        got: u8,
    },
    /// A frame about the connection has an id, or a frame about a call has none.
    Id {
        /// The frame's kind.
        kind: u8,
        /// Its id.
        got: u32,
    },
    /// The body ends inside a value.
    Truncated {
        /// What was being read.
        field: &'static str,
    },
    /// A value has another type than this place asks for, or is out of its range.
    Value {
        /// What was being read.
        field: &'static str,
        /// The first byte of what was found.
        got: u8,
    },
    /// Text that is not UTF-8.
    Utf8 {
        /// What was being read.
        field: &'static str,
    },
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NotTraitwire { got: ALERT | HANDSHAKE } => f.write_str(
                "the peer does not speak traitwire, but TLS: a client has to connect with `tls://`, a server to be bound to it",
            ),
            Self::NotTraitwire { got } => write!(
                f,
                "the peer does not speak traitwire: its first bytes are not C1 'R' 'P' 'C' (met {got:#04x})"
            ),
            Self::Version { got, own } => {
                write!(f, "the peer speaks version {got} of the protocol, this side version {own}")
            }
            Self::Length { got } => {
                write!(f, "a frame of length {got}, where 6 to {} is allowed", limits::FRAME_LENGTH)
            }
            Self::Kind { got } => write!(f, "an unknown frame kind {got:#04x} that may not be skipped"),
            Self::Flags { kind, got } => write!(f, "flags {got:#04x} on a frame of kind {kind:#04x}"),
            Self::Id { kind, got } => write!(f, "id {got} on a frame of kind {kind:#04x}"),
            Self::Truncated { field } => write!(f, "a frame that ends inside its {field}"),
            Self::Value { field, got } => write!(f, "byte {got:#04x} where the {field} begins"),
            Self::Utf8 { field } => write!(f, "a {field} that is not UTF-8"),
        }
    }
}

impl std::error::Error for WireError {}

/// How TLS begins: with a record that is an alert, or one of the handshake.
const ALERT: u8 = 0x15;
const HANDSHAKE: u8 = 0x16;
