//! Owns [`Shards`]: threads with a runtime each, among which connections are dealt out. Does not accept them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;

use crate::server::core::Core;

/// Runtimes of one thread each. A connection stays with the one that it was given to, and so do its handlers: nothing of a call
/// passes from one thread to another, which is what a runtime of several threads spends most of its time on.
///
/// They end when these are dropped and no connection is left.
pub(super) struct Shards {
    handles: Vec<Handle>,
    next: AtomicUsize,
    /// Dropped, it tells the threads that no connection will come.
    _open: watch::Sender<()>,
}

impl Shards {
    /// Starts so many threads, for the connections of this server.
    pub(super) fn start(count: usize, core: &Arc<Core>) -> io::Result<Self> {
        let open = watch::Sender::new(());
        let start = |nth| {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let handle = runtime.handle().clone();
            let (mut is_open, core) = (open.subscribe(), Arc::clone(core));
            let serve = move || {
                runtime.block_on(async {
                    // Fails as soon as the sender is gone, which says nothing before.
                    let _ = is_open.changed().await;
                    core.wait_until_empty().await;
                });
            };
            thread::Builder::new().name(format!("traitwire-shard-{nth}")).spawn(serve)?;
            Ok(handle)
        };
        let handles = (0..count).map(start).collect::<io::Result<_>>()?;
        Ok(Self { handles, next: AtomicUsize::new(0), _open: open })
    }

    /// The runtime for the next connection: one with the fewest tasks, which connections and handlers that wait are; among
    /// equals by turns.
    pub(super) fn next(&self) -> Option<&Handle> {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let turns = (0..self.handles.len()).map(|turn| &self.handles[(first + turn) % self.handles.len()]);
        turns.min_by_key(|handle| handle.metrics().num_alive_tasks())
    }
}
