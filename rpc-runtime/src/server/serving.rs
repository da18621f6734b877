//! Owns [`serve`]: a server's life from its first connection to its last, and how it is ended. Does not listen.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{FutureExt, select_all};
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::discovery::Registrations;
use crate::limits;
use crate::server::accept::accept;
use crate::server::core::Core;
use crate::server::health::Board;
use crate::server::presence::Presence;
use crate::server::shards::Shards;
use crate::transport::Listener;

/// Serves until it is told to stop, and drains.
///
/// ```text
///   Serving ──shutdown──▶ Leaving ──withdrawn──▶ Draining ──no connection left──▶ done
///                                                   └──the grace is over──▶ Cutting ──farewells said──▶ done
/// ```
///
/// The order is the promise: registries forget the server while it still serves as before, so that nobody is sent to a server
/// that turns calls away; then listeners close, so that no connection comes after the others were told; then GOAWAY, then the
/// wait, then the cut.
pub(super) async fn serve(
    core: Arc<Core>,
    shards: Option<Shards>,
    mut listeners: Vec<(String, Box<dyn Listener>)>,
    grace: Duration,
    stop: Stop,
    (presence, registrations): (Presence, Registrations),
    shutdown: impl Future<Output = ()>,
) -> Drained {
    let abandoned = Abandoned(Arc::clone(&core));
    {
        let take = |link, prefix: &str| {
            // What is spawned for the connection, and its socket, belong to the runtime that is entered here.
            let _entered = shards.as_ref().and_then(Shards::next).map(Handle::enter);
            core.accept(link, prefix);
        };
        let (core, take) = (&core, &take);
        let loops = listeners.iter_mut().map(|(prefix, listener)| {
            async move { accept(&mut **listener, |link| take(link, prefix), || core.make_room()).await }
                .boxed()
        });
        let accepting = select_all(loops);
        let leaving = async {
            tokio::select! {
                biased;
                () = shutdown => {}
                () = stop.asked() => {}
            }
            stop.health.end();
            presence.leave(registrations).await;
        };
        tokio::select! {
            biased;
            () = leaving => {}
            _ = accepting => {}
        }
    }
    drop(listeners);
    // Drains, as it would if this future were dropped.
    drop(abandoned);
    if tokio::time::timeout(grace, core.wait_until_empty()).await.is_ok() {
        return Drained { cut: 0 };
    }
    let cut = core.close();
    tracing::warn!(cut, ?grace, "the grace is over: calls are cut");
    // Twice: once to say farewell, once to wait until it is heard.
    let _ = tokio::time::timeout(limits::FAREWELL * 2, core.wait_until_empty()).await;
    Drained { cut }
}

/// Tells the connections of a server to finish what they have when nobody serves any more: also when the future that
/// served is dropped, because a server that is gone must not go on answering.
struct Abandoned(Arc<Core>);

impl Drop for Abandoned {
    fn drop(&mut self) {
        self.0.drain();
    }
}

/// How a server ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Drained {
    /// Calls that were cut because the grace was over, handlers of oneway calls included; 0 if every accepted call
    /// finished.
    pub cut: usize,
}

// ===== impl ServerHandle =====

/// Shuts a server down from anywhere, and says how it is. Dropping it does nothing.
#[derive(Clone, Debug)]
pub struct ServerHandle {
    stop: watch::Sender<bool>,
    health: Board,
}

impl ServerHandle {
    /// Begins the shutdown; [`serve`](crate::Server::serve) ends when it is done.
    pub fn shutdown(&self) {
        self.stop.send_replace(true);
    }

    /// Says of a service, or with `""` of the server as a whole, whether calls are welcome: what the service
    /// [`Health`](crate::health::Health) answers. Everything is well until somebody says otherwise, and nothing is from the
    /// beginning of the shutdown on. False if the server has no service of that name.
    pub fn set_health(&self, service: &str, is_serving: bool) -> bool {
        self.health.set(service, is_serving)
    }
}

/// Whether a server has been told to stop.
#[derive(Debug)]
pub(super) struct Stop {
    told: watch::Sender<bool>,
    health: Board,
}

impl Stop {
    pub(super) fn new(health: Board) -> Self {
        Self { told: watch::Sender::new(false), health }
    }

    pub(super) fn handle(&self) -> ServerHandle {
        ServerHandle { stop: self.told.clone(), health: self.health.clone() }
    }

    async fn asked(&self) {
        let mut told = self.told.subscribe();
        // Fails only if the sender is gone, which `self` holds.
        let _ = told.wait_for(|told| *told).await;
    }
}
