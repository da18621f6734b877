//! Owns [`Node`]: the registry's one process, with its clock, its file and those who watch. Who is where is `table`'s.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{Stream, stream};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use crate::call::roll;
use crate::discovery::{Endpoint, Snapshot};
use crate::limits;
use crate::policy::now;
use crate::registry::saved;
use crate::registry::service::{Change, Granted, Registry, RegistryError};
use crate::registry::table::{Lease, Table, check_name};

/// The registry: what a [`RegistryServer`](crate::registry::RegistryServer) serves. All clones are the same one; it ends with
/// the last.
#[derive(Clone)]
pub struct Node {
    inner: Arc<Inner>,
    _task: Arc<Task>,
}

struct Inner {
    table: Mutex<Table>,
    /// Counted up with each change of the table.
    revision: watch::Sender<u64>,
    snapshot: Option<Snapshot>,
    /// Until then it may not know all.
    settled: Instant,
    watchers: Arc<Semaphore>,
    most_watchers: usize,
}

struct Task(AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Settings of a [`Node`].
#[derive(Clone, Debug)]
#[must_use]
pub struct NodeBuilder {
    snapshot: Option<PathBuf>,
    grace: Duration,
    watchers: usize,
}

impl Node {
    /// Begins a node.
    pub fn builder() -> NodeBuilder {
        NodeBuilder { snapshot: None, grace: limits::REGISTRY_GRACE, watchers: limits::REGISTRY_WATCHERS }
    }
}

impl NodeBuilder {
    /// The file in which leases are kept, within a second after each change; it is replaced as a whole. Without one a node
    /// that is started again knows nothing until servers renew their leases.
    pub fn snapshot(mut self, file: impl Into<PathBuf>) -> Self {
        self.snapshot = Some(file.into());
        self
    }

    /// How long servers have to come back to a node that was started again, and how long it says that it may not know all;
    /// 30 s.
    pub const fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// How many may watch at a time; 10,000.
    pub const fn watchers(mut self, watchers: usize) -> Self {
        self.watchers = watchers;
        self
    }

    /// Reads the file, if there is one, and begins.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or is not a registry's: a node that begins without what it knew would be worse than one
    /// that does not begin.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub async fn start(self) -> io::Result<Node> {
        let (mut table, now) = (Table::default(), now());
        let snapshot = self.snapshot.map(Snapshot::new);
        if let Some(snapshot) = &snapshot {
            let named = |error: &dyn fmt::Display| format!("{}: {error}", snapshot.path().display());
            let read = snapshot.read(limits::REGISTRY_BYTES).await;
            let read = read.map_err(|error| io::Error::new(error.kind(), named(&error)))?;
            if let Some(bytes) = read {
                let text = String::from_utf8_lossy(&bytes);
                let wrong =
                    |error: &dyn fmt::Display| io::Error::new(io::ErrorKind::InvalidData, named(error));
                for (number, lease) in saved::leases(&text).map_err(|error| wrong(&error))? {
                    table.register(number, lease, now).map_err(|error| wrong(&error))?;
                }
                table.extend(self.grace, now);
            }
        }
        let inner = Arc::new(Inner {
            table: Mutex::new(table),
            revision: watch::Sender::new(0),
            snapshot,
            settled: now + self.grace,
            watchers: Arc::new(Semaphore::new(self.watchers.min(Semaphore::MAX_PERMITS))),
            most_watchers: self.watchers,
        });
        let task = tokio::spawn(keep(Arc::clone(&inner))).abort_handle();
        Ok(Node { inner, _task: Arc::new(Task(task)) })
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let leases = self.inner.table.lock().leases().count();
        f.debug_struct("Node").field("leases", &leases).finish_non_exhaustive()
    }
}

/// Ends leases when their time is over, tells when the node has settled, and keeps the file.
async fn keep(inner: Arc<Inner>) {
    let mut revision = inner.revision.subscribe();
    let (mut saved, mut has_settled) = (0, false);
    let mut save_at = None;
    loop {
        let now = now();
        if inner.table.lock().expire(now) > 0 {
            inner.changed();
        }
        if !has_settled && inner.is_settled(now) {
            has_settled = true;
            // Nothing else has changed, but those who watch are to hear of it.
            inner.changed();
        }
        let latest = *revision.borrow_and_update();
        if latest != saved {
            save_at.get_or_insert(now + limits::REGISTRY_SAVE);
        }
        if save_at.is_some_and(|due| due <= now) {
            save_at = None;
            if inner.save().await {
                saved = latest;
            } else {
                // A full disk is not asked twice a second, and not left at that either.
                save_at = Some(now + limits::REGISTRY_BEAT);
            }
        }
        let next_end = inner.table.lock().next_end();
        let settles = (!has_settled).then_some(inner.settled);
        let due = [next_end, settles, save_at].into_iter().flatten().min();
        let wait = due.map_or(limits::REGISTRY_BEAT, |due| due.saturating_duration_since(now));
        let _ = timeout(wait, revision.changed()).await;
    }
}

impl Inner {
    fn changed(&self) {
        self.revision.send_modify(|revision| *revision += 1);
    }

    fn is_settled(&self, now: Instant) -> bool {
        now >= self.settled
    }

    /// True if there is nothing that is not kept.
    async fn save(&self) -> bool {
        let Some(snapshot) = &self.snapshot else { return true };
        let text = saved::text(self.table.lock().leases());
        let kept = snapshot.write(text.into_bytes()).await;
        if let Err(error) = &kept {
            tracing::error!(file = %snapshot.path().display(), %error, "the registry cannot keep what it knows");
        }
        kept.is_ok()
    }
}

impl Registry for Node {
    async fn register(
        &self,
        services: Vec<String>,
        endpoint: Endpoint,
        ttl_ms: u64,
    ) -> Result<Granted, RegistryError> {
        let ttl = Duration::from_millis(ttl_ms).clamp(limits::LEASE_LEAST, limits::LEASE_MOST);
        let lease = {
            let mut table = self.inner.table.lock();
            let mut lease = roll();
            while table.has(lease) {
                lease = roll();
            }
            table.register(lease, Lease { services, endpoint, ttl }, now())?;
            lease
        };
        self.inner.changed();
        Ok(Granted { lease, ttl_ms: ttl.as_millis() as u64 })
    }

    async fn renew(&self, lease: u64) -> Result<(), RegistryError> {
        let renewed = self.inner.table.lock().renew(lease, now());
        renewed.then_some(()).ok_or(RegistryError::UnknownLease)
    }

    async fn deregister(&self, lease: u64) {
        let ended = self.inner.table.lock().end(lease);
        if ended {
            self.inner.changed();
        }
    }

    async fn list(&self, service: &str) -> Vec<Endpoint> {
        self.inner.table.lock().list(service).to_vec()
    }

    async fn services(&self) -> Vec<(String, u64)> {
        let table = self.inner.table.lock();
        table.services().map(|(name, count)| (name.to_owned(), count as u64)).collect()
    }

    async fn watch(&self, service: String) -> Result<impl Stream<Item = Change>, RegistryError> {
        check_name(&service)?;
        let Ok(place) = Arc::clone(&self.inner.watchers).try_acquire_owned() else {
            let most = self.inner.most_watchers;
            return Err(RegistryError::Full(format!("{most} watch already (`watchers`)")));
        };
        let (inner, revision) = (Arc::clone(&self.inner), self.inner.revision.subscribe());
        let watcher = Watcher { inner, revision, service, told: None, was_settled: false, _place: place };
        Ok(stream::unfold(watcher, async |mut watcher| Some((watcher.next().await, watcher))))
    }
}

/// One that watches.
struct Watcher {
    inner: Arc<Inner>,
    revision: watch::Receiver<u64>,
    service: String,
    /// What it has been told last.
    told: Option<Arc<[Endpoint]>>,
    was_settled: bool,
    _place: OwnedSemaphorePermit,
}

impl Watcher {
    async fn next(&mut self) -> Change {
        let beat = async {
            loop {
                self.revision.borrow_and_update();
                if let Some(change) = self.change() {
                    return change;
                }
                // Fails only if the node is gone, which `inner` holds.
                let _ = self.revision.changed().await;
                // Changes that come together are told together.
                sleep(limits::REGISTRY_GATHER).await;
            }
        };
        match timeout(limits::REGISTRY_BEAT, beat).await {
            Ok(change) => change,
            Err(_) => Change { settled: self.was_settled, ..Change::default() },
        }
    }

    fn change(&mut self) -> Option<Change> {
        let list = self.inner.table.lock().list(&self.service);
        let settled = self.inner.is_settled(now());
        // The list of a node that has just settled replaces what was put together before.
        let told = self.told.replace(Arc::clone(&list)).filter(|_| settled == self.was_settled);
        let change = match told {
            None => Change { whole: true, set: list.to_vec(), gone: Vec::new(), settled },
            Some(told) if Arc::ptr_eq(&told, &list) => return None,
            Some(told) => {
                let (set, gone) = difference(&told, &list);
                if set.is_empty() && gone.is_empty() {
                    return None;
                }
                Change { whole: false, set, gone, settled }
            }
        };
        self.was_settled = settled;
        Some(change)
    }
}

/// What is new in a list, and what is gone; both lists are in the order of their addresses.
fn difference(before: &[Endpoint], after: &[Endpoint]) -> (Vec<Endpoint>, Vec<String>) {
    let (mut set, mut gone) = (Vec::new(), Vec::new());
    let mut before = before.iter().peekable();
    for endpoint in after {
        while let Some(old) = before.next_if(|old| old.address() < endpoint.address()) {
            gone.push(old.address().to_owned());
        }
        match before.next_if(|old| old.address() == endpoint.address()) {
            Some(old) if old == endpoint => {}
            _ => set.push(endpoint.clone()),
        }
    }
    gone.extend(before.map(|old| old.address().to_owned()));
    (set, gone)
}

#[cfg(test)]
mod tests;
