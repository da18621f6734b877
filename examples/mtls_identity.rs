//! Who is calling: a server that requires certificates of its clients, a method that only one of them may call, and
//! strangers who do not get as far as a method.
//!
//! Run it with `cargo run --example mtls_identity`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use serde::{Deserialize, Serialize};
use traitwire::tls::{ClientTls, ServerTls, dev};
use traitwire::{CallError, Channel, Context, Server, rpc_service};

/// A till.
#[rpc_service]
pub trait Till {
    /// Takes money.
    async fn pay(&self, cents: u64) -> String;
    /// Gives it back: for billing alone.
    async fn refund(&self, cents: u64) -> Result<String, NotYou>;
}

/// Who asks is not who may.
#[derive(Debug, Deserialize, Serialize)]
pub struct NotYou(String);

struct Drawer;

impl Till for Drawer {
    async fn pay(&self, cents: u64) -> String {
        format!("{cents} cents of {}", caller())
    }

    async fn refund(&self, cents: u64) -> Result<String, NotYou> {
        let context = Context::current();
        let identity = context.peer().and_then(|peer| peer.identity());
        if !identity.is_some_and(|identity| identity.is("spiffe://shop/billing")) {
            return Err(NotYou(caller()));
        }
        Ok(format!("{cents} cents to {}", caller()))
    }
}

/// The names of the caller's certificate. What it says of itself elsewhere proves nothing.
fn caller() -> String {
    let context = Context::current();
    let identity = context.peer().and_then(|peer| peer.identity());
    identity.map_or_else(|| "nobody".to_owned(), ToString::to_string)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let ca = dev::Ca::new()?;
    let tls = ServerTls::new(ca.issue(["127.0.0.1"])?).require_clients(ca.roots());
    let server =
        Server::builder().tls(tls).service(TillServer::new(Drawer)).bind("tls://127.0.0.1:0").await?;
    let address = server.addresses()[0].clone();
    tokio::spawn(server.serve());

    for name in ["spiffe://shop/basket", "spiffe://shop/billing"] {
        let tls = ClientTls::new().roots(ca.roots()).certificate(ca.issue([name])?);
        let till = TillClient::new(Channel::builder().tls(tls).connect(&address).await?);
        println!("{name}");
        println!("   pays: {}", till.pay(500).await?);
        match till.refund(500).await {
            Ok(refunded) => println!("   refunds: {refunded}"),
            Err(CallError::App(NotYou(who))) => println!("   refunds: not allowed to {who}"),
            Err(CallError::Rpc(error)) => return Err(error.into()),
        }
    }

    let other = dev::Ca::new()?;
    let nameless = ClientTls::new().roots(ca.roots());
    let forged = nameless.clone().certificate(other.issue(["spiffe://shop/billing"])?);
    for (who, tls) in [("without a certificate", nameless), ("billing, says another CA", forged)] {
        let refused = Channel::builder().tls(tls).connect(&address).await.err();
        println!("{who}\n   {}", refused.map_or_else(String::new, |error| error.message().to_owned()));
    }
    Ok(())
}
