//! Owns [`Flight`]: a call that runs, and all who wait for what comes of it. Does not run it.

use std::any::Any;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use crate::call::{CallResult, Code, Context, Delivery, RpcError};
use crate::policy::dedup::reply::Reply;

/// A call that runs in a task of its own, and all who wait for it.
///
/// ```text
///   runs ── ends, panics, its time is over ──▶ landed: all who wait are told
///     │
///     └── all who waited have given the call up ──▶ stopped; whose connection was lost has not given it up
/// ```
#[derive(Debug)]
pub(super) struct Flight {
    outcome: watch::Sender<Option<Outcome>>,
    waiting: AtomicUsize,
    /// Nobody wants it any more.
    stop: Notify,
}

/// What came of it.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    Ran(Arc<Reply>),
    /// It has not run.
    Refused(RpcError),
    /// It panicked: what with, for the first who hears of it.
    Panicked(Arc<Mutex<Option<Box<dyn Any + Send>>>>),
}

impl Flight {
    pub(super) fn new() -> Arc<Self> {
        let (outcome, _) = watch::channel(None);
        Arc::new(Self { outcome, waiting: AtomicUsize::new(0), stop: Notify::new() })
    }

    /// It is over.
    pub(super) fn land(&self, outcome: Outcome) {
        self.outcome.send_replace(Some(outcome));
    }

    /// Ready when all who waited have given it up.
    pub(super) async fn stopped(&self) {
        self.stop.notified().await;
    }

    /// Waits for it. It counts from here on, not from the first poll.
    pub(super) fn wait(self: &Arc<Self>) -> impl Future<Output = CallResult> + Send + use<> {
        self.waiting.fetch_add(1, Ordering::AcqRel);
        let (waiter, mut outcome) = (Waiter(Arc::clone(self)), self.outcome.subscribe());
        async move {
            // The sender is in the flight, which this holds.
            let landed = outcome.wait_for(Option::is_some).await.ok().and_then(|outcome| outcome.clone());
            drop(waiter);
            match landed {
                Some(Outcome::Ran(reply)) => reply.result(),
                Some(Outcome::Refused(error)) => Err(error),
                Some(Outcome::Panicked(panic)) => {
                    let panic = panic.lock().take();
                    panic.map_or_else(|| Err(panicked()), |panic| resume_unwind(panic))
                }
                None => Err(panicked()),
            }
        }
    }
}

/// What is said of a panic to all but the first who hears of it.
pub(super) fn panicked() -> RpcError {
    RpcError::new(Code::INTERNAL, Delivery::Executed, "the handler panicked")
}

/// Somebody who waits. One who gives the call up may be the last; one whose connection is lost asks again.
struct Waiter(Arc<Flight>);

impl Drop for Waiter {
    fn drop(&mut self) {
        let others = self.0.waiting.fetch_sub(1, Ordering::AcqRel) - 1;
        if others == 0 && !Context::current().is_lost() {
            self.0.stop.notify_one();
        }
    }
}
