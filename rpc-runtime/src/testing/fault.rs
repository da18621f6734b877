//! Owns [`Fault`]: what can go wrong in a simulated network. Does not make it happen (`fabric`).

use std::fmt;
use std::time::Duration;

use crate::testing::path::Path;

/// Something that goes wrong, to be [injected](super::Network::inject) now or [at](super::Network::at) a time.
///
/// It lasts until it is [healed](super::Injected::heal), or as long as [`lasting`](Self::lasting) says. Hosts are named
/// as [`Network::host`](super::Network::host) names them.
///
/// | fault | what is met |
/// |---|---|
/// | [`partition`](Self::partition), [`one_way`](Self::one_way), [`isolate`](Self::isolate) | bytes and connects wait until it is healed, and arrive then |
/// | [`reset`](Self::reset) | connections break, what was under way is lost |
/// | [`cut_after_bytes`](Self::cut_after_bytes), [`cut_after_frames`](Self::cut_after_frames) | a connection breaks in the middle of a frame, or between two |
/// | [`drop_reply`](Self::drop_reply) | the handler has run, its caller does not hear of it |
/// | [`crash`](Self::crash) | a process ends: its tasks are dropped, its peers see their connections closed |
/// | [`vanish`](Self::vanish) | a machine is gone without a word: its peers hear nothing |
/// | [`refuse`](Self::refuse), [`hang`](Self::hang) | connects fail at once, or are never answered |
/// | [`slow_reader`](Self::slow_reader) | a host reads slowly or not at all |
/// | [`worse`](Self::worse) | another latency, bandwidth or loss |
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Fault {
    pub(super) what: What,
    pub(super) lasting: Option<Duration>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum What {
    Partition(String, String),
    OneWay(String, String),
    Isolate(String),
    Reset(String, String),
    Cut { from: String, to: String, place: Place },
    Crash(String),
    Vanish(String),
    Refuse(String),
    Hang(String),
    SlowReader(String, u64),
    Worse(String, String, Path),
}

/// Where a connection is cut.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Place {
    Bytes(u64),
    Frames(u64),
    Reply,
}

impl Fault {
    const fn new(what: What) -> Self {
        Self { what, lasting: None }
    }

    /// Two hosts hear nothing of each other. As under TCP nothing is lost: what is sent arrives when it is healed, if
    /// somebody still waits for it.
    pub fn partition(one: &str, other: &str) -> Self {
        Self::new(What::Partition(one.to_owned(), other.to_owned()))
    }

    /// One host is not heard by another, but hears it. Neither can connect to the other, which takes both ways.
    pub fn one_way(from: &str, to: &str) -> Self {
        Self::new(What::OneWay(from.to_owned(), to.to_owned()))
    }

    /// A host and all others hear nothing of each other.
    pub fn isolate(host: &str) -> Self {
        Self::new(What::Isolate(host.to_owned()))
    }

    /// All connections between two hosts break now; new ones can be made at once.
    pub fn reset(one: &str, other: &str) -> Self {
        Self::new(What::Reset(one.to_owned(), other.to_owned()))
    }

    /// The connection from one host to another breaks after so many further bytes: exactly those arrive, and its writer is
    /// none the wiser. Once.
    pub fn cut_after_bytes(from: &str, to: &str, bytes: u64) -> Self {
        Self::cut(from, to, Place::Bytes(bytes))
    }

    /// The same between two frames: so many further frames arrive whole, and the connection breaks when the next one is
    /// sent. Once.
    pub fn cut_after_frames(from: &str, to: &str, frames: u64) -> Self {
        Self::cut(from, to, Place::Frames(frames))
    }

    /// The connection breaks when an answer is sent from one host to another: a handler has run, and its caller
    /// does not hear of it. The first item of a stream is an answer too. Once.
    pub fn drop_reply(from: &str, to: &str) -> Self {
        Self::cut(from, to, Place::Reply)
    }

    fn cut(from: &str, to: &str, place: Place) -> Self {
        Self::new(What::Cut { from: from.to_owned(), to: to.to_owned(), place })
    }

    /// A process ends as under `kill -9`: its [tasks](super::Host::spawn) are dropped, its connections closed, and
    /// connects refused, until it is healed and [starts](super::Host::start) anew.
    pub fn crash(host: &str) -> Self {
        Self::new(What::Crash(host.to_owned()))
    }

    /// A machine loses its power: as [`crash`](Self::crash), but nobody is told. Its peers' connections are half open, and
    /// connects hang. Once it is healed, whoever sends to an old connection hears that it is none.
    pub fn vanish(host: &str) -> Self {
        Self::new(What::Vanish(host.to_owned()))
    }

    /// Connects to a host are refused, although it is there.
    pub fn refuse(host: &str) -> Self {
        Self::new(What::Refuse(host.to_owned()))
    }

    /// Connects to a host are not answered.
    pub fn hang(host: &str) -> Self {
        Self::new(What::Hang(host.to_owned()))
    }

    /// A host reads at most so many bytes a second of each connection; with 0 it reads nothing. Its peers' buffers fill up.
    pub fn slow_reader(host: &str, bytes: u64) -> Self {
        Self::new(What::SlowReader(host.to_owned(), bytes))
    }

    /// Both ways between two hosts become like this.
    pub fn worse(one: &str, other: &str, path: Path) -> Self {
        Self::new(What::Worse(one.to_owned(), other.to_owned(), path))
    }

    /// It heals by itself after so long.
    pub const fn lasting(mut self, time: Duration) -> Self {
        self.lasting = Some(time);
        self
    }

    /// Its name, by which a report counts it: `partition`, `one_way` and so on.
    pub const fn name(&self) -> &'static str {
        match self.what {
            What::Partition(..) => "partition",
            What::OneWay(..) => "one_way",
            What::Isolate(_) => "isolate",
            What::Reset(..) => "reset",
            What::Cut { place: Place::Bytes(_), .. } => "cut_after_bytes",
            What::Cut { place: Place::Frames(_), .. } => "cut_after_frames",
            What::Cut { place: Place::Reply, .. } => "drop_reply",
            What::Crash(_) => "crash",
            What::Vanish(_) => "vanish",
            What::Refuse(_) => "refuse",
            What::Hang(_) => "hang",
            What::SlowReader(..) => "slow_reader",
            What::Worse(..) => "worse",
        }
    }

    /// The hosts that it names.
    pub(super) fn hosts(&self) -> Vec<&str> {
        match &self.what {
            What::Isolate(host)
            | What::Crash(host)
            | What::Vanish(host)
            | What::Refuse(host)
            | What::Hang(host)
            | What::SlowReader(host, _) => vec![host],
            What::Partition(from, to)
            | What::OneWay(from, to)
            | What::Reset(from, to)
            | What::Cut { from, to, .. }
            | What::Worse(from, to, _) => vec![from, to],
        }
    }

    /// Whether nothing arrives from one host at another.
    pub(super) fn holds(&self, from: &str, to: &str) -> bool {
        match &self.what {
            What::Partition(one, other) => is_pair(one, other, from, to),
            What::OneWay(sender, receiver) => sender == from && receiver == to,
            What::Isolate(host) => (host == from) != (host == to),
            _ => false,
        }
    }
}

/// Whether the two are the other two, in either order.
pub(super) fn is_pair(one: &str, other: &str, from: &str, to: &str) -> bool {
    (one == from && other == to) || (one == to && other == from)
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        match &self.what {
            What::Partition(one, other) | What::Reset(one, other) => write!(f, "{name} {one} | {other}"),
            What::OneWay(from, to) => write!(f, "{name} {from} → {to}"),
            What::Cut { from, to, place: Place::Bytes(count) | Place::Frames(count) } => {
                write!(f, "{name} {from} → {to} ({count})")
            }
            What::Cut { from, to, place: Place::Reply } => write!(f, "{name} {from} → {to}"),
            What::Isolate(host)
            | What::Crash(host)
            | What::Vanish(host)
            | What::Refuse(host)
            | What::Hang(host) => write!(f, "{name} {host}"),
            What::SlowReader(host, bytes) => write!(f, "{name} {host} ({bytes} bytes/s)"),
            What::Worse(one, other, path) => write!(f, "{name} {one} | {other} ({path})"),
        }?;
        match self.lasting {
            Some(time) => write!(f, " for {time:?}"),
            None => Ok(()),
        }
    }
}
