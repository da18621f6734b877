//! `cargo run --release -p traitwire-tests --bin flood -- [--mebibytes N]`: a stream of 1 GiB, in items of 64 KiB, from a
//! server process to a client process, neither of which may grow by more than 64 MiB of resident memory. Beside it
//! on the same connection one reader that is slow and four that are fast: the fast ones lose nothing to the slow one.
//! Needs `conformance-server`, which `cargo build --release -p traitwire-tests --bins` builds.
#![expect(clippy::print_stdout, reason = "a program that reports")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures::StreamExt;
use futures::future::join_all;
use tokio::time::{Instant, interval};
use traitwire_tests::ConformanceClient;

type Failure = Box<dyn std::error::Error>;

const ITEM: u32 = 64 << 10;
const GROWTH: u64 = 64 << 10;
const READERS: u64 = 4;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    let at = arguments.iter().position(|argument| argument == "--mebibytes");
    let mebibytes: u64 = at.and_then(|at| arguments.get(at + 1)?.parse().ok()).unwrap_or(1_024);
    let mut child = Command::new(std::env::current_exe()?.with_file_name("conformance-server"))
        .args(["--listen", "tcp://127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()?;
    let measured = measure(&mut child, mebibytes << 20).await;
    child.kill()?;
    child.wait()?;
    measured
}

async fn measure(child: &mut Child, bytes: u64) -> Result<(), Failure> {
    let mut line = String::new();
    BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
    let client = ConformanceClient::connect(line.trim().trim_start_matches("listening ")).await?;
    let items = bytes / u64::from(ITEM);
    read(&client, 16).await?;
    let watch = Watch::start(child.id())?;

    let took = read(&client, items).await?;
    println!("{} MiB in items of 64 KiB: {took:.1?}, {:.0} MiB/s", bytes >> 20, rate(items, took));

    let alone = readers(&client, items / READERS).await?;
    println!("{READERS} fast readers: {alone:.1?}, {:.0} MiB/s together", rate(items, alone));
    let stop = Arc::new(AtomicBool::new(false));
    let slow = tokio::spawn(read_slowly(client.clone(), Arc::clone(&stop)));
    let beside = readers(&client, items / READERS).await?;
    stop.store(true, Ordering::Relaxed);
    let dawdled = slow.await??;
    println!(
        "{READERS} fast readers beside a slow one: {beside:.1?}, {:.0} MiB/s together",
        rate(items, beside)
    );
    let ratio = alone.as_secs_f64() / beside.as_secs_f64();
    println!(
        "throughput beside it / without it: {ratio:.2}; the slow one has read {dawdled} items meanwhile"
    );

    let (server, own) = watch.stop().await?;
    println!(
        "most growth of resident memory: server {server} KiB, client {own} KiB, at most {GROWTH} may be"
    );
    if server > GROWTH || own > GROWTH {
        return Err("memory was not bounded".into());
    }
    if ratio < 0.5 || dawdled == 0 {
        return Err("the fast readers have lost to the slow one, or it has read nothing".into());
    }
    println!("nothing was lost, and memory stayed bounded");
    Ok(())
}

fn rate(items: u64, took: Duration) -> f64 {
    (items * u64::from(ITEM)) as f64 / f64::from(1 << 20) / took.as_secs_f64()
}

/// Reads and checks a stream, and says how long it took.
async fn read(client: &ConformanceClient, count: u64) -> Result<Duration, Failure> {
    let began = Instant::now();
    let (mut items, mut nth) = (client.generate(count, ITEM), 0);
    while let Some(item) = items.next().await {
        if !item?.is(nth, ITEM) {
            return Err(format!("item {nth} is not what was sent").into());
        }
        nth += 1;
        if nth % 4_096 == 0 {
            println!("  {} MiB of {}", nth / 16, count / 16);
        }
    }
    if nth == count { Ok(began.elapsed()) } else { Err(format!("{nth} items of {count}").into()) }
}

async fn readers(client: &ConformanceClient, each: u64) -> Result<Duration, Failure> {
    let began = Instant::now();
    let tasks = (0..READERS).map(|_| {
        let client = client.clone();
        tokio::spawn(async move { read(&client, each).await.map_err(|error| error.to_string()) })
    });
    for task in join_all(tasks).await {
        task??;
    }
    Ok(began.elapsed())
}

/// Reads an item now and then, until it is told to stop; says how many.
async fn read_slowly(client: ConformanceClient, stop: Arc<AtomicBool>) -> Result<u64, String> {
    let (mut items, mut nth) = (client.generate(u64::MAX, ITEM), 0);
    while !stop.load(Ordering::Relaxed) {
        let item =
            items.next().await.ok_or("the slow stream has ended")?.map_err(|error| error.to_string())?;
        if !item.is(nth, ITEM) {
            return Err(format!("item {nth} of the slow stream is not what was sent"));
        }
        nth += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(nth)
}

/// By how much two processes have grown at most.
struct Watch {
    task: tokio::task::JoinHandle<Result<(), String>>,
    stop: Arc<AtomicBool>,
    most: Arc<[AtomicU64; 2]>,
    before: [u64; 2],
}

impl Watch {
    fn start(server: u32) -> Result<Self, Failure> {
        let processes = [server, std::process::id()];
        let before = [resident(server)?, resident(processes[1])?];
        let (stop, most) =
            (Arc::new(AtomicBool::new(false)), Arc::new([AtomicU64::new(0), AtomicU64::new(0)]));
        let (is_over, seen) = (Arc::clone(&stop), Arc::clone(&most));
        let task = tokio::spawn(async move {
            let mut ticks = interval(Duration::from_millis(10));
            while !is_over.load(Ordering::Relaxed) {
                ticks.tick().await;
                for (process, most) in processes.iter().zip(seen.iter()) {
                    let now = resident(*process).map_err(|error| error.to_string())?;
                    most.fetch_max(now, Ordering::Relaxed);
                }
            }
            Ok(())
        });
        Ok(Self { task, stop, most, before })
    }

    async fn stop(self) -> Result<(u64, u64), Failure> {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await??;
        let grown = |at: usize| self.most[at].load(Ordering::Relaxed).saturating_sub(self.before[at]);
        Ok((grown(0), grown(1)))
    }
}

/// The memory of a process that is in use, in KiB.
fn resident(process: u32) -> Result<u64, Failure> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
