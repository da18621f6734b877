//! Owns [`Arc`]: the adaptive replacement cache. Pure.

use crate::policy::cache::eviction::Eviction;
use crate::policy::cache::recency::Recency;

/// The adaptive replacement cache of Megiddo and Modha (FAST 2003), with costs in place of pages: where each costs 1, it is
/// the algorithm of the paper's figure 4, list for list.
///
/// ```text
///            ghosts      kept             kept      ghosts
///           B1 ◀──────── T1 │           │ T2 ────────▶ B2
///               seen once   │◀── p ──▶  │  seen again
/// ```
///
/// `p` is what T1 should take: a key that comes back from B1 would have been a hit if T1 were larger, one from B2 if T2 were.
/// Ghosts are keys without their answers. With `c` the capacity:
/// `T1 + T2 <= c`, `T1 + B1 <= c`, `T1 + T2 + B1 + B2 <= 2c`, `0 <= p <= c`.
#[derive(Debug)]
pub(super) struct Arc {
    t1: Recency,
    t2: Recency,
    b1: Recency,
    b2: Recency,
    p: usize,
    capacity: usize,
}

impl Arc {
    pub(super) fn new(capacity: usize) -> Self {
        let (t1, t2, b1, b2) = Default::default();
        Self { t1, t2, b1, b2, p: 0, capacity }
    }

    /// The paper's REPLACE, until there is room: from T1 if it takes more than it should, otherwise from T2.
    fn make_room(&mut self, cost: usize, came_from_b2: bool, gone: &mut Vec<u64>) {
        while self.cost() + cost > self.capacity {
            let t1 = self.t1.cost();
            let takes_too_much = t1 > self.p || (came_from_b2 && t1 == self.p);
            let from_t1 = !self.t1.is_empty() && (takes_too_much || self.t2.is_empty());
            let (kept, ghosts) =
                if from_t1 { (&mut self.t1, &mut self.b1) } else { (&mut self.t2, &mut self.b2) };
            let Some((key, cost)) = kept.pop_oldest() else { return };
            ghosts.push(key, cost);
            gone.push(key);
        }
    }

    /// A key that has been seen before comes back from the ghosts.
    fn adapt(&mut self, cost: usize, from_b1: bool) {
        let (own, other) = if from_b1 { (&self.b1, &self.b2) } else { (&self.b2, &self.b1) };
        // Looked at before the key leaves its list, as in the paper, so that `own` is not empty.
        let step = cost * (other.cost() / own.cost().max(1)).max(1);
        self.p = if from_b1 { (self.p + step).min(self.capacity) } else { self.p.saturating_sub(step) };
    }

    /// A key that was never seen, or so long ago that it is forgotten: the paper's case IV, but for its REPLACE.
    fn trim_for_new(&mut self, cost: usize, gone: &mut Vec<u64>) {
        while self.t1.cost() + self.b1.cost() + cost > self.capacity {
            if self.b1.pop_oldest().is_none() {
                let Some((key, _)) = self.t1.pop_oldest() else { break };
                gone.push(key);
            }
        }
        self.trim_ghosts(cost);
    }

    fn trim_ghosts(&mut self, cost: usize) {
        while self.cost() + self.b1.cost() + self.b2.cost() + cost > 2 * self.capacity {
            if self.b2.pop_oldest().is_none() && self.b1.pop_oldest().is_none() {
                return;
            }
        }
    }
}

impl Eviction for Arc {
    fn hit(&mut self, key: u64) {
        if let Some(cost) = self.t1.remove(key).or_else(|| self.t2.remove(key)) {
            self.t2.push(key, cost);
        }
    }

    fn insert(&mut self, key: u64, cost: usize, gone: &mut Vec<u64>) {
        if self.t1.remove(key).or_else(|| self.t2.remove(key)).is_some() {
            // The answer has come anew, perhaps with another size: a key that is seen again.
            self.make_room(cost, false, gone);
            self.trim_ghosts(cost);
            self.t2.push(key, cost);
            return;
        }
        let in_b1 = self.b1.contains(key);
        if in_b1 || self.b2.contains(key) {
            self.adapt(cost, in_b1);
            self.b1.remove(key);
            self.b2.remove(key);
            self.make_room(cost, !in_b1, gone);
            self.trim_ghosts(cost);
            self.t2.push(key, cost);
        } else {
            self.trim_for_new(cost, gone);
            self.make_room(cost, false, gone);
            self.t1.push(key, cost);
        }
    }

    fn remove(&mut self, key: u64) {
        // Not a ghost either: whoever invalidates an answer says nothing about whether it will be asked for.
        self.t1.remove(key);
        self.t2.remove(key);
    }

    fn cost(&self) -> usize {
        self.t1.cost() + self.t2.cost()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Figure 4 of the paper, word for word, with vectors: the least recently used key first.
    #[derive(Debug, Default)]
    struct Paper {
        t1: Vec<u64>,
        t2: Vec<u64>,
        b1: Vec<u64>,
        b2: Vec<u64>,
        p: usize,
        c: usize,
    }

    fn take(list: &mut Vec<u64>, key: u64) -> bool {
        let at = list.iter().position(|other| *other == key);
        at.map(|at| list.remove(at)).is_some()
    }

    impl Paper {
        fn request(&mut self, x: u64) {
            if take(&mut self.t1, x) || take(&mut self.t2, x) {
                self.t2.push(x);
            } else if self.b1.contains(&x) {
                self.p = self.c.min(self.p + (self.b2.len() / self.b1.len()).max(1));
                self.replace(x);
                take(&mut self.b1, x);
                self.t2.push(x);
            } else if self.b2.contains(&x) {
                self.p = self.p.saturating_sub((self.b1.len() / self.b2.len()).max(1));
                self.replace(x);
                take(&mut self.b2, x);
                self.t2.push(x);
            } else {
                let total = self.t1.len() + self.t2.len() + self.b1.len() + self.b2.len();
                if self.t1.len() + self.b1.len() == self.c {
                    if self.t1.len() < self.c {
                        self.b1.remove(0);
                        self.replace(x);
                    } else {
                        self.t1.remove(0);
                    }
                } else if total >= self.c {
                    if total == 2 * self.c {
                        self.b2.remove(0);
                    }
                    self.replace(x);
                }
                self.t1.push(x);
            }
        }

        fn replace(&mut self, x: u64) {
            let t1 = self.t1.len();
            if t1 > 0 && (t1 > self.p || (self.b2.contains(&x) && t1 == self.p)) {
                self.b1.push(self.t1.remove(0));
            } else {
                self.b2.push(self.t2.remove(0));
            }
        }
    }

    fn request(arc: &mut Arc, key: u64, cost: usize, gone: &mut Vec<u64>) {
        if arc.t1.contains(key) || arc.t2.contains(key) {
            arc.hit(key);
        } else {
            arc.insert(key, cost, gone);
        }
    }

    proptest! {
        #[test]
        fn it_is_the_papers_list_for_list(c in 1_usize..12, keys in prop::collection::vec(0_u64..30, 1..500)) {
            let (mut arc, mut paper) = (Arc::new(c), Paper { c, ..Paper::default() });
            for key in keys {
                request(&mut arc, key, 1, &mut Vec::new());
                paper.request(key);
                let lists = [&arc.t1, &arc.t2, &arc.b1, &arc.b2].map(Recency::keys);
                prop_assert_eq!(&lists, &[&paper.t1, &paper.t2, &paper.b1, &paper.b2].map(Vec::clone));
                prop_assert_eq!(arc.p, paper.p);
            }
        }

        #[test]
        fn its_invariants_hold_with_any_costs(
            capacity in 10_usize..100,
            steps in prop::collection::vec((0_u64..40, 1_usize..10, 0_u8..10), 1..500),
        ) {
            let (mut arc, mut gone) = (Arc::new(capacity), Vec::new());
            for (key, cost, what) in steps {
                gone.clear();
                let before: Vec<_> = [arc.t1.keys(), arc.t2.keys()].concat();
                match what {
                    0 => arc.remove(key),
                    1 => arc.insert(key, cost, &mut gone),
                    _ => request(&mut arc, key, cost, &mut gone),
                }
                let (t1, t2) = (arc.t1.cost(), arc.t2.cost());
                let (b1, b2) = (arc.b1.cost(), arc.b2.cost());
                prop_assert!(t1 + t2 <= capacity && t1 + b1 <= capacity);
                prop_assert!(t1 + t2 + b1 + b2 <= 2 * capacity && arc.p <= capacity);
                let after: Vec<_> = [arc.t1.keys(), arc.t2.keys()].concat();
                // Who was kept and is not any more has been named, and nobody else.
                for other in &before {
                    let is_told = gone.contains(other) || (what == 0 && *other == key);
                    prop_assert_eq!(!after.contains(other), is_told);
                }
                prop_assert!(gone.iter().all(|other| before.contains(other)));
                let all = [after, arc.b1.keys(), arc.b2.keys()].concat();
                prop_assert!((1..all.len()).all(|at| !all[at..].contains(&all[at - 1])), "each key is in one list");
            }
        }
    }
}
