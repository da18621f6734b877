//! Owns [`Eviction`], what makes room in a cache, and the two simple ways, [`Lru`] and [`Lfu`]. Pure.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use crate::policy::cache::recency::Recency;

/// What makes room: it knows keys and their costs, and says which keys go.
pub(super) trait Eviction: fmt::Debug + Send {
    /// A key that is kept has been used.
    fn hit(&mut self, key: u64);

    /// A key comes, or comes anew with another cost, which is at most the capacity. The keys that go are added to `gone`.
    fn insert(&mut self, key: u64, cost: usize, gone: &mut Vec<u64>);

    /// A key that is kept is kept no more, for a reason of its own.
    fn remove(&mut self, key: u64);

    /// What is kept costs so much together, at most the capacity.
    fn cost(&self) -> usize;
}

// ===== impl Lru =====

/// Whoever was used longest ago goes.
#[derive(Debug)]
pub(super) struct Lru {
    kept: Recency,
    capacity: usize,
}

impl Lru {
    pub(super) fn new(capacity: usize) -> Self {
        Self { kept: Recency::default(), capacity }
    }
}

impl Eviction for Lru {
    fn hit(&mut self, key: u64) {
        if let Some(cost) = self.kept.remove(key) {
            self.kept.push(key, cost);
        }
    }

    fn insert(&mut self, key: u64, cost: usize, gone: &mut Vec<u64>) {
        self.kept.remove(key);
        while self.kept.cost() + cost > self.capacity {
            let Some((oldest, _)) = self.kept.pop_oldest() else { return };
            gone.push(oldest);
        }
        self.kept.push(key, cost);
    }

    fn remove(&mut self, key: u64) {
        self.kept.remove(key);
    }

    fn cost(&self) -> usize {
        self.kept.cost()
    }
}

// ===== impl Lfu =====

/// Whoever was used least often goes, and of those whoever was used longest ago.
///
/// Counts are halved after ten uses for each key that is kept: without that, the stars of yesterday would stay for ever.
#[derive(Debug)]
pub(super) struct Lfu {
    /// (uses, time of the last one) → key, the first to go first.
    order: BTreeMap<(u32, u64), u64>,
    kept: HashMap<u64, Uses>, // keyed look-up only: `order` is what is iterated
    capacity: usize,
    cost: usize,
    clock: u64,
    /// Uses since counts were halved.
    uses: usize,
}

#[derive(Clone, Copy, Debug)]
struct Uses {
    count: u32,
    last: u64,
    cost: usize,
}

impl Lfu {
    pub(super) fn new(capacity: usize) -> Self {
        let (order, kept) = (BTreeMap::new(), HashMap::new()); // keyed look-up only
        Self { order, kept, capacity, cost: 0, clock: 0, uses: 0 }
    }

    fn put(&mut self, key: u64, count: u32, cost: usize) {
        self.clock += 1;
        self.order.insert((count, self.clock), key);
        self.kept.insert(key, Uses { count, last: self.clock, cost });
        self.cost += cost;
        self.uses += 1;
        if self.uses > self.kept.len() * 10 {
            self.halve();
        }
    }

    fn take(&mut self, key: u64) -> Option<Uses> {
        let uses = self.kept.remove(&key)?;
        self.order.remove(&(uses.count, uses.last));
        self.cost -= uses.cost;
        Some(uses)
    }

    fn halve(&mut self) {
        self.uses = 0;
        for ((count, last), key) in std::mem::take(&mut self.order) {
            self.order.insert((count / 2, last), key);
            if let Some(uses) = self.kept.get_mut(&key) {
                uses.count = count / 2;
            }
        }
    }
}

impl Eviction for Lfu {
    fn hit(&mut self, key: u64) {
        if let Some(uses) = self.take(key) {
            self.put(key, uses.count.saturating_add(1), uses.cost);
        }
    }

    fn insert(&mut self, key: u64, cost: usize, gone: &mut Vec<u64>) {
        let count = self.take(key).map_or(1, |uses| uses.count);
        while self.cost + cost > self.capacity {
            let Some((_, first)) = self.order.pop_first() else { return };
            self.take(first);
            gone.push(first);
        }
        self.put(key, count, cost);
    }

    fn remove(&mut self, key: u64) {
        self.take(key);
    }

    fn cost(&self) -> usize {
        self.cost
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A list of (key, cost, uses, time of the last one), and the rule of who goes as a sort.
    struct Naive {
        kept: Vec<(u64, usize, u32, u64)>,
        by_uses: bool,
        capacity: usize,
        clock: u64,
        uses: usize,
    }

    impl Naive {
        fn put(&mut self, key: u64, cost: usize, uses: u32) {
            self.clock += 1;
            self.uses += 1;
            self.kept.push((key, cost, uses, self.clock));
            if self.uses > self.kept.len() * 10 {
                self.uses = 0;
                self.kept.iter_mut().for_each(|kept| kept.2 /= 2);
            }
        }

        fn take(&mut self, key: u64) -> Option<(u64, usize, u32, u64)> {
            let at = self.kept.iter().position(|kept| kept.0 == key)?;
            Some(self.kept.remove(at))
        }

        fn insert(&mut self, key: u64, cost: usize) -> Vec<u64> {
            let uses = self.take(key).map_or(1, |kept| kept.2);
            let mut gone = Vec::new();
            while self.kept.iter().map(|kept| kept.1).sum::<usize>() + cost > self.capacity {
                let by_uses = self.by_uses;
                let rank =
                    |kept: &(u64, usize, u32, u64)| if by_uses { (kept.2, kept.3) } else { (0, kept.3) };
                let first = self.kept.iter().min_by_key(|kept| rank(kept)).unwrap().0;
                self.take(first);
                gone.push(first);
            }
            self.put(key, cost, uses);
            gone
        }
    }

    proptest! {
        #[test]
        fn they_choose_whom_a_plain_list_would_choose(
            by_uses: bool,
            capacity in 10_usize..60,
            steps in prop::collection::vec((0_u64..25, 1_usize..10, 0_u8..10), 1..400),
        ) {
            let mut tried: Box<dyn Eviction> =
                if by_uses { Box::new(Lfu::new(capacity)) } else { Box::new(Lru::new(capacity)) };
            let mut naive = Naive { kept: Vec::new(), by_uses, capacity, clock: 0, uses: 0 };
            for (key, cost, what) in steps {
                let is_kept = naive.kept.iter().any(|kept| kept.0 == key);
                match what {
                    0 => {
                        tried.remove(key);
                        naive.take(key);
                    }
                    1..6 if is_kept => {
                        tried.hit(key);
                        let kept = naive.take(key).unwrap();
                        naive.put(key, kept.1, kept.2 + 1);
                    }
                    _ => {
                        let mut gone = Vec::new();
                        tried.insert(key, cost, &mut gone);
                        prop_assert_eq!(gone, naive.insert(key, cost));
                    }
                }
                prop_assert_eq!(tried.cost(), naive.kept.iter().map(|kept| kept.1).sum::<usize>());
                prop_assert!(tried.cost() <= capacity);
            }
        }
    }
}
