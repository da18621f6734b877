//! Owns [`Unwritten`]: which oneway calls the transport has not taken yet. Does not own the calls, nor count bytes.

use std::collections::BTreeMap;

use crate::proto::event::OutgoingCall;

/// The oneway calls that are framed and not all written, by the position after their last byte.
///
/// Their callers wait for the transport and not for the answer. Other calls never come here, so a connection without
/// oneway calls pays one look at an empty map for each write.
///
/// Invariant: each entry is a call that is sent, open and not given up, and lies beyond what was last
/// [taken](Self::take).
#[derive(Debug, Default)]
pub(super) struct Unwritten(BTreeMap<u64, usize>);

impl Unwritten {
    /// The last byte of `call` is framed; no two calls end at one position.
    pub(super) fn note(&mut self, call: &OutgoingCall, end: u64, key: usize) {
        if call.oneway {
            self.0.insert(end, key);
        }
    }

    /// The call that ends here is over, or has never been noted.
    pub(super) fn forget(&mut self, end: u64) {
        self.0.remove(&end);
    }

    /// The next call of which the transport has taken everything, in the order of their bytes.
    pub(super) fn take(&mut self, written: u64) -> Option<usize> {
        let first = self.0.first_entry()?;
        (*first.key() <= written).then(|| first.remove())
    }

    #[cfg(any(test, fuzzing))]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
