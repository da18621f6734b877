//! Owns [`judge`]: holds what callers were told against what handlers did. Does not know of faults.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;
use traitwire::Delivery;

use super::freshness::fresh;
use super::ledger::{Books, Call, Kind, Told, Work};
use super::policy::Rules;
use super::service::fails;

/// How the calls of a run ended, for whoever wants to know that something happened.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// How many calls were made, those of handlers included.
    pub calls: u64,
    /// How many of each end there were.
    pub ends: BTreeMap<String, u64>,
    /// Handlers that were started, and those of them that came to their end.
    pub started: u64,
    /// Handlers that came to their end.
    pub finished: u64,
    /// Handlers of calls that had been started before.
    pub repeated: u64,
    /// Answers that somebody had been given before.
    pub kept: u64,
    /// Those of them that were too old for all but the failure of who would have made a new one.
    pub stale: u64,
}

impl Tally {
    /// Adds another run.
    pub fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.started += other.started;
        self.finished += other.finished;
        self.repeated += other.repeated;
        self.kept += other.kept;
        self.stale += other.stale;
        for (end, count) in &other.ends {
            *self.ends.entry(end.clone()).or_default() += count;
        }
    }
}

/// The clock ticks in milliseconds, and a handler is dropped when its connection's task has its turn.
pub(super) const TICK: Duration = Duration::from_millis(2);

pub(super) fn judge(books: &Books, rules: &Rules, channels: usize, violations: &mut Vec<String>) -> Tally {
    let mut tally = Tally::default();
    let mut made = BTreeMap::<_, usize>::new();
    for call in &books.calls {
        *made.entry((call.hop, call.key)).or_default() += 1;
    }
    within_budget(books, &made, rules, channels, violations);
    fresh(books, rules.kept.as_ref(), &mut tally, violations);
    let looked: BTreeSet<_> =
        books.calls.iter().filter(|call| call.kind == Kind::Look).map(|call| (call.hop, call.key)).collect();
    for (&(hop, key), works) in &books.started {
        if works.len() > 1 && !looked.contains(&(hop, key)) {
            violations.push(format!("key {key} was started {} times at hop {hop}: {works:?}", works.len()));
        }
        for (at, work) in works.iter().enumerate() {
            tally.started += 1;
            tally.repeated += u64::from(at > 0);
            tally.finished += u64::from(work.finished);
            outlived(hop, key, work, violations);
        }
    }
    for call in &books.calls {
        tally.calls += 1;
        *tally.ends.entry(end(call)).or_default() += 1;
        let works = books.started.get(&(call.hop, call.key)).map_or(&[][..], Vec::as_slice);
        // A handler that ran twice called on twice, and what was started may be the other one's.
        let is_only_one = made[&(call.hop, call.key)] == 1;
        check(call, works, is_only_one, violations);
    }
    tally
}

/// Each further start of a call is a retry or a hedge that was paid for: what was sent again for nothing had not been started.
fn within_budget(
    books: &Books,
    made: &BTreeMap<(usize, u64), usize>,
    rules: &Rules,
    channels: usize,
    violations: &mut Vec<String>,
) {
    let hops: BTreeSet<usize> = books.calls.iter().map(|call| call.hop).collect();
    for hop in hops {
        let calls: Vec<_> = books.calls.iter().filter(|call| call.hop == hop).collect();
        let ends = calls.iter().filter_map(|call| call.ended).max();
        let began = calls.iter().map(|call| call.began).min();
        let time = ends.zip(began).map_or(Duration::ZERO, |(end, began)| end.duration_since(began));
        let works = books.started.range((hop, 0)..(hop + 1, 0));
        let added: usize = works.map(|(key, works)| works.len().saturating_sub(made[key])).sum();
        // Each hop has one channel to the next, the first one as many as there are clients.
        let most = rules.most_added(if hop == 1 { channels } else { 1 }, calls.len(), time);
        if added > most {
            violations.push(format!(
                "{added} attempts more than calls ran at hop {hop}, {most} at most: {rules:?}"
            ));
        }
    }
}

fn end(call: &Call) -> String {
    match &call.told {
        Told::Nothing => "given up".to_owned(),
        Told::Answered => "answered".to_owned(),
        Told::App => "own error".to_owned(),
        Told::Wrong(_) => "wrong".to_owned(),
        Told::Failed(code, delivery, _) => format!("{code}, {delivery}"),
    }
}

fn outlived(hop: usize, key: u64, work: &Work, violations: &mut Vec<String>) {
    let (Some(deadline), ended) = (work.deadline, work.ended) else { return };
    match ended {
        None => {
            violations.push(format!("the handler of key {key} at hop {hop} is at work for ever: {work:?}"))
        }
        Some(ended) if ended > deadline + TICK => {
            let late = ended - deadline;
            violations
                .push(format!("the handler of key {key} at hop {hop} outlived its deadline by {late:?}"));
        }
        Some(_) => {}
    }
}

fn check(call: &Call, works: &[Work], is_only_one: bool, violations: &mut Vec<String>) {
    let Call { hop, key, kind, began, told, .. } = call;
    let mut violated = |what: String| violations.push(format!("key {key} at hop {hop}, {kind:?}: {what}"));
    let (started, finished) = (!works.is_empty(), works.iter().any(|work| work.finished));
    match (call.ended, call.time) {
        (None, _) => violated("it has not ended".to_owned()),
        (Some(ended), Some(time)) if is_late(*began, ended, time) => {
            violated(format!("it took {:?} of {time:?}: {told:?}", ended - *began));
        }
        _ => {}
    }
    let truth = match told {
        Told::Nothing => true,
        // What it is told may be of a call that somebody else has made.
        _ if *kind == Kind::Read => true,
        // Its answer says that it was accepted, not that it has run.
        Told::Answered if *kind == Kind::Tell => true,
        Told::Answered => finished,
        Told::App => started,
        Told::Wrong(what) => return violated(format!("a wrong answer: {what}")),
        Told::Failed(_, Delivery::NotSent | Delivery::Refused, _) => !started || !is_only_one,
        Told::Failed(_, Delivery::Unknown, _) => true,
        Told::Failed(_, Delivery::Executed, _) => started,
    };
    if !truth {
        violated(format!("its caller was told {told:?}, but started: {started}, finished: {finished}"));
    }
    if matches!(kind, Kind::Run { .. } | Kind::Look | Kind::Pay)
        && fails(*key)
        && matches!(told, Told::Answered)
    {
        violated("it was answered, and should have failed".to_owned());
    }
}

fn is_late(began: Instant, ended: Instant, time: Duration) -> bool {
    ended.duration_since(began) > time + TICK
}
