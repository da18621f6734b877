//! Owns [`Spare`]: the credit that a connection's streams may hold beyond their first, and who waits for it.

use std::collections::VecDeque;

/// Spare credit, in bytes.
///
/// Half of it is for streams whose windows grow; the other half is for single items that are larger than their window,
/// so that streams which have grown and then stand still keep nobody from such an item.
///
/// Invariants: `grown <= half`, `lent <= half`, and each id waits at most once.
#[derive(Debug)]
pub(in crate::proto) struct Spare {
    half: u64,
    grown: u64,
    lent: u64,
    waiting: VecDeque<(u32, u64)>,
}

impl Spare {
    pub(in crate::proto) const fn new(all: usize) -> Self {
        Self { half: all as u64 / 2, grown: 0, lent: 0, waiting: VecDeque::new() }
    }

    /// Takes as much as there is for a window that grows, at most `wanted`.
    pub(super) fn grow(&mut self, wanted: u64) -> u64 {
        let given = wanted.min(self.half - self.grown);
        self.grown += given;
        given
    }

    /// Stands in the line for `amount`, which is at most a half.
    pub(super) fn ask(&mut self, id: u32, amount: u64) {
        self.waiting.push_back((id, amount));
    }

    pub(super) fn forget(&mut self, id: u32) {
        self.waiting.retain(|&(waiting, _)| waiting != id);
    }

    /// The next stream whose loan fits, now reserved.
    pub(in crate::proto) fn next_loan(&mut self) -> Option<(u32, u64)> {
        let &(id, amount) = self.waiting.front()?;
        if amount > self.half - self.lent {
            return None;
        }
        self.waiting.pop_front();
        self.lent += amount;
        Some((id, amount))
    }

    pub(super) fn give_back(&mut self, grown: u64, lent: u64) {
        debug_assert!(grown <= self.grown && lent <= self.lent, "{grown}, {lent} of {self:?}");
        self.grown = self.grown.saturating_sub(grown);
        self.lent = self.lent.saturating_sub(lent);
    }

    #[cfg(any(test, fuzzing))]
    pub(in crate::proto) fn used(&self) -> (u64, usize) {
        (self.grown + self.lent, self.waiting.len())
    }
}
