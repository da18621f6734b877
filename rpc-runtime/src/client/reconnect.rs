//! Owns [`Reconnect`]: the one connection of a channel, and when a new one is made. Does not make calls.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use crate::call::{Code, Delivery, RpcError};
use crate::client::backoff::Backoff;
use crate::driver::{Shared, now};

/// Where a channel's connection is.
///
/// ```text
///   Idle ──a call──▶ Connecting ──connected──▶ Up ──retired, closed──▶ Idle
///                        │                     │
///                        │ failed              │ closed before the peer's HELLO
///                        ▼                     ▼
///                     BackOff ◀────────────────┘
///                        │ a call, once the wait is over
///                        └──▶ Connecting
/// ```
#[derive(Debug)]
enum State {
    Idle,
    Connecting,
    /// `ready` once the peer's HELLO is here.
    Up {
        shared: Arc<Shared>,
        ready: bool,
    },
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
    waiting: Vec<Waker>,
}

impl Reconnect {
    pub(super) fn new() -> Self {
        Self { state: State::Idle, backoff: Backoff::default(), waiting: Vec::new() }
    }

    /// Looks for a connection; pending while one is being made. After [`Found::Attempt`] one *is* being made.
    pub(super) fn poll(&mut self, cx: &Context<'_>) -> Poll<Found> {
        match &self.state {
            State::Up { shared, .. } if shared.takes_calls() => {
                return Poll::Ready(Found::Connection(Arc::clone(shared)));
            }
            State::BackOff { until, error } if now() < *until => {
                return Poll::Ready(Found::BackOff { until: *until, error: error.clone() });
            }
            State::Connecting => {
                if !self.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                    self.waiting.push(cx.waker().clone());
                }
                return Poll::Pending;
            }
            // ## (Idle | Up, retired | BackOff, over) => Connecting: calls make connections, not time.
            State::Idle | State::Up { .. } | State::BackOff { .. } => {}
        }
        self.state = State::Connecting;
        Poll::Ready(Found::Attempt)
    }

    /// An attempt has succeeded. The waits start anew only at the peer's HELLO: a dying process accepts too.
    pub(super) fn connected(&mut self, shared: Arc<Shared>) -> Vec<Waker> {
        self.state = State::Up { shared, ready: false };
        std::mem::take(&mut self.waiting)
    }

    /// An attempt has failed.
    pub(super) fn failed(&mut self, error: RpcError) -> Vec<Waker> {
        let until = now() + self.backoff.next(RandomState::new().hash_one(0));
        self.state = State::BackOff { until, error };
        std::mem::take(&mut self.waiting)
    }

    /// The peer's HELLO is here.
    pub(super) fn ready(&mut self) {
        self.backoff.reset();
        if let State::Up { ready, .. } = &mut self.state {
            *ready = true;
        }
    }

    /// The connection takes no further calls: the next one needs another.
    pub(super) fn left(&mut self, left: &Arc<Shared>) {
        if matches!(&self.state, State::Up { shared, .. } if Arc::ptr_eq(shared, left)) {
            self.state = State::Idle;
        }
    }

    /// The connection has ended, in order or for a reason.
    pub(super) fn closed(&mut self, closed: &Arc<Shared>, reason: Option<String>) -> Vec<Waker> {
        match &self.state {
            State::Up { shared, ready: false } if Arc::ptr_eq(shared, closed) => {
                let reason = reason.unwrap_or_else(|| "the peer closed it before its HELLO".to_owned());
                let error =
                    RpcError::new(Code::UNAVAILABLE, Delivery::NotSent, format!("no connection: {reason}"));
                self.failed(error)
            }
            _ => {
                self.left(closed);
                Vec::new()
            }
        }
    }

    /// The connection there is, whatever its state.
    pub(super) fn current(&self) -> Option<&Arc<Shared>> {
        match &self.state {
            State::Up { shared, .. } => Some(shared),
            _ => None,
        }
    }
}
