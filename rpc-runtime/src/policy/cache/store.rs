//! Owns [`Store`]: answers by their keys, within so many bytes. Does not look at their age.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::limits;
use crate::policy::cache::arc;
use crate::policy::cache::config::CachePolicy;
use crate::policy::cache::entry::Entry;
use crate::policy::cache::eviction::{Eviction, Lfu, Lru};
use crate::policy::cache::key::Key;

/// Answers by their keys, within so many bytes.
pub(super) struct Store {
    shelf: Shelf,
    /// The most that one answer may take.
    share: usize,
}

enum Shelf {
    /// Has its own locks.
    WTinyLfu(moka::sync::Cache<u64, Arc<Entry>>),
    Own(Mutex<Own>),
}

/// The answers beside a policy of our own.
struct Own {
    entries: HashMap<u64, Arc<Entry>>, // keyed look-up only
    eviction: Box<dyn Eviction>,
}

impl Store {
    pub(super) fn new(policy: CachePolicy, bytes: usize) -> Self {
        let eviction: Box<dyn Eviction> = match policy {
            CachePolicy::WTinyLfu => {
                let weigh = |_: &u64, entry: &Arc<Entry>| u32::try_from(entry.cost()).unwrap_or(u32::MAX);
                let builder = moka::sync::Cache::builder().max_capacity(bytes as u64).weigher(weigh);
                let shelf = Shelf::WTinyLfu(builder.build());
                return Self { shelf, share: bytes / limits::CACHE_SHARE };
            }
            CachePolicy::Lru => Box::new(Lru::new(bytes)),
            CachePolicy::Lfu => Box::new(Lfu::new(bytes)),
            CachePolicy::Arc => Box::new(arc::Arc::new(bytes)),
        };
        let entries = HashMap::new(); // keyed look-up only
        let shelf = Shelf::Own(Mutex::new(Own { entries, eviction }));
        Self { shelf, share: bytes / limits::CACHE_SHARE }
    }

    /// The answer to a call with this key, of whatever age; this is a use of it.
    pub(super) fn get(&self, key: &Key) -> Option<Arc<Entry>> {
        let entry = match &self.shelf {
            Shelf::WTinyLfu(shelf) => shelf.get(&key.hash),
            Shelf::Own(own) => own.lock().get(key.hash),
        };
        entry.filter(|entry| entry.answers(key))
    }

    /// Keeps an answer, in place of an earlier one; unless it takes too much.
    pub(super) fn put(&self, key: &Key, entry: Arc<Entry>) {
        if entry.cost() > self.share {
            return;
        }
        match &self.shelf {
            Shelf::WTinyLfu(shelf) => {
                shelf.insert(key.hash, entry);
                // Room is made here and not some time later, so that the bound holds; a call has just been made, beside
                // which this is nothing.
                shelf.run_pending_tasks();
            }
            Shelf::Own(own) => own.lock().put(key.hash, entry),
        }
    }

    /// Keeps nothing any more.
    pub(super) fn clear(&self) {
        match &self.shelf {
            Shelf::WTinyLfu(shelf) => {
                shelf.invalidate_all();
                shelf.run_pending_tasks();
            }
            Shelf::Own(own) => own.lock().clear(),
        }
    }

    /// How many answers there are, and how many bytes they take.
    pub(super) fn size(&self) -> (usize, usize) {
        match &self.shelf {
            Shelf::WTinyLfu(shelf) => (shelf.entry_count() as usize, shelf.weighted_size() as usize),
            Shelf::Own(own) => {
                let own = own.lock();
                (own.entries.len(), own.eviction.cost())
            }
        }
    }
}

impl Own {
    fn get(&mut self, hash: u64) -> Option<Arc<Entry>> {
        let entry = self.entries.get(&hash)?;
        self.eviction.hit(hash);
        Some(Arc::clone(entry))
    }

    fn put(&mut self, hash: u64, entry: Arc<Entry>) {
        let mut gone = Vec::new();
        self.eviction.insert(hash, entry.cost(), &mut gone);
        for hash in gone {
            self.entries.remove(&hash);
        }
        self.entries.insert(hash, entry);
    }

    fn clear(&mut self) {
        for (hash, _) in std::mem::take(&mut self.entries) {
            self.eviction.remove(hash);
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (entries, bytes) = self.size();
        write!(f, "Store({entries} answers, {bytes} bytes)")
    }
}
