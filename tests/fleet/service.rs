//! Owns [`Worker`]: a server that takes a time for each call and has room for a few at once. Does not know of balancing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use futures::{Stream, stream};
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;
use traitwire::observe::Counters;
use traitwire::testing::Dice;
use traitwire::{Code, Delivery, Handler, HandlerFuture, Request, RpcError, rpc_service};

/// What all servers of a fleet do.
#[rpc_service]
pub trait Work {
    /// Works, and answers which server it is.
    #[rpc(idempotent)]
    async fn work(&self, #[rpc(key)] key: u64) -> u32;
    /// Works, and writes down that it has begun: at most once for a number.
    async fn write(&self, number: u64) -> u32;
    /// The same, with nobody who waits for it.
    #[rpc(oneway)]
    async fn note(&self, number: u64);
    /// So many numbers, ten milliseconds apart.
    fn count(&self, to: u32) -> impl Stream<Item = u32>;
}

/// How often which number was begun, at all servers together.
pub type Ledger = Arc<Mutex<BTreeMap<u64, u32>>>;

/// One server, and what may be wrong with it.
#[derive(Debug)]
pub struct Place {
    /// Which one.
    pub number: u32,
    /// How many times as slow as usual it is.
    pub slowness: AtomicU32,
    /// It fails at once.
    pub is_broken: AtomicBool,
    /// It has enough to do, and says so at once.
    pub is_full: AtomicBool,
    /// Calls that came to it.
    pub begun: AtomicU64,
    /// What its server does.
    pub counters: Arc<Counters>,
    /// Ends it in good order, if it can be started again.
    pub restart: Notify,
    ledger: Ledger,
    /// How long calls were worked on since somebody asked, all together, and when that was.
    worked: Mutex<(Duration, Instant)>,
    room: Semaphore,
    dice: Mutex<Dice>,
}

/// How long a call takes, on average.
const USUAL: Duration = Duration::from_millis(10);
/// How many calls a server works on at a time.
const ROOM: usize = 16;

impl Place {
    pub(super) fn new(number: u32, dice: Dice, ledger: Ledger) -> Self {
        Self {
            number,
            slowness: AtomicU32::new(1),
            is_broken: AtomicBool::new(false),
            is_full: AtomicBool::new(false),
            begun: AtomicU64::new(0),
            counters: Arc::default(),
            restart: Notify::new(),
            ledger,
            worked: Mutex::new((Duration::ZERO, Instant::now())),
            room: Semaphore::new(ROOM),
            dice: Mutex::new(dice),
        }
    }

    async fn toil(&self) {
        let _room = self.room.acquire().await;
        // Half of it for all, and what is left by chance with a long tail.
        let tail = -(1.0 - self.dice.lock().unit()).ln();
        let time = USUAL.mul_f64(0.5 + 0.5 * tail) * self.slowness.load(Ordering::SeqCst);
        tokio::time::sleep(time).await;
        self.worked.lock().0 += time;
    }

    /// What part of its room was in use since this was asked last.
    pub(super) fn utilization(&self) -> f64 {
        let (worked, since) = std::mem::replace(&mut *self.worked.lock(), (Duration::ZERO, Instant::now()));
        worked.as_secs_f64() / (since.elapsed().as_secs_f64() * ROOM as f64)
    }
}

/// Serves for a place.
#[derive(Clone, Debug)]
pub struct Worker(pub Arc<Place>);

impl Work for Worker {
    async fn work(&self, _key: u64) -> u32 {
        self.0.toil().await;
        self.0.number
    }

    async fn write(&self, number: u64) -> u32 {
        *self.0.ledger.lock().entry(number).or_default() += 1;
        self.0.toil().await;
        self.0.number
    }

    async fn note(&self, number: u64) {
        self.write(number).await;
    }

    fn count(&self, to: u32) -> impl Stream<Item = u32> {
        stream::unfold(0, move |at| async move {
            tokio::time::sleep(Duration::from_millis(10)).await;
            (at < to).then_some((at, at + 1))
        })
    }
}

/// What comes before the work: counts, and fails at once if the place is broken.
pub(super) struct Door {
    pub(super) place: Arc<Place>,
    pub(super) inner: Arc<dyn Handler>,
}

impl Handler for Door {
    fn handle(&self, request: Request) -> HandlerFuture {
        self.place.begun.fetch_add(1, Ordering::SeqCst);
        if self.place.is_broken.load(Ordering::SeqCst) {
            let error = RpcError::new(Code::INTERNAL, Delivery::Executed, "it is broken");
            return HandlerFuture::ready(Err(error));
        }
        if self.place.is_full.load(Ordering::SeqCst) {
            let error = RpcError::new(Code::UNAVAILABLE, Delivery::Refused, "it is full");
            return HandlerFuture::ready(Err(error));
        }
        self.inner.handle(request)
    }
}
