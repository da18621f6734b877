//! Owns [`Timekeeper`]: who ends calls at their deadlines while the connection's task has no turn. Does not know which
//! calls those are, and leaves every other timer to that task, which must read before it judges its peer.

use std::future::poll_fn;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Instant;

use futures::task::AtomicWaker;
use tokio::runtime::{Handle, Id, RuntimeFlavor};

use crate::driver::clock;

/// What the second task of a connection sleeps for. That task exists while there are deadlines to watch, so a connection
/// without any costs nothing.
///
/// ```text
///   Nobody ──the first deadline──▶ Until ──no deadline left, closed──▶ Nobody
///                                  │   ▲
///                                  └───┘ an earlier deadline, a later bound
/// ```
///
/// The connection's task watches over deadlines too, and is mostly first. It has no turn while a handler that it polls
/// computes, or while it waits in the one place of a worker that no other worker takes tasks from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Watched {
    Nobody,
    Until(Instant),
}

impl Watched {
    /// Whether somebody has to be told of the present bound. A call costs this comparison, and nothing else.
    pub(super) fn misses(self, due: Option<Instant>) -> bool {
        match (self, due) {
            (_, None) => false,
            (Self::Nobody, Some(_)) => true,
            (Self::Until(until), Some(due)) => due < until,
        }
    }
}

/// Whatever has deadlines.
pub(super) trait Deadlines: Send + Sync + 'static {
    /// The instant to sleep until; `None` if there is nothing left to watch, and nobody watches from here on.
    fn watch(&self) -> Option<Instant>;

    /// Ends the calls whose time is over.
    fn expire(&self);

    /// Nobody watches any more, though there may be something to watch.
    fn give_up(&self);

    /// Whoever watches.
    fn keeper(&self) -> &Timekeeper;
}

/// Starts and wakes the task that watches.
pub(super) struct Timekeeper {
    /// Where the connection lives.
    runtime: Handle,
    calls: Weak<dyn Deadlines>,
    task: AtomicWaker,
}

impl Timekeeper {
    pub(super) fn new(runtime: Handle, calls: Weak<dyn Deadlines>) -> Self {
        Self { runtime, calls, task: AtomicWaker::new() }
    }

    pub(super) const fn home(&self) -> &Handle {
        &self.runtime
    }

    pub(super) fn runtime(&self) -> Id {
        self.runtime.id()
    }

    /// There is a deadline, and nobody who watches.
    pub(super) fn start(&self) {
        if let Some(calls) = self.calls.upgrade() {
            self.runtime.spawn(keep(calls));
            self.make_way();
        }
    }

    /// There is an earlier deadline, or none will ever come again.
    pub(super) fn wake(&self) {
        self.task.wake();
        self.make_way();
    }

    /// What a worker wakes last goes to a place of that worker that no other one takes from, and the worker may be about
    /// to compute for long. A further task takes that place, and the one that matters goes to where others find it.
    pub(super) fn make_way(&self) {
        if self.runtime.runtime_flavor() != RuntimeFlavor::CurrentThread {
            self.runtime.spawn(std::future::ready(()));
        }
    }
}

/// Ends calls at their deadlines until there are none.
async fn keep(calls: Arc<dyn Deadlines>) {
    let mut sleep = None;
    poll_fn(|cx| {
        loop {
            calls.keeper().task.register(cx.waker());
            let Some(due) = calls.watch() else { return Poll::Ready(()) };
            let due = tokio::time::Instant::from_std(due);
            let sleep = sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
            if sleep.deadline() != due {
                sleep.as_mut().reset(due);
            }
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            calls.expire();
            if clock::now() < due.into_std() {
                // A timer that fires early would do so for ever, as when a runtime ends: the next call starts anew.
                calls.give_up();
                return Poll::Ready(());
            }
        }
    })
    .await;
}
