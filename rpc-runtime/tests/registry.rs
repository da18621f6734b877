//! The program `traitwire-registry`: started by one command, killed with `kill -9`, and back with what it knew.

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use traitwire::registry::RegistryClient;
use traitwire::{BindError, Channel, Drained, Server, rpc_service};

type Failure = Box<dyn Error + Send + Sync>;

#[rpc_service]
trait Calculator {
    #[rpc(idempotent)]
    async fn add(&self, a: i64, b: i64) -> i64;
}

struct Basic;

impl Calculator for Basic {
    async fn add(&self, a: i64, b: i64) -> i64 {
        a + b
    }
}

/// The program at work, until this is dropped.
struct Registry {
    process: Child,
    /// `127.0.0.1:port`.
    host: String,
}

impl Registry {
    fn start(listen: &str, snapshot: &Path) -> Result<Self, Failure> {
        let mut process = program()
            .args(["--listen", &format!("tcp://{listen}"), "--snapshot"])
            .arg(snapshot)
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        let host =
            line.trim().strip_prefix("the registry listens at tcp://").ok_or("it says something else")?;
        Ok(Self { host: host.to_owned(), process })
    }

    /// `kill -9`.
    fn kill(&mut self) -> Result<(), Failure> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill().and_then(|()| self.process.wait());
    }
}

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_traitwire-registry"))
}

async fn calculator(
    registry: &Registry,
) -> Result<(String, JoinHandle<Result<Drained, BindError>>), Failure> {
    let server = Server::builder().service(CalculatorServer::new(Basic));
    let server = server.register(&format!("registry://{}", registry.host)).bind("tcp://127.0.0.1:0").await?;
    let address = server.addresses()[0].clone();
    Ok((address, tokio::spawn(server.serve())))
}

/// Waits until this holds, for ten seconds at most.
async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < Duration::from_secs(10), "{what}");
        sleep(Duration::from_millis(10)).await;
    }
}

fn snapshot() -> PathBuf {
    std::env::temp_dir().join(format!("traitwire-registry-process-{}", std::process::id()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_that_is_killed_comes_back_with_what_it_knew() -> Result<(), Failure> {
    let file = snapshot();
    let mut registry = Registry::start("127.0.0.1:0", &file)?;
    let ((one, _one), (other, other_server)) = (calculator(&registry).await?, calculator(&registry).await?);
    let calc = CalculatorClient::connect(&format!("registry://{}/Calculator", registry.host)).await?;
    let channel = traitwire::Client::caller(&calc).clone();
    until("both are known", async || channel.fleet().map_or(Vec::new(), |fleet| fleet.endpoints).len() == 2)
        .await;
    let is_saved = async || {
        let saved = std::fs::read(&file).unwrap_or_default();
        [&one, &other]
            .iter()
            .all(|address| saved.windows(address.len()).any(|part| part == address.as_bytes()))
    };
    until("both are on disk", is_saved).await;

    registry.kill()?;
    // One of the servers goes too, and nobody can say so: clients go on with what they knew.
    other_server.abort();
    for _ in 0..50 {
        assert_eq!(calc.add(2, 3).await?, 5);
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(channel.fleet().map_or(Vec::new(), |fleet| fleet.endpoints).len(), 2);

    let again = Registry::start(&registry.host, &file)?;
    assert_eq!(again.host, registry.host);
    let client = RegistryClient::new(Channel::connect(&format!("tcp://{}", again.host)).await?);
    let mut known: Vec<_> =
        client.list("Calculator").await?.iter().map(|one| one.address().to_owned()).collect();
    known.sort();
    let mut both = [one.clone(), other];
    both.sort();
    assert_eq!(known, both, "from the file: one of them cannot have registered anew");
    // It is a registry as before: who comes is heard of, by those who watch since before it was killed.
    let (third, _third) = calculator(&again).await?;
    let knows = async || {
        channel
            .fleet()
            .map_or(Vec::new(), |fleet| fleet.endpoints)
            .iter()
            .any(|endpoint| *endpoint.address == *third)
    };
    until("the client hears of the third", knows).await;
    assert_eq!(calc.add(2, 3).await?, 5);
    let _ = std::fs::remove_file(&file);
    Ok(())
}

#[test]
fn a_command_that_means_nothing_says_what_would() -> Result<(), Failure> {
    for arguments in [&[][..], &["--listen"], &["--port", "7070"]] {
        let output = program().args(arguments).output()?;
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&output.stderr).contains("usage: traitwire-registry --listen URI"));
    }
    let output = program().args(["--listen", "pigeon://x"]).output()?;
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("traitwire-registry: "), "{output:?}");
    Ok(())
}
