//! Owns [`Dedup`]: the memory around a handler. Decides nothing.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::time::timeout_at;

use crate::call::{Code, Context, Deadline, Delivery, Handler, HandlerFuture, Request, RpcError, roll};
use crate::limits;
use crate::policy::clock::now;
use crate::policy::dedup::config::DedupConfig;
use crate::policy::dedup::flight::{Flight, Outcome, panicked};
use crate::policy::dedup::key::{ReplyKey, fingerprint};
use crate::policy::dedup::memory::{Begun, Bounds, Memory};
use crate::policy::dedup::reply::Reply;
use crate::policy::dedup::store::{Claim, ReplyStore, StoreError};

/// A handler whose calls with a key run once, as far as their methods are `dedup`.
#[derive(Clone)]
pub(crate) struct Dedup {
    inner: Arc<Inner>,
}

struct Inner {
    handler: Arc<dyn Handler>,
    memory: Mutex<Memory<Arc<Flight>, Arc<Reply>>>,
    store: Option<Arc<dyn ReplyStore>>,
    number: u64,
    /// Calls may have more time than is seen here.
    is_cut: bool,
    time: Duration,
}

impl Dedup {
    /// Around this handler; `is_cut` says that calls may have more time than is seen here.
    pub(crate) fn new(config: &DedupConfig, is_cut: bool, handler: Arc<dyn Handler>) -> Self {
        let bounds = Bounds { entries: config.entries, bytes: config.bytes, time: config.time };
        let store = config.store.clone();
        // 0 says that nothing is remembered.
        let number = store.as_ref().map_or_else(roll, |store| store.number()).max(1);
        let memory = Mutex::new(Memory::new(bounds));
        Self { inner: Arc::new(Inner { handler, memory, store, number, is_cut, time: config.time }) }
    }

    /// Whose memory it is, for HELLO.
    pub(crate) fn number(&self) -> u64 {
        self.inner.number
    }

    fn keyed(&self, request: Request, key: ReplyKey) -> HandlerFuture {
        let (now, fingerprint) = (now(), fingerprint(&request));
        let is_retry = request.attempt() > 1;
        let begun = self.inner.memory.lock().begin(now, &key, fingerprint, is_retry, Flight::new);
        match begun {
            Begun::First(flight) => {
                let waiting = flight.wait();
                self.run(request, key, flight);
                HandlerFuture::new(waiting)
            }
            Begun::Running(flight) => HandlerFuture::new(flight.wait()),
            Begun::Kept(reply) => HandlerFuture::ready(reply.result()),
            Begun::Differs => {
                let text = "its idempotency key is that of a call with other arguments: each call needs one of its own";
                HandlerFuture::ready(Err(RpcError::new(Code::INVALID_ARGUMENT, Delivery::Refused, text)))
            }
            Begun::Blurred => {
                let text = "it may have run before: there was too much to remember, and some of it is forgotten \
                            (`DedupConfig::entries`, `bytes`, `time`)";
                let error = RpcError::new(Code::ABORTED, Delivery::Refused, text).without_retry();
                HandlerFuture::ready(Err(error))
            }
            Begun::Full => {
                let text = "as many calls run as can be remembered (`DedupConfig::entries`)";
                HandlerFuture::ready(Err(RpcError::new(Code::RESOURCE_EXHAUSTED, Delivery::Refused, text)))
            }
        }
    }

    /// Runs a call in a task of its own, so that it goes on if its connection is lost.
    fn run(&self, request: Request, key: ReplyKey, flight: Arc<Flight>) {
        let is_blocking = request.descriptor().is_some_and(|method| method.blocking);
        let until = request.deadline().unwrap_or_else(|| Deadline::after(now(), self.inner.time));
        let until = until.instant();
        let needed =
            if self.inner.is_cut { now().checked_add(self.inner.time).unwrap_or(until) } else { until };
        let run = Run { inner: Arc::clone(&self.inner), key, flight, until, needed };
        let context = Context::current().apart();
        let work = run.work(request, context);
        if is_blocking {
            let runtime = Handle::current();
            tokio::task::spawn_blocking(move || runtime.block_on(work));
        } else {
            tokio::spawn(work);
        }
    }
}

impl Handler for Dedup {
    fn handle(&self, request: Request) -> HandlerFuture {
        let Some(method) = request.descriptor() else { return self.inner.handler.handle(request) };
        match ReplyKey::of(&request).filter(|_| method.dedup) {
            Some(key) => self.keyed(request, key),
            None => self.inner.handler.handle(request),
        }
    }
}

impl fmt::Debug for Dedup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dedup").field("number", &self.inner.number).finish_non_exhaustive()
    }
}

/// A call that runs, or is to.
struct Run {
    inner: Arc<Inner>,
    key: ReplyKey,
    flight: Arc<Flight>,
    /// When its time is over, and when nobody asks for it any more.
    until: Instant,
    needed: Instant,
}

impl Run {
    async fn work(self, request: Request, context: Context) {
        let outcome = match self.claim().await {
            Some(outcome) => outcome,
            // A future whose time is over is polled once by whoever watches over its time, and that is enough to do harm.
            None if self.until <= now() => {
                if let Some(store) = &self.inner.store {
                    told(store.release(&self.key).await);
                }
                self.too_late("before its handler began")
            }
            None => self.execute(request, context).await,
        };
        self.flight.land(outcome);
    }

    /// What comes of it, if another instance has run it or nobody knows.
    async fn claim(&self) -> Option<Outcome> {
        let store = self.inner.store.as_ref()?;
        let refused = |error: RpcError| {
            self.inner.memory.lock().forget(&self.key);
            Some(Outcome::Refused(error))
        };
        let unavailable = |text: String| RpcError::new(Code::UNAVAILABLE, Delivery::Refused, text);
        // What is claimed by a store that answers too late stays so: whether it is for this instance is not known.
        let Ok(claimed) = timeout_at(self.until.into(), store.claim(&self.key, self.left())).await else {
            return Some(self.too_late("while it was asked whether the call has run before"));
        };
        match claimed {
            Ok(Claim::First) => None,
            Ok(Claim::Running) => {
                let error = unavailable("another instance has begun it and not ended it".to_owned());
                refused(error.with_retry_after(limits::DEDUP_ELSEWHERE))
            }
            Ok(Claim::Kept(bytes)) => match Reply::from_bytes(&bytes) {
                Some(reply) => Some(self.keep(reply)),
                None => refused(unavailable("what is kept for it is of another version".to_owned())),
            },
            Err(error) => {
                refused(unavailable(format!("what is remembered of calls cannot be asked: {error}")))
            }
        }
    }

    fn too_late(&self, when: &str) -> Outcome {
        self.inner.memory.lock().forget(&self.key);
        let text = format!("its time ran out {when}");
        Outcome::Refused(RpcError::new(Code::DEADLINE_EXCEEDED, Delivery::Refused, text))
    }

    async fn execute(&self, request: Request, context: Context) -> Outcome {
        let handler = Arc::clone(&self.inner.handler);
        let call = context.scope(async move { handler.handle(request).await });
        let call = timeout_at(self.until.into(), AssertUnwindSafe(call).catch_unwind());
        let stopped = |text: &'static str, code| Ok(Err(RpcError::new(code, Delivery::Executed, text)));
        let ended = tokio::select! {
            biased;
            ended = call => ended.unwrap_or_else(|_| {
                stopped("its time ran out while its handler was at work", Code::DEADLINE_EXCEEDED)
            }),
            () = self.flight.stopped() => {
                context.cancel();
                stopped("its caller gave it up", Code::CANCELLED)
            }
        };
        let beside = context.take_reply_metadata();
        let (reply, panic) = match ended {
            Ok(result) => (Reply::of(result, beside), None),
            Err(panic) => (Ok(Reply::Failed(panicked())), Some(panic)),
        };
        let reply = match reply {
            Ok(reply) => reply,
            Err(error) => {
                self.inner.memory.lock().forget(&self.key);
                if let Some(store) = &self.inner.store {
                    told(store.release(&self.key).await);
                }
                return Outcome::Refused(error);
            }
        };
        if let Some(store) = &self.inner.store {
            told(store.keep(&self.key, reply.to_bytes(), self.left()).await);
        }
        let outcome = self.keep(reply);
        panic.map_or(outcome, |panic| Outcome::Panicked(Arc::new(Mutex::new(Some(panic)))))
    }

    fn keep(&self, reply: Reply) -> Outcome {
        let reply = Arc::new(reply);
        let bytes = reply.cost() + self.key.as_bytes().len();
        self.inner.memory.lock().keep(now(), &self.key, Arc::clone(&reply), bytes, self.needed);
        Outcome::Ran(reply)
    }

    fn left(&self) -> Duration {
        self.needed.saturating_duration_since(now())
    }
}

/// A store that cannot be told: this instance remembers it, and at others the key stays claimed.
fn told(result: Result<(), StoreError>) {
    if let Err(error) = result {
        tracing::warn!(%error, "what came of a call could not be shared");
    }
}
