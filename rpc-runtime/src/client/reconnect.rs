//! Owns [`Reconnect`]: the one connection of a channel, and when a new one is made. Does not make calls.

use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::balance::Reach;
use crate::call::{Code, Delivery, RpcError, Throw, roll};
use crate::client::line::{Line, Place};
use crate::client::presence::Presence;
use crate::client::story::{Step, Story};
use crate::driver::{Shared, now};
use crate::limits;
use crate::policy::Backoff;

/// Where a channel's connection is.
///
/// ```text
///   Idle ──a call──▶ Connecting ──connected──▶ Up ──left, retired, closed──▶ Idle
///                        │                     │
///                        │ failed              │ the second in a row that ended before it answered a call
///                        ▼                     ▼
///                     BackOff ◀────────────────┘
///                        │ a call, once the wait is over
///                        └──▶ Connecting
/// ```
///
/// One endpoint of many is tried before that wait is over if calls find no other: see [`hurry`](Reconnect::hurry).
///
/// A connection that was lost is made again at once. It counts as a success only when it has answered a call: a dying
/// process accepts too, and one that has as many connections as it takes says HELLO before it turns a further one away.
#[derive(Debug)]
enum State {
    Idle,
    Connecting,
    Up(Arc<Shared>),
    /// The last attempt failed; the next one may be made from `until` on, or from `urgent` on if nobody else can be called.
    BackOff {
        until: Instant,
        urgent: Instant,
        error: RpcError,
    },
}

/// What a channel asks of its connection.
#[derive(Debug)]
pub(super) enum Found {
    /// This connection takes calls.
    Connection(Arc<Shared>),
    /// There is none, and none is being made: the caller is to make an attempt now.
    Attempt,
    /// There is none, and none will be before `until`.
    BackOff { until: Instant, error: RpcError },
    /// One is being made, and who looks has no place in the line: take one, and look again.
    Outside,
    /// One is being made, and the waker is not known: clone it, and look again.
    Unknown,
    /// One is being made, and who looks will be woken. This waker is of no use any more.
    Waits(#[expect(dead_code, reason = "held, so that it is dropped outside of the lock")] Option<Waker>),
}

/// The connection of a channel, and who waits for it.
#[derive(Debug)]
pub(super) struct Reconnect {
    state: State,
    backoff: Backoff,
    /// That of attempts which are made because nobody else can be called, and the end of the wait that they are made within: they
    /// fail for their own account.
    urgency: Backoff,
    due: Option<Instant>,
    /// Connections in a row that ended before they answered a call.
    fruitless: u32,
    line: Line,
    story: Story,
    /// Who else is to know how far it is.
    presence: Option<Presence>,
}

impl Reconnect {
    /// Between attempts it waits `longest` at most; by default less where others do the work meanwhile.
    pub(super) fn new(presence: Option<Presence>, longest: Option<Duration>) -> Self {
        let usual = if presence.is_some() { limits::BACKOFF_LAST_LISTED } else { limits::BACKOFF_LAST };
        let longest = longest.unwrap_or(usual);
        Self {
            state: State::Idle,
            backoff: Backoff::new(limits::BACKOFF_FIRST, longest),
            urgency: Backoff::new(limits::URGENT_FIRST, limits::BACKOFF_FIRST),
            due: None,
            fruitless: 0,
            line: Line::default(),
            story: Story::default(),
            presence,
        }
    }

    /// The connection, if there is one that takes calls.
    pub(super) fn connection(&self) -> Option<Arc<Shared>> {
        match &self.state {
            State::Up(shared) if shared.takes_calls() => Some(Arc::clone(shared)),
            _ => None,
        }
    }

    /// Looks for a connection, for somebody with or without a place in the line, whose waker it is; `clone` is a clone of
    /// that, if it was asked for. After [`Found::Attempt`] a connection *is* being made.
    pub(super) fn look(&mut self, place: Option<&Place>, waker: &Waker, clone: Option<Waker>) -> Found {
        if let State::Up(shared) = &self.state {
            if shared.takes_calls() {
                return Found::Connection(Arc::clone(shared));
            }
            let shared = Arc::clone(shared);
            self.lost(&shared, None);
        }
        match &self.state {
            State::BackOff { until, error, .. } if now() < *until => {
                return Found::BackOff { until: *until, error: error.clone() };
            }
            State::Connecting => {
                return match (place, clone) {
                    (None, _) => Found::Outside,
                    (Some(place), clone) if self.line.knows(place, waker) => Found::Waits(clone),
                    (Some(_), None) => Found::Unknown,
                    (Some(place), Some(clone)) => Found::Waits(self.line.wait(place, clone)),
                };
            }
            // ## (Idle | BackOff, over) => Connecting: calls make connections, not time.
            State::Idle | State::Up(_) | State::BackOff { .. } => {}
        }
        if matches!(self.state, State::Idle) {
            self.note_reach(Reach::Trying);
        }
        self.state = State::Connecting;
        Found::Attempt
    }

    /// Nobody else can be called: the next look makes an attempt, unless the last one has failed just now.
    pub(super) fn hurry(&mut self) {
        let now = now();
        if let State::BackOff { until, urgent, .. } = &mut self.state
            && (*urgent..*until).contains(&now)
        {
            self.due = Some(*until);
            *until = now;
        }
    }

    /// The calls that wait.
    pub(super) const fn line(&mut self) -> &mut Line {
        &mut self.line
    }

    /// An attempt has succeeded.
    pub(super) fn connected(&mut self, shared: Arc<Shared>) -> Vec<Waker> {
        self.state = State::Up(shared);
        self.due = None;
        self.note_reach(Reach::Up);
        self.story.clear();
        self.line.call_up()
    }

    /// The peer has said what it takes.
    pub(super) fn introduced(&self) {
        if let Some(presence) = &self.presence {
            presence.introduced();
        }
    }

    /// An attempt has failed.
    pub(super) fn failed(&mut self, error: RpcError) -> Vec<Waker> {
        let now = now();
        let due = self.due.take().filter(|due| *due > now);
        let until = due.unwrap_or_else(|| now + self.backoff.next(Throw(roll())));
        let urgent = now + self.urgency.next(Throw(roll()));
        self.story.note(Step::BackingOff, now);
        self.state = State::BackOff { until, urgent, error };
        self.note_reach(Reach::Away);
        self.line.call_up()
    }

    /// A connection takes no further calls, or has ended, for this reason if there is one.
    pub(super) fn lost(&mut self, lost: &Arc<Shared>, reason: Option<RpcError>) {
        if !matches!(&self.state, State::Up(shared) if Arc::ptr_eq(shared, lost)) {
            return;
        }
        self.state = State::Idle;
        self.note_reach(Reach::Lost);
        if let (Some(presence), Some(_)) = (&self.presence, &reason) {
            presence.broke();
        }
        if self.praise(lost) {
            return;
        }
        self.fruitless += 1;
        if self.fruitless > 1 {
            let text = "no connection: the last ones ended before they answered a call";
            let error = reason.unwrap_or_else(|| RpcError::new(Code::UNAVAILABLE, Delivery::NotSent, text));
            // Whoever has a place was woken when there was a connection.
            let woken = self.failed(error);
            debug_assert!(woken.is_empty(), "nobody waits while there is a connection");
        }
    }

    fn note_reach(&self, reach: Reach) {
        if let Some(presence) = &self.presence {
            presence.note(reach);
        }
    }

    /// Why none can be had now, if so.
    pub(super) fn why_away(&self) -> Option<RpcError> {
        match &self.state {
            State::BackOff { error, .. } => Some(error.clone()),
            _ => None,
        }
    }

    /// Forgets failures before a connection that was a success; says whether it was.
    fn praise(&mut self, shared: &Shared) -> bool {
        let is_success = shared.has_answered();
        if is_success {
            self.backoff.reset();
            self.urgency.reset();
            self.fruitless = 0;
        }
        is_success
    }

    /// What the present attempt does from now on.
    pub(super) fn note(&mut self, step: Step) {
        self.story.note(step, now());
    }

    /// What the time since then went into, and why there is still no connection.
    pub(super) fn tell(&self, since: Instant) -> String {
        let story = self.story.tell(since, now());
        match &self.state {
            State::BackOff { error, .. } => format!("{story} ({})", error.message()),
            _ => story,
        }
    }

    /// Takes the connection there is away, whatever its state: the next call makes another.
    pub(super) fn take(&mut self) -> Option<Arc<Shared>> {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Up(shared) => {
                self.praise(&shared);
                self.note_reach(Reach::Untried);
                Some(shared)
            }
            other => {
                self.state = other;
                None
            }
        }
    }
}
