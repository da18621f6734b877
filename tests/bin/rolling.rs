//! `cargo build -p traitwire-tests && cargo run -p traitwire-tests --bin rolling -- [--rounds N] [--rate N] [--streams N] [--rest MS]`: three server
//! processes are restarted one after another, in good order, under calls that may run once and streams that go on and on. No call may
//! fail, none may run twice, and a stream that is still open at the end of the grace ends as `unavailable`.
//!
//! With `--kill SECONDS` one of them is killed with `kill -9` every second instead: what callers are told must agree with the servers'
//! ledgers, and of calls that may be retried 99.99 % must succeed.
#![expect(clippy::print_stdout, reason = "a program that reports")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures::{StreamExt, stream};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use traitwire::testing::Dice;
use traitwire::{CallError, CallOptions, Channel, Code, Delivery, Retry, RpcError};
use traitwire_tests::{ConformanceClient, Item};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const SERVERS: usize = 3;
const GRACE_MS: &str = "drain_grace_ms=1000";
/// After the last restart, so that streams are open at servers that stay.
const END: Duration = Duration::from_millis(500);
/// What part of the calls that may be retried may fail: one of ten thousand.
const MAY_FAIL: f64 = 0.0001;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |name: &str, usual: u64| {
        let at = arguments.iter().position(|argument| argument == name);
        at.map_or(Ok(usual), |at| arguments.get(at + 1).map_or("", String::as_str).parse())
    };
    let (rounds, rate, streams) =
        (number("--rounds", 100)?, number("--rate", 2_000)?, number("--streams", 50)?);
    let (kill, rest) = (number("--kill", 0)?, Duration::from_millis(number("--rest", 100)?));
    let folder = std::env::temp_dir().join(format!("traitwire-rolling-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let mut fleet = Fleet::start(folder.clone())?;
    let client = ConformanceClient::new(Channel::connect(&fleet.address()).await?);
    let load = Load::new(client, kill > 0);
    let calls = tokio::spawn(Arc::clone(&load).calls(rate));
    let open: Vec<_> =
        (0..if kill > 0 { 0 } else { streams }).map(|_| tokio::spawn(Arc::clone(&load).stream())).collect();
    let began = Instant::now();
    let done = if kill > 0 { fleet.kill(kill).await } else { fleet.roll(rounds, rest).await };
    load.is_over.store(true, Ordering::SeqCst);
    let told = calls.await??;
    for stream in open {
        stream.await??;
    }
    done?;
    let ledger = fleet.ledger();
    drop(fleet);
    std::fs::remove_dir_all(&folder)?;
    let cut = load.cut.load(Ordering::SeqCst);
    println!("{} calls and {streams} streams, {cut} of them cut, in {:.0?}", told.len(), began.elapsed());
    judge(&told, &ledger?, kill > 0)
}

// ===== servers =====

/// Three server processes.
struct Fleet {
    folder: PathBuf,
    servers: Vec<Child>,
}

impl Fleet {
    fn start(folder: PathBuf) -> Result<Self, Failure> {
        let mut fleet = Self { folder, servers: Vec::new() };
        for nth in 0..SERVERS {
            let server = fleet.server(nth)?;
            fleet.servers.push(server);
        }
        Ok(fleet)
    }

    fn address(&self) -> String {
        let all: Vec<_> = (0..SERVERS).map(|nth| self.uri(nth)).collect();
        format!("static://{}", all.join(","))
    }

    fn uri(&self, nth: usize) -> String {
        format!("unix://{}", self.folder.join(format!("socket-{nth}")).display())
    }

    fn server(&self, nth: usize) -> Result<Child, Failure> {
        let program = std::env::current_exe()?.with_file_name("conformance-server");
        let ledger = self.folder.join(format!("ledger-{nth}"));
        let mut child = Command::new(program)
            .args(["--listen", &self.uri(nth), "--limit", GRACE_MS, "--ledger"])
            .arg(ledger)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        if line.starts_with("listening ") {
            Ok(child)
        } else {
            Err(format!("the server said {line:?}").into())
        }
    }

    /// Restarts one after another, in good order.
    async fn roll(&mut self, rounds: u64, rest: Duration) -> Result<(), Failure> {
        for _ in 0..rounds {
            for nth in 0..SERVERS {
                let pid = self.servers[nth].id().to_string();
                Command::new("kill").args(["-TERM", &pid]).status()?;
                while self.servers[nth].try_wait()?.is_none() {
                    sleep(Duration::from_millis(10)).await;
                }
                self.servers[nth] = self.server(nth)?;
                sleep(rest).await;
            }
        }
        sleep(END).await;
        Ok(())
    }

    /// Kills one every second, and starts it again.
    async fn kill(&mut self, seconds: u64) -> Result<(), Failure> {
        let mut dice = Dice::new(seconds);
        for _ in 0..seconds {
            sleep(Duration::from_secs(1)).await;
            let nth = dice.below(SERVERS as u64) as usize;
            self.servers[nth].kill()?;
            self.servers[nth].wait()?;
            self.servers[nth] = self.server(nth)?;
        }
        sleep(END).await;
        Ok(())
    }

    /// How often which key was run, at all of them together.
    fn ledger(&self) -> Result<BTreeMap<String, u32>, Failure> {
        let mut runs = BTreeMap::new();
        for nth in 0..SERVERS {
            for line in std::fs::read_to_string(self.folder.join(format!("ledger-{nth}")))?.lines() {
                *runs.entry(line.to_owned()).or_default() += 1;
            }
        }
        Ok(runs)
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for server in &mut self.servers {
            let _ = server.kill().and_then(|()| server.wait());
        }
    }
}

// ===== load =====

struct Load {
    client: ConformanceClient,
    patient: ConformanceClient,
    /// Every other call may be retried.
    retries: bool,
    is_over: AtomicBool,
    cut: AtomicU64,
}

/// A call's key, whether it may be retried, and what its caller was told.
type Told = (String, bool, Result<(), RpcError>);

impl Load {
    fn new(client: ConformanceClient, retries: bool) -> Arc<Self> {
        let patient = client.with(CallOptions::new().retry(Retry::new().attempts(6)));
        let (is_over, cut) = (AtomicBool::new(false), AtomicU64::new(0));
        Arc::new(Self { client, patient, retries, is_over, cut })
    }

    async fn calls(self: Arc<Self>, rate: u64) -> Result<Vec<Told>, Failure> {
        let mut clock = interval(Duration::from_secs(1) / u32::try_from(rate)?);
        clock.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let (mut calls, mut told) = (JoinSet::new(), Vec::new());
        for nth in 0_u64.. {
            if self.is_over.load(Ordering::SeqCst) {
                break;
            }
            clock.tick().await;
            let (key, may_retry) = (nth.to_string(), self.retries && nth % 2 == 0);
            let load = Arc::clone(&self);
            calls.spawn(async move {
                let result = if may_retry {
                    load.patient.count_idempotent(key.clone()).await.map(drop)
                } else {
                    load.client.count(key.clone()).await.map(drop)
                };
                (key, may_retry, result.map_err(RpcError::from))
            });
            while let Some(ended) = calls.try_join_next() {
                told.push(ended?);
            }
        }
        while let Some(ended) = calls.join_next().await {
            told.push(ended?);
        }
        Ok(told)
    }

    /// One stream after another, each of which goes on until its server leaves.
    async fn stream(self: Arc<Self>) -> Result<(), Failure> {
        while !self.is_over.load(Ordering::SeqCst) {
            let items = stream::unfold((Arc::clone(&self), 0), async |(load, nth)| {
                sleep(Duration::from_millis(50)).await;
                let goes_on = !load.is_over.load(Ordering::SeqCst);
                goes_on.then(|| (Item::new(nth, 8), (load, nth + 1)))
            });
            let mut back = std::pin::pin!(self.client.mirror(items));
            let mut expected = 0;
            while let Some(item) = back.next().await {
                match item {
                    Ok(item) if item.is(expected, 8) => expected += 1,
                    Ok(_) => return Err("an item of another stream, or out of order".into()),
                    Err(CallError::Rpc(error))
                        if error.code() == Code::UNAVAILABLE
                            && error.detail() == Some(RpcError::GOING_AWAY) =>
                    {
                        if self.cut.fetch_add(1, Ordering::SeqCst) == 0 {
                            println!("the first stream that was cut: {error}");
                        }
                    }
                    Err(error) => return Err(format!("a stream ended with {error}").into()),
                }
            }
        }
        Ok(())
    }
}

// ===== what must hold =====

fn judge(told: &[Told], ledger: &BTreeMap<String, u32>, is_killing: bool) -> Result<(), Failure> {
    let (mut wrong, mut failed, mut retried) = (Vec::new(), [0_u64; 2], 0_u64);
    for (key, may_retry, result) in told {
        let ran = ledger.get(key).copied().unwrap_or(0);
        retried += u64::from(*may_retry);
        failed[usize::from(*may_retry)] += u64::from(result.is_err());
        let delivery = result.as_ref().err().map(RpcError::delivery);
        let is_true = match delivery {
            None => {
                if *may_retry {
                    ran >= 1
                } else {
                    ran == 1
                }
            }
            Some(Delivery::NotSent | Delivery::Refused) => ran == 0,
            Some(Delivery::Executed) => ran >= 1,
            Some(Delivery::Unknown) => true,
        };
        if !is_true || !*may_retry && ran > 1 {
            wrong.push(format!("{key} ran {ran} times, its caller was told: {result:?}"));
        }
    }
    let [once, again] = failed;
    println!("failed: {once} of those that may run once, {again} of {retried} that may be retried");
    // Those that may be retried first: each of them needs an explanation.
    let mut why: Vec<_> =
        told.iter().filter_map(|told| Some((!told.1, &told.0, told.2.as_ref().err()?))).collect();
    why.sort_by_key(|(is_once, ..)| *is_once);
    why.iter().take(5).for_each(|(_, key, error)| println!("call {key}: {error}"));
    wrong.iter().take(10).for_each(|wrong| println!("{wrong}"));
    if !wrong.is_empty() {
        return Err(format!("{} calls were told what is not so", wrong.len()).into());
    }
    if is_killing && again as f64 > retried as f64 * MAY_FAIL {
        return Err("too many of those failed that may be retried".into());
    }
    if !is_killing && let Some((key, _, Err(error))) = told.iter().find(|told| told.2.is_err()) {
        return Err(format!("call {key} failed: {error}").into());
    }
    println!("all is as it should be");
    Ok(())
}
