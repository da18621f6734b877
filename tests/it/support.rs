//! A service by hand, and servers and channels in a line. Payloads are bytes that nobody decodes: the generated code
//! has its own tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use traitwire::{
    Caller, Channel, Code, Context, Delivery, Handler, HandlerFuture, MethodDescriptor, Payload, Request,
    Response, RpcError, Server, ServerBuilder, ServerHandle, Service, ServiceDescriptor,
};

pub(crate) static HAND: ServiceDescriptor = ServiceDescriptor::new(
    "Hand",
    "",
    &[
        MethodDescriptor::new("echo", "Hand.echo", 0),
        MethodDescriptor::new("sleep", "Hand.sleep", 1),
        MethodDescriptor::new("panic", "Hand.panic", 2),
        MethodDescriptor::new("block", "Hand.block", 3).blocking(),
        MethodDescriptor::new("notify", "Hand.notify", 4).oneway(),
        MethodDescriptor::new("context", "Hand.context", 5),
        MethodDescriptor::new("fail", "Hand.fail", 6),
        MethodDescriptor::new("drop_panics", "Hand.drop_panics", 7),
        MethodDescriptor::new("inherit", "Hand.inherit", 8),
        MethodDescriptor::new("stall", "Hand.stall", 9),
        MethodDescriptor::new("bomb", "Hand.bomb", 10),
        MethodDescriptor::new("keep", "Hand.keep", 11),
    ],
);

/// What the handlers have done.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) started: AtomicU32,
    pub(crate) finished: AtomicU32,
    pub(crate) dropped: AtomicU32,
}

impl Ledger {
    pub(crate) fn counts(&self) -> (u32, u32, u32) {
        let read = |counter: &AtomicU32| counter.load(Ordering::SeqCst);
        (read(&self.started), read(&self.finished), read(&self.dropped))
    }
}

/// A service by hand.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hand {
    pub(crate) ledger: Arc<Ledger>,
    /// Where `inherit` calls on to.
    pub(crate) next: Option<Channel>,
}

impl Service for Hand {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        &HAND
    }
}

impl Handler for Hand {
    fn handle(&self, request: Request) -> HandlerFuture {
        let guard = Started::new(&self.ledger);
        let next = self.next.clone();
        let Some(method) = request.descriptor() else {
            return HandlerFuture::ready(Err(RpcError::new(Code::UNIMPLEMENTED, Delivery::Refused, "?")));
        };
        match method.name {
            "panic" => HandlerFuture::new(async move { panic!("on purpose") }),
            "bomb" => HandlerFuture::new(async move { std::panic::panic_any(Bomb) }),
            "keep" => {
                let error = RpcError::new(Code::INTERNAL, Delivery::Executed, "it keeps its request");
                HandlerFuture::ready(Err(error.with_source(Keeps(request))))
            }
            "drop_panics" => HandlerFuture::new(async move {
                let _bomb = Bomb;
                std::future::pending().await
            }),
            "fail" => HandlerFuture::new(async move {
                let mut response = Response::app_error(request.into_arguments());
                response.metadata_mut().set("why", "because").unwrap();
                guard.finish();
                Ok(response)
            }),
            "sleep" | "notify" => HandlerFuture::new(async move {
                tokio::time::sleep(millis(request.arguments().bytes())).await;
                guard.finish();
                Ok(Response::value(request.into_arguments()))
            }),
            "block" | "stall" => HandlerFuture::new(async move {
                std::thread::park_timeout(millis(request.arguments().bytes()));
                guard.finish();
                Ok(Response::value(request.into_arguments()))
            }),
            "context" => HandlerFuture::new(async move {
                tokio::task::yield_now().await;
                let context = Context::current();
                context.set_reply_metadata("seen-by", "the handler").unwrap();
                let remaining = context.remaining().map_or(0, |left| left.as_millis());
                let peer = context.peer().map_or("", |peer| peer.address());
                guard.finish();
                Ok(text(format!("{} {remaining} {:?} {peer}", context.method(), context.metadata())))
            }),
            "inherit" => HandlerFuture::new(async move {
                let call = next.expect("a next one").call(Request::new(&HAND.methods[5], Payload::default()));
                guard.finish();
                call.await
            }),
            _ => HandlerFuture::new(async move {
                guard.finish();
                Ok(Response::value(request.into_arguments()))
            }),
        }
    }
}

fn millis(bytes: &[u8]) -> Duration {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    Duration::from_millis(text.parse().unwrap_or(0))
}

/// An error that holds a request of the connection that it goes back on.
#[derive(Debug)]
struct Keeps(#[expect(dead_code, reason = "held, not used")] Request);

impl std::fmt::Display for Keeps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("keeps a request")
    }
}

impl std::error::Error for Keeps {}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("in a drop, on purpose");
    }
}

/// Counts a handler's beginning, and whether it came to its end or was dropped before.
struct Started {
    ledger: Arc<Ledger>,
    finished: std::cell::Cell<bool>,
}

impl Started {
    fn new(ledger: &Arc<Ledger>) -> Self {
        ledger.started.fetch_add(1, Ordering::SeqCst);
        Self { ledger: Arc::clone(ledger), finished: std::cell::Cell::new(false) }
    }

    fn finish(&self) {
        self.finished.set(true);
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let counter = if self.finished.get() { &self.ledger.finished } else { &self.ledger.dropped };
        counter.fetch_add(1, Ordering::SeqCst);
    }
}

pub(crate) fn text(text: impl Into<String>) -> Response {
    Response::value(Payload::new(text.into().into_bytes()))
}

pub(crate) fn request(method: &'static str, arguments: impl AsRef<[u8]>) -> Request {
    Request::by_name(method, Payload::new(arguments.as_ref().to_vec()))
}

pub(crate) async fn call(
    channel: &Channel,
    method: &'static str,
    arguments: impl AsRef<[u8]>,
) -> Result<Vec<u8>, RpcError> {
    channel.call(request(method, arguments)).await.map(|response| response.body().bytes().to_vec())
}

/// A oneway call, as generated clients make it.
pub(crate) async fn tell(channel: &Channel, arguments: impl AsRef<[u8]>) -> Result<(), RpcError> {
    channel.call(notification(arguments)).await.map(|response| assert_eq!(response.body().bytes(), [0xc0]))
}

pub(crate) fn notification(arguments: impl AsRef<[u8]>) -> Request {
    Request::new(&HAND.methods[4], Payload::new(arguments.as_ref().to_vec()))
}

/// A call with a timeout.
pub(crate) async fn call_within(
    channel: &Channel,
    timeout: Duration,
    method: &'static str,
    arguments: impl AsRef<[u8]>,
) -> Result<Vec<u8>, RpcError> {
    let mut request = request(method, arguments);
    request.set_timeout(timeout);
    channel.call(request).await.map(|response| response.body().bytes().to_vec())
}

/// A server at work.
pub(crate) struct Served {
    pub(crate) uri: String,
    pub(crate) handle: ServerHandle,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) done: tokio::task::JoinHandle<traitwire::Drained>,
}

pub(crate) async fn serve(uri: &str) -> Served {
    serve_with(uri, Hand::default(), |builder| builder).await
}

pub(crate) async fn serve_with(
    uri: &str,
    hand: Hand,
    settings: impl FnOnce(ServerBuilder) -> ServerBuilder,
) -> Served {
    let ledger = Arc::clone(&hand.ledger);
    let server = settings(Server::builder().service(hand)).bind(uri).await.unwrap();
    let (uri, handle) = (server.addresses()[0].clone(), server.handle());
    let done = tokio::spawn(async move { server.serve().await.unwrap() });
    Served { uri, handle, ledger, done }
}

/// Waits until something is true; fails after five seconds.
pub(crate) async fn until(what: &str, mut check: impl FnMut() -> bool) {
    for _ in 0..5_000 {
        if check() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("not within five seconds: {what}");
}

/// A path for a socket that nobody else uses.
pub(crate) fn socket_path(name: &str) -> String {
    let path = std::env::temp_dir().join(format!("traitwire-{}-{name}.sock", std::process::id()));
    let _ = std::fs::remove_file(&path);
    path.to_string_lossy().into_owned()
}
