//! A store on three nodes. A key has a home by consistent hashing, all nodes have a copy of it, and two of three must agree on what
//! is written and read. One node is killed under load, and nothing is lost.
//!
//! Run it with `cargo run --example kv_cluster`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::collections::HashMap;
use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;
use traitwire::balance::Algorithm;
use traitwire::{CallError, Channel, Server, rpc_service};

/// What clients see. A key has one writer, so that to write twice what was written once is the same.
#[rpc_service]
pub trait Store {
    /// What is kept under a key.
    #[rpc(idempotent, retry(attempts = 3, base = "20ms"))]
    async fn get(&self, #[rpc(key)] key: &str) -> Result<Option<String>, NoQuorum>;
    /// Keeps something under a key, in place of what was there.
    #[rpc(idempotent, retry(attempts = 3, base = "20ms"))]
    async fn put(&self, #[rpc(key)] key: &str, value: &str) -> Result<(), NoQuorum>;
}

/// What the nodes say to each other.
#[rpc_service]
pub trait Replica {
    /// The copy that is here.
    #[rpc(idempotent)]
    async fn read(&self, key: &str) -> Option<Copy>;
    /// Keeps a copy, unless a newer one is here.
    #[rpc(idempotent)]
    async fn write(&self, key: &str, copy: &Copy);
}

/// A value and how new it is: a count, and the node that counted.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Copy {
    version: (u64, usize),
    value: String,
}

/// Fewer than two of three nodes have answered.
#[derive(Debug, Deserialize, Serialize)]
pub struct NoQuorum;

impl std::fmt::Display for NoQuorum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("fewer than two nodes have answered")
    }
}

impl Error for NoQuorum {}

#[derive(Default)]
struct Node {
    number: usize,
    copies: Mutex<HashMap<String, Copy>>,
    /// All of them, this one included.
    nodes: OnceLock<Vec<ReplicaClient>>,
    /// How often it was the home of a key that was written.
    written: AtomicUsize,
}

impl Node {
    fn nodes(&self) -> &[ReplicaClient] {
        self.nodes.get().map_or(&[], |nodes| nodes)
    }

    async fn newest(&self, key: &str) -> Result<Option<Copy>, NoQuorum> {
        let copies = quorum(self.nodes().iter().map(|node| node.read(key))).await?;
        Ok(copies.into_iter().flatten().max_by_key(|copy| copy.version))
    }
}

/// The first two answers of three. Two sets of two have a node in common, so that who reads meets what was written.
async fn quorum<T>(
    calls: impl Iterator<Item = impl Future<Output = Result<T, CallError>>>,
) -> Result<Vec<T>, NoQuorum> {
    let mut calls: FuturesUnordered<_> = calls.collect();
    let mut answers = Vec::new();
    while let Some(answer) = calls.next().await {
        answers.extend(answer);
        if answers.len() == 2 {
            return Ok(answers);
        }
    }
    Err(NoQuorum)
}

impl Store for Arc<Node> {
    async fn get(&self, key: &str) -> Result<Option<String>, NoQuorum> {
        Ok(self.newest(key).await?.map(|copy| copy.value))
    }

    async fn put(&self, key: &str, value: &str) -> Result<(), NoQuorum> {
        self.written.fetch_add(1, Ordering::Relaxed);
        let (count, _) = self.newest(key).await?.unwrap_or_default().version;
        let copy = Copy { version: (count + 1, self.number), value: value.to_owned() };
        quorum(self.nodes().iter().map(|node| node.write(key, &copy))).await.map(drop)
    }
}

impl Replica for Arc<Node> {
    async fn read(&self, key: &str) -> Option<Copy> {
        self.copies.lock().get(key).cloned()
    }

    async fn write(&self, key: &str, copy: &Copy) {
        let mut copies = self.copies.lock();
        if copies.get(key).is_none_or(|have| have.version < copy.version) {
            copies.insert(key.to_owned(), copy.clone());
        }
    }
}

/// A node with a runtime of its own, so that it can be killed.
struct Running {
    node: Arc<Node>,
    address: String,
    runtime: Runtime,
}

fn start(number: usize) -> Result<Running, Box<dyn Error>> {
    let runtime = Runtime::new()?;
    let node = Arc::new(Node { number, ..Node::default() });
    let (store, replica) = (StoreServer::new(Arc::clone(&node)), ReplicaServer::new(Arc::clone(&node)));
    let bound = Server::builder().service(store).service(replica).bind("tcp://127.0.0.1:0");
    let server = runtime.block_on(bound)?;
    let address = server.addresses()[0].clone();
    runtime.spawn(server.serve());
    Ok(Running { node, address, runtime })
}

fn main() -> Result<(), Box<dyn Error>> {
    let nodes = [start(0)?, start(1)?, start(2)?];
    for running in &nodes {
        let clients = nodes.iter().map(|node| Channel::builder().lazy(&node.address).map(ReplicaClient::new));
        let _ = running.node.nodes.set(clients.collect::<Result<_, _>>()?);
    }
    Runtime::new()?.block_on(run(nodes))
}

async fn run(nodes: [Running; 3]) -> Result<(), Box<dyn Error>> {
    let address = format!("static://{}", nodes.each_ref().map(|node| node.address.as_str()).join(","));
    let channel = Channel::builder().balance(Algorithm::consistent_hash()).connect(&address).await?;
    let store = StoreClient::new(channel);

    write(&store, 0..150).await?;
    let homes = nodes.each_ref().map(|node| node.node.written.load(Ordering::Relaxed));
    println!("150 keys are written, at home on: {homes:?}");

    let [first, killed, third] = nodes;
    let writing = tokio::spawn({
        let store = store.clone();
        async move { write(&store, 150..300).await.map_err(|error| error.to_string()) }
    });
    killed.runtime.shutdown_background();
    println!("one of three nodes is killed");
    writing.await??;

    let mut right = 0;
    for n in 0..300 {
        right += usize::from(store.get(&format!("key {n}")).await? == Some(format!("value {n}")));
    }
    println!("{right} of 300 keys have the right value");
    drop(store);
    // Runtimes may not be dropped within another one.
    [first, third].into_iter().for_each(|node| node.runtime.shutdown_background());
    Ok(())
}

async fn write(store: &StoreClient, keys: std::ops::Range<usize>) -> Result<(), CallError<NoQuorum>> {
    for n in keys {
        store.put(&format!("key {n}"), &format!("value {n}")).await?;
    }
    Ok(())
}
