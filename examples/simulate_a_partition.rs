//! A client, a server and a network that breaks between them, in one program and in no time: what a call is told, how long
//! it takes, and what the server has really done.
//!
//! Run it with `cargo run --example simulate_a_partition`; it prints the same each time, because a seed determines all of
//! it. In your own crate `main` would be a test: `#[tokio::test(start_paused = true)]`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use traitwire::testing::{Fault, Latency, Network, Path};
use traitwire::{CallError, Server, rpc_service};

/// Counts.
#[rpc_service]
pub trait Counter {
    /// Adds one, and answers how many there are.
    async fn add(&self) -> u32;
}

#[derive(Clone, Default)]
struct Basic {
    count: Arc<AtomicU32>,
}

impl Counter for Basic {
    async fn add(&self) -> u32 {
        self.count.fetch_add(1, Ordering::SeqCst) + 1
    }
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() {
    let (network, truth) = (Network::seeded(7), Basic::default());
    let millis = Duration::from_millis;
    network.paths(Path::new().latency(Latency::long_tailed(millis(10), millis(80))));
    let served = truth.clone();
    network.host("server").serve(1, move || Server::builder().service(CounterServer::new(served.clone())));
    let counter = CounterClient::new(network.host("client").channel("sim://server:1"));
    call("all is well", &counter, &truth).await;

    let partition = network.inject(Fault::partition("client", "server"));
    call("nobody hears anybody", &counter, &truth).await;
    partition.heal();

    let one_way = network.inject(Fault::one_way("server", "client"));
    call("the server hears, and is not heard", &counter, &truth).await;
    one_way.heal();

    let lost = network.inject(Fault::drop_reply("server", "client"));
    call("the reply is lost", &counter, &truth).await;

    let crash = network.inject(Fault::crash("server").lasting(Duration::from_secs(3)));
    call("the server has crashed", &counter, &truth).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    call("it is up again", &counter, &truth).await;

    // A test of a fault asserts that the fault has happened.
    assert!([&partition, &one_way, &lost, &crash].iter().all(|fault| fault.hits() > 0));
    println!("\nwhat happened in the network:\n{}", network.report());
}

async fn call(what: &str, counter: &CounterClient, truth: &Basic) {
    let began = Instant::now();
    let told = match counter.add().timeout(Duration::from_secs(2)).await {
        Ok(count) => format!("it is number {count}"),
        Err(CallError::Rpc(error)) => format!("{}, {}", error.code(), error.delivery()),
        Err(CallError::App(never)) => match never {},
    };
    let counted = truth.count.load(Ordering::SeqCst);
    println!(
        "{what}: after {:?} the caller is told: {told}; the server has counted {counted}",
        began.elapsed()
    );
}
