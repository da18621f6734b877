//! Owns [`Counters`]: an observer that counts, in atomics. Does not know who reads it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::call::Code;
use crate::observe::{Observer, Refused};

/// Counts what a server does. Cheap enough to be always on: an atomic addition each.
#[derive(Debug, Default)]
pub struct Counters {
    connections: AtomicU64,
    started: AtomicU64,
    finished: AtomicU64,
    failed: AtomicU64,
    cancelled: AtomicU64,
    panicked: AtomicU64,
    refused: [AtomicU64; Refused::ALL.len()],
}

/// What [`Counters`] had counted at one moment.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct CountersSnapshot {
    /// Connections that are open.
    pub connections: u64,
    /// Handlers at work.
    pub in_flight: u64,
    /// Handlers started; calls that are turned away do not count.
    pub started: u64,
    /// Handlers that ended by themselves, with whatever outcome.
    pub finished: u64,
    /// Those of them that ended with an error other than the service's own.
    pub failed: u64,
    /// Handlers dropped before their end.
    pub cancelled: u64,
    /// Handlers that panicked.
    pub panicked: u64,
    /// Calls refused before any handler was started, by reason.
    pub refused: BTreeMap<&'static str, u64>,
}

impl Counters {
    /// Nothing counted.
    pub fn new() -> Self {
        Self::default()
    }

    /// What has been counted. Each number is right; they are read one after the other while calls go on.
    pub fn snapshot(&self) -> CountersSnapshot {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        // Ends are read before starts, so that `in_flight` is never below the truth.
        let (finished, cancelled, panicked) =
            (read(&self.finished), read(&self.cancelled), read(&self.panicked));
        let started = read(&self.started);
        CountersSnapshot {
            connections: read(&self.connections),
            in_flight: started.saturating_sub(finished + cancelled + panicked),
            started,
            finished,
            failed: read(&self.failed),
            cancelled,
            panicked,
            refused: Refused::ALL
                .iter()
                .map(|why| (why.name(), read(&self.refused[*why as usize])))
                .collect(),
        }
    }
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Observer for Counters {
    fn connection_opened(&self) {
        add(&self.connections);
    }

    fn connection_closed(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    fn call_started(&self) {
        add(&self.started);
    }

    fn call_finished(&self, code: Option<Code>) {
        add(&self.finished);
        if code.is_some() {
            add(&self.failed);
        }
    }

    fn call_cancelled(&self) {
        add(&self.cancelled);
    }

    fn call_panicked(&self) {
        add(&self.panicked);
    }

    fn call_turned_away(&self, why: Refused) {
        self.started.fetch_sub(1, Ordering::Relaxed);
        add(&self.refused[why as usize]);
    }

    fn call_refused(&self, why: Refused) {
        add(&self.refused[why as usize]);
    }
}
