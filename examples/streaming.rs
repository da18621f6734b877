//! The progress of a long job, as a stream: one that ends well, one that fails on the way, and one that is given up.
//!
//! Run it with `cargo run --example streaming`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use serde::{Deserialize, Serialize};
use traitwire::{CallError, Server, rpc_service};

/// How far a build is.
#[derive(Debug, Deserialize, Serialize)]
pub struct Step {
    /// What is being done.
    pub what: String,
    /// How much of all is done.
    pub percent: u8,
}

/// Why a build failed.
#[derive(Debug, Deserialize, Serialize)]
#[non_exhaustive]
pub enum BuildError {
    /// A step found a mistake.
    Broken(String),
}

/// Builds programs.
#[rpc_service]
pub trait Builder {
    /// Builds, and tells of each step. Nothing may stand still for two seconds.
    #[rpc(idle_timeout = "2s")]
    fn build(&self, program: &str) -> impl Stream<Item = Result<Step, BuildError>>;
}

struct Machine;

impl Builder for Machine {
    fn build(&self, program: &str) -> impl Stream<Item = Result<Step, BuildError>> {
        let breaks_at = if program == "broken" { 3 } else { 99 };
        stream::iter(0..5).then(move |nth| async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            match nth {
                nth if nth == breaks_at => {
                    Err(BuildError::Broken(format!("{program}.rs: a bracket is missing")))
                }
                nth => Ok(Step { what: format!("compiling part {}", nth + 1), percent: (nth + 1) * 20 }),
            }
        })
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::builder().service(BuilderServer::new(Machine)).bind("tcp://127.0.0.1:0").await?;
    let address = server.addresses()[0].clone();
    tokio::spawn(server.serve());
    let builder = BuilderClient::connect(&address).await?;

    for program in ["hello", "broken"] {
        println!("{program}:");
        let mut steps = builder.build(program);
        while let Some(step) = steps.next().await {
            match step {
                Ok(Step { what, percent }) => println!("   {percent:3} %  {what}"),
                Err(CallError::App(BuildError::Broken(why))) => println!("   broken: {why}"),
                Err(CallError::Rpc(error)) => println!("   lost: {error}"),
            }
        }
        println!("   {} steps came", steps.received().items);
    }

    // Whoever stops reading drops the stream, and the builder stops at its next step.
    if let Some(Ok(first)) = builder.build("endless").next().await {
        println!("given up after: {}", first.what);
    }
    Ok(())
}
