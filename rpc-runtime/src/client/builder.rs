//! Owns [`ChannelBuilder`]: a channel's settings, and the ways to begin one. Does not connect.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;

use crate::balance::Balance;
use crate::call::{Caps, Code, Delivery, RpcError, Service, TokenSource, instance, roll};
use crate::client::channel::Channel;
use crate::client::cluster::{Cluster, Make};
use crate::client::core::{Endpoints, Inner, Settings, Target};
use crate::client::oneway;
use crate::client::presence::Presence;
use crate::client::reconnect::Reconnect;
use crate::discovery::{DirectoryConfig, Discoveries, Discovery, DiscoveryScheme};
use crate::driver::Shared;
use crate::limits;
use crate::observe::Observer;
use crate::policy::{Policies, State};
use crate::proto::Config;
use crate::server::Local;
use crate::transport::{Transport, Transports};

impl Channel {
    /// A channel to this address, with the first connection made: an address where nobody answers is an error here.
    ///
    /// # Errors
    ///
    /// `invalid_argument` for an address that no transport takes, `unavailable` if the connection cannot be made; both
    /// `NotSent`.
    pub async fn connect(uri: &str) -> Result<Self, RpcError> {
        Self::builder().connect(uri).await
    }

    /// A channel to a service in this process. Calls pass through the whole stack (encoding, protocol, driver) over a
    /// pipe in memory; nothing listens. For tests, it works under tokio's paused clock.
    pub fn loopback(service: impl Service) -> Self {
        Self::builder().loopback(service)
    }

    /// A channel with other settings.
    pub fn builder() -> ChannelBuilder {
        ChannelBuilder::default()
    }
}

/// Settings of a [`Channel`]. The defaults and their reasons are listed in the crate's documentation.
#[derive(Clone)]
#[must_use]
pub struct ChannelBuilder {
    config: Config,
    caps: Caps,
    timeout: Duration,
    connect_timeout: Duration,
    reconnect_wait: Option<Duration>,
    transports: Transports,
    services: Vec<Arc<dyn Service>>,
    policies: Policies,
    seed: Option<u64>,
    token: Option<Arc<dyn TokenSource>>,
    plain_credentials: bool,
    observer: Option<Arc<dyn Observer>>,
    balance: Balance,
    discoveries: Discoveries,
    directory: DirectoryConfig,
    /// Counted together for all endpoints of a channel.
    oneway_failures: Option<Arc<AtomicU64>>,
}

impl Default for ChannelBuilder {
    fn default() -> Self {
        let config = Config { instance: instance(), ..Config::default() };
        Self {
            config,
            caps: Caps::default(),
            timeout: limits::TIMEOUT,
            connect_timeout: limits::CONNECT,
            reconnect_wait: None,
            transports: Transports::default(),
            services: Vec::new(),
            policies: Policies::new(),
            seed: None,
            token: None,
            plain_credentials: false,
            observer: None,
            balance: Balance::new(),
            discoveries: Discoveries::built_in(),
            directory: DirectoryConfig::default(),
            oneway_failures: None,
        }
    }
}

impl ChannelBuilder {
    /// How long a call may take in all unless it or its method says otherwise; 10 s.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long resolving and connecting may take; 2 s.
    pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// The longest wait between two attempts to connect, ± 20 %, at least 100 ms: waits begin with 1 s, or with this if it is
    /// shorter, and grow by 1.6. 30 s; 2 s for each endpoint of a channel that has many.
    pub fn reconnect_wait(mut self, longest: Duration) -> Self {
        self.reconnect_wait = Some(longest.max(limits::BACKOFF_LEAST));
        self
    }

    /// How long the peer's HELLO may take once a connection is made, and before it the handshake of the transport, if it has
    /// one; 10 s.
    pub const fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.config.handshake = timeout;
        self
    }

    /// Silence after which the peer is asked for a sign of life, and how long to wait for it; 20 s and 10 s. Links
    /// that cannot die silently (memory, Unix sockets) are not asked.
    pub const fn keepalive(mut self, silence: Duration, timeout: Duration) -> Self {
        self.config.keepalive = Some(silence);
        self.config.keepalive_timeout = timeout;
        self
    }

    /// Never asks the peer for a sign of life: a call to a peer that vanished ends at its deadline only.
    pub const fn no_keepalive(mut self) -> Self {
        self.config.keepalive = None;
        self
    }

    /// How many frames that move nothing the peer may send at once, and one a millisecond beyond: pings and their answers,
    /// frames that are skipped, and what concerns calls that are over. 16,384.
    pub const fn vain_frames(mut self, frames: u32) -> Self {
        self.config.vain = frames;
        self
    }

    /// The largest arguments that are sent and the largest reply that is taken, in bytes; 16 MiB.
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

    /// How many calls wait for a place on the connection, and how many bytes they hold; 4,096 and 64 MiB. As many may wait
    /// for the connection itself while there is none.
    pub const fn queue(mut self, calls: usize, bytes: usize) -> Self {
        self.config.queue = calls;
        self.config.queue_bytes = bytes;
        self
    }

    /// What this side calls itself; for people.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.config.name = name.into();
        self
    }

    /// Adds a transport, in place of one with the same scheme.
    pub fn transport(mut self, transport: impl Transport) -> Self {
        self.transports.add(transport);
        self
    }

    /// How the client proves who it is and whom it believes, at `tls://`.
    #[cfg(feature = "tls")]
    pub fn tls(self, tls: crate::tls::ClientTls) -> Self {
        self.transport(crate::tls::Tls::client(tls))
    }

    /// The token that calls carry which bring [none of their own](crate::CallOptions::token): one for good, or a source that
    /// has a fresh one for each call. It leaves only over links that nobody can read along on.
    pub fn token(mut self, token: impl TokenSource) -> Self {
        self.token = Some(Arc::new(token));
        self
    }

    /// Lets tokens and other [credentials](crate::Entry::credential) leave over plain links too, where whoever is on the way
    /// reads them: for networks that are encrypted beneath.
    pub const fn credentials_over_plain_links(mut self) -> Self {
        self.plain_credentials = true;
        self
    }

    /// Serves this to the server: it can call the client on the client's own connections, from behind whatever hides the
    /// client from it. A handler gets its caller's services from its context, with
    /// [`Context::peer_client`](crate::Context::peer_client).
    pub fn service(mut self, service: impl Service) -> Self {
        self.services.push(Arc::new(service));
        self
    }

    /// How many calls the server may have open to the client's [services](Self::service); 1,024.
    pub const fn in_flight(mut self, calls: u32) -> Self {
        self.config.in_flight = calls;
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

    /// What is done for calls beyond sending them once: see the module [`policy`](crate::policy).
    /// [`Channel::set_policies`] changes it later.
    pub fn policies(mut self, policies: Policies) -> Self {
        self.policies = policies;
        self
    }

    /// Tells somebody of the channel's calls, as their callers see them, and of what its policies do: a
    /// [`Counters`](crate::observe::Counters), say. Each call is in a box then.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// The seed of what is random about policies, such as the waits between attempts: with the same seed, calls made in the
    /// same order wait the same times. By default each channel has its own.
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// The first id that connections give to a call. For tests of what happens when ids run out.
    #[doc(hidden)]
    pub const fn first_id(mut self, id: u32) -> Self {
        self.config.first_id = Some(id);
        self
    }

    /// How calls are spread where the address is of many endpoints: `static://a:1,b:2`, or one of another
    /// [scheme](crate::discovery). By default the better of two by response time and load.
    pub fn balance(mut self, balance: impl Into<Balance>) -> Self {
        self.balance = balance.into();
        self
    }

    /// Adds a kind of source that endpoints come from, in place of one with the same scheme.
    pub fn discovery_scheme(mut self, scheme: impl DiscoveryScheme) -> Self {
        self.discoveries.add(scheme);
        self
    }

    /// How what a source of endpoints says is taken.
    pub fn directory(mut self, directory: DirectoryConfig) -> Self {
        self.directory = directory;
        self
    }

    /// A channel to the endpoints that this source names. Connections are made once the first call or
    /// [`Channel::ready`] asks for an endpoint.
    pub fn discovery(self, source: impl Discovery) -> Channel {
        self.spread(Arc::new(source))
    }

    /// A channel whose connection is made by its first call.
    ///
    /// # Errors
    ///
    /// `invalid_argument` for an address that no transport and no source of endpoints takes.
    pub fn lazy(self, uri: &str) -> Result<Channel, RpcError> {
        let chosen = self.discoveries.choose(uri).map_err(|error| {
            RpcError::new(Code::INVALID_ARGUMENT, Delivery::NotSent, error.to_string()).with_source(error)
        })?;
        match chosen {
            Some(source) => Ok(self.spread(source)),
            None => self.single(uri, None, None),
        }
    }

    fn single(
        self,
        uri: &str,
        part_of: Option<Weak<Endpoints>>,
        presence: Option<Presence>,
    ) -> Result<Channel, RpcError> {
        let (uri, transport) = self.transports.choose(uri).map_err(|error| {
            RpcError::new(Code::INVALID_ARGUMENT, Delivery::NotSent, error.to_string()).with_source(error)
        })?;
        let address = Arc::from(uri.to_string());
        Ok(self.build(address, Target::Remote(uri, transport), part_of, presence))
    }

    fn spread(mut self, source: Arc<dyn Discovery>) -> Channel {
        let address = Arc::from(source.name());
        let seed = *self.seed.get_or_insert_with(roll);
        let failures = self.oneway_failures.get_or_insert_default();
        let config = self.config.clone();
        let (balance, directory) = (self.balance.clone(), self.directory.clone());
        // Each call is told once, by the whole; and by the breaker of its endpoint.
        let observer = self.observer.clone();
        let oneway_failures = Some(Arc::clone(failures));
        let template = Self { policies: Policies::new(), observer: None, oneway_failures, ..self.clone() };
        let make: Make = Box::new(move |address, part_of, presence| {
            template.clone().single(address, Some(part_of), Some(presence))
        });
        let cluster = Arc::new(Cluster::new(source, directory, balance, (make, config), (seed, observer)));
        self.build(address, Target::Many(cluster), None, None)
    }

    /// A channel to a service in this process: see [`Channel::loopback`].
    pub fn loopback(self, service: impl Service) -> Channel {
        let target = Target::Loopback(Local::own(service));
        self.build(Arc::from("loopback"), target, None, None)
    }

    /// A channel with its first connection made.
    ///
    /// # Errors
    ///
    /// As [`lazy`](Self::lazy), and `unavailable` if the connection cannot be made.
    pub async fn connect(self, uri: &str) -> Result<Channel, RpcError> {
        let channel = self.lazy(uri)?;
        channel.ready().await?;
        Ok(channel)
    }

    /// A channel to the client of a connection that this side has accepted.
    pub(super) fn peer(self, shared: Arc<Shared>, address: Arc<str>) -> Channel {
        let channel = self.build(address, Target::Peer, None, None);
        // Nobody waits yet.
        channel.inner.reconnect.lock().connected(shared);
        channel
    }

    fn build(
        self,
        address: Arc<str>,
        target: Target,
        part_of: Option<Weak<Endpoints>>,
        presence: Option<Presence>,
    ) -> Channel {
        let Self { config, caps, timeout, connect_timeout, services, policies, seed, .. } = self;
        let (token, plain_credentials) = (self.token, self.plain_credentials);
        let settings = Settings::new(policies, self.observer.is_some());
        let policy_state =
            State::new(&settings.policies(), seed.unwrap_or_else(roll), &address, self.observer);
        let callbacks = (!services.is_empty()).then(|| Local::new(services));
        let reconnect = Mutex::new(Reconnect::new(presence, self.reconnect_wait));
        let oneway_failures = self.oneway_failures.unwrap_or_default();
        Channel {
            inner: Arc::new(Inner {
                address,
                target,
                config,
                caps,
                timeout,
                token,
                plain_credentials,
                connect_timeout,
                reconnect,
                callbacks,
                oneway_failed: oneway::failed,
                oneway_failures,
                part_of,
                settings,
                policy_state: Arc::new(policy_state),
            }),
        }
    }
}

impl fmt::Debug for ChannelBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let services: Vec<_> = self.services.iter().map(|service| service.descriptor().name).collect();
        f.debug_struct("ChannelBuilder")
            .field("services", &services)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
