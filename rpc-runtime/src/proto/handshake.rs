//! Owns [`Handshake`]: the peer's preface and HELLO, and the time for them. Does not own what this side says of
//! itself (`config`), nor the frames after HELLO.

use std::time::{Duration, Instant};

use crate::proto::{ConnectionError, Misbehaviour};
use crate::wire::{self, Hello, Kind, PREFACE, Preface};

/// What is still to come from the peer.
#[derive(Debug)]
enum Expect {
    Preface,
    Hello,
    Nothing,
}

#[derive(Debug)]
pub(super) struct Handshake {
    expect: Expect,
    began: Instant,
    limit: Duration,
}

/// What was found at the front of the input.
#[derive(Debug)]
pub(super) enum Progressed {
    /// More bytes are needed.
    Waiting,
    /// So many bytes are read and done with.
    Read(usize),
    /// The peer's HELLO, and the bytes it took.
    Hello(Box<Hello>, usize),
}

impl Handshake {
    pub(super) const fn new(limit: Duration, now: Instant) -> Self {
        Self { expect: Expect::Preface, began: now, limit }
    }

    pub(super) const fn limit(&self) -> Duration {
        self.limit
    }

    pub(super) fn timeout(&self) -> Option<Instant> {
        if self.is_done() { None } else { self.began.checked_add(self.limit) }
    }

    pub(super) const fn is_done(&self) -> bool {
        matches!(self.expect, Expect::Nothing)
    }

    /// Reads what it can from the front of the input.
    pub(super) fn handle(&mut self, input: &[u8]) -> Result<Progressed, ConnectionError> {
        match self.expect {
            Expect::Preface => match Preface::read(input)? {
                Preface::Incomplete => Ok(Progressed::Waiting),
                Preface::Complete => {
                    self.expect = Expect::Hello;
                    Ok(Progressed::Read(PREFACE.len()))
                }
            },
            Expect::Hello => {
                let Some(frame) = wire::split(input)? else { return Ok(Progressed::Waiting) };
                if frame.header.map(|header| header.kind) != Some(Kind::Hello) {
                    return Err(Misbehaviour::HelloExpected.into());
                }
                let hello = Hello::read(frame.body)?;
                self.expect = Expect::Nothing;
                Ok(Progressed::Hello(Box::new(hello), frame.size))
            }
            Expect::Nothing => Ok(Progressed::Waiting),
        }
    }
}
