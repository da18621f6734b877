//! Owns [`Channel`]: what calls are made through, and its builder. Does not own the calls under way (`in_flight`) nor
//! when a connection is made (`reconnect`).

use std::fmt;
use std::sync::{Arc, OnceLock, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;

use crate::call::{Caps, Code, Delivery, RpcError, Service};
use crate::client::reconnect::{Found, Reconnect};
use crate::driver::{Lifecycle, Shared, connection};
use crate::limits;
use crate::proto::{Config, ConnectionError, Side};
use crate::server::Loopback;
use crate::transport::{Link, Transport, Transports, Uri, pipe};

/// A peer that calls can be made to: cheap to clone, and shared by all of its clones.
///
/// It has one connection at a time, which carries all calls. The connection is made when the first call needs it, and
/// made again by the next call after it was lost: at once, then after waits that grow from one second to thirty.
/// While a connection is being made calls wait for it, within their deadlines; while none can be had they end as
/// `unavailable`, `NotSent`, unless they [wait for one](crate::CallOptions::wait_for_ready).
///
/// ```no_run
/// # async fn example() -> Result<(), traitwire::RpcError> {
/// use std::time::Duration;
/// use traitwire::Channel;
/// let channel = Channel::connect("tcp://127.0.0.1:7000").await?;
/// let patient = Channel::builder().timeout(Duration::from_secs(60)).lazy("unix:///run/app.sock")?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Channel {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    /// The address, for errors.
    pub(super) address: Arc<str>,
    target: Target,
    config: Config,
    pub(super) caps: Caps,
    pub(super) timeout: Duration,
    connect_timeout: Duration,
    reconnect: Mutex<Reconnect>,
}

enum Target {
    /// An address to connect to, again and again.
    Remote(Uri, Arc<dyn Transport>),
    /// A service of this process, behind a pipe.
    Loopback(Loopback),
}

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
        Self::builder().build(Arc::from("loopback"), Target::Loopback(Loopback::new(service)))
    }

    /// A channel with other settings.
    pub fn builder() -> ChannelBuilder {
        ChannelBuilder::default()
    }

    /// The address that it connects to.
    pub fn address(&self) -> &str {
        &self.inner.address
    }

    /// Makes no further calls on the present connection, lets those under way finish and closes it. A later call makes
    /// a new one.
    pub fn close(&self) {
        let current = self.inner.reconnect.lock().current().cloned();
        if let Some(shared) = current {
            shared.drain("the client closes the connection");
        }
    }

    /// Looks for a connection, and makes one if there is none.
    pub(super) fn poll_connection(&self, cx: &Context<'_>) -> Poll<Result<Arc<Shared>, Failed>> {
        loop {
            let found = match self.inner.reconnect.lock().poll(cx) {
                Poll::Ready(found) => found,
                Poll::Pending => return Poll::Pending,
            };
            match found {
                Found::Connection(shared) => return Poll::Ready(Ok(shared)),
                Found::BackOff { until, error } => return Poll::Ready(Err(Failed { until, error })),
                // A task, so that the attempt goes on if this call is dropped: others wait for it too.
                Found::Attempt => match Handle::try_current() {
                    Ok(runtime) => drop(runtime.spawn(Attempt::new(&self.inner).run())),
                    // Tells whoever waits, and the next round finds it.
                    Err(_) => drop(Attempt::new(&self.inner)),
                },
            }
        }
    }

    /// This connection was of no use to a call: the next one gets another, if there is another.
    pub(super) fn leave(&self, shared: &Arc<Shared>) {
        self.inner.reconnect.lock().lost(shared, None);
    }
}

/// There is no connection.
pub(super) struct Failed {
    pub(super) until: std::time::Instant,
    pub(super) error: RpcError,
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Channel({})", self.inner.address)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(shared) = self.reconnect.get_mut().current() {
            shared.drain("the client is gone");
        }
    }
}

// ===== impl Attempt =====

/// One attempt to connect.
struct Attempt {
    /// None once its end has been told.
    channel: Option<Arc<Inner>>,
}

impl Attempt {
    fn new(channel: &Arc<Inner>) -> Self {
        Self { channel: Some(Arc::clone(channel)) }
    }

    async fn run(mut self) {
        let Some(channel) = &self.channel else { return };
        let result = channel.make_link().await;
        if let Some(channel) = self.channel.take() {
            channel.attempted(result);
        }
    }
}

impl Drop for Attempt {
    /// The runtime ended before the attempt did, or there is none: nobody else would ever tell those who wait.
    fn drop(&mut self) {
        if let Some(channel) = self.channel.take() {
            let text = "no connection: it is made within a tokio runtime, and there is none, or it has ended";
            channel.attempted(Err(RpcError::new(Code::UNAVAILABLE, Delivery::NotSent, text)));
        }
    }
}

impl Inner {
    async fn make_link(&self) -> Result<Link, RpcError> {
        let (uri, transport) = match &self.target {
            Target::Remote(uri, transport) => (uri, transport),
            Target::Loopback(service) => {
                let (link, other) = pipe();
                service.serve(other);
                return Ok(link);
            }
        };
        let limit = self.connect_timeout;
        let failed = |text: String| RpcError::new(Code::UNAVAILABLE, Delivery::NotSent, text);
        match tokio::time::timeout(limit, transport.connect(uri.address())).await {
            Ok(Ok(link)) => Ok(link),
            Ok(Err(error)) => Err(failed(format!("no connection: {error}")).with_source(error)),
            Err(_) => Err(failed(format!("no connection within {limit:?} (`connect_timeout`)"))),
        }
    }

    fn attempted(self: &Arc<Self>, result: Result<Link, RpcError>) {
        let wakers = match result {
            Ok(link) => {
                let lifecycle = Arc::new(Watch { channel: Arc::downgrade(self), shared: OnceLock::new() });
                let (config, address) = (self.config.clone(), Arc::clone(&self.address));
                let (shared, task) =
                    connection(Side::Client, config, self.caps, link, address, None, lifecycle.clone());
                // Set before the task runs, so that whatever it tells has a subject.
                let _ = lifecycle.shared.set(Arc::downgrade(&shared));
                tokio::spawn(task);
                self.reconnect.lock().connected(shared)
            }
            Err(error) => {
                tracing::debug!(address = %self.address, %error, "cannot connect");
                self.reconnect.lock().failed(error.with_peer(&self.address))
            }
        };
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// Tells a channel of its connection's life.
struct Watch {
    channel: Weak<Inner>,
    shared: OnceLock<Weak<Shared>>,
}

impl Watch {
    fn lost(&self, reason: Option<RpcError>) {
        let shared = self.shared.get().and_then(Weak::upgrade);
        if let (Some(channel), Some(shared)) = (self.channel.upgrade(), shared) {
            channel.reconnect.lock().lost(&shared, reason);
        }
    }
}

impl Lifecycle for Watch {
    fn retired(&self) {
        self.lost(None);
    }

    fn closed(&self, error: Option<&ConnectionError>) {
        self.lost(error.map(|error| {
            RpcError::new(Code::UNAVAILABLE, Delivery::NotSent, format!("no connection: {error}"))
        }));
    }
}

// ===== impl ChannelBuilder =====

/// Settings of a [`Channel`]. The defaults and their reasons are listed in the crate's documentation.
#[derive(Clone, Debug)]
#[must_use]
pub struct ChannelBuilder {
    config: Config,
    caps: Caps,
    timeout: Duration,
    connect_timeout: Duration,
    transports: Transports,
}

impl Default for ChannelBuilder {
    fn default() -> Self {
        let config = Config { instance: instance(), ..Config::default() };
        let (timeout, connect_timeout) = (limits::TIMEOUT, limits::CONNECT);
        Self { config, caps: Caps::default(), timeout, connect_timeout, transports: Transports::default() }
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

    /// How long the peer's HELLO may take once a connection is made; 10 s.
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

    /// How many calls wait for a place on the connection, and how many bytes they hold; 4,096 and 64 MiB.
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

    /// The first id that connections give to a call. For tests of what happens when ids run out.
    #[doc(hidden)]
    pub const fn first_id(mut self, id: u32) -> Self {
        self.config.first_id = Some(id);
        self
    }

    /// A channel whose connection is made by its first call.
    ///
    /// # Errors
    ///
    /// `invalid_argument` for an address that no transport takes.
    pub fn lazy(self, uri: &str) -> Result<Channel, RpcError> {
        let (uri, transport) = self.transports.choose(uri).map_err(|error| {
            RpcError::new(Code::INVALID_ARGUMENT, Delivery::NotSent, error.to_string()).with_source(error)
        })?;
        let address = Arc::from(uri.to_string());
        Ok(self.build(address, Target::Remote(uri, transport)))
    }

    /// A channel with its first connection made.
    ///
    /// # Errors
    ///
    /// As [`lazy`](Self::lazy), and `unavailable` if the connection cannot be made.
    pub async fn connect(self, uri: &str) -> Result<Channel, RpcError> {
        let channel = self.lazy(uri)?;
        match std::future::poll_fn(|cx| channel.poll_connection(cx)).await {
            Ok(_) => Ok(channel),
            Err(failed) => Err(failed.error),
        }
    }

    fn build(self, address: Arc<str>, target: Target) -> Channel {
        let Self { config, caps, timeout, connect_timeout, .. } = self;
        let reconnect = Mutex::new(Reconnect::new());
        Channel {
            inner: Arc::new(Inner { address, target, config, caps, timeout, connect_timeout, reconnect }),
        }
    }
}

/// A random number of this process.
fn instance() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    static INSTANCE: OnceLock<u64> = OnceLock::new();
    *INSTANCE.get_or_init(|| RandomState::new().hash_one(std::process::id()))
}
