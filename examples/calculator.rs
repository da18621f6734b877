//! A server and a client in one program, over TCP: a sum, an error of the service's own, a deadline that fires, a call
//! that is cancelled, a server that is gone, and what each failure says.
//!
//! Run it with `cargo run --example calculator`. It prints one block for each of the six.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use serde::{Deserialize, Serialize};
use traitwire::{CallError, Server, rpc_service};

/// What the two sides agree on.
#[rpc_service]
pub trait Calculator {
    /// The sum of `a` and `b`.
    #[rpc(idempotent)]
    async fn add(&self, a: i64, b: i64) -> i64;
    /// `a` divided by `b`.
    #[rpc(idempotent)]
    async fn divide(&self, a: i64, b: i64) -> Result<i64, DivideError>;
    /// The sum, after some thought.
    #[rpc(idempotent, timeout = "300ms")]
    async fn ponder(&self, numbers: Vec<i64>, millis: u64) -> i64;
}

/// Why a division has no result.
#[derive(Debug, Deserialize, Serialize)]
#[non_exhaustive]
pub enum DivideError {
    /// Nothing can be divided by zero.
    ByZero,
}

impl std::fmt::Display for DivideError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("division by zero")
    }
}

impl std::error::Error for DivideError {}

struct Basic;

impl Calculator for Basic {
    async fn add(&self, a: i64, b: i64) -> i64 {
        a + b
    }

    async fn divide(&self, a: i64, b: i64) -> Result<i64, DivideError> {
        a.checked_div(b).ok_or(DivideError::ByZero)
    }

    async fn ponder(&self, numbers: Vec<i64>, millis: u64) -> i64 {
        let _thought = Thought;
        tokio::time::sleep(Duration::from_millis(millis)).await;
        numbers.iter().sum()
    }
}

/// Says when a handler is over, however it ends.
struct Thought;

impl Drop for Thought {
    fn drop(&mut self) {
        println!("   (server) stopped pondering");
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::builder().service(CalculatorServer::new(Basic)).bind("tcp://127.0.0.1:0").await?;
    let (address, handle) = (server.addresses()[0].clone(), server.handle());
    let serving = tokio::spawn(server.serve());
    println!("serving at {address}\n");
    let calc = CalculatorClient::connect(&address).await?;

    println!("1. a sum\n   2 + 3 = {}\n", calc.add(2, 3).await?);

    println!("2. the service's own error");
    match calc.divide(1, 0).await {
        Err(CallError::App(error)) => println!("   1 / 0: the service says {error}\n"),
        other => println!("   1 / 0: {other:?}\n"),
    }

    println!("3. a deadline: the method allows 300 ms, pondering takes 10 s");
    explain(calc.ponder(vec![1, 2], 10_000).await);

    println!("4. a caller that gives up: the call is dropped after 50 ms, and the handler with it");
    let dropped = tokio::time::timeout(Duration::from_millis(50), calc.ponder(vec![1, 2], 10_000)).await;
    println!("   dropped: {}", dropped.is_err());
    tokio::time::sleep(Duration::from_millis(50)).await;
    println!();

    println!("5. a mistake of the caller: a server that is asked for what it does not have");
    let other = traitwire::connect::<OtherClient>(&address).await?;
    explain(other.anything().await);

    println!("6. a server that is gone");
    handle.shutdown();
    println!("   shut down; calls that were cut: {}", serving.await??.cut);
    explain(calc.add(2, 3).await);
    Ok(())
}

/// A trait that nobody serves.
#[rpc_service]
trait Other {
    async fn anything(&self) -> i64;
}

fn explain(result: Result<i64, CallError>) {
    match result {
        Ok(value) => println!("   {value}\n"),
        Err(CallError::App(never)) => match never {},
        Err(CallError::Rpc(error)) => {
            println!("   code      {}", error.code());
            println!("   delivery  {}", error.delivery());
            println!("   message   {}\n", error.message());
        }
    }
}
