//! Owns [`Receiving`]: the items of one stream that have arrived and not been taken, and how many more may come. Does not
//! own the call, nor the frame that grants.

use std::collections::VecDeque;

use crate::call::Batch;
use crate::limits;
use crate::proto::Misbehaviour;
use crate::proto::stream::Spare;
use crate::wire::{Header, Payload};

/// The items of one stream on their way to the application.
///
/// ```text
///   Open ──END, no item half here──▶ Ended
///     └──────── the call is over ────────▶ gone; what is unread goes with its end, or nowhere
/// ```
#[derive(Debug)]
pub(in crate::proto) struct Receiving {
    id: u32,
    inbox: VecDeque<Batch>,
    partial: Option<Partial>,
    ended: bool,
    /// The application has looked for an item and found none.
    wanted: bool,
    /// The window at first, by how much it has grown, and what is lent to it for one large item.
    base: u64,
    grown: u64,
    lent: u64,
    /// It stands in the line for a loan.
    asked: bool,
    /// The end of that item: up to here may be granted.
    lent_until: u64,
    granted: u64,
    received: u64,
    taken: u64,
    /// What had been granted before the last CREDIT.
    prior: u64,
    /// What the last item cost: a sender with less credit than that stands still.
    last_cost: u64,
}

/// An item of which some bytes are here.
#[derive(Debug)]
struct Partial {
    batch: Batch,
    missing: usize,
    /// What had been received before it.
    start: u64,
}

/// What a frame with an item, or a part of one, brought.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::proto) enum Arrived {
    /// A part.
    Part,
    /// An item. `first` if the application waits for it.
    Item { first: bool },
    /// An item of so many bytes, which is more than this side takes.
    TooLarge(usize),
}

/// Items taken together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::proto) struct Run {
    /// What their frames took of the input.
    pub(in crate::proto) bytes: usize,
    pub(in crate::proto) items: u32,
    /// The application waits for them.
    pub(in crate::proto) first: bool,
}

const _: () = assert!(Batch::HEAD == Header::SIZE);

impl Receiving {
    pub(in crate::proto) const fn new(id: u32, credit: u64) -> Self {
        Self {
            id,
            inbox: VecDeque::new(),
            partial: None,
            ended: false,
            wanted: false,
            base: credit,
            grown: 0,
            lent: 0,
            asked: false,
            lent_until: 0,
            granted: credit,
            received: 0,
            taken: 0,
            prior: credit,
            last_cost: 0,
        }
    }

    /// Its call has been given an id.
    pub(in crate::proto) const fn begin(&mut self, id: u32) {
        self.id = id;
    }

    // ----- frames -----

    /// Takes the items at the front of `input`, the first of them with this header: those that are whole, paid for and no larger
    /// than `largest`, about a batch. `None` if there is none: [`handle_first`](Self::handle_first) says why.
    pub(in crate::proto) fn handle_run(
        &mut self,
        header: Header,
        input: &[u8],
        largest: usize,
    ) -> Option<Run> {
        if self.ended || self.partial.is_some() {
            return None;
        }
        let (head, room) = (header.bytes(), self.granted - self.received);
        let (mut bytes, mut items, mut spent) = (0, 0, 0);
        while let Some((length, rest)) = input[bytes..].split_first_chunk::<4>()
            && let Some(payload) = (u32::from_be_bytes(*length) as usize).checked_sub(head.len())
            && (1..=largest.min(limits::FRAME)).contains(&payload)
            && rest.len() >= head.len() + payload
            && rest.starts_with(&head)
            && bytes < limits::BATCH
        {
            let cost = (limits::ITEM_OVERHEAD + payload) as u64;
            if spent + cost > room {
                break;
            }
            spent += cost;
            bytes += Header::SIZE + payload;
            items += 1;
            self.last_cost = cost;
        }
        if items == 0 {
            return None;
        }
        self.received += spent;
        match self.inbox.back_mut().filter(|last| last.size() < limits::BATCH) {
            Some(last) => last.push_framed(&input[..bytes]),
            None => {
                let mut batch = Batch::new();
                batch.push_framed(&input[..bytes]);
                self.inbox.push_back(batch);
            }
        }
        Some(Run { bytes, items, first: std::mem::take(&mut self.wanted) })
    }

    /// Whether the next frame goes on with an item that has begun.
    pub(in crate::proto) const fn is_part_way(&self) -> bool {
        self.partial.is_some()
    }

    /// An item's only or first frame; `largest` is what this side takes.
    pub(in crate::proto) fn handle_first(
        &mut self,
        payload: Payload<'_>,
        more: bool,
        largest: usize,
    ) -> Result<Arrived, Misbehaviour> {
        let Payload { total, part } = payload;
        if part.is_empty() {
            return Err(Misbehaviour::EmptyPart { id: self.id });
        }
        let start = self.received;
        self.charge(limits::ITEM_OVERHEAD + part.len())?;
        if total > largest {
            return Ok(Arrived::TooLarge(total));
        }
        self.last_cost = (limits::ITEM_OVERHEAD + total) as u64;
        if more {
            let mut batch = Batch::part_way(total);
            batch.append(part);
            self.partial = Some(Partial { batch, missing: total - part.len(), start });
            return Ok(Arrived::Part);
        }
        if !self.join(part) {
            let mut batch = Batch::new();
            batch.push(part);
            self.inbox.push_back(batch);
        }
        Ok(self.arrived())
    }

    /// The next frame of an item that has begun.
    pub(in crate::proto) fn handle_next(&mut self, part: &[u8], more: bool) -> Result<Arrived, Misbehaviour> {
        let id = self.id;
        self.charge(part.len())?;
        let Some(partial) = &mut self.partial else { return Err(Misbehaviour::WrongTotal { id }) };
        if part.is_empty() {
            return Err(Misbehaviour::EmptyPart { id });
        }
        if part.len() > partial.missing || more == (part.len() == partial.missing) {
            return Err(Misbehaviour::WrongTotal { id });
        }
        partial.batch.append(part);
        partial.missing -= part.len();
        if more {
            return Ok(Arrived::Part);
        }
        if let Some(Partial { batch, .. }) = self.partial.take()
            && !(batch.size() < SMALL && batch.first().is_some_and(|item| self.join(item)))
        {
            self.inbox.push_back(batch);
        }
        Ok(self.arrived())
    }

    /// The sender has no further items; says whether the application waits to hear it.
    pub(in crate::proto) fn handle_end(&mut self) -> Result<bool, Misbehaviour> {
        if self.partial.is_some() {
            return Err(Misbehaviour::WrongTotal { id: self.id });
        }
        self.ended = true;
        Ok(std::mem::take(&mut self.wanted))
    }

    // ----- the application -----

    /// Takes items that are here; if there are none, the application waits for them.
    pub(in crate::proto) fn take(&mut self) -> Option<Batch> {
        let batch = self.inbox.pop_front();
        self.wanted = batch.is_none() && !self.ended;
        batch
    }

    /// The application is done with items of this cost.
    pub(in crate::proto) fn taken(&mut self, cost: u64, spare: &mut Spare) {
        debug_assert!(self.taken + cost <= self.received, "what is taken was received");
        self.taken = (self.taken + cost).min(self.received);
        // At once, even if the next item has begun: nothing of that was granted out of the loan. Streams that kept one
        // loan while they wait for the next could wait for each other.
        if self.lent > 0 && self.lent_until <= self.taken + self.window() {
            spare.give_back(0, std::mem::take(&mut self.lent));
        }
    }

    /// Whether anything has come.
    pub(in crate::proto) const fn has_begun(&self) -> bool {
        self.received > 0 || self.ended
    }

    /// Whether nothing further will come.
    pub(in crate::proto) const fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether there are items that nobody has taken.
    pub(in crate::proto) fn has_unread(&self) -> bool {
        !self.inbox.is_empty()
    }

    // ----- credit -----

    /// How much is to be granted now, if anything.
    pub(in crate::proto) fn grant(&mut self, spare: &mut Spare) -> Option<u64> {
        if self.ended {
            return None;
        }
        // Nearly every item comes here: nobody waits for it, and half of the window is not free yet.
        let room = self.room();
        if !self.wanted && self.partial.is_none() && room < self.window().div_ceil(2) {
            return None;
        }
        self.grow(spare);
        self.ask(spare);
        let room = self.room();
        let missing = self.missing().saturating_sub(self.granted - self.received);
        // What is missing of an item is not granted in crumbs, unless the application can take nothing before it.
        let urgent = missing > 0 && (self.wanted || room >= missing);
        // Half of the window at a time, or an eighth if the application waits and the sender perhaps too: else a stream over
        // a long way would use half of its window only.
        let worth_it = self.window().div_ceil(if self.is_starved() { 8 } else { 2 });
        if room == 0 || (room < worth_it && !urgent) {
            return None;
        }
        Some(self.give(room))
    }

    /// Grants what there is, however little: the sender hears that the application takes.
    pub(in crate::proto) fn grant_rest(&mut self) -> Option<u64> {
        let room = self.room();
        (room > 0).then(|| self.give(room))
    }

    /// The loan that it has asked for is there.
    pub(in crate::proto) fn lend(&mut self, amount: u64) {
        self.asked = false;
        self.lent = amount;
        self.lent_until = self.received + self.missing();
    }

    /// The stream is over: gives back what it holds, and hands over what is unread.
    pub(in crate::proto) fn close(self, spare: &mut Spare) -> VecDeque<Batch> {
        if self.asked {
            spare.forget(self.id);
        }
        spare.give_back(self.grown, self.lent);
        self.inbox
    }

    /// What its window holds of the spare credit.
    #[cfg(any(test, fuzzing))]
    pub(in crate::proto) const fn spare_held(&self) -> u64 {
        self.grown + self.lent
    }

    #[cfg(any(test, fuzzing))]
    pub(in crate::proto) fn held(&self) -> (u64, u64) {
        assert!(self.taken <= self.received && self.received <= self.granted, "{self:?}");
        assert!(self.granted <= self.limit(), "{self:?}");
        (self.received - self.taken, self.granted - self.received)
    }

    // ----- inside -----

    /// What may be granted beyond what is taken, but for a loan.
    const fn window(&self) -> u64 {
        self.base + self.grown
    }

    /// Up to where may be granted.
    const fn limit(&self) -> u64 {
        let own = self.taken + self.window();
        if self.lent > 0 && self.lent_until > own { self.lent_until } else { own }
    }

    const fn room(&self) -> u64 {
        self.limit().saturating_sub(self.granted)
    }

    fn give(&mut self, room: u64) -> u64 {
        self.prior = self.granted;
        self.granted += room;
        if let Some(partial) = &mut self.partial
            && partial.missing as u64 <= self.granted - self.received
        {
            // All of it is paid for, so its memory is too.
            partial.batch.reserve(partial.missing);
        }
        room
    }

    /// Puts a whole item to those that wait, if their batch has room.
    fn join(&mut self, item: &[u8]) -> bool {
        let last = self.inbox.back_mut().filter(|last| last.size() < limits::BATCH);
        last.map(|last| last.push(item)).is_some()
    }

    /// What the item that has begun still costs.
    fn missing(&self) -> u64 {
        self.partial.as_ref().map_or(0, |partial| partial.missing as u64)
    }

    /// Takes a frame's cost from what was granted: a byte too many is the sender's fault.
    fn charge(&mut self, cost: usize) -> Result<(), Misbehaviour> {
        self.received += cost as u64;
        if self.received > self.granted {
            return Err(Misbehaviour::Ungranted { id: self.id });
        }
        Ok(())
    }

    fn arrived(&mut self) -> Arrived {
        Arrived::Item { first: std::mem::take(&mut self.wanted) }
    }

    /// Whether the application has taken everything and waits.
    const fn is_starved(&self) -> bool {
        self.wanted && self.partial.is_none() && self.received == self.taken
    }

    /// Doubles the window if it is what holds the stream up: the application has taken everything and waits, while the
    /// sender has spent all that it had before the last CREDIT and has not heard of that yet. This needs no clock, and
    /// stops growing when the window is as large as what can be under way (the bandwidth-delay product).
    fn grow(&mut self, spare: &mut Spare) {
        let spent = self.granted > self.prior && self.received + self.last_cost > self.prior;
        if self.is_starved() && spent {
            // Once for each CREDIT.
            self.prior = self.granted;
            let own = self.window();
            let most = (limits::CREDIT_MOST as u64).saturating_sub(own).min(own);
            self.grown += spare.grow(most);
        }
    }

    /// Asks for what an item is larger than the window, once everything before it is taken and the application waits: an
    /// item that nobody asks for holds nothing that others could use.
    fn ask(&mut self, spare: &mut Spare) {
        let Some(partial) = &self.partial else { return };
        let (end, own) = (self.received + self.missing(), self.taken + self.window());
        if self.wanted && !self.asked && self.lent == 0 && self.taken >= partial.start && end > own {
            self.asked = true;
            spare.ask(self.id, end - own);
        }
    }
}

/// An item in parts that is smaller than this joins those before it: a batch of its own for each tiny one would cost more
/// memory than the item costs credit.
const SMALL: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Flags, FrameWriter, Kind};

    const HEADER: Header = Header { kind: Kind::Item, flags: Flags::NONE, id: 5 };

    fn frame(header: Header, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut frame = FrameWriter::new(&mut out, header);
        frame.payload(payload);
        frame.finish();
        out
    }

    /// How many items are taken of an input, by a stream with so much credit; and that what was taken has come.
    fn taken(input: &[u8], credit: u64) -> u32 {
        let mut receiving = Receiving::new(5, credit);
        assert!(receiving.take().is_none());
        let Some(run) = receiving.handle_run(HEADER, input, 100) else {
            assert!(receiving.wanted && receiving.received == 0 && receiving.take().is_none());
            return 0;
        };
        assert_eq!((run.first, run.bytes), (true, 13 * run.items as usize));
        let mut items = receiving.take().unwrap();
        assert_eq!(items.cost(), receiving.received);
        for _ in 0..run.items {
            assert_eq!(items.first(), Some(&b"abc"[..]));
            items.pop();
        }
        assert!(items.is_empty());
        run.items
    }

    #[test]
    fn items_are_taken_together_up_to_what_needs_a_second_look() {
        let good = frame(HEADER, b"abc");
        let more = Header { flags: Flags::MORE, ..HEADER };
        let other = Header { id: 7, ..HEADER };
        let end = Header { kind: Kind::End, ..HEADER };
        let looks = [
            frame(more, b"abc"),
            frame(other, b"abc"),
            frame(end, b"abc"),
            frame(HEADER, b""),
            frame(HEADER, &[7; 101]),
        ];
        for look in looks {
            assert_eq!(taken(&[&good[..], &good, &look, &good].concat(), 1_000), 2, "{look:x?}");
            assert_eq!(taken(&[&look[..], &good].concat(), 1_000), 0, "{look:x?}");
        }
        for cut in 1..good.len() {
            assert_eq!(taken(&[&good[..], &good[..cut]].concat(), 1_000), 1, "{cut}");
        }
        assert_eq!(taken(&[0, 0, 0, 2, 7, 0, 0, 0, 0, 5], 1_000), 0, "shorter than a head");
        let (three, each) = (good.repeat(3), 3 + limits::ITEM_OVERHEAD as u64);
        assert_eq!([0, 1, 2, 3].map(|items| taken(&three, items * each)), [0, 1, 2, 3]);
        assert_eq!([1, 2, 3].map(|items| taken(&three, items * each - 1)), [0, 1, 2]);
    }

    #[test]
    fn a_batch_is_not_longer_than_its_limit_and_a_frame() {
        let input = frame(HEADER, &[7; 90]).repeat(1_000);
        let (mut receiving, mut at) = (Receiving::new(5, 1_000_000), 0);
        while let Some(run) = receiving.handle_run(HEADER, &input[at..], 100) {
            at += run.bytes;
        }
        assert_eq!(at, input.len());
        let sizes: Vec<_> = std::iter::from_fn(|| receiving.take()).map(|batch| batch.size()).collect();
        assert!(sizes.iter().all(|&size| size < limits::BATCH + 100), "{sizes:?}");
        assert_eq!(sizes.iter().sum::<usize>(), input.len());
    }
}
