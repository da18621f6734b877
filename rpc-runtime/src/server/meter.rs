//! Owns [`Meter`]: how loaded a server is, from what its calls come to and how busy its threads are. Tells nobody.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use crate::driver::{Finish, now};

/// How loaded a server is.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ServerLoad {
    /// Which part of what it has is in use: at 1 it is full. What the program [says](crate::ServerBuilder::utilization), or else
    /// the part of the time in which the threads of its runtime worked.
    pub utilization: f64,
    /// Calls that end, a second.
    pub calls: f64,
    /// Those of them that panic or end with an error that is not the service's own, a second.
    pub errors: f64,
}

/// What a program says of itself: which part of what it has is in use.
pub(super) type Utilization = Arc<dyn Fn() -> f64 + Send + Sync>;

/// Counts the calls of a server that says how loaded it is; others have none, and count nothing.
#[derive(Default)]
pub(super) struct Meter {
    ended: AtomicU64,
    failed: AtomicU64,
    utilization: Option<Utilization>,
}

impl Meter {
    /// One of a program that says itself what is in use.
    pub(super) fn new(utilization: Utilization) -> Self {
        Self { utilization: Some(utilization), ..Self::default() }
    }

    /// A call that was started has ended. One that was turned away is no work done: a server that refuses much would look quick.
    pub(super) fn count(&self, how: Finish) {
        if matches!(how, Finish::Refused(_)) {
            return;
        }
        self.ended.fetch_add(1, Ordering::Relaxed);
        if matches!(how, Finish::Failed(_) | Finish::Panicked) {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What has been counted by now.
    pub(super) fn read(&self) -> Reading {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Reading { at: now(), ended: count(&self.ended), failed: count(&self.failed), busy: busy() }
    }

    /// The load between two readings.
    pub(super) fn load(&self, from: &Reading, to: &Reading) -> ServerLoad {
        let time = to.at.duration_since(from.at).as_secs_f64().max(1e-3);
        let rate = |from: u64, to: u64| to.saturating_sub(from) as f64 / time;
        let (busy, threads) = (to.busy.0.saturating_sub(from.busy.0), to.busy.1.max(1));
        let measured = || busy.as_secs_f64() / (time * threads as f64);
        ServerLoad {
            utilization: self.utilization.as_ref().map_or_else(measured, |utilization| utilization()),
            calls: rate(from.ended, to.ended),
            errors: rate(from.failed, to.failed),
        }
    }
}

/// What was counted at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    at: Instant,
    ended: u64,
    failed: u64,
    /// How long the threads of the runtime have worked, all together, and how many they are.
    busy: (Duration, usize),
}

/// Of the runtime that this is asked in: with shards, that of the connection.
fn busy() -> (Duration, usize) {
    let Ok(runtime) = Handle::try_current() else { return Default::default() };
    let metrics = runtime.metrics();
    let threads = metrics.num_workers();
    ((0..threads).map(|worker| metrics.worker_total_busy_duration(worker)).sum(), threads)
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meter")
            .field("ended", &self.ended)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Code;

    #[tokio::test(start_paused = true)]
    async fn a_load_is_what_was_between_two_readings() {
        let meter = Meter::new(Arc::new(|| 0.25));
        meter.count(Finish::Answered);
        let from = meter.read();
        for how in [Finish::Answered, Finish::Panicked, Finish::Failed(Code::INTERNAL), Finish::Stopped] {
            meter.count(how);
        }
        tokio::time::advance(Duration::from_secs(2)).await;
        let load = meter.load(&from, &meter.read());
        assert_eq!((load.utilization, load.calls, load.errors), (0.25, 2.0, 1.0));
    }

    #[test]
    fn threads_that_work_are_busy() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let load = runtime.block_on(async {
            let meter = Meter::default();
            let from = meter.read();
            let until = now() + Duration::from_millis(50);
            while now() < until {
                std::hint::spin_loop();
            }
            // Time is counted when the thread has nothing more to do.
            tokio::time::sleep(Duration::from_millis(1)).await;
            meter.load(&from, &meter.read())
        });
        assert!((0.3..=1.01).contains(&load.utilization), "{load:?}");
    }
}
