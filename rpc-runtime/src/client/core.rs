//! Owns [`Inner`]: what all clones of a channel share, how its connection is made, and what it hears of that one's life.
//! Does not decide when a connection is made (`reconnect`).

use std::any::Any;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::task::Waker;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};
use tokio::time::timeout;

use crate::call::{Caps, Code, Delivery, RpcError, TokenSource};
use crate::client::race::Race;
use crate::client::reconnect::Reconnect;
use crate::client::story::Step;
use crate::driver::{Failed, Lifecycle, Shared, connection, now};
use crate::limits;
use crate::policy::{Policies, State};
use crate::proto::{Config, ConnectionError, Side};
use crate::server::Local;
use crate::transport::{Link, Transport, Uri, pipe};

/// What all clones of a channel share.
pub(super) struct Inner {
    /// The address, for errors.
    pub(super) address: Arc<str>,
    pub(super) target: Target,
    pub(super) config: Config,
    pub(super) caps: Caps,
    pub(super) timeout: Duration,
    /// What calls carry that bring no token of their own.
    pub(super) token: Option<Arc<dyn TokenSource>>,
    pub(super) plain_credentials: bool,
    pub(super) connect_timeout: Duration,
    pub(super) reconnect: Mutex<Reconnect>,
    /// What the server may call.
    pub(super) callbacks: Option<Local>,
    /// What becomes of oneway calls that fail when nobody waits for them: calls are above this file.
    pub(super) oneway_failed: fn(Arc<Self>, &Arc<Shared>, Failed),
    pub(super) oneway_failures: Arc<AtomicU64>,
    /// Of which channel this is one endpoint, if it is.
    pub(super) part_of: Option<Weak<Endpoints>>,
    pub(super) settings: Settings,
    pub(super) policy_state: Arc<State>,
}

/// A channel's policies, which may change while calls run.
pub(super) struct Settings {
    policies: RwLock<Arc<Policies>>,
    /// Whether somebody hears of all calls.
    is_observed: bool,
    /// Whether there is anything to be done for a call: all that it has to look at where there is not.
    speak: AtomicBool,
}

impl Settings {
    pub(super) fn new(policies: Policies, is_observed: bool) -> Self {
        let speak = AtomicBool::new(is_observed || !policies.is_silent());
        Self { policies: RwLock::new(Arc::new(policies)), is_observed, speak }
    }

    pub(super) fn policies(&self) -> Arc<Policies> {
        Arc::clone(&self.policies.read())
    }
}

/// The endpoints of a channel that has many. Each of them is a channel itself, so this file stands below what they are.
pub(super) type Endpoints = dyn Any + Send + Sync;

pub(super) enum Target {
    /// An address to connect to, again and again.
    Remote(Uri, Arc<dyn Transport>),
    /// A service of this process, behind a pipe.
    Loopback(Local),
    /// Many endpoints, each with a channel of its own: this one has no connection.
    Many(Arc<Endpoints>),
    /// The client of a connection that this side has accepted: it cannot be called when that has ended.
    Peer,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if matches!(self.target, Target::Peer) {
            return;
        }
        if let Some(shared) = self.reconnect.get_mut().take() {
            shared.drain("the client is gone");
        }
    }
}

impl Inner {
    /// Whether the channel itself says anything of its calls' policies, or somebody hears of them.
    pub(super) fn has_policies(&self) -> bool {
        self.settings.speak.load(Ordering::Relaxed)
    }

    /// What the channel says of its calls' policies.
    pub(super) fn policies(&self) -> Arc<Policies> {
        self.settings.policies()
    }

    /// Calls that begin from now on have these policies.
    pub(super) fn set_policies(&self, policies: Policies) {
        // All of it under one lock: of two who set them at once one has the last word, in all three places.
        let mut in_force = self.settings.policies.write();
        self.policy_state.set(&policies);
        let speak = self.settings.is_observed || !policies.is_silent();
        self.settings.speak.store(speak, Ordering::Relaxed);
        *in_force = Arc::new(policies);
    }

    async fn make_link(&self) -> Result<Link, RpcError> {
        let (uri, transport) = match &self.target {
            Target::Remote(uri, transport) => (uri, transport),
            Target::Loopback(service) => {
                let (link, other) = pipe();
                service.serve(other);
                return Ok(link);
            }
            Target::Many(_) => {
                let text = "no connection: each endpoint has its own";
                return Err(RpcError::new(Code::UNAVAILABLE, Delivery::NotSent, text));
            }
            Target::Peer => {
                let text = "no connection: the client's own has ended, and only the client can make another";
                return Err(RpcError::new(Code::UNAVAILABLE, Delivery::NotSent, text));
            }
        };
        self.reach(uri.address(), &**transport).await
    }

    /// Resolves the address, and tries what comes of it, one a little after the other. Handshakes have a time of their own, which is not
    /// that of resolving and connecting.
    async fn reach(&self, name: &str, transport: &dyn Transport) -> Result<Link, RpcError> {
        let (limit, began) = (self.connect_timeout, now());
        let mut handshakes = Duration::ZERO;
        let left = |handshakes| limit.saturating_sub(now().duration_since(began).saturating_sub(handshakes));
        self.reconnect.lock().note(Step::Resolving(name.to_owned()));
        let resolving = timeout(limit, transport.resolve(name)).await;
        let mut resolved =
            resolving.map_err(|_| self.too_slow("connect_timeout", limit, began))?.map_err(unreachable)?;
        resolved.truncate(limits::ADDRESSES);
        let (mut race, mut last) = (Race::new(name, transport, resolved), None);
        loop {
            let connecting = race.next(|step| self.reconnect.lock().note(step));
            let ended = timeout(left(handshakes), connecting).await;
            let ended = ended.map_err(|_| self.too_slow("connect_timeout", limit, began))?;
            let Some((address, connected)) = ended else { break };
            let connected = match connected {
                Ok(link) if link.is_opening() => {
                    let connected = now();
                    let opened = self.open(link, address).await;
                    handshakes += now().duration_since(connected);
                    opened
                }
                connected => connected.map_err(unreachable),
            };
            match connected {
                Ok(link) => return Ok(link),
                Err(error) => last = Some(error),
            }
        }
        let text = || io::Error::new(io::ErrorKind::NotFound, format!("`{name}` resolves to no address"));
        Err(last.unwrap_or_else(|| unreachable(text())))
    }

    /// Makes the handshake that a link needs.
    async fn open(&self, link: Link, address: String) -> Result<Link, RpcError> {
        let (limit, began) = (self.config.handshake, now());
        self.reconnect.lock().note(Step::Opening(address));
        match timeout(limit, link.open()).await {
            Ok(opened) => opened.map_err(unreachable),
            Err(_) => Err(self.too_slow("handshake_timeout", limit, began)),
        }
    }

    fn too_slow(&self, knob: &str, limit: Duration, began: Instant) -> RpcError {
        let story = self.reconnect.lock().tell(began);
        let text = format!("no connection within {limit:?} (`{knob}`): {story}");
        RpcError::new(Code::UNAVAILABLE, Delivery::NotSent, text)
    }

    fn attempted(self: &Arc<Self>, result: Result<Link, RpcError>) {
        let wakers = match result {
            Ok(link) => {
                let lifecycle = Arc::new(Watch { channel: Arc::downgrade(self), shared: OnceLock::new() });
                let (config, address) = (self.config.clone(), Arc::clone(&self.address));
                let serving = self.callbacks.as_ref().map(Local::dispatch);
                let (shared, task) =
                    connection(Side::Client, config, self.caps, link, address, serving, lifecycle.clone());
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

fn unreachable(error: io::Error) -> RpcError {
    RpcError::new(Code::UNAVAILABLE, Delivery::NotSent, format!("no connection: {error}")).with_source(error)
}

// ===== impl Attempt =====

/// One attempt to connect.
pub(super) struct Attempt {
    /// None once its end has been told.
    channel: Option<Arc<Inner>>,
}

impl Attempt {
    pub(super) fn new(channel: &Arc<Inner>) -> Self {
        Self { channel: Some(Arc::clone(channel)) }
    }

    pub(super) async fn run(mut self) {
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

// ===== impl Watch =====

/// Tells a channel of its connection's life.
struct Watch {
    channel: Weak<Inner>,
    shared: OnceLock<Weak<Shared>>,
}

impl Watch {
    fn lost(&self, reason: Option<RpcError>) {
        if let Some((channel, shared)) = self.both() {
            channel.reconnect.lock().lost(&shared, reason);
        }
    }

    fn both(&self) -> Option<(Arc<Inner>, Arc<Shared>)> {
        Some((self.channel.upgrade()?, self.shared.get()?.upgrade()?))
    }
}

impl Lifecycle for Watch {
    /// Calls find out by themselves: they wait for it.
    fn introduced(&self) {
        if let Some(channel) = self.channel.upgrade() {
            channel.reconnect.lock().introduced();
        }
    }

    fn retired(&self) {
        self.lost(None);
    }

    fn closed(&self, error: Option<&ConnectionError>) {
        self.lost(error.map(|error| {
            RpcError::new(Code::UNAVAILABLE, Delivery::NotSent, format!("no connection: {error}"))
        }));
    }

    fn oneway_failed(&self, failed: Failed) {
        match self.both() {
            Some((channel, shared)) => (channel.oneway_failed)(Arc::clone(&channel), &shared, failed),
            None => tracing::debug!(error = %failed.error, "a oneway call failed, and its channel is gone"),
        }
    }
}
