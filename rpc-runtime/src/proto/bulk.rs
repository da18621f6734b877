//! Owns [`BulkQueue`]: the rest of large payloads and the items of streams, framed turn by turn. Does not own the frames
//! that it makes, nor what stands in a head, nor credit.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use crate::call::Load;
use crate::limits;
use crate::proto::Misbehaviour;
use crate::wire::{Flags, FrameWriter, Header, Kind};

/// What one call has to send in its turn: the rest of a payload whose first frame has been written, an item, or frames.
///
/// Invariant: `sent <= allowed <= payload.len()`, and `sent < payload.len()`.
pub(super) struct Bulk {
    id: u32,
    kind: Kind,
    flags: Flags,
    payload: Load,
    sent: usize,
    allowed: usize,
    form: Form,
}

/// How the bytes of a [`Bulk`] go out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Form {
    /// In frames that go on.
    Rest,
    /// As an item of a stream, its first frame included.
    Item,
    /// As they are: they are frames.
    Frames,
}

impl fmt::Debug for Bulk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bulk({} of {} bytes)", self.sent, self.payload.len())
    }
}

impl Bulk {
    /// The rest of `payload`, of which `sent` bytes were in the first frame; the peer takes `eager` bytes without a
    /// grant.
    pub(super) fn new(id: u32, kind: Kind, flags: Flags, payload: Load, sent: usize, eager: u64) -> Self {
        let eager = usize::try_from(eager).unwrap_or(usize::MAX);
        let allowed = payload.len().min(eager);
        Self { id, kind, flags, payload, sent, allowed, form: Form::Rest }
    }

    /// An item, of which nothing is [allowed](Self::allow) yet.
    pub(super) fn item(header: Header, payload: Vec<u8>) -> Self {
        let Header { kind, flags, id } = header;
        let payload = payload.into();
        Self { id, kind, flags, payload, sent: 0, allowed: 0, form: Form::Item }
    }

    /// Whole frames of this kind and id.
    pub(super) fn whole(header: Header, frames: Vec<u8>) -> Self {
        let Header { kind, flags, id } = header;
        let allowed = frames.len();
        Self { id, kind, flags, payload: frames.into(), sent: 0, allowed, form: Form::Frames }
    }

    /// Lets so many further bytes of an item go, as far as it has them; says how many.
    pub(super) fn allow(&mut self, bytes: u64) -> u64 {
        let more = (self.payload.len() - self.allowed).min(usize::try_from(bytes).unwrap_or(usize::MAX));
        self.allowed += more;
        more as u64
    }

    #[cfg(any(test, fuzzing))]
    fn owed(&self) -> u64 {
        let overhead = limits::ITEM_OVERHEAD as u64;
        match self.form {
            Form::Rest => 0,
            Form::Item if self.sent == 0 => self.allowed as u64 + overhead,
            Form::Item => (self.allowed - self.sent) as u64,
            Form::Frames => {
                let mut rest = self.payload.bytes();
                let frames = std::iter::from_fn(|| {
                    let frame = crate::wire::split(rest).ok()??;
                    rest = &rest[frame.size..];
                    Some(frame.body.len() as u64 + overhead)
                });
                frames.sum()
            }
        }
    }

    fn is_answer(&self) -> bool {
        matches!(self.kind, Kind::Reply | Kind::Error)
    }
}

/// Writes a payload's first frame: the head, and what may go with it. Says how much of the payload that was; the rest, if
/// there is one, is for the queue.
#[inline]
pub(super) fn write_first(
    out: &mut Vec<u8>,
    header: Header,
    payload: &Load,
    eager: u64,
    head: impl FnOnce(&mut FrameWriter<'_>),
) -> usize {
    let eager = usize::try_from(eager).unwrap_or(usize::MAX);
    let first = payload.len().min(limits::INLINE_PAYLOAD).min(eager);
    let more = first < payload.len();
    let flags = if more { header.flags.with(Flags::MORE) } else { header.flags };
    let mut frame = FrameWriter::new(out, Header { flags, ..header });
    if more {
        // `Config::message` is at most `u32::MAX`, and nothing larger comes here.
        frame.total(payload.len() as u32);
    }
    head(&mut frame);
    payload.part(0..first).iter().for_each(|part| frame.payload(part));
    frame.finish();
    first
}

/// A load that has been framed to its end.
#[derive(Debug)]
pub(super) struct Framed {
    pub(super) id: u32,
    pub(super) kind: Kind,
    pub(super) payload: Load,
}

/// Large payloads that leave. Those that may go on take turns, a frame each; the others wait for their grant.
#[derive(Debug, Default)]
pub(super) struct BulkQueue {
    ready: VecDeque<Bulk>,
    waiting: BTreeMap<u32, Bulk>,
    /// The bytes of all answers in here.
    answers: usize,
    /// Streams of whose large item a part was cut.
    moved: Vec<u32>,
    /// A large payload has begun to leave.
    begun: bool,
}

impl BulkQueue {
    pub(super) fn push(&mut self, bulk: Bulk) {
        self.begun |= bulk.form == Form::Rest;
        if bulk.is_answer() {
            self.answers += bulk.payload.len();
        }
        self.enqueue(bulk);
    }

    /// Whether a large payload has begun to leave since this was asked last.
    pub(super) const fn take_begun(&mut self) -> bool {
        std::mem::replace(&mut self.begun, false)
    }

    pub(super) const fn answer_bytes(&self) -> usize {
        self.answers
    }

    #[cfg(any(test, fuzzing))]
    pub(super) fn counted(&self) -> usize {
        let all = self.ready.iter().chain(self.waiting.values());
        all.filter(|bulk| bulk.is_answer()).map(|bulk| bulk.payload.len()).sum()
    }

    /// What of a stream's load is paid for and not framed, in credit.
    #[cfg(any(test, fuzzing))]
    pub(super) fn owed(&self, id: u32) -> u64 {
        let mut loads = self.ready.iter().chain(self.waiting.values());
        loads.find(|bulk| bulk.id == id).map_or(0, Bulk::owed)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.waiting.is_empty()
    }

    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Takes a grant; one for a payload that is gone comes too late, and is nothing.
    pub(super) fn credit(&mut self, id: u32, amount: u64) -> Result<(), Misbehaviour> {
        let waiting = self.waiting.get_mut(&id);
        let Some(bulk) = waiting.or_else(|| self.ready.iter_mut().find(|bulk| bulk.id == id)) else {
            return Ok(());
        };
        // A wrong one leaves the payload where it is: its call may have to take it back.
        if amount != bulk.payload.len() as u64 || bulk.allowed == bulk.payload.len() {
            return Err(Misbehaviour::WrongCredit { id });
        }
        bulk.allowed = bulk.payload.len();
        self.ready.extend(self.waiting.remove(&id));
        Ok(())
    }

    /// Lets so many further bytes of a stream's item go, if one is here; says how many.
    pub(super) fn allow(&mut self, id: u32, bytes: u64) -> u64 {
        if let Some(bulk) = self.ready.iter_mut().find(|bulk| bulk.id == id) {
            return bulk.allow(bytes);
        }
        let Some(bulk) = self.waiting.get_mut(&id) else { return 0 };
        let allowed = bulk.allow(bytes);
        if allowed > 0 {
            self.ready.extend(self.waiting.remove(&id));
        }
        allowed
    }

    /// Forgets a payload; what was sent of it is ended by the frame that ends its call.
    pub(super) fn remove(&mut self, id: u32) -> Option<Load> {
        let bulk = match self.waiting.remove(&id) {
            Some(bulk) => bulk,
            None => self.ready.iter().position(|bulk| bulk.id == id).and_then(|at| self.ready.remove(at))?,
        };
        self.left(&bulk);
        Some(bulk.payload)
    }

    /// Cuts the next frame, or frames; hands back what is now all framed.
    pub(super) fn cut(&mut self, alone: bool, out: &mut Vec<u8>) -> Option<Framed> {
        let mut bulk = self.ready.pop_front()?;
        if bulk.form == Form::Frames {
            out.extend_from_slice(bulk.payload.bytes());
            return Some(self.done(bulk));
        }
        let most = if alone && self.ready.is_empty() { limits::FRAME } else { limits::FRAME_SHARED };
        let end = bulk.allowed.min(bulk.sent + most);
        let last = end == bulk.payload.len();
        let flags = if last { bulk.flags } else { bulk.flags.with(Flags::MORE) };
        let mut frame = FrameWriter::new(out, Header { kind: bulk.kind, flags, id: bulk.id });
        if bulk.form == Form::Item && bulk.sent == 0 && !last {
            frame.total(bulk.payload.len() as u32);
        }
        bulk.payload.part(bulk.sent..end).iter().for_each(|part| frame.payload(part));
        frame.finish();
        bulk.sent = end;
        if last {
            return Some(self.done(bulk));
        }
        if bulk.form == Form::Item {
            self.moved.push(bulk.id);
        }
        self.enqueue(bulk);
        None
    }

    /// A stream of whose large item a part was cut since this was asked last.
    pub(super) fn poll_moved(&mut self) -> Option<u32> {
        self.moved.pop()
    }

    /// All payloads, taken out.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Load> {
        let Self { ready, waiting, .. } = std::mem::take(self);
        ready.into_iter().chain(waiting.into_values()).map(|bulk| bulk.payload)
    }

    fn done(&mut self, bulk: Bulk) -> Framed {
        self.left(&bulk);
        Framed { id: bulk.id, kind: bulk.kind, payload: bulk.payload }
    }

    fn enqueue(&mut self, bulk: Bulk) {
        if bulk.sent < bulk.allowed {
            self.ready.push_back(bulk);
        } else {
            self.waiting.insert(bulk.id, bulk);
        }
    }

    fn left(&mut self, bulk: &Bulk) {
        if bulk.is_answer() {
            self.answers -= bulk.payload.len();
        }
    }
}
