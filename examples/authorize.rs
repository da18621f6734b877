//! Who calls, and may they: tokens say who calls, the trait says which roles a method is for, rules say who has them and what else
//! is allowed, and every decision is told to an audit.
//!
//! Run it with `cargo run --example authorize`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use traitwire::policy::access::{Authenticate, Authorize, Rules, StaticTokens};
use traitwire::tls::{ClientTls, ServerTls, dev};
use traitwire::{Channel, Context, Identity, Server, Token, rpc_service};

/// A till.
#[rpc_service]
pub trait Till {
    /// Takes money.
    async fn pay(&self, cents: u64) -> String;
    /// Gives it back.
    #[rpc(allow = "manager")]
    async fn refund(&self, cents: u64) -> String;
}

struct Drawer;

impl Till for Drawer {
    async fn pay(&self, cents: u64) -> String {
        format!("{cents} cents of {}", caller())
    }

    async fn refund(&self, cents: u64) -> String {
        format!("{cents} cents to {}", caller())
    }
}

/// Who calls, as far as it is proved.
fn caller() -> String {
    Context::current().identity().map_or_else(|| "nobody".to_owned(), ToString::to_string)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (ada, grace) = (Token::new("token-of-ada-4f1c")?, Token::new("token-of-grace-90")?);
    let tokens = StaticTokens::new()
        .with(&ada, Identity::new(["user:ada"]))
        .with(&grace, Identity::new(["user:grace"]));
    // From a file it is `Rules::load`.
    let rules = |manager: &str| {
        Rules::from_toml(&format!("[service.Till]\nallow = [\"user:*\"]\n[role]\nmanager = [\"{manager}\"]"))
    };
    let authorize = Authorize::audited(rules("user:grace")?, |decision| {
        let caller = decision.caller.map_or_else(|| "nobody".to_owned(), ToString::to_string);
        let word = if decision.allowed { "may" } else { "may not" };
        println!("   (audit) {caller} {word} call {}: {}", decision.method, decision.reason);
    });

    let ca = dev::Ca::new()?;
    let rules_in_force = authorize.clone();
    let server = Server::builder()
        .tls(ServerTls::new(ca.issue(["127.0.0.1"])?))
        .service(TillServer::new(Drawer))
        .layer(move |inner| authorize.around(inner))
        .layer(move |inner| Authenticate::by(tokens).around(inner)) // added last, asked first
        .bind("tls://127.0.0.1:0")
        .await?
        .bind("tcp://127.0.0.1:0")
        .await?;
    let [encrypted, plain] = [server.addresses()[0].clone(), server.addresses()[1].clone()];
    tokio::spawn(server.serve());

    let builder = Channel::builder().tls(ClientTls::new().roots(ca.roots()));
    for (name, token) in [("Ada", &ada), ("Grace", &grace), ("Eve", &Token::new("token-of-nobody-0")?)] {
        println!("{name}");
        let till = TillClient::new(builder.clone().token(token.clone()).connect(&encrypted).await?);
        explain(till.pay(500).await);
        explain(till.refund(500).await);
    }

    println!("Ada, over a link that others can read");
    let till = TillClient::new(builder.clone().token(ada).connect(&plain).await?);
    explain(till.pay(500).await);

    println!("Grace, when the rules have changed");
    rules_in_force.replace(rules("user:heidi")?);
    println!("{}", rules_in_force.rules());
    let till = TillClient::new(builder.token(grace).connect(&encrypted).await?);
    explain(till.refund(500).await);
    Ok(())
}

fn explain(outcome: Result<String, traitwire::CallError>) {
    match outcome {
        Ok(said) => println!("   {said}"),
        Err(error) => println!("   {error}"),
    }
}
