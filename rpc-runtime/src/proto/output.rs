//! Owns [`Output`]: framed bytes in their order, and the count of what the transport took. Does not know which
//! call a byte belongs to: it tells positions.

use std::collections::{BTreeMap, VecDeque};

use crate::call::{Load, Tail, put_segment, take_segment};
use crate::limits;
use crate::proto::Misbehaviour;
use crate::proto::bulk::{BulkQueue, Framed};
use crate::wire::{Goaway, Hello, Kind, PREFACE, write_number};

/// What is to be written, in three lanes.
///
/// 1. `control`: PONG, PING, CREDIT. It goes first, so that neither a sign of life nor a grant ever waits behind
///    calls.
/// 2. `segments`: CALL, NAME, REPLY, ERROR, CANCEL, GOAWAY, in the order in which they were framed, because CALLs
///    rise, a CANCEL follows its CALL, and a peer that has read a GOAWAY knows of all calls of its sender and may
///    close when it has none. A segment holds whole frames.
/// 3. `bulk`: the rest of large payloads and the items of streams, framed when the two others are empty. After each [`limits::FRAME_SHARED`] bytes
///    of the second lane one of its frames goes there, so that a steady flow of small calls does not starve large ones.
///
/// Positions count the bytes of the second and third lane. Invariant: `written <= handed out <= framed`.
#[derive(Debug)]
pub(super) struct Output {
    control: Vec<u8>,
    /// CREDITs that wait, summed for each id: a peer that reads nothing cannot make them many.
    credits: BTreeMap<u32, u64>,
    pongs: usize,
    segments: VecDeque<Vec<u8>>,
    pub(super) bulk: BulkQueue,
    /// Handed out and not yet written: control bytes, then bytes of the other lanes.
    in_hand: VecDeque<(usize, usize)>,
    framed: u64,
    written: u64,
    /// What the second lane has had since the third one had its turn.
    since_bulk: usize,
    /// What the third lane has had since the second one had something.
    quiet: usize,
    finished: Vec<(Framed, u64)>,
    /// Buffers of the application's that are done with, and may be dropped when no lock is held.
    spent: Vec<Tail>,
}

impl Output {
    /// Output that begins with the preface and HELLO.
    pub(super) fn new(hello: &Hello) -> Self {
        let mut control = PREFACE.to_vec();
        hello.write(&mut control);
        Self {
            control,
            credits: BTreeMap::new(),
            pongs: 0,
            segments: VecDeque::new(),
            bulk: BulkQueue::default(),
            in_hand: VecDeque::new(),
            framed: 0,
            written: 0,
            since_bulk: 0,
            quiet: 0,
            finished: Vec::new(),
            spent: Vec::new(),
        }
    }

    /// Appends frames whose order matters; hands back the position after their last byte.
    #[inline]
    pub(super) fn frame(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> u64 {
        self.quiet = 0;
        let end = self.append(|segment, _| {
            write(segment);
            None
        });
        if self.since_bulk >= limits::FRAME_SHARED && self.bulk.has_ready() {
            self.append(|segment, bulk| bulk.cut(false, segment));
            self.since_bulk = 0;
        }
        end
    }

    /// Appends to the last segment, and notes a payload that this has framed to its end.
    #[inline]
    fn append(&mut self, write: impl FnOnce(&mut Vec<u8>, &mut BulkQueue) -> Option<Framed>) -> u64 {
        let open = self.segments.back().is_some_and(|segment| segment.len() < limits::SEGMENT);
        if !open {
            self.segments.push_back(take_segment());
        }
        if let Some(segment) = self.segments.back_mut() {
            let before = segment.len();
            let finished = write(segment, &mut self.bulk);
            self.since_bulk += segment.len() - before;
            self.framed += (segment.len() - before) as u64;
            self.finished.extend(finished.map(|framed| (framed, self.framed)));
        }
        self.framed
    }

    pub(super) fn ping(&mut self, number: u64) {
        write_number(&mut self.control, Kind::Ping, 0, number);
    }

    /// Answers a ping, unless too many answers wait for the peer to read them.
    pub(super) fn pong(&mut self, number: u64) -> Result<(), Misbehaviour> {
        if self.pongs >= limits::PINGS {
            return Err(Misbehaviour::TooManyPings { limit: limits::PINGS });
        }
        self.pongs += 1;
        write_number(&mut self.control, Kind::Pong, 0, number);
        Ok(())
    }

    pub(super) fn credit(&mut self, id: u32, amount: u64) {
        *self.credits.entry(id).or_default() += amount;
    }

    pub(super) fn goaway(&mut self, goaway: &Goaway) {
        self.frame(|out| goaway.write(out));
    }

    /// A last word, behind everything that is framed; what is not framed yet never will be.
    pub(super) fn farewell(&mut self, goaway: &Goaway) {
        self.discard_bulk();
        self.frame(|out| goaway.write(out));
    }

    /// The next bytes to write, or `None` if there are none. Report what was written of them with
    /// [`wrote`](Self::wrote).
    pub(super) fn poll(&mut self) -> Option<Vec<u8>> {
        while let Some((id, amount)) = self.credits.pop_first() {
            write_number(&mut self.control, Kind::Credit, id, amount);
        }
        let control = self.control.len();
        self.pongs = 0;
        if control > 0 {
            let mut segment = std::mem::take(&mut self.control);
            let small = self.segments.front().is_some_and(|first| first.len() <= limits::INLINE_PAYLOAD);
            let first = if small { self.segments.pop_front() } else { None };
            let ordered = first.map_or(0, |first| {
                segment.extend_from_slice(&first);
                put_segment(first);
                segment.len() - control
            });
            self.in_hand.push_back((control, ordered));
            return Some(segment);
        }
        if let Some(segment) = self.segments.pop_front() {
            self.in_hand.push_back((0, segment.len()));
            return Some(segment);
        }
        self.poll_bulk()
    }

    fn poll_bulk(&mut self) -> Option<Vec<u8>> {
        if !self.bulk.has_ready() {
            return None;
        }
        let mut segment = take_segment();
        while self.bulk.has_ready() && segment.len() < limits::SEGMENT {
            let alone = segment.is_empty() && self.quiet >= limits::QUIET;
            if let Some(framed) = self.bulk.cut(alone, &mut segment) {
                // Its own end, not the segment's: the transport may take a part of a segment.
                self.finished.push((framed, self.framed + segment.len() as u64));
            }
        }
        self.framed += segment.len() as u64;
        self.quiet += segment.len();
        self.in_hand.push_back((0, segment.len()));
        Some(segment)
    }

    /// A payload that has been framed to its end, and the position after its last byte.
    pub(super) fn poll_finished(&mut self) -> Option<(Framed, u64)> {
        self.finished.pop()
    }

    /// The position after a payload that has been framed to its end and not been asked for yet.
    pub(super) fn framed_end(&self, id: u32) -> Option<u64> {
        self.finished.iter().find(|(framed, _)| framed.id == id).map(|(_, end)| *end)
    }

    /// Takes a payload back, whether or not all of it is framed.
    pub(super) fn withdraw(&mut self, id: u32) -> Option<Load> {
        let finished = self.finished.iter().position(|(framed, _)| framed.id == id);
        match finished {
            Some(at) => Some(self.finished.swap_remove(at).0.payload),
            None => self.bulk.remove(id),
        }
    }

    /// Takes a payload back that nobody wants.
    pub(super) fn drop_load(&mut self, id: u32) {
        if let Some(load) = self.withdraw(id) {
            self.discard(load);
        }
    }

    /// A payload is done with.
    pub(super) fn discard(&mut self, load: Load) {
        let mut load = load;
        self.reclaim(&mut load);
    }

    /// The same of one that stays where it is, empty.
    #[inline]
    pub(super) fn reclaim(&mut self, load: &mut Load) {
        if let Some(tail) = load.recycle() {
            self.spent.push(*tail);
        }
    }

    fn discard_bulk(&mut self) {
        let mut bulk = std::mem::take(&mut self.bulk);
        bulk.drain().for_each(|load| self.discard(load));
    }

    /// Whether there is something to be dropped when no lock is held.
    pub(super) const fn has_spent(&self) -> bool {
        !self.spent.is_empty()
    }

    /// What may be dropped when no lock is held.
    pub(super) fn take_spent(&mut self) -> Vec<Tail> {
        std::mem::take(&mut self.spent)
    }

    /// The transport took so many bytes.
    pub(super) fn wrote(&mut self, mut bytes: usize) {
        while let Some((control, ordered)) = self.in_hand.front_mut() {
            let skipped = bytes.min(*control);
            *control -= skipped;
            bytes -= skipped;
            let taken = bytes.min(*ordered);
            *ordered -= taken;
            bytes -= taken;
            self.written += taken as u64;
            if *control + *ordered > 0 {
                return;
            }
            self.in_hand.pop_front();
        }
    }

    /// The position up to which the transport took everything.
    pub(super) const fn written(&self) -> u64 {
        self.written
    }

    /// Bytes framed and not yet written.
    pub(super) const fn backlog(&self) -> usize {
        // Bounded by the output limit and a few segments, so it fits.
        (self.framed - self.written) as usize
    }

    /// Whether everything has been written.
    pub(super) fn is_empty(&self) -> bool {
        self.control.is_empty()
            && self.credits.is_empty()
            && self.segments.is_empty()
            && self.bulk.is_empty()
            && self.in_hand.is_empty()
    }

    /// Whether the transport has taken all that may leave now; what waits for the peer's credit may not.
    pub(super) fn is_written(&self) -> bool {
        !self.has_more() && self.in_hand.is_empty()
    }

    /// Whether there are bytes to hand out.
    pub(super) fn has_more(&self) -> bool {
        !self.control.is_empty()
            || !self.credits.is_empty()
            || !self.segments.is_empty()
            || self.bulk.has_ready()
    }

    /// Forgets everything: there is nobody to write to.
    pub(super) fn clear(&mut self) {
        self.control = Vec::new();
        self.credits = BTreeMap::new();
        self.segments = VecDeque::new();
        self.discard_bulk();
        self.in_hand = VecDeque::new();
        let finished = std::mem::take(&mut self.finished);
        finished.into_iter().for_each(|(framed, _)| self.discard(framed.payload));
    }
}
