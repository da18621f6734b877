//! Owns [`InProcess`], a caller that hands requests straight to a handler, and what tests ask of one: bytes by hand,
//! a look at what was sent.

use std::pin::Pin;
use std::sync::Arc;

use parking_lot::Mutex;
use traitwire::{CallResult, Caller, Handler, HandlerFuture, Payload, Request, RpcError};

/// Hands requests to a handler, and remembers the last one.
#[derive(Clone)]
pub(crate) struct InProcess {
    handler: Arc<dyn Handler>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// What a test may ask of a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) index: Option<u32>,
    pub(crate) timeout: Option<std::time::Duration>,
    pub(crate) waits_for_ready: bool,
    pub(crate) metadata: Vec<(String, String)>,
    pub(crate) arguments: Vec<u8>,
}

impl InProcess {
    pub(crate) fn new(handler: impl Handler) -> Self {
        Self { handler: Arc::new(handler), seen: Arc::default() }
    }

    /// Answers every call with these bytes.
    pub(crate) fn answering(bytes: &[u8], is_error: bool) -> Self {
        Self::new(Canned { bytes: bytes.to_vec(), is_error })
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().clone()
    }

    /// Makes a call with arguments encoded by hand.
    pub(crate) async fn raw(&self, method: &'static str, arguments: &[u8]) -> CallResult {
        self.call(Request::by_name(method, Payload::new(arguments.to_vec()))).await
    }
}

impl Caller for InProcess {
    type Error = RpcError;
    type Future = Pin<Box<dyn Future<Output = CallResult> + Send>>;

    fn call(&self, request: Request) -> Self::Future {
        let text = |value: &traitwire::Value| String::from_utf8_lossy(value.as_bytes()).into_owned();
        self.seen.lock().push(Seen {
            method: request.method().to_owned(),
            index: request.descriptor().map(|method| method.index),
            timeout: request.timeout(),
            waits_for_ready: request.waits_for_ready(),
            metadata: request.metadata().iter().map(|e| (e.key().to_owned(), text(e.value()))).collect(),
            arguments: request.arguments().bytes().to_vec(),
        });
        Box::pin(self.handler.handle(request))
    }
}

impl std::fmt::Debug for InProcess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InProcess")
    }
}

struct Canned {
    bytes: Vec<u8>,
    is_error: bool,
}

impl Handler for Canned {
    fn handle(&self, _: Request) -> HandlerFuture {
        let body = Payload::new(self.bytes.clone());
        let response = if self.is_error {
            traitwire::Response::app_error(body)
        } else {
            traitwire::Response::value(body)
        };
        HandlerFuture::ready(Ok(response))
    }
}
