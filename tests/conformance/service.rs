//! Owns the trait [`Conformance`] and the service behind it, [`Exerciser`]. Does not listen.

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use traitwire::observe;
use traitwire::{ChannelBuilder, Context, RpcError, Streaming, rpc_service};

/// Methods that between them touch every promise of the protocol.
#[rpc_service]
pub trait Conformance {
    /// Nothing.
    #[rpc(idempotent)]
    async fn empty(&self);
    /// The sum.
    #[rpc(idempotent, cache)]
    async fn add(&self, a: i64, b: i64) -> i64;
    /// What came.
    #[rpc(idempotent)]
    async fn echo(&self, payload: &[u8]) -> Vec<u8>;
    /// Waits, then answers its argument.
    #[rpc(idempotent)]
    async fn sleep(&self, millis: u64) -> u64;
    /// Computes without a pause, then answers its argument.
    async fn burn(&self, micros: u64) -> u64;
    /// Writes the key into the ledger, then answers how often it ran with it.
    async fn count(&self, key: String) -> u64;
    /// The same, declared idempotent.
    #[rpc(idempotent)]
    async fn count_idempotent(&self, key: String) -> u64;
    /// Fails with these.
    #[rpc(idempotent)]
    async fn fail(&self, code: u32, message: String) -> Result<(), ConformanceError>;
    /// Panics with this.
    async fn panic(&self, message: String);
    /// The number of variants in the tree.
    #[rpc(idempotent, cache)]
    async fn tree(&self, tree: Tree) -> u64;
    /// The number of values that are there.
    #[rpc(idempotent, cache)]
    async fn values(&self, values: Vec<Option<u64>>) -> u64;
    /// The metadata that arrived.
    #[rpc(idempotent, cache)]
    async fn metadata(&self) -> BTreeMap<String, Vec<u8>>;
    /// The milliseconds left until the deadline.
    #[rpc(idempotent, cache)]
    async fn remaining(&self) -> Option<u64>;
    /// Calls itself so often over new connections, and answers the milliseconds left at each hop.
    #[rpc(idempotent)]
    async fn chain(&self, depth: u32) -> Vec<u64>;
    /// The sum, where the second number may be missing.
    #[rpc(idempotent, cache)]
    async fn grow(&self, a: i64, b: Option<i64>) -> i64;
    /// What the server has counted.
    #[rpc(idempotent)]
    async fn counters(&self) -> Counters;
    /// So many items, each with a payload of so many bytes.
    #[rpc(idempotent)]
    fn generate(&self, count: u64, size: u32) -> impl Stream<Item = Item>;
    /// The sum of what comes.
    #[rpc(idempotent)]
    async fn sum(&self, values: Streaming<i64>) -> i64;
    /// What comes, as it comes.
    #[rpc(idempotent)]
    fn mirror(&self, items: Streaming<Item>) -> impl Stream<Item = Item>;
    /// So many items, each with a payload of 16 bytes, then this error.
    #[rpc(idempotent)]
    fn fail_after(&self, count: u64, code: u32) -> impl Stream<Item = Result<Item, ConformanceError>>;
    /// Calls the caller's [`Callback`] so often, and answers how often it was answered rightly.
    #[rpc(idempotent)]
    async fn call_back(&self, times: u32) -> u64;
}

/// What a client serves for [`Conformance::call_back`].
#[rpc_service]
pub trait Callback {
    /// The argument.
    #[rpc(idempotent)]
    async fn ping(&self, n: u32) -> u32;
}

/// A [`Callback`] that answers as it should.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "there is nothing to add")]
pub struct Answering;

impl Callback for Answering {
    async fn ping(&self, n: u32) -> u32 {
        n
    }
}

/// What streams carry.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[expect(clippy::exhaustive_structs, reason = "the wire fixes it")]
pub struct Item {
    /// Its place in its stream, from 0.
    pub index: u64,
    /// Byte i is (index + i) mod 256.
    #[serde(with = "serde_bytes")]
    pub payload: Vec<u8>,
    /// The payload's CRC-32, as zlib counts it.
    pub digest: u32,
}

impl Item {
    /// The item of this index with a payload of so many bytes.
    pub fn new(index: u64, size: u32) -> Self {
        let payload: Vec<u8> = (0..u64::from(size)).map(|at| index.wrapping_add(at) as u8).collect();
        let digest = crc32fast::hash(&payload);
        Self { index, payload, digest }
    }

    /// Whether it is the item of this index with a payload of so many bytes.
    pub fn is(&self, index: u64, size: u32) -> bool {
        *self == Self::new(index, size)
    }
}

/// A recursive value.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[expect(clippy::exhaustive_enums, reason = "the wire fixes it")]
pub enum Tree {
    /// An end.
    Leaf,
    /// One below.
    Not(Box<Self>),
    /// Any number below.
    Node(Vec<Self>),
}

impl Tree {
    fn size(&self) -> u64 {
        match self {
            Self::Leaf => 1,
            Self::Not(below) => 1 + below.size(),
            Self::Node(below) => 1 + below.iter().map(Self::size).sum::<u64>(),
        }
    }
}

/// The service's own error.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[expect(clippy::exhaustive_structs, reason = "the wire fixes it")]
pub struct ConformanceError {
    /// A number.
    pub code: u32,
    /// Words.
    pub message: String,
}

/// What the server has counted.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[expect(clippy::exhaustive_structs, reason = "the wire fixes it")]
pub struct Counters {
    /// Connections that are open.
    pub connections: u64,
    /// Handlers at work, this one included.
    pub in_flight: u64,
    /// Handlers started.
    pub started: u64,
    /// Handlers that ended by themselves.
    pub finished: u64,
    /// Handlers dropped before their end.
    pub cancelled: u64,
    /// Handlers that panicked.
    pub panicked: u64,
    /// Calls refused before a handler was started, by reason.
    pub refused: BTreeMap<String, u64>,
}

/// The service.
#[derive(Clone, Debug, Default)]
pub struct Exerciser {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    counters: Arc<observe::Counters>,
    /// Where the service itself is reached, once it listens.
    own: OnceLock<(String, ChannelBuilder)>,
    ledger: Option<File>,
    runs: Mutex<HashMap<String, u64>>,
}

impl Exerciser {
    /// A service that keeps its ledger in this file, one line a run.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened.
    pub fn with_ledger(path: &Path) -> io::Result<Self> {
        let ledger = Some(OpenOptions::new().create(true).append(true).open(path)?);
        Ok(Self { shared: Arc::new(Shared { ledger, ..Shared::default() }) })
    }

    /// What counts for it: the server's observer.
    pub fn counters(&self) -> Arc<observe::Counters> {
        Arc::clone(&self.shared.counters)
    }

    /// Says where it listens, for [`Conformance::chain`]. Only the first word counts.
    pub fn listens_at(&self, address: &str, builder: ChannelBuilder) {
        let _ = self.shared.own.set((address.to_owned(), builder));
    }

    fn run(&self, key: String) -> u64 {
        if let Some(mut ledger) = self.shared.ledger.as_ref() {
            // One write of one line: with O_APPEND it lands whole, whoever else writes.
            let line = format!("{key}\n");
            assert!(ledger.write_all(line.as_bytes()).is_ok(), "the ledger cannot be written");
        }
        let mut runs = self.shared.runs.lock();
        let count = runs.entry(key).or_insert(0);
        *count += 1;
        *count
    }
}

impl Conformance for Exerciser {
    async fn empty(&self) {}

    async fn add(&self, a: i64, b: i64) -> i64 {
        a.wrapping_add(b)
    }

    async fn echo(&self, payload: &[u8]) -> Vec<u8> {
        payload.to_vec()
    }

    async fn sleep(&self, millis: u64) -> u64 {
        tokio::time::sleep(Duration::from_millis(millis)).await;
        millis
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "it measures how long it has computed, which no paused clock knows"
    )]
    async fn burn(&self, micros: u64) -> u64 {
        let began = std::time::Instant::now();
        while began.elapsed() < Duration::from_micros(micros) {
            std::hint::spin_loop();
        }
        micros
    }

    async fn count(&self, key: String) -> u64 {
        self.run(key)
    }

    async fn count_idempotent(&self, key: String) -> u64 {
        self.run(key)
    }

    async fn fail(&self, code: u32, message: String) -> Result<(), ConformanceError> {
        Err(ConformanceError { code, message })
    }

    async fn panic(&self, message: String) {
        panic!("{message}");
    }

    async fn tree(&self, tree: Tree) -> u64 {
        tree.size()
    }

    async fn values(&self, values: Vec<Option<u64>>) -> u64 {
        values.into_iter().flatten().count() as u64
    }

    async fn metadata(&self) -> BTreeMap<String, Vec<u8>> {
        let context = Context::current();
        let entries = context.metadata().iter();
        entries.map(|entry| (entry.key().to_owned(), entry.value().as_bytes().to_vec())).collect()
    }

    async fn remaining(&self) -> Option<u64> {
        Context::current().remaining().map(millis)
    }

    async fn chain(&self, depth: u32) -> Vec<u64> {
        let mut left = vec![Context::current().remaining().map_or(u64::MAX, millis)];
        if let (Some(depth), Some((address, builder))) = (depth.checked_sub(1), self.shared.own.get()) {
            let further = async {
                let own = ConformanceClient::new(builder.clone().connect(address).await?);
                own.chain(depth).await.map_err(Into::into)
            };
            let further: Result<Vec<u64>, RpcError> = further.await;
            // A list that ends early would be taken for the answer.
            left.extend(further.unwrap_or_else(|error| panic!("the next hop failed: {error}")));
        }
        left
    }

    async fn grow(&self, a: i64, b: Option<i64>) -> i64 {
        a.wrapping_add(b.unwrap_or(0))
    }

    async fn counters(&self) -> Counters {
        let counted = self.shared.counters.snapshot();
        let refused = counted.refused.iter().filter(|(why, _)| **why != "cancelled");
        Counters {
            connections: counted.connections,
            in_flight: counted.in_flight,
            started: counted.started,
            finished: counted.finished,
            cancelled: counted.cancelled,
            panicked: counted.panicked,
            refused: refused.map(|(why, count)| ((*why).to_owned(), *count)).collect(),
        }
    }

    fn generate(&self, count: u64, size: u32) -> impl Stream<Item = Item> {
        stream::iter((0..count).map(move |index| Item::new(index, size)))
    }

    async fn sum(&self, values: Streaming<i64>) -> i64 {
        values.map(whole).fold(0, async |sum: i64, value| sum.wrapping_add(value)).await
    }

    fn mirror(&self, items: Streaming<Item>) -> impl Stream<Item = Item> {
        items.map(whole)
    }

    fn fail_after(&self, count: u64, code: u32) -> impl Stream<Item = Result<Item, ConformanceError>> {
        let items = stream::iter((0..count).map(|index| Ok(Item::new(index, 16))));
        let error = ConformanceError { code, message: format!("after {count} items") };
        items.chain(stream::iter([Err(error)]))
    }

    async fn call_back(&self, times: u32) -> u64 {
        let Some(caller) = Context::current().peer_client::<CallbackClient>() else { return 0 };
        let mut answered = 0;
        for n in 0..times {
            answered += u64::from(caller.ping(n).await.is_ok_and(|answer| answer == n));
        }
        answered
    }
}

/// A stream that breaks off has no sum and no mirror image: the call ends as `internal`.
fn whole<T>(item: Result<T, RpcError>) -> T {
    item.unwrap_or_else(|error| panic!("an item did not come: {error}"))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
