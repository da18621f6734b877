//! Owns [`Context`]: what a handler may know of the call it serves, and how calls that it makes inherit from it.
//! Does not read a clock: whoever makes a context brings one.

use std::any::Any;
use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{self, Poll};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};

use crate::call::{Deadline, Identity, Metadata, MetadataError, Peer, PushBack, Value};

/// The call that is being served.
///
/// It is ambient: [`Context::current`] finds it anywhere in a handler, and a client called there inherits its
/// deadline, its trace (W3C: `traceparent`, `tracestate`, `baggage`) and its propagating metadata. It does not follow into a spawned task by itself:
/// [`scope`](Self::scope) carries it there, and [`detached`](Self::detached) leaves it behind.
///
/// ```
/// use traitwire::Context;
/// async fn handler() -> u64 {
///     let context = Context::current();
///     if let Some(left) = context.remaining() {
///         println!("{left:?} left");
///     }
///     let task = tokio::spawn(context.scope(async { /* calls made here inherit too */ 7 }));
///     task.await.unwrap_or(0)
/// }
/// ```
#[derive(Clone, Default)]
pub struct Context {
    // None outside of any call: nothing to allocate, nothing to inherit.
    inner: Option<Arc<Inner>>,
}

struct Inner {
    method: Cow<'static, str>,
    deadline: Option<Deadline>,
    metadata: Metadata,
    reply_metadata: Mutex<Metadata>,
    /// There may be something in it: few handlers say anything beside their answers, and a lock is not free.
    replies: AtomicBool,
    peer: Peer,
    /// Who makes the call, if a layer has found out.
    identity: OnceLock<Identity>,
    attempt: u32,
    cancelled: AtomicBool,
    /// It is cancelled because its connection is lost.
    lost: AtomicBool,
    clock: fn() -> Instant,
    origin: Option<Arc<dyn Origin>>,
}

/// The connection that a call came by.
pub(crate) trait Origin: Send + Sync {
    /// Ready when another answer may be encoded.
    fn poll_room(&self, cx: &task::Context<'_>) -> Poll<()>;

    /// Whether no further calls of the peer are accepted.
    fn is_leaving(&self) -> bool;

    /// Waits until it is so.
    fn left(self: Arc<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>>;

    /// The connection itself, for those who know what it is.
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

thread_local! {
    static CURRENT: RefCell<Context> = const { RefCell::new(Context { inner: None }) };
}

impl Context {
    /// How the number of an attempt travels.
    pub(crate) const ATTEMPT: &str = "rpc-attempt";

    /// The context of a call; `clock` tells the time that its deadline is measured by.
    pub(crate) fn new(
        method: Cow<'static, str>,
        deadline: Option<Deadline>,
        metadata: Metadata,
        peer: Peer,
        clock: fn() -> Instant,
        origin: Option<Arc<dyn Origin>>,
    ) -> Self {
        let attempt = attempt(&metadata);
        let (reply_metadata, cancelled, lost) = Default::default();
        let identity = OnceLock::new();
        let inner = Inner {
            method,
            deadline,
            metadata,
            reply_metadata,
            replies: AtomicBool::new(false),
            peer,
            identity,
            attempt,
            cancelled,
            lost,
            clock,
            origin,
        };
        Self { inner: Some(Arc::new(inner)) }
    }

    /// The same call's, for work that goes on if this one is cancelled: what is said beside the reply there stays there.
    pub(crate) fn apart(&self) -> Self {
        let Some(inner) = &self.inner else { return Self::default() };
        let Inner { method, deadline, metadata, peer, clock, origin, .. } = &**inner;
        let (method, metadata, peer) = (method.clone(), metadata.clone(), peer.clone());
        let apart = Self::new(method, *deadline, metadata, peer, *clock, origin.clone());
        if let Some(identity) = inner.identity.get() {
            apart.identify(identity.clone());
        }
        apart
    }

    /// The context of the next call by the same connection, in the place of this one, if nobody else holds it any more.
    pub(crate) fn renewed(
        mut self,
        method: Cow<'static, str>,
        deadline: Option<Deadline>,
        metadata: &Metadata,
    ) -> Option<Self> {
        let inner = Arc::get_mut(self.inner.as_mut()?)?;
        inner.method = method;
        inner.deadline = deadline;
        if !metadata.is_empty() || !inner.metadata.is_empty() {
            inner.metadata.clone_from(metadata);
        }
        if std::mem::take(inner.replies.get_mut()) {
            *inner.reply_metadata.get_mut() = Metadata::new();
        }
        // Of this one call: the next one by the same connection may be somebody else's.
        inner.identity.take();
        inner.attempt = attempt(metadata);
        (*inner.cancelled.get_mut(), *inner.lost.get_mut()) = (false, false);
        Some(self)
    }

    /// The call that is being served here, or an empty context outside of any.
    pub fn current() -> Self {
        CURRENT.with(|current| current.borrow().clone())
    }

    /// Says what a call that is made here inherits: the deadline and the metadata. Says nothing outside of any call.
    pub(crate) fn inherited(tell: impl FnOnce(Option<Deadline>, &Metadata)) {
        CURRENT.with_borrow(|current| {
            if let Some(inner) = &current.inner {
                tell(inner.deadline, &inner.metadata);
            }
        });
    }

    /// Whether this is the context of a call.
    pub const fn is_call(&self) -> bool {
        self.inner.is_some()
    }

    /// The method that is being served: `"Service.method"`; empty outside of a call.
    pub fn method(&self) -> &str {
        self.inner.as_ref().map_or("", |inner| &inner.method)
    }

    /// When nobody wants the answer any more.
    pub fn deadline(&self) -> Option<Deadline> {
        self.inner.as_ref()?.deadline
    }

    /// The time left until the deadline; `None` for a call without one.
    pub fn remaining(&self) -> Option<Duration> {
        let inner = self.inner.as_ref()?;
        Some(inner.deadline?.remaining((inner.clock)()))
    }

    /// What the caller sent beside the arguments.
    pub fn metadata(&self) -> &Metadata {
        static NONE: Metadata = Metadata::new();
        self.inner.as_ref().map_or(&NONE, |inner| &inner.metadata)
    }

    /// Sends a value beside the reply. Outside of a call it goes nowhere.
    ///
    /// # Errors
    ///
    /// When the key is not well formed or is reserved for the protocol.
    pub fn set_reply_metadata(
        &self,
        key: impl Into<Cow<'static, str>>,
        value: impl Into<Value>,
    ) -> Result<(), MetadataError> {
        let mut unheard = Metadata::new();
        match &self.inner {
            Some(inner) => inner.reply_metadata().set(key, value).map(drop),
            None => unheard.set(key, value).map(drop),
        }
    }

    /// Says beside the answer when the caller may try again, for an error of the service's own that its method's `retry_on`
    /// holds for: a caller that retries waits so long instead of its own back-off. Outside of a call it goes nowhere.
    pub fn set_retry_after(&self, time: Duration) {
        if let Some(inner) = &self.inner {
            PushBack::After(time).put(&mut inner.reply_metadata());
        }
    }

    /// Who made the call; `None` outside of one.
    pub fn peer(&self) -> Option<&Peer> {
        self.inner.as_ref().map(|inner| &inner.peer)
    }

    /// Who made the call, as far as that is proved: by what came with the call, if a layer has found that out, or else by
    /// the [peer](Peer::identity) on its connection.
    pub fn identity(&self) -> Option<&Identity> {
        let inner = self.inner.as_ref()?;
        inner.identity.get().or_else(|| inner.peer.identity())
    }

    /// Says who made the call. The first word counts.
    pub(crate) fn identify(&self, identity: Identity) {
        if let Some(inner) = &self.inner {
            let _ = inner.identity.set(identity);
        }
    }

    /// Which attempt of the call this is, counted from 1, as its caller says.
    pub fn attempt(&self) -> u32 {
        self.inner.as_ref().map_or(1, |inner| inner.attempt)
    }

    /// Whether nobody waits for the answer any more: the caller gave up, or the time is over. A handler is dropped
    /// at its next `await` then; this is for those that compute for long, and for tasks that they have spawned.
    pub fn is_cancelled(&self) -> bool {
        let Some(inner) = &self.inner else { return false };
        inner.cancelled.load(Ordering::Relaxed)
            || inner.deadline.is_some_and(|deadline| deadline.has_passed((inner.clock)()))
    }

    /// Runs a future within this context, for a task that works for this call.
    pub fn scope<F: Future>(&self, future: F) -> Scope<F> {
        Scope { context: self.clone(), future: Some(Box::pin(future)) }
    }

    /// Runs a future outside of any context, for work that goes on beyond the call: filling a cache that others
    /// share, say. Calls made there inherit nothing.
    pub fn detached<F: Future>(future: F) -> Scope<F> {
        Scope { context: Self::default(), future: Some(Box::pin(future)) }
    }

    /// Runs `work` within this context.
    pub(crate) fn enter<R>(&mut self, work: impl FnOnce() -> R) -> R {
        let _entered = Entered::new(self);
        work()
    }

    /// Waits until the current connection has room for another encoded answer: those of slow readers would pile up
    /// otherwise.
    pub(crate) async fn room_for_answer() {
        poll_fn(|cx| {
            CURRENT.with_borrow(|current| {
                let origin = current.inner.as_ref().and_then(|inner| inner.origin.as_ref());
                origin.map_or(Poll::Ready(()), |origin| origin.poll_room(cx))
            })
        })
        .await;
    }

    /// The connection that the call came by, as far as this floor knows it.
    pub(super) fn connection(&self) -> Option<&Arc<dyn Origin>> {
        self.inner.as_ref()?.origin.as_ref()
    }

    /// The connection that the call came by.
    pub(crate) fn origin(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        Some(Arc::clone(self.inner.as_ref()?.origin.as_ref()?).into_any())
    }

    pub(crate) fn cancel(&self) {
        if let Some(inner) = &self.inner {
            inner.cancelled.store(true, Ordering::Relaxed);
        }
    }

    /// The connection that the call came by is lost, and nobody has given the call up.
    pub(crate) fn lose(&self) {
        if let Some(inner) = &self.inner {
            inner.lost.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the connection that the call came by is lost.
    pub(crate) fn is_lost(&self) -> bool {
        self.inner.as_ref().is_some_and(|inner| inner.lost.load(Ordering::Relaxed))
    }

    /// What the handler wants sent beside its reply.
    pub(crate) fn take_reply_metadata(&self) -> Metadata {
        match &self.inner {
            // Whoever has said something has done so before the handler returned.
            Some(inner) if inner.replies.load(Ordering::Relaxed) => {
                std::mem::take(&mut *inner.reply_metadata.lock())
            }
            _ => Metadata::new(),
        }
    }
}

impl Inner {
    fn reply_metadata(&self) -> MutexGuard<'_, Metadata> {
        self.replies.store(true, Ordering::Relaxed);
        self.reply_metadata.lock()
    }
}

fn attempt(metadata: &Metadata) -> u32 {
    if metadata.is_empty() {
        return 1;
    }
    metadata.text(Context::ATTEMPT).and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// A context that has changed places with the outer one, until this is dropped: also when what runs inside panics.
/// Nothing is counted up and down for that.
struct Entered<'a> {
    elsewhere: &'a mut Context,
}

impl<'a> Entered<'a> {
    fn new(elsewhere: &'a mut Context) -> Self {
        let mut this = Self { elsewhere };
        this.swap();
        this
    }

    fn swap(&mut self) {
        CURRENT.with_borrow_mut(|current| std::mem::swap(current, self.elsewhere));
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.swap();
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(inner) = &self.inner else { return f.write_str("Context(none)") };
        f.debug_struct("Context")
            .field("method", &inner.method)
            .field("deadline", &inner.deadline)
            .field("metadata", &inner.metadata)
            .field("peer", &inner.peer)
            .finish_non_exhaustive()
    }
}

// ===== impl Scope =====

/// A future that runs within a context: see [`Context::scope`] and [`Context::detached`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Scope<F> {
    context: Context,
    // Taken on drop, so that it is dropped within the context. Boxed because a projection of a pinned field
    // would need `unsafe`; a scope stands at the root of a task, where one more box does not count.
    future: Option<Pin<Box<F>>>,
}

impl<F: Future> Future for Scope<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        match &mut this.future {
            Some(future) => this.context.enter(|| future.as_mut().poll(cx)),
            None => Poll::Pending,
        }
    }
}

impl<F> Drop for Scope<F> {
    fn drop(&mut self) {
        let future = self.future.take();
        self.context.enter(|| drop(future));
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test may ask for any instant to start from")]
mod tests {
    use super::*;

    fn context(deadline: Option<Deadline>) -> Context {
        Context::new("S.m".into(), deadline, Metadata::new(), Peer::default(), Instant::now, None)
    }

    #[test]
    fn it_is_ambient_while_entered_and_the_outer_one_comes_back() {
        assert!(!Context::current().is_call());
        context(None).enter(|| {
            assert_eq!(Context::current().method(), "S.m");
            Context::default().enter(|| assert!(!Context::current().is_call()));
            assert!(Context::current().is_call());
        });
        assert!(!Context::current().is_call());
    }

    #[test]
    fn a_panic_inside_leaves_the_outer_one() {
        let mut context = context(None);
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| context.enter(|| panic!("x"))));
        assert!(caught.is_err() && !Context::current().is_call());
    }

    #[test]
    fn a_scope_is_entered_for_each_poll_and_for_the_drop() {
        struct OnDrop;
        impl Drop for OnDrop {
            fn drop(&mut self) {
                assert!(Context::current().is_call());
            }
        }
        let scope = context(None).scope(async {
            let _guard = OnDrop;
            assert!(Context::current().is_call());
            std::future::pending::<()>().await;
        });
        let mut future = Box::pin(scope);
        let mut cx = task::Context::from_waker(task::Waker::noop());
        assert!(future.as_mut().poll(&mut cx).is_pending());
        assert!(!Context::current().is_call());
        drop(future);
    }

    #[test]
    fn it_is_cancelled_by_its_caller_and_by_time() {
        let called_off = context(None);
        assert!(!called_off.is_cancelled());
        called_off.cancel();
        assert!(called_off.is_cancelled());
        assert!(context(Some(Deadline::at(Instant::now()))).is_cancelled());
    }

    #[test]
    fn who_made_one_call_is_nobody_to_the_next() {
        let first = context(None);
        first.identify(Identity::new(["user:ada"]));
        first.identify(Identity::new(["user:eve"]));
        assert!(first.identity().is_some_and(|identity| identity.is("user:ada")));
        let next = first.renewed("S.n".into(), None, &Metadata::new()).unwrap();
        assert_eq!(next.identity(), None);
    }
}
