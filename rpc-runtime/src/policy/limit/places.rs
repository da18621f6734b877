//! Owns [`Places`]: the gate behind a lock, and those who wait at it. Decides nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use parking_lot::Mutex;
use tokio::time::Sleep;

use crate::policy::clock::now;
use crate::policy::limit::gate::{Entry, Gate};
use crate::policy::limit::sample::Said;

/// A gate that calls pass, in tasks of their own.
#[derive(Debug)]
pub(in crate::policy) struct Places {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    gate: Gate,
    /// Those that wait and have been polled; as many as the queue has at most.
    wakers: BTreeMap<u64, Waker>,
    /// Those whose turn has come, and who do not know it yet.
    granted: BTreeSet<u64>,
}

/// A call on its way to a place.
#[derive(Debug)]
pub(in crate::policy) enum Entered {
    At(Place),
    Waits(Waiting),
    Full,
}

impl Places {
    pub(in crate::policy) fn new(gate: Gate) -> Arc<Self> {
        let (wakers, granted) = (BTreeMap::new(), BTreeSet::new());
        Arc::new(Self { state: Mutex::new(State { gate, wakers, granted }) })
    }

    /// A call of this key comes. `judge` sees the gate first, under its lock, and may turn the call away.
    pub(in crate::policy) fn enter<E>(
        self: &Arc<Self>,
        key: u64,
        judge: impl FnOnce(&Gate) -> Result<(), E>,
    ) -> Result<Entered, E> {
        let now = now();
        let entry = {
            let mut state = self.state.lock();
            judge(&state.gate)?;
            state.gate.enter(now, key)
        };
        Ok(match entry {
            Entry::Started => Entered::At(Place { places: Arc::clone(self), began: Some(now) }),
            Entry::Waits(ticket) => {
                Entered::Waits(Waiting { places: Arc::clone(self), key, ticket: Some(ticket), sleep: None })
            }
            Entry::Full => Entered::Full,
        })
    }

    /// Looks at the gate.
    pub(in crate::policy) fn look<T>(&self, look: impl FnOnce(&Gate) -> T) -> T {
        look(&self.state.lock().gate)
    }

    /// Changes the gate, and lets those start who may.
    fn change<T>(&self, now: Instant, change: impl FnOnce(&mut State) -> T) -> T {
        let mut woken = Vec::new();
        let changed = {
            let mut state = self.state.lock();
            let changed = change(&mut state);
            while let Some(ticket) = state.gate.poll_start(now) {
                state.granted.insert(ticket);
                woken.extend(state.wakers.remove(&ticket));
            }
            // Whoever is first now has to watch the clock for the rate.
            if let Some((first, _)) = state.gate.looks_again_at(now) {
                woken.extend(state.wakers.remove(&first));
            }
            changed
        };
        woken.into_iter().for_each(Waker::wake);
        changed
    }
}

// ===== impl Waiting =====

/// A call that waits for a place. Dropping it gives its place in the queue up, or the place itself if its turn has come.
#[derive(Debug)]
pub(in crate::policy) struct Waiting {
    places: Arc<Places>,
    key: u64,
    /// None once it has its place.
    ticket: Option<u64>,
    /// Wakes the first one when the rate lets it through.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Waiting {
    /// Ready with the place.
    pub(in crate::policy) fn poll_place(&mut self, cx: &mut Context<'_>) -> Poll<Place> {
        let Some(ticket) = self.ticket else { return Poll::Pending };
        loop {
            // Wakers are somebody else's code: they are cloned and dropped outside of the lock.
            let waker = cx.waker().clone();
            let (_earlier, until) = {
                let mut state = self.places.state.lock();
                if state.granted.remove(&ticket) {
                    self.ticket = None;
                    drop(state);
                    return Poll::Ready(Place { places: Arc::clone(&self.places), began: Some(now()) });
                }
                let earlier = state.wakers.insert(ticket, waker);
                (earlier, state.gate.looks_again_at(now()).filter(|(first, _)| *first == ticket))
            };
            let Some((_, until)) = until else {
                self.sleep = None;
                return Poll::Pending;
            };
            let mut sleep = Box::pin(tokio::time::sleep_until(until.into()));
            let is_due = sleep.as_mut().poll(cx).is_ready();
            self.sleep = Some(sleep);
            if !is_due {
                return Poll::Pending;
            }
            self.places.change(now(), |_| {});
        }
    }
}

/// A caller may give up at the moment when its turn has come and before it has been polled: then it holds a place that it
/// knows nothing of, which goes to the next.
impl Drop for Waiting {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket.take() else { return };
        let now = now();
        let waker = self.places.change(now, |state| {
            let waker = state.wakers.remove(&ticket);
            if state.granted.remove(&ticket) {
                state.gate.end(now, now, Said::Nothing);
            } else {
                state.gate.leave(self.key, ticket);
            }
            waker
        });
        drop(waker);
    }
}

// ===== impl Place =====

/// A place at work. Dropping it gives it back.
#[derive(Debug)]
pub(in crate::policy) struct Place {
    places: Arc<Places>,
    /// None once it has been given back.
    began: Option<Instant>,
}

impl Place {
    /// Gives the place back, with what the call's end said.
    pub(in crate::policy) fn end(mut self, said: Said) {
        self.give_back(said);
    }

    fn give_back(&mut self, said: Said) {
        let Some(began) = self.began.take() else { return };
        let now = now();
        self.places.change(now, |state| state.gate.end(now, began, said));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.give_back(Said::Nothing);
    }
}
