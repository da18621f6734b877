//! Owns [`ConnectionError`]: why a connection ended, by whose fault, and how that is told to the peer and to the
//! calls that it cut. Does not own a call's own errors.

use std::fmt;
use std::time::Duration;

use crate::call::{Code, Delivery, RpcError};
use crate::wire::{Goaway, Kind, WireError};

/// Why a connection ended before its time.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The peer broke the protocol.
    Peer(Misbehaviour),
    /// The peer says that this side broke the protocol, or why else it ends the connection.
    Told {
        /// The peer's code.
        code: Code,
        /// The peer's words.
        text: String,
    },
    /// The handshake was not done in time.
    HandshakeTimeout(Duration),
    /// A frame began and did not go on.
    FrameStalled,
    /// A write did not move, or by next to nothing.
    WriteStalled(Duration),
    /// The peer gave no sign of life.
    Dead(Duration),
    /// The peer closed the transport.
    Closed,
    /// The transport failed.
    Transport(String),
    /// This side was told to close.
    Local(&'static str),
}

impl ConnectionError {
    /// What is told to the peer; `None` where it cannot hear it or said so itself.
    pub(super) fn farewell(&self) -> Option<Code> {
        match self {
            Self::Peer(fault) => Some(fault.code()),
            Self::HandshakeTimeout(_) | Self::FrameStalled => Some(Code::DEADLINE_EXCEEDED),
            Self::Local(_) => Some(Code::UNAVAILABLE),
            Self::Told { .. } | Self::WriteStalled(_) | Self::Dead(_) | Self::Closed | Self::Transport(_) => {
                None
            }
        }
    }

    /// What a call that the connection took with it ends with.
    pub(super) fn cut(&self, delivery: Delivery) -> RpcError {
        RpcError::new(Code::UNAVAILABLE, delivery, format!("the connection ended: {self}")).with_resend()
    }
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer(fault) => write!(f, "the peer broke the protocol: {fault}"),
            Self::Told { code, text } => write!(f, "the peer ended it with {code}: {}", text.escape_debug()),
            Self::HandshakeTimeout(limit) => write!(f, "no HELLO from the peer within {limit:?}"),
            Self::FrameStalled => f.write_str("the peer began a frame and did not go on with it"),
            Self::WriteStalled(limit) => write!(f, "the peer took next to no bytes for {limit:?}"),
            Self::Dead(limit) => write!(f, "the peer did not answer a ping within {limit:?}"),
            Self::Closed => f.write_str("the peer closed it"),
            Self::Transport(error) => f.write_str(error),
            Self::Local(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for ConnectionError {}

impl From<Misbehaviour> for ConnectionError {
    fn from(fault: Misbehaviour) -> Self {
        Self::Peer(fault)
    }
}

impl From<WireError> for ConnectionError {
    fn from(error: WireError) -> Self {
        Self::Peer(Misbehaviour::Wire(error))
    }
}

impl From<(Code, Goaway)> for ConnectionError {
    fn from((code, said): (Code, Goaway)) -> Self {
        Self::Told { code, text: said.text }
    }
}

// ===== impl Misbehaviour =====

/// What a peer did that it may not do. It costs the peer the connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Misbehaviour {
    /// A frame that is not well formed.
    Wire(WireError),
    /// Another frame before HELLO.
    HelloExpected,
    /// A second HELLO.
    SecondHello,
    /// A frame from the wrong end of a call: a CALL with this side's parity, a REPLY to the peer's own call.
    WrongSide {
        /// The call's id.
        id: u32,
    },
    /// A frame about a call that was never opened.
    NeverOpened {
        /// The call's id.
        id: u32,
    },
    /// A CALL for a call whose arguments are complete.
    SecondCall {
        /// The call's id.
        id: u32,
    },
    /// Parts of a payload that do not add up to its total.
    WrongTotal {
        /// The call's id.
        id: u32,
    },
    /// A part of a payload without a byte.
    EmptyPart {
        /// The call's id.
        id: u32,
    },
    /// More of a payload than may be sent before its grant.
    Ungranted {
        /// The call's id.
        id: u32,
    },
    /// A CREDIT that does not grant exactly the payload's total, or a second one.
    WrongCredit {
        /// The call's id.
        id: u32,
    },
    /// A frame that its call has no place for, or none at this time.
    OutOfState {
        /// The call's id.
        id: u32,
        /// What the frame is.
        kind: Kind,
    },
    /// More calls with a stream open at a time than this side allows.
    TooManyStreams {
        /// The limit.
        limit: u32,
    },
    /// More calls open at a time than this side allows.
    TooManyCalls {
        /// The limit.
        limit: u32,
    },
    /// More names than this side keeps.
    TooManyNames {
        /// The limit.
        limit: u32,
    },
    /// A name's number that is not the next one.
    NameOutOfOrder {
        /// Its number.
        got: u32,
        /// The number that was due.
        due: u32,
    },
    /// A name longer than any method's.
    NameTooLong {
        /// Its length in bytes.
        got: usize,
    },
    /// A CALL by a number that was not bound.
    UnboundName {
        /// The number.
        got: u32,
    },
    /// More pings than may be unanswered.
    TooManyPings {
        /// The limit.
        limit: usize,
    },
    /// More frames that move nothing than this side puts up with.
    TooManyVain {
        /// The limit.
        limit: u32,
    },
}

impl Misbehaviour {
    const fn code(self) -> Code {
        match self {
            Self::Wire(
                WireError::Version { .. } | WireError::NotTraitwire { .. } | WireError::Kind { .. },
            ) => Code::UNIMPLEMENTED,
            Self::TooManyCalls { .. }
            | Self::TooManyStreams { .. }
            | Self::TooManyNames { .. }
            | Self::TooManyPings { .. }
            | Self::TooManyVain { .. } => Code::RESOURCE_EXHAUSTED,
            _ => Code::INTERNAL,
        }
    }
}

impl fmt::Display for Misbehaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Wire(error) => error.fmt(f),
            Self::HelloExpected => f.write_str("a frame before HELLO"),
            Self::SecondHello => f.write_str("a second HELLO"),
            Self::WrongSide { id } => write!(f, "a frame from the wrong end of call {id}"),
            Self::NeverOpened { id } => write!(f, "a frame about call {id}, which was never opened"),
            Self::SecondCall { id } => write!(f, "a second CALL for call {id}"),
            Self::WrongTotal { id } => {
                write!(f, "the parts of a payload of call {id} do not add up to its total")
            }
            Self::EmptyPart { id } => write!(f, "an empty part of a payload of call {id}"),
            Self::Ungranted { id } => write!(f, "more of a payload of call {id} than was granted"),
            Self::WrongCredit { id } => {
                write!(f, "a CREDIT for call {id} that is not its payload's total, or is too much")
            }
            Self::OutOfState { id, kind } => {
                write!(f, "{kind:?} for call {id}, which has no place for one at this time")
            }
            Self::TooManyStreams { limit } => write!(f, "more than {limit} calls with a stream at a time"),
            Self::TooManyCalls { limit } => write!(f, "more than {limit} calls at a time"),
            Self::TooManyNames { limit } => write!(f, "more than {limit} names"),
            Self::NameOutOfOrder { got, due } => write!(f, "name number {got} where {due} was due"),
            Self::NameTooLong { got } => write!(f, "a method name of {got} bytes"),
            Self::UnboundName { got } => write!(f, "a call by number {got}, which no NAME bound"),
            Self::TooManyPings { limit } => write!(f, "more than {limit} unanswered pings"),
            Self::TooManyVain { limit } => {
                write!(
                    f,
                    "more than {limit} frames that move nothing, one a millisecond beyond (`vain_frames`)"
                )
            }
        }
    }
}
