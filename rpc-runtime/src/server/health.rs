//! Owns the service [`Health`]: whether a server and its services are fit to be called, for probes and for clients that ask. What
//! is said comes from the program, and from the server's own end.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, stream};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::limits;
use crate::server::meter::Meter;
pub use crate::server::meter::ServerLoad;

/// How a server and its services are. A server offers it if it is [asked to](crate::ServerBuilder::health), and says it of itself
/// with [`ServerHandle::set_health`](crate::ServerHandle::set_health). The name `""` is the server as a whole.
#[traitwire_macros::rpc_service(crate = "crate")]
pub trait Health {
    /// How this service is now.
    #[rpc(idempotent, timeout = "2s")]
    async fn check(&self, service: &str) -> HealthStatus;

    /// How this service is, and again on each change; ends when the server shuts down, after it has said so. A stream that lasts
    /// as long as nothing changes: its `idle_timeout` is a day.
    #[rpc(idempotent, timeout = "2s", idle_timeout = "24h")]
    fn watch(&self, service: String) -> impl Stream<Item = HealthStatus>;

    /// How loaded the server is, every so many milliseconds, 100 at least, of which each time tells; ends when the server shuts down.
    #[rpc(idempotent, timeout = "2s", idle_timeout = "1h")]
    fn load(&self, every_ms: u32) -> impl Stream<Item = ServerLoad>;
}

/// How a service is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub enum HealthStatus {
    /// Calls are welcome.
    Serving,
    /// Calls had better go elsewhere, though those that come are served.
    NotServing,
    /// There is no such service here.
    Unknown,
}

/// What a server says of its health and its load.
#[derive(Clone)]
pub(super) struct Board(Arc<watch::Sender<State>>, Arc<Meter>);

struct State {
    services: BTreeMap<String, HealthStatus>,
    is_over: bool,
}

impl Board {
    /// A board for these services, all of which serve.
    pub(super) fn new(services: impl Iterator<Item = String>, meter: Arc<Meter>) -> Self {
        let all = services.chain([String::new()]).map(|name| (name, HealthStatus::Serving)).collect();
        Self(Arc::new(watch::Sender::new(State { services: all, is_over: false })), meter)
    }

    /// Sets what is said of a service; false if there is none of that name.
    pub(super) fn set(&self, service: &str, is_serving: bool) -> bool {
        let status = if is_serving { HealthStatus::Serving } else { HealthStatus::NotServing };
        let mut is_known = false;
        self.0.send_if_modified(|state| {
            let Some(have) = state.services.get_mut(service) else { return false };
            is_known = true;
            // What is said at the end is said for good.
            !state.is_over && std::mem::replace(have, status) != status
        });
        is_known
    }

    /// The server shuts down: nothing serves any more.
    pub(super) fn end(&self) {
        self.0.send_modify(|state| {
            state.is_over = true;
            state.services.values_mut().for_each(|status| *status = HealthStatus::NotServing);
        });
    }

    fn status(state: &State, service: &str) -> HealthStatus {
        state.services.get(service).copied().unwrap_or(HealthStatus::Unknown)
    }
}

impl Health for Board {
    async fn check(&self, service: &str) -> HealthStatus {
        Self::status(&self.0.borrow(), service)
    }

    fn watch(&self, service: String) -> impl Stream<Item = HealthStatus> {
        let state = (self.0.subscribe(), service, None);
        stream::unfold(state, async |(mut board, service, last)| {
            loop {
                let (status, is_over) = {
                    let state = board.borrow_and_update();
                    (Self::status(&state, &service), state.is_over)
                };
                if last != Some(status) {
                    return Some((status, (board, service, Some(status))));
                }
                if is_over || board.changed().await.is_err() {
                    return None;
                }
            }
        })
    }

    fn load(&self, every_ms: u32) -> impl Stream<Item = ServerLoad> {
        let every = Duration::from_millis(u64::from(every_ms)).max(limits::LOAD_REPORT_LEAST);
        let state = (self.0.subscribe(), Arc::clone(&self.1), None);
        stream::unfold(state, move |(mut board, meter, last)| async move {
            let from = last.unwrap_or_else(|| meter.read());
            let is_over = async { board.wait_for(|state| state.is_over).await.is_ok() };
            tokio::select! {
                biased;
                _ = is_over => return None,
                () = tokio::time::sleep(every) => {}
            }
            let to = meter.read();
            Some((meter.load(&from, &to), (board, meter, Some(to))))
        })
    }
}

impl fmt::Debug for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(&self.0.borrow().services).finish()
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;

    use crate::driver::Finish;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn health_is_told_to_who_asks_and_to_who_watches() {
        let board = Board::new(["Calculator".to_owned()].into_iter(), Arc::default());
        let client = HealthClient::loopback(board.clone());
        let mut watched = client.watch("Calculator".to_owned());
        assert_eq!(watched.next().await.unwrap().unwrap(), HealthStatus::Serving);
        assert_eq!(client.check("Other").await.unwrap(), HealthStatus::Unknown);
        assert!(
            board.set("Calculator", false) && board.set("Calculator", false) && !board.set("Other", true)
        );
        assert_eq!(watched.next().await.unwrap().unwrap(), HealthStatus::NotServing);
        assert_eq!(client.check("").await.unwrap(), HealthStatus::Serving);
        assert!(board.set("Calculator", true));
        assert_eq!(watched.next().await.unwrap().unwrap(), HealthStatus::Serving);
        board.end();
        assert_eq!(watched.next().await.unwrap().unwrap(), HealthStatus::NotServing);
        assert!(watched.next().await.is_none() && board.set("Calculator", true));
        assert_eq!(client.check("").await.unwrap(), HealthStatus::NotServing);
        assert_eq!(client.check("Calculator").await.unwrap(), HealthStatus::NotServing);
    }

    #[tokio::test(start_paused = true)]
    async fn its_load_is_told_as_often_as_is_asked_until_the_end() {
        let meter = Arc::new(Meter::new(Arc::new(|| 0.5)));
        let board = Board::new(std::iter::empty(), Arc::clone(&meter));
        let client = HealthClient::loopback(board.clone());
        let mut loads = client.load(2_000);
        // What is counted before the stream has begun is of no time that it tells of.
        meter.count(Finish::Answered);
        let first = loads.next().await.unwrap().unwrap();
        assert_eq!((first.utilization, first.calls), (0.5, 0.0));
        let began = tokio::time::Instant::now();
        for _ in 0..3 {
            (0..4).for_each(|_| meter.count(Finish::Answered));
            let load = loads.next().await.unwrap().unwrap();
            assert_eq!((load.utilization, load.errors), (0.5, 0.0));
            assert!((1.5..=2.5).contains(&load.calls), "{load:?}");
        }
        assert!((6.0..6.5).contains(&began.elapsed().as_secs_f64()), "{:?}", began.elapsed());
        board.end();
        assert!(loads.next().await.is_none());
    }
}
