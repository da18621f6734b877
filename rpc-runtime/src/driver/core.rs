//! Owns [`Core`]: what the lock of a connection protects, and what the machine's events mean for those who wait. Wakes
//! nobody: it says whom to wake when the lock is free.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use crate::call::RpcError;
use crate::driver::clock;
use crate::driver::places::{Ended, Places, Told};
use crate::driver::readers::Readers;
use crate::driver::stop::StopSignal;
use crate::driver::timekeeper::Watched;
use crate::driver::wakers::StreamWakers;
use crate::proto::{
    CallId, CallKey, CallRef, Connection, ConnectionError, Event, Outgoing, Received, Refusal,
};
use crate::wire::Hello;

/// What the lock protects.
pub(super) struct Core {
    pub(super) machine: Connection,
    /// What the timekeeper sleeps for.
    pub(super) watched: Watched,
    /// The connection's task has been told of a call since its turn began: who comes next need not tell it again.
    pub(super) is_told: bool,
    /// Who waits for which call.
    pub(super) places: Places,
    /// How far the streams have been read.
    pub(super) readers: Readers,
    /// Who waits for the streams of which call.
    pub(super) streams: StreamWakers,
    /// How to stop the handlers that have become tasks.
    // keyed look-up only
    pub(super) running: HashMap<CallId, Arc<StopSignal>>,
    /// Handlers of oneway methods at work: their calls are over on the wire.
    pub(super) oneway: usize,
    /// Handlers that wait to encode their answers.
    pub(super) room: Vec<Waker>,
    /// Whom to wake and what to stop when the lock is free.
    pub(super) wakers: Vec<Waker>,
    pub(super) stops: Vec<Arc<StopSignal>>,
    /// What else the events of the machine want done. Rare, and so in a place of its own.
    after: Option<Box<Aftermath>>,
    /// Whose memory of replies the peer has.
    pub(super) replies: Option<NonZeroU64>,
    /// How many calls the peer takes at a time, once it has said so.
    pub(super) taken: Option<u32>,
    /// The peer has answered a call, with whatever.
    pub(super) answered: bool,
}

/// A oneway call that failed after its caller had been told that it is written.
#[derive(Debug)]
pub(crate) struct Failed {
    /// How.
    pub(crate) error: RpcError,
    /// The call itself, if it may be sent elsewhere.
    pub(crate) unseen: Option<Outgoing>,
}

/// What the machine's events want done outside of the lock by the connection's task. Whoever made the machine say
/// something wakes and stops.
#[derive(Default)]
pub(super) struct Aftermath {
    pub(super) refused: Vec<Refusal>,
    pub(super) ready: Option<Hello>,
    pub(super) retired: bool,
    pub(super) leaving: bool,
    pub(super) failed: Vec<Failed>,
    pub(super) closed: Option<Option<ConnectionError>>,
}

impl Core {
    pub(super) fn new(machine: Connection) -> Self {
        Self {
            machine,
            watched: Watched::Nobody,
            is_told: false,
            places: Places::default(),
            readers: Readers::default(),
            streams: StreamWakers::default(),
            running: HashMap::new(),
            oneway: 0,
            room: Vec::new(),
            wakers: Vec::new(),
            stops: Vec::new(),
            after: None,
            replies: None,
            taken: None,
            answered: false,
        }
    }

    /// When there is something to do for whoever watches over deadlines.
    pub(super) fn due(&self) -> Option<Instant> {
        [self.machine.deadline_timeout(), self.readers.look].into_iter().flatten().min()
    }

    /// Looks how far the streams have been read: before a reader is judged to stand still.
    pub(super) fn look(&mut self, now: Instant) {
        for (call, done) in self.readers.look(now) {
            self.machine.took_items(call, done, now);
        }
    }

    /// Whether the timekeeper has to be started or woken: what it was doing so far.
    pub(super) fn missed(&mut self) -> Option<Watched> {
        let due = self.due();
        let before = self.watched;
        if let Some(due) = due.filter(|_| before.misses(due)) {
            self.watched = Watched::Until(due);
            return Some(before);
        }
        (self.machine.is_closed() && before != Watched::Nobody).then_some(before)
    }

    fn call_ended(&mut self, key: CallKey, ended: Ended) {
        self.answered |= !matches!(ended.outcome, Received::Error(_));
        match self.places.ended(key, ended) {
            Told::Caller(waker) => self.wakers.extend(waker),
            Told::Channel(ended) => {
                let Ended { outcome, unseen, .. } = ended;
                match outcome {
                    Received::Error(error) => self.after().failed.push(Failed { error, unseen }),
                    Received::Reply { body, .. } | Received::App { detail: body, .. } => {
                        self.machine.release(body, clock::now());
                    }
                    Received::End { .. } => {}
                }
            }
        }
    }

    /// Wakes somebody when the lock is free.
    pub(super) fn wake(&mut self, waker: Option<Waker>) {
        self.wakers.extend(waker);
    }

    /// Nobody is to wait for the streams of this call any more; whoever does finds out.
    pub(super) fn stream_over(&mut self, call: CallRef) {
        self.readers.forget(call);
        self.wakers.extend(self.streams.forget(call));
    }

    /// Remembers how to stop a handler that is to become a task; false if it is to be stopped already.
    pub(super) fn note_running(&mut self, id: CallId, stop: Arc<StopSignal>) -> bool {
        let wanted = self.machine.is_running(id);
        if wanted {
            self.running.insert(id, stop);
        }
        wanted
    }

    /// Takes all events, and notes what they want done.
    pub(super) fn take_events(&mut self) {
        while let Some(event) = self.machine.poll_event() {
            match event {
                Event::Written { key } => self.wakers.extend(self.places.written(key)),
                Event::Ended { key, outcome, unseen, unread } => {
                    self.stream_over(CallRef::Own(key));
                    self.call_ended(key, Ended { outcome, unseen, unread });
                }
                Event::Opened { key, metadata } => {
                    self.wakers.extend(self.places.opened(key, metadata));
                }
                Event::Readable(CallRef::Own(key)) => self.wakers.extend(self.places.readable(key)),
                Event::Readable(call) => self.wakers.extend(self.streams.take_reader(call)),
                Event::Writable(call) => self.wakers.extend(self.streams.take_writer(call)),
                Event::Stop { id, .. } => self.stops.extend(self.running.remove(&id)),
                Event::Refused(reason) => self.after().refused.push(reason),
                Event::Ready(hello) => {
                    self.replies = NonZeroU64::new(hello.replies);
                    self.taken = Some(hello.in_flight);
                    self.after().ready = Some(hello);
                }
                Event::Retire => self.after().retired = true,
                Event::Leaving => self.after().leaving = true,
                Event::Closed(error) => self.after().closed = Some(error),
            }
        }
        if !self.room.is_empty() && self.has_room() {
            self.wakers.append(&mut self.room);
        }
    }

    /// Whether a call that the machine has taken leaves nothing else to be done: nearly every one.
    pub(super) fn is_settled(&self) -> bool {
        !self.machine.has_news() && self.wakers.is_empty() && !self.watched.misses(self.due())
    }

    /// Whether a handler may encode its answer.
    pub(super) fn has_room(&self) -> bool {
        self.machine.has_room_for_answers() || self.machine.is_closed()
    }

    fn after(&mut self) -> &mut Aftermath {
        self.after.get_or_insert_default()
    }

    /// What is left for the connection's task to do.
    pub(super) const fn take_aftermath(&mut self) -> Option<Box<Aftermath>> {
        self.after.take()
    }
}
