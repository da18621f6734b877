//! `cargo run --release -p traitwire-tests --bin soak -- [--calls N] [--seed N]`: a million calls on one connection from
//! 64 tasks, with cancels and deadlines at random. Each reply carries a digest of its call, so that no wrong one passes.
//! Afterwards nothing may be left: no handler, no task, no place, no memory.
#![expect(clippy::print_stdout, reason = "a program that reports")]

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::join_all;
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout};
use traitwire::observe::Counters;
use traitwire::{CallError, Code, Server, limits, rpc_service};

/// A service whose answers can be checked.
#[rpc_service]
trait Digest {
    /// Waits a little, then answers the nonce and the digest of all of its arguments.
    async fn digest(&self, nonce: u64, payload: &[u8], pause: u64) -> (u64, u64);
}

struct Hashing;

impl Digest for Hashing {
    async fn digest(&self, nonce: u64, payload: &[u8], pause: u64) -> (u64, u64) {
        if pause > 0 {
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        (nonce, digest(nonce, payload, pause))
    }
}

fn digest(nonce: u64, payload: &[u8], pause: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    (nonce, payload, pause).hash(&mut hasher);
    hasher.finish()
}

/// How the calls ended.
#[derive(Default)]
struct Tally {
    answered: AtomicU64,
    expired: AtomicU64,
    dropped: AtomicU64,
    wrong: AtomicU64,
    failed: AtomicU64,
}

const TASKS: u64 = 64;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let option = |name: &str| {
        arguments.iter().position(|a| a == name).and_then(|at| arguments.get(at + 1)?.parse().ok())
    };
    let (calls, seed): (u64, u64) = (option("--calls").unwrap_or(1_000_000), option("--seed").unwrap_or(1));
    let counters = Arc::new(Counters::new());
    let server = Server::builder().service(DigestServer::new(Hashing)).observer(counters.clone());
    let server = server.bind("tcp://127.0.0.1:0").await?;
    let address = server.addresses()[0].clone();
    tokio::spawn(server.serve());
    let client = DigestClient::connect(&address).await?;

    // A round to warm up: pools, buffers and the allocator's arenas grow to their working size.
    run(&client, calls / 20, seed ^ 1, &Arc::default()).await;
    settle(&counters).await?;
    let (tasks, memory) = (Handle::current().metrics().num_alive_tasks(), resident()?);
    let (began, tally) = (Instant::now(), Arc::new(Tally::default()));
    run(&client, calls, seed, &tally).await;
    let took = began.elapsed();
    settle(&counters).await?;
    all_places_are_free(&client).await?;
    settle(&counters).await?;

    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    println!("{calls} calls in {took:.1?}, {:.0} a second, seed {seed}", calls as f64 / took.as_secs_f64());
    println!(
        "answered {}, expired {}, dropped {}",
        count(&tally.answered),
        count(&tally.expired),
        count(&tally.dropped)
    );
    println!("wrong answers {}, other failures {}", count(&tally.wrong), count(&tally.failed));
    let (tasks_after, memory_after) = (Handle::current().metrics().num_alive_tasks(), resident()?);
    println!(
        "tasks {tasks} before, {tasks_after} after; resident {memory} KiB before, {memory_after} KiB after"
    );
    let leaks = tasks_after > tasks || memory_after > memory + memory / 4 + 4_096;
    if leaks || count(&tally.wrong) + count(&tally.failed) > 0 {
        return Err("something was wrong or is left behind".into());
    }
    println!("no wrong answer, nothing left behind");
    Ok(())
}

async fn run(client: &DigestClient, calls: u64, seed: u64, tally: &Arc<Tally>) {
    let tasks = (0..TASKS).map(|task| {
        let (client, tally) = (client.clone(), Arc::clone(tally));
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (task + 1));
        tokio::spawn(async move {
            for call in 0..calls / TASKS {
                one(&client, task << 40 | call, &mut dice, &tally).await;
            }
        })
    });
    for task in join_all(tasks).await {
        if task.is_err() {
            tally.failed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn one(client: &DigestClient, nonce: u64, dice: &mut Dice, tally: &Tally) {
    let size = match dice.below(1_000) {
        0 => 300_000,
        1..=20 => 20_000,
        _ => dice.below(200),
    };
    let payload: Vec<u8> = (0..size).map(|at| (at ^ nonce) as u8).collect();
    let pause = if dice.below(20) == 0 { dice.below(4) } else { 0 };
    let mut call = client.digest(nonce, &payload, pause);
    if dice.below(10) == 0 {
        call = call.timeout(Duration::from_micros(dice.below(3_000)));
    }
    let patience =
        if dice.below(5) == 0 { Duration::from_micros(dice.below(2_000)) } else { Duration::from_secs(60) };
    let counter = match timeout(patience, call).await {
        Err(_) => &tally.dropped,
        Ok(Ok(answer)) if answer == (nonce, digest(nonce, &payload, pause)) => &tally.answered,
        Ok(Ok(_)) => &tally.wrong,
        Ok(Err(CallError::Rpc(error))) if error.code() == Code::DEADLINE_EXCEEDED => &tally.expired,
        Ok(Err(error)) => {
            println!("{error}");
            &tally.failed
        }
    };
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Waits until no handler is at work.
async fn settle(counters: &Counters) -> Result<(), String> {
    for _ in 0..500 {
        if counters.snapshot().in_flight == 0 {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Err(format!("handlers are left behind: {:?}", counters.snapshot()))
}

/// As many calls at a time as a connection has places: had one leaked, some of them would have to wait for the others.
async fn all_places_are_free(client: &DigestClient) -> Result<(), Box<dyn std::error::Error>> {
    let pause = 500;
    let began = Instant::now();
    let calls = (0..u64::from(limits::IN_FLIGHT)).map(|nonce| client.digest(nonce, b"", pause));
    for answer in join_all(calls).await {
        answer?;
    }
    let took = began.elapsed();
    if took >= 2 * Duration::from_millis(pause) {
        Err(format!("places have leaked: {took:?}").into())
    } else {
        Ok(())
    }
}

/// The memory of this process that is in use, in KiB.
fn resident() -> Result<u64, Box<dyn std::error::Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// Marsaglia's xorshift64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
