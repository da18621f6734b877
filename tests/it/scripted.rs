//! A service that answers as its script says, call by call, and remembers which attempts it saw and when; and a transport
//! whose links it can cut.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::pending;
use parking_lot::Mutex;
use tokio::io::{DuplexStream, copy_bidirectional, duplex};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::AbortHandle;
use tokio::time::Instant;
use traitwire::policy::Policies;
use traitwire::transport::{Link, Listener, Transport};
use traitwire::{
    Caller, Channel, Code, Context, Delivery, Handler, HandlerFuture, Hedge, MethodDescriptor, Payload,
    Request, Response, Retry, RpcError, Server, Service, ServiceDescriptor,
};

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Retries after 100 ms each, without jitter to speak of.
pub(crate) const STEADY: Retry = Retry::new()
    .base(ms(100))
    .cap(ms(100))
    .backoff(traitwire::Backoff::Proportional { alpha: 0.0, t_max: Duration::from_secs(1), jitter: 0.0 });

pub(crate) static SCRIPTED: ServiceDescriptor = ServiceDescriptor::new(
    "Scripted",
    "",
    &[
        MethodDescriptor::new("get", "Scripted.get", 0).idempotent(),
        MethodDescriptor::new("put", "Scripted.put", 1),
        MethodDescriptor::new("declared", "Scripted.declared", 2)
            .idempotent()
            .with_retry(STEADY)
            .with_hedge(Hedge::after(ms(30))),
        MethodDescriptor::new("picky", "Scripted.picky", 3)
            .with_retry_on(|_, answer| answer.body().bytes() == b"busy"),
        MethodDescriptor::new("tell", "Scripted.tell", 4).oneway(),
    ],
);

/// What becomes of one call.
#[derive(Debug)]
pub(crate) enum Step {
    Answer(&'static [u8]),
    /// The service's own error.
    App(&'static [u8]),
    Fail(RpcError),
    /// An answer after so long.
    Slow(Duration),
    /// An error after so long.
    SlowFail(Duration, RpcError),
    /// No answer at all.
    Hang,
    /// The connection ends while the handler is at work.
    Cut,
}

/// What the service saw of a call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Seen {
    pub(crate) at: Duration,
    pub(crate) attempt: u32,
    pub(crate) arguments: Vec<u8>,
}

#[derive(Clone)]
pub(crate) struct Script {
    steps: Arc<Mutex<VecDeque<Step>>>,
    /// What follows when the script is over.
    afterwards: Arc<dyn Fn() -> Step + Send + Sync>,
    seen: Arc<Mutex<Vec<Seen>>>,
    dropped: Arc<Mutex<u32>>,
    links: Arc<Mutex<Vec<AbortHandle>>>,
    began: Instant,
}

impl Script {
    pub(crate) fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self::then(steps, || Step::Answer(b"done"))
    }

    pub(crate) fn then(
        steps: impl IntoIterator<Item = Step>,
        afterwards: impl Fn() -> Step + Send + Sync + 'static,
    ) -> Self {
        Self {
            steps: Arc::new(Mutex::new(steps.into_iter().collect())),
            afterwards: Arc::new(afterwards),
            seen: Arc::default(),
            dropped: Arc::default(),
            links: Arc::default(),
            began: Instant::now(),
        }
    }

    /// What it has seen so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().clone()
    }

    /// When it has seen something, in milliseconds, and which attempt it was.
    pub(crate) fn times(&self) -> Vec<(u128, u32)> {
        self.seen.lock().iter().map(|seen| (seen.at.as_millis(), seen.attempt)).collect()
    }

    /// How many handlers were dropped before their end.
    pub(crate) fn dropped(&self) -> u32 {
        *self.dropped.lock()
    }
}

impl Service for Script {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        &SCRIPTED
    }
}

impl Handler for Script {
    fn handle(&self, request: Request) -> HandlerFuture {
        let (at, attempt) = (self.began.elapsed(), Context::current().attempt());
        let arguments = request.into_arguments().bytes().to_vec();
        self.seen.lock().push(Seen { at, attempt, arguments });
        let step = self.steps.lock().pop_front().unwrap_or_else(|| (self.afterwards)());
        let guard = Dropped(Some(Arc::clone(&self.dropped)));
        let links = Arc::clone(&self.links);
        HandlerFuture::new(async move {
            let ended = match step {
                Step::Answer(value) => Ok(Response::value(Payload::new(value.to_vec()))),
                Step::App(value) => Ok(Response::app_error(Payload::new(value.to_vec()))),
                Step::Fail(error) => Err(error),
                Step::Slow(time) => {
                    tokio::time::sleep(time).await;
                    Ok(Response::value(Payload::new(b"late".to_vec())))
                }
                Step::SlowFail(time, error) => {
                    tokio::time::sleep(time).await;
                    Err(error)
                }
                Step::Hang => pending().await,
                Step::Cut => {
                    links.lock().drain(..).for_each(|link| link.abort());
                    pending().await
                }
            };
            guard.finish();
            ended
        })
    }
}

/// Counts a handler that is dropped before its end.
struct Dropped(Option<Arc<Mutex<u32>>>);

impl Dropped {
    fn finish(mut self) {
        self.0 = None;
    }
}

impl Drop for Dropped {
    fn drop(&mut self) {
        if let Some(dropped) = &self.0 {
            *dropped.lock() += 1;
        }
    }
}

/// Links in memory that a script can cut, from `wire://…` to the one listener that it has.
#[derive(Clone)]
struct Wire {
    links: Arc<Mutex<Vec<AbortHandle>>>,
    dialled: UnboundedSender<DuplexStream>,
    accepted: Arc<Mutex<Option<UnboundedReceiver<DuplexStream>>>>,
}

/// A server of the script and a channel to it, over links that it can cut.
pub(crate) async fn over_wire(script: &Script, policies: Policies) -> Channel {
    let (dialled, accepted) = unbounded_channel();
    let wire =
        Wire { links: Arc::clone(&script.links), dialled, accepted: Arc::new(Mutex::new(Some(accepted))) };
    let server = Server::builder().transport(wire.clone()).service(script.clone());
    let server = server.bind("wire://script").await.unwrap();
    tokio::spawn(server.serve());
    Channel::builder().transport(wire).policies(policies).seed(7).lazy("wire://script").unwrap()
}

#[async_trait]
impl Transport for Wire {
    fn scheme(&self) -> &'static str {
        "wire"
    }

    async fn connect(&self, address: &str) -> io::Result<Link> {
        let (near, mut inner) = duplex(64 << 10);
        let (mut outer, far) = duplex(64 << 10);
        self.dialled.send(far).map_err(io::Error::other)?;
        let wire = tokio::spawn(async move { copy_bidirectional(&mut inner, &mut outer).await });
        self.links.lock().push(wire.abort_handle());
        Ok(Link::local(near, address))
    }

    async fn bind(&self, _: &str) -> io::Result<Box<dyn Listener>> {
        Ok(Box::new(Dialled(self.accepted.lock().take().unwrap())))
    }
}

struct Dialled(UnboundedReceiver<DuplexStream>);

#[async_trait]
impl Listener for Dialled {
    async fn accept(&mut self) -> io::Result<Link> {
        match self.0.recv().await {
            Some(link) => Ok(Link::local(link, "a wire")),
            None => pending().await,
        }
    }

    fn address(&self) -> String {
        "script".to_owned()
    }
}

/// A call, and how it ended.
pub(crate) async fn get(channel: &Channel, request: Request) -> Result<(Vec<u8>, u32), RpcError> {
    channel.call(request).await.map(|answer| (answer.body().bytes().to_vec(), answer.attempts()))
}

pub(crate) fn request(method: &str) -> Request {
    let method = SCRIPTED.methods.iter().find(|known| known.name == method).unwrap();
    Request::new(method, Payload::new(b"arguments".to_vec()))
}

pub(crate) fn draining() -> RpcError {
    refused(Code::UNAVAILABLE)
}

pub(crate) fn refused(code: Code) -> RpcError {
    RpcError::new(code, Delivery::Refused, "on purpose")
}
