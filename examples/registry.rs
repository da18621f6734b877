//! A registry, servers that register with it, and a client that hears of them: servers come, one leaves in good order, and one
//! crashes.
//!
//! `cargo run --example registry`. In production the registry is a process of its own: `traitwire-registry`.
#![expect(clippy::print_stdout, reason = "a program that talks on its standard output")]

use std::error::Error;
use std::time::Duration;

use tokio::task::JoinHandle;
use traitwire::discovery::{Directory, DirectoryConfig, Discoveries, Known};
use traitwire::registry::{Node, Registered, RegistryServer};
use traitwire::{Channel, Server, ServerHandle, rpc_service};

/// What the servers do.
#[rpc_service]
pub trait Greeter {
    /// A greeting.
    async fn greet(&self, name: &str) -> String;
}

struct Polite;

impl Greeter for Polite {
    async fn greet(&self, name: &str) -> String {
        format!("good day, {name}")
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // The registry is a service like any other.
    let node = Node::builder().grace(Duration::from_secs(1)).start().await?;
    let registry = Server::builder().service(RegistryServer::new(node)).bind("tcp://127.0.0.1:0").await?;
    let at = registry.addresses()[0].replace("tcp://", "registry://");
    tokio::spawn(registry.serve());

    // The client watches: what it knows of the service is kept up to date.
    let source = Discoveries::built_in().choose(&format!("{at}/Greeter"))?.ok_or("no address of a source")?;
    let directory = Directory::start(source, DirectoryConfig::default());
    let mut known = directory.subscribe();

    // Servers register once they listen.
    let (first, _) = server(&at, 100).await?;
    let (_, second) = server(&at, 50).await?;
    let two = known.wait_for(|known| known.endpoints.len() == 2).await?.clone();
    show("two servers", &two);
    for endpoint in two.endpoints.iter() {
        println!("  {}", GreeterClient::connect(endpoint.address()).await?.greet("Ada").await?);
    }

    // One leaves: the registry knows before the server turns anybody away.
    first.shutdown();
    show("one has left", &known.wait_for(|known| known.endpoints.len() == 1).await?.clone());

    // The other one crashes. When its lease is over the registry knows of nobody, which a client does not take for true.
    second.abort();
    let doubted = known.wait_for(|known| known.problem.is_some()).await?.clone();
    show("one has crashed", &doubted);
    println!("  because {}", doubted.problem.expect("it was waited for"));

    // A new one is there at once.
    server(&at, 100).await?;
    show("a new one", &known.wait_for(|known| known.endpoints[0].weight() == 100).await?.clone());
    Ok(())
}

async fn server(registry: &str, weight: u32) -> Result<(ServerHandle, JoinHandle<()>), Box<dyn Error>> {
    // A short lease, so that the crash is noticed soon; `.register(registry)` is the same with ten seconds.
    let registered = Registered::new(registry, |address| Channel::builder().lazy(address))?;
    let registered = registered.lease(Duration::from_secs(1));
    let builder =
        Server::builder().service(GreeterServer::new(Polite)).register_with(registered).weight(weight);
    let server = builder.bind("tcp://127.0.0.1:0").await?;
    let handle = server.handle();
    let serving = tokio::spawn(async move {
        let _ = server.serve().await;
    });
    Ok((handle, serving))
}

fn show(what: &str, known: &Known) {
    let weights: Vec<_> = known.endpoints.iter().map(|endpoint| endpoint.weight()).collect();
    println!("{what}: {} known, of weight {weights:?}", known.endpoints.len());
}
