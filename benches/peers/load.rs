//! The client's process: keeps a workload going for a while, and says what it measured. Does not compare.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::try_join_all;
use parking_lot::Mutex;
use tokio::runtime::{Builder, Handle};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

use crate::child::Used;
use crate::count::Counter;
use crate::pace::Pace;
use crate::systems::{Failure, Place, SHARDS, System};
use crate::workload::{Metric, Work, Workload};

/// What a client is to do.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) workload: Workload,
    pub(crate) place: Place,
    pub(crate) address: String,
    pub(crate) warm_up: Duration,
    pub(crate) time: Duration,
    /// Whether allocations are counted; times mean little then.
    pub(crate) counts: bool,
}

/// Items that one stream has.
const ITEMS: u64 = 100_000;
/// Calls whose times are kept: more than any system makes one by one in the time of a measurement.
const TIMES: usize = 1 << 20;

const WARMING: u8 = 0;
const MEASURING: u8 = 1;
const STOPPING: u8 = 2;

/// Calls of an open loop that are under way at a time: fewer than any system takes. Those that are due beyond wait, and
/// their times go on.
const OUTSTANDING: u32 = 1_000;

/// What callers share.
#[derive(Default)]
struct Shared {
    phase: AtomicU8,
    /// When the measurement ended.
    stopped: OnceLock<Instant>,
    /// Nanoseconds of each timed call.
    times: Mutex<Vec<u32>>,
    /// When each bulk was there and back.
    bulks: Mutex<Vec<Instant>>,
    /// Why a call of an open loop failed, which nobody waits for.
    failed: Mutex<Option<Failure>>,
}

/// Runs the workload; prints `begin` and `end` of the measurement, and as `result` the operations, the CPU
/// time, the allocations and the metrics.
pub(crate) async fn run<S: System>(task: Task) -> Result<(), Failure> {
    let shared = Arc::new(Shared::default());
    let mut counters = Vec::new();
    let mut callers = Vec::new();
    let homes = homes(&task.place)?;
    for nth in 0..task.workload.connections {
        let open = open::<S>(task.clone(), Arc::clone(&shared));
        let (of_callers, opened) = homes[nth % homes.len()].spawn(open).await??;
        counters.extend(of_callers);
        callers.extend(opened);
    }
    let mut callers = try_join_all(callers.into_iter().map(ended));
    if task.counts {
        traitwire_allocations::count();
    }
    until(&mut callers, task.warm_up).await?;

    shared.phase.store(MEASURING, Ordering::Relaxed);
    println!("begin");
    let (before, used, began) = (sum(&counters), Used::now(), Instant::now());
    until(&mut callers, task.time).await?;
    let (elapsed, used) = (began.elapsed(), Used::now().since(used));
    let operations = (sum(&counters) - before) as f64;
    println!("end");
    let _ = shared.stopped.set(Instant::now());
    shared.phase.store(STOPPING, Ordering::Relaxed);
    callers.await?;
    if operations == 0.0 && task.workload.is_uniform() {
        return Err("no call ended in the time of the measurement".into());
    }
    let metrics = metrics(task.workload, operations, (began, elapsed), &shared);
    println!("result {operations} {} {} {metrics}", used.cpu_us, used.allocations);
    Ok(())
}

/// The runtimes that connections live in, by turns: this one, or one of one thread each.
fn homes(place: &Place) -> Result<Vec<Handle>, Failure> {
    if !place.sharded {
        return Ok(vec![Handle::current()]);
    }
    let start = |_| {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        std::thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
        Ok(handle)
    };
    (0..SHARDS).map(start).collect()
}

/// A caller that runs.
type Running = JoinHandle<Result<(), Failure>>;

/// Opens a connection, and starts its callers: what they count, and they.
async fn open<S: System>(
    task: Task,
    shared: Arc<Shared>,
) -> Result<(Vec<Arc<Counter>>, Vec<Running>), Failure> {
    let system = S::connect(&task.place, &task.address).await?;
    let counters: Vec<_> = (0..task.workload.callers).map(|_| Arc::new(Counter::default())).collect();
    let start = |counter| spawn(&system, task.workload.work, Arc::clone(counter), &shared);
    let running = counters.iter().flat_map(start).collect();
    Ok((counters, running))
}

fn sum(counters: &[Arc<Counter>]) -> u64 {
    counters.iter().map(|counter| counter.read()).sum()
}

/// Waits, unless a caller fails meanwhile.
async fn until<F>(callers: &mut F, time: Duration) -> Result<(), Failure>
where
    F: Future<Output = Result<Vec<()>, Failure>> + Unpin,
{
    tokio::select! {
        ended = callers => Err(ended.err().unwrap_or_else(|| "its callers ended early".into())),
        () = tokio::time::sleep(time) => Ok(()),
    }
}

async fn ended(caller: Running) -> Result<(), Failure> {
    caller.await?
}

/// Spawns what one caller does: on the runtime's threads, as a program's calls are.
fn spawn<S: System>(system: &S, work: Work, counter: Arc<Counter>, shared: &Arc<Shared>) -> Vec<Running> {
    let mut caller = Caller { system: system.clone(), shared: Arc::clone(shared), counter };
    let spawned = match work {
        Work::Add => tokio::spawn(async move { caller.add().await }),
        Work::TimedAdd => tokio::spawn(async move { caller.timed_add().await }),
        Work::Echo(size) => tokio::spawn(async move { caller.echo(size).await }),
        Work::Items => tokio::spawn(async move { caller.items().await }),
        Work::OpenLoop(rate) => tokio::spawn(async move { caller.open_loop(rate).await }),
        Work::Beside(size) => {
            let mut bulk = Caller { counter: Arc::default(), ..caller.clone() };
            return vec![
                tokio::spawn(async move { bulk.bulk(size).await }),
                tokio::spawn(async move { caller.timed_add().await }),
            ];
        }
    };
    vec![spawned]
}

#[derive(Clone)]
struct Caller<S> {
    system: S,
    shared: Arc<Shared>,
    counter: Arc<Counter>,
}

impl<S: System> Caller<S> {
    fn phase(&self) -> u8 {
        self.shared.phase.load(Ordering::Relaxed)
    }

    async fn add(&mut self) -> Result<(), Failure> {
        let mut at = 0;
        while self.phase() != STOPPING {
            check(self.system.add(at, 1).await?, at + 1)?;
            self.counter.add(1);
            at += 1;
        }
        Ok(())
    }

    async fn timed_add(&mut self) -> Result<(), Failure> {
        let mut times = Vec::with_capacity(TIMES);
        let mut at = 0;
        let mut phase = self.phase();
        while phase != STOPPING {
            let began = Instant::now();
            check(self.system.add(at, 1).await?, at + 1)?;
            let time = began.elapsed();
            self.counter.add(1);
            at += 1;
            phase = self.phase();
            // Whoever waits at the end of the measurement is not left out: those are the longest.
            if phase != WARMING && times.len() < TIMES {
                times.push(nanos(time));
            }
        }
        *self.shared.times.lock() = times;
        Ok(())
    }

    async fn echo(&mut self, size: usize) -> Result<(), Failure> {
        let body = body(size);
        while self.phase() != STOPPING {
            check(self.system.echo(&body).await?, size)?;
            self.counter.add(1);
        }
        Ok(())
    }

    async fn bulk(&mut self, size: usize) -> Result<(), Failure> {
        let body = body(size);
        while self.phase() != STOPPING {
            check(self.system.echo(&body).await?, size)?;
            if self.phase() != WARMING {
                self.shared.bulks.lock().push(Instant::now());
            }
        }
        Ok(())
    }

    async fn open_loop(&self, rate: u32) -> Result<(), Failure> {
        let gap = Duration::from_secs(1) / rate;
        let places = Arc::new(Semaphore::new(OUTSTANDING as usize));
        let (pace, began) = (Pace::new(gap)?, Instant::now());
        let (mut made, mut all) = (0_u32, 0);
        while self.phase() != STOPPING {
            all += pace.due().await? as u32;
            // Those that were due before the end are made after it.
            if let Some(&stopped) = self.shared.stopped.get() {
                all = ((stopped - began).as_nanos() / gap.as_nanos()) as u32;
            }
            while made < all {
                made += 1;
                let place = Arc::clone(&places).acquire_owned().await?;
                tokio::spawn(self.clone().call_of_loop(began + gap * made, place));
            }
        }
        // The last ones have given their places back.
        let _all = places.acquire_many(OUTSTANDING).await?;
        self.shared.failed.lock().take().map_or(Ok(()), Err)
    }

    async fn call_of_loop(mut self, due: Instant, place: OwnedSemaphorePermit) {
        let phase = self.phase();
        let answered = self.system.add(40, 2).await;
        let time = due.elapsed();
        if let Err(failure) = answered.and_then(|sum| check(sum, 42)) {
            self.shared.failed.lock().get_or_insert(failure);
        }
        if phase != WARMING {
            self.shared.times.lock().push(nanos(time));
            self.counter.share(1);
        }
        drop(place);
    }

    async fn items(&mut self) -> Result<(), Failure> {
        while self.phase() != STOPPING {
            self.system.items(ITEMS, &self.counter).await?;
        }
        Ok(())
    }
}

fn nanos(time: Duration) -> u32 {
    time.as_nanos().min(u128::from(u32::MAX)) as u32
}

/// Letters, which any system can send as they are.
fn body(size: usize) -> Bytes {
    (0..size).map(|at| b'a' + (at % 26) as u8).collect()
}

fn check<T: PartialEq + std::fmt::Debug>(got: T, expected: T) -> Result<(), Failure> {
    if got == expected { Ok(()) } else { Err(format!("answered {got:?} instead of {expected:?}").into()) }
}

/// The metrics of a workload, in their order.
fn metrics(workload: Workload, operations: f64, measured: (Instant, Duration), shared: &Shared) -> String {
    let (began, elapsed) = measured;
    let rate = operations / elapsed.as_secs_f64();
    let mut times = std::mem::take(&mut *shared.times.lock());
    times.sort_unstable();
    let quantile = |share: f64| {
        let at = (times.len() as f64 * share) as usize;
        times.get(at.min(times.len().saturating_sub(1))).map_or(f64::NAN, |&time| f64::from(time) / 1e3)
    };
    let value = |metric: &Metric| match (metric, workload.work) {
        (Metric::Calls | Metric::Items, _) => rate,
        (Metric::Bytes, Work::Beside(size)) => bulk_rate(began, &shared.bulks.lock()) * size as f64 / 1e6,
        (Metric::Bytes, Work::Echo(size)) => rate * size as f64 / 1e6,
        (Metric::Bytes, _) => f64::NAN,
        (Metric::Median, _) => quantile(0.50),
        (Metric::Tail, _) => quantile(0.99),
        (Metric::FarTail, _) => quantile(0.999),
    };
    let values: Vec<_> = workload.metrics().iter().map(|metric| value(metric).to_string()).collect();
    values.join(" ")
}

/// Bulks a second between the first and the last: few fit a measurement, so its edges would count.
fn bulk_rate(began: Instant, bulks: &[Instant]) -> f64 {
    match bulks {
        [first, .., last] => (bulks.len() - 1) as f64 / (*last - *first).as_secs_f64(),
        [only] => 1.0 / (*only - began).as_secs_f64(),
        [] => f64::NAN,
    }
}
