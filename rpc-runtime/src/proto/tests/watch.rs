//! Owns [`Watch`]: an eye on the bytes that one side sends, which knows the protocol's grammar and no machine.

use std::collections::BTreeSet;

use crate::proto::Side;
use crate::wire::{Flags, Goaway, Header, Kind, PREFACE, split};

/// What has been seen of one direction.
#[derive(Default)]
pub(super) struct Watch {
    bytes: Vec<u8>,
    began: bool,
    greeted: bool,
    highest: u32,
    /// The calls that it has made.
    calls: BTreeSet<u32>,
    /// What its orderly GOAWAY said.
    last: Option<u32>,
    /// It has said that the connection has failed.
    failed: bool,
    incomplete: BTreeSet<u32>,
    answered: BTreeSet<u32>,
    cancelled: BTreeSet<u32>,
    granted: BTreeSet<u32>,
    /// Calls may have streams: a CREDIT may come more than once.
    streams: bool,
    opened: BTreeSet<u32>,
    ended: BTreeSet<u32>,
    /// Calls of which an item has begun and not ended.
    inside: BTreeSet<u32>,
}

impl Watch {
    /// Looks at calls that may have streams.
    pub(super) fn of_streams() -> Self {
        Self { streams: true, ..Self::default() }
    }

    /// Looks at more bytes of the side that is called `sender`; `other` has seen what the other side sent.
    pub(super) fn see(&mut self, bytes: &[u8], sender: Side, other: &Self) {
        self.bytes.extend_from_slice(bytes);
        let buffer = std::mem::take(&mut self.bytes);
        let mut rest = &buffer[..];
        if !self.began && rest.len() >= PREFACE.len() {
            assert_eq!(rest[..PREFACE.len()], PREFACE);
            (self.began, rest) = (true, &rest[PREFACE.len()..]);
        }
        while self.began
            && let Some(frame) = split(rest).expect("what a machine writes is well formed")
        {
            let header = frame.header.expect("of a known kind");
            assert!(!self.failed, "a frame after a GOAWAY with a code: {header:?}");
            if header.kind == Kind::Goaway {
                self.goaway(&Goaway::read(frame.body).expect("what a machine writes is well formed"));
            }
            if header.kind == Kind::Call && !self.calls.contains(&header.id) {
                self.may_call(header.id, other);
            }
            self.frame(header, sender);
            rest = &rest[frame.size..];
        }
        self.bytes = rest.to_vec();
    }

    fn goaway(&mut self, said: &Goaway) {
        self.failed = said.code.is_some();
        if !self.failed {
            assert_eq!(self.last, None, "an orderly GOAWAY is said once");
            self.last = Some(said.last);
        }
    }

    /// After GOAWAY handlers call back, and nobody else calls.
    fn may_call(&self, id: u32, other: &Self) {
        let open = |last: u32| other.calls.range(..=last).any(|call| !self.answered.contains(call));
        assert!(self.last.is_none_or(open), "CALL {id} after GOAWAY, with no call of the peer open");
    }

    fn frame(&mut self, header: Header, sender: Side) {
        let Header { kind, flags, id } = header;
        let more = flags.has(Flags::MORE);
        assert_eq!(kind != Kind::Hello, self.greeted, "HELLO comes first and once");
        self.greeted = true;
        match kind {
            Kind::Call if self.incomplete.contains(&id) => {
                assert!(!self.cancelled.contains(&id), "CALL {id} goes on after its CANCEL");
                if !more {
                    self.incomplete.remove(&id);
                }
            }
            Kind::Call => {
                assert!(sender.owns(id) && id > self.highest, "CALL {id} after {}", self.highest);
                self.highest = id;
                self.calls.insert(id);
                if more {
                    self.incomplete.insert(id);
                }
            }
            Kind::Cancel => {
                assert!(sender.owns(id) && id <= self.highest, "CANCEL {id}");
                assert!(self.cancelled.insert(id), "a second CANCEL {id}");
            }
            Kind::Reply | Kind::Error => {
                assert!(!sender.owns(id), "an answer to the own call {id}");
                assert!(!self.answered.contains(&id), "more of call {id} after its last frame");
                let ends_a_part = kind == Kind::Error && !flags.has(Flags::APP);
                assert!(ends_a_part || !self.inside.contains(&id), "the answer of call {id} inside an item");
                if !more {
                    self.answered.insert(id);
                }
            }
            Kind::Item | Kind::End => self.stream(header, sender),
            Kind::Credit => assert!(self.granted.insert(id) || self.streams, "a second CREDIT {id}"),
            _ => assert_eq!(id, 0),
        }
    }

    /// A frame of a stream.
    fn stream(&mut self, header: Header, sender: Side) {
        let Header { kind, flags, id } = header;
        if sender.owns(id) {
            assert!(id <= self.highest && !self.incomplete.contains(&id), "items of call {id} before it");
            assert!(!self.cancelled.contains(&id), "items of call {id} after its CANCEL");
            assert!(!self.ended.contains(&id), "items of call {id} after their END");
        } else {
            assert!(!self.answered.contains(&id), "items of call {id} after its last frame");
            let opens = kind == Kind::Item && flags.has(Flags::OPEN);
            assert_eq!(opens, self.opened.insert(id), "the stream of call {id} opens once, and first");
        }
        match kind {
            Kind::End => {
                assert!(!self.inside.contains(&id), "the END of call {id} inside an item");
                let ends = if sender.owns(id) { &mut self.ended } else { &mut self.answered };
                ends.insert(id);
            }
            _ if flags.has(Flags::MORE) => drop(self.inside.insert(id)),
            _ => drop(self.inside.remove(&id)),
        }
    }
}
