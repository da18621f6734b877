//! Owns what must hold of answers that are kept: whose they are, what they answer, and how old they may be. Does not look at calls
//! that change anything (`judge`).

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::judge::{TICK, Tally};
use super::ledger::{Books, Read};
use super::policy::Kept;
use super::service::Reading;

/// Holds the readings that callers were given against when they were made and for whom.
///
/// A reading comes to its channel when the first of its callers has it: whoever has it later has it from the cache.
pub(super) fn fresh(books: &Books, kept: Option<&Kept>, tally: &mut Tally, violations: &mut Vec<String>) {
    let mut came = BTreeMap::<u64, Instant>::new();
    for read in &books.reads {
        let first = came.entry(read.reading.number).or_insert(read.ended);
        *first = read.ended.min(*first);
    }
    let mut given = BTreeMap::<u64, u64>::new();
    for read in &books.reads {
        let Read { reading: Reading { number, key, caller }, is_error, .. } = &read;
        let age = read.ended.duration_since(came[number]);
        let times = given.entry(*number).or_default();
        *times += 1;
        let is_kept = *times > 1;
        tally.kept += u64::from(is_kept);
        tally.stale += u64::from(kept.is_some_and(|kept| age > kept.fresh(*is_error)));
        let mut violated = |what: String| violations.push(format!("{what}: {read:?}, {kept:?}"));
        if (*key, caller.as_str()) != (read.key, read.caller) {
            violated("the answer to another call, or of another caller".to_owned());
        }
        match kept {
            None if is_kept => violated("an answer was given twice, and nobody keeps any".to_owned()),
            Some(kept) if age > kept.most(*is_error) + TICK => violated(format!("it is {age:?} old")),
            _ => {}
        }
        if read.is_anew && books.readings[*number as usize] < read.began {
            violated("it was asked for anew, and had been made before".to_owned());
        }
    }
}

impl Kept {
    /// How long an answer is given to whoever asks.
    fn fresh(&self, is_error: bool) -> Duration {
        // What came is kept for its time ± 10 %.
        let time = if is_error { self.errors } else { Some(self.ttl) };
        time.unwrap_or_default().mul_f64(1.1)
    }

    /// How old it may be in the end.
    fn most(&self, is_error: bool) -> Duration {
        let is_kept = !is_error || self.errors.is_some();
        self.fresh(is_error) + if is_kept { self.stale } else { Duration::ZERO }
    }
}
