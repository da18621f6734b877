//! Owns [`Places`]: who waits for which call of this side. Wakes nobody: it says whom to wake.

use std::mem;
use std::task::Waker;

use slab::Slab;

use crate::call::{Batch, Metadata, take_buffer};
use crate::proto::{Body, CallKey, Outgoing, Received, Unread};

/// Who waits for which call.
///
/// A place is kept until its outcome is taken, but the machine gives a call's key to the next one as soon as it has
/// ended: so callers are known by their places, not by keys.
#[derive(Default)]
pub(super) struct Places {
    all: Slab<Place>,
    /// Whose each call is that the machine has, by the index of its key.
    owners: Vec<Owner>,
    serials: u64,
}

/// A call's place among those that are waited for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Ticket {
    place: usize,
    /// No other ticket has the same: one that is kept beyond its call finds nothing.
    serial: u64,
}

struct Place {
    key: CallKey,
    serial: u64,
    waiter: Waiter,
    /// What came beside the callee's stream, from when that is open until it is asked for.
    opened: Option<Metadata>,
}

/// Whoever waits for a call.
enum Waiter {
    Nobody,
    Waiting(Waker),
    /// The call has ended for its caller, who has not come for it yet.
    Done(Ended),
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
    pub(crate) unseen: Option<Outgoing>,
    /// Items that came before the end and have not been taken, if there are any.
    pub(crate) unread: Option<Box<Unread>>,
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
    /// A place for a call that the machine has just taken, and who is to be woken when there is something to look for.
    #[inline]
    pub(super) fn insert(&mut self, key: CallKey, waker: Waker) -> Ticket {
        let serial = self.serials;
        self.serials += 1;
        let place = self.all.insert(Place { key, serial, waiter: Waiter::Waiting(waker), opened: None });
        if key.index() >= self.owners.len() {
            self.owners.resize(key.index() + 1, Owner::Nobody);
        }
        self.owners[key.index()] = Owner::Place(place);
        Ticket { place, serial }
    }

    /// The call of a place that the machine still has.
    pub(super) fn key(&self, ticket: Ticket) -> Option<CallKey> {
        let place = self.all.get(ticket.place).filter(|place| place.serial == ticket.serial)?;
        (!matches!(place.waiter, Waiter::Done(_))).then_some(place.key)
    }

    /// What came beside the callee's stream, once it is open.
    pub(super) fn take_opened(&mut self, ticket: Ticket) -> Option<Metadata> {
        self.get_mut(ticket)?.opened.take()
    }

    /// Items that came before the end of a call that has ended.
    pub(super) fn take_unread(&mut self, ticket: Ticket) -> Option<Batch> {
        match &mut self.get_mut(ticket)?.waiter {
            Waiter::Done(ended) => ended.unread.as_mut()?.items.pop_front(),
            Waiter::Nobody | Waiter::Waiting(_) => None,
        }
    }

    /// The callee has opened its stream.
    pub(super) fn opened(&mut self, key: CallKey, metadata: Metadata) -> Option<Waker> {
        let place = self.of(key)?;
        place.opened = Some(metadata);
        place.wake()
    }

    /// There is something to read for whoever waits for this call.
    pub(super) fn readable(&mut self, key: CallKey) -> Option<Waker> {
        self.of(key)?.wake()
    }

    /// A call ends for its caller before the machine says so.
    pub(super) fn fail(&mut self, ticket: Ticket, ended: Ended) -> Option<Waker> {
        let key = self.key(ticket)?;
        self.pass_on(key, Owner::Nobody);
        self.tell(ticket.place, key, ended)
    }

    fn of(&mut self, key: CallKey) -> Option<&mut Place> {
        let Some(&Owner::Place(place)) = self.owners.get(key.index()) else { return None };
        self.all.get_mut(place).filter(|place| place.key == key)
    }

    fn get_mut(&mut self, ticket: Ticket) -> Option<&mut Place> {
        self.all.get_mut(ticket.place).filter(|place| place.serial == ticket.serial)
    }

    /// Looks whether a call has ended for its caller. Wakers are code of somebody else, who must not run under a lock:
    /// so clones are brought along, and handed back instead of dropped.
    #[inline]
    pub(super) fn look(&mut self, ticket: Ticket, caller: &Waker, clone: Option<Waker>) -> Look {
        let Some(place) = self.get_mut(ticket) else { return Look::Waits(clone) };
        match (&mut place.waiter, clone) {
            (Waiter::Done(_), clone) => match self.all.remove(ticket.place).waiter {
                Waiter::Done(ended) => Look::Done(ended),
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
        self.get_mut(ticket)?;
        let place = self.all.try_remove(ticket.place)?;
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
        let body = Body::from_parts(nil(), 0, 0);
        let outcome = Received::Reply { metadata: Metadata::new(), body };
        self.tell(place, key, Ended::new(outcome))
    }

    fn pass_on(&mut self, key: CallKey, next: Owner) -> Owner {
        self.owners.get_mut(key.index()).map_or(Owner::Nobody, |owner| mem::replace(owner, next))
    }

    fn tell(&mut self, place: usize, key: CallKey, ended: Ended) -> Option<Waker> {
        let place = self.all.get_mut(place).filter(|place| place.key == key)?;
        match mem::replace(&mut place.waiter, Waiter::Done(ended)) {
            Waiter::Waiting(waker) => Some(waker),
            Waiter::Nobody | Waiter::Done(_) => None,
        }
    }
}

impl Place {
    fn wake(&mut self) -> Option<Waker> {
        match mem::replace(&mut self.waiter, Waiter::Nobody) {
            Waiter::Waiting(waker) => Some(waker),
            other => {
                self.waiter = other;
                None
            }
        }
    }
}

impl Ended {
    /// An end after which nothing is left.
    pub(super) const fn new(outcome: Received) -> Self {
        Self { outcome, unseen: None, unread: None }
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
    Ended(Ended),
}

/// The empty value, encoded: the answer to a oneway call.
pub(super) fn nil() -> Vec<u8> {
    let mut bytes = take_buffer();
    bytes.push(0xc0);
    bytes
}
