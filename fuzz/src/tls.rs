//! TLS through the driver: a client and a server, and between them pipes that take and give as many bytes at a time as the
//! input says, turn a bit, or end. Or a stranger, who says the input to a server.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex};
use traitwire::tls::{CertifiedKey, ClientTls, ServerTls, Tls, dev};
use traitwire::transport::{Link, Listener, Transport};
use traitwire::{
    Caller, Channel, Handler, HandlerFuture, MethodDescriptor, Payload, Request, Response, Server, Service,
    ServiceDescriptor,
};

pub fn tls(data: &[u8]) {
    let Some((&[mode, size, at, bit], script)) = data.split_first_chunk() else { return };
    // Its clock stands still while anything can be done: timeouts cost no time.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime");
    let done = match mode % 4 {
        0 => runtime.block_on(timeout(stranger(script))),
        _ => {
            let fault = match mode % 4 {
                1 => Fault::None,
                2 => Fault::Turned { at: usize::from(at) * usize::from(at), bit: bit % 8 },
                _ => Fault::Cut { at: usize::from(at) * usize::from(at) },
            };
            // Some of the server's bytes, or of the client's.
            let faults = if mode & 4 == 0 { [fault, Fault::None] } else { [Fault::None, fault] };
            let payload = vec![size; usize::from(size) * usize::from(size) * 2];
            runtime.block_on(timeout(call(payload, faults, script, fault == Fault::None)))
        }
    };
    assert!(done.is_some(), "it does not end");
    // What was left of the server ends with the runtime, and drops what it holds.
}

/// Longer than every timeout there is, one after the other.
async fn timeout(done: impl Future<Output = ()>) -> Option<()> {
    tokio::time::timeout(Duration::from_secs(600), done).await.ok()
}

/// Says this to a server: it goes on with it, or closes in time.
async fn stranger(said: &[u8]) {
    let (theirs, ours) = duplex(PIPE);
    serve(ours).await;
    let (mut reader, mut writer) = tokio::io::split(theirs);
    let said = said.to_vec();
    let saying = async move {
        let _ = writer.write_all(&said).await;
        let _ = writer.shutdown().await;
    };
    let mut answer = Vec::new();
    let _ = tokio::join!(saying, reader.read_to_end(&mut answer));
}

/// Makes a call; the answer is right, or there is an error. Without a fault there is none.
async fn call(payload: Vec<u8>, faults: [Fault; 2], script: &[u8], is_well: bool) {
    let (half, _) = script.split_at(script.len() / 2);
    let rest = &script[half.len()..];
    let (theirs, ours) = duplex(PIPE);
    serve(Chopped::new(ours, rest, faults[0])).await;
    let client = ClientTls::new().roots(identity().0.roots());
    let dialled = Dialled::new(Chopped::new(theirs, half, faults[1]));
    let builder = Channel::builder().transport(Tls::client(client).over(dialled));
    let ended = match builder.connect("tls://localhost:1").await {
        Ok(channel) => channel.call(Request::new(&ECHO.methods[0], Payload::new(payload.clone()))).await,
        Err(error) => Err(error),
    };
    match ended {
        Ok(response) => assert_eq!(response.body().bytes(), payload, "it is what was sent"),
        Err(error) => assert!(!is_well, "{error}"),
    }
}

// ----- the server -----

static ECHO: ServiceDescriptor =
    ServiceDescriptor::new("Echo", "", &[MethodDescriptor::new("echo", "Echo.echo", 0)]);

struct Echo;

impl Service for Echo {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        &ECHO
    }
}

impl Handler for Echo {
    fn handle(&self, request: Request) -> HandlerFuture {
        HandlerFuture::ready(Ok(Response::value(request.into_arguments())))
    }
}

/// A certificate authority and what it has issued to `localhost`.
fn identity() -> &'static (dev::Ca, CertifiedKey) {
    static IDENTITY: OnceLock<(dev::Ca, CertifiedKey)> = OnceLock::new();
    IDENTITY.get_or_init(|| {
        let ca = dev::Ca::new().expect("a certificate authority");
        let key = ca.issue(["localhost"]).expect("a certificate");
        (ca, key)
    })
}

/// Serves one connection.
async fn serve(io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) {
    let tls = Tls::server(ServerTls::new(identity().1.clone())).over(Dialled::new(io));
    let server = Server::builder().transport(tls).service(Echo).bind("tls://localhost:1").await;
    tokio::spawn(server.expect("it listens").serve());
}

// ----- the pipe -----

/// What a pipe holds.
const PIPE: usize = 16 * 1024;

/// What goes wrong with the bytes that are read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fault {
    None,
    Turned { at: usize, bit: u8 },
    Cut { at: usize },
}

/// One end of a pipe that gives and takes as a script says: so many bytes, or nothing for now. Behind its end, as many as
/// there are.
struct Chopped {
    inner: DuplexStream,
    script: VecDeque<u8>,
    read: usize,
    fault: Fault,
}

impl Chopped {
    fn new(inner: DuplexStream, script: &[u8], fault: Fault) -> Self {
        Self { inner, script: script.iter().copied().collect(), read: 0, fault }
    }

    /// How many bytes move now at most; none for nothing yet, and then this is asked again.
    fn next(&mut self, cx: &Context<'_>) -> Option<usize> {
        match self.script.pop_front() {
            None => Some(usize::MAX),
            Some(0) => {
                cx.waker().wake_by_ref();
                None
            }
            Some(size) => Some(usize::from(size) * if size > 200 { 100 } else { 1 }),
        }
    }
}

impl AsyncRead for Chopped {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(most) = self.next(cx) else { return Poll::Pending };
        let left = match self.fault {
            Fault::Cut { at } => at.saturating_sub(self.read),
            _ => usize::MAX,
        };
        if left == 0 {
            return Poll::Ready(Ok(()));
        }
        let mut part = vec![0; most.min(left).min(buffer.remaining())];
        let mut taken = ReadBuf::new(&mut part);
        if Pin::new(&mut self.inner).poll_read(cx, &mut taken)?.is_pending() {
            return Poll::Pending;
        }
        let filled = taken.filled_mut();
        if let Fault::Turned { at, bit } = self.fault
            && let Some(byte) = at.checked_sub(self.read).and_then(|at| filled.get_mut(at))
        {
            *byte ^= 1 << bit;
        }
        buffer.put_slice(filled);
        self.read += filled.len();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Chopped {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Some(most) = self.next(cx) else { return Poll::Pending };
        let part = &bytes[..bytes.len().min(most)];
        Pin::new(&mut self.inner).poll_write(cx, part)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// A transport with one link, for whoever connects or accepts first.
struct Dialled(Arc<parking_lot::Mutex<Option<Link>>>);

impl Dialled {
    fn new(io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        Self(Arc::new(parking_lot::Mutex::new(Some(Link::new(io, "")))))
    }

    fn take(&self) -> io::Result<Link> {
        self.0.lock().take().ok_or_else(|| io::ErrorKind::ConnectionRefused.into())
    }
}

#[async_trait]
impl Transport for Dialled {
    fn scheme(&self) -> &'static str {
        "dialled"
    }

    async fn connect(&self, _: &str) -> io::Result<Link> {
        self.take()
    }

    async fn bind(&self, _: &str) -> io::Result<Box<dyn Listener>> {
        Ok(Box::new(Self(Arc::clone(&self.0))))
    }
}

#[async_trait]
impl Listener for Dialled {
    async fn accept(&mut self) -> io::Result<Link> {
        match self.take() {
            Ok(link) => Ok(link),
            Err(_) => std::future::pending().await,
        }
    }

    fn address(&self) -> String {
        "here".to_owned()
    }
}
