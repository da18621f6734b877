//! A certificate authority for development, a server and clients in one program: a call over TLS, a certificate that is
//! replaced while a connection goes on, and what is said when the two sides do not fit.
//!
//! Run it with `cargo run --example tls`. The same files on the command line:
//! `cargo run -p traitwire --features dev-certs --bin traitwire-certs -- certs server localhost 127.0.0.1`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use traitwire::tls::{ClientTls, Roots, ServerTls, dev};
use traitwire::{Channel, Server, rpc_service};

/// A greeting.
#[rpc_service]
pub trait Greeter {
    /// Greets by name.
    async fn greet(&self, name: &str) -> String;
}

struct Polite;

impl Greeter for Polite {
    async fn greet(&self, name: &str) -> String {
        format!("good day, {name}")
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::temp_dir().join(format!("traitwire-example-tls-{}", std::process::id()));
    let ca = dev::Ca::open(&folder)?;
    let certificate = ca.issue_to(&folder, "server", ["localhost", "127.0.0.1"])?;

    let tls = ServerTls::new(certificate);
    let server = Server::builder().tls(tls.clone()).service(GreeterServer::new(Polite));
    let server = server.bind("tls://127.0.0.1:0").await?;
    let address = server.addresses()[0].clone();
    tokio::spawn(server.serve());
    println!("serving at {address}\n");

    println!("1. a client that believes the CA");
    let believes = ClientTls::new().roots(Roots::file(folder.join("ca.pem")));
    let channel = Channel::builder().tls(believes.clone()).connect(&address).await?;
    let greeter = GreeterClient::new(channel);
    println!("   {}\n", greeter.greet("Ada").await?);

    println!("2. the certificate is replaced: new connections get the new one, and nobody else notices");
    ca.issue_to(&folder, "server", ["127.0.0.1"])?;
    println!("   {:?}: {}", tls.reload().await?, greeter.greet("Grace").await?);
    let localhost = address.replace("127.0.0.1", "localhost");
    explain(Channel::builder().tls(believes).connect(&localhost).await);

    println!("3. a client that believes another CA");
    let another = ClientTls::new().roots(dev::Ca::new()?.roots());
    explain(Channel::builder().tls(another).connect(&address).await);

    println!("4. a client that speaks no TLS");
    let plain = GreeterClient::connect(&address.replace("tls://", "tcp://")).await?;
    println!("   {}\n", plain.greet("Eve").await.err().map_or_else(String::new, |error| error.to_string()));

    std::fs::remove_dir_all(folder)?;
    Ok(())
}

fn explain(connected: Result<Channel, traitwire::RpcError>) {
    match connected {
        Ok(_) => println!("   connected\n"),
        Err(error) => println!("   {}\n", error.message()),
    }
}
