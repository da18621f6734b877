//! `cargo run --release -p traitwire-tests --bin latency -- [--rounds N]`: small calls beside a continuous echo of 16 MiB on
//! the same connection, against the same without it; the two take turns. Server and client are on one thread
//! (current_thread) with one TCP connection between them. Prints p50 and p99 and their ratios; the aim is a ratio of at
//! most 3 at p99.
#![expect(clippy::print_stdout, reason = "a program that reports")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_bytes::ByteBuf;
use tokio::time::Instant;
use traitwire::{CallError, Server, rpc_service};

#[rpc_service]
trait Echo {
    async fn small(&self, n: u64) -> u64;
    async fn large(&self, payload: &[u8]) -> ByteBuf;
}

struct Plain;

impl Echo for Plain {
    async fn small(&self, n: u64) -> u64 {
        n
    }

    async fn large(&self, payload: &[u8]) -> ByteBuf {
        ByteBuf::from(payload.to_vec())
    }
}

type Failure = Box<dyn std::error::Error>;

/// A payload of 16 MiB less the heads around it.
const LARGE: usize = (16 << 20) - 64;
const ROUND: Duration = Duration::from_secs(1);
const AIM: f64 = 3.0;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    let at = arguments.iter().position(|argument| argument == "--rounds");
    let rounds: u64 = at.and_then(|at| arguments.get(at + 1)?.parse().ok()).unwrap_or(10);
    let server = Server::builder().service(EchoServer::new(Plain)).bind("tcp://127.0.0.1:0").await?;
    let address = server.addresses()[0].clone();
    tokio::spawn(server.serve());
    let client = EchoClient::connect(&address).await?;
    round(&client, &mut Vec::new()).await?;

    let (mut without, mut beside) = (Vec::new(), Vec::new());
    let echoes = Arc::new(AtomicU64::new(0));
    for nth in 1..=rounds {
        round(&client, &mut without).await?;
        let echo = Echoing::start(&client, &echoes);
        round(&client, &mut beside).await?;
        echo.stop().await?;
        println!("  round {nth} of {rounds}: {} and {} calls", without.len(), beside.len());
    }
    let echoed = echoes.load(Ordering::Relaxed);
    let (without, beside) = (Quantiles::of(without), Quantiles::of(beside));
    println!("without: p50 {:.1?}, p99 {:.1?}", without.p50, without.p99);
    println!("beside {echoed} echoes of 16 MiB: p50 {:.1?}, p99 {:.1?}", beside.p50, beside.p99);
    let ratio = |beside: Duration, without: Duration| beside.as_secs_f64() / without.as_secs_f64();
    let worst = ratio(beside.p99, without.p99);
    println!("ratio: p50 {:.1}, p99 {worst:.1}; the aim is {AIM}", ratio(beside.p50, without.p50));
    if echoed == 0 {
        return Err("no echo came back: nothing was measured".into());
    }
    if worst > AIM { Err("the aim is missed".into()) } else { Ok(()) }
}

/// Small calls one after the other for a second; adds how long each has taken.
async fn round(client: &EchoClient, took: &mut Vec<Duration>) -> Result<(), Failure> {
    let began = Instant::now();
    while began.elapsed() < ROUND {
        let asked = Instant::now();
        let nth = took.len() as u64;
        if client.small(nth).await? != nth {
            return Err("a wrong answer".into());
        }
        took.push(asked.elapsed());
    }
    Ok(())
}

/// A large echo after the other.
struct Echoing {
    task: tokio::task::JoinHandle<Result<(), CallError>>,
    stop: Arc<AtomicBool>,
}

impl Echoing {
    fn start(client: &EchoClient, count: &Arc<AtomicU64>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (client, count, is_over) = (client.clone(), Arc::clone(count), Arc::clone(&stop));
        let task = tokio::spawn(async move {
            let payload = vec![7; LARGE];
            while !is_over.load(Ordering::Relaxed) {
                client.large(&payload).timeout(Duration::from_secs(60)).await?;
                count.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        });
        Self { task, stop }
    }

    async fn stop(self) -> Result<(), Failure> {
        self.stop.store(true, Ordering::Relaxed);
        Ok(self.task.await??)
    }
}

struct Quantiles {
    p50: Duration,
    p99: Duration,
}

impl Quantiles {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or_default();
        Self { p50: at(50), p99: at(99) }
    }
}
