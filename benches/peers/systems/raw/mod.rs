//! The limit: tokio, a length before each message, and nothing that a framework adds: no deadlines, no limits, no
//! cancellation, no tracing, and a peer that is trusted. What it does, it does as well as it simply can: one write for
//! all that waits, pending calls in a slab, answers inline.

mod client;
mod frame;
mod server;

use std::sync::Arc;

use bytes::Bytes;
use tokio::io::{duplex, split};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::count::Counter;
use crate::systems::{Failure, Over, Place, System};

/// Bytes that a pipe in memory holds in either direction: as many as ours.
const PIPE: usize = 64 * 1024;

#[derive(Clone)]
pub(crate) struct Raw(Arc<client::Connection>);

impl System for Raw {
    async fn serve(place: &Place, listening: fn(&str)) -> Result<(), Failure> {
        match place.over {
            Over::Tcp => {
                let listener = TcpListener::bind("127.0.0.1:0").await?;
                listening(&listener.local_addr()?.to_string());
                loop {
                    let (socket, _) = listener.accept().await?;
                    socket.set_nodelay(true)?;
                    tokio::spawn(server::answer(socket));
                }
            }
            Over::Unix => {
                let path = place.socket();
                let listener = UnixListener::bind(&path)?;
                listening(&path.display().to_string());
                loop {
                    let (socket, _) = listener.accept().await?;
                    tokio::spawn(server::answer(socket));
                }
            }
            Over::Tls | Over::Memory => place.unknown(),
        }
    }

    async fn connect(place: &Place, address: &str) -> Result<Self, Failure> {
        let connection = match place.over {
            Over::Tcp => {
                let socket = TcpStream::connect(address).await?;
                socket.set_nodelay(true)?;
                let (reading, writing) = socket.into_split();
                client::Connection::open(reading, writing)
            }
            Over::Unix => {
                let (reading, writing) = UnixStream::connect(address).await?.into_split();
                client::Connection::open(reading, writing)
            }
            Over::Memory => {
                let (ours, theirs) = duplex(PIPE);
                tokio::spawn(server::answer(theirs));
                let (reading, writing) = split(ours);
                client::Connection::open(reading, writing)
            }
            Over::Tls => return place.unknown(),
        };
        Ok(Self(connection))
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
