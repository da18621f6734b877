//! Owns [`Sending`]: the items of one stream that leave, and the credit for them. Does not own their turn in the output.

use crate::call::Batch;
use crate::limits;
use crate::proto::Misbehaviour;
use crate::proto::bulk::{Bulk, BulkQueue};
use crate::wire::{Flags, Header, Kind};

/// The items of one stream on their way to the peer.
///
/// ```text
///            push              all of it framed
///   Free ───────────▶ Queued ─────────────────▶ Free ──finish──▶ gone
///                       └──finish──▶ Queued, last ──framed──────▶ gone
/// ```
///
/// At most one load of it stands in the output's third lane: frames that are whole and paid for, or one large item that
/// goes as far as credit allows.
#[derive(Debug)]
pub(in crate::proto) struct Sending {
    id: u32,
    credit: u64,
    /// Items up to this cost wait until there is credit for all of them; larger ones go in parts.
    whole: u64,
    /// A load of it is in the output's third lane.
    queued: bool,
    /// The application has items that found no credit or no place.
    wants: bool,
    /// The application has no further items.
    finished: bool,
}

impl Sending {
    /// `credit` is what the peer's HELLO gives each stream.
    pub(in crate::proto) fn new(id: u32, credit: u64) -> Self {
        let mut sending = Self::waiting();
        sending.begin(id, credit);
        sending
    }

    /// Of a call that has not been sent.
    pub(in crate::proto) const fn waiting() -> Self {
        Self { id: 0, credit: 0, whole: 0, queued: false, wants: false, finished: false }
    }

    /// Its call is sent.
    pub(in crate::proto) fn begin(&mut self, id: u32, credit: u64) {
        let credit = credit.min(MOST_CREDIT);
        (self.id, self.credit, self.whole) = (id, credit, credit / 2);
    }

    /// Sends items from the front, as many as there is credit and a place for. What stays has to come again when
    /// [`has_room`](Self::has_room) says so, or with an item that is larger than `largest` and has become the first.
    pub(in crate::proto) fn push(&mut self, items: &mut Batch, largest: usize, lane: &mut BulkQueue) {
        if !self.queued
            && let Some(load) = self.load(items, largest)
        {
            self.queued = true;
            lane.push(load);
        }
        self.wants = !items.is_empty();
    }

    /// A CREDIT has come.
    pub(in crate::proto) fn credit(&mut self, amount: u64, lane: &mut BulkQueue) -> Result<(), Misbehaviour> {
        let sum = self.credit.checked_add(amount).filter(|&sum| amount > 0 && sum <= MOST_CREDIT);
        self.credit = sum.ok_or(Misbehaviour::WrongCredit { id: self.id })?;
        if self.queued {
            self.credit -= lane.allow(self.id, self.credit);
        }
        Ok(())
    }

    /// The load in the output's third lane is framed.
    pub(in crate::proto) const fn framed(&mut self) {
        self.queued = false;
    }

    /// Whether nothing of it waits to be framed.
    pub(in crate::proto) const fn is_free(&self) -> bool {
        !self.queued
    }

    /// Whether the application, which was turned away, may come again; said once.
    pub(in crate::proto) const fn has_room(&mut self) -> bool {
        let room = self.wants && !self.queued && !self.finished && self.credit > limits::ITEM_OVERHEAD as u64;
        if room {
            self.wants = false;
        }
        room
    }

    /// The application has come again, whatever comes of it.
    pub(in crate::proto) const fn heard(&mut self) {
        self.wants = false;
    }

    /// The application has items before they can be sent at all.
    pub(in crate::proto) const fn wait(&mut self, items: &Batch) {
        self.wants = !items.is_empty();
    }

    /// The application has no further items.
    pub(in crate::proto) const fn finish(&mut self) {
        self.finished = true;
    }

    /// Whether all of it is framed, and nothing will follow.
    pub(in crate::proto) const fn is_finished(&self) -> bool {
        self.finished && !self.queued
    }

    #[cfg(any(test, fuzzing))]
    pub(in crate::proto) const fn unspent(&self) -> u64 {
        self.credit
    }

    /// What goes out together: small items as whole frames, or one large item.
    fn load(&mut self, items: &mut Batch, largest: usize) -> Option<Bulk> {
        let header = Header { kind: Kind::Item, flags: Flags::NONE, id: self.id };
        let (inline, mut framed) = (limits::INLINE_PAYLOAD.min(largest), 0);
        let frames = items.pop_framed(header.bytes(), |length| {
            let cost = (length + limits::ITEM_OVERHEAD) as u64;
            let fits = length <= inline && cost <= self.credit && framed < 2 * limits::BATCH;
            if fits {
                self.credit -= cost;
                framed += Header::SIZE + length;
            }
            fits
        });
        if !frames.is_empty() {
            return Some(Bulk::whole(header, frames));
        }
        // None of them. One that may go in parts, because it is large or costs more than ever is granted at once, does.
        let first = items.first()?.len();
        let cost = (first + limits::ITEM_OVERHEAD) as u64;
        let waits = first <= inline && cost <= self.whole;
        if waits || self.credit <= limits::ITEM_OVERHEAD as u64 {
            return None;
        }
        let item = items.pop_owned()?;
        self.credit -= limits::ITEM_OVERHEAD as u64;
        let mut load = Bulk::item(header, item);
        self.credit -= load.allow(self.credit);
        Some(load)
    }
}

/// A sum of credit beyond this is a mistake of the peer: no window is as large.
pub(in crate::proto) const MOST_CREDIT: u64 = u32::MAX as u64;
