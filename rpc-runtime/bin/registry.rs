//! `traitwire-registry --listen URI [--snapshot FILE]`: a registry in one command.
//!
//! It may be killed at any time: what it knows is in the file within half a second, and servers have thirty to come back.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that talks on its standard streams"
)]

use std::error::Error;
use std::process::ExitCode;

use traitwire::Server;
use traitwire::registry::{Node, RegistryServer};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (mut listen, mut snapshot) = (Vec::new(), None);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match (argument.as_str(), rest.next()) {
            ("--listen", Some(uri)) => listen.push(uri.as_str()),
            ("--snapshot", Some(file)) => snapshot = Some(file.as_str()),
            _ => return usage(),
        }
    }
    if listen.is_empty() {
        return usage();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(run(&listen, snapshot)));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("traitwire-registry: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(listen: &[&str], snapshot: Option<&str>) -> Result<(), Box<dyn Error>> {
    let builder = Node::builder();
    let node = match snapshot {
        Some(file) => builder.snapshot(file).start().await?,
        None => builder.start().await?,
    };
    let builder = Server::builder().name("traitwire-registry").service(RegistryServer::new(node)).health();
    let [first, others @ ..] = listen else { return Ok(()) };
    let mut server = builder.bind(first).await?;
    for uri in others {
        server = server.bind(uri).await?;
    }
    println!("the registry listens at {}", server.addresses().join(" and "));
    server.serve().await?;
    Ok(())
}

fn usage() -> ExitCode {
    eprintln!("usage: traitwire-registry --listen URI... [--snapshot FILE]");
    eprintln!("       traitwire-registry --listen tcp://0.0.0.0:7070 --snapshot /var/lib/traitwire/registry");
    ExitCode::from(2)
}
