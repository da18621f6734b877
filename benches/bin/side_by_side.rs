//! `cargo run --release -p traitwire-benches --bin side-by-side`: the same small call through traitwire and tarpc, client
//! and server in processes of their own over loopback TCP, the two systems by turns. Prints calls a second and CPU time
//! a call of both sides, as medians of the rounds.
//!
//! Options: `--rounds N` (5), `--millis N` (500, the time of one measurement).
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "it measures and tells")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio::runtime::{Builder, Runtime};

const SYSTEMS: [&str; 2] = ["traitwire", "tarpc"];
const RUNTIMES: [&str; 2] = ["current_thread", "multi_thread"];
const IN_FLIGHT: [usize; 2] = [1, 64];

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["server", system, runtime] => serve(system, runtime),
        ["client", system, runtime, address, in_flight, millis] => {
            load(system, runtime, address, in_flight.parse()?, Duration::from_millis(millis.parse()?))
        }
        options => compare(option(options, "--rounds", 5)?, option(options, "--millis", 500)?),
    }
}

fn option(options: &[&str], name: &str, default: usize) -> Result<usize, Failure> {
    match options.iter().position(|option| *option == name) {
        Some(at) => Ok(options.get(at + 1).ok_or("an option wants a value")?.parse()?),
        None => Ok(default),
    }
}

fn runtime(name: &str) -> std::io::Result<Runtime> {
    match name {
        "current_thread" => Builder::new_current_thread().enable_all().build(),
        _ => Builder::new_multi_thread().worker_threads(2).enable_all().build(),
    }
}

// ===== the comparison =====

/// One measurement: calls a second, CPU microseconds a call of client and server together.
#[derive(Clone, Copy)]
struct Measured {
    calls: f64,
    cpu: f64,
}

fn compare(rounds: usize, millis: usize) -> Result<(), Failure> {
    println!("{rounds} rounds of {millis} ms, systems by turns; medians");
    println!(
        "{:<16}{:>10}{:>22}{:>22}{:>22}",
        "runtime", "in flight", "traitwire", "tarpc", "ratio calls, cpu"
    );
    for name in RUNTIMES {
        let mut servers =
            SYSTEMS.iter().map(|system| Server::start(system, name)).collect::<Result<Vec<_>, _>>()?;
        for in_flight in IN_FLIGHT {
            let mut measured = [Vec::new(), Vec::new()];
            for round in 0..rounds {
                for turn in 0..SYSTEMS.len() {
                    let at = (round + turn) % SYSTEMS.len();
                    measured[at].push(servers[at].measure(in_flight, millis)?);
                }
            }
            let [ours, theirs] = measured.map(median);
            let show = |m: Measured| format!("{:.0}/s {:.2} us", m.calls, m.cpu);
            let ratio = format!("{:.2} x {:.2}", ours.calls / theirs.calls, ours.cpu / theirs.cpu);
            println!("{name:<16}{in_flight:>10}{:>22}{:>22}{ratio:>22}", show(ours), show(theirs));
        }
    }
    Ok(())
}

fn median(all: Vec<Measured>) -> Measured {
    let middle = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    Measured {
        calls: middle(all.iter().map(|m| m.calls).collect()),
        cpu: middle(all.iter().map(|m| m.cpu).collect()),
    }
}

struct Server {
    child: Child,
    system: &'static str,
    runtime: &'static str,
    address: String,
}

impl Server {
    fn start(system: &'static str, runtime: &'static str) -> Result<Self, Failure> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["server", system, runtime])
            .stdout(Stdio::piped())
            .spawn()?;
        let mut address = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut address)?;
        Ok(Self { child, system, runtime, address: address.trim().to_owned() })
    }

    fn measure(&mut self, in_flight: usize, millis: usize) -> Result<Measured, Failure> {
        let before = cpu_micros(self.child.id())?;
        let output = Command::new(std::env::current_exe()?)
            .args(["client", self.system, self.runtime, &self.address])
            .args([in_flight.to_string(), millis.to_string()])
            .output()?;
        let served = cpu_micros(self.child.id())? - before;
        let text = String::from_utf8(output.stdout)?;
        let mut numbers = text.split_whitespace().map(str::parse::<f64>);
        let mut next = || numbers.next().ok_or("the client said too little");
        let (all, calls, cpu) = (next()??, next()??, next()??);
        Ok(Measured { calls, cpu: cpu + served / all })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended already needs no end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// User and system time of a process so far, in microseconds; the kernel counts it in hundredths of a second.
fn cpu_micros(process: u32) -> Result<f64, Failure> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let fields = stat.rsplit_once(')').ok_or("no stat")?.1;
    let ticks: f64 =
        fields.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<f64>().unwrap_or(0.0)).sum();
    Ok(ticks * 10_000.0)
}

// ===== the client =====

/// Keeps calls in flight for a while; prints all calls, calls a second while it measured, and its own CPU time a call.
fn load(system: &str, name: &str, address: &str, in_flight: usize, time: Duration) -> Result<(), Failure> {
    runtime(name)?.block_on(async {
        let (calls, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let tasks: Vec<_> = match system {
            "traitwire" => {
                let client = ours::AdderClient::connect(address).await?;
                let task =
                    |_| tokio::spawn(ours::call(client.clone(), Arc::clone(&calls), Arc::clone(&stop)));
                (0..in_flight).map(task).collect()
            }
            _ => {
                let client = theirs::connect(address).await?;
                let task =
                    |_| tokio::spawn(theirs::call(client.clone(), Arc::clone(&calls), Arc::clone(&stop)));
                (0..in_flight).map(task).collect()
            }
        };
        tokio::time::sleep(time / 3).await;
        let (began, before) = (Instant::now(), calls.load(Ordering::Relaxed));
        tokio::time::sleep(time).await;
        let counted = calls.load(Ordering::Relaxed) - before;
        let rate = counted as f64 / began.elapsed().as_secs_f64();
        stop.store(true, Ordering::Relaxed);
        join_all(tasks).await;
        let all = calls.load(Ordering::Relaxed) as f64;
        println!("{all} {rate} {}", cpu_micros(std::process::id())? / all);
        Ok(())
    })
}

// ===== the servers =====

fn serve(system: &str, name: &str) -> Result<(), Failure> {
    runtime(name)?.block_on(async {
        match system {
            "traitwire" => ours::serve().await,
            _ => theirs::serve().await,
        }
    })
}

mod ours {
    use super::{Arc, AtomicBool, AtomicU64, Failure, Ordering};

    #[traitwire::rpc_service]
    pub(crate) trait Adder {
        async fn add(&self, a: i64, b: i64) -> i64;
    }

    struct Sum;

    impl Adder for Sum {
        async fn add(&self, a: i64, b: i64) -> i64 {
            a + b
        }
    }

    pub(crate) async fn serve() -> Result<(), Failure> {
        let server =
            traitwire::Server::builder().service(AdderServer::new(Sum)).bind("tcp://127.0.0.1:0").await?;
        println!("{}", server.addresses()[0]);
        server.serve().await?;
        Ok(())
    }

    pub(crate) async fn call(client: AdderClient, calls: Arc<AtomicU64>, stop: Arc<AtomicBool>) {
        let mut at = 0;
        while !stop.load(Ordering::Relaxed) {
            assert_eq!(client.add(at, 1).await.ok(), Some(at + 1));
            at += 1;
            calls.fetch_add(1, Ordering::Relaxed);
        }
    }
}

mod theirs {
    use futures::{StreamExt, future};
    use tarpc::client::Config;
    use tarpc::server::{BaseChannel, Channel};
    use tarpc::tokio_serde::formats::Bincode;
    use tarpc::{context, serde_transport};

    use super::{Arc, AtomicBool, AtomicU64, Failure, Ordering};

    #[tarpc::service]
    pub(crate) trait Adder {
        async fn add(a: i64, b: i64) -> i64;
    }

    #[derive(Clone)]
    struct Sum;

    impl Adder for Sum {
        async fn add(self, _: context::Context, a: i64, b: i64) -> i64 {
            a + b
        }
    }

    pub(crate) async fn serve() -> Result<(), Failure> {
        let mut listener = serde_transport::tcp::listen("127.0.0.1:0", Bincode::default).await?;
        println!("{}", listener.local_addr());
        while let Some(accepted) = listener.next().await {
            let transport = accepted?;
            transport.get_ref().set_nodelay(true)?;
            let channel = BaseChannel::with_defaults(transport);
            tokio::spawn(channel.execute(Sum.serve()).for_each(|answer| {
                tokio::spawn(answer);
                future::ready(())
            }));
        }
        Ok(())
    }

    pub(crate) async fn connect(address: &str) -> Result<AdderClient, Failure> {
        let transport = serde_transport::tcp::connect(address, Bincode::default).await?;
        transport.get_ref().set_nodelay(true)?;
        Ok(AdderClient::new(Config::default(), transport).spawn())
    }

    pub(crate) async fn call(client: AdderClient, calls: Arc<AtomicU64>, stop: Arc<AtomicBool>) {
        let mut at = 0;
        while !stop.load(Ordering::Relaxed) {
            assert_eq!(client.add(context::current(), at, 1).await.ok(), Some(at + 1));
            at += 1;
            calls.fetch_add(1, Ordering::Relaxed);
        }
    }
}
