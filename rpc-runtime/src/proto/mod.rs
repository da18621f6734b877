//! The protocol machine: one connection, both sides, no socket, no clock, no task. Bytes and `now` go in; bytes,
//! events and the next timeout come out. It owns what the frames *mean*; their form is `wire/`'s.
//!
//! # Grammar
//!
//! - `handle_*` takes what happened: bytes read, bytes written, a timeout, the end of the transport.
//! - `poll_*` gives what is to be done: a segment to write, a call to start, an event, the next timeout.
//! - Bare verbs are the application's commands: [`call`](Connection::call), [`cancel`](Connection::cancel),
//!   [`answer`](Connection::answer), [`stopped`](Connection::stopped), [`release`](Connection::release),
//!   [`drain`](Connection::drain); and for streams [`open_stream`](Connection::open_stream),
//!   [`push_items`](Connection::push_items), [`finish_items`](Connection::finish_items),
//!   [`take_items`](Connection::take_items).
//!
//! After any of the first or third kind, take all events, then start calls, then write. Everything that was
//! read goes in before the first call is started, so that a CANCEL read in the same batch prevents the start.
//!
//! # Who owns what
//!
//! | | |
//! |---|---|
//! | [`Connection`] | routes frames, timers and commands; owns no field that two of the others share |
//! | `handshake` | the preface and the peer's HELLO |
//! | `outbound` | the calls that this side makes, from the queue to the answer |
//! | `inbound` | the calls that the peer makes, from the first frame to the last |
//! | `answer`, `refusals`, `tools` | how answers are read, the words of refusals, what is lent to those who move a call |
//! | `stream` | the items of one call's streams, and the credit for them |
//! | `queue` | the calls of this side that wait to be sent |
//! | `names` | method names bound to numbers, each way |
//! | `assembly` | payloads that arrive in parts, and the budget for large ones |
//! | `unfinished` | a frame whose payload is taken as it comes |
//! | `output` | framed bytes in their order, and what of them the transport took |
//! | `bulk` | the rest of large payloads and the items of streams, framed turn by turn |
//! | `unwritten` | the oneway calls whose last byte the transport has not taken |
//! | `keepalive`, `progress`, `vain` | whether the peer is alive, whether it moves, and how often it moves nothing |
//!
//! # Invariants, held by `tests/`
//!
//! 1. Ids rise strictly on each side and are never used again.
//! 2. Each call ends exactly once, with its own answer.
//! 3. `inbound.open <= in_flight`; `outbound.open <= the peer's in_flight`.
//! 4. `inbound.open <= ` the peer's `outbound.open`: the callee ends a call before the caller can count it out.
//! 5. `budget.used <= assembly`, and is the sum of the bodies that are out or being assembled.
//! 6. `written <= framed`; a call is `NotSent` only if its last byte is beyond `written`.
//! 7. Once closed, all tables are empty.
//! 8. Credit for items is conserved, and whoever waits for items or for room is told (`stream`).

mod answer;
mod assembly;
mod bulk;
mod config;
mod connection;
mod deadlines;
mod error;
mod event;
mod handshake;
mod id;
mod inbound;
mod keepalive;
mod names;
mod outbound;
mod output;
mod phase;
mod progress;
mod queue;
mod refusals;
mod stream;
mod timer;
mod tools;
mod unfinished;
mod unwritten;
mod vain;

pub use config::{Config, Side};
pub use connection::Connection;
pub use error::{ConnectionError, Misbehaviour};
pub use event::{
    Answer, Body, CallRef, Event, IncomingCall, MethodName, Outgoing, OutgoingCall, Received, Refusal, Stop,
    StreamUse, Taken, Unread, Untaken,
};
pub use id::{CallId, CallKey};

// Items pass between a machine and its application in it.
pub use crate::call::Batch;

#[cfg(test)]
mod tests;
