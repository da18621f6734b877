//! Owns [`Host`]: a machine of a simulated network, which is a transport for what runs on it. Does not hold the state of
//! the network (`fabric`).

use std::fmt;
use std::io;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::call::{Code, Delivery, Handler, HandlerFuture, Request, RpcError};
use crate::client::Channel;
use crate::server::ServerBuilder;
use crate::testing::lab::{End, Lab};
use crate::testing::report::Happening;
use crate::testing::traffic::{Connect, Knock};
use crate::transport::{Link, Listener, Transport};

/// A machine of a [`Network`](super::Network), and the [`Transport`] of whatever runs on it: addresses are
/// `sim://host:port`.
///
/// ```
/// # use traitwire::testing::Network;
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use traitwire::Channel;
/// let network = Network::seeded(1);
/// let client = network.host("client");
/// let channel = Channel::builder().transport(client).lazy("sim://server:1")?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Host {
    lab: Arc<Lab>,
    name: Arc<str>,
    /// The one life that it belongs to; `None` for whichever there is.
    life: Option<u64>,
}

/// Links that wait to be accepted.
const BACKLOG: usize = 128;

impl Host {
    pub(super) const fn new(lab: Arc<Lab>, name: Arc<str>) -> Self {
        Self { lab, name, life: None }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A channel from this host to an address such as `sim://server:1`, with the default settings.
    ///
    /// # Panics
    ///
    /// When the address is none.
    pub fn channel(&self, uri: &str) -> Channel {
        let channel = Channel::builder().transport(self.clone()).lazy(uri);
        channel.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Serves at a port of this host, now and after each restart: `server` is asked for a server each time.
    ///
    /// Its handlers are dropped when the host crashes, those of oneway calls included.
    ///
    /// # Panics
    ///
    /// In its task, when the port is taken or two services have the same name.
    pub fn serve(&self, port: u16, server: impl Fn() -> ServerBuilder + Send + Sync + 'static) {
        self.start(move |host| {
            let over = host.over();
            let server = server().transport(host.clone()).layer(move |inner| Mortal { inner, over });
            async move {
                let bound = server.bind(&format!("sim://{}:{port}", host.name)).await;
                let served = bound.unwrap_or_else(|error| panic!("{error}")).serve().await;
                served.unwrap_or_else(|error| panic!("{error}"));
            }
        });
    }

    /// Runs a program on this host, now and after each restart. It is given the host in its new life, and it is
    /// [dropped](Self::spawn) when that ends.
    pub fn start<F: Future<Output = ()> + Send + 'static>(
        &self,
        program: impl Fn(Self) -> F + Send + Sync + 'static,
    ) {
        let (lab, name) = (Arc::downgrade(&self.lab), Arc::clone(&self.name));
        let start = Arc::new(move |life| {
            if let Some(lab) = Weak::upgrade(&lab) {
                let host = Self { lab, name: Arc::clone(&name), life: Some(life) };
                host.spawn(program(host.clone()));
            }
        });
        let life = self.lab.with(|fabric, _| {
            let host = fabric.hosts.get_mut(&self.name)?;
            host.starts.push(start.clone());
            host.is_up.then_some(host.life)
        });
        if let Some(life) = life {
            start(life);
        }
    }

    /// Runs a task on this host, which is dropped when the host crashes or vanishes. Tasks that it spawns with
    /// `tokio::spawn` are not: spawn them here as well, or hold them in a `JoinSet`. On a host that is down it is dropped
    /// at once.
    pub fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let task = tokio::spawn(task);
        let is_taken = self.lab.with(|fabric, _| {
            let Some(host) = fabric.hosts.get_mut(&self.name) else { return false };
            host.tasks.retain(|task| !task.is_finished());
            let lives = host.is_up && self.life.is_none_or(|life| life == host.life);
            if lives {
                host.tasks.push(task.abort_handle());
            }
            lives
        });
        if !is_taken {
            task.abort();
        }
        task
    }

    /// Tells the end of this life.
    fn over(&self) -> watch::Receiver<bool> {
        self.lab.with(|fabric, _| match fabric.hosts.get(&self.name) {
            Some(host) if self.life.is_none_or(|life| life == host.life) => host.over.subscribe(),
            _ => watch::Sender::new(true).subscribe(),
        })
    }

    /// The life that something that begins now belongs to.
    fn present(&self) -> u64 {
        let present = || self.lab.with(|fabric, _| fabric.hosts.get(&self.name).map_or(0, |host| host.life));
        self.life.unwrap_or_else(present)
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Host({})", self.name)
    }
}

#[async_trait]
impl Transport for Host {
    fn scheme(&self) -> &'static str {
        "sim"
    }

    async fn connect(&self, address: &str) -> io::Result<Link> {
        let (to, port) = parse(address)?;
        let connect = Connect { from: Arc::clone(&self.name), life: self.present(), to, port };
        loop {
            // Before looking, so that no change is missed in between.
            let changed = self.lab.changed.notified();
            let arrived = match self.lab.with(|fabric, now| fabric.set_out(&connect, now))? {
                Knock::UnderWay(time) => {
                    tokio::time::sleep(time).await;
                    self.lab.with(|fabric, now| fabric.knock(&connect, now))
                }
                hangs => hangs,
            };
            match arrived {
                Knock::Accepted(number, wakers, back) => {
                    let end = End::new(Arc::clone(&self.lab), number, 0, wakers);
                    tokio::time::sleep(back).await;
                    return Ok(Link::new(end, address));
                }
                Knock::Refused(back) => {
                    tokio::time::sleep(back).await;
                    let text = format!("nobody listens at `sim://{address}`");
                    return Err(io::Error::new(io::ErrorKind::ConnectionRefused, text));
                }
                Knock::Hangs | Knock::UnderWay(_) => changed.await,
            }
        }
    }

    async fn bind(&self, address: &str) -> io::Result<Box<dyn Listener>> {
        let (name, port) = parse(address)?;
        if *name != *self.name {
            let text = format!("`{address}` is not of the host `{}`", self.name);
            return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, text));
        }
        let (sender, connections) = mpsc::channel(BACKLOG);
        let life = self.present();
        self.lab.with(|fabric, now| {
            if !fabric.lives(&self.name, life) {
                let text = format!("the host `{}` is down", self.name);
                return Err(io::Error::new(io::ErrorKind::NetworkDown, text));
            }
            let host = fabric
                .hosts
                .get_mut(&self.name)
                .filter(|host| host.listeners.get(&port).is_none_or(mpsc::Sender::is_closed));
            let Some(host) = host else {
                let text = format!("somebody listens at `sim://{address}` already");
                return Err(io::Error::new(io::ErrorKind::AddrInUse, text));
            };
            host.listeners.insert(port, sender);
            fabric.note(now, Happening::Listening { host: name, port });
            Ok(())
        })?;
        let (lab, address) = (Arc::clone(&self.lab), address.to_owned());
        Ok(Box::new(Bound { lab, address, connections }))
    }
}

fn parse(address: &str) -> io::Result<(String, u16)> {
    let parts = address.rsplit_once(':').and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
    parts.ok_or_else(|| {
        let text = format!("`sim://{address}` is no address: one looks like `sim://server:1`");
        io::Error::new(io::ErrorKind::InvalidInput, text)
    })
}

struct Bound {
    lab: Arc<Lab>,
    address: String,
    connections: mpsc::Receiver<u64>,
}

#[async_trait]
impl Listener for Bound {
    async fn accept(&mut self) -> io::Result<Link> {
        loop {
            let Some(number) = self.connections.recv().await else {
                // The host has crashed, and whoever accepts is about to be dropped.
                return std::future::pending().await;
            };
            let known = self.lab.with(|fabric, _| {
                let connection = fabric.connections.get(&number)?;
                Some((Arc::clone(&connection.wakers), connection.sides[0].host.to_string()))
            });
            // One that was given up before it was accepted is nobody's business.
            if let Some((wakers, peer)) = known {
                return Ok(Link::new(End::new(Arc::clone(&self.lab), number, 1, wakers), peer));
            }
        }
    }

    fn address(&self) -> String {
        self.address.clone()
    }
}

/// The services of a host, which end with its life.
struct Mortal {
    inner: Arc<dyn Handler>,
    over: watch::Receiver<bool>,
}

impl Handler for Mortal {
    fn handle(&self, request: Request) -> HandlerFuture {
        let (handling, mut over) = (self.inner.handle(request), self.over.clone());
        HandlerFuture::new(async move {
            tokio::select! {
                biased;
                _ = over.wait_for(|over| *over) => {
                    Err(RpcError::new(Code::UNAVAILABLE, Delivery::Executed, "the host has crashed"))
                }
                result = handling => result,
            }
        })
    }
}
