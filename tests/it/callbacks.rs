//! Calls in the other direction: servers that call their clients, on the clients' own connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::{StreamExt, stream};
use parking_lot::Mutex;
use tokio::sync::Notify;
use traitwire::{Call, CallError, Channel, Code, Context, RpcError, Server, Streaming, rpc_service};

use super::support::{socket_path, until};

/// What a worker does for its scheduler.
#[rpc_service]
pub(crate) trait Worker {
    async fn work(&self, task: u32) -> u32;
    async fn total(&self, values: Streaming<u32>) -> u32;
    async fn slow(&self) -> u64;
}

#[rpc_service]
pub(crate) trait Scheduler {
    /// The scheduler keeps the worker beyond this call.
    async fn register(&self) -> bool;
    /// Has the caller do these tasks, and answers what came of them.
    async fn have_done(&self, tasks: Vec<u32>) -> Vec<u32>;
    async fn have_summed(&self, count: u32) -> u32;
    /// Has the caller do these tasks, and sum them, when the desk's gate is opened.
    async fn have_done_later(&self, tasks: Vec<u32>) -> Result<(Vec<u32>, u32), String>;
    /// What the caller's slow method has left of this call's time, in milliseconds.
    async fn have_slow(&self) -> Result<u64, String>;
}

#[derive(Clone, Default)]
struct Desk {
    workers: Arc<Mutex<Vec<WorkerClient>>>,
    waiting: Arc<AtomicU32>,
    gate: Arc<Notify>,
}

fn caller() -> WorkerClient {
    Context::current().peer_client().expect("the call came by a connection")
}

impl Scheduler for Desk {
    async fn register(&self) -> bool {
        self.workers.lock().push(caller());
        true
    }

    async fn have_done(&self, tasks: Vec<u32>) -> Vec<u32> {
        let worker = caller();
        let calls: Vec<Call<_, _>> = tasks.into_iter().map(|task| worker.work(task)).collect();
        futures::future::join_all(calls).await.into_iter().map(Result::unwrap).collect()
    }

    async fn have_summed(&self, count: u32) -> u32 {
        caller().total(stream::iter(0..count)).await.unwrap()
    }

    async fn have_done_later(&self, tasks: Vec<u32>) -> Result<(Vec<u32>, u32), String> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        self.gate.notified().await;
        let told = |error: CallError| error.to_string();
        let (worker, mut done) = (caller(), Vec::new());
        let sum = worker.total(stream::iter(tasks.clone())).await.map_err(told)?;
        for task in tasks {
            done.push(worker.work(task).await.map_err(told)?);
        }
        Ok((done, sum))
    }

    async fn have_slow(&self) -> Result<u64, String> {
        caller().slow().await.map_err(|error| error.to_string())
    }
}

#[derive(Clone, Default)]
struct Hand {
    dropped: Arc<Mutex<u32>>,
}

impl Worker for Hand {
    async fn work(&self, task: u32) -> u32 {
        tokio::task::yield_now().await;
        task + 1
    }

    async fn total(&self, values: Streaming<u32>) -> u32 {
        values.map(Result::unwrap).fold(0, |sum, value| std::future::ready(sum + value)).await
    }

    async fn slow(&self) -> u64 {
        struct Dropped(Arc<Mutex<u32>>);
        impl Drop for Dropped {
            fn drop(&mut self) {
                *self.0.lock() += 1;
            }
        }
        let _dropped = Dropped(Arc::clone(&self.dropped));
        std::future::pending::<()>().await;
        0
    }
}

#[tokio::test]
async fn a_server_calls_its_client_over_every_transport() {
    let path = format!("unix://{}", socket_path("callbacks"));
    for uri in ["tcp://127.0.0.1:0", "mem://callbacks", path.as_str()] {
        let server =
            Server::builder().service(SchedulerServer::new(Desk::default())).bind(uri).await.unwrap();
        let (uri, handle) = (server.addresses()[0].clone(), server.handle());
        let done = tokio::spawn(async move { server.serve().await.unwrap() });
        let channel = Channel::builder().service(WorkerServer::new(Hand::default())).connect(&uri).await;
        both_ways(&SchedulerClient::new(channel.unwrap())).await;
        handle.shutdown();
        assert_eq!(done.await.unwrap().cut, 0);
    }
    let builder = Channel::builder().service(WorkerServer::new(Hand::default()));
    both_ways(&SchedulerClient::new(builder.loopback(SchedulerServer::new(Desk::default())))).await;
}

/// A server and a client of it at each kind of address, with a handler that waits to call back.
async fn with_a_handler_that_waits(name: &str, test: impl AsyncFn(Server, Channel, &Desk)) {
    let path = format!("unix://{}", socket_path(name));
    for uri in ["tcp://127.0.0.1:0", &format!("mem://{name}"), &path] {
        let desk = Desk::default();
        let server = Server::builder().service(SchedulerServer::new(desk.clone())).bind(uri).await.unwrap();
        let channel = Channel::builder().service(WorkerServer::new(Hand::default()));
        let channel = channel.lazy(&server.addresses()[0]).unwrap();
        test(server, channel, &desk).await;
    }
}

#[tokio::test]
async fn a_handler_may_call_back_while_its_server_drains() {
    with_a_handler_that_waits("called-back-draining", async |server, channel, desk| {
        let handle = server.handle();
        let done = tokio::spawn(async move { server.serve().await.unwrap() });
        let scheduler = SchedulerClient::new(channel);
        let late = tokio::spawn(scheduler.have_done_later((0..50).collect()));
        until("its handler waits", || desk.waiting.load(Ordering::SeqCst) == 1).await;
        handle.shutdown();
        // Refused or without a connection: the server has said GOAWAY.
        while scheduler.have_done(vec![1]).await.is_ok() {}
        desk.gate.notify_one();
        assert_eq!(late.await.unwrap().unwrap(), ((1..51).collect(), 49 * 25));
        assert_eq!(done.await.unwrap().cut, 0);
    })
    .await;
}

#[tokio::test]
async fn a_handler_may_call_back_while_its_client_closes() {
    with_a_handler_that_waits("called-back-closing", async |server, channel, desk| {
        let handle = server.handle();
        let done = tokio::spawn(async move { server.serve().await.unwrap() });
        let scheduler = SchedulerClient::new(channel.clone());
        assert!(scheduler.register().await.unwrap());
        let first = desk.workers.lock().pop().unwrap();
        let late = tokio::spawn(scheduler.have_done_later((0..50).collect()));
        until("its handler waits", || desk.waiting.load(Ordering::SeqCst) == 1).await;
        channel.close();
        // A connection of its own.
        assert_eq!(scheduler.have_done(vec![1]).await.unwrap(), [2]);
        desk.gate.notify_one();
        assert_eq!(late.await.unwrap().unwrap(), ((1..51).collect(), 49 * 25));
        // All that the first connection had is done: it ends, and takes nothing with it.
        while let Ok(done) = first.work(1).await {
            assert_eq!(done, 2);
        }
        assert_eq!(scheduler.have_done(vec![1]).await.unwrap(), [2]);
        handle.shutdown();
        assert_eq!(done.await.unwrap().cut, 0);
    })
    .await;
}

async fn both_ways(scheduler: &SchedulerClient) {
    let done = scheduler.have_done((0..200).collect()).await.unwrap();
    assert_eq!(done, (1..201).collect::<Vec<_>>());
    assert_eq!(scheduler.have_summed(20_000).await.unwrap(), 19_999 * 10_000);
}

#[tokio::test]
async fn a_worker_is_handed_tasks_after_its_call_and_while_its_connection_lives() {
    let desk = Desk::default();
    let workers = Arc::clone(&desk.workers);
    let server =
        Server::builder().service(SchedulerServer::new(desk)).bind("tcp://127.0.0.1:0").await.unwrap();
    let uri = server.addresses()[0].clone();
    tokio::spawn(async move { server.serve().await.unwrap() });
    let channel = Channel::builder().service(WorkerServer::new(Hand::default())).connect(&uri).await.unwrap();
    assert!(SchedulerClient::new(channel.clone()).register().await.unwrap());
    let worker = workers.lock()[0].clone();
    assert_eq!(worker.work(4).await.unwrap(), 5);
    // Dropping what the server holds of it takes nothing from the client.
    workers.lock().clear();
    assert!(SchedulerClient::new(channel.clone()).register().await.unwrap());
    channel.close();
    drop(channel);
    let mut last = None;
    for _ in 0..5_000 {
        match worker.work(4).await {
            Ok(_) => tokio::time::sleep(Duration::from_millis(1)).await,
            Err(error) => {
                last = error.rpc().cloned();
                break;
            }
        }
    }
    let error = last.expect("the connection ends");
    assert_eq!(error.code(), Code::UNAVAILABLE, "{error}");
    assert!(error.delivery().is_harmless(), "{error}");
}

#[tokio::test]
async fn a_client_that_serves_nothing_says_so() {
    let scheduler = SchedulerClient::loopback(Desk::default());
    let error = scheduler.have_slow().await.unwrap_err();
    assert!(error.to_string().contains("is not served here"), "{error}");
    assert!(Context::current().peer_client::<WorkerClient>().is_none(), "there is no call here");
}

#[tokio::test(start_paused = true)]
async fn deadlines_and_cancels_reach_the_clients_handler() {
    let hand = Hand::default();
    let dropped = Arc::clone(&hand.dropped);
    let builder = Channel::builder().service(WorkerServer::new(hand));
    let scheduler = SchedulerClient::new(builder.loopback(SchedulerServer::new(Desk::default())));
    let error = scheduler.have_slow().timeout(Duration::from_secs(3)).await.unwrap_err();
    let error: &RpcError = error.rpc().unwrap();
    assert_eq!(error.code(), Code::DEADLINE_EXCEEDED, "{error}");
    until("the client's handler is dropped", || *dropped.lock() == 1).await;
    let call = tokio::spawn(scheduler.have_slow());
    tokio::time::sleep(Duration::from_secs(1)).await;
    call.abort();
    until("the client's handler is dropped", || *dropped.lock() == 2).await;
}
