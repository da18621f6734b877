//! Owns [`Relay`]: a way to etcd that a test can cut, while etcd itself goes on.

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// A port that leads to another one.
pub(crate) struct Relay {
    pub(crate) port: u16,
    to: u16,
    task: JoinHandle<()>,
}

impl Relay {
    pub(crate) async fn new(to: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        Self { port, to, task: tokio::spawn(relay(listener, to)) }
    }

    /// Ends all connections, and takes no more.
    pub(crate) async fn cut(&mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }

    /// Leads there again.
    pub(crate) async fn mend(&mut self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await.unwrap();
        self.task = tokio::spawn(relay(listener, self.to));
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn relay(listener: TcpListener, to: u16) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((mut from, _)) = listener.accept().await else { return };
        connections.spawn(async move {
            if let Ok(mut to) = TcpStream::connect(("127.0.0.1", to)).await {
                let _ = copy_bidirectional(&mut from, &mut to).await;
            }
        });
    }
}
