//! Owns [`Ledger`]: what was started at each hop, and what each caller was told. Does not judge it (`judge`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use traitwire::{CallError, Code, Context, Delivery, RpcError};

use super::service::Reading;

/// Both sides of every call: by hop and key.
#[derive(Clone, Default)]
pub(super) struct Ledger {
    books: Arc<Mutex<Books>>,
}

#[derive(Default)]
pub(super) struct Books {
    /// What handlers did.
    pub(super) started: BTreeMap<(usize, u64), Vec<Work>>,
    /// What callers were told.
    pub(super) calls: Vec<Call>,
    /// When each reading was begun.
    pub(super) readings: Vec<Instant>,
    /// What callers were given of them.
    pub(super) reads: Vec<Read>,
}

/// A reading that a caller was given.
#[derive(Clone, Debug)]
pub(super) struct Read {
    pub(super) caller: &'static str,
    pub(super) key: u64,
    pub(super) is_anew: bool,
    pub(super) began: Instant,
    pub(super) ended: Instant,
    pub(super) is_error: bool,
    pub(super) reading: Reading,
}

/// A handler that was started.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work {
    /// When its caller's time is over, as its context says.
    pub(super) deadline: Option<Instant>,
    pub(super) ended: Option<Instant>,
    pub(super) finished: bool,
}

/// A call that was made.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) hop: usize,
    pub(super) key: u64,
    pub(super) kind: Kind,
    pub(super) began: Instant,
    /// The time that it was given; `None` for what its caller had left.
    pub(super) time: Option<Duration>,
    pub(super) ended: Option<Instant>,
    pub(super) told: Told,
}

/// What was called.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Kind {
    Run {
        payload: usize,
    },
    /// Idempotent.
    Look,
    /// Deduplicated.
    Pay,
    /// Idempotent, and its answers are kept.
    Read,
    Fill,
    Count,
    Sum,
    Double,
    Tell,
}

impl Kind {
    /// How many bytes it brings that count for the answer.
    pub(super) const fn payload(self) -> usize {
        match self {
            Self::Run { payload } => payload,
            _ => 0,
        }
    }
}

/// What a caller was told.
#[derive(Clone, Debug)]
#[expect(dead_code, reason = "the words are for whoever reads a violation")]
pub(super) enum Told {
    /// It gave up before it was told anything.
    Nothing,
    Answered,
    /// The answer is not the call's own; what came.
    Wrong(String),
    /// The service's own error.
    App,
    Failed(Code, Delivery, String),
}

impl Told {
    pub(super) fn of<T, E>(result: Result<T, CallError<E>>) -> Self {
        match result {
            Ok(_) => Self::Answered,
            Err(CallError::App(_)) => Self::App,
            Err(CallError::Rpc(error)) => Self::failed(&error),
        }
    }

    pub(super) fn failed(error: &RpcError) -> Self {
        Self::Failed(error.code(), error.delivery(), error.to_string())
    }
}

impl Ledger {
    /// A handler has been started.
    pub(super) fn start(&self, hop: usize, key: u64) -> Entry {
        let deadline = Context::current().deadline().map(|deadline| Instant::from_std(deadline.instant()));
        let work = Work { deadline, ended: None, finished: false };
        let mut books = self.books.lock();
        let works = books.started.entry((hop, key)).or_default();
        works.push(work);
        Entry { ledger: self.clone(), hop, key, at: works.len() - 1 }
    }

    /// Somebody looks: how many have before.
    pub(super) fn look(&self) -> u64 {
        let mut books = self.books.lock();
        books.readings.push(Instant::now());
        books.readings.len() as u64 - 1
    }

    /// A caller was given a reading.
    pub(super) fn note(&self, read: Read) {
        self.books.lock().reads.push(read);
    }

    /// A call is made.
    pub(super) fn watch(&self, hop: usize, key: u64, kind: Kind, time: Option<Duration>) -> Watched {
        let call = Call { hop, key, kind, began: Instant::now(), time, ended: None, told: Told::Nothing };
        let mut books = self.books.lock();
        books.calls.push(call);
        Watched { ledger: self.clone(), at: books.calls.len() - 1 }
    }

    pub(super) fn read<R>(&self, read: impl FnOnce(&Books) -> R) -> R {
        read(&self.books.lock())
    }
}

/// A handler at work: it ends when this is dropped.
pub(super) struct Entry {
    ledger: Ledger,
    hop: usize,
    key: u64,
    at: usize,
}

impl Entry {
    /// It has done all of its work.
    pub(super) fn finish(&self) {
        self.write(|work| work.finished = true);
    }

    fn write(&self, write: impl FnOnce(&mut Work)) {
        if let Some(works) = self.ledger.books.lock().started.get_mut(&(self.hop, self.key)) {
            write(&mut works[self.at]);
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.write(|work| work.ended = Some(Instant::now()));
    }
}

/// A call under way: it ends when this is dropped, or told.
pub(super) struct Watched {
    ledger: Ledger,
    at: usize,
}

impl Watched {
    pub(super) fn end(self, told: Told) {
        self.ledger.books.lock().calls[self.at].told = told;
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.ledger.books.lock().calls[self.at].ended = Some(Instant::now());
    }
}
