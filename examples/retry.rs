//! Retries: what the trait allows, what the budget leaves of it, and what a caller is told when nothing helps.
//!
//! `cargo run --example retry`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use traitwire::policy::{Policies, Policy};
use traitwire::{CallOptions, Channel, Client, Code, Delivery, Retry, RpcError, Server, rpc_service};
use traitwire::{Handler, HandlerFuture, Request};

#[derive(Debug, Serialize, Deserialize)]
enum StockError {
    Locked,
    Unknown,
}

#[rpc_service]
trait Stock {
    /// Reading twice does no harm, and a locked shelf is worth another look.
    #[rpc(idempotent, retry(attempts = 4, base = "20ms"), retry_on = |error| matches!(error, StockError::Locked))]
    async fn count(&self, article: &str) -> Result<u32, StockError>;
    /// Taking twice does: not idempotent, so the trait asks for no retries.
    async fn take(&self, article: &str) -> Result<u32, StockError>;
}

/// Its shelves are locked for the first two who look.
#[derive(Default)]
struct Shelves(AtomicU32);

impl Stock for Shelves {
    async fn count(&self, article: &str) -> Result<u32, StockError> {
        match article {
            "nails" if self.0.fetch_add(1, Ordering::Relaxed) < 2 => Err(StockError::Locked),
            "nails" => Ok(400),
            _ => Err(StockError::Unknown),
        }
    }

    async fn take(&self, _: &str) -> Result<u32, StockError> {
        Ok(1)
    }
}

/// A server that has too much to do, and says when it will have time.
struct Busy<H>(H);

impl<H: Handler> Handler for Busy<H> {
    fn handle(&self, request: Request) -> HandlerFuture {
        if request.method() == "Stock.take" {
            let error = RpcError::new(Code::UNAVAILABLE, Delivery::Refused, "taking stock, no sales");
            return HandlerFuture::ready(Err(error.with_retry_after(Duration::from_millis(30))));
        }
        self.0.handle(request)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let builder = Server::builder().service(StockServer::new(Shelves::default())).layer(Busy);
    tokio::spawn(builder.bind("mem://stock").await?.serve());
    let channel = Channel::connect("mem://stock").await?;
    let stock = StockClient::new(channel.clone());
    let reply = stock.count("nails").detailed().await.expect("a shelf that is free in the end");
    println!("{} nails, after {} attempts", reply.value, reply.attempts);
    println!("bolts: {:?}", stock.count("bolts").await.expect_err("there are none").app());

    // No handler saw the call, so whoever asks for it may try again; the server says when.
    let patient = stock.with(CallOptions::new().retry(Retry::new()));
    let refused = patient.take("nails").await.expect_err("no sales today");
    println!("{}", refused.rpc().expect("said by the server"));

    // Operators have the last word, while calls run.
    channel.set_policies(Policies::new().everything(Policy::new().no_retry()));
    println!("{}", channel.in_force(<StockClient>::DESCRIPTOR));
    Ok(())
}
