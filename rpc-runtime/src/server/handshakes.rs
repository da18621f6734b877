//! Owns [`Handshakes`]: the handshakes that a server has under way, how many and for how long. Does not know what is
//! said in one, nor what becomes of the link.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::transport::Link;

/// The handshakes under way, the oldest first.
///
/// They are outside of every connection's count, since whoever makes one is a stranger still. When there are too many, the
/// oldest gives way: an honest one is over within milliseconds, so that one is most likely of somebody who will never go
/// on. Turning away the newcomer instead would let a handful of silent strangers lock everybody out.
pub(super) struct Handshakes {
    most: usize,
    limit: Duration,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    next: u64,
    /// Who it is, and how to give up.
    under_way: BTreeMap<u64, (Arc<str>, AbortHandle)>,
    is_over: bool,
}

impl Handshakes {
    pub(super) fn new(most: usize, limit: Duration) -> Arc<Self> {
        Arc::new(Self { most: most.max(1), limit, table: Mutex::default() })
    }

    /// Makes the handshake of this link in a task, and gives `then` what comes of it; says who had to give way for it.
    /// `then` is not called if this one gives way itself, or the server shuts down meanwhile.
    pub(super) fn begin(
        self: &Arc<Self>,
        peer: Arc<str>,
        link: Link,
        then: impl FnOnce(io::Result<Link>) + Send + 'static,
    ) -> Option<Arc<str>> {
        let mut table = self.table.lock();
        if table.is_over {
            return None;
        }
        let gave_way = if table.under_way.len() < self.most { None } else { table.under_way.pop_first() };
        let number = table.next;
        table.next += 1;
        let (handshakes, limit) = (Arc::clone(self), self.limit);
        let task = tokio::spawn(async move {
            let opened = timeout(limit, link.open()).await.unwrap_or_else(|_| {
                let text = format!("no handshake within {limit:?} (`handshake_timeout`)");
                Err(io::Error::new(io::ErrorKind::TimedOut, text))
            });
            if handshakes.ended(number) {
                then(opened);
            }
        });
        table.under_way.insert(number, (peer, task.abort_handle()));
        drop(table);
        gave_way.map(|(_, (peer, oldest))| {
            oldest.abort();
            peer
        })
    }

    /// Gives up all that are under way, and makes none from now on.
    pub(super) fn close(&self) {
        let all = {
            let mut table = self.table.lock();
            table.is_over = true;
            std::mem::take(&mut table.under_way)
        };
        all.values().for_each(|(_, under_way)| under_way.abort());
    }

    /// Takes one out; false if it was to be given up.
    fn ended(&self, number: u64) -> bool {
        self.table.lock().under_way.remove(&number).is_some()
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;
    use crate::transport::pipe;

    /// A link whose handshake ends when the sender says so, or is gone.
    fn link() -> (mpsc::Sender<()>, Link) {
        let (sender, mut told) = mpsc::channel(1);
        let handshake = async move {
            match told.recv().await {
                Some(()) => Ok(pipe().0),
                None => Err(io::ErrorKind::UnexpectedEof.into()),
            }
        };
        (sender, Link::opening("peer", handshake))
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_gives_way_and_time_ends_the_others() {
        let handshakes = Handshakes::new(2, Duration::from_secs(10));
        let (ends, mut ended) = mpsc::unbounded_channel();
        let begin = |name: &'static str| {
            let (sender, link) = link();
            let ends = ends.clone();
            let gave_way = handshakes.begin(name.into(), link, move |opened| {
                let _ = ends.send((name, opened.map(drop).map_err(|error| error.kind())));
            });
            (sender, gave_way)
        };
        let (first, second) = (begin("first"), begin("second"));
        assert_eq!((first.1, second.1), (None, None));
        tokio::task::yield_now().await;
        let third = begin("third");
        assert_eq!(third.1.as_deref(), Some("first"));
        second.0.send(()).await.unwrap();
        assert_eq!(ended.recv().await.unwrap(), ("second", Ok(())));
        first.0.closed().await;
        assert_eq!(ended.recv().await.unwrap(), ("third", Err(io::ErrorKind::TimedOut)));
        drop(third);

        let fourth = begin("fourth");
        handshakes.close();
        fourth.0.closed().await;
        let late = begin("late");
        late.0.closed().await;
        assert!(ended.try_recv().is_err() && handshakes.table.lock().under_way.is_empty());
    }
}
