//! Owns [`Core`]: what all connections of a server share, and how a link becomes one of them. Does not listen.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use slab::Slab;
use tokio::sync::watch;

use crate::call::{Caps, Handler, HandlerFuture, Request, Service};
use crate::driver::{
    self, Dispatch, Failed, Finish, Lifecycle, Route, Shared, StopSignal, connection, discard,
};
use crate::limits;
use crate::observe::{Observer, Refused};
use crate::proto::{Config, ConnectionError, Refusal, Side};
use crate::server::handshakes::Handshakes;
use crate::server::meter::Meter;
use crate::server::router::Router;
use crate::transport::{Link, Throttle};

/// What all connections of a server share.
pub(super) struct Core {
    router: Arc<Router>,
    /// The router behind all layers.
    handler: Arc<dyn Handler>,
    observer: Option<Arc<dyn Observer>>,
    /// Counts for those who ask how loaded the server is.
    meter: Option<Arc<Meter>>,
    wants_times: bool,
    config: Config,
    caps: Caps,
    limit: usize,
    handshakes: Arc<Handshakes>,
    connections: Mutex<Connections>,
    next: AtomicU64,
    /// How many connections and handlers of oneway calls there are: who waits for the last one waits here. Only ever
    /// counted up and down, so that it is right whatever the order in which others tell it.
    count: watch::Sender<usize>,
    oneway: Mutex<Oneway>,
    warnings: Warnings,
}

impl Core {
    pub(super) fn new(
        router: Arc<Router>,
        handler: Arc<dyn Handler>,
        (observer, meter): (Option<Arc<dyn Observer>>, Option<Arc<Meter>>),
        config: Config,
        caps: Caps,
        limit: usize,
        handshakes: Arc<Handshakes>,
    ) -> Arc<Self> {
        let (connections, next, count) = (Mutex::default(), AtomicU64::new(0), watch::Sender::new(0));
        let (oneway, wants_times) =
            (Mutex::default(), observer.as_ref().is_some_and(|observer| observer.wants_times()));
        Arc::new(Self {
            router,
            handler,
            observer,
            meter,
            wants_times,
            config,
            caps,
            limit,
            handshakes,
            connections,
            next,
            count,
            oneway,
            warnings: Warnings::default(),
        })
    }

    /// Takes a link from a listener, and serves it when its handshake is made, if it needs one.
    pub(super) fn accept(self: &Arc<Self>, link: Link, address: &str) {
        if !link.is_opening() {
            return self.serve(link, address);
        }
        let peer: Arc<str> = format!("{address}{}", link.peer()).into();
        let (core, address, whose) = (Arc::clone(self), address.to_owned(), Arc::clone(&peer));
        let gave_way = self.handshakes.begin(peer, link, move |opened| match opened {
            Ok(link) => core.serve(link, &address),
            Err(error) => {
                if let Some(left_out) = core.warnings.handshakes.pass(driver::now()) {
                    tracing::warn!(peer = %whose, %error, left_out, "a handshake failed");
                }
                core.tell(|observer| observer.handshake_failed(&whose, &error.to_string()));
            }
        });
        if let Some(peer) = gave_way {
            let why = "too many handshakes at a time (`handshakes`): the oldest gives way";
            // Only at `debug`: it takes many strangers to come here, and they could fill the log.
            tracing::debug!(%peer, "{why}");
            self.tell(|observer| observer.handshake_failed(&peer, why));
        }
    }

    /// Serves a link. This is the place to look at its first byte, for a listener that takes other protocols too: none
    /// that is in use begins with `C1` (docs/PROTOCOL.md, section 2).
    pub(super) fn serve(self: &Arc<Self>, link: Link, address: &str) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.count.send_modify(|all| *all += 1);
        let lifecycle = Arc::new(Member { core: Arc::clone(self), number });
        let peer = if link.peer().is_empty() {
            Arc::from(address)
        } else {
            Arc::from(format!("{address}{}", link.peer()))
        };
        let dispatch: Arc<dyn Dispatch> = self.clone();
        let (shared, task) =
            connection(Side::Server, self.config.clone(), self.caps, link, peer, Some(dispatch), lifecycle);
        let (gives_way, is_draining) = {
            let mut connections = self.connections.lock();
            connections.open.insert(number, Arc::clone(&shared));
            connections.strangers.insert(number, driver::now());
            let too_many = connections.open.len() > self.limit;
            let gives_way = if too_many { connections.oldest_stranger() } else { None };
            (gives_way, connections.is_draining)
        };
        self.tell(|observer| observer.connection_opened());
        if let Some(stranger) = gives_way {
            let is_new = Arc::ptr_eq(&stranger, &shared);
            if let Some(left_out) = self.warnings.limit.pass(driver::now()) {
                let limit = self.limit;
                tracing::warn!(
                    limit,
                    is_new,
                    left_out,
                    "connections are beyond the limit: one is turned away"
                );
            }
            stranger.close("the server has as many connections as it takes (`connections`)");
        }
        if is_draining {
            // Its handshake ended just when the others were told.
            shared.drain(DRAINING);
        }
        tokio::spawn(task);
    }

    /// Descriptors have run out: connections give way whose peers have had the time to say HELLO, and have not.
    pub(super) fn make_room(&self) {
        let now = driver::now();
        let strangers = {
            let mut connections = self.connections.lock();
            let mut strangers = Vec::new();
            while let Some((_, &accepted)) = connections.strangers.first_key_value()
                && now.duration_since(accepted) >= limits::STRANGER
            {
                strangers.extend(connections.oldest_stranger());
            }
            strangers
        };
        for stranger in strangers {
            stranger.close("the server has run out of descriptors, and this connection had not said HELLO");
        }
    }

    /// Tells all connections to finish what they have.
    pub(super) fn drain(&self) {
        self.handshakes.close();
        self.connections.lock().is_draining = true;
        self.all().iter().for_each(|shared| shared.drain(DRAINING));
    }

    /// Ends all connections now, and stops the handlers of oneway calls, each at its next await; says how many calls
    /// that cuts.
    pub(super) fn close(&self) -> usize {
        let all = self.all();
        let open: usize = all.iter().map(|shared| shared.inbound_calls()).sum();
        all.iter().for_each(|shared| shared.close("the server's grace is over"));
        let stops: Vec<_> = {
            let mut oneway = self.oneway.lock();
            oneway.is_over = true;
            oneway.at_work.iter().map(|(_, stop)| Arc::clone(stop)).collect()
        };
        stops.iter().for_each(|stop| stop.set());
        open + stops.len()
    }

    /// Waits until there is no connection, and no handler of a oneway call.
    pub(super) async fn wait_until_empty(&self) {
        let mut count = self.count.subscribe();
        // Fails only if the sender is gone, which `self` holds.
        let _ = count.wait_for(|count| *count == 0).await;
    }

    fn all(&self) -> Vec<Arc<Shared>> {
        self.connections.lock().open.values().cloned().collect()
    }

    /// Tells the observer, whose panics are its own affair: this runs in connections' tasks and in destructors.
    fn tell(&self, what: impl FnOnce(&dyn Observer)) {
        let Some(observer) = &self.observer else { return };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| what(&**observer))) {
            discard(panic);
            tracing::error!("an observer panicked");
        }
    }
}

impl Dispatch for Core {
    fn route(&self, method: &str) -> Option<Route> {
        self.router.route(method)
    }

    fn handle(&self, request: Request) -> HandlerFuture {
        self.handler.handle(request)
    }

    fn started(&self) {
        self.tell(|observer| observer.call_started());
    }

    fn wants_times(&self) -> bool {
        self.wants_times
    }

    fn took(&self, method: &str, time: Duration) {
        self.tell(|observer| observer.call_took(method, time));
    }

    fn finished(&self, how: Finish) {
        if let Some(meter) = &self.meter {
            meter.count(how);
        }
        self.tell(|observer| match how {
            Finish::Answered => observer.call_finished(None),
            Finish::Failed(code) => observer.call_finished(Some(code)),
            Finish::Refused(code) => observer.call_turned_away(Refused::of(code)),
            Finish::Panicked => observer.call_panicked(),
            Finish::Stopped => observer.call_cancelled(),
        });
    }

    fn moved(&self, read: u64, written: u64) {
        self.tell(|observer| observer.bytes_moved(read, written));
    }

    fn oneway_began(&self, stop: Arc<StopSignal>) -> usize {
        self.count.send_modify(|all| *all += 1);
        let mut oneway = self.oneway.lock();
        if oneway.is_over {
            // Nobody polls it yet, so this wakes nobody under the lock.
            stop.set();
        }
        oneway.at_work.insert(stop)
    }

    fn oneway_ended(&self, number: usize) {
        let stop = self.oneway.lock().at_work.try_remove(number);
        drop(stop);
        self.count.send_modify(|all| *all -= 1);
    }

    fn refused(&self, why: Refusal) {
        self.tell(|observer| {
            observer.call_refused(match why {
                Refusal::Expired => Refused::Expired,
                Refusal::TooLarge => Refused::TooLarge,
                Refusal::BadMetadata | Refusal::BadStreams => Refused::BadArgument,
                Refusal::Cancelled => Refused::Cancelled,
                Refusal::Overload => Refused::Overload,
                Refusal::Draining => Refused::Draining,
            });
        });
    }
}

/// What connections are told when the server shuts down.
const DRAINING: &str = "the server is shutting down";

/// The connections there are.
#[derive(Default)]
struct Connections {
    open: BTreeMap<u64, Arc<Shared>>,
    /// Those of them whose peers have not said HELLO, the oldest first, and when they were accepted. An honest one says it
    /// within a round trip: to turn away newcomers would let silent ones lock everybody out.
    strangers: BTreeMap<u64, Instant>,
    /// They have been told to finish what they have: one that comes later has to be told too.
    is_draining: bool,
}

impl Connections {
    /// Takes the oldest one out of those that may be told to give way.
    fn oldest_stranger(&mut self) -> Option<Arc<Shared>> {
        let (number, _) = self.strangers.pop_first()?;
        self.open.get(&number).cloned()
    }
}

/// The handlers of oneway calls at work: their connections may be gone, so that the server itself has to stop them.
#[derive(Default)]
struct Oneway {
    at_work: Slab<Arc<StopSignal>>,
    /// The grace is over: a call that a connection had taken just before is stopped as well.
    is_over: bool,
}

/// What strangers can make a server say in its log.
#[derive(Default)]
struct Warnings {
    handshakes: Throttle,
    limit: Throttle,
    protocol: Throttle,
}

/// A connection's entry in its server.
struct Member {
    core: Arc<Core>,
    number: u64,
}

impl Lifecycle for Member {
    fn introduced(&self) {
        self.core.connections.lock().strangers.remove(&self.number);
    }

    fn retired(&self) {}

    fn closed(&self, error: Option<&ConnectionError>) {
        if let Some(ConnectionError::Peer(fault)) = error
            && let Some(left_out) = self.core.warnings.protocol.pass(driver::now())
        {
            tracing::warn!(%fault, left_out, "a peer broke the protocol");
        }
        let shared = {
            let mut connections = self.core.connections.lock();
            connections.strangers.remove(&self.number);
            connections.open.remove(&self.number)
        };
        drop(shared);
        self.core.tell(|observer| observer.connection_closed());
    }

    /// A server calls its clients through channels that do not outlive their connections: nothing can be sent again.
    fn oneway_failed(&self, failed: Failed) {
        tracing::debug!(error = %failed.error, "a oneway call to a client failed");
    }
}

impl Drop for Member {
    /// The connection's task is over, its farewell included: a server that ends before would cut off its last answers.
    fn drop(&mut self) {
        self.core.count.send_modify(|all| *all -= 1);
    }
}

// ===== impl Local =====

/// Services in this process, with default settings and no listener.
pub(crate) struct Local(Arc<Core>);

impl Local {
    /// For a peer that calls back.
    pub(crate) fn new(services: Vec<Arc<dyn Service>>) -> Self {
        Self::with(Router::new(services))
    }

    /// For the program itself.
    pub(crate) fn own(service: impl Service) -> Self {
        Self::with(Router::own(vec![Arc::new(service)]))
    }

    fn with(router: Router) -> Self {
        let router = Arc::new(router);
        let handshakes = Handshakes::new(limits::HANDSHAKES, limits::HANDSHAKE);
        let (config, caps) = (Config::default(), Caps::default());
        Self(Core::new(router.clone(), router, (None, None), config, caps, usize::MAX, handshakes))
    }

    /// Serves the other end of a pipe.
    pub(crate) fn serve(&self, link: Link) {
        self.0.serve(link, "loopback");
    }

    /// Where calls go that a server makes to its client.
    pub(crate) fn dispatch(&self) -> Arc<dyn Dispatch> {
        self.0.clone()
    }
}
