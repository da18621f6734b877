//! A small service, servers and directories in a line, and waiting for what must come.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use traitwire::discovery::{Directory, DirectoryConfig, Discovery, Known};
use traitwire::{Drained, Server, ServerBuilder, ServerHandle, rpc_service};

#[rpc_service]
pub(crate) trait Calculator {
    #[rpc(idempotent)]
    async fn add(&self, a: i64, b: i64) -> i64;
}

pub(crate) struct Basic;

impl Calculator for Basic {
    async fn add(&self, a: i64, b: i64) -> i64 {
        a + b
    }
}

/// A server at work.
pub(crate) struct Served {
    pub(crate) address: String,
    pub(crate) handle: ServerHandle,
    pub(crate) done: JoinHandle<Drained>,
}

/// Serves until told otherwise; aborting `done` is a crash.
pub(crate) async fn serve(builder: ServerBuilder, uri: &str) -> Served {
    let server = builder.bind(uri).await.unwrap();
    let (address, handle) = (server.addresses()[0].clone(), server.handle());
    let done = tokio::spawn(async move { server.serve().await.unwrap() });
    Served { address, handle, done }
}

/// A calculator at any port.
pub(crate) async fn calculator(register: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Served {
    let builder = Server::builder().service(CalculatorServer::new(Basic));
    serve(register(builder), "tcp://127.0.0.1:0").await
}

/// What a source says, kept as a client keeps it.
pub(crate) struct Watched {
    _directory: Directory,
    pub(crate) known: watch::Receiver<Known>,
}

impl Watched {
    pub(crate) fn new(source: Arc<dyn Discovery>) -> Self {
        let directory = Directory::start(source, DirectoryConfig::default());
        let known = directory.subscribe();
        Self { _directory: directory, known }
    }

    pub(crate) fn addresses(&self) -> Vec<String> {
        addresses(&self.known.borrow())
    }

    /// Waits until these are known, in any order, and says how long that took. Fails after ten seconds.
    pub(crate) async fn until(&mut self, expected: &[&str]) -> Duration {
        let mut expected: Vec<_> = expected.iter().map(|&address| address.to_owned()).collect();
        expected.sort();
        let began = Instant::now();
        let seen = self.known.wait_for(|known| addresses(known) == expected);
        let in_time = tokio::time::timeout(Duration::from_secs(10), seen).await.is_ok();
        assert!(in_time, "expected {expected:?}, known {:?}", self.known.borrow());
        began.elapsed()
    }
}

fn addresses(known: &Known) -> Vec<String> {
    known.endpoints.iter().map(|endpoint| endpoint.address().to_owned()).collect()
}
