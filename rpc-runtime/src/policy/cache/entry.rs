//! Owns [`Entry`]: an answer that is kept, and how long it is good. Pure: time is an argument.

use std::time::{Duration, Instant};

use crate::call::{Metadata, Payload, Response};
use crate::limits;
use crate::policy::cache::key::Key;

/// An answer that is kept.
#[derive(Debug)]
pub(super) struct Entry {
    key: Key,
    body: Vec<u8>,
    is_app_error: bool,
    metadata: Metadata,
    fresh_until: Instant,
    stale_until: Instant,
}

/// How good an answer is.
///
/// ```text
///   Fresh ──its time is over──▶ Stale ──the time for errors is over──▶ Gone
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Age {
    /// It is given to whoever asks.
    Fresh,
    /// It stands in where the callee fails.
    Stale,
    /// It is good for nothing.
    Gone,
}

impl Entry {
    /// An answer that came at `now` and is fresh for so long, and stale for so long after that.
    pub(super) fn new(now: Instant, key: Key, response: Response, fresh: Duration, stale: Duration) -> Self {
        let (body, is_app_error, metadata) = response.into_parts();
        // Times beyond what a clock holds are as good as none.
        let fresh_until = now.checked_add(fresh).unwrap_or(now);
        let stale_until = fresh_until.checked_add(stale).unwrap_or(fresh_until);
        Self { key, body: body.bytes().to_vec(), is_app_error, metadata, fresh_until, stale_until }
    }

    /// Whether it is the answer to a call with this key.
    pub(super) fn answers(&self, key: &Key) -> bool {
        self.key == *key
    }

    pub(super) fn age(&self, now: Instant) -> Age {
        match now {
            now if now < self.fresh_until => Age::Fresh,
            now if now < self.stale_until => Age::Stale,
            _ => Age::Gone,
        }
    }

    /// The answer once more, for a call that was not sent.
    pub(super) fn response(&self) -> Response {
        let body = Payload::new(self.body.clone());
        let mut response = if self.is_app_error { Response::app_error(body) } else { Response::value(body) };
        *response.metadata_mut() = self.metadata.clone();
        response.set_attempts(0);
        response
    }

    /// What it takes, in bytes, with what it costs to keep anything.
    pub(super) fn cost(&self) -> usize {
        let metadata = self.metadata.iter();
        let metadata: usize = metadata.map(|entry| entry.key().len() + entry.value().as_bytes().len()).sum();
        self.key.len() + self.body.len() + metadata + limits::CACHE_OVERHEAD
    }
}
