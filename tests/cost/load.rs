//! Owns the service that is called, a server in a thread of its own, and callers that keep so many calls in flight.
//! Counts nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;

use bytes::Bytes;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use traitwire::{Server, ServerHandle, rpc_service};
use traitwire_allocations::Thread;

#[rpc_service]
pub(crate) trait Sums {
    async fn add(&self, #[rpc(key)] a: i64, b: i64) -> i64;
    async fn echo(&self, body: Bytes) -> Bytes;
}

#[derive(Debug)]
pub(crate) struct Plain;

impl Sums for Plain {
    async fn add(&self, a: i64, b: i64) -> i64 {
        a + b
    }

    async fn echo(&self, body: Bytes) -> Bytes {
        body
    }
}

/// A runtime of one thread, the one that it is made in.
pub(crate) fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// A runtime whose clock stands still: however slow a build is, its handlers stay within their time.
pub(crate) fn timeless() -> Runtime {
    Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}

/// A server in a thread of its own, which can be asked what that thread has allocated.
pub(crate) struct Remote {
    pub(crate) thread: Thread,
    pub(crate) address: String,
    handle: ServerHandle,
    ended: Option<JoinHandle<()>>,
}

impl Remote {
    pub(crate) fn start() -> Self {
        let (told, ready) = mpsc::channel();
        let ended = std::thread::spawn(move || {
            timeless().block_on(async {
                // A clock that stands still goes on when nothing else does, but not while a thread is blocked.
                let (_ended, end) = mpsc::channel::<()>();
                tokio::task::spawn_blocking(move || end.recv());
                let server = Server::builder().service(SumsServer::new(Plain));
                // At all addresses of this machine, so that it can stand for many.
                let server = server.bind("tcp://0.0.0.0:0").await.unwrap();
                let address = server.addresses()[0].replace("0.0.0.0", "127.0.0.1");
                told.send((Thread::this(), address, server.handle())).unwrap();
                server.serve().await.unwrap();
            });
        });
        let (thread, address, handle) = ready.recv().unwrap();
        Self { thread, address, handle, ended: Some(ended) }
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.handle.shutdown();
        if let Some(ended) = self.ended.take() {
            ended.join().unwrap();
        }
    }
}

/// Callers that keep calls in flight, and count those that are done.
pub(crate) struct Callers {
    shared: Arc<Shared>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    done: AtomicU64,
    /// When to tell.
    awaited: AtomicU64,
    reached: Notify,
    stop: AtomicBool,
}

impl Callers {
    /// So many tasks on this runtime, each with one call at a time.
    pub(crate) fn start(client: &SumsClient, in_flight: usize) -> Self {
        let shared = Arc::new(Shared::default());
        let caller = || call(client.clone(), Arc::clone(&shared));
        let tasks = (0..in_flight).map(|_| tokio::spawn(caller())).collect();
        Self { shared, tasks }
    }

    /// Waits until so many further calls are done; says how many there were in the end.
    pub(crate) async fn until(&self, calls: u64) -> u64 {
        let before = self.shared.done.load(Ordering::Relaxed);
        self.shared.awaited.store(before + calls, Ordering::Relaxed);
        self.shared.reached.notified().await;
        self.shared.done.load(Ordering::Relaxed) - before
    }

    pub(crate) async fn stop(self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
    }
}

async fn call(client: SumsClient, shared: Arc<Shared>) {
    while !shared.stop.load(Ordering::Relaxed) {
        assert_eq!(client.add(40, 2).await.unwrap(), 42);
        let done = shared.done.fetch_add(1, Ordering::Relaxed) + 1;
        if done == shared.awaited.load(Ordering::Relaxed) {
            shared.reached.notify_one();
        }
    }
}
