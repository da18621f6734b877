//! Owns [`Scripted`]: a caller that does what a test says, in place of a channel.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures::future::{BoxFuture, FutureExt};

use crate::call::{CallResult, Caller, Code, Delivery, Payload, Request, Response, RpcError};

/// A caller whose calls are this function's futures; it counts those that were polled.
#[derive(Clone)]
pub(super) struct Scripted {
    script: Arc<dyn Fn(Request) -> BoxFuture<'static, CallResult> + Send + Sync>,
    began: Arc<AtomicU32>,
}

impl Scripted {
    pub(super) fn new<F: Future<Output = CallResult> + Send + 'static>(
        script: impl Fn(Request) -> F + Send + Sync + 'static,
    ) -> Self {
        Self { script: Arc::new(move |request| script(request).boxed()), began: Arc::default() }
    }

    /// How many calls came here.
    pub(super) fn began(&self) -> u32 {
        self.began.load(Ordering::Relaxed)
    }
}

impl Caller for Scripted {
    type Error = RpcError;
    type Future = BoxFuture<'static, CallResult>;

    fn call(&self, request: Request) -> Self::Future {
        let (called, began) = ((self.script)(request), Arc::clone(&self.began));
        async move {
            began.fetch_add(1, Ordering::Relaxed);
            called.await
        }
        .boxed()
    }
}

/// Makes a call as an impatient caller does: polls it so many times, and drops it unless it has ended by then; `None` is for
/// as long as it takes.
pub(super) async fn impatient<F: Future + Unpin>(mut call: F, polls: Option<u64>) -> Option<F::Output> {
    let Some(polls) = polls else { return Some(call.await) };
    for _ in 0..polls {
        if let Some(result) = (&mut call).now_or_never() {
            return Some(result);
        }
        tokio::task::yield_now().await;
    }
    None
}

/// A request for a method of no service.
pub(super) fn request(method: &'static str) -> Request {
    Request::by_name(method, Payload::default())
}

/// An answer of these bytes.
pub(super) fn answer(bytes: &[u8]) -> CallResult {
    Ok(Response::value(Payload::new(bytes.to_vec())))
}

/// A lost connection.
pub(super) fn lost() -> CallResult {
    Err(RpcError::new(Code::UNAVAILABLE, Delivery::Unknown, "the connection was lost"))
}
