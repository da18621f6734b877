//! Owns the keeper: the task of a balanced channel, which hands on what its source says and keeps connections ready. Does not
//! pick, and decides nothing about endpoints.

use std::future::pending;
use std::sync::{Arc, Weak};
use std::time::Instant;

use tokio::runtime::Handle;
use tokio::time::{sleep, sleep_until};

use crate::balance::Reach;
use crate::call::{Code, Delivery, RpcError};
use crate::client::checkup::Checkups;
use crate::client::cluster::Cluster;
use crate::discovery::Directory;
use crate::limits;

/// Has a cluster's endpoints found and their connections kept from now on, unless they are.
#[inline]
pub(super) fn ensure(cluster: &Arc<Cluster>) -> Result<(), RpcError> {
    if cluster.is_kept() { Ok(()) } else { begin(cluster) }
}

#[cold]
fn begin(cluster: &Arc<Cluster>) -> Result<(), RpcError> {
    let Ok(runtime) = Handle::try_current() else {
        let text = "no endpoints: they are looked for within a tokio runtime, and there is none";
        return Err(RpcError::new(Code::UNAVAILABLE, Delivery::NotSent, text));
    };
    if cluster.is_at_rest() {
        cluster.rest(false);
    }
    if !cluster.begin_keeping() {
        runtime.spawn(keep(Arc::downgrade(cluster)));
    }
    Ok(())
}

/// Keeps a cluster until nobody has it any more.
async fn keep(cluster: Weak<Cluster>) {
    let guard = Kept(cluster);
    let Some(cluster) = guard.0.upgrade() else { return };
    let keeper = Arc::clone(&cluster.keeper);
    let directory = Directory::start(Arc::clone(&cluster.source), cluster.directory.clone());
    drop(cluster);
    let mut known = directory.subscribe();
    let (mut is_new, mut checkups) = (true, Checkups::default());
    loop {
        let Some(cluster) = guard.0.upgrade() else { return };
        if is_new {
            let latest = known.borrow_and_update().clone();
            cluster.know(&latest);
        }
        let due = warm(&cluster);
        let due = [due, cluster.look_at_bundles(), checkups.look(&cluster)].into_iter().flatten().min();
        cluster.call_up();
        // Nobody is kept alive by being looked after.
        drop(cluster);
        is_new = tokio::select! {
            biased;
            changed = known.changed() => {
                if changed.is_err() {
                    // Its reader has panicked. Whoever waits begins anew then, and not as fast as it can panic.
                    return sleep(limits::COLD_START).await;
                }
                true
            }
            () = keeper.notified() => false,
            () = until(due) => false,
        };
    }
}

/// Connects whom it is worth while to connect: the first ones, and all that calls have used and lost. Says when the next attempt
/// may be made, or those who wait are to look again.
fn warm(cluster: &Cluster) -> Option<Instant> {
    let fleet = cluster.fleet();
    fleet.recount(cluster.now(), &cluster.balance);
    let look = cluster.next_look();
    if cluster.is_at_rest() {
        return look;
    }
    let wants = fleet.sites().iter().enumerate().filter(|(index, site)| match site.seat.reach() {
        Reach::Untried => *index < cluster.balance.warm,
        Reach::Lost | Reach::Away => true,
        Reach::Trying | Reach::Up => false,
    });
    wants.filter_map(|(_, site)| site.of.channel.warm_up()).chain(look).min()
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due.into()).await,
        None => pending().await,
    }
}

/// A cluster that is kept, until the task ends.
struct Kept(Weak<Cluster>);

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(cluster) = self.0.upgrade() {
            cluster.is_left();
            cluster.call_up();
        }
    }
}
