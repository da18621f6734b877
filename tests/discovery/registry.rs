//! Our registry, with servers that register and clients that watch.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::time::Instant;
use traitwire::discovery::{Discovery, DiscoveryScheme, Endpoint, Registrar};
use traitwire::registry::{Node, NodeBuilder, Registered, RegistryClient, RegistryScheme, RegistryServer};
use traitwire::{Channel, Server};

use super::support::{CalculatorClient, Watched, calculator, serve};

/// A registry with a runtime of its own, so that it can end like a process that is killed: with all of its tasks at once.
struct Process {
    runtime: Option<Runtime>,
    address: String,
}

impl Process {
    async fn start(builder: NodeBuilder, at: &str) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let at = at.to_owned();
        let serving = runtime.spawn(async move {
            let node = builder.start().await.unwrap();
            serve(Server::builder().service(RegistryServer::new(node)), &at).await.address
        });
        Self { address: serving.await.unwrap(), runtime: Some(runtime) }
    }

    fn kill(&mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.runtime.take().into_iter().for_each(Runtime::shutdown_background);
    }
}

fn source(registry: &Process) -> Arc<dyn Discovery> {
    let scheme = RegistryScheme::new(|address: &str| Channel::builder().lazy(address));
    scheme.open(&format!("{}/Calculator", host(registry))).unwrap()
}

fn host(served: &Process) -> &str {
    served.address.strip_prefix("tcp://").unwrap()
}

#[tokio::test]
async fn a_server_withdraws_before_it_turns_anybody_away() {
    let registry = Process::start(Node::builder().grace(Duration::ZERO), "tcp://127.0.0.1:0").await;
    let at = format!("registry://{}", host(&registry));
    let farewell = Duration::from_millis(400);
    let one = calculator(|server| {
        server.register(&at).weight(7).zone("a").version("1").tag("k", "v").farewell(farewell)
    });
    let (one, other) = (one.await, calculator(|server| server.register(&at)).await);
    let mut watched = Watched::new(source(&registry));
    watched.until(&[&one.address, &other.address]).await;
    let known = watched.known.borrow().endpoints.clone();
    let endpoint = known.iter().find(|endpoint| endpoint.address() == one.address).unwrap();
    assert_eq!((endpoint.weight(), endpoint.zone(), endpoint.version()), (7, Some("a"), Some("1")));
    assert!(endpoint.instance().is_some_and(|instance| instance != 0) && endpoint.tags()["k"] == "v");

    one.handle.shutdown();
    watched.until(&[&other.address]).await;
    // Nobody knows it any more, and whoever did not hear of it yet is served as before: over a new connection too.
    let late = CalculatorClient::connect(&one.address).await.unwrap();
    assert_eq!(late.add(2, 3).await.unwrap(), 5);
    assert_eq!(one.done.await.unwrap().cut, 0);
    assert!(CalculatorClient::connect(&one.address).await.is_err());

    // A server that vanishes is forgotten when its lease has run out.
    let client = RegistryClient::connect(&registry.address).await.unwrap();
    assert_eq!(client.services().await.unwrap(), [("Calculator".to_owned(), 1)]);
    other.done.abort();
    let began = Instant::now();
    while !client.list("Calculator").await.unwrap().is_empty() {
        assert!(began.elapsed() < Duration::from_secs(15));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // The last one known stays in force all the same.
    assert_eq!(watched.addresses(), [other.address]);
}

#[tokio::test]
async fn a_registry_that_has_lost_its_memory_makes_nobody_forgotten() {
    let mut first = Process::start(Node::builder().grace(Duration::ZERO), "tcp://127.0.0.1:0").await;
    let at = format!("registry://{}", host(&first));
    let one = calculator(|server| server.register(&at)).await;
    let other = calculator(|server| server.register(&at)).await;
    let mut watched = Watched::new(source(&first));
    watched.until(&[&one.address, &other.address]).await;

    // A channel that was given the address alone goes on all the while.
    let calc = CalculatorClient::connect(&format!("{at}/Calculator")).await.unwrap();
    assert_eq!(calc.add(2, 3).await.unwrap(), 5);
    first.kill();
    watched.known.wait_for(|known| known.problem.is_some()).await.unwrap();
    // It comes back without what it knew, and one of the servers is gone meanwhile.
    other.done.abort();
    let second = Process::start(Node::builder().grace(Duration::from_secs(4)), &first.address).await;
    let client = RegistryClient::new(Channel::builder().lazy(&second.address).unwrap());
    let began = Instant::now();
    while client.list("Calculator").await.unwrap_or_default().is_empty() {
        assert!(began.elapsed() < Duration::from_secs(5), "it has not registered again");
        tokio::time::sleep(Duration::from_millis(50)).await;
        let mut both = [one.address.clone(), other.address.clone()];
        both.sort();
        assert_eq!(watched.addresses(), both, "known throughout");
        assert_eq!(calc.add(2, 3).await.unwrap(), 5);
    }
    watched.known.wait_for(|known| known.problem.is_none()).await.unwrap();
    watched.until(&[&one.address]).await;
}

#[tokio::test]
async fn a_server_that_was_replaced_gives_way() {
    let registry = Process::start(Node::builder().grace(Duration::ZERO), "tcp://127.0.0.1:0").await;
    let uri = format!("registry://{}", host(&registry));
    let registrar = || Registered::new(&uri, |address| Channel::builder().lazy(address)).unwrap();
    let at = Endpoint::new("h:1").unwrap();
    let (old, new) = (at.clone().with_instance(1), at.with_instance(2));
    let (calculator, both) = (["Calculator".to_owned()], ["Calculator".to_owned(), "Clock".to_owned()]);
    let (one, other) = (registrar(), registrar());
    let mut lease = one.register(&both, &old).await.unwrap();
    assert!(lease.renew().await.unwrap());
    // The new one has just begun to listen there, and takes the address over; the old one hears of it though it has lost but
    // one of its services.
    let mut newer = other.register(&calculator, &new).await.unwrap();
    assert!(!lease.renew().await.unwrap() && newer.renew().await.unwrap());
    lease.withdraw().await.unwrap();
    let client = RegistryClient::connect(&registry.address).await.unwrap();
    let known = async || client.list("Calculator").await.unwrap();
    let error = one.register(&both, &old).await.err().unwrap().to_string();
    assert!(error.contains("another server has registered as `tcp://h:1` since"), "{error}");
    assert_eq!(known().await, std::slice::from_ref(&new));
    // The same server may, as often as it likes; and when the new one is gone, so may the old one.
    let newer = other.register(&calculator, &new).await.unwrap();
    newer.withdraw().await.unwrap();
    one.register(&both, &old).await.unwrap();
    assert_eq!(known().await, [old]);
}

#[tokio::test]
async fn what_is_wrong_is_told_when_the_server_is_to_listen() {
    for (uri, expected) in [
        ("registry:///Calculator", "names no host"),
        ("zoo://h:1", "nothing to register with"),
        ("registry://h:1?transport=zoo", "`zoo://h:1` has a scheme that is not known"),
    ] {
        let error =
            Server::builder().register(uri).bind("mem://wrong-registry").await.unwrap_err().to_string();
        assert!(error.starts_with("the server cannot register: ") && error.contains(expected), "{error}");
    }
    let server = Server::builder().register("registry://127.0.0.1:1").bind("tcp://0.0.0.0:0").await.unwrap();
    let error = server.serve().await.unwrap_err().to_string();
    assert!(error.contains("say one with `advertise`"), "{error}");
}
