//! Owns payloads that arrive in parts: [`Partial`], one of them, and [`Budget`], what the large ones of a
//! connection may take together. Does not know to which call a payload belongs beyond its id.

use std::collections::VecDeque;
use std::fmt;

use crate::call::{grow_buffer, take_buffer, take_large};
use crate::proto::event::Body;
use crate::proto::{ConnectionError, Misbehaviour, Side};
use crate::wire::Payload;

/// A payload of which some bytes are here.
///
/// Invariant: `bytes.len() <= allowed <= total`, and `allowed` is `eager` until the grant.
pub(super) struct Partial {
    id: u32,
    bytes: Vec<u8>,
    total: usize,
    allowed: usize,
    /// What it holds of the budget.
    reserved: usize,
}

/// A payload of which a smaller part than one in so many has come has no claim to memory for the rest.
const BEGUN: usize = 16;

/// What a part made of its payload.
#[derive(Debug)]
pub(super) enum Assembled {
    /// More is to come.
    Partly(Partial),
    /// All of it is here.
    Whole(Body),
}

impl fmt::Debug for Partial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Partial({} of {} bytes)", self.bytes.len(), self.total)
    }
}

impl Partial {
    /// A payload that is all in its first frame.
    #[inline]
    pub(super) fn whole(id: u32, part: &[u8], eager: usize) -> Result<Body, Misbehaviour> {
        if part.len() > eager {
            return Err(Misbehaviour::Ungranted { id });
        }
        let mut bytes = take_buffer();
        grow_buffer(&mut bytes, part.len());
        bytes.extend_from_slice(part);
        Ok(Body::from_parts(bytes, 0, id))
    }

    /// Begins with a first frame. `more` says whether the payload goes on.
    #[inline]
    pub(super) fn begin(
        id: u32,
        payload: Payload<'_>,
        more: bool,
        eager: usize,
        budget: &mut Budget,
    ) -> Result<Assembled, ConnectionError> {
        let Payload { total, part } = payload;
        if !more {
            return Ok(Assembled::Whole(Self::whole(id, part, eager)?));
        }
        if part.len() > eager {
            return Err(Misbehaviour::Ungranted { id }.into());
        }
        // Room for all of it, if what is here is not too small a part of that: others grow as they come.
        let is_begun = total.min(eager) / BEGUN <= part.len();
        let mut bytes = if is_begun { take_large(total.min(eager)) } else { Vec::new() };
        grow_buffer(&mut bytes, part.len());
        bytes.extend_from_slice(part);
        budget.begun = true;
        if total > eager {
            budget.ask(id, total);
        }
        Ok(Assembled::Partly(Self { id, bytes, total, allowed: total.min(eager), reserved: 0 }))
    }

    /// Goes on with a further frame.
    pub(super) fn append(
        mut self,
        part: &[u8],
        more: bool,
        budget: &mut Budget,
    ) -> Result<Assembled, ConnectionError> {
        let id = self.id;
        let length = self.bytes.len() + part.len();
        let fault = match () {
            () if part.is_empty() => Some(Misbehaviour::EmptyPart { id }),
            () if length > self.allowed && self.allowed < self.total => Some(Misbehaviour::Ungranted { id }),
            () if length > self.total || more == (length == self.total) => {
                Some(Misbehaviour::WrongTotal { id })
            }
            () => None,
        };
        if let Some(fault) = fault {
            self.abandon(budget);
            return Err(fault.into());
        }
        self.bytes.extend_from_slice(part);
        if more {
            return Ok(Assembled::Partly(self));
        }
        Ok(Assembled::Whole(Body::from_parts(self.bytes, self.reserved, id)))
    }

    /// The grant has come: all of the payload may be sent now.
    pub(super) fn grant(&mut self) {
        self.allowed = self.total;
        self.reserved = self.total;
        let missing = self.total - self.bytes.len();
        grow_buffer(&mut self.bytes, missing);
    }

    /// Whether it is larger than what needs no grant, and has none.
    pub(super) const fn waits(&self) -> bool {
        self.allowed < self.total
    }

    #[cfg(any(test, fuzzing))]
    pub(super) const fn reserved(&self) -> usize {
        self.reserved
    }

    /// Gives back what it holds of the budget, or its place in the line.
    pub(super) fn abandon(self, budget: &mut Budget) {
        if self.reserved > 0 {
            budget.release(self.id, self.reserved);
        } else if self.total > self.allowed {
            budget.forget(self.id);
        }
    }
}

// ===== impl Budget =====

/// What the large payloads of a connection hold.
///
/// Arguments of the peer's calls and answers to this side's own have one half each. Arguments hold theirs until a
/// handler can start; that may wait until earlier answers have left, and those leave when the peer grants them.
/// Were there one budget for both, two sides whose budgets are full of arguments would wait for each other.
#[derive(Debug)]
pub(super) struct Budget {
    side: Side,
    arguments: Share,
    answers: Share,
    /// A payload has begun that comes in parts.
    begun: bool,
}

/// One half of the budget, and the payloads that wait for a part of it, first come first served.
///
/// Invariants: `used <= limit`; no payload that asks is larger than `limit`.
#[derive(Debug)]
struct Share {
    limit: usize,
    used: usize,
    waiting: VecDeque<(u32, usize)>,
}

impl Budget {
    pub(super) const fn new(side: Side, limit: usize) -> Self {
        Self { side, arguments: Share::new(limit / 2), answers: Share::new(limit / 2), begun: false }
    }

    fn ask(&mut self, id: u32, total: usize) {
        self.share(id).waiting.push_back((id, total));
    }

    fn forget(&mut self, id: u32) {
        self.share(id).waiting.retain(|&(waiting, _)| waiting != id);
    }

    pub(super) fn release(&mut self, id: u32, reserved: usize) {
        let share = self.share(id);
        debug_assert!(reserved <= share.used, "{reserved} bytes released of {}", share.used);
        share.used = share.used.saturating_sub(reserved);
    }

    /// Whether a payload that comes in parts has begun since this was asked last.
    pub(super) const fn take_begun(&mut self) -> bool {
        std::mem::replace(&mut self.begun, false)
    }

    /// The next payload that fits, now reserved: its id and its total.
    pub(super) fn next_grant(&mut self) -> Option<(u32, usize)> {
        self.answers.next_grant().or_else(|| self.arguments.next_grant())
    }

    /// The half for a payload that belongs to this call.
    const fn share(&mut self, id: u32) -> &mut Share {
        if self.side.owns(id) { &mut self.answers } else { &mut self.arguments }
    }

    #[cfg(any(test, fuzzing))]
    pub(super) const fn used(&self) -> usize {
        self.arguments.used + self.answers.used
    }

    #[cfg(any(test, fuzzing))]
    pub(super) fn waiting(&self) -> usize {
        self.arguments.waiting.len() + self.answers.waiting.len()
    }
}

impl Share {
    const fn new(limit: usize) -> Self {
        Self { limit, used: 0, waiting: VecDeque::new() }
    }

    fn next_grant(&mut self) -> Option<(u32, usize)> {
        let &(id, total) = self.waiting.front()?;
        if total > self.limit - self.used {
            return None;
        }
        self.waiting.pop_front();
        self.used += total;
        Some((id, total))
    }
}
