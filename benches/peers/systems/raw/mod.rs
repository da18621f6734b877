//! The limit: tokio, a length before each message, and nothing that a framework adds: no deadlines, no limits, no
//! cancellation, no tracing, and a peer that is trusted. What it does, it does as well as it simply can: one write for
//! all that waits, pending calls in a slab, answers inline.

mod client;
mod frame;
mod server;

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use tokio::net::{TcpListener, TcpStream};

use crate::count::Counter;
use crate::systems::{Failure, System};

#[derive(Clone)]
pub(crate) struct Raw(Arc<client::Connection>);

impl System for Raw {
    async fn serve(listening: fn(SocketAddr)) -> Result<(), Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        listening(listener.local_addr()?);
        loop {
            let (socket, _) = listener.accept().await?;
            socket.set_nodelay(true)?;
            tokio::spawn(server::answer(socket));
        }
    }

    async fn connect(address: SocketAddr) -> Result<Self, Failure> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        Ok(Self(client::Connection::open(socket)))
    }

    async fn add(&mut self, a: i64, b: i64) -> Result<i64, Failure> {
        self.0.add(a, b).await
    }

    async fn echo(&mut self, body: &Bytes) -> Result<usize, Failure> {
        Ok(self.0.echo(body).await?.len())
    }

    async fn items(&mut self, count: u64, seen: &Counter) -> Result<(), Failure> {
        let mut batches = self.0.items(count);
        let mut left = count;
        while left > 0 {
            let batch = batches.recv().await.ok_or("the connection ended")?;
            left -= batch.len() as u64;
            for item in batch {
                std::hint::black_box(item);
                seen.add(1);
            }
        }
        Ok(())
    }
}
