//! Owns [`Workload`]: what is asked of each system, and what is measured while it is. Knows no system.

use std::str::FromStr;

use crate::systems::{Failure, Listed, Over};

/// W1 to W9, W1 on one core, or calls at a fixed rate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) connections: usize,
    /// On each connection.
    pub(crate) callers: usize,
    pub(crate) work: Work,
    /// Whether both processes are kept on one core: there a call that is alone costs what the framework costs, and not
    /// what waking another core does.
    pub(crate) pinned: bool,
}

/// What a caller does again and again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Work {
    Add,
    /// Every call's time is kept.
    TimedAdd,
    /// So many bytes there and back.
    Echo(usize),
    /// A stream of items.
    Items,
    /// Timed adds beside echoes of so many bytes, one after the other, on the same connection.
    Beside(usize),
    /// So many adds a second, each when it is due, whether or not those before have been answered. Their times count from
    /// then on: a system that falls behind is not spared the calls that it has kept from being made.
    OpenLoop(u32),
}

/// What a workload measures; the first of its metrics is the one that stands for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Metric {
    Calls,
    Bytes,
    Items,
    Median,
    Tail,
    /// One in a thousand takes longer.
    FarTail,
}

pub(crate) const CURRENT_THREAD: &str = "current_thread";
pub(crate) const MULTI_THREAD: &str = "multi_thread";
/// Not tokio's: where the anchors run.
pub(crate) const PYTHON: &str = "python";

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// 16 MiB with the envelope, which is as much as one message has by default.
const BULK: usize = 16 * MIB - KIB;

pub(crate) const WORKLOADS: &[Workload] = &[
    of("W1", "add, one in flight", 1, 1, Work::TimedAdd),
    of("W2", "add, 64 callers on one connection", 1, 64, Work::Add),
    of("W3", "add, 512 callers on one connection", 1, 512, Work::Add),
    of("W4", "add, 8 connections with 32 callers each", 8, 32, Work::Add),
    of("W5", "echo of 1 KiB, 64 callers", 1, 64, Work::Echo(KIB)),
    of("W6", "echo of 64 KiB, 16 callers", 1, 16, Work::Echo(64 * KIB)),
    of("W7", "echo of 1 MiB, 4 callers", 1, 4, Work::Echo(MIB)),
    of("W8", "stream of {u64, f64, string of 12}", 1, 1, Work::Items),
    of("W9", "add, one in flight, beside an echo of 16 MiB on its connection", 1, 1, Work::Beside(BULK)),
    Workload { pinned: true, ..of("W1-pinned", "add, one in flight, all on one core", 1, 1, Work::TimedAdd) },
];

/// What open loops are called before their rate.
const OPEN: &str = "open-";

const fn of(
    name: &'static str,
    what: &'static str,
    connections: usize,
    callers: usize,
    work: Work,
) -> Workload {
    Workload { name, what, connections, callers, work, pinned: false }
}

impl Workload {
    pub(crate) fn open_loop(rate: u32) -> Self {
        // Few are made, and they are needed for as long as the process runs.
        let name = format!("{OPEN}{rate}").leak();
        let what = format!("add, {rate} a second on one connection, timed from when each is due").leak();
        of(name, what, 1, 1, Work::OpenLoop(rate))
    }

    pub(crate) const fn metrics(&self) -> &'static [Metric] {
        match self.work {
            Work::TimedAdd => &[Metric::Calls, Metric::Median, Metric::Tail],
            Work::Add => &[Metric::Calls],
            // As in the research: small ones are counted, large ones weighed.
            Work::Echo(KIB) => &[Metric::Calls],
            Work::Echo(_) => &[Metric::Bytes],
            Work::Items => &[Metric::Items],
            Work::Beside(_) => &[Metric::Tail, Metric::Median, Metric::Bytes],
            Work::OpenLoop(_) => &[Metric::Tail, Metric::Median, Metric::FarTail, Metric::Calls],
        }
    }

    /// Whether the system can do it, and is asked to. What TLS costs shows where much is under way, and what shards are
    /// worth beside a runtime of several threads.
    pub(crate) fn suits(&self, system: Listed, runtime: &str) -> bool {
        let is_asked = system.over != Over::Tls || matches!(self.work, Work::Add | Work::Echo(_));
        let is_asked = is_asked && (!system.sharded || runtime == MULTI_THREAD);
        let is_asked = is_asked && (!system.one_thread || runtime == CURRENT_THREAD);
        is_asked && (system.streams || self.work != Work::Items)
    }

    /// How many times as long as others it is measured: a bulk of 16 MiB takes its time, and one call of a thousand is
    /// rare.
    pub(crate) const fn length(&self) -> u32 {
        match self.work {
            Work::Beside(_) => 2,
            Work::OpenLoop(_) => 4,
            _ => 1,
        }
    }

    /// Whether CPU time and allocations can be said of a call: two kinds of calls cannot be told apart.
    pub(crate) const fn is_uniform(&self) -> bool {
        !matches!(self.work, Work::Beside(_))
    }
}

impl FromStr for Workload {
    type Err = Failure;

    fn from_str(name: &str) -> Result<Self, Failure> {
        if let Some(rate) = name.strip_prefix(OPEN).and_then(|rate| rate.parse().ok()) {
            return Ok(Self::open_loop(rate));
        }
        let found = WORKLOADS.iter().find(|workload| workload.name == name);
        let open =
            || format!("no workload is called {name}: W1 to W9, W1-pinned, or {OPEN} and calls a second");
        found.copied().ok_or_else(|| open().into())
    }
}

impl Metric {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Calls => "calls_per_s",
            Self::Bytes => "mb_per_s",
            Self::Items => "items_per_s",
            Self::Median => "p50_us",
            Self::Tail => "p99_us",
            Self::FarTail => "p99.9_us",
        }
    }

    pub(crate) const fn unit(self) -> &'static str {
        match self {
            Self::Calls => "calls/s",
            Self::Bytes => "MB/s",
            Self::Items => "items/s",
            Self::Median | Self::Tail | Self::FarTail => "us",
        }
    }

    /// Whether less is better.
    pub(crate) const fn is_time(self) -> bool {
        matches!(self, Self::Median | Self::Tail | Self::FarTail)
    }
}
