//! The service of the sweep: each hop keeps a ledger of what it started, and calls on to the next one.

use std::fmt;
use std::time::Duration;

use futures::{Stream, StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use traitwire::{CallError, Context, RpcError, Streaming, rpc_service};

use super::ledger::{Kind, Ledger, Told};

/// The metadata that says who calls.
pub(super) const CALLER: &str = "caller";

/// Work that can be checked.
#[rpc_service]
pub(super) trait Work {
    /// Pauses, calls on if there is a next hop, and answers what belongs to the key.
    async fn run(&self, key: u64, payload: &[u8], pause_ms: u64) -> Result<u64, WorkError>;
    /// The same, and nothing is changed by it: it may run more than once.
    #[rpc(idempotent)]
    async fn look(&self, key: u64, pause_ms: u64) -> Result<u64, WorkError>;
    /// The same, and its server runs it once, however often it is sent.
    #[rpc(dedup)]
    async fn pay(&self, key: u64, pause_ms: u64) -> Result<u64, WorkError>;
    /// Pauses, the longer the higher the key is, and answers what nobody else is told: callers may keep it.
    #[rpc(idempotent, cache)]
    async fn read(&self, key: u64) -> Result<Reading, Reading>;
    /// Answers so many bytes.
    async fn fill(&self, key: u64, size: usize) -> Vec<u8>;
    /// `count` numbers from the key on, with pauses in between.
    fn count(&self, key: u64, count: u64, pause_ms: u64) -> impl Stream<Item = u64>;
    /// The sum of what is sent.
    async fn sum(&self, key: u64, values: Streaming<u64>) -> Result<u64, WorkError>;
    /// Twice what is sent.
    fn double(&self, key: u64, values: Streaming<u64>) -> impl Stream<Item = u64>;
    /// Works with nobody who waits.
    #[rpc(oneway)]
    async fn tell(&self, key: u64, pause_ms: u64);
}

/// What was there when somebody looked.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Reading {
    /// Which one of all.
    pub(super) number: u64,
    pub(super) key: u64,
    /// Who it is for.
    pub(super) caller: String,
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "number {}", self.number)
    }
}

/// What the service itself answers in place of a value.
#[derive(Debug, Deserialize, Serialize)]
pub(super) enum WorkError {
    /// The key is one of those that fail.
    OnPurpose,
    /// The next hop did not answer; its words.
    NextHop(String),
    /// The caller's items ended before their end.
    Cut,
}

impl fmt::Display for WorkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OnPurpose => f.write_str("it fails on purpose"),
            Self::NextHop(error) => write!(f, "the next hop: {error}"),
            Self::Cut => f.write_str("the items were cut off"),
        }
    }
}

/// Whether calls with this key fail on purpose.
pub(super) const fn fails(key: u64) -> bool {
    key % 17 == 3
}

/// What belongs to a key.
pub(super) const fn answer(key: u64, payload: usize) -> u64 {
    key.wrapping_mul(31).wrapping_add(payload as u64)
}

/// One hop.
#[derive(Clone)]
pub(super) struct Hop {
    pub(super) number: usize,
    pub(super) ledger: Ledger,
    pub(super) next: Option<WorkClient>,
}

async fn pause(millis: u64) {
    if millis > 0 {
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }
}

impl Hop {
    /// Pauses, calls on as `onward` does if there is a next hop, and answers what belongs to the key.
    async fn work<F>(
        &self,
        (key, kind, pause_ms): (u64, Kind, u64),
        onward: impl FnOnce(WorkClient) -> F,
    ) -> Result<u64, WorkError>
    where
        F: Future<Output = Result<u64, CallError<WorkError>>>,
    {
        let entry = self.ledger.start(self.number, key);
        pause(pause_ms).await;
        if fails(key) {
            entry.finish();
            return Err(WorkError::OnPurpose);
        }
        if let Some(next) = &self.next {
            let told = self.ledger.watch(self.number + 1, key, kind, None);
            let result = onward(next.clone()).await;
            let onward = match &result {
                Ok(_) => Ok(()),
                Err(error) => Err(WorkError::NextHop(error.to_string())),
            };
            told.end(Told::of(result));
            entry.finish();
            onward?;
        }
        entry.finish();
        Ok(answer(key, kind.payload()))
    }
}

impl Work for Hop {
    async fn run(&self, key: u64, payload: &[u8], pause_ms: u64) -> Result<u64, WorkError> {
        let kind = Kind::Run { payload: payload.len() };
        self.work((key, kind, pause_ms), |next| next.run(key, payload, pause_ms)).await
    }

    async fn look(&self, key: u64, pause_ms: u64) -> Result<u64, WorkError> {
        self.work((key, Kind::Look, pause_ms), |next| next.look(key, pause_ms)).await
    }

    async fn pay(&self, key: u64, pause_ms: u64) -> Result<u64, WorkError> {
        self.work((key, Kind::Pay, pause_ms), |next| next.pay(key, pause_ms)).await
    }

    async fn read(&self, key: u64) -> Result<Reading, Reading> {
        let number = self.ledger.look();
        let caller = Context::current().metadata().text(CALLER).unwrap_or_default().to_owned();
        pause(key * 40).await;
        let reading = Reading { number, key, caller };
        if fails(key) { Err(reading) } else { Ok(reading) }
    }

    async fn fill(&self, key: u64, size: usize) -> Vec<u8> {
        let entry = self.ledger.start(self.number, key);
        entry.finish();
        vec![key as u8; size]
    }

    fn count(&self, key: u64, count: u64, pause_ms: u64) -> impl Stream<Item = u64> {
        let entry = self.ledger.start(self.number, key);
        stream::unfold((entry, 0), move |(entry, at)| async move {
            if at == count {
                entry.finish();
                return None;
            }
            pause(pause_ms).await;
            Some((key + at, (entry, at + 1)))
        })
    }

    async fn sum(&self, key: u64, values: Streaming<u64>) -> Result<u64, WorkError> {
        let entry = self.ledger.start(self.number, key);
        let sum = values.try_fold(0, async |sum, value| Ok(sum + value)).await;
        entry.finish();
        sum.map_err(|_: RpcError| WorkError::Cut)
    }

    fn double(&self, key: u64, values: Streaming<u64>) -> impl Stream<Item = u64> {
        let entry = self.ledger.start(self.number, key);
        stream::unfold((entry, values), |(entry, mut values)| async move {
            match values.next().await {
                Some(Ok(value)) => Some((value * 2, (entry, values))),
                // A caller that gave up does not hear of this end.
                Some(Err(_)) | None => {
                    entry.finish();
                    None
                }
            }
        })
    }

    async fn tell(&self, key: u64, pause_ms: u64) {
        let entry = self.ledger.start(self.number, key);
        pause(pause_ms).await;
        entry.finish();
    }
}
