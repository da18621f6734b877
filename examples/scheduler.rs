//! Workers that nobody can reach from outside connect to a scheduler, and it hands them tasks on their own connections.
//!
//! Run it with `cargo run --example scheduler`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::sync::Arc;

use parking_lot::Mutex;
use traitwire::{Channel, Context, Server, rpc_service};

/// What a worker does for its scheduler.
#[rpc_service]
pub trait Worker {
    /// The square of a number.
    #[rpc(idempotent)]
    async fn square(&self, n: u64) -> u64;
}

/// Where workers sign on.
#[rpc_service]
pub trait Scheduler {
    /// From now on the caller is handed tasks. The answer is how many workers there are.
    async fn sign_on(&self, name: String) -> usize;
}

type Workers = Arc<Mutex<Vec<(String, WorkerClient)>>>;

struct Desk(Workers);

impl Scheduler for Desk {
    async fn sign_on(&self, name: String) -> usize {
        let mut workers = self.0.lock();
        // The way back: the connection that this call came by.
        workers.extend(Context::current().peer_client().map(|worker| (name, worker)));
        workers.len()
    }
}

struct Hands;

impl Worker for Hands {
    async fn square(&self, n: u64) -> u64 {
        n * n
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let workers = Workers::default();
    let desk = SchedulerServer::new(Desk(Arc::clone(&workers)));
    let server = Server::builder().service(desk).bind("tcp://127.0.0.1:0").await?;
    let address = server.addresses()[0].clone();
    tokio::spawn(server.serve());

    let mut connections = Vec::new();
    for name in ["north", "south"] {
        let channel = Channel::builder().service(WorkerServer::new(Hands)).connect(&address).await?;
        let count = SchedulerClient::new(channel.clone()).sign_on(name.to_owned()).await?;
        println!("{name} signs on: {count} at work");
        connections.push(channel);
    }

    for n in 0..6 {
        if n == 3 {
            println!("south leaves");
            connections.truncate(1);
        }
        loop {
            let all = workers.lock().clone();
            let (name, worker) = &all[n as usize % all.len()];
            match worker.square(n).await {
                Ok(square) => break println!("{name}: {n} squared is {square}"),
                // A worker that is gone is not asked again, and its task goes to another one.
                Err(error) => println!("{name} is gone: {error}"),
            }
            workers.lock().retain(|(other, _)| other != name);
        }
    }
    Ok(())
}
