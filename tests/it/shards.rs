//! Servers with shards: each connection stays with one thread, and nothing else is different.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;
use traitwire::{Channel, Server, rpc_service};

use super::support::{Hand, call, serve_with, socket_path, until};

#[rpc_service]
trait Where {
    /// The thread that a handler runs in.
    async fn at_once(&self) -> String;
    /// The same for one that waits, and is a task therefore.
    async fn after_a_wait(&self) -> String;
}

struct Here;

fn this_thread() -> String {
    thread::current().name().unwrap_or_default().to_owned()
}

impl Where for Here {
    async fn at_once(&self) -> String {
        this_thread()
    }

    async fn after_a_wait(&self) -> String {
        tokio::time::sleep(Duration::from_millis(1)).await;
        this_thread()
    }
}

#[tokio::test]
async fn connections_are_dealt_out_and_stay() {
    let path = socket_path("shards");
    for uri in ["tcp://127.0.0.1:0", &format!("unix://{path}"), "mem://shards"] {
        let builder = Server::builder().service(WhereServer::new(Here)).shards(2);
        let server = builder.bind(uri).await.unwrap();
        let (uri, handle) = (server.addresses()[0].clone(), server.handle());
        let serving = tokio::spawn(server.serve());
        let mut homes = BTreeSet::new();
        let mut clients = Vec::new();
        for _ in 0..4 {
            let client = WhereClient::connect(&uri).await.unwrap();
            let home = client.at_once().await.unwrap();
            for _ in 0..10 {
                assert_eq!(client.at_once().await.unwrap(), home);
                assert_eq!(client.after_a_wait().await.unwrap(), home);
            }
            homes.insert(home);
            clients.push(client);
        }
        assert_eq!(homes, ["traitwire-shard-0", "traitwire-shard-1"].map(str::to_owned).into(), "{uri}");
        handle.shutdown();
        assert_eq!(serving.await.unwrap().unwrap().cut, 0);
    }
}

#[test]
fn a_socket_is_served_without_the_runtime_that_accepted_it() {
    let accepting = Builder::new_current_thread().enable_all().build().unwrap();
    let calling = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let path = socket_path("moved");
    for uri in ["tcp://127.0.0.1:0", &format!("unix://{path}")] {
        let client = accepting.block_on(async {
            let server = Server::builder().service(WhereServer::new(Here)).shards(1).bind(uri).await.unwrap();
            let uri = server.addresses()[0].clone();
            tokio::spawn(server.serve());
            let connected = async move {
                let client = WhereClient::connect(&uri).await.unwrap();
                client.at_once().await.unwrap();
                client
            };
            calling.spawn(connected).await.unwrap()
        });
        // Nobody drives the runtime that accepted from here on.
        let again = calling.block_on(async { client.after_a_wait().timeout(Duration::from_secs(5)).await });
        assert_eq!(again.unwrap(), "traitwire-shard-0", "{uri}");
    }
}

#[tokio::test]
async fn accepted_calls_finish_in_shards_too() {
    let served = serve_with("tcp://127.0.0.1:0", Hand::default(), |builder| builder.shards(2)).await;
    let channel = Channel::connect(&served.uri).await.unwrap();
    let slow = tokio::spawn(async move { call(&channel, "Hand.sleep", "200").await });
    until("the call is accepted", || served.ledger.counts().0 == 1).await;
    served.handle.shutdown();
    assert_eq!(slow.await.unwrap().unwrap(), b"200");
    assert_eq!(served.done.await.unwrap().cut, 0);
}

#[tokio::test]
async fn calls_outlive_a_server_with_shards_whose_future_is_dropped() {
    let served = serve_with("tcp://127.0.0.1:0", Hand::default(), |builder| builder.shards(2)).await;
    let channel = Channel::connect(&served.uri).await.unwrap();
    let slow = tokio::spawn(async move { call(&channel, "Hand.sleep", "200").await });
    until("the call is accepted", || served.ledger.counts().0 == 1).await;
    served.done.abort();
    assert_eq!(slow.await.unwrap().unwrap(), b"200");
}
