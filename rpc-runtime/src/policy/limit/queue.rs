//! Owns [`Queue`]: who waits, in which order, and how many. Pure: knows no time.

use std::collections::{BTreeMap, VecDeque};

/// Calls that wait, each under a key: first come, first served within a key, and the keys in turn.
///
/// The space is shared by thresholds (Choudhury and Hahne, 1998): a key may have at most as many waiting as there are places
/// free, so that one alone fills half of the queue and there is always room for the first call of another. Nobody who waits
/// is pushed out: whoever has no place is told so on arrival.
#[derive(Debug)]
pub(in crate::policy) struct Queue {
    /// No line is empty, and `turn` has each key of `lines` once.
    lines: BTreeMap<u64, VecDeque<u64>>,
    turn: VecDeque<u64>,
    /// `len <= most`, the sum of all lines.
    len: usize,
    most: usize,
    is_shared: bool,
}

impl Queue {
    /// A queue for `most` calls; `is_shared` among keys, or there is only one.
    pub(in crate::policy) const fn new(most: usize, is_shared: bool) -> Self {
        Self { lines: BTreeMap::new(), turn: VecDeque::new(), len: 0, most, is_shared }
    }

    /// Whether another call of this key may wait.
    pub(in crate::policy) fn has_room(&self, key: u64) -> bool {
        let free = self.most - self.len;
        if self.is_shared { self.line(key) < free } else { free > 0 }
    }

    /// How many will have been taken out before a call of this key that comes now.
    pub(in crate::policy) fn ahead(&self, key: u64) -> usize {
        // Of each other key at most as many as turns pass until this key's last one.
        let own = self.line(key);
        let others = self.lines.iter().filter(|(other, _)| **other != key);
        own + others.map(|(_, line)| line.len().min(own + 1)).sum::<usize>()
    }

    /// Puts a call at the end of its key's line, where [there is room](Self::has_room).
    pub(in crate::policy) fn push(&mut self, key: u64, ticket: u64) {
        let line = self.lines.entry(key).or_default();
        if line.is_empty() {
            self.turn.push_back(key);
        }
        line.push_back(ticket);
        self.len += 1;
    }

    /// The call whose turn it is.
    pub(in crate::policy) fn first(&self) -> Option<u64> {
        self.lines.get(self.turn.front()?)?.front().copied()
    }

    /// Takes out the call whose turn it is.
    pub(in crate::policy) fn pop(&mut self) -> Option<u64> {
        let key = self.turn.pop_front()?;
        let line = self.lines.get_mut(&key)?;
        let ticket = line.pop_front();
        if line.is_empty() {
            self.lines.remove(&key);
        } else {
            self.turn.push_back(key);
        }
        self.len -= usize::from(ticket.is_some());
        ticket
    }

    /// Takes out a call that waits no more; costs a walk along its line.
    pub(in crate::policy) fn remove(&mut self, key: u64, ticket: u64) {
        let Some(line) = self.lines.get_mut(&key) else { return };
        let before = line.len();
        line.retain(|waiting| *waiting != ticket);
        self.len -= before - line.len();
        if line.is_empty() {
            self.lines.remove(&key);
            self.turn.retain(|other| *other != key);
        }
    }

    /// How many wait.
    pub(in crate::policy) const fn len(&self) -> usize {
        self.len
    }

    /// The most that may wait.
    pub(in crate::policy) const fn most(&self) -> usize {
        self.most
    }

    fn line(&self, key: u64) -> usize {
        self.lines.get(&key).map_or(0, VecDeque::len)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Push(u64),
        Pop,
        Remove(prop::sample::Index),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0_u64..5).prop_map(Step::Push),
            2 => Just(Step::Pop),
            1 => any::<prop::sample::Index>().prop_map(Step::Remove),
        ]
    }

    proptest! {
        /// Against a list of all that wait: who is taken has waited longest of its key, and no key is passed over while
        /// another is served twice.
        #[test]
        fn keys_take_turns_and_keep_their_order(
            most in 1_usize..40,
            is_shared: bool,
            steps in prop::collection::vec(step(), 1..300),
        ) {
            let mut queue = Queue::new(most, is_shared);
            let mut waiting: Vec<(u64, u64)> = Vec::new();
            // How many of other keys have been served since each key that waits was.
            let mut passed_over: BTreeMap<u64, BTreeMap<u64, u32>> = BTreeMap::new();
            for (ticket, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Push(key) => {
                        let line = waiting.iter().filter(|(other, _)| *other == key).count();
                        let free = most - waiting.len();
                        prop_assert_eq!(queue.has_room(key), if is_shared { line < free } else { free > 0 });
                        if queue.has_room(key) {
                            queue.push(key, ticket as u64);
                            waiting.push((key, ticket as u64));
                        }
                    }
                    Step::Pop => {
                        let first = queue.first();
                        let taken = queue.pop();
                        prop_assert_eq!(first, taken);
                        prop_assert_eq!(taken.is_some(), !waiting.is_empty());
                        let Some(taken) = taken else { continue };
                        let at = waiting.iter().position(|(_, ticket)| *ticket == taken).unwrap();
                        let (key, _) = waiting.remove(at);
                        prop_assert!(waiting[..at].iter().all(|(other, _)| *other != key), "it came later");
                        passed_over.remove(&key);
                        for (other, _) in &waiting {
                            passed_over.entry(*other).or_default().entry(key).or_default();
                        }
                        for (other, counts) in &mut passed_over {
                            if *other != key {
                                let count = counts.entry(key).or_default();
                                *count += 1;
                                prop_assert!(*count <= 2, "{} waits while {} is served again", other, key);
                            }
                        }
                        passed_over.retain(|key, _| waiting.iter().any(|(other, _)| other == key));
                    }
                    Step::Remove(which) if !waiting.is_empty() => {
                        let (key, ticket) = waiting.remove(which.index(waiting.len()));
                        queue.remove(key, ticket);
                        passed_over.retain(|key, _| waiting.iter().any(|(other, _)| other == key));
                    }
                    Step::Remove(_) => queue.remove(9, 9),
                }
                prop_assert_eq!(queue.len(), waiting.len());
                prop_assert!(queue.len() <= most);
            }
        }

        #[test]
        fn it_foretells_how_many_are_ahead(pushes in prop::collection::vec(0_u64..6, 0..60), key in 0_u64..6) {
            let mut queue = Queue::new(1_000, false);
            for (ticket, key) in pushes.iter().enumerate() {
                queue.push(*key, ticket as u64);
            }
            let ahead = queue.ahead(key);
            queue.push(key, 1_000);
            let before = std::iter::from_fn(|| queue.pop()).take_while(|ticket| *ticket != 1_000).count();
            // Whose turn it is first is not looked at: off by one for each other key at most.
            prop_assert!(before <= ahead && ahead <= before + 5, "{} foretold, {} came", ahead, before);
        }
    }

    #[test]
    fn one_key_cannot_take_all_room() {
        let mut queue = Queue::new(100, true);
        let fill = |queue: &mut Queue, key| {
            let mut count = 0;
            while queue.has_room(key) {
                queue.push(key, count);
                count += 1;
            }
            count
        };
        assert_eq!([fill(&mut queue, 1), fill(&mut queue, 2), fill(&mut queue, 3)], [50, 25, 13]);
        assert!(queue.has_room(4), "there is always room for the first of another");
    }
}
