//! Owns [`Counters`]: an observer that counts, in atomics. Does not know who reads it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::RwLock;

use crate::call::Code;
use crate::limits;
use crate::observe::histogram::{Histogram, Times};
use crate::observe::{Added, BreakerState, CacheUse, HeldBack, Observer, Refused};

/// Counts what a server does, or a channel and its policies, and how long the calls of each method take. Cheap enough to be always on: a few
/// atomic additions, and two looks at the clock a call.
#[derive(Debug, Default)]
pub struct Counters {
    connections: AtomicU64,
    handshakes_failed: AtomicU64,
    started: AtomicU64,
    finished: AtomicU64,
    /// By the code's number; those without a name together, at 0.
    failed: [AtomicU64; NAMED],
    cancelled: AtomicU64,
    panicked: AtomicU64,
    read: AtomicU64,
    written: AtomicU64,
    refused: [AtomicU64; Refused::ALL.len()],
    held_back: [AtomicU64; HeldBack::ALL.len()],
    added: [AtomicU64; Added::ALL.len()],
    breakers_opened: AtomicU64,
    cached: [AtomicU64; CacheUse::ALL.len()],
    /// By the full names of methods.
    latency: RwLock<BTreeMap<Box<str>, Arc<Histogram>>>,
}

/// What [`Counters`] had counted at one moment.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct CountersSnapshot {
    /// Connections that are open.
    pub connections: u64,
    /// Handshakes of transports that have failed: strangers, bad certificates, and those that took too long.
    pub handshakes_failed: u64,
    /// Handlers at work; of a channel, calls under way, and so below.
    pub in_flight: u64,
    /// Handlers started; calls that are turned away do not count.
    pub started: u64,
    /// Handlers that ended by themselves, with whatever outcome.
    pub finished: u64,
    /// Those of them that ended with an error other than the service's own, by its code. Codes without a name count as
    /// `unknown`.
    pub failed: BTreeMap<Code, u64>,
    /// Handlers dropped before their end.
    pub cancelled: u64,
    /// Handlers that panicked.
    pub panicked: u64,
    /// Bytes read from clients.
    pub bytes_read: u64,
    /// Bytes written to clients.
    pub bytes_written: u64,
    /// Calls refused before any handler was started, by reason.
    pub refused: BTreeMap<&'static str, u64>,
    /// Calls that a policy on the calling side ended before they were sent, by policy.
    pub held_back: BTreeMap<&'static str, u64>,
    /// Attempts beyond the first that a channel has made, by reason.
    pub added: BTreeMap<&'static str, u64>,
    /// How many times a circuit breaker has opened.
    pub breakers_opened: u64,
    /// Calls that a cache was asked about, by what came of it. One that is answered with a stale answer was a miss before.
    pub cached: BTreeMap<&'static str, u64>,
    /// How long calls took, by the full names of their methods; of the first 4,096 methods.
    pub latency: BTreeMap<String, Times>,
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
            handshakes_failed: read(&self.handshakes_failed),
            in_flight: started.saturating_sub(finished + cancelled + panicked),
            started,
            finished,
            failed: self.failures(),
            cancelled,
            panicked,
            bytes_read: read(&self.read),
            bytes_written: read(&self.written),
            refused: Refused::ALL
                .iter()
                .map(|why| (why.name(), read(&self.refused[*why as usize])))
                .collect(),
            held_back: HeldBack::ALL
                .iter()
                .map(|why| (why.name(), read(&self.held_back[*why as usize])))
                .collect(),
            added: Added::ALL.iter().map(|what| (what.name(), read(&self.added[*what as usize]))).collect(),
            breakers_opened: read(&self.breakers_opened),
            cached: CacheUse::ALL
                .iter()
                .map(|what| (what.name(), read(&self.cached[*what as usize])))
                .collect(),
            latency: self
                .latency
                .read()
                .iter()
                .map(|(method, times)| (method.to_string(), times.snapshot()))
                .collect(),
        }
    }
}

impl Counters {
    /// The times of a method; `None` if there are too many methods.
    fn times(&self, method: &str) -> Option<Arc<Histogram>> {
        if let Some(times) = self.latency.read().get(method) {
            return Some(Arc::clone(times));
        }
        let mut latency = self.latency.write();
        if latency.len() >= limits::METHODS && !latency.contains_key(method) {
            return None;
        }
        let times = latency.entry(method.into()).or_insert_with(|| Arc::new(Histogram::new()));
        Some(Arc::clone(times))
    }

    fn failures(&self) -> BTreeMap<Code, u64> {
        let mut failures = BTreeMap::new();
        for (number, counter) in self.failed.iter().enumerate() {
            let count = counter.load(Ordering::Relaxed);
            if count > 0 {
                *failures.entry(Code::from_u16(number as u16)).or_default() += count;
            }
        }
        failures
    }
}

/// The codes that have a name, and one place for those that have none.
const NAMED: usize = Code::NAMED.len() + 1;

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Observer for Counters {
    fn handshake_failed(&self, _: &str, _: &str) {
        add(&self.handshakes_failed);
    }

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
        if let Some(code) = code {
            let at = usize::from(code.as_u16());
            add(&self.failed[if at < NAMED { at } else { 0 }]);
        }
    }

    fn wants_times(&self) -> bool {
        true
    }

    fn call_took(&self, method: &str, time: Duration) {
        if let Some(times) = self.times(method) {
            times.note(time);
        }
    }

    fn call_cancelled(&self) {
        add(&self.cancelled);
    }

    fn call_panicked(&self) {
        add(&self.panicked);
    }

    fn bytes_moved(&self, read: u64, written: u64) {
        self.read.fetch_add(read, Ordering::Relaxed);
        self.written.fetch_add(written, Ordering::Relaxed);
    }

    fn call_turned_away(&self, why: Refused) {
        self.started.fetch_sub(1, Ordering::Relaxed);
        add(&self.refused[why as usize]);
    }

    fn call_refused(&self, why: Refused) {
        add(&self.refused[why as usize]);
    }

    fn breaker_changed(&self, _: &str, _: BreakerState, to: BreakerState) {
        if to == BreakerState::Open {
            add(&self.breakers_opened);
        }
    }

    fn cache_used(&self, what: CacheUse) {
        add(&self.cached[what as usize]);
    }

    fn attempt_added(&self, what: Added) {
        add(&self.added[what as usize]);
    }

    fn call_held_back(&self, why: HeldBack) {
        add(&self.held_back[why as usize]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_event_is_counted_where_it_belongs() {
        let counters = Counters::new();
        counters.handshake_failed("tls://127.0.0.1:50000", "no TLS");
        counters.connection_opened();
        for _ in 0..6 {
            counters.call_started();
        }
        counters.call_finished(None);
        counters.call_finished(Some(Code::INTERNAL));
        counters.call_finished(Some(Code::from_u16(999)));
        counters.call_cancelled();
        counters.call_turned_away(Refused::BadArgument);
        counters.call_refused(Refused::Expired);
        counters.bytes_moved(10, 20);
        counters.call_held_back(HeldBack::Limit);
        counters.breaker_changed("b", BreakerState::Closed, BreakerState::Open);
        counters.breaker_changed("b", BreakerState::Open, BreakerState::HalfOpen);
        let counted = counters.snapshot();
        assert_eq!((counted.connections, counted.started, counted.finished, counted.in_flight), (1, 5, 3, 1));
        assert_eq!(counted.handshakes_failed, 1);
        assert_eq!(counted.failed, BTreeMap::from([(Code::UNKNOWN, 1), (Code::INTERNAL, 1)]));
        assert_eq!((counted.refused["bad_argument"], counted.refused["expired"]), (1, 1));
        assert_eq!((counted.held_back["limit"], counted.held_back["breaker"]), (1, 0));
        assert_eq!(counted.breakers_opened, 1);
        assert_eq!((counted.bytes_read, counted.bytes_written), (10, 20));
    }

    #[test]
    fn times_are_told_by_method_and_print_with_the_counters() {
        let counters = Counters::new();
        counters.call_started();
        counters.call_refused(Refused::Overload);
        counters.call_finished(Some(Code::INTERNAL));
        (0..100).for_each(|_| counters.call_took("A.quick", Duration::from_micros(5)));
        counters.call_took("A.slow", Duration::from_millis(250));
        (0..2 * limits::METHODS).for_each(|nth| counters.call_took(&format!("B.{nth}"), Duration::ZERO));
        let counted = counters.snapshot();
        assert_eq!(counted.latency.len(), limits::METHODS);
        assert_eq!(counted.latency["A.quick"].percentile(99.9), Some(Duration::from_micros(6)));
        let text = counted.to_string();
        for line in [
            "traitwire_calls_started_total 1",
            "traitwire_calls_failed_total{code=\"internal\"} 1",
            "traitwire_calls_refused_total{reason=\"overload\"} 1",
            "traitwire_call_seconds{method=\"A.slow\",quantile=\"0.5\"} 0.262144",
            "traitwire_call_seconds_sum{method=\"A.slow\"} 0.25",
            "traitwire_call_seconds_count{method=\"A.quick\"} 100",
        ] {
            assert!(text.lines().any(|have| have == line), "{line}\n{text}");
        }
    }
}
