//! `ulimit -n 20000; cargo run --release -p traitwire-tests --bin idle -- [--connections N]`: many connections that do
//! nothing, the server in a process of its own. Prints the server's memory for each of them, and fails above 16 KiB.
#![expect(clippy::print_stdout, reason = "a program that reports")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use traitwire_tests::ConformanceClient;

type Failure = Box<dyn std::error::Error>;

/// What one may cost the server, in KiB.
const MOST: f64 = 16.0;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    let at = arguments.iter().position(|argument| argument == "--connections");
    let connections: usize = at.and_then(|at| arguments.get(at + 1)?.parse().ok()).unwrap_or(10_000);
    let mut child = Command::new(std::env::current_exe()?.with_file_name("conformance-server"))
        .args(["--listen", "tcp://127.0.0.1:0", "--limit", &format!("connections={}", connections + 10)])
        .stdout(Stdio::piped())
        .spawn()?;
    let measured = measure(&mut child, connections).await;
    child.kill()?;
    child.wait()?;
    measured
}

async fn measure(child: &mut Child, connections: usize) -> Result<(), Failure> {
    let mut line = String::new();
    BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
    let address = line.trim().trim_start_matches("listening ").to_owned();
    ConformanceClient::connect(&address).await?.add(1, 1).await?;
    let before = resident(child.id())?;
    let mut clients = Vec::with_capacity(connections);
    for at in 0..connections {
        let client = ConformanceClient::connect(&address)
            .await
            .map_err(|error| format!("connection {at}: {error}"))?;
        client.add(1, 1).await?;
        clients.push(client);
    }
    let after = resident(child.id())?;
    let each = (after - before) as f64 / connections as f64;
    println!(
        "{connections} idle connections after one call each: the server's memory grew by {} KiB",
        after - before
    );
    println!("{each:.1} KiB a connection");
    if each > MOST { Err(format!("more than {MOST} KiB a connection").into()) } else { Ok(()) }
}

/// The memory of a process that is in use, in KiB.
fn resident(process: u32) -> Result<u64, Failure> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
