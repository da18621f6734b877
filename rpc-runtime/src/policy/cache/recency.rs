//! Owns [`Recency`]: keys in the order of their last use, each with its cost. Pure.

use std::collections::{BTreeMap, HashMap};

/// Keys in the order of their last use. A use is an entry in two tables: `O(log n)`, and no list by hand.
#[derive(Debug, Default)]
pub(super) struct Recency {
    by_age: BTreeMap<u64, (u64, usize)>,
    stamps: HashMap<u64, u64>, // keyed look-up only
    next: u64,
    /// The sum of all costs.
    cost: usize,
}

impl Recency {
    /// Puts a key that is not there at the most recent end.
    pub(super) fn push(&mut self, key: u64, cost: usize) {
        self.by_age.insert(self.next, (key, cost));
        self.stamps.insert(key, self.next);
        self.next += 1;
        self.cost += cost;
    }

    /// Takes a key out; its cost, if it was there.
    pub(super) fn remove(&mut self, key: u64) -> Option<usize> {
        let (_, cost) = self.by_age.remove(&self.stamps.remove(&key)?)?;
        self.cost -= cost;
        Some(cost)
    }

    /// Takes out the key that was used longest ago, with its cost.
    pub(super) fn pop_oldest(&mut self) -> Option<(u64, usize)> {
        let (_, (key, cost)) = self.by_age.pop_first()?;
        self.stamps.remove(&key);
        self.cost -= cost;
        Some((key, cost))
    }

    pub(super) fn contains(&self, key: u64) -> bool {
        self.stamps.contains_key(&key)
    }

    /// The sum of all costs.
    pub(super) const fn cost(&self) -> usize {
        self.cost
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_age.is_empty()
    }

    /// The keys, the one that was used longest ago first.
    #[cfg(test)]
    pub(super) fn keys(&self) -> Vec<u64> {
        self.by_age.values().map(|(key, _)| *key).collect()
    }
}
