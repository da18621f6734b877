//! Owns [`Leaving`]: how handlers hear that their connection accepts nothing further. Does not say GOAWAY.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Something that happens once, at the beginning of a connection's end. Whoever waits for it and is dropped leaves nothing behind:
/// a connection lives for long, and may have many handlers that look out for its end.
#[derive(Debug, Default)]
pub(super) struct Leaving {
    has_begun: AtomicBool,
    told: Notify,
}

impl Leaving {
    pub(super) fn begin(&self) {
        if !self.has_begun.swap(true, Ordering::Release) {
            self.told.notify_waiters();
        }
    }

    pub(super) fn has_begun(&self) -> bool {
        self.has_begun.load(Ordering::Acquire)
    }

    pub(super) async fn wait(&self) {
        let mut told = pin!(self.told.notified());
        // Registered first: what begins between the two is seen by one of them.
        told.as_mut().enable();
        if !self.has_begun() {
            told.await;
        }
    }
}
