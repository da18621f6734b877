//! Owns [`StopSignal`]: how a handler that has become a task hears that it is to stop. Does not drop the handler.

use std::task;

use super::sync::{AtomicBool, AtomicWaker, Ordering};

/// Tells a handler that has become a task to stop.
#[derive(Debug, Default)]
pub(crate) struct StopSignal {
    set: AtomicBool,
    waker: AtomicWaker,
}

impl StopSignal {
    pub(crate) fn set(&self) {
        self.set.store(true, Ordering::Release);
        self.waker.wake();
    }

    pub(super) fn is_set(&self, cx: &task::Context<'_>) -> bool {
        // Registered first: a signal that comes between the two is seen by one of them.
        self.waker.register(cx.waker());
        self.set.load(Ordering::Acquire)
    }
}
