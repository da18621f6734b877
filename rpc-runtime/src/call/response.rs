//! Owns [`Response`], a service's answer on its way back, and [`Items`], the streams that go beside calls and answers; both
//! encoded and opaque. Does not encode or decode: that is generated code's work, with `codec`.

use std::cell::RefCell;
use std::fmt;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::thread::LocalKey;

use parking_lot::Mutex;

use crate::call::reused::{Contents, List, Reused};
use crate::call::{Batch, Caps, Metadata, Payload, Pick, RpcError, Trail};
use crate::limits;

/// A service's answer on its way back: a value or the service's own error, encoded.
pub struct Response {
    inner: Reused<Inner>,
}

#[derive(Debug)]
struct Inner {
    body: Payload,
    is_app_error: bool,
    items: Option<Items>,
    metadata: Metadata,
    attempts: u32,
    trail: Option<Arc<Trail>>,
}

thread_local! {
    static EMPTY: List<Inner> = const { RefCell::new(Vec::new()) };
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            body: Payload::default(),
            is_app_error: false,
            items: None,
            metadata: Metadata::new(),
            attempts: 1,
            trail: None,
        }
    }
}

impl Contents for Inner {
    fn list() -> &'static LocalKey<List<Self>> {
        &EMPTY
    }

    fn clear(&mut self) {
        self.body = Payload::default();
        self.is_app_error = false;
        self.items = None;
        self.metadata = Metadata::new();
        self.attempts = 1;
        self.trail = None;
    }
}

impl Response {
    /// An answer with an encoded value.
    pub fn value(body: Payload) -> Self {
        let mut inner = Reused::<Inner>::new();
        inner.body = body;
        Self { inner }
    }

    /// An answer with the service's own error, encoded.
    pub fn app_error(body: Payload) -> Self {
        let mut this = Self::value(body);
        this.inner.is_app_error = true;
        this
    }

    /// An answer with a stream of encoded items.
    pub fn stream(items: Items) -> Self {
        let mut inner = Reused::<Inner>::new();
        inner.items = Some(items);
        Self { inner }
    }

    /// The stream of encoded items, if the service answered with one.
    pub fn items(&self) -> Option<&Items> {
        self.inner.items.as_ref()
    }

    /// Takes the stream of encoded items out.
    pub(crate) fn take_items(&mut self) -> Option<Items> {
        self.inner.items.take()
    }

    /// Keeps something until the answer is whole: until its stream ends or is dropped, or no longer than this if it has none.
    pub(crate) fn hold(&mut self, held: impl Send + Unpin + 'static) {
        if let Some(items) = &mut self.inner.items {
            items.hold(held);
        }
    }

    /// Whether the service answered with its own error.
    pub fn is_app_error(&self) -> bool {
        self.inner.is_app_error
    }

    /// The encoded value or error.
    pub fn body(&self) -> &Payload {
        &self.inner.body
    }

    /// What came beside the answer.
    pub fn metadata(&self) -> &Metadata {
        &self.inner.metadata
    }

    /// What goes beside the answer, to be changed by a layer.
    pub fn metadata_mut(&mut self) -> &mut Metadata {
        &mut self.inner.metadata
    }

    /// How many times the call was sent, this answer's included.
    pub fn attempts(&self) -> u32 {
        self.inner.attempts
    }

    pub(crate) fn set_attempts(&mut self, attempts: u32) {
        self.inner.attempts = attempts;
    }

    /// Where its attempts went and why, for a caller who wants to know.
    pub(crate) fn set_trail(&mut self, trail: Arc<Trail>) {
        self.inner.trail = Some(trail);
    }

    pub(crate) fn picks(&self) -> Vec<Pick> {
        self.inner.trail.as_ref().map(|trail| trail.picks()).unwrap_or_default()
    }

    /// The parts: body, whether it is the service's own error, metadata.
    pub(crate) fn into_parts(mut self) -> (Payload, bool, Metadata) {
        let Inner { body, is_app_error, items, metadata, attempts, trail } = &mut *self.inner;
        let parts = (std::mem::take(body), std::mem::take(is_app_error), std::mem::take(metadata));
        if items.is_none() && trail.is_none() {
            *attempts = 1;
            self.inner.give_back();
        }
        parts
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

/// What a call ends with below the typed client: an answer, or what happened instead.
pub type CallResult = Result<Response, RpcError>;

// ===== impl Items =====

/// A stream of encoded items, as it passes through callers, handlers and layers.
///
/// It ends as a call ends: in order with an empty [`Response`], which may have metadata; with the
/// service's own error; or with what happened instead.
pub struct Items {
    /// Never locked, since it is only reached through `&mut`: this lets others share what holds it.
    source: Mutex<Pin<Box<dyn ItemSource>>>,
    caps: Caps,
    /// The cost of what has been read of them, for the connection that they come by.
    taken: Option<Arc<AtomicU64>>,
    /// Those who may read them in place of this one, as long as nobody has.
    lent: Option<Arc<Lent>>,
}

/// Where items come from.
pub(crate) trait ItemSource: Send {
    /// Puts items that are ready into `items`, which is empty; or tells the end, once.
    fn poll_items(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        items: &mut Batch,
    ) -> Poll<ControlFlow<CallResult>>;
}

impl Items {
    /// Items that this side makes.
    pub(crate) fn new(source: impl ItemSource + 'static) -> Self {
        Self { source: Mutex::new(Box::pin(source)), caps: Caps::default(), taken: None, lent: None }
    }

    /// Items that a connection receives; `caps` is what each may hold, and the cost of those that are read is added to
    /// `taken`.
    pub(crate) fn received(source: impl ItemSource + 'static, caps: Caps, taken: Arc<AtomicU64>) -> Self {
        Self { source: Mutex::new(Box::pin(source)), caps, taken: Some(taken), lent: None }
    }

    /// The same items for another attempt; `None` once any have been taken, or their end.
    pub(crate) fn again(&mut self) -> Option<Self> {
        let lent = match &self.lent {
            Some(lent) => Arc::clone(lent),
            None => {
                let lent = Arc::new(Lent::default());
                let reader = Box::pin(Reader(Arc::clone(&lent)));
                *lent.source.lock() = Some(std::mem::replace(self.source.get_mut(), reader));
                self.lent = Some(Arc::clone(&lent));
                lent
            }
        };
        let is_taken = lent.is_taken.load(Ordering::Relaxed);
        (!is_taken).then(|| Self {
            source: Mutex::new(Box::pin(Reader(Arc::clone(&lent)))),
            caps: self.caps,
            taken: self.taken.clone(),
            lent: Some(lent),
        })
    }

    /// Whether another attempt may read them from the beginning.
    pub(crate) fn is_whole(&self) -> bool {
        self.lent.as_ref().is_some_and(|lent| !lent.is_taken.load(Ordering::Relaxed))
    }

    /// Keeps something until they end or are dropped.
    fn hold(&mut self, held: impl Send + Unpin + 'static) {
        let source = std::mem::replace(self.source.get_mut(), Box::pin(Gone));
        *self.source.get_mut() = Box::pin(Holding { source, held: Some(held) });
    }

    /// An item of so many bytes has been read.
    pub(crate) fn took(&self, bytes: usize) {
        self.took_cost((bytes + limits::ITEM_OVERHEAD) as u64);
    }

    /// Items of this cost have been read, or have gone on.
    pub(crate) fn took_cost(&self, cost: u64) {
        if let Some(taken) = &self.taken {
            // There is one reader, so nobody else writes.
            taken.store(taken.load(Ordering::Relaxed) + cost, Ordering::Relaxed);
        }
    }

    /// What these items of it cost the connection that they came by; nothing if they came by none.
    pub(crate) fn cost(&self, items: &Batch) -> u64 {
        if self.taken.is_some() { items.cost() } else { 0 }
    }

    /// What each of them may hold.
    pub(crate) const fn caps(&self) -> Caps {
        self.caps
    }

    /// Puts items that are ready into `items`, which is empty; or tells the end, once.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, items: &mut Batch) -> Poll<ControlFlow<CallResult>> {
        debug_assert!(items.is_empty(), "earlier items have been taken");
        self.source.get_mut().as_mut().poll_items(cx, items)
    }
}

/// Items that keep something until they end.
struct Holding<T> {
    source: Pin<Box<dyn ItemSource>>,
    held: Option<T>,
}

impl<T: Send + Unpin> ItemSource for Holding<T> {
    fn poll_items(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        items: &mut Batch,
    ) -> Poll<ControlFlow<CallResult>> {
        let polled = self.source.as_mut().poll_items(cx, items);
        if matches!(polled, Poll::Ready(ControlFlow::Break(_))) {
            self.held = None;
        }
        polled
    }
}

/// What stands in for items for a moment.
struct Gone;

impl ItemSource for Gone {
    fn poll_items(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut Batch) -> Poll<ControlFlow<CallResult>> {
        Poll::Pending
    }
}

/// Items that several attempts may read, one after the other, as long as none has taken any.
#[derive(Default)]
struct Lent {
    /// None while an attempt polls it, so that this is no lock around code of the caller's.
    source: Mutex<Option<Pin<Box<dyn ItemSource>>>>,
    is_taken: AtomicBool,
}

struct Reader(Arc<Lent>);

impl ItemSource for Reader {
    fn poll_items(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        items: &mut Batch,
    ) -> Poll<ControlFlow<CallResult>> {
        // One attempt is under way at a time, so it is here unless it has panicked.
        let Some(mut source) = self.0.source.lock().take() else { return Poll::Pending };
        let polled = source.as_mut().poll_items(cx, items);
        if polled.is_ready() {
            self.0.is_taken.store(true, Ordering::Relaxed);
        }
        *self.0.source.lock() = Some(source);
        polled
    }
}

impl fmt::Debug for Items {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Items")
    }
}
