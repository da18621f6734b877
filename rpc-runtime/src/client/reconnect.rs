//! Owns [`Reconnect`]: the one connection of a channel, and when a new one is made. Does not make calls.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use crate::call::{Code, Delivery, RpcError};
use crate::client::backoff::Backoff;
use crate::client::story::{Step, Story};
use crate::driver::{Shared, now};

/// Where a channel's connection is.
///
/// ```text
///   Idle ──a call──▶ Connecting ──connected──▶ Up ──retired, closed──▶ Idle
///                        │                     │
///                        │ failed              │ the second in a row that ended before it answered a call
///                        ▼                     ▼
///                     BackOff ◀────────────────┘
///                        │ a call, once the wait is over
///                        └──▶ Connecting
/// ```
///
/// A connection that was lost is made again at once. It counts as a success only when it has answered a call: a dying
/// process accepts too, and one that has as many connections as it takes says HELLO before it turns a further one away.
#[derive(Debug)]
enum State {
    Idle,
    Connecting,
    Up(Arc<Shared>),
    /// The last attempt failed; the next one may be made from `until` on.
    BackOff {
        until: Instant,
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
}

/// The connection of a channel, and who waits for it.
#[derive(Debug)]
pub(super) struct Reconnect {
    state: State,
    backoff: Backoff,
    /// Connections in a row that ended before they answered a call.
    fruitless: u32,
    waiting: Vec<Waker>,
    story: Story,
}

impl Reconnect {
    pub(super) fn new() -> Self {
        Self {
            state: State::Idle,
            backoff: Backoff::default(),
            fruitless: 0,
            waiting: Vec::new(),
            story: Story::default(),
        }
    }

    /// Looks for a connection; pending while one is being made. After [`Found::Attempt`] one *is* being made.
    pub(super) fn poll(&mut self, cx: &Context<'_>) -> Poll<Found> {
        if let State::Up(shared) = &self.state {
            if shared.takes_calls() {
                return Poll::Ready(Found::Connection(Arc::clone(shared)));
            }
            let shared = Arc::clone(shared);
            self.lost(&shared, None);
        }
        match &self.state {
            State::BackOff { until, error } if now() < *until => {
                return Poll::Ready(Found::BackOff { until: *until, error: error.clone() });
            }
            State::Connecting => {
                if !self.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                    self.waiting.push(cx.waker().clone());
                }
                return Poll::Pending;
            }
            // ## (Idle | BackOff, over) => Connecting: calls make connections, not time.
            State::Idle | State::Up(_) | State::BackOff { .. } => {}
        }
        self.state = State::Connecting;
        Poll::Ready(Found::Attempt)
    }

    /// An attempt has succeeded.
    pub(super) fn connected(&mut self, shared: Arc<Shared>) -> Vec<Waker> {
        self.state = State::Up(shared);
        self.story.clear();
        std::mem::take(&mut self.waiting)
    }

    /// An attempt has failed.
    pub(super) fn failed(&mut self, error: RpcError) -> Vec<Waker> {
        let now = now();
        let until = now + self.backoff.next(RandomState::new().hash_one(0_u8));
        self.story.note(Step::BackingOff, now);
        self.state = State::BackOff { until, error };
        std::mem::take(&mut self.waiting)
    }

    /// A connection takes no further calls, or has ended, for this reason if there is one.
    pub(super) fn lost(&mut self, lost: &Arc<Shared>, reason: Option<RpcError>) {
        if !matches!(&self.state, State::Up(shared) if Arc::ptr_eq(shared, lost)) {
            return;
        }
        self.state = State::Idle;
        if lost.has_answered() {
            self.backoff.reset();
            self.fruitless = 0;
            return;
        }
        self.fruitless += 1;
        if self.fruitless > 1 {
            let text = "no connection: the last ones ended before they answered a call";
            let error = reason.unwrap_or_else(|| RpcError::new(Code::UNAVAILABLE, Delivery::NotSent, text));
            // Nobody waits: there was a connection until now.
            self.failed(error);
        }
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

    /// The connection there is, whatever its state.
    pub(super) fn current(&self) -> Option<&Arc<Shared>> {
        match &self.state {
            State::Up(shared) => Some(shared),
            _ => None,
        }
    }
}
