//! Owns [`Table`]: the gates of callers, as many as it may keep. Pure: time is an argument, callers are numbers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::policy::limit::{Entry, Gate, Said};
use crate::policy::quota::Quota;

/// The gates of callers.
///
/// A gate with nothing at work, whose rate has made up for all that was taken, is as a new one: it can be forgotten, and nobody
/// gains by it. When the table is full of others, callers without a place share one gate, so that whoever can appear under many
/// names gets no more by it, and takes nothing from those who have a place.
#[derive(Debug)]
pub(super) struct Table {
    /// `gates.len() <= most`.
    gates: BTreeMap<u64, Kept>,
    /// Those of them with nothing at work, and from when on each is as new.
    idle: BTreeSet<(Instant, u64)>,
    most: usize,
    shared: Gate,
}

#[derive(Debug)]
struct Kept {
    gate: Gate,
    /// Where it stands among those that are idle.
    idle: Option<Instant>,
}

/// Where a call is at work.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Seat {
    Of(u64),
    Shared,
}

/// Why a call is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Over {
    /// The limit on calls at work, if that is reached.
    pub(super) at_work: Option<usize>,
    /// How long it takes until the rate lets another call begin.
    pub(super) wait: Duration,
    pub(super) seat: Seat,
}

impl Table {
    /// A table for so many callers; the others share one gate with this quota.
    pub(super) fn new(now: Instant, most: usize, shared: Quota) -> Self {
        let shared = shared.limit().gate(now, false);
        Self { gates: BTreeMap::new(), idle: BTreeSet::new(), most, shared }
    }

    /// A call of this caller comes, who has this quota.
    pub(super) fn enter(&mut self, now: Instant, caller: u64, quota: Quota) -> Result<Seat, Over> {
        let seat = self.seat(now, caller, quota);
        let gate = self.gate(seat);
        match gate.enter(now, 0) {
            Entry::Started => {
                self.note_idle(now, seat);
                Ok(seat)
            }
            Entry::Waits(_) | Entry::Full => {
                let at_work = (gate.at_work() >= gate.limit()).then(|| gate.limit());
                Err(Over { at_work, wait: gate.rate_wait(now, 1), seat })
            }
        }
    }

    /// A call that began then has ended.
    pub(super) fn leave(&mut self, now: Instant, began: Instant, seat: Seat) {
        self.gate(seat).end(now, began, Said::Nothing);
        self.note_idle(now, seat);
    }

    /// How many callers it knows.
    pub(super) fn len(&self) -> usize {
        self.gates.len()
    }

    fn seat(&mut self, now: Instant, caller: u64, quota: Quota) -> Seat {
        if self.gates.contains_key(&caller) {
            return Seat::Of(caller);
        }
        // Two for each that comes, so that the table shrinks when many have gone.
        for _ in 0..2 {
            let Some(&(fresh_at, gone)) = self.idle.first().filter(|(fresh_at, _)| *fresh_at <= now) else {
                break;
            };
            self.idle.remove(&(fresh_at, gone));
            self.gates.remove(&gone);
        }
        if self.gates.len() >= self.most {
            return Seat::Shared;
        }
        self.gates.insert(caller, Kept { gate: quota.limit().gate(now, false), idle: None });
        Seat::Of(caller)
    }

    /// Notes whether the gate is idle now, and until when it remembers.
    fn note_idle(&mut self, now: Instant, seat: Seat) {
        let Seat::Of(caller) = seat else { return };
        let Some(kept) = self.gates.get_mut(&caller) else { return };
        if let Some(before) = kept.idle.take() {
            self.idle.remove(&(before, caller));
        }
        kept.idle = kept.gate.fresh_at(now);
        self.idle.extend(kept.idle.map(|fresh_at| (fresh_at, caller)));
    }

    fn gate(&mut self, seat: Seat) -> &mut Gate {
        let own = match seat {
            Seat::Of(caller) => self.gates.get_mut(&caller).map(|kept| &mut kept.gate),
            Seat::Shared => None,
        };
        own.unwrap_or(&mut self.shared)
    }
}
