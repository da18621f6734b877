//! Calls in the other direction: servers that call their clients, on the clients' own connections.

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use parking_lot::Mutex;
use traitwire::{Call, Channel, Code, Context, RpcError, Server, Streaming, rpc_service};

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
    /// What the caller's slow method has left of this call's time, in milliseconds.
    async fn have_slow(&self) -> Result<u64, String>;
}

#[derive(Clone, Default)]
struct Desk {
    workers: Arc<Mutex<Vec<WorkerClient>>>,
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
