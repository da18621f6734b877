//! Owns [`Report`]: what happened in a simulated network, for people and for assertions. Does not judge it.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// What happened in a [`Network`](super::Network). It prints as a log, with a table of the faults below it.
///
/// The same seed and the same test make the same report, byte for byte: comparing two is a test of determinism.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// What the network's chance was drawn from.
    pub seed: u64,
    /// How long it has run, by its own clock.
    pub elapsed: Duration,
    /// What happened, in order; only the first 10,000 events are kept.
    pub events: Vec<Event>,
    /// How many events there were.
    pub total_events: u64,
    /// How often faults of each name were injected, and how often they hit something.
    pub faults: BTreeMap<&'static str, FaultCount>,
    /// Connections that are open, on one side at least.
    pub open_connections: usize,
    /// Bytes that were read from connections.
    pub bytes: u64,
    /// Packets that were lost, and came late.
    pub packets_lost: u64,
    /// A digest of all bytes that were written: when, on which connection, and what.
    pub digest: u64,
}

/// How often faults of one name happened.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct FaultCount {
    /// How many were injected.
    pub injected: u64,
    /// How often they hit something: a write, a connect, a connection.
    pub hits: u64,
}

/// Something that happened, and when.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Event {
    /// The time since the network began.
    pub at: Duration,
    /// What it was.
    pub what: Happening,
}

/// What may happen in a network.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the fields are named for what they are")]
pub enum Happening {
    /// A host listens at a port.
    Listening { host: String, port: u16 },
    /// A host has connected to another; connections are numbered from 1.
    Connected { connection: u64, from: String, to: String, port: u16 },
    /// A connect was refused.
    Refused { from: String, to: String, port: u16 },
    /// A connect waits: nobody answers it.
    Hanging { from: String, to: String, port: u16 },
    /// Both ends of a connection are closed; so many bytes were read from it.
    Closed { connection: u64, bytes: u64 },
    /// A connection broke.
    Broken { connection: u64 },
    /// A fault was injected; faults are numbered from 1.
    Injected { fault: usize, what: String },
    /// A fault has hit something for the first time.
    Hit { fault: usize },
    /// A fault is over.
    Healed { fault: usize },
    /// A host is up again.
    Restarted { host: String },
}

impl Report {
    /// How often faults of this name hit something, such as `partition`: see [`Fault::name`](super::Fault::name).
    pub fn hits(&self, name: &str) -> u64 {
        self.faults.get(name).map_or(0, |count| count.hits)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}, {:.3} s", self.seed, self.elapsed.as_secs_f64())?;
        self.events.iter().try_for_each(|event| writeln!(f, "{event}"))?;
        let untold = self.total_events - self.events.len() as u64;
        if untold > 0 {
            writeln!(f, "… and {untold} events more")?;
        }
        for (name, FaultCount { injected, hits }) in &self.faults {
            writeln!(f, "{name}: injected {injected}, hits {hits}")?;
        }
        let Self { open_connections: open, bytes, packets_lost: lost, digest, .. } = self;
        write!(f, "{open} connections open, {bytes} bytes read, {lost} packets lost, digest {digest:016x}")
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>10.3} s  {}", self.at.as_secs_f64(), self.what)
    }
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listening { host, port } => write!(f, "{host} listens at {port}"),
            Self::Connected { connection, from, to, port } => {
                write!(f, "#{connection} connects {from} → {to}:{port}")
            }
            Self::Refused { from, to, port } => write!(f, "refused {from} → {to}:{port}"),
            Self::Hanging { from, to, port } => write!(f, "nobody answers {from} → {to}:{port}"),
            Self::Closed { connection, bytes } => write!(f, "#{connection} closed, {bytes} bytes read"),
            Self::Broken { connection } => write!(f, "#{connection} breaks"),
            Self::Injected { fault, what } => write!(f, "fault {fault}: {what}"),
            Self::Hit { fault } => write!(f, "fault {fault} hits"),
            Self::Healed { fault } => write!(f, "fault {fault} is over"),
            Self::Restarted { host } => write!(f, "{host} is up again"),
        }
    }
}

// ===== impl Log =====

/// Events that a report keeps: more than anybody reads, and less than a megabyte or two.
const EVENTS: usize = 10_000;

/// What a report is made of.
#[derive(Debug, Default)]
pub(super) struct Log {
    events: Vec<Event>,
    total: u64,
    pub(super) bytes: u64,
    pub(super) packets_lost: u64,
    digest: DefaultHasher,
}

impl Log {
    pub(super) fn note(&mut self, at: Duration, what: Happening) {
        self.total += 1;
        if self.events.len() < EVENTS {
            self.events.push(Event { at, what });
        }
    }

    /// Bytes are written on one end of a connection.
    pub(super) fn digest(&mut self, at: Duration, connection: u64, end: usize, bytes: &[u8]) {
        (at, connection, end, bytes).hash(&mut self.digest);
    }

    pub(super) fn report(
        &self,
        seed: u64,
        elapsed: Duration,
        faults: BTreeMap<&'static str, FaultCount>,
        open_connections: usize,
    ) -> Report {
        Report {
            seed,
            elapsed,
            events: self.events.clone(),
            total_events: self.total,
            faults,
            open_connections,
            bytes: self.bytes,
            packets_lost: self.packets_lost,
            digest: self.digest.finish(),
        }
    }
}
