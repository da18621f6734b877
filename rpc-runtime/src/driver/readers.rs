//! Owns [`Readers`]: how far the applications have read of what they were handed, and when to look. Does not move items.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::limits;
use crate::proto::CallRef;

/// Streams that are read, and what their readers have been done with.
///
/// A reader is handed many small items at a time, and comes again when it is done with all of them. One that takes long
/// over each would seem to stand still meanwhile: so it counts what it reads, which costs next to nothing, and somebody
/// looks at the count now and then.
#[derive(Debug, Default)]
pub(super) struct Readers {
    all: BTreeMap<CallRef, Reader>,
    /// When to look next; `None` if there is nobody to look at.
    pub(super) look: Option<Instant>,
}

#[derive(Debug)]
struct Reader {
    /// The cost of what has been read.
    taken: Arc<AtomicU64>,
    /// How much of that the machine knows.
    told: u64,
    /// How often to look.
    every: Duration,
    /// It waits to be dropped when its call is over, instead of hearing of that.
    is_patient: bool,
}

impl Readers {
    /// A stream that is to be read, whose time runs out if nothing moves for `idle`. Its reader adds to what comes back.
    pub(super) fn insert(
        &mut self,
        call: CallRef,
        idle: Option<Duration>,
        is_patient: bool,
        now: Instant,
    ) -> Arc<AtomicU64> {
        let taken = Arc::new(AtomicU64::new(0));
        let every = idle.map_or(limits::LOOK, |idle| limits::LOOK.min(idle / 4)).max(limits::LOOK_LEAST);
        self.all.insert(call, Reader { taken: Arc::clone(&taken), told: 0, every, is_patient });
        self.look = Some(self.look.map_or(now + every, |look| look.min(now + every)));
        taken
    }

    /// The cost of what has been read since this was asked last.
    pub(super) fn done(&mut self, call: CallRef) -> u64 {
        self.all.get_mut(&call).map_or(0, Reader::done)
    }

    /// Whether the reader of a call that is over is a handler that will be dropped before long.
    pub(super) fn will_be_dropped(&self, call: CallRef) -> bool {
        self.all.get(&call).is_some_and(|reader| reader.is_patient)
    }

    pub(super) fn forget(&mut self, call: CallRef) {
        self.all.remove(&call);
    }

    /// What has been read of each stream since it was asked last; it is to be looked again after a while.
    pub(super) fn look(&mut self, now: Instant) -> Vec<(CallRef, u64)> {
        self.look = self.all.values().map(|reader| reader.every).min().map(|every| now + every);
        let done = self.all.iter_mut().map(|(&call, reader)| (call, reader.done()));
        done.filter(|(_, done)| *done > 0).collect()
    }
}

impl Reader {
    fn done(&mut self) -> u64 {
        let taken = self.taken.load(Ordering::Relaxed);
        taken - std::mem::replace(&mut self.told, taken)
    }
}
