//! Owns [`Line`]: the calls that wait for a channel's connection, within the channel's bounds. Wakes nobody: it says whom
//! to wake.

use std::mem;
use std::task::Waker;

use slab::Slab;

use crate::call::{Code, Delivery, RpcError};
use crate::proto::Config;

/// The calls that wait for a connection. A call has a place from when it first has to wait until it goes on or is dropped.
///
/// Wakers are code of somebody else, which must not run under the lock that this stands behind: they are cloned before
/// they come here, and handed back to be dropped.
#[derive(Debug, Default)]
pub(super) struct Line {
    places: Slab<Waits>,
    calls: usize,
    bytes: usize,
}

/// A place in the line; its owner gives it back with [`leave`](Line::leave).
#[derive(Debug)]
#[must_use = "a place that is not given back is taken for ever"]
pub(super) struct Place(usize);

/// Whoever waits.
#[derive(Debug)]
struct Waits {
    /// None until it is known, and once it was woken.
    waker: Option<Waker>,
    who: Who,
}

/// Who wants to wait.
#[derive(Clone, Copy, Debug)]
pub(super) enum Who {
    /// A call with so many bytes of arguments.
    Call(usize),
    /// Somebody who holds nothing, and makes no calls yet.
    Visitor,
}

impl Line {
    /// Takes a place.
    pub(super) fn enter(&mut self, who: Who, config: &Config) -> Result<Place, RpcError> {
        if let Who::Call(bytes) = who {
            if self.calls >= config.queue || self.bytes + bytes > config.queue_bytes {
                return Err(self.full(config));
            }
            self.calls += 1;
            self.bytes += bytes;
        }
        Ok(Place(self.places.insert(Waits { waker: None, who })))
    }

    /// Gives a place back.
    #[must_use = "it is to be dropped outside of the lock"]
    pub(super) fn leave(&mut self, place: Place) -> Option<Waker> {
        let Waits { waker, who } = self.places.try_remove(place.0)?;
        if let Who::Call(bytes) = who {
            self.calls -= 1;
            self.bytes -= bytes;
        }
        waker
    }

    /// Whether the one at this place is known by this waker.
    pub(super) fn knows(&self, place: &Place, waker: &Waker) -> bool {
        let waits = self.places.get(place.0).and_then(|waits| waits.waker.as_ref());
        waits.is_some_and(|known| known.will_wake(waker))
    }

    /// The one at this place is to be woken by this; what was known before comes back.
    #[must_use = "it is to be dropped outside of the lock"]
    pub(super) fn wait(&mut self, place: &Place, waker: Waker) -> Option<Waker> {
        match self.places.get_mut(place.0) {
            Some(waits) => waits.waker.replace(waker),
            None => Some(waker),
        }
    }

    /// Whom to wake: all that wait. They keep their places until they have had their turn.
    #[must_use = "they wait to be woken"]
    pub(super) fn call_up(&mut self) -> Vec<Waker> {
        self.places.iter_mut().filter_map(|(_, waits)| mem::take(&mut waits.waker)).collect()
    }

    fn full(&self, config: &Config) -> RpcError {
        let text = format!(
            "too many calls wait for a connection: {} with {} bytes, at most {} and {} may (`queue`, `queue_bytes`)",
            self.calls, self.bytes, config.queue, config.queue_bytes
        );
        RpcError::new(Code::RESOURCE_EXHAUSTED, Delivery::NotSent, text)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::Wake;

    use super::*;

    struct Idle;

    impl Wake for Idle {
        fn wake(self: Arc<Self>) {}
    }

    #[test]
    fn places_are_bounded_and_come_free() {
        let config = Config { queue: 2, queue_bytes: 100, ..Config::default() };
        let mut line = Line::default();
        let first = line.enter(Who::Call(60), &config).unwrap();
        let error = line.enter(Who::Call(41), &config).unwrap_err();
        assert_eq!((error.code(), error.delivery()), (Code::RESOURCE_EXHAUSTED, Delivery::NotSent));
        assert!(error.message().contains("1 with 60 bytes, at most 2 and 100 may (`queue`"), "{error}");
        let second = line.enter(Who::Call(40), &config).unwrap();
        assert!(line.enter(Who::Call(0), &config).is_err());
        let visitor = line.enter(Who::Visitor, &config).unwrap();
        for place in [first, visitor, second] {
            assert!(line.leave(place).is_none());
        }
        assert_eq!((line.places.len(), line.calls, line.bytes), (0, 0, 0));
        assert!(line.enter(Who::Call(100), &config).is_ok());
    }

    #[test]
    fn everybody_is_called_up_once() {
        let (config, mut line) = (Config::default(), Line::default());
        let places: Vec<_> = (0..3).map(|_| line.enter(Who::Call(0), &config).unwrap()).collect();
        let waker = Waker::from(Arc::new(Idle));
        for place in &places {
            assert!(!line.knows(place, &waker));
            assert!(line.wait(place, waker.clone()).is_none());
            assert!(line.knows(place, &waker));
            assert!(line.wait(place, waker.clone()).is_some());
        }
        assert_eq!((line.call_up().len(), line.call_up().len(), line.places.len()), (3, 0, 3));
    }
}
