//! `cargo run --release -p traitwire-tests --bin metastable -- [--svg FILE]`: real processes under open-loop load at 70, 80 and 90 %
//! of what they can do, and a trigger of ten seconds: work that takes ten times as long, or one of three servers killed. Then
//! it is gone, and at 70 and 80 % goodput must be back at 95 % of what is offered within five seconds. Prints what was answered,
//! second by second; with `--svg` draws it beside the same in the simulated network.
//!
//! A server has four workers that are busy for 8 ms with a call, so that what it can do does not depend on the machine: 500 calls a
//! second. `--serve URI` is such a server; a line `slow N` on its standard input makes its work take N times as long.
#![expect(clippy::print_stdout, reason = "a program that reports")]

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::time::sleep;
use traitwire::Channel;
use traitwire_tests::shop::{BEGINS, Curve, ENDS, Trouble, Workers, channel, offer, plot, simulate};

type Failure = Box<dyn std::error::Error>;

const LOADS: [f64; 3] = [0.7, 0.8, 0.9];
/// At which load there is enough to spare to be back in time.
const SPARE: f64 = 0.8;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    let option = |name: &str| {
        arguments.iter().position(|argument| argument == name).and_then(|at| arguments.get(at + 1)).cloned()
    };
    if let Some(uri) = option("--serve") {
        return Builder::new_multi_thread().enable_all().build()?.block_on(serve(&uri));
    }
    let scenes = || Trouble::ALL.into_iter().flat_map(|trouble| LOADS.map(|load| (load, trouble)));
    let mut simulated = Vec::new();
    for (load, trouble) in scenes() {
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build()?;
        let curve = runtime.block_on(simulate(1, load, trouble));
        println!("simulated: {curve}");
        simulated.push(curve);
    }
    let (runtime, mut real) = (Builder::new_multi_thread().enable_all().build()?, Vec::new());
    for (load, trouble) in scenes() {
        let curve = runtime.block_on(measure(load, trouble))?;
        println!("processes: {curve}");
        real.push(curve);
    }
    if let Some(file) = option("--svg") {
        std::fs::write(file, plot(&real, &simulated))?;
    }
    let judged = real.iter().chain(&simulated).filter(|curve| curve.load <= SPARE);
    let wrong: Vec<_> = judged.filter_map(Curve::wrong).collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n").into()) }
}

fn workers() -> Workers {
    Workers::new(4, Duration::from_millis(8))
}

async fn serve(uri: &str) -> Result<(), Failure> {
    let workers = workers();
    let server = workers.server().bind(uri).await?;
    println!("listening {}", server.addresses().join(" "));
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if let Some(Ok(times)) = line.strip_prefix("slow ").map(str::parse) {
                workers.slow_down(times);
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

    fn slow_down(&mut self, times: u64) -> Result<(), Failure> {
        let stdin = self.child.stdin.as_mut().ok_or("no input")?;
        Ok(writeln!(stdin, "slow {times}")?)
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

async fn measure(load: f64, trouble: Trouble) -> Result<Curve, Failure> {
    let started = (0..trouble.servers()).map(|_| Process::start("tcp://127.0.0.1:0"));
    let mut servers = started.collect::<Result<Vec<_>, _>>()?;
    let addresses: Vec<_> = servers.iter().map(|server| server.uri.clone()).collect();
    let channel = channel(Channel::builder(), &addresses);
    let second = Duration::from_secs(1);
    let trigger = async {
        sleep(second * BEGINS as u32).await;
        match trouble {
            Trouble::Slow => servers[0].slow_down(10)?,
            Trouble::Killed => servers[0].stop()?,
        }
        sleep(second * (ENDS - BEGINS) as u32).await;
        match trouble {
            Trouble::Slow => servers[0].slow_down(1)?,
            Trouble::Killed => servers[0] = Process::start(&addresses[0])?,
        }
        Ok::<_, Failure>(())
    };
    let rate = load * workers().capacity() * trouble.servers() as f64;
    let (shares, done) = tokio::join!(offer(rate, channel), trigger);
    done?;
    Ok(Curve { trouble, load, shares })
}
