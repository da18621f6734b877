//! Owns [`Shared`]: a connection as callers, handlers and its task share it. Does not move bytes.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use futures::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::runtime::Handle;

use crate::call::{Origin, Reclaim, RpcError};
use crate::driver::clock;
use crate::driver::places::{Ended, Left, Look, Places, Ticket, Told};
use crate::driver::readers::Readers;
use crate::driver::stop::StopSignal;
use crate::driver::timekeeper::{Deadlines, Timekeeper, Watched};
use crate::driver::wakers::StreamWakers;
use crate::proto::{
    Body, CallId, CallKey, CallRef, Connection, ConnectionError, Event, OutgoingCall, Received, Refusal,
    Untaken,
};
use crate::wire::Hello;

/// What a connection's owner wants to hear of its life. Called outside of the connection's lock.
pub(crate) trait Lifecycle: Send + Sync + 'static {
    /// No further calls are taken.
    fn retired(&self);

    /// The connection is over; `None` if it ended in order.
    fn closed(&self, error: Option<&ConnectionError>);

    /// A oneway call that nobody waits for has failed.
    fn oneway_failed(&self, failed: Failed);
}

/// A connection.
pub(crate) struct Shared {
    pub(super) core: Mutex<Core>,
    /// Wakes the connection's task.
    pub(super) task: AtomicWaker,
    /// Watches over deadlines beside that task.
    pub(super) keeper: Timekeeper,
}

/// What the lock protects.
pub(super) struct Core {
    pub(super) machine: Connection,
    /// What the timekeeper sleeps for.
    watched: Watched,
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
    room: Vec<Waker>,
    /// What the events of the machine want done.
    after: Aftermath,
    /// The peer has answered a call, with whatever.
    answered: bool,
}

/// A oneway call that failed after its caller had been told that it is written.
#[derive(Debug)]
pub(crate) struct Failed {
    /// How.
    pub(crate) error: RpcError,
    /// The call itself, if it may be sent elsewhere.
    pub(crate) unseen: Option<OutgoingCall>,
}

/// What the machine's events want done outside of the lock. Whoever made the machine say something wakes and stops;
/// the connection's task does the rest.
#[derive(Default)]
pub(super) struct Aftermath {
    wakers: Vec<Waker>,
    stops: Vec<Arc<StopSignal>>,
    pub(super) refused: Vec<Refusal>,
    pub(super) ready: Option<Hello>,
    pub(super) retired: bool,
    pub(super) failed: Vec<Failed>,
    pub(super) closed: Option<Option<ConnectionError>>,
}

impl Shared {
    pub(super) fn new(machine: Connection) -> Arc<Self> {
        let core = Core {
            machine,
            watched: Watched::Nobody,
            places: Places::default(),
            readers: Readers::default(),
            streams: StreamWakers::default(),
            running: HashMap::new(),
            oneway: 0,
            room: Vec::new(),
            after: Aftermath::default(),
            answered: false,
        };
        Arc::new_cyclic(|shared: &Weak<Self>| Self {
            core: Mutex::new(core),
            task: AtomicWaker::new(),
            keeper: Timekeeper::new(Handle::current(), shared.clone()),
        })
    }

    /// Works with the machine under the lock, and takes its events before the lock is free: the key of a call that
    /// has ended may be given to another one right after.
    pub(super) fn with<R>(&self, work: impl FnOnce(&mut Core) -> R) -> R {
        let mut core = self.core.lock();
        let result = work(&mut core);
        core.take_events();
        let wakers = std::mem::take(&mut core.after.wakers);
        let stops = std::mem::take(&mut core.after.stops);
        let missed = core.missed();
        drop(core);
        wakers.into_iter().for_each(Waker::wake);
        stops.into_iter().for_each(|stop| stop.set());
        match missed {
            None => {}
            Some(Watched::Nobody) => self.keeper.start(),
            Some(Watched::Until(_)) => self.keeper.wake(),
        }
        result
    }

    // ----- for the task -----

    pub(super) fn wants_write(&self) -> bool {
        self.core.lock().machine.wants_write()
    }

    pub(super) fn can_start(&self) -> bool {
        self.core.lock().machine.can_start()
    }

    /// Whether more than one call of this side is under way.
    pub(super) fn has_company(&self) -> bool {
        self.core.lock().machine.outbound_calls().0 > 1
    }

    // ----- for callers -----

    /// Makes a call; its end is waited for with [`poll_call`](Self::poll_call).
    pub(crate) fn call(&self, call: OutgoingCall) -> Result<Ticket, Box<Untaken>> {
        let ticket = self.with(|core| {
            let key = core.machine.call(call, clock::now())?;
            Ok::<_, Box<Untaken>>(core.places.insert(key))
        })?;
        self.task.wake();
        Ok(ticket)
    }

    /// Waits for the end of a call. The ticket is void once this is ready.
    pub(crate) fn poll_call(&self, ticket: Ticket, cx: &mut Context<'_>) -> Poll<Ended> {
        // The caller is mostly known already; if not, its waker is cloned outside of the lock.
        let mut clone = None;
        loop {
            let look = self.core.lock().places.look(ticket, cx.waker(), clone.take());
            match look {
                Look::Done(ended) => return Poll::Ready(*ended),
                Look::Waits(_) => return Poll::Pending,
                Look::Unknown => clone = Some(cx.waker().clone()),
            }
        }
    }

    /// Gives a call up. Must not be said of one whose end was taken.
    pub(crate) fn cancel(&self, ticket: Ticket) {
        let left = self.with(|core| {
            let left = core.places.leave(ticket);
            if let Some(Left::Call(key, _)) = &left {
                core.stream_over(CallRef::Own(*key));
                core.machine.cancel(*key, clock::now());
            }
            left
        });
        if let Some(Left::Ended(ended)) = left
            && let Received::Reply { body, .. } | Received::App { detail: body, .. } = ended.outcome
        {
            self.with(|core| core.machine.release(body, clock::now()));
        }
        self.task.wake();
    }

    /// Whether the connection lives in the runtime that this is called in: if not, it may have no turn while the caller
    /// has.
    pub(crate) fn is_at_home(&self) -> bool {
        Handle::try_current().is_ok_and(|here| here.id() == self.keeper.runtime())
    }

    /// Where tasks for this connection's calls run: here if this is a runtime, else where the connection lives.
    pub(crate) fn runtime(&self) -> Handle {
        Handle::try_current().unwrap_or_else(|_| self.keeper.home().clone())
    }

    /// Ends the calls whose time is over.
    pub(crate) fn end_due(&self) {
        self.with(|core| {
            let now = clock::now();
            core.look(now);
            core.machine.handle_deadlines(now);
        });
        self.task.wake();
    }

    /// Whether further calls are taken.
    pub(crate) fn takes_calls(&self) -> bool {
        self.core.lock().machine.takes_calls()
    }

    // ----- for owners -----

    /// Whether the peer has answered a call, with a value or its service's own error.
    pub(crate) fn has_answered(&self) -> bool {
        self.core.lock().answered
    }

    /// Takes no further calls and ends when those that were accepted are done.
    pub(crate) fn drain(&self, reason: &'static str) {
        self.with(|core| core.machine.drain(reason, clock::now()));
        self.task.wake();
    }

    /// Ends now; what is under way is cut.
    pub(crate) fn close(&self, reason: &'static str) {
        self.with(|core| core.machine.close_now(reason, clock::now()));
        self.task.wake();
    }

    /// Calls of the peer that are open.
    pub(crate) fn inbound_calls(&self) -> usize {
        self.core.lock().machine.inbound_calls()
    }

    // ----- for handlers -----

    /// The handler of a oneway method has ended.
    pub(super) fn oneway_finished(&self) {
        self.core.lock().oneway -= 1;
    }
}

impl Deadlines for Shared {
    fn watch(&self) -> Option<Instant> {
        let mut core = self.core.lock();
        let due = core.due();
        core.watched = due.map_or(Watched::Nobody, Watched::Until);
        due
    }

    fn expire(&self) {
        self.end_due();
    }

    fn give_up(&self) {
        self.core.lock().watched = Watched::Nobody;
    }

    fn keeper(&self) -> &Timekeeper {
        &self.keeper
    }
}

impl Origin for Shared {
    fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        let mut core = self.core.lock();
        if core.machine.has_room_for_answers() || core.machine.is_closed() {
            return Poll::Ready(());
        }
        if !core.room.iter().any(|waker| waker.will_wake(cx.waker())) {
            core.room.push(cx.waker().clone());
        }
        Poll::Pending
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

impl Core {
    /// When there is something to do for whoever watches over deadlines.
    fn due(&self) -> Option<Instant> {
        [self.machine.deadline_timeout(), self.readers.look].into_iter().flatten().min()
    }

    /// Looks how far the streams have been read: before a reader is judged to stand still.
    pub(super) fn look(&mut self, now: Instant) {
        for (call, done) in self.readers.look(now) {
            self.machine.took_items(call, done, now);
        }
    }

    /// Whether the timekeeper has to be started or woken: what it was doing so far.
    fn missed(&mut self) -> Option<Watched> {
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
            Told::Caller(waker) => self.after.wakers.extend(waker),
            Told::Channel(ended) => {
                let Ended { outcome, unseen, .. } = *ended;
                match outcome {
                    Received::Error(error) => self.after.failed.push(Failed { error, unseen }),
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
        self.after.wakers.extend(waker);
    }

    /// Nobody is to wait for the streams of this call any more; whoever does finds out.
    pub(super) fn stream_over(&mut self, call: CallRef) {
        self.readers.forget(call);
        self.after.wakers.extend(self.streams.forget(call));
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
    fn take_events(&mut self) {
        while let Some(event) = self.machine.poll_event() {
            match event {
                Event::Written { key } => self.after.wakers.extend(self.places.written(key)),
                Event::Ended { key, outcome, unseen, unread } => {
                    self.stream_over(CallRef::Own(key));
                    self.call_ended(key, Ended { outcome, unseen, unread });
                }
                Event::Opened { key, metadata } => {
                    self.after.wakers.extend(self.places.opened(key, metadata));
                }
                Event::Readable(CallRef::Own(key)) => self.after.wakers.extend(self.places.readable(key)),
                Event::Readable(call) => self.after.wakers.extend(self.streams.take_reader(call)),
                Event::Writable(call) => self.after.wakers.extend(self.streams.take_writer(call)),
                Event::Stop { id, .. } => self.after.stops.extend(self.running.remove(&id)),
                Event::Refused(reason) => self.after.refused.push(reason),
                Event::Ready(hello) => self.after.ready = Some(hello),
                Event::Retire => self.after.retired = true,
                Event::Closed(error) => self.after.closed = Some(error),
            }
        }
        if !self.room.is_empty() && (self.machine.has_room_for_answers() || self.machine.is_closed()) {
            self.after.wakers.append(&mut self.room);
        }
    }

    /// What is left for the connection's task to do.
    pub(super) fn take_aftermath(&mut self) -> Aftermath {
        std::mem::take(&mut self.after)
    }
}

impl Reclaim for Shared {
    fn reclaim(&self, reserved: usize, call: u32) {
        let wake = self.with(|core| {
            core.machine.release(Body::from_parts(Vec::new(), reserved, call), clock::now());
            core.machine.wants_write()
        });
        if wake {
            self.task.wake();
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shared")
    }
}
