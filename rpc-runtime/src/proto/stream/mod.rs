//! The streams of a call: [`Receiving`], the items that arrive, and [`Sending`], those that leave. Owns credit, order and
//! ends; does not own the frames' form (`wire`), their turn in the output (`bulk`) nor the call they belong to.
//!
//! # Credit
//!
//! Both sides of one direction count the same bytes: an item costs its payload and [`ITEM_OVERHEAD`] more, charged with
//! its first frame. The sender begins with the `credit` of its peer's HELLO and never sends what it has no credit for.
//!
//! ```text
//!              taken            received           granted      taken + window
//!   ───────────┼──────────────────┼──────────────────┼─────────────┼───▶ bytes
//!   with the   │   unread, held   │  under way, or   │   may be    │
//!   application│   by Receiving   │  may be sent     │  granted    │
//! ```
//!
//! # Invariants, held by the tests
//!
//! 1. `taken <= received <= granted <= taken + window`, or up to the end of the one item that a loan is for.
//! 2. The sender's credit and what is under way are `granted - received`: credit is conserved.
//! 3. Once everything is taken, at least half of the window is granted: a sender whose item costs no more than that
//!    never waits in vain. A larger item is sent in parts, and its receiver grants what is missing of it.
//! 4. What all windows are larger than they were at first is reserved from the connection's spare credit, and comes back
//!    when the stream ends; a loan comes back when its item is taken, and no stream that has one asks for another.
//! 5. A stream ends once: with its call, or before it by END.
//!
//! [`ITEM_OVERHEAD`]: crate::limits::ITEM_OVERHEAD

mod receiving;
mod sending;
mod spare;

pub(super) use receiving::{Arrived, Receiving, Run};
pub(super) use sending::{MOST_CREDIT, Sending};
pub(super) use spare::Spare;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::call::{Batch, Deadline};
use crate::proto::tools::Tools;
use crate::proto::{Config, StreamUse};
use crate::wire::{Flags, StreamTimes};

/// The streams of one call, and its patience.
#[derive(Debug)]
pub(super) struct Streams {
    /// Items that arrive; `None` if the call has none, or they are of no interest any more.
    pub(super) input: Option<Receiving>,
    /// Items that leave; `None` if the call has none, before the callee has opened its stream, and after the end.
    pub(super) output: Option<Sending>,
    /// The caller sends items.
    pub(super) sends: bool,
    /// The caller takes items.
    pub(super) takes: bool,
    /// The callee has announced its stream.
    pub(super) opened: bool,
    /// The caller has sent items or their end: the call cannot be made again elsewhere.
    pub(super) sent: bool,
    /// Something has moved: it is the idle time that counts.
    pub(super) moved: bool,
    /// When it was last noted that something has.
    pub(super) moved_at: Option<Instant>,
    /// How long nothing may move.
    pub(super) idle: Option<Duration>,
    /// When it is over in any case.
    pub(super) total: Option<Deadline>,
    /// When the peer was last told, by a CREDIT, that the application takes.
    told: Option<Instant>,
}

impl Streams {
    /// The streams of a call that the peer has opened.
    pub(super) fn accepted(id: u32, flags: Flags, times: StreamTimes, tools: &Tools<'_>) -> Self {
        Self {
            input: flags.has(Flags::SENDS).then(|| Receiving::new(id, tools.config.credit)),
            output: None,
            sends: flags.has(Flags::SENDS),
            takes: flags.has(Flags::TAKES),
            opened: false,
            sent: false,
            moved: false,
            moved_at: None,
            idle: times.idle.map(Duration::from_micros),
            total: times.total.map(|micros| Deadline::from_wire(micros, tools.now)),
            // The caller hears of the first item that is taken: until then it does not know that anybody reads.
            told: None,
        }
    }

    /// The streams of a call that this side makes, before it has an id.
    pub(super) fn made(usage: StreamUse, config: &Config) -> Self {
        Self {
            input: usage.takes.then(|| Receiving::new(0, config.credit)),
            output: usage.sends.then(Sending::waiting),
            sends: usage.sends,
            takes: usage.takes,
            opened: false,
            sent: false,
            moved: false,
            moved_at: None,
            idle: usage.idle,
            total: usage.total,
            told: None,
        }
    }

    /// The call is sent; `credit` is what the peer gives each stream.
    pub(super) fn begin(&mut self, id: u32, credit: u64, now: Instant) {
        self.told = Some(now);
        if let Some(input) = &mut self.input {
            input.begin(id);
        }
        if let Some(output) = &mut self.output {
            output.begin(id, credit);
        }
    }

    /// What the call uses.
    pub(super) const fn usage(&self) -> StreamUse {
        StreamUse { sends: self.sends, takes: self.takes, idle: self.idle, total: self.total }
    }

    /// Whether an item of those that arrive is half here.
    pub(super) fn is_part_way(&self) -> bool {
        self.input.as_ref().is_some_and(Receiving::is_part_way)
    }

    /// The call's deadline once something has moved.
    pub(super) fn patience(&self, now: Instant) -> Option<Deadline> {
        Deadline::earlier(self.idle.map(|idle| Deadline::after(now, idle)), self.total)
    }

    /// The application is done with items of cost `done`: what is to be granted.
    pub(super) fn took(&mut self, done: u64, spare: &mut Spare, now: Instant) -> Option<u64> {
        self.input.as_mut()?.taken(done, spare);
        self.grant(done, spare, now)
    }

    /// What is to be granted after a look of the application, which is done with items of cost `done`. One that takes
    /// slowly is heard of before its sender's idle time is over, even if that has sent all that it has.
    pub(super) fn grant(&mut self, done: u64, spare: &mut Spare, now: Instant) -> Option<u64> {
        let input = self.input.as_mut()?;
        let due = self.told.is_none_or(|told| self.idle.is_some_and(|idle| now - told >= idle / 4));
        let granted = input.grant(spare).or_else(|| if done > 0 && due { input.grant_rest() } else { None });
        if granted.is_some() {
            self.told = Some(now);
        }
        granted
    }

    /// Something has moved: the call's deadline from here on. None if that was noted at this instant before: of the many items
    /// that are read together, one is enough.
    pub(super) fn moves(&mut self, now: Instant) -> Option<Option<Deadline>> {
        if self.moved_at.replace(now) == Some(now) {
            return None;
        }
        self.moved = true;
        Some(self.patience(now))
    }

    /// Why a call whose streams have moved is over before its end.
    pub(super) fn spent(&self, now: Instant) -> String {
        match (self.total, self.idle) {
            (Some(total), _) if total.has_passed(now) => {
                "its streams took all of its `total_timeout`".to_owned()
            }
            (_, idle) => {
                let idle = idle.unwrap_or_default();
                let side = match self.input.as_ref().is_some_and(Receiving::has_unread) {
                    true => "this side took no further items",
                    false => "nothing came",
                };
                format!("nothing moved on its streams for {idle:.1?} (`idle_timeout`): {side}")
            }
        }
    }

    /// The call is over: gives back what it holds of the spare credit, and hands over what is unread.
    pub(super) fn close(&mut self, spare: &mut Spare) -> VecDeque<Batch> {
        self.output = None;
        self.input.take().map_or_else(VecDeque::new, |input| input.close(spare))
    }
}

/// What the first frame of a call says of its streams.
pub(super) fn flags(usage: StreamUse) -> Flags {
    let sends = if usage.sends { Flags::SENDS } else { Flags::NONE };
    if usage.takes { sends.with(Flags::TAKES) } else { sends }
}
