//! Owns what passes between a machine and its application: calls that leave and arrive, their answers, and
//! events. Does not own bytes on the wire. Payloads may be large and secret: `Debug` tells their length alone.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroU64;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::thread::LocalKey;
use std::time::Duration;

use crate::call::{Batch, Contents, Deadline, List, Load, Metadata, Reused, RpcError};
use crate::proto::{CallId, CallKey, ConnectionError};
use crate::wire::Hello;

/// A call that this side makes.
#[derive(Clone, Default)]
#[expect(clippy::exhaustive_structs, reason = "internal to the crate's floors")]
pub struct OutgoingCall {
    /// `"Service.method"`.
    pub method: Cow<'static, str>,
    /// When nobody wants the answer any more; with a stream, when there must have been progress.
    pub deadline: Option<Deadline>,
    /// What goes beside the arguments.
    pub metadata: Metadata,
    /// The arguments, encoded.
    pub arguments: Load,
    /// Whether its caller waits until it is written, and not for the answer.
    pub oneway: bool,
    /// What streams it has, if it has any.
    pub stream: Option<StreamUse>,
    /// It may have run at a callee with this memory of replies, and goes to no other.
    pub only_at: Option<NonZeroU64>,
}

/// The streams of a call, and how long they may take.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "internal to the crate's floors")]
pub struct StreamUse {
    /// The caller sends items.
    pub sends: bool,
    /// The caller takes items.
    pub takes: bool,
    /// How long nothing may move once something has.
    pub idle: Option<Duration>,
    /// When it is over in any case.
    pub total: Option<Deadline>,
}

/// A call with a stream, whoever makes it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(clippy::exhaustive_enums, reason = "a connection has two ends")]
pub enum CallRef {
    /// One of this side.
    Own(CallKey),
    /// One of the peer.
    Peer(CallId),
}

/// What there is to be taken of a stream.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "internal to the crate's floors")]
pub enum Taken {
    /// These items.
    Items(Batch),
    /// Nothing now: [`Event::Readable`] or the call's end will tell.
    Nothing,
    /// Nothing, and nothing will come: the sender has ended its stream.
    End,
    /// The call is over, or nobody is to read its items any more: what has not been taken is lost.
    Gone,
}

impl fmt::Debug for OutgoingCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OutgoingCall({}, {} bytes)", self.method, self.arguments.len())
    }
}

/// An [`OutgoingCall`] on its way: in a box that is used again, because it goes through many hands, and is kept until its
/// answer is here. So it moves as one word.
pub struct Outgoing(Reused<OutgoingCall>);

thread_local! {
    static EMPTY: List<OutgoingCall> = const { RefCell::new(Vec::new()) };
}

impl Contents for OutgoingCall {
    fn list() -> &'static LocalKey<List<Self>> {
        &EMPTY
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Outgoing {
    /// One of which nothing is said yet.
    pub(crate) fn new() -> Self {
        Self(Reused::new())
    }
}

impl From<OutgoingCall> for Outgoing {
    fn from(call: OutgoingCall) -> Self {
        let mut this = Self::new();
        *this = call;
        this
    }
}

impl Deref for Outgoing {
    type Target = OutgoingCall;

    fn deref(&self) -> &OutgoingCall {
        &self.0
    }
}

impl DerefMut for Outgoing {
    fn deref_mut(&mut self) -> &mut OutgoingCall {
        &mut self.0
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A call that was not taken.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "internal to the crate's floors")]
pub struct Untaken {
    /// Why.
    pub error: RpcError,
    /// The call, as it was.
    pub call: Outgoing,
}

/// A call that the peer makes, ready to be started.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "internal to the crate's floors")]
pub struct IncomingCall {
    /// Its id, for [`answer`](super::Connection::answer).
    pub id: CallId,
    /// Its method.
    pub method: MethodName,
    /// When nobody wants the answer any more, counted from the first byte read.
    pub deadline: Option<Deadline>,
    /// What came beside the arguments.
    pub metadata: Metadata,
    /// The arguments, encoded and not yet looked at.
    pub arguments: Body,
    /// What streams it has, if it has any.
    pub stream: Option<Box<StreamUse>>,
}

/// The method of an incoming call.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "internal to the crate's floors")]
pub struct MethodName {
    /// `"Service.method"`.
    pub name: Arc<str>,
    /// The number bound to it on this connection, if the call came by number: a place to remember what the
    /// name was found to mean.
    pub number: Option<u32>,
}

/// A payload that was received. Give it back with [`release`](super::Connection::release) when it has been
/// decoded: it may hold a part of the connection's budget.
#[derive(Default)]
pub struct Body {
    pub(super) id: u32,
    pub(super) bytes: Vec<u8>,
    /// As a payload's total, which is a `u32` on the wire.
    reserved: u32,
}

impl Body {
    /// The encoded payload.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The buffer, what it holds of the budget, and the call that it belongs to. All are to come back with
    /// [`from_parts`](Self::from_parts).
    pub fn into_parts(self) -> (Vec<u8>, usize, u32) {
        (self.bytes, self.reserved as usize, self.id)
    }

    /// What it holds of the budget.
    pub const fn reserved(&self) -> usize {
        self.reserved as usize
    }

    /// A payload that was taken apart.
    pub const fn from_parts(bytes: Vec<u8>, reserved: usize, id: u32) -> Self {
        Self { id, bytes, reserved: reserved as u32 }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} bytes)", self.bytes.len())
    }
}

/// How a call of this side ended.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "internal to the crate's floors")]
pub enum Received {
    /// With a value.
    Reply {
        /// What came beside it.
        metadata: Metadata,
        /// The value, encoded.
        body: Body,
    },
    /// With the service's own error.
    App {
        /// What came beside it.
        metadata: Metadata,
        /// The error's value, encoded.
        detail: Body,
    },
    /// With the end of the callee's stream.
    End {
        /// What came beside it.
        metadata: Metadata,
    },
    /// Without an answer of the service.
    Error(RpcError),
}

/// Items that came before the end of their call and have not been taken.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "internal to the crate's floors")]
pub struct Unread {
    /// In the order in which they came.
    pub items: VecDeque<Batch>,
}

impl Unread {
    /// These, if there are any: few calls have some, and an end moves through many hands.
    pub(super) fn of(items: VecDeque<Batch>) -> Option<Box<Self>> {
        (!items.is_empty()).then(|| Box::new(Self { items }))
    }
}

/// What this side answers to a call of the peer.
#[expect(clippy::exhaustive_enums, reason = "internal to the crate's floors")]
pub enum Answer {
    /// A value.
    Reply {
        /// What goes beside it.
        metadata: Metadata,
        /// The value, encoded.
        payload: Load,
    },
    /// The service's own error.
    App {
        /// What goes beside it.
        metadata: Metadata,
        /// The error's value, encoded.
        detail: Load,
    },
    /// The end of this side's stream.
    End {
        /// What goes beside it.
        metadata: Metadata,
    },
    /// Anything else. Its delivery says whether a handler was started.
    Error(RpcError),
}

impl Answer {
    /// The bytes of its payload.
    pub fn size(&self) -> usize {
        match self {
            Self::Reply { payload, .. } | Self::App { detail: payload, .. } => payload.len(),
            Self::End { .. } | Self::Error(_) => 0,
        }
    }
}

impl From<Answer> for Load {
    /// Its payload, if it has one.
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Reply { payload, .. } | Answer::App { detail: payload, .. } => payload,
            Answer::End { .. } | Answer::Error(_) => Self::default(),
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reply { payload, .. } => write!(f, "Reply({} bytes)", payload.len()),
            Self::App { detail, .. } => write!(f, "App({} bytes)", detail.len()),
            Self::End { .. } => f.write_str("End"),
            Self::Error(error) => write!(f, "Error({error})"),
        }
    }
}

/// What a machine tells its application.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "internal to the crate's floors")]
pub enum Event {
    /// The peer's HELLO is here: the connection carries calls.
    Ready(Hello),
    /// The transport has taken all of a oneway call. It has not ended: its answer is still to come.
    Written {
        /// The call.
        key: CallKey,
    },
    /// A call of this side has ended; its key is free.
    Ended {
        /// The call.
        key: CallKey,
        /// How.
        outcome: Received,
        /// The call itself, if no handler saw it and the same bytes may succeed elsewhere.
        unseen: Option<Outgoing>,
        /// Items that came before the end and have not been taken, if there are any.
        unread: Option<Box<Unread>>,
    },
    /// The callee of this call has opened its stream.
    Opened {
        /// The call.
        key: CallKey,
        /// What came beside it.
        metadata: Metadata,
    },
    /// There are items to take, where there were none when the application looked; or their end.
    Readable(CallRef),
    /// Items that found no credit or no place may come again.
    Writable(CallRef),
    /// The handler of this call is to be dropped; say [`stopped`](super::Connection::stopped) when it is.
    Stop {
        /// The call.
        id: CallId,
        /// Why.
        why: Stop,
    },
    /// A call of the peer was refused before any handler could be started.
    Refused(Refusal),
    /// The connection takes no further calls of this side: the next ones need another connection.
    Retire,
    /// This side has said GOAWAY: it finishes what it has accepted, and accepts nothing further.
    Leaving,
    /// The connection is over; `None` if it ended in order.
    Closed(Option<ConnectionError>),
}

/// Why a handler is stopped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "internal to the crate's floors")]
pub enum Stop {
    /// The caller gave the call up.
    Cancelled,
    /// Its time is over.
    Expired,
    /// Nothing has moved on its streams for too long, or they have taken too long in all.
    Idle,
    /// The caller sent an item that is larger than this side takes.
    ItemTooLarge {
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The connection is lost: there is nobody to answer to, and `stopped` need not be said.
    Lost,
}

/// Why the machine itself refused a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "internal to the crate's floors")]
pub enum Refusal {
    /// Its time was over before a handler could be started.
    Expired,
    /// Its payload or metadata is larger than allowed.
    TooLarge,
    /// Its metadata is not well formed.
    BadMetadata,
    /// Its caller gave it up before a handler was started.
    Cancelled,
    /// There is too much at work already.
    Overload,
    /// This side takes no further calls.
    Draining,
    /// Its streams are not those of its method.
    BadStreams,
}
