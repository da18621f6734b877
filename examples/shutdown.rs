//! A server that ends in order on ctrl-c: what was accepted finishes, what comes after is refused.
//!
//! Run it with `cargo run --example shutdown`, call it from elsewhere or not, and press ctrl-c; with `--at-once` it ends
//! by itself.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use traitwire::{Server, rpc_service};

/// Something slow.
#[rpc_service]
pub trait Slow {
    /// Answers after a second.
    async fn work(&self) -> String;
}

struct Worker;

impl Slow for Worker {
    async fn work(&self) -> String {
        tokio::time::sleep(Duration::from_secs(1)).await;
        "done, although the server was shutting down".to_owned()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let at_once = std::env::args().any(|argument| argument == "--at-once");
    let server = Server::builder().service(SlowServer::new(Worker)).grace(Duration::from_secs(5));
    let server = server.bind("tcp://127.0.0.1:0").await?;
    let address = server.addresses()[0].clone();
    println!("serving at {address}; ctrl-c to end");

    let client = SlowClient::connect(&address).await?;
    let call = tokio::spawn(client.work());
    let ended = server.serve_with_shutdown(async move {
        // The call must be under way first, or there would be nothing to wait for.
        tokio::time::sleep(Duration::from_millis(100)).await;
        if !at_once {
            ctrl_c().await;
        }
        println!("shutting down");
    });
    println!("calls that were cut: {}", ended.await?.cut);
    println!("the call that was under way: {:?}", call.await?);
    Ok(())
}

/// Ready when the user presses ctrl-c, or where that cannot be heard.
async fn ctrl_c() {
    if tokio::signal::ctrl_c().await.is_err() {
        println!("ctrl-c cannot be heard here; ending now");
    }
}
