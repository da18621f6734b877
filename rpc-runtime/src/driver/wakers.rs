//! Owns [`StreamWakers`]: who waits for the streams of which call. Wakes nobody: it says whom to wake.

use std::collections::HashMap;
use std::task::Waker;

use crate::proto::CallRef;

/// Who waits for the streams of which call: the handlers that read, and everybody who writes. Callers that read wait at
/// their places.
#[derive(Default)]
pub(super) struct StreamWakers {
    // keyed look-up only
    all: HashMap<CallRef, Wakers>,
}

#[derive(Default)]
struct Wakers {
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// What became of the attempt to leave a waker.
pub(super) enum Known {
    /// It is. What it replaces, or what is not needed, is to be dropped outside of the lock.
    Yes(#[expect(dead_code, reason = "held, so that it is dropped outside of the lock")] Option<Waker>),
    /// No: come again with a clone.
    No,
}

impl StreamWakers {
    pub(super) fn take_reader(&mut self, call: CallRef) -> Option<Waker> {
        self.all.get_mut(&call)?.reader.take()
    }

    pub(super) fn take_writer(&mut self, call: CallRef) -> Option<Waker> {
        self.all.get_mut(&call)?.writer.take()
    }

    /// The call is over: whoever waits is to be woken.
    pub(super) fn forget(&mut self, call: CallRef) -> impl Iterator<Item = Waker> + use<> {
        // Most calls have no streams, and hashing is not free.
        let gone = if self.all.is_empty() { None } else { self.all.remove(&call) };
        let Wakers { reader, writer } = gone.unwrap_or_default();
        reader.into_iter().chain(writer)
    }

    /// Leaves the waker of a handler that waits for items.
    pub(super) fn read(&mut self, call: CallRef, caller: &Waker, clone: Option<Waker>) -> Known {
        leave(&mut self.all.entry(call).or_default().reader, caller, clone)
    }

    /// Leaves the waker of somebody who waits to send items, or for the end of the call.
    pub(super) fn write(&mut self, call: CallRef, caller: &Waker, clone: Option<Waker>) -> Known {
        leave(&mut self.all.entry(call).or_default().writer, caller, clone)
    }
}

fn leave(slot: &mut Option<Waker>, caller: &Waker, clone: Option<Waker>) -> Known {
    match (slot, clone) {
        (Some(known), clone) if known.will_wake(caller) => Known::Yes(clone),
        (_, None) => Known::No,
        (slot, Some(clone)) => Known::Yes(slot.replace(clone)),
    }
}
