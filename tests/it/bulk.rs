//! Byte strings as arguments and answers, from none to many: what comes is what went, whichever way it takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures::FutureExt;
use traitwire::{Channel, Retry, Server, rpc_service};

#[rpc_service]
trait Blobs {
    #[rpc(idempotent)]
    async fn bytes(&self, name: &str, body: Bytes) -> Bytes;
    async fn vec(&self, body: Vec<u8>, times: u8) -> Result<Vec<u8>, Vec<u8>>;
    async fn view(&self, body: &[u8]) -> Vec<u8>;
}

struct Echo;

impl Blobs for Echo {
    async fn bytes(&self, name: &str, body: Bytes) -> Bytes {
        assert_eq!(name, "name");
        body
    }

    async fn vec(&self, body: Vec<u8>, times: u8) -> Result<Vec<u8>, Vec<u8>> {
        if times == 0 { Err(body) } else { Ok(body) }
    }

    async fn view(&self, body: &[u8]) -> Vec<u8> {
        body.to_vec()
    }
}

/// Around what fits the first frame and what needs no grant.
const SIZES: [usize; 10] = [0, 1, 100, 16_384, 16_385, 70_000, 131_060, 131_072, 131_100, 1_000_003];

fn body(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at % 251) as u8).collect()
}

async fn client(uri: &str) -> BlobsClient {
    let server = Server::builder().service(BlobsServer::new(Echo)).bind(uri).await.unwrap();
    let address = server.addresses()[0].clone();
    tokio::spawn(server.serve());
    BlobsClient::new(Channel::connect(&address).await.unwrap())
}

#[tokio::test]
async fn bytes_of_any_length_go_there_and_back() {
    for uri in ["tcp://127.0.0.1:0", "mem://bulk"] {
        let blobs = client(uri).await;
        for size in SIZES {
            let sent = body(size);
            let shared = Bytes::from(sent.clone());
            assert!(blobs.bytes("name", shared.clone()).await.unwrap() == shared, "{uri}: {size}");
            // An attempt that may be followed by another one keeps what it sends.
            let retried = blobs.bytes("name", shared.clone()).options(&retry()).await;
            assert!(retried.unwrap() == shared, "{uri}: {size}");
            assert!(blobs.vec(sent.clone(), 1).await.unwrap() == sent, "{uri}: {size}");
            assert!(blobs.view(&sent).await.unwrap() == sent, "{uri}: {size}");
            let error = blobs.vec(sent.clone(), 0).await.unwrap_err();
            assert!(matches!(error, traitwire::CallError::App(error) if error == sent), "{uri}: {size}");
        }
    }
}

fn retry() -> traitwire::CallOptions {
    traitwire::CallOptions::new().retry(Retry::new())
}

/// A buffer of the application's, which makes a call when it is dropped: whoever held the connection's lock then would
/// wait for itself.
struct Calling {
    bytes: Vec<u8>,
    blobs: BlobsClient,
    dropped: Arc<AtomicUsize>,
}

impl AsRef<[u8]> for Calling {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Calling {
    fn drop(&mut self) {
        assert!(self.blobs.view(b"").now_or_never().is_none(), "it is sent and given up");
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn a_buffer_of_the_applications_is_dropped_under_no_lock() {
    let blobs = client("tcp://127.0.0.1:0").await;
    blobs.view(b"").await.unwrap();
    let dropped = Arc::new(AtomicUsize::new(0));
    let calling = |size| {
        let (blobs, dropped) = (blobs.clone(), Arc::clone(&dropped));
        Bytes::from_owner(Calling { bytes: body(size), blobs, dropped })
    };
    for size in [20_000, 100_000, 2_000_000] {
        blobs.bytes("name", calling(size)).await.unwrap();
        // Given up before any of it is sent, and when some is.
        assert!(blobs.bytes("name", calling(size)).now_or_never().is_none());
        let call = tokio::spawn(blobs.bytes("name", calling(size)));
        tokio::task::yield_now().await;
        call.abort();
        drop(call.await);
    }
    blobs.view(b"").await.unwrap();
    assert_eq!(dropped.load(Ordering::Relaxed), 9);
}
