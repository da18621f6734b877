//! Owns [`Checkups`]: which endpoints of a balanced channel are being asked how they are and how loaded, each by streams of its service
//! `Health`. Does not decide what follows from their words (`seat`, `report`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{Stream, StreamExt};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::balance::{Moment, Reach, Seat, Word, capacity};
use crate::call::{CallError, Code, Throw, roll};
use crate::client::channel::Channel;
use crate::client::cluster::Cluster;
use crate::driver::now;
use crate::limits;
use crate::policy::Backoff;
use crate::server::health::{HealthClient, HealthStatus};

/// The endpoints that are asked, by their ids: those that are connected, as long as they are.
#[derive(Default)]
pub(super) struct Checkups(BTreeMap<u64, Checkup>);

impl Checkups {
    /// Begins to ask those who are connected now, and leaves the others. Says when what they report is to be looked at.
    pub(super) fn look(&mut self, cluster: &Cluster) -> Option<Instant> {
        let reports = cluster.balance.algorithm.takes_reports();
        if cluster.balance.health.is_none() && !reports || cluster.is_at_rest() {
            self.0.clear();
            return None;
        }
        let mut had = std::mem::take(&mut self.0);
        for site in cluster.fleet().sites().iter().filter(|site| site.seat.reach() == Reach::Up) {
            let known = had.remove(&site.seat.id).filter(|one| Arc::ptr_eq(&one.seat, &site.seat));
            let checkup = known.unwrap_or_else(|| Checkup::begin(cluster, &site.seat, &site.of.channel));
            self.0.insert(site.seat.id, checkup);
        }
        reports.then(|| now() + limits::LOAD_REPORT)
    }
}

/// One endpoint that is asked, until this is dropped.
struct Checkup {
    seat: Arc<Seat>,
    tasks: Vec<JoinHandle<()>>,
    asks_health: bool,
}

impl Checkup {
    fn begin(cluster: &Cluster, seat: &Arc<Seat>, channel: &Channel) -> Self {
        let client = || HealthClient::new(channel.clone());
        let mut tasks = Vec::new();
        if let Some(service) = &cluster.balance.health {
            // Whoever asked before may have said his last word after he was stopped.
            seat.say(Word::Awaited);
            let keeper = Arc::clone(&cluster.keeper);
            tasks.push(tokio::spawn(health(client(), service.to_string(), Arc::clone(seat), keeper)));
        }
        if cluster.balance.algorithm.takes_reports() {
            tasks.push(tokio::spawn(load(client(), Arc::clone(seat), cluster.began)));
        }
        Self { seat: Arc::clone(seat), tasks, asks_health: cluster.balance.health.is_some() }
    }
}

impl Drop for Checkup {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        if self.asks_health {
            self.seat.say(Word::Awaited);
        }
    }
}

async fn health(client: HealthClient, service: String, seat: Arc<Seat>, keeper: Arc<Notify>) {
    let say = |word| {
        seat.say(word);
        keeper.notify_one();
    };
    let hear = |status| say(if status == HealthStatus::Serving { Word::Serving } else { Word::NotServing });
    if ask(|| client.watch(service.clone()), hear, || say(Word::Awaited)).await {
        say(Word::Serving);
    }
}

async fn load(client: HealthClient, seat: Arc<Seat>, began: Instant) {
    let hear = |load: crate::server::health::ServerLoad| {
        let now = Moment::after(now().saturating_duration_since(began));
        seat.report(now, capacity(load.calls, load.errors, load.utilization));
    };
    ask(|| client.load(limits::LOAD_REPORT.as_millis() as u32), hear, || {}).await;
}

/// Asks again and again what a stream says; ready, and true, when there is nobody to ask: the server has no such service.
async fn ask<T, S>(begin: impl Fn() -> S, mut hear: impl FnMut(T), lost: impl Fn()) -> bool
where
    S: Stream<Item = Result<T, CallError>> + Unpin,
{
    let mut backoff = Backoff::new(limits::SOURCE_BACKOFF_FIRST, limits::SOURCE_BACKOFF_LAST);
    loop {
        let (mut said, mut is_lost) = (begin(), false);
        while let Some(word) = said.next().await {
            match word {
                Ok(word) => {
                    hear(word);
                    backoff.reset();
                }
                Err(CallError::Rpc(error)) if error.code() == Code::UNIMPLEMENTED => {
                    tracing::debug!(%error, "an endpoint does not say how it is");
                    return true;
                }
                Err(error) => {
                    tracing::debug!(%error, "an endpoint cannot be asked how it is");
                    is_lost = true;
                    break;
                }
            }
        }
        // Whoever ends his words in order, because he leaves, has meant the last one.
        if is_lost {
            lost();
        }
        let wait: Duration = backoff.next(Throw(roll()));
        tokio::time::sleep(wait).await;
    }
}
