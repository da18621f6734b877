//! The programs in README.md and docs/ that need features or surroundings, so that no doctest compiles them. They are
//! compiled here, and a test holds that they stand in the documents word for word.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "as the documents have them; most are compiled, and not run")]

use std::error::Error;
use std::path::Path;

use traitwire::discovery::Etcd;
use traitwire::policy::access::{Authenticate, Authorize, Rules, StaticTokens};
use traitwire::policy::breaker::Breaker;
use traitwire::policy::cache::Cache;
use traitwire::policy::limit::Limit;
use traitwire::testing::{Fault, Network};
use traitwire::tls::{CertifiedKey, ClientTls, Roots, ServerTls};
use traitwire::{Channel, Code, Context, Delivery, Identity, RpcError, Server, Token, rpc_service};

type Done = Result<(), Box<dyn Error>>;

// ===== what they stand among =====

#[derive(Debug, PartialEq, serde::Deserialize, serde::Serialize)]
pub enum DivideError {
    ByZero,
}

#[derive(Debug, serde::Deserialize, serde::Serialize)]
pub struct StockError;

#[rpc_service]
trait Calculator {
    async fn add(&self, a: i64, b: i64) -> i64;
    async fn divide(&self, a: i64, b: i64) -> Result<i64, DivideError>;
}

#[rpc_service]
trait Orders {
    #[rpc(idempotent)]
    async fn count(&self) -> u64;
}

struct Basic;

impl Calculator for Basic {
    async fn add(&self, a: i64, b: i64) -> i64 { a + b }
    async fn divide(&self, a: i64, b: i64) -> Result<i64, DivideError> {
        a.checked_div(b).ok_or(DivideError::ByZero)
    }
}

// ===== README.md =====

mod policies {
    use super::*;

    #[rpc_service]
    pub trait Stock {
        #[rpc(idempotent, timeout = "250ms", retry(attempts = 3, base = "20ms"), hedge(percentile = 95))]
        async fn count(&self, article: &str) -> Result<u32, StockError>;
        // Here `retry(..)` does not compile: the method is not `idempotent`.
        async fn take(&self, article: &str) -> Result<u32, StockError>;
    }
}

async fn many_servers() -> Result<(), traitwire::CallError<StockError>> {
    use policies::StockClient;
    let stock = StockClient::connect("static://10.0.0.7:7000,10.0.0.8:7000,10.0.0.9:7000").await?;
    let reply = stock.count("bolt").detailed().await?;
    let why = reply.picks[0].to_string();   // tcp://10.0.0.8:7000 by peak_ewma, of tcp://10.0.0.8:7000 (410.5) and …
    assert!(!why.is_empty());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_is_not_counted_twice() {
    let network = Network::seeded(7);
    network.host("server").serve(1, || Server::builder().service(CalculatorServer::new(Basic)));
    let calc = CalculatorClient::new(network.host("client").channel("sim://server:1"));
    let lost = network.inject(Fault::drop_reply("server", "client"));
    let error = calc.add(2, 3).await.unwrap_err();
    assert_eq!(error.rpc().unwrap().delivery(), Delivery::Unknown);
    assert_eq!(lost.hits(), 1, "{}", network.report());                  // the fault has happened
    assert_eq!(calc.add(2, 3).await.unwrap(), 5);                        // and the client has a new connection
}

#[tokio::test]
async fn a_mock_answers_as_it_was_told() -> Done {
    let (calc, mock) = CalculatorClient::mock();
    mock.add().with((2, 3)).returns(5);                                      // typed as the trait is
    mock.divide().once().rpc_error(RpcError::new(Code::UNAVAILABLE, Delivery::Unknown, "cut"));
    mock.divide().answers(|(a, b)| a.checked_div(b).ok_or(DivideError::ByZero));
    assert_eq!(calc.add(2, 3).await?, 5);
    assert!(calc.divide(1, 0).await.is_err_and(|error| error.rpc().is_some()));  // the first time
    assert_eq!(mock.calls(), ["add(2, 3)", "divide(1, 0)"]);
    Ok(())
}

async fn tls(service: CalculatorServer<Basic>) -> Done {
    let tls = ServerTls::new(CertifiedKey::files("certs/server.pem", "certs/server.key"))
        .require_clients(Roots::file("certs/ca.pem"));
    let server = Server::builder().tls(tls).service(service).bind("tls://0.0.0.0:7000").await?;

    let tls = ClientTls::new().roots(Roots::file("certs/ca.pem"))
        .certificate(CertifiedKey::files("certs/billing.pem", "certs/billing.key"));
    let channel = Channel::builder().tls(tls).connect("tls://orders.internal:7000").await?;

    // In a handler or a layer: who is calling.
    let context = Context::current();
    let identity = context.peer().and_then(|peer| peer.identity());
    drop((server, channel, identity));
    Ok(())
}

// ===== docs/POLICIES.md =====

fn around_one_another(limit: &Limit, breaker: &Breaker, cache: &Cache) -> Done {
    let caller = limit.around(Channel::builder().lazy("tcp://127.0.0.1:7000")?);   // what is really under way
    let caller = breaker.around(caller);    // what it stops takes no place at the limit
    let caller = cache.around(caller);      // an answer that is kept needs neither, and stands in while the breaker is open
    let orders = OrdersClient::new(caller);
    drop(orders);
    Ok(())
}

// ===== docs/PERFORMANCE.md =====

async fn shards(service: CalculatorServer<Basic>) -> Done {
    let cores = std::thread::available_parallelism()?.get();
    let server = Server::builder().service(service).shards(cores).bind("tcp://0.0.0.0:7000").await?;
    server.serve().await?;
    Ok(())
}

// ===== docs/SECURITY_GUIDE.md =====

async fn names_in_certificates(service: CalculatorServer<Basic>) -> Done {
    // A service with its own certificate, which takes only two others, by the names in their certificates.
    let tls = ServerTls::new(CertifiedKey::files("/certs/orders.pem", "/certs/orders.key"))
        .require_clients(Roots::file("/certs/ca.pem"))
        .only_clients(["spiffe://shop/billing", "spiffe://shop/basket"]);
    let server = Server::builder().tls(tls).service(service).bind("tls://0.0.0.0:7000").await?;

    // One of them.
    let tls = ClientTls::new()
        .roots(Roots::file("/certs/ca.pem"))
        .certificate(CertifiedKey::files("/certs/billing.pem", "/certs/billing.key"));
    let channel = Channel::builder().tls(tls).connect("tls://orders.internal:7000").await?;
    drop((server, channel));
    Ok(())
}

fn who_may_call_what(secret: &str) -> Done {
    #[rpc_service]
    pub trait Till {
        async fn pay(&self, cents: u64);
        #[rpc(allow("clerk", "manager"))] // by what callers are; who that is, the server says
        async fn refund(&self, cents: u64);
    }

    let tokens = StaticTokens::new().with(&Token::new(secret)?, Identity::new(["user:ada"])); // or a TokenVerifier of yours
    let authorize = Authorize::audited(Rules::load("/etc/till/access.toml")?, |decision| tracing::info!(?decision));
    let server = Server::builder()
        .layer(move |inner| authorize.around(inner))
        .layer(move |inner| Authenticate::by(tokens).or_nobody().around(inner)); // added last, asked first
    drop(server);
    Ok(())
}

// ===== docs/BALANCING.md =====

async fn balancing(my_source: impl traitwire::discovery::Discovery) -> Done {
    use traitwire::balance::{Algorithm, Balance};
    let channel = Channel::connect("static://10.0.0.7:7000,10.0.0.8:7000").await?;
    let cache = Channel::builder().balance(Algorithm::consistent_hash()).lazy("static://a:7000,b:7000")?;
    let near = Channel::builder().balance(Balance::new().zone("eu-1a").subset(20)).discovery(my_source);
    drop((channel, cache, near));
    Ok(())
}

mod keys {
    use traitwire::rpc_service;

    #[rpc_service]
    trait Store {
        #[rpc(idempotent)]
        async fn get(&self, #[rpc(key)] key: &str) -> Option<String>;
    }
}

// ===== docs/DISCOVERY.md =====

async fn etcd(password: &str) -> Done {
    let etcd = Etcd::new().tls(ClientTls::new().roots(Roots::file("etcd-ca.pem"))).user("calc", password);
    let channel = Channel::builder().discovery_scheme(etcd.clone()).connect("etcd://10.0.0.5:2379/prod/Calculator?transport=tls").await?;
    let server = Server::builder().register_with(etcd.registrar("etcd://10.0.0.5:2379/prod?transport=tls")?);
    drop((channel, server));
    Ok(())
}

async fn registered(terminated: impl Fn() -> std::future::Ready<()>) -> Done {
    let server = Server::builder()
        .service(CalculatorServer::new(Basic))
        .register("registry://10.0.0.5:7070")    // once for each registry
        .advertise("tcp://10.0.0.7:7000")        // needed where it listens at 0.0.0.0
        .weight(50).zone("east").version("1.2").tag("disk", "fast")
        .health()
        .bind("tcp://0.0.0.0:7000").await?;
    server.serve_with_shutdown(terminated()).await?;
    Ok(())
}

// ===== they are the documents' =====

/// The fenced blocks of Rust in a document: where each begins, and its lines without what they are indented by.
fn blocks(text: &str, fence: &str) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        if line == fence {
            let block = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```");
            found.push((at + 1, block.map(|line| line.trim().to_owned()).collect()));
        }
    }
    found
}

#[test]
fn every_program_of_the_documents_is_compiled() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let here: Vec<_> = include_str!("documents.rs").lines().map(str::trim).collect();
    let mut documents = vec![(root.join("README.md"), "```rust,ignore")];
    for entry in std::fs::read_dir(root.join("docs")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "md") {
            documents.push((path, "```rust"));
        }
    }
    let mut seen = 0;
    for (path, fence) in documents {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(fence == "```rust,ignore" || !text.contains("```rust,ignore"), "{}: `rust` is enough", path.display());
        for (line, block) in blocks(&text, fence) {
            let is_here = here.windows(block.len()).any(|window| window.iter().eq(block.iter()));
            assert!(is_here, "{}:{line}: this program does not stand in tests/it/documents.rs", path.display());
            seen += 1;
        }
    }
    assert!(seen > 0, "no document has a program");
}

#[test]
fn the_rules_of_the_guide_are_rules() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/SECURITY_GUIDE.md");
    let blocks = blocks(&std::fs::read_to_string(guide).unwrap(), "```toml");
    assert_eq!(blocks.len(), 1);
    let rules = Rules::from_toml(&blocks[0].1.join("\n")).unwrap();
    let ada = Identity::new(["user:ada"]);
    assert!(rules.decide("Till.refund", &["clerk"], Some(&ada)).allows());
    assert!(!rules.decide("Till.pay", &[], Some(&ada)).allows());
}
