//! Owns [`DedupConfig`]: how much of what was answered is remembered, and for how long.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::limits;
use crate::policy::dedup::store::ReplyStore;

/// How much of what was answered is remembered, and for how long. A reply is needed until the deadline of its call: after that
/// nobody asks again.
///
/// If there is too much, what will be needed for the shortest time goes first. Then the server does not know any more
/// whether a key is new, and until it does it refuses calls that are not made for the first time: memory that is too small costs
/// retries, and never runs a call twice.
#[derive(Clone)]
pub struct DedupConfig {
    pub(super) entries: usize,
    pub(super) bytes: usize,
    pub(super) time: Duration,
    pub(super) store: Option<Arc<dyn ReplyStore>>,
}

impl Default for DedupConfig {
    fn default() -> Self {
        Self {
            entries: limits::DEDUP_ENTRIES,
            bytes: limits::DEDUP_BYTES,
            time: limits::DEDUP_TIME,
            store: None,
        }
    }
}

impl DedupConfig {
    /// 16,384 calls, 16 MiB of replies, ten minutes.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many calls are remembered, those that run included; at least one.
    #[must_use]
    pub fn entries(mut self, calls: usize) -> Self {
        self.entries = calls.max(1);
        self
    }

    /// How many bytes their replies take together, with their keys.
    #[must_use]
    pub const fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }

    /// How long a reply is remembered at most, whatever time its call has left.
    #[must_use]
    pub const fn time(mut self, time: Duration) -> Self {
        self.time = time;
        self
    }

    /// Shares what is remembered with other instances.
    #[must_use]
    pub fn store(mut self, store: Arc<dyn ReplyStore>) -> Self {
        self.store = Some(store);
        self
    }
}

impl fmt::Debug for DedupConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DedupConfig")
            .field("entries", &self.entries)
            .field("bytes", &self.bytes)
            .field("time", &self.time)
            .field("is_shared", &self.store.is_some())
            .finish()
    }
}
