//! Owns [`Fabric`]: the state of a simulated network, that is its hosts, paths and faults. Pure but for the tasks that it
//! drops: the time is an argument. What goes through connections is `traffic`'s, what faults do `effects`'.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::task::AtomicWaker;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;

use crate::call::Dice;
use crate::testing::fault::{Fault, What, is_pair};
use crate::testing::flow::{Ending, Flow, Weather};
use crate::testing::path::Path;
use crate::testing::report::{FaultCount, Happening, Log, Report};

/// What all hosts of a network share.
pub(super) struct Fabric {
    pub(super) seed: u64,
    began: Instant,
    pub(super) dice: Dice,
    pub(super) hosts: BTreeMap<Arc<str>, HostState>,
    pub(super) usual: Path,
    /// By sender and receiver.
    pub(super) paths: BTreeMap<(String, String), Path>,
    pub(super) connections: BTreeMap<u64, Connection>,
    pub(super) next: u64,
    pub(super) faults: Vec<Injection>,
    /// The places in `effects` of those that are not over.
    pub(super) active: Vec<usize>,
    pub(super) log: Log,
    /// Whom to wake when the lock is free.
    pub(super) wakes: Vec<Arc<Wakers>>,
}

/// What a host does when it starts, given the number of its life.
pub(super) type Start = Arc<dyn Fn(u64) + Send + Sync>;

/// What a host is to start that is up again.
pub(super) struct Rebirth {
    pub(super) starts: Vec<Start>,
    pub(super) life: u64,
}

/// A host, in one of its lives.
pub(super) struct HostState {
    /// How often it has died.
    pub(super) life: u64,
    pub(super) is_up: bool,
    /// Where new connections are told, by port.
    pub(super) listeners: BTreeMap<u16, mpsc::Sender<u64>>,
    pub(super) starts: Vec<Start>,
    pub(super) tasks: Vec<AbortHandle>,
    /// Tells the end of this life.
    pub(super) over: watch::Sender<bool>,
}

pub(super) struct Connection {
    pub(super) sides: [Side; 2],
    /// The flow at a place is written by the side at that place.
    pub(super) flows: [Flow; 2],
    pub(super) wakers: Arc<Wakers>,
}

/// One end of a connection.
pub(super) struct Side {
    pub(super) host: Arc<str>,
    pub(super) life: u64,
    pub(super) state: SideState,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum SideState {
    Open,
    /// Closed, by its owner or with its process: whoever sends to it hears so.
    Closed,
    /// Its host has vanished: nobody hears of it.
    Gone,
}

/// Who waits at a connection's ends.
#[derive(Debug, Default)]
pub(super) struct Wakers {
    pub(super) readers: [AtomicWaker; 2],
    pub(super) writers: [AtomicWaker; 2],
}

impl Wakers {
    pub(super) fn wake(&self) {
        self.readers.iter().chain(&self.writers).for_each(AtomicWaker::wake);
    }
}

/// A fault that was injected.
pub(super) struct Injection {
    pub(super) fault: Fault,
    pub(super) hits: u64,
    /// What is left of what a cut counts.
    pub(super) left: u64,
}

impl Fabric {
    pub(super) fn new(seed: u64, now: Instant) -> Self {
        Self {
            seed,
            began: now,
            dice: Dice::new(seed),
            hosts: BTreeMap::new(),
            usual: Path::default(),
            paths: BTreeMap::new(),
            connections: BTreeMap::new(),
            next: 1,
            faults: Vec::new(),
            active: Vec::new(),
            log: Log::default(),
            wakes: Vec::new(),
        }
    }

    pub(super) fn elapsed(&self, now: Instant) -> Duration {
        now.duration_since(self.began)
    }

    pub(super) fn note(&mut self, now: Instant, what: Happening) {
        self.log.note(self.elapsed(now), what);
    }

    pub(super) fn report(&self, now: Instant) -> Report {
        let mut counts: BTreeMap<_, FaultCount> = BTreeMap::new();
        for injection in &self.faults {
            let count = counts.entry(injection.fault.name()).or_default();
            count.injected += 1;
            count.hits += injection.hits;
        }
        self.log.report(self.seed, self.elapsed(now), counts, self.connections.len())
    }

    /// A host of this name, which is made if there is none.
    pub(super) fn host(&mut self, name: &str) -> Arc<str> {
        if let Some((known, _)) = self.hosts.get_key_value(name) {
            return Arc::clone(known);
        }
        let name: Arc<str> = Arc::from(name);
        self.hosts.insert(Arc::clone(&name), HostState::new());
        name
    }

    /// Whether this is the present life of a host, and it is up.
    pub(super) fn lives(&self, host: &str, life: u64) -> bool {
        self.hosts.get(host).is_some_and(|host| host.is_up && host.life == life)
    }

    /// What it is like from one host to another.
    pub(super) fn weather(&self, from: &str, to: &str) -> Weather {
        let path = self.paths.get(&(from.to_owned(), to.to_owned())).copied().unwrap_or(self.usual);
        let worse = self.active().rev().find_map(|fault| match &fault.what {
            What::Worse(one, other, path) if is_pair(one, other, from, to) => Some(*path),
            _ => None,
        });
        Weather { path: worse.unwrap_or(path), is_held: self.is_held(from, to) }
    }

    pub(super) fn is_held(&self, from: &str, to: &str) -> bool {
        self.active().any(|fault| fault.holds(from, to))
    }

    /// How many bytes a second a host reads, if it reads slowly.
    pub(super) fn rate(&self, host: &str) -> Option<u64> {
        let rates = self.active().filter_map(|fault| match &fault.what {
            What::SlowReader(slow, rate) if slow == host => Some(*rate),
            _ => None,
        });
        rates.min()
    }

    pub(super) fn active(&self) -> impl DoubleEndedIterator<Item = &Fault> {
        self.active.iter().map(|&at| &self.faults[at].fault)
    }

    /// One side of a connection is no more.
    pub(super) fn leave(&mut self, number: u64, at: usize, how: SideState, now: Instant) {
        let Some(connection) = self.connections.get(&number) else { return };
        if connection.sides[at].state != SideState::Open {
            return;
        }
        let weather = self.weather(&connection.sides[at].host, &connection.sides[1 - at].host);
        let Some(connection) = self.connections.get_mut(&number) else { return };
        connection.sides[at].state = how;
        if how == SideState::Closed {
            // As a kernel does: what was not read is lost, and its sender is told.
            let ending = if connection.flows[1 - at].has_unread() { Ending::Reset } else { Ending::Close };
            connection.flows[at].finish(ending, now, weather, &mut self.dice);
        }
        self.wakes.push(Arc::clone(&connection.wakers));
        if connection.sides.iter().all(|side| side.state != SideState::Open) {
            let bytes = connection.flows.iter().map(Flow::taken).sum();
            self.connections.remove(&number);
            self.note(now, Happening::Closed { connection: number, bytes });
        }
    }

    /// A side that is no more answers what it is sent.
    pub(super) fn answer_reset(&mut self, number: u64, at: usize, now: Instant) {
        let Some(connection) = self.connections.get(&number) else { return };
        let weather = self.weather(&connection.sides[at].host, &connection.sides[1 - at].host);
        let Some(connection) = self.connections.get_mut(&number) else { return };
        connection.flows[at].finish(Ending::Reset, now, weather, &mut self.dice);
        self.wakes.push(Arc::clone(&connection.wakers));
        self.note(now, Happening::Broken { connection: number });
    }
}

impl fmt::Debug for Fabric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fabric").field("seed", &self.seed).finish_non_exhaustive()
    }
}

impl HostState {
    fn new() -> Self {
        Self {
            life: 0,
            is_up: true,
            listeners: BTreeMap::new(),
            starts: Vec::new(),
            tasks: Vec::new(),
            over: watch::Sender::new(false),
        }
    }
}
