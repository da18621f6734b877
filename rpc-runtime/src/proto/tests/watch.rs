//! Owns [`Watch`]: an eye on the bytes that one side sends, which knows the protocol's grammar and no machine.

use std::collections::BTreeSet;

use crate::proto::Side;
use crate::wire::{Flags, Kind, PREFACE, split};

/// What has been seen of one direction.
#[derive(Default)]
pub(super) struct Watch {
    bytes: Vec<u8>,
    began: bool,
    greeted: bool,
    highest: u32,
    incomplete: BTreeSet<u32>,
    answered: BTreeSet<u32>,
    cancelled: BTreeSet<u32>,
    granted: BTreeSet<u32>,
}

impl Watch {
    /// Looks at more bytes of the side that is called `sender`.
    pub(super) fn see(&mut self, bytes: &[u8], sender: Side) {
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
            self.frame(header.kind, header.flags.has(Flags::MORE), header.id, sender);
            rest = &rest[frame.size..];
        }
        self.bytes = rest.to_vec();
    }

    fn frame(&mut self, kind: Kind, more: bool, id: u32, sender: Side) {
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
                if !more {
                    self.answered.insert(id);
                }
            }
            Kind::Credit => assert!(self.granted.insert(id), "a second CREDIT {id}"),
            _ => assert_eq!(id, 0),
        }
    }
}
