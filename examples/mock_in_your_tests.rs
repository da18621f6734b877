//! Code that calls a service, tested without the service: answers are said beforehand, and calls are recorded.
//!
//! Run it with `cargo run --example mock_in_your_tests`. In your own crate `main` would be a test, and the feature
//! `testing` of traitwire one of `[dev-dependencies]`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use serde::{Deserialize, Serialize};
use traitwire::{CallError, Caller, Code, Delivery, RpcError, rpc_service};

/// Takes money.
#[rpc_service]
pub trait Bank {
    /// Moves cents from an account, once for each key.
    async fn charge(&self, account: &str, cents: u64, key: u64) -> Result<u64, Declined>;
}

/// Why money was not moved.
#[derive(Debug, Deserialize, Serialize)]
#[non_exhaustive]
pub enum Declined {
    /// There is not enough of it.
    NoFunds,
}

/// What is tested: it calls again where the first call may or may not have happened, with the same key.
async fn buy<C: Caller>(bank: &BankClient<C>, account: &str, cents: u64) -> String {
    for _ in 0..2 {
        match bank.charge(account, cents, 77).timeout(Duration::from_secs(1)).await {
            Ok(left) => return format!("paid, {left} cents are left"),
            Err(CallError::App(Declined::NoFunds)) => return "not enough money".to_owned(),
            Err(CallError::Rpc(error)) if error.delivery() == Delivery::Unknown => {}
            Err(CallError::Rpc(error)) => return format!("not paid: {}", error.code()),
        }
    }
    "ask the bank".to_owned()
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() {
    let (bank, mock) = BankClient::mock();
    // What is told first comes first. Times, arguments, values and errors are typed as the trait is.
    mock.charge().with(("Grace", 500, 77)).app_error(Declined::NoFunds);
    let cut = RpcError::new(Code::UNAVAILABLE, Delivery::Unknown, "the connection broke");
    mock.charge().once().rpc_error(cut);
    mock.charge().times(1).after(Duration::from_millis(900)).answers(|(_, cents, _)| Ok(2_000 - cents));
    let full = RpcError::new(Code::RESOURCE_EXHAUSTED, Delivery::Refused, "come back later");
    mock.charge().rpc_error(full);

    println!("Grace: {}", buy(&bank, "Grace", 500).await);
    println!("Ada: {}", buy(&bank, "Ada", 500).await);
    println!("Edsger: {}", buy(&bank, "Edsger", 500).await);
    println!("the bank was asked for:");
    mock.calls().iter().for_each(|call| println!("   {call}"));
    assert_eq!(mock.calls()[1], r#"charge("Ada", 500, 77)"#);
    // Dropping the mock's hand judges it: unexpected calls, and those that were expected and did not come.
    drop(mock);

    // Where an implementation is at hand, it can be called in place of a mock.
    println!("Ada, at a bank in place: {}", buy(&BankClient::from_impl(Generous), "Ada", 500).await);
}

struct Generous;

impl Bank for Generous {
    async fn charge(&self, account: &str, cents: u64, _: u64) -> Result<u64, Declined> {
        Ok(1_000_000 * account.len() as u64 - cents)
    }
}
