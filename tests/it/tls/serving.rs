//! Servers at `tls://` for these tests, and what is heard of the handshakes that fail there.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use traitwire::observe::Observer;
use traitwire::tls::ServerTls;
use traitwire::{
    Context, Drained, Handler, HandlerFuture, Payload, Request, Response, Server, ServerBuilder, ServerHandle,
};

use super::super::support::Hand;

/// A server at work.
pub(super) struct Served {
    pub(super) uri: String,
    pub(super) failed: mpsc::UnboundedReceiver<String>,
    pub(super) handle: ServerHandle,
    pub(super) done: JoinHandle<Drained>,
}

pub(super) async fn serve(tls: ServerTls) -> (String, mpsc::UnboundedReceiver<String>) {
    let served = serve_with(tls, |builder| builder).await;
    (served.uri, served.failed)
}

pub(super) async fn serve_with(
    tls: ServerTls,
    settings: impl FnOnce(ServerBuilder) -> ServerBuilder,
) -> Served {
    let (failures, failed) = mpsc::unbounded_channel();
    let builder =
        Server::builder().service(Hand::default()).layer(Names).observer(Arc::new(Failures(failures)));
    let server = settings(builder.tls(tls)).bind("tls://127.0.0.1:0").await.unwrap();
    let (uri, handle) = (server.addresses()[0].clone(), server.handle());
    let done = tokio::spawn(async move { server.serve().await.unwrap() });
    Served { uri, failed, handle, done }
}

struct Failures(mpsc::UnboundedSender<String>);

impl Observer for Failures {
    fn handshake_failed(&self, peer: &str, why: &str) {
        assert!(peer.starts_with("tls://127.0.0.1:"), "{peer}");
        let _ = self.0.send(why.to_owned());
    }
}

/// A layer that answers `Hand.context` with the identity of the caller, before any service is asked.
struct Names(Arc<dyn Handler>);

impl Handler for Names {
    fn handle(&self, request: Request) -> HandlerFuture {
        if request.method() != "Hand.context" {
            return self.0.handle(request);
        }
        let of_request = request.peer().and_then(|peer| peer.identity()).cloned();
        assert_eq!(Context::current().peer().and_then(|peer| peer.identity()), of_request.as_ref());
        let told = of_request
            .map_or_else(|| "nobody".to_owned(), |identity| format!("{identity} ({})", identity.subject()));
        HandlerFuture::ready(Ok(Response::value(Payload::new(told.into_bytes()))))
    }
}

/// A folder of this test's own.
pub(super) fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("traitwire-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

pub(super) fn address(uri: &str) -> &str {
    uri.trim_start_matches("tls://")
}

/// Whatever it is, a second is enough for it. A machine that is busy with other things has three tries: what waits for a
/// timeout waits for it each time.
pub(super) async fn within_a_second<T>(mut what: impl AsyncFnMut() -> T) -> T {
    for _ in 0..2 {
        if let Ok(done) = timeout(Duration::from_secs(1), what()).await {
            return done;
        }
    }
    timeout(Duration::from_secs(1), what()).await.expect("a second is enough")
}
