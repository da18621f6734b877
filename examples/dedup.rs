//! A transfer of money whose reply is lost on the way: made again, executed once. And what its caller is told if the method
//! promises nothing, or if the server that knows is gone.
//!
//! Run it with `cargo run --example dedup`. The network is simulated, so that it breaks where it is to break.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use traitwire::testing::{Fault, Network};
use traitwire::{CallError, Server, rpc_service};

#[derive(Debug, Deserialize, Serialize)]
enum BankError {
    NotEnough { has: u64 },
}

#[rpc_service]
trait Bank {
    /// Moves money: tried again if nobody knows whether it has run, which `dedup` makes safe. Answers what is left.
    #[rpc(dedup, retry)]
    async fn transfer(&self, from: &str, to: &str, cents: u64) -> Result<u64, BankError>;
    /// The same without a promise: `retry` would not compile here.
    async fn transfer_once(&self, from: &str, to: &str, cents: u64) -> Result<u64, BankError>;
}

#[derive(Clone)]
struct Accounts(Arc<Mutex<BTreeMap<String, u64>>>);

impl Bank for Accounts {
    async fn transfer(&self, from: &str, to: &str, cents: u64) -> Result<u64, BankError> {
        let left = self.book(from, to, cents)?;
        // Somebody has to be told of it.
        tokio::time::sleep(Duration::from_millis(20)).await;
        Ok(left)
    }

    async fn transfer_once(&self, from: &str, to: &str, cents: u64) -> Result<u64, BankError> {
        self.transfer(from, to, cents).await
    }
}

impl Accounts {
    fn book(&self, from: &str, to: &str, cents: u64) -> Result<u64, BankError> {
        let mut accounts = self.0.lock();
        let has = accounts.get(from).copied().unwrap_or(0);
        let left = has.checked_sub(cents).ok_or(BankError::NotEnough { has })?;
        accounts.insert(from.to_owned(), left);
        *accounts.entry(to.to_owned()).or_default() += cents;
        Ok(left)
    }

    fn show(&self) -> String {
        let accounts = self.0.lock();
        accounts.iter().map(|(name, cents)| format!("{name} {cents}")).collect::<Vec<_>>().join(", ")
    }
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() {
    let accounts = Accounts(Arc::new(Mutex::new(BTreeMap::from([("Ada".to_owned(), 1_000)]))));
    let (network, served) = (Network::seeded(7), accounts.clone());
    network.host("bank").serve(1, move || Server::builder().service(BankServer::new(served.clone())));
    let bank = BankClient::new(network.host("client").channel("sim://bank:1"));

    // The money has moved, and the word of it is lost with the connection. The second attempt carries the key of the first, so the
    // bank moves nothing and says once more what it has said.
    let lost = network.inject(Fault::drop_reply("bank", "client"));
    let reply = bank.transfer("Ada", "Grace", 300).detailed().await.expect("the bank remembers");
    println!("{} left, after {} attempts; {}", reply.value, reply.attempts, accounts.show());
    // A test of a fault asserts that the fault has happened.
    assert_eq!(lost.hits(), 1);

    // The service's own errors are remembered as answers are.
    let lost = network.inject(Fault::drop_reply("bank", "client"));
    let error = bank.transfer("Ada", "Grace", 5_000).await.expect_err("she has not so much");
    println!("{:?}; {}", error.app(), accounts.show());
    assert_eq!(lost.hits(), 1);

    // Without `dedup` the caller alone can decide, and is told what is known.
    let lost = network.inject(Fault::drop_reply("bank", "client"));
    tell(bank.transfer_once("Ada", "Grace", 300).await);
    println!("it had run: {}", accounts.show());
    assert_eq!(lost.hits(), 1);

    // Who would have remembered has crashed, and is back with an empty memory: it is not asked, because it would not know.
    network.at(Duration::from_millis(10), Fault::crash("bank").lasting(Duration::from_millis(1)));
    tell(bank.transfer("Ada", "Grace", 100).await);
    println!("and in the end: {}", accounts.show());
    assert_eq!(network.report().hits("crash"), 1);
}

fn tell(result: Result<u64, CallError<BankError>>) {
    match result {
        Ok(left) => println!("{left} left"),
        Err(CallError::App(error)) => println!("{error:?}"),
        Err(CallError::Rpc(error)) => println!("{}, {}: {}", error.code(), error.delivery(), error.message()),
    }
}
