//! Owns [`Counter`], what one task counts and another reads. Knows no clock.

use std::sync::atomic::{AtomicU64, Ordering};

/// A count that one task adds to and anyone reads. It has its cache lines for itself, so that counting costs a store.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// One more. There is one writer, so what it read last is true.
    pub(crate) fn add(&self, more: u64) {
        self.0.store(self.0.load(Ordering::Relaxed) + more, Ordering::Relaxed);
    }

    /// So many more, of several tasks that add.
    pub(crate) fn share(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
