//! `cargo run --release -p traitwire-tests --bin metastable -- [--svg FILE]`: real processes under open-loop load at 70, 80 and 90 %
//! of what they can do, and a trigger of ten seconds: work that takes ten times as long, or one of three servers killed. Then
//! it is gone, and goodput must be back at 95 % of what is offered within five seconds; after a kill within ten, since a channel
//! whose server was gone so long waits up to eight before it connects again. Prints what was answered, second by second.
//!
//! A server has four workers that are busy for 8 ms with a call, so that what it can do does not depend on the machine: 500 calls a
//! second. `--serve URI` is such a server; a line `work N` on its standard input makes that N milliseconds.
#![expect(clippy::print_stdout, reason = "a program that reports")]

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;
use traitwire::policy::breaker::BreakerConfig;
use traitwire::policy::cluster::Failover;
use traitwire::policy::limit::LimitConfig;
use traitwire::policy::shed::{Shed, ShedConfig};
use traitwire::policy::{Policies, Policy};
use traitwire::{Channel, Hedge, Retry, Server, rpc_service};

type Failure = Box<dyn std::error::Error>;

const WORKERS: usize = 4;
const WORK: u64 = 8;
const CAPACITY: f64 = 500.0;
const SECOND: Duration = Duration::from_secs(1);
/// When the trigger begins and ends, and when it is over.
const BEGINS: usize = 5;
const ENDS: usize = 15;
const OVER: usize = 30;

#[rpc_service]
trait Shop {
    #[rpc(idempotent, timeout = "500ms")]
    async fn buy(&self);
}

#[derive(Clone)]
struct Workers {
    free: Arc<Semaphore>,
    millis: Arc<AtomicU64>,
}

impl Shop for Workers {
    async fn buy(&self) {
        if let Ok(_worker) = self.free.acquire().await {
            tokio::time::sleep(Duration::from_millis(self.millis.load(Ordering::Relaxed))).await;
        }
    }
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    let option = |name: &str| {
        arguments.iter().position(|argument| argument == name).and_then(|at| arguments.get(at + 1)).cloned()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if let Some(uri) = option("--serve") {
        return runtime.block_on(serve(&uri));
    }
    let curves = runtime.block_on(measure())?;
    if let Some(file) = option("--svg") {
        std::fs::write(file, svg(&curves))?;
    }
    let late: Vec<_> = curves.iter().filter(|curve| curve.back() < 0.95).map(|curve| &*curve.name).collect();
    if late.is_empty() { Ok(()) } else { Err(format!("not back at 95 %: {}", late.join(", ")).into()) }
}

async fn serve(uri: &str) -> Result<(), Failure> {
    let workers = Workers { free: Arc::new(Semaphore::new(WORKERS)), millis: Arc::new(AtomicU64::new(WORK)) };
    let millis = Arc::clone(&workers.millis);
    let shed = Shed::new(ShedConfig::new(LimitConfig::concurrency(WORKERS)));
    let server = Server::builder().service(ShopServer::new(workers)).layer(shed.layer()).bind(uri).await?;
    println!("listening {}", server.addresses().join(" "));
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if let Some(Ok(said)) = line.strip_prefix("work ").map(str::parse) {
                millis.store(said, Ordering::Relaxed);
            }
        }
        // Whoever began it is gone.
        std::process::exit(0);
    });
    server.serve().await?;
    Ok(())
}

/// A server in a process of its own.
struct Process {
    child: Child,
    uri: String,
}

impl Process {
    fn start(uri: &str) -> Result<Self, Failure> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--serve", uri])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        Ok(Self { child, uri: line.trim().trim_start_matches("listening ").to_owned() })
    }

    fn work(&mut self, millis: u64) -> Result<(), Failure> {
        let stdin = self.child.stdin.as_mut().ok_or("no input")?;
        Ok(writeln!(stdin, "work {millis}")?)
    }

    fn stop(&mut self) -> Result<(), Failure> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}

/// The share of what was offered that was answered, second by second.
struct Curve {
    name: String,
    /// From which second on it must be back.
    back: usize,
    shares: Vec<f64>,
}

impl Curve {
    fn back(&self) -> f64 {
        self.shares[self.back..].iter().sum::<f64>() / (OVER - self.back) as f64
    }
}

async fn measure() -> Result<Vec<Curve>, Failure> {
    let mut curves = Vec::new();
    for load in [0.7, 0.8, 0.9] {
        let mut server = Process::start("tcp://127.0.0.1:0")?;
        let shops = vec![ShopClient::new(Failover::new([channel(&server.uri)?]))];
        let trigger = tokio::spawn(async move {
            tokio::time::sleep(SECOND * BEGINS as u32).await;
            server.work(10 * WORK).map_err(|error| error.to_string())?;
            tokio::time::sleep(SECOND * (ENDS - BEGINS) as u32).await;
            server.work(WORK).map_err(|error| error.to_string())?;
            Ok::<_, String>(server)
        });
        curves.push(
            curve((format!("slow work, {:.0} %", load * 100.0), ENDS + 5), load * CAPACITY, shops).await,
        );
        drop(trigger.await??);

        let mut servers =
            (0..3).map(|_| Process::start("tcp://127.0.0.1:0")).collect::<Result<Vec<_>, _>>()?;
        let channels = servers.iter().map(|server| channel(&server.uri)).collect::<Result<Vec<_>, _>>()?;
        let turned = |first: usize| (0..3).map(|at| channels[(first + at) % 3].clone()).collect::<Vec<_>>();
        let shops = (0..3).map(|first| ShopClient::new(Failover::new(turned(first)))).collect();
        let trigger = tokio::spawn(async move {
            tokio::time::sleep(SECOND * BEGINS as u32).await;
            servers[0].stop().map_err(|error| error.to_string())?;
            tokio::time::sleep(SECOND * (ENDS - BEGINS) as u32).await;
            let uri = servers[0].uri.clone();
            servers[0] = Process::start(&uri).map_err(|error| error.to_string())?;
            Ok::<_, String>(servers)
        });
        curves.push(
            curve(
                (format!("one of three killed, {:.0} %", load * 100.0), ENDS + 10),
                3.0 * load * CAPACITY,
                shops,
            )
            .await,
        );
        drop(trigger.await??);
    }
    Ok(curves)
}

fn channel(uri: &str) -> Result<Channel, Failure> {
    let policy = Policy::new().retry(Retry::new()).hedge(Hedge::new()).breaker(BreakerConfig::new());
    Ok(Channel::builder().policies(Policies::new().everything(policy)).lazy(uri)?)
}

/// Calls at an even rate, whatever becomes of them.
async fn curve((name, back): (String, usize), rate: f64, shops: Vec<ShopClient<Failover<Channel>>>) -> Curve {
    let answered: Arc<Vec<AtomicU64>> = Arc::new((0..OVER).map(|_| AtomicU64::new(0)).collect());
    let (began, mut calls) = (Instant::now(), JoinSet::new());
    for nth in 0..(rate * OVER as f64) as usize {
        tokio::time::sleep_until(began + SECOND.mul_f64(nth as f64 / rate)).await;
        let (call, answered) = (shops[nth % shops.len()].buy(), Arc::clone(&answered));
        calls.spawn(async move {
            let count = u64::from(call.await.is_ok());
            answered[(nth as f64 / rate) as usize].fetch_add(count, Ordering::Relaxed);
        });
        while calls.try_join_next().is_some() {}
    }
    while calls.join_next().await.is_some() {}
    let shares: Vec<_> = answered.iter().map(|count| count.load(Ordering::Relaxed) as f64 / rate).collect();
    let curve = Curve { name, back, shares };
    let percents: Vec<_> = curve.shares.iter().map(|share| format!("{:.0}", share * 100.0)).collect();
    println!("{:<28} {:>5.1} % back   {}", curve.name, curve.back() * 100.0, percents.join(" "));
    curve
}

/// The curves as a picture: a row each, the trigger in grey, 95 % as a line.
fn svg(curves: &[Curve]) -> String {
    let (width, height, row) = (720, 90 * curves.len() + 40, 90);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n"
    );
    let x = |second: f64| 200.0 + second * 500.0 / OVER as f64;
    for (at, curve) in curves.iter().enumerate() {
        let bottom = (at * row + 80) as f64;
        let y = |share: f64| bottom - share.min(1.2) * 60.0;
        let points: Vec<_> = curve
            .shares
            .iter()
            .enumerate()
            .map(|(second, share)| format!("{:.1},{:.1}", x(second as f64 + 0.5), y(*share)))
            .collect();
        // Writing into a text cannot fail.
        let _ = write!(
            out,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"60\" fill=\"#eee\"/>\n\
             <line x1=\"200\" x2=\"700\" y1=\"{3:.1}\" y2=\"{3:.1}\" stroke=\"#999\" stroke-dasharray=\"3 3\"/>\n",
            x(BEGINS as f64),
            y(1.0),
            x(ENDS as f64) - x(BEGINS as f64),
            y(0.95),
        );
        let _ = write!(
            out,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"#1565c0\" stroke-width=\"1.5\"/>\n\
             <text x=\"10\" y=\"{:.1}\">{}</text>\n",
            points.join(" "),
            y(0.5),
            curve.name,
        );
    }
    let _ = write!(
        out,
        "<text x=\"200\" y=\"{}\">seconds 0 to {OVER}; grey: the trigger; dashed: 95 %</text>\n</svg>\n",
        height - 10
    );
    out
}
