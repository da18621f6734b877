//! Three servers behind one address, of which one is slow and another one leaves: the calls go where they are answered soonest, and
//! none is lost.
//!
//! Run it with `cargo run --example balance`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join_all;
use tokio::time::sleep;
use traitwire::{Channel, Server, ServerHandle, rpc_service};

/// What the servers do.
#[rpc_service]
pub trait Search {
    /// How many documents have the word.
    #[rpc(idempotent)]
    async fn count(&self, word: &str) -> usize;
}

/// A server that needs so long for a call, and counts them.
struct Index {
    pause: Duration,
    calls: Arc<AtomicUsize>,
}

impl Search for Index {
    async fn count(&self, word: &str) -> usize {
        self.calls.fetch_add(1, Ordering::Relaxed);
        sleep(self.pause).await;
        word.len()
    }
}

struct Running {
    name: &'static str,
    address: String,
    calls: Arc<AtomicUsize>,
    handle: ServerHandle,
}

async fn start(name: &'static str, pause: Duration) -> Result<Running, Box<dyn Error>> {
    let calls = Arc::new(AtomicUsize::new(0));
    let index = Index { pause, calls: Arc::clone(&calls) };
    let server = Server::builder().service(SearchServer::new(index)).bind("tcp://127.0.0.1:0").await?;
    let (address, handle) = (server.addresses()[0].clone(), server.handle());
    tokio::spawn(server.serve());
    Ok(Running { name, address, calls, handle })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let millis = Duration::from_millis;
    let servers = [
        start("first", millis(2)).await?,
        start("second", millis(2)).await?,
        start("slow", millis(60)).await?,
    ];
    // In production the addresses come from a registry, DNS, etcd or a file: only this line is another one.
    let addresses = servers.each_ref().map(|server| server.address.as_str()).join(",");
    let channel = Channel::connect(&format!("static://{addresses}")).await?;
    let search = SearchClient::new(channel.clone());

    round(&search, &servers, "all three").await;
    round(&search, &servers, "now that they are known").await;

    // Why there? The reply says which endpoints were looked at, and what the call would have cost there.
    let reply = search.count("tea").detailed().await?;
    println!("one call went to {}", reply.picks[0]);

    // One leaves while calls are under way: those that it has are answered, the others go elsewhere.
    servers[0].handle.shutdown();
    round(&search, &servers, "without the first").await;
    for endpoint in channel.fleet().into_iter().flat_map(|fleet| fleet.endpoints) {
        let server = servers.iter().find(|server| *server.address == *endpoint.address);
        let name = server.map_or("unknown", |server| server.name);
        println!("  {name} is {}, and answers within {:.0?}", endpoint.state, endpoint.response_time);
    }
    Ok(())
}

/// Makes 20 times 16 calls at a time, and tells where they went.
async fn round(search: &SearchClient, servers: &[Running; 3], what: &str) {
    let before = servers.each_ref().map(|server| server.calls.load(Ordering::Relaxed));
    let mut failed = 0;
    for _ in 0..20 {
        let calls = join_all((0..16).map(|_| search.count("tea"))).await;
        failed += calls.iter().filter(|result| result.is_err()).count();
    }
    let after = servers.each_ref().map(|server| server.calls.load(Ordering::Relaxed));
    let shares = [0, 1, 2].map(|nth| format!("{} {}", servers[nth].name, after[nth] - before[nth]));
    println!("{what}: {} of 320 calls, {failed} failed", shares.join(", "));
}
