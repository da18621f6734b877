//! Owns what stands in for `driver/sync`: loom's atomics, and its waker cell under the name and with the methods of the one
//! that the driver uses.

use std::task::Waker;

pub(crate) use loom::sync::atomic::{AtomicBool, Ordering};

#[derive(Debug, Default)]
pub(crate) struct AtomicWaker(loom::future::AtomicWaker);

impl AtomicWaker {
    pub(crate) fn register(&self, waker: &Waker) {
        self.0.register_by_ref(waker);
    }

    pub(crate) fn wake(&self) {
        self.0.wake();
    }
}
