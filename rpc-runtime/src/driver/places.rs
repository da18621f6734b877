//! Owns [`Places`]: who waits for which call of this side. Wakes nobody: it says whom to wake.

use std::mem;
use std::task::Waker;

use slab::Slab;

use crate::call::Metadata;
use crate::proto::{Body, CallKey, OutgoingCall, Received};

/// Who waits for which call.
///
/// A place is kept until its outcome is taken, but the machine gives a call's key to the next one as soon as it has
/// ended: so callers are known by their places, not by keys.
#[derive(Default)]
pub(super) struct Places {
    all: Slab<Place>,
    /// Whose each call is that the machine has, by the index of its key.
    owners: Vec<Owner>,
}

/// A call's place among those that are waited for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Ticket(usize);

struct Place {
    key: CallKey,
    waiter: Waiter,
}

/// Whoever waits for a call.
enum Waiter {
    Nobody,
    Waiting(Waker),
    /// The call has ended for its caller, who has not come for it yet.
    Done(Box<Ended>),
}

/// Whose a call is.
///
/// ```text
///   Nobody ──call──▶ Place ──it is oneway, and written──▶ Detached
///      ▲               │                                     │
///      └─────────────ended───────────────────────────────────┘
/// ```
#[derive(Clone, Copy, Debug)]
enum Owner {
    Nobody,
    Place(usize),
    /// Its caller has been told that it is written, and may be gone.
    Detached,
}

/// How a call ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The answer, or what happened instead.
    pub(crate) outcome: Received,
    /// The call itself, if it may be sent elsewhere.
    pub(crate) unseen: Option<OutgoingCall>,
}

/// What a caller finds at its place.
pub(super) enum Look {
    /// Its call has ended; the place is free.
    Done(Ended),
    /// Nothing yet. It will be woken; this waker is of no use any more.
    Waits(#[expect(dead_code, reason = "held, so that it is dropped outside of the lock")] Option<Waker>),
    /// Nothing yet, and its waker is not known: come again with a clone.
    Unknown,
}

/// Whom a call's end concerns.
pub(super) enum Told {
    /// Somebody who is to be woken, or will come by himself, or has given the call up.
    Caller(Option<Waker>),
    /// Nobody who waits: a oneway call that was written before.
    Channel(Ended),
}

impl Places {
    /// A place for a call that the machine has just taken.
    pub(super) fn insert(&mut self, key: CallKey) -> Ticket {
        let place = self.all.insert(Place { key, waiter: Waiter::Nobody });
        if key.index() >= self.owners.len() {
            self.owners.resize(key.index() + 1, Owner::Nobody);
        }
        self.owners[key.index()] = Owner::Place(place);
        Ticket(place)
    }

    /// Looks whether a call has ended for its caller. Wakers are code of somebody else, who must not run under a lock:
    /// so clones are brought along, and handed back instead of dropped.
    pub(super) fn look(&mut self, ticket: Ticket, caller: &Waker, clone: Option<Waker>) -> Look {
        let Some(place) = self.all.get_mut(ticket.0) else { return Look::Waits(clone) };
        match (&mut place.waiter, clone) {
            (Waiter::Done(_), clone) => match self.all.remove(ticket.0).waiter {
                Waiter::Done(ended) => Look::Done(*ended),
                Waiter::Nobody | Waiter::Waiting(_) => Look::Waits(clone),
            },
            (Waiter::Waiting(known), clone) if known.will_wake(caller) => Look::Waits(clone),
            (_, None) => Look::Unknown,
            (waiter, Some(clone)) => match mem::replace(waiter, Waiter::Waiting(clone)) {
                Waiter::Waiting(replaced) => Look::Waits(Some(replaced)),
                Waiter::Nobody | Waiter::Done(_) => Look::Waits(None),
            },
        }
    }

    /// Gives a place up. The key is the machine's to cancel; without one the call has ended for its caller, with the
    /// outcome that comes back.
    pub(super) fn leave(&mut self, ticket: Ticket) -> Option<Left> {
        let place = self.all.try_remove(ticket.0)?;
        Some(match place.waiter {
            Waiter::Nobody => Left::Call(place.key, None),
            Waiter::Waiting(waker) => Left::Call(place.key, Some(waker)),
            Waiter::Done(ended) => Left::Ended(ended),
        })
    }

    /// A call has ended. One that was given up has no place any more.
    pub(super) fn ended(&mut self, key: CallKey, ended: Ended) -> Told {
        match self.pass_on(key, Owner::Nobody) {
            Owner::Place(place) => Told::Caller(self.tell(place, key, ended)),
            Owner::Detached => Told::Channel(ended),
            Owner::Nobody => Told::Caller(None),
        }
    }

    /// A oneway call is written, and has ended for its caller: with the empty value, as from a callee.
    pub(super) fn written(&mut self, key: CallKey) -> Option<Waker> {
        let Owner::Place(place) = self.pass_on(key, Owner::Detached) else { return None };
        let body = Body::from_parts(vec![NIL], 0, 0);
        let outcome = Received::Reply { metadata: Metadata::new(), body };
        self.tell(place, key, Ended { outcome, unseen: None })
    }

    fn pass_on(&mut self, key: CallKey, next: Owner) -> Owner {
        self.owners.get_mut(key.index()).map_or(Owner::Nobody, |owner| mem::replace(owner, next))
    }

    fn tell(&mut self, place: usize, key: CallKey, ended: Ended) -> Option<Waker> {
        let place = self.all.get_mut(place).filter(|place| place.key == key)?;
        match mem::replace(&mut place.waiter, Waiter::Done(Box::new(ended))) {
            Waiter::Waiting(waker) => Some(waker),
            Waiter::Nobody | Waiter::Done(_) => None,
        }
    }
}

/// What was at a place that was given up; to be dropped outside of the lock.
pub(super) enum Left {
    /// A call, and who would have been woken.
    Call(
        CallKey,
        #[expect(dead_code, reason = "held, so that it is dropped outside of the lock")] Option<Waker>,
    ),
    /// A call that has ended for its caller already: its key may serve another one.
    Ended(Box<Ended>),
}

/// The empty value, encoded: the answer to a oneway call.
pub(super) const NIL: u8 = 0xc0;
