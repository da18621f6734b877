//! `cargo run --release -p traitwire-tests --bin latency -- [--rounds N] [--listen URI]`: small calls beside a continuous
//! echo of 16 MiB on the same connection, against the same without it; the two take turns. Server and client are on one
//! thread (current_thread) with one connection between them, TCP by default. A small call is made every two
//! milliseconds, so that both sides have as many and a busy machine disturbs them alike. The service is by hand, and
//! large payloads are made and dropped elsewhere: copying 16 MiB takes milliseconds, and what is to be measured is the
//! framework, not the copies of its user. Prints p50 and p99 and their ratios; the aim is at most 3 at p99.
#![expect(clippy::print_stdout, reason = "a program that reports")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, MissedTickBehavior, interval};
use traitwire::{
    Caller, Channel, Handler, HandlerFuture, MethodDescriptor, Payload, Request, Response, RpcError, Server,
    Service, ServiceDescriptor,
};

static ECHO: ServiceDescriptor =
    ServiceDescriptor::new("Echo", "", &[MethodDescriptor::new("echo", "Echo.echo", 0)]);

/// Answers what comes; of a large payload an equal one, since a payload that came is copied before it goes.
struct Echo;

impl Service for Echo {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        &ECHO
    }
}

impl Handler for Echo {
    fn handle(&self, request: Request) -> HandlerFuture {
        if request.arguments().bytes().len() < LARGE {
            return HandlerFuture::ready(Ok(Response::value(request.into_arguments())));
        }
        HandlerFuture::new(async move {
            let equal = spawn_blocking(move || vec![request.arguments().bytes()[0]; LARGE]).await;
            Ok(Response::value(Payload::new(equal.unwrap_or_default())))
        })
    }
}

async fn echo(channel: &Channel, payload: Vec<u8>) -> Result<Response, RpcError> {
    let mut request = Request::new(&ECHO.methods[0], Payload::new(payload));
    request.set_timeout(Duration::from_secs(60));
    channel.call(request).await
}

type Failure = Box<dyn std::error::Error>;

const LARGE: usize = 16 << 20;
const ROUND: Duration = Duration::from_secs(1);
const PACE: Duration = Duration::from_millis(2);
const AIM: f64 = 3.0;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    let at = arguments.iter().position(|argument| argument == "--rounds");
    let rounds: u64 = at.and_then(|at| arguments.get(at + 1)?.parse().ok()).unwrap_or(10);
    let at = arguments.iter().position(|argument| argument == "--listen");
    let uri = at.and_then(|at| arguments.get(at + 1)).map_or("tcp://127.0.0.1:0", String::as_str);
    let server = Server::builder().service(Echo).bind(uri).await?;
    let address = server.addresses()[0].clone();
    tokio::spawn(server.serve());
    let channel = Channel::connect(&address).await?;
    round(&channel, &mut Vec::new()).await?;

    let (mut without, mut beside) = (Vec::new(), Vec::new());
    let echoes = Arc::new(AtomicU64::new(0));
    for nth in 1..=rounds {
        round(&channel, &mut without).await?;
        let echo = Echoing::start(&channel, &echoes);
        round(&channel, &mut beside).await?;
        echo.stop().await?;
        println!("  round {nth} of {rounds}: {} and {} calls", without.len(), beside.len());
    }
    let echoed = echoes.load(Ordering::Relaxed);
    let (without, beside) = (Quantiles::of(without), Quantiles::of(beside));
    println!("without: p50 {:.1?}, p99 {:.1?}", without.p50, without.p99);
    println!("beside {echoed} echoes of 16 MiB: p50 {:.1?}, p99 {:.1?}", beside.p50, beside.p99);
    let ratio = |beside: Duration, without: Duration| beside.as_secs_f64() / without.as_secs_f64();
    let worst = ratio(beside.p99, without.p99);
    println!("worst: {:.1?} and {:.1?}", without.most, beside.most);
    println!("ratio: p50 {:.1}, p99 {worst:.1}; the aim is {AIM}", ratio(beside.p50, without.p50));
    if echoed == 0 {
        return Err("no echo came back: nothing was measured".into());
    }
    if worst > AIM { Err("the aim is missed".into()) } else { Ok(()) }
}

/// Small calls for a second; adds how long each has taken.
async fn round(channel: &Channel, took: &mut Vec<Duration>) -> Result<(), Failure> {
    let began = Instant::now();
    let mut ticks = interval(PACE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while began.elapsed() < ROUND {
        ticks.tick().await;
        let asked = Instant::now();
        let nth = took.len() as u64;
        if echo(channel, nth.to_be_bytes().to_vec()).await?.body().bytes() != nth.to_be_bytes() {
            return Err("a wrong answer".into());
        }
        took.push(asked.elapsed());
    }
    Ok(())
}

/// A large echo after the other.
struct Echoing {
    task: JoinHandle<Result<(), String>>,
    stop: Arc<AtomicBool>,
}

impl Echoing {
    fn start(channel: &Channel, count: &Arc<AtomicU64>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (channel, count, is_over) = (channel.clone(), Arc::clone(count), Arc::clone(&stop));
        let task = tokio::spawn(async move {
            let mut next = spawn_blocking(|| vec![7; LARGE]);
            while !is_over.load(Ordering::Relaxed) {
                let payload = next.await.map_err(|error| error.to_string())?;
                next = spawn_blocking(|| vec![7; LARGE]);
                let answer = echo(&channel, payload).await.map_err(|error| error.to_string())?;
                count.fetch_add(1, Ordering::Relaxed);
                drop(spawn_blocking(move || drop(answer)));
            }
            Ok(())
        });
        Self { task, stop }
    }

    async fn stop(self) -> Result<(), Failure> {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await??;
        Ok(())
    }
}

struct Quantiles {
    p50: Duration,
    p99: Duration,
    most: Duration,
}

impl Quantiles {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or_default();
        Self { p50: at(50), p99: at(99), most: times.last().copied().unwrap_or_default() }
    }
}
