//! Writes to the transport: calls that come together share one.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};
use traitwire::transport::{Link, Listener, Transport};
use traitwire::{Channel, Server};

use crate::load::{Callers, Plain, SumsClient, SumsServer, runtime};

const WARM_UP: u64 = 1_000;
const CALLS: u64 = 10_000;

/// Writes that a call may cost at either side, with 64 of them in flight.
const MOST: f64 = 0.1;

#[test]
fn calls_in_flight_share_writes() {
    let (one, other) = duplex(64 * 1024);
    let (of_client, of_server) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let at_client = Counted::new(one, &of_client);
    let at_server = Counted::new(other, &of_server);
    let written = || (of_client.load(Ordering::Relaxed), of_server.load(Ordering::Relaxed));
    runtime().block_on(async {
        let server = Server::builder().service(SumsServer::new(Plain)).transport(at_server);
        tokio::spawn(server.bind("counted://here").await.unwrap().serve());
        let channel = Channel::builder().transport(at_client).connect("counted://here").await.unwrap();
        let callers = Callers::start(&SumsClient::new(channel), 64);
        callers.until(WARM_UP).await;
        let before = written();
        let calls = callers.until(CALLS).await as f64;
        let after = written();
        callers.stop().await;
        let each = ((after.0 - before.0) as f64 / calls, (after.1 - before.1) as f64 / calls);
        println!("64 in flight: client {:.4}, server {:.4} writes a call", each.0, each.1);
        assert!(each.0 <= MOST && each.1 <= MOST, "{each:?}");
        assert!(each.0 > 0.0 && each.1 > 0.0, "the writes were counted");
    });
}

/// One end of a pipe, as a transport that gives it away once.
struct Counted(Arc<Mutex<Option<Counting>>>);

impl Counted {
    fn new(pipe: DuplexStream, writes: &Arc<AtomicU64>) -> Self {
        Self(Arc::new(Mutex::new(Some(Counting { pipe, writes: Arc::clone(writes) }))))
    }
}

#[async_trait]
impl Transport for Counted {
    fn scheme(&self) -> &'static str {
        "counted"
    }

    async fn connect(&self, _: &str) -> io::Result<Link> {
        let pipe = self.0.lock().take().ok_or(io::ErrorKind::ConnectionRefused)?;
        Ok(Link::local(pipe, ""))
    }

    async fn bind(&self, _: &str) -> io::Result<Box<dyn Listener>> {
        Ok(Box::new(Self(Arc::clone(&self.0))))
    }
}

#[async_trait]
impl Listener for Counted {
    async fn accept(&mut self) -> io::Result<Link> {
        match Transport::connect(self, "").await {
            Ok(link) => Ok(link),
            Err(_) => std::future::pending().await,
        }
    }

    fn address(&self) -> String {
        "here".to_owned()
    }
}

/// A pipe whose writes are counted.
struct Counting {
    pipe: DuplexStream,
    writes: Arc<AtomicU64>,
}

impl AsyncRead for Counting {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Counting {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.pipe).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_shutdown(cx)
    }
}
