//! Owns [`Shared`]: a connection as callers, handlers and its task share it. Does not move bytes.

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::num::NonZeroU64;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use futures::task::AtomicWaker;
use parking_lot::{Mutex, MutexGuard};
use tokio::runtime::Handle;

use crate::call::{Origin, Reclaim, Tail};
use crate::driver::clock;
use crate::driver::core::{Core, Failed};
use crate::driver::leaving::Leaving;
use crate::driver::panics::discard;
use crate::driver::places::{Ended, Left, Look, Ticket};
use crate::driver::timekeeper::{Deadlines, Timekeeper, Watched};
use crate::proto::{Body, CallRef, Connection, ConnectionError, Outgoing, Received, Untaken};

/// Drops the application's buffers that have left. That may run the application's code, so it comes last, and its panics are
/// its own affair.
#[cold]
fn drop_spent(spent: Vec<Tail>) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(spent))) {
        discard(panic);
        tracing::error!("a buffer of the application's panicked while it was dropped");
    }
}

/// What a connection's owner wants to hear of its life. Called outside of the connection's lock.
pub(crate) trait Lifecycle: Send + Sync + 'static {
    /// The peer has said HELLO.
    fn introduced(&self);

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
    /// What the machine says of that, for those who only look.
    takes_calls: AtomicBool,
    is_full: AtomicBool,
    /// Nobody can read along.
    is_private: bool,
    /// It accepts nothing further of the peer.
    leaving: Leaving,
}

thread_local! {
    /// Room for those whom a thread is about to wake: one that has grown is used again.
    static WAKERS: Cell<Vec<Waker>> = const { Cell::new(Vec::new()) };
}

impl Shared {
    pub(super) fn new(machine: Connection, is_private: bool) -> Arc<Self> {
        Arc::new_cyclic(|shared: &Weak<Self>| Self {
            core: Mutex::new(Core::new(machine)),
            task: AtomicWaker::new(),
            keeper: Timekeeper::new(Handle::current(), shared.clone()),
            takes_calls: AtomicBool::new(true),
            is_full: AtomicBool::new(false),
            is_private,
            leaving: Leaving::default(),
        })
    }

    /// Whether nobody can read along on its link.
    pub(crate) const fn is_private(&self) -> bool {
        self.is_private
    }

    /// Works with the machine under the lock, and takes its events before the lock is free: the key of a call that
    /// has ended may be given to another one right after.
    pub(super) fn with<R>(&self, work: impl FnOnce(&mut Core) -> R) -> R {
        let mut core = self.core.lock();
        let result = work(&mut core);
        self.settle(core);
        result
    }

    /// Does what the machine's events ask for, first under the lock and then without it.
    fn settle(&self, mut core: MutexGuard<'_, Core>) {
        core.take_events();
        let mut wakers = Vec::new();
        if !core.wakers.is_empty() {
            wakers = WAKERS.take();
            wakers.append(&mut core.wakers);
        }
        let stops = if core.stops.is_empty() { Vec::new() } else { std::mem::take(&mut core.stops) };
        let spent = core.machine.take_spent();
        let missed = core.missed();
        self.show(&core);
        drop(core);
        if !stops.is_empty() {
            stops.iter().for_each(|stop| stop.set());
        }
        if !wakers.is_empty() {
            wakers.drain(..).for_each(Waker::wake);
            WAKERS.set(wakers);
        }
        match missed {
            None => {}
            Some(Watched::Nobody) => self.keeper.start(),
            Some(Watched::Until(_)) => self.keeper.wake(),
        }
        if !spent.is_empty() {
            drop_spent(spent);
        }
    }

    /// Tells those who only look.
    fn show(&self, core: &Core) {
        let (takes_calls, is_full) = (core.machine.takes_calls(), !core.has_room());
        for (shown, now) in [(&self.takes_calls, takes_calls), (&self.is_full, is_full)] {
            if shown.load(Ordering::Relaxed) != now {
                shown.store(now, Ordering::Release);
            }
        }
    }

    // ----- for the task -----

    /// A turn begins: calls that are made from now on have to tell the task, whose waker is registered.
    pub(super) fn begin_turn(&self) {
        self.core.lock().is_told = false;
    }

    /// Whether there is something to write; and whether more than one call of this side is under way.
    pub(super) fn wants_write(&self) -> (bool, bool) {
        let core = self.core.lock();
        (core.machine.wants_write(), core.machine.outbound_calls().0 > 1)
    }

    /// GOAWAY is said, or the connection is over.
    pub(super) fn leave(&self) {
        self.leaving.begin();
    }

    // ----- for callers -----

    /// Makes a call. Its end wakes the caller, who looks for it with [`poll_call`](Self::poll_call).
    pub(crate) fn call(&self, call: Outgoing, now: Instant, caller: &Waker) -> Result<Ticket, Box<Untaken>> {
        // Wakers are code of somebody else, which must not run under the lock.
        let waker = caller.clone();
        let mut core = self.core.lock();
        let key = match core.machine.call(call, now) {
            Ok(key) => key,
            Err(untaken) => {
                self.settle(core);
                return Err(untaken);
            }
        };
        let ticket = core.places.insert(key, waker);
        let is_told = std::mem::replace(&mut core.is_told, true);
        if core.is_settled() {
            drop(core);
        } else {
            self.settle(core);
        }
        if !is_told {
            self.task.wake();
        }
        Ok(ticket)
    }

    /// Waits for the end of a call. The ticket is void once this is ready.
    pub(crate) fn poll_call(&self, ticket: Ticket, cx: &mut Context<'_>) -> Poll<Ended> {
        // The caller is mostly known already; if not, its waker is cloned outside of the lock.
        let mut clone = None;
        loop {
            let look = self.core.lock().places.look(ticket, cx.waker(), clone.take());
            match look {
                Look::Done(ended) => return Poll::Ready(ended),
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

    /// Whether the connection is over, whoever ended it.
    pub(super) fn is_lost(&self) -> bool {
        self.core.lock().machine.is_closed()
    }

    /// Whose memory of replies the peer has, as its HELLO says.
    pub(crate) fn replies(&self) -> Option<NonZeroU64> {
        self.core.lock().replies
    }

    /// How many calls the peer takes at a time, once it has said so.
    pub(crate) fn taken(&self) -> Option<u32> {
        self.core.lock().taken
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
        self.takes_calls.load(Ordering::Acquire)
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
        if !self.is_full.load(Ordering::Acquire) {
            return Poll::Ready(());
        }
        let mut core = self.core.lock();
        if core.has_room() {
            return Poll::Ready(());
        }
        if !core.room.iter().any(|waker| waker.will_wake(cx.waker())) {
            core.room.push(cx.waker().clone());
        }
        Poll::Pending
    }

    fn is_leaving(&self) -> bool {
        self.leaving.has_begun()
    }

    fn left(self: Arc<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move { self.leaving.wait().await })
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
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
