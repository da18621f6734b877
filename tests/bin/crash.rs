//! `cargo run --release -p traitwire-tests --bin crash -- [--cycles N]`: a server is killed with `kill -9` under load and
//! started again, over and over. Every call must end within its deadline, say the truth about its delivery (held against
//! the server's ledger), run at most once, and the client must find the new server by itself.
#![expect(clippy::print_stdout, reason = "a program that reports")]

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use futures::future::join_all;
use tokio::time::Instant;
use traitwire::{Channel, Delivery};
use traitwire_tests::ConformanceClient;

const TASKS: u64 = 32;
const TIMEOUT: Duration = Duration::from_secs(2);

/// What a call's caller was told.
enum Told {
    Answered,
    Failed(Delivery, String),
}

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    let at = arguments.iter().position(|argument| argument == "--cycles");
    let cycles: u64 = at.and_then(|at| arguments.get(at + 1)?.parse().ok()).unwrap_or(20);
    let folder = std::env::temp_dir().join(format!("traitwire-crash-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let (ledger, socket) = (folder.join("ledger"), folder.join("socket"));
    let channel = Channel::builder().timeout(TIMEOUT).lazy(&format!("unix://{}", socket.display()))?;

    let (mut told, mut slowest) = (HashMap::new(), Duration::ZERO);
    for cycle in 0..cycles {
        let mut server = start(&socket, &ledger)?;
        wait_until_found(&channel).await?;
        let killer = tokio::task::spawn_blocking(move || {
            std::thread::park_timeout(Duration::from_millis(20 + cycle * 37 % 200));
            // SIGKILL: no goodbye, no flush.
            server.kill().and_then(|()| server.wait())
        });
        let tasks =
            (0..TASKS).map(|task| tokio::spawn(load(ConformanceClient::new(channel.clone()), cycle, task)));
        for task in join_all(tasks).await {
            let (calls, slow) = task?;
            slowest = slowest.max(slow);
            told.extend(calls);
        }
        killer.await??;
    }
    let verdict = judge(&told, &ledger, slowest);
    std::fs::remove_dir_all(&folder)?;
    verdict
}

fn start(socket: &Path, ledger: &Path) -> Result<Child, Failure> {
    let program: PathBuf = std::env::current_exe()?.with_file_name("conformance-server");
    let mut child = Command::new(program)
        .args(["--listen", &format!("unix://{}", socket.display()), "--ledger"])
        .arg(ledger)
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
    if line.starts_with("listening ") { Ok(child) } else { Err(format!("the server said {line:?}").into()) }
}

async fn wait_until_found(channel: &Channel) -> Result<(), Failure> {
    let began = Instant::now();
    let client = ConformanceClient::new(channel.clone());
    while client.empty().wait_for_ready().timeout(Duration::from_secs(40)).await.is_err() {
        if began.elapsed() > Duration::from_secs(40) {
            return Err("the client does not find the new server".into());
        }
    }
    Ok(())
}

/// Calls until the server is gone; says what was told of each call, and how long the slowest took.
async fn load(client: ConformanceClient, cycle: u64, task: u64) -> (Vec<(String, Told)>, Duration) {
    let (mut calls, mut slowest) = (Vec::new(), Duration::ZERO);
    for call in 0.. {
        let key = format!("{cycle}/{task}/{call}");
        let began = Instant::now();
        let result = client.count(key.clone()).await;
        slowest = slowest.max(began.elapsed());
        let error = match result {
            Ok(_) => {
                calls.push((key, Told::Answered));
                continue;
            }
            Err(error) => traitwire::RpcError::from(error),
        };
        let gone = error.message().contains("no connection");
        calls.push((key, Told::Failed(error.delivery(), error.to_string())));
        if gone {
            break;
        }
    }
    (calls, slowest)
}

fn judge(told: &HashMap<String, Told>, ledger: &Path, slowest: Duration) -> Result<(), Failure> {
    let mut runs: HashMap<String, u32> = HashMap::new();
    for line in std::fs::read_to_string(ledger)?.lines() {
        *runs.entry(line.to_owned()).or_default() += 1;
    }
    let (mut counts, mut lies) = ([0_u64; 5], Vec::new());
    for (key, told) in told {
        let ran = runs.get(key).copied().unwrap_or(0);
        let (place, true_, words) = match told {
            Told::Answered => (0, ran == 1, "answered"),
            Told::Failed(Delivery::NotSent, words) => (1, ran == 0, words.as_str()),
            Told::Failed(Delivery::Refused, words) => (2, ran == 0, words.as_str()),
            Told::Failed(Delivery::Unknown, words) => (3, ran <= 1, words.as_str()),
            Told::Failed(Delivery::Executed, words) => (4, ran == 1, words.as_str()),
        };
        counts[place] += 1;
        if !true_ {
            lies.push(format!("{key} ran {ran} times, its caller was told: {words}"));
        }
    }
    let [answered, not_sent, refused, unknown, executed] = counts;
    println!(
        "{} calls: answered {answered}, not_sent {not_sent}, refused {refused}, unknown {unknown}, executed {executed}",
        told.len()
    );
    println!("slowest call {slowest:.1?} of {TIMEOUT:?}; runs in the ledger {}", runs.values().sum::<u32>());
    lies.iter().take(10).for_each(|lie| println!("{lie}"));
    if !lies.is_empty() || slowest > TIMEOUT + Duration::from_millis(250) || answered == 0 || unknown == 0 {
        return Err("a call was late, or its caller was told a lie, or no call was cut".into());
    }
    println!("every call ended in time and told the truth");
    Ok(())
}
