//! Owns [`ServerBuilder`] and [`Server`]: settings, services, layers and listeners. Does not accept connections
//! (`accept`) nor end them (`serving`).

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use crate::call::{Caps, Handler, Service, instance};
use crate::limits;
use crate::observe::Observer;
use crate::policy::dedup::DedupConfig;
use crate::policy::{Dedup, OnceOnly};
use crate::proto::Config;
use crate::server::core::Core;
use crate::server::error::BindError;
use crate::server::handshakes::Handshakes;
use crate::server::health::{Board, HealthServer};
use crate::server::meter::Meter;
use crate::server::presence::Presence;
use crate::server::router::Router;
use crate::server::serving::{Drained, ServerHandle, Stop, serve};
use crate::server::shards::Shards;
use crate::transport::{Listener, Transport, Transports};

/// A server that listens: see [`Server::builder`].
pub struct Server {
    core: Arc<Core>,
    transports: Transports,
    listeners: Vec<(String, Box<dyn Listener>)>,
    addresses: Vec<String>,
    shards: Option<NonZeroUsize>,
    grace: Duration,
    /// The names of what it serves for others: what is registered.
    services: Vec<String>,
    instance: u64,
    presence: Presence,
    stop: Stop,
}

impl Server {
    /// Begins a server.
    ///
    /// ```no_run
    /// # async fn example(service: impl traitwire::Service) -> Result<(), Box<dyn std::error::Error>> {
    /// use traitwire::Server;
    /// let server = Server::builder()
    ///     .service(service)
    ///     .bind("tcp://127.0.0.1:0").await?
    ///     .bind("unix:///run/app.sock").await?;
    /// println!("{:?}", server.addresses());
    /// server.serve().await?;
    /// # Ok(()) }
    /// ```
    pub fn builder() -> ServerBuilder {
        ServerBuilder::default()
    }

    /// Listens at one more address.
    ///
    /// # Errors
    ///
    /// When no transport takes the address, or it is not free.
    pub async fn bind(mut self, uri: &str) -> Result<Self, BindError> {
        let (parsed, transport) = self.transports.choose(uri).map_err(|error| BindError::new(uri, error))?;
        let listener = transport.bind(parsed.address()).await.map_err(|error| BindError::new(uri, error))?;
        let prefix = format!("{}://", transport.scheme());
        self.addresses.push(format!("{prefix}{}", listener.address()));
        self.listeners.push((prefix, listener));
        Ok(self)
    }

    /// Where it listens, as URIs, in the order of `bind`: with the port that `:0` became.
    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// What can shut the server down while it serves.
    pub fn handle(&self) -> ServerHandle {
        self.stop.handle()
    }

    /// Serves until it is [shut down](ServerHandle::shutdown).
    ///
    /// # Errors
    ///
    /// When it listens nowhere, or its [shards](ServerBuilder::shards) cannot be started.
    pub async fn serve(self) -> Result<Drained, BindError> {
        self.serve_with_shutdown(std::future::pending()).await
    }

    /// Serves until it is [shut down](ServerHandle::shutdown) or `shutdown` is ready.
    ///
    /// Then it withdraws from the registries that it is registered with, if any, closes its listeners, tells every connection that no further calls are accepted, and waits for those
    /// that were: for as long as the [grace](ServerBuilder::grace) lasts. What is left is cut, and its callers are
    /// told so.
    ///
    /// # Errors
    ///
    /// When it listens nowhere, its [shards](ServerBuilder::shards) cannot be started, or it is to
    /// [register](ServerBuilder::register) and has no address that clients can connect to.
    pub async fn serve_with_shutdown(self, shutdown: impl Future<Output = ()>) -> Result<Drained, BindError> {
        if self.listeners.is_empty() {
            return Err(BindError::nowhere());
        }
        let start = |count: NonZeroUsize| Shards::start(count.get(), &self.core);
        let shards = self.shards.map(start).transpose().map_err(BindError::shards)?;
        let registrations = self.presence.start(&self.services, &self.addresses, self.instance)?;
        let presence = (self.presence, registrations);
        Ok(serve(self.core, shards, self.listeners, self.grace, self.stop, presence, shutdown).await)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

// ===== impl ServerBuilder =====

type Layer = Box<dyn FnOnce(Arc<dyn Handler>) -> Arc<dyn Handler> + Send>;

/// Settings, services and layers of a [`Server`]. The defaults and their reasons are listed in the crate's
/// documentation.
#[must_use]
pub struct ServerBuilder {
    services: Vec<Arc<dyn Service>>,
    dedup: DedupConfig,
    layers: Vec<Layer>,
    observer: Option<Arc<dyn Observer>>,
    transports: Transports,
    config: Config,
    caps: Caps,
    connections: usize,
    handshakes: usize,
    shards: Option<NonZeroUsize>,
    grace: Duration,
    /// If it serves its health.
    pub(super) health: Option<Meter>,
    pub(super) presence: Presence,
}

impl Default for ServerBuilder {
    fn default() -> Self {
        Self {
            services: Vec::new(),
            dedup: DedupConfig::new(),
            layers: Vec::new(),
            observer: None,
            transports: Transports::default(),
            config: Config { instance: instance(), ..Config::default() },
            caps: Caps::default(),
            connections: limits::CONNECTIONS,
            handshakes: limits::HANDSHAKES,
            shards: None,
            grace: limits::GRACE,
            health: None,
            presence: Presence::default(),
        }
    }
}

impl ServerBuilder {
    /// Adds a service. A server has any number of them, each with its own name.
    pub fn service(mut self, service: impl Service) -> Self {
        self.services.push(Arc::new(service));
        self
    }

    /// Adds a layer around all services: a function from the inner handler to the outer one. The layer that is added
    /// last sees calls first.
    pub fn layer<H: Handler>(mut self, layer: impl FnOnce(Arc<dyn Handler>) -> H + Send + 'static) -> Self {
        self.layers.push(Box::new(move |inner| Arc::new(layer(inner))));
        self
    }

    /// How much is remembered of the calls of `#[rpc(dedup)]` methods, which run once however often they are sent: 16,384 calls,
    /// 16 MiB, ten minutes; and with whom it is shared. Servers without such methods remember nothing.
    pub fn dedup(mut self, config: DedupConfig) -> Self {
        self.dedup = config;
        self
    }

    /// The time of calls that come without one; by default they have no end.
    pub const fn deadline_default(mut self, time: Duration) -> Self {
        self.config.deadline_default = Some(time);
        self
    }

    /// The longest time that a call is given, whatever its caller asks for; with a stream, until something first moves. Its
    /// caller goes on waiting, and hears `deadline_exceeded` of it.
    pub const fn deadline_most(mut self, time: Duration) -> Self {
        self.config.deadline_most = Some(time);
        self
    }

    /// The shortest time in which anything can be done here: calls that have less left are refused when they come,
    /// `deadline_exceeded`, before they are decoded, and counted as expired.
    pub const fn deadline_least(mut self, time: Duration) -> Self {
        self.config.deadline_least = Some(time);
        self
    }

    /// Tells somebody what happens: a [`Counters`](crate::observe::Counters), say.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Adds a transport, in place of one with the same scheme.
    pub fn transport(mut self, transport: impl Transport) -> Self {
        self.transports.add(transport);
        self
    }

    /// How the server proves who it is and whom it asks to, at `tls://`.
    #[cfg(feature = "tls")]
    pub fn tls(self, tls: crate::tls::ServerTls) -> Self {
        self.transport(crate::tls::Tls::server(tls))
    }

    /// How many connections are served at a time; of further ones the oldest that has not said HELLO gives way, and if there is
    /// none but the new one, that is turned away with a word. 10,000.
    pub const fn connections(mut self, connections: usize) -> Self {
        self.connections = connections;
        self
    }

    /// How many handshakes of transports (TLS) are under way at a time, at least one; of further ones the oldest gives way.
    /// 1,024.
    pub const fn handshakes(mut self, handshakes: usize) -> Self {
        self.handshakes = handshakes;
        self
    }

    /// How many calls of one connection are open at a time; its client keeps further ones back. 1,024.
    pub const fn in_flight(mut self, calls: u32) -> Self {
        self.config.in_flight = calls;
        self
    }

    /// The largest arguments that are taken and the largest reply that is sent, in bytes; 16 MiB. Large arguments of
    /// one connection may take four times as much together, or 64 MiB if that is more.
    pub const fn message(mut self, bytes: usize) -> Self {
        self.config.set_message(bytes);
        self
    }

    /// How many elements a message that is received may have, whatever its size; by default as many as a fourth of its
    /// bytes, at least 65,536 and at most 1,048,576. A method's `elements` may allow more.
    pub const fn elements(mut self, elements: u32) -> Self {
        self.caps.elements = Some(elements);
        self
    }

    /// How deep arrays and maps of a message that is received may nest; 64, which is also the most.
    pub const fn depth(mut self, depth: u8) -> Self {
        self.caps.depth = if depth < limits::MAX_DEPTH { depth } else { limits::MAX_DEPTH };
        self
    }

    /// How long a new connection's HELLO may take, and before it the handshake of its transport, if it has one; 10 s.
    pub const fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.config.handshake = timeout;
        self
    }

    /// How many frames that move nothing a client may send at once, and one a millisecond beyond: pings and their answers,
    /// frames that are skipped, and what concerns calls that are over. 16,384.
    pub const fn vain_frames(mut self, frames: u32) -> Self {
        self.config.vain = frames;
        self
    }

    /// How many calls with a stream either side may have open on a connection; 128.
    pub const fn streams(mut self, calls: u32) -> Self {
        self.config.streams = calls;
        self
    }

    /// How many bytes of items each stream may have under way and unread at first, at least 1 KiB; 256 KiB. A stream that
    /// is read as fast as its items come gets more.
    pub fn credit(mut self, bytes: usize) -> Self {
        self.config.set_credit(bytes);
        self
    }

    /// How long a write to a client that stands still may take to move by a kilobyte, or to its end; 30 s.
    pub const fn write_stall(mut self, timeout: Duration) -> Self {
        self.config.write_stall = timeout;
        self
    }

    /// Silence after which a client is asked for a sign of life, and how long to wait for it; 20 s and 10 s.
    pub const fn keepalive(mut self, silence: Duration, timeout: Duration) -> Self {
        self.config.keepalive = Some(silence);
        self.config.keepalive_timeout = timeout;
        self
    }

    /// Never asks clients for a sign of life: connections of those that vanished stay.
    pub const fn no_keepalive(mut self) -> Self {
        self.config.keepalive = None;
        self
    }

    /// Serves connections in so many runtimes of their own, each with one thread, and each connection in the same one for
    /// as long as it lasts, its handlers too; 0 for the runtime that the server was started in, which is the default.
    ///
    /// As many as there are cores make the most of each: no part of a call passes between threads. It pays where there are
    /// several connections for each core; one that is busier than the others has no more than its own. What handlers share
    /// is still shared, and [`Context`](crate::Context) and shutting down are what they are without.
    ///
    /// ```no_run
    /// # async fn example(service: impl traitwire::Service) -> Result<(), Box<dyn std::error::Error>> {
    /// let cores = std::thread::available_parallelism()?.get();
    /// let server = traitwire::Server::builder().service(service).shards(cores).bind("tcp://0.0.0.0:7000").await?;
    /// # Ok(()) }
    /// ```
    pub const fn shards(mut self, shards: usize) -> Self {
        self.shards = NonZeroUsize::new(shards);
        self
    }

    /// How long a shutdown waits for accepted calls; 30 s.
    pub const fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// What this side calls itself; for people.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.config.name = name.into();
        self
    }

    /// Listens at this address; more can be added to the server that comes back.
    ///
    /// # Errors
    ///
    /// When no transport takes the address or it is not free, when two services have the same name, or when the address of a
    /// registry cannot be read.
    pub async fn bind(mut self, uri: &str) -> Result<Server, BindError> {
        self.presence.check()?;
        let services: Vec<_> =
            self.services.iter().map(|service| service.descriptor().name.to_owned()).collect();
        let meter = self.health.map(Arc::new);
        let board = Board::new(services.iter().cloned(), meter.clone().unwrap_or_default());
        if meter.is_some() {
            self.services.push(Arc::new(HealthServer::new(board.clone())));
        }
        let names: Vec<&str> = self.services.iter().map(|service| service.descriptor().name).collect();
        if let Some(twice) = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
            return Err(BindError::twice(twice.1));
        }
        let router = Arc::new(Router::new(self.services));
        let (config, innermost) = remembering(self.config, &self.dedup, &router);
        let handler = self.layers.into_iter().fold(innermost, |inner, layer| layer(inner));
        let handler = if config.replies == 0 { handler } else { Arc::new(OnceOnly::new(handler)) };
        let handshakes = Handshakes::new(self.handshakes, config.handshake);
        let instance = config.instance;
        let watchers = (self.observer, meter);
        let core = Core::new(router, handler, watchers, config, self.caps, self.connections, handshakes);
        let server = Server {
            core,
            transports: self.transports,
            listeners: Vec::new(),
            addresses: Vec::new(),
            shards: self.shards,
            grace: self.grace,
            services,
            instance,
            presence: self.presence,
            stop: Stop::new(board),
        };
        server.bind(uri).await
    }
}

/// The innermost handler, and what HELLO says of it: a service with methods that are `dedup` is behind a memory of replies.
fn remembering(mut config: Config, dedup: &DedupConfig, router: &Arc<Router>) -> (Config, Arc<dyn Handler>) {
    if !router.remembers() {
        return (config, router.clone());
    }
    // Callers may ask again for as long as they have themselves.
    let is_cut = config.deadline_most.or(config.deadline_default).is_some();
    let dedup = Dedup::new(dedup, is_cut, router.clone());
    config.replies = dedup.number();
    (config, Arc::new(dedup))
}

impl fmt::Debug for ServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let services: Vec<_> = self.services.iter().map(|service| service.descriptor().name).collect();
        f.debug_struct("ServerBuilder")
            .field("services", &services)
            .field("layers", &self.layers.len())
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
