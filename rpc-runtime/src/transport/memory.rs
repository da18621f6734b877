//! Owns [`Memory`]: pipes within one process, bounded and with backpressure, for tests and loopback.

use std::collections::BTreeMap;
use std::io;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::io::{DuplexStream, duplex};
use tokio::sync::mpsc;

use crate::transport::{Link, Listener, Transport};

/// Memory: `mem://name`, for both ends in one process.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has no settings of its own")]
pub struct Memory;

/// Who listens at which name. One table for the process: that is what makes a name an address.
static LISTENERS: Mutex<BTreeMap<String, mpsc::Sender<DuplexStream>>> = Mutex::new(BTreeMap::new());

/// Bytes that one direction holds before its writer waits.
const CAPACITY: usize = 64 * 1024;

/// Links that wait to be accepted.
const BACKLOG: usize = 128;

/// Both ends of a pipe.
pub fn pipe() -> (Link, Link) {
    let (one, other) = duplex(CAPACITY);
    (Link::local(one, ""), Link::local(other, ""))
}

#[async_trait]
impl Transport for Memory {
    fn scheme(&self) -> &'static str {
        "mem"
    }

    async fn connect(&self, address: &str) -> io::Result<Link> {
        let listener = LISTENERS.lock().get(address).cloned();
        let refused = || {
            let text = format!("nobody listens at `mem://{address}` in this process");
            io::Error::new(io::ErrorKind::ConnectionRefused, text)
        };
        let (own, other) = duplex(CAPACITY);
        listener.ok_or_else(refused)?.send(other).await.map_err(|_| refused())?;
        Ok(Link::local(own, address))
    }

    async fn bind(&self, address: &str) -> io::Result<Box<dyn Listener>> {
        let mut listeners = LISTENERS.lock();
        if listeners.get(address).is_some_and(|listener| !listener.is_closed()) {
            let text = format!("somebody listens at `mem://{address}` already");
            return Err(io::Error::new(io::ErrorKind::AddrInUse, text));
        }
        let (sender, links) = mpsc::channel(BACKLOG);
        listeners.insert(address.to_owned(), sender);
        Ok(Box::new(Bound { name: address.to_owned(), links }))
    }
}

struct Bound {
    name: String,
    links: mpsc::Receiver<DuplexStream>,
}

#[async_trait]
impl Listener for Bound {
    async fn accept(&mut self) -> io::Result<Link> {
        match self.links.recv().await {
            Some(end) => Ok(Link::local(end, self.name.clone())),
            // The table holds a sender as long as this lives.
            None => std::future::pending().await,
        }
    }

    fn address(&self) -> String {
        self.name.clone()
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        // Both under the lock: a name that looks closed may be bound anew, and would be taken away from its new owner.
        let mut listeners = LISTENERS.lock();
        self.links.close();
        listeners.remove(&self.name);
    }
}
