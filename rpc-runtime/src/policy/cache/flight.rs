//! Owns [`Flights`]: calls that are under way for several callers. Does not make them.

use std::collections::HashMap;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use slab::Slab;

use crate::call::RpcError;
use crate::policy::cache::entry::Entry;
use crate::policy::cache::key::Key;

/// Calls that are under way for several callers, by their keys.
///
/// ```text
///   the first one ──▶ Leader ──its call ends──▶ lands: all get its outcome
///                        └──dropped, or out of time──▶ lands without one: each asks again, and one of them leads
///   the next ones ──▶ Follower
/// ```
///
/// A leader's deadline and its leaving are its own: nobody who follows it fails because of them.
#[derive(Debug, Default)]
pub(super) struct Flights {
    under_way: Mutex<HashMap<u64, Arc<Flight>>>, // keyed look-up only
}

#[derive(Debug)]
struct Flight {
    key: Key,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Set once, when it has landed.
    outcome: Option<Outcome>,
    waiting: Slab<Option<Waker>>,
}

/// What came of a call that several wait for.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    Answer(Arc<Entry>),
    Failed(RpcError),
    /// Nothing that concerns others.
    Given,
}

/// What a caller is in a flight.
#[derive(Debug)]
pub(super) enum Role {
    Leader(Leader),
    Follower(Follower),
    /// Another call under way has the same short key, or is not good enough.
    Alone,
}

impl Flights {
    /// Joins the call that is under way for this key, or begins one.
    pub(super) fn join(self: &Arc<Self>, key: &Key) -> Role {
        let mut under_way = self.under_way.lock();
        if let Some(flight) = under_way.get(&key.hash) {
            if flight.key != *key {
                return Role::Alone;
            }
            let place = flight.state.lock().waiting.insert(None);
            return Role::Follower(Follower { flight: Arc::clone(flight), place });
        }
        let flight = Arc::new(Flight { key: key.clone(), state: Mutex::default() });
        under_way.insert(key.hash, Arc::clone(&flight));
        Role::Leader(Leader { flights: Arc::clone(self), flight: Some(flight) })
    }
}

// ===== impl Leader =====

/// Whoever makes the call.
#[derive(Debug)]
pub(super) struct Leader {
    flights: Arc<Flights>,
    /// None once it has landed.
    flight: Option<Arc<Flight>>,
}

impl Leader {
    /// The call has ended; whether anybody follows it decides whether an outcome is worth making.
    pub(super) fn land(mut self, outcome: impl FnOnce() -> Outcome) {
        self.finish(outcome);
    }

    fn finish(&mut self, outcome: impl FnOnce() -> Outcome) {
        let Some(flight) = self.flight.take() else { return };
        // First nobody joins any more, then those who have are told.
        self.flights.under_way.lock().remove(&flight.key.hash);
        let outcome = outcome();
        let woken: Vec<_> = {
            let mut state = flight.state.lock();
            state.outcome = Some(outcome);
            state.waiting.iter_mut().filter_map(|(_, waker)| waker.take()).collect()
        };
        woken.into_iter().for_each(Waker::wake);
    }
}

/// Those who follow would wait for ever for a leader that is gone.
impl Drop for Leader {
    fn drop(&mut self) {
        self.finish(|| Outcome::Given);
    }
}

// ===== impl Follower =====

/// Whoever waits for another one's call.
#[derive(Debug)]
pub(super) struct Follower {
    flight: Arc<Flight>,
    place: usize,
}

impl Follower {
    /// Ready when the call has ended.
    pub(super) fn poll_outcome(&self, cx: &Context<'_>) -> Poll<Outcome> {
        // Wakers are somebody else's code: they are cloned and dropped outside of the lock.
        let waker = cx.waker().clone();
        let _earlier = {
            let mut state = self.flight.state.lock();
            if let Some(outcome) = &state.outcome {
                return Poll::Ready(outcome.clone());
            }
            state.waiting[self.place].replace(waker)
        };
        Poll::Pending
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let waker = self.flight.state.lock().waiting.try_remove(self.place);
        drop(waker);
    }
}
