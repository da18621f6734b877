//! Certificates, keys and roots that change while calls go on.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use tokio::sync::RwLock;
use traitwire::tls::{CertifiedKey, ClientTls, Reloaded, Roots, ServerTls, TlsError, dev};
use traitwire::{Channel, ChannelBuilder, limits};

use super::super::support::call;
use super::serving::{folder, serve};

fn own(folder: &Path, name: &str) -> CertifiedKey {
    CertifiedKey::files(folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")))
}

/// Writes a file as those do who replace certificates: beside it, and then over it.
fn put(path: &Path, text: &str) {
    let beside = path.with_extension("beside");
    std::fs::write(&beside, text).unwrap();
    std::fs::rename(beside, path).unwrap();
}

const WORKERS: u32 = 2;
const ROTATIONS: u32 = 100;
/// Every so many, changes are found by looking; else the sides are told.
const LOOKS: u32 = 10;

/// Two sides whose files change, and what holds them up.
struct Rotation {
    server: ServerTls,
    client: ClientTls,
    uri: String,
    /// Held by each worker from a connection to the end of its call.
    gate: RwLock<()>,
}

impl Rotation {
    fn builder(&self) -> ChannelBuilder {
        Channel::builder().tls(self.client.clone())
    }

    async fn who(&self) -> String {
        let fresh = self.builder().connect(&self.uri).await.unwrap();
        String::from_utf8(call(&fresh, "Hand.context", "").await.unwrap()).unwrap()
    }

    /// Both sides use what the files say.
    async fn take(&self, by_looking: bool) {
        if by_looking {
            {
                // Ten seconds would be the end of whatever is under way.
                let _nobody = self.gate.write().await;
                tokio::time::pause();
                tokio::time::advance(limits::CERTIFICATES_CHECK).await;
                tokio::time::resume();
            }
            // This handshake looks, or meets somebody who does; the reloads wait for who is at it.
            self.who().await;
            assert_eq!(self.server.reload().await.unwrap(), Reloaded::Unchanged);
            assert_eq!(self.client.reload().await.unwrap(), Reloaded::Unchanged);
        } else {
            self.server.reload().await.unwrap();
            self.client.reload().await.unwrap();
        }
        // Whoever has begun with what was in use before is done, as people wait between the steps of a rotation.
        drop(self.gate.write().await);
    }

    /// Makes calls by a connection that stays, or each by a new one.
    async fn work(&self, reconnects: bool, over: &AtomicBool, calls: &AtomicU32) {
        let mut channel = self.builder().connect(&self.uri).await.unwrap();
        while !over.load(Ordering::Relaxed) {
            let _at_work = self.gate.read().await;
            if reconnects {
                channel = self.builder().connect(&self.uri).await.unwrap();
            }
            assert_eq!(call(&channel, "Hand.echo", "x").await.unwrap(), b"x");
            calls.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// On one thread, so that its clock can be turned on.
#[tokio::test]
async fn no_call_fails_while_certificates_keys_and_roots_are_replaced_a_hundred_times() {
    let folder = folder("rotation");
    let (believed, mut old) = (folder.join("ca.pem"), dev::Ca::new().unwrap());
    put(&believed, old.pem());
    let issue = |ca: &dev::Ca, rotation: u32| {
        ca.issue_to(&folder, "server", ["127.0.0.1"]).unwrap();
        ca.issue_to(&folder, "client", [format!("spiffe://shop/{rotation}")]).unwrap();
    };
    issue(&old, 0);
    let server = ServerTls::new(own(&folder, "server")).require_clients(Roots::file(&believed));
    let client = ClientTls::new().roots(Roots::file(&believed)).certificate(own(&folder, "client"));
    let (uri, mut failed) = serve(server.clone()).await;
    let sides = Arc::new(Rotation { server, client, uri, gate: RwLock::new(()) });

    let (over, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let workers: Vec<_> = (0..WORKERS)
        .map(|at| {
            let (sides, over, calls) = (Arc::clone(&sides), Arc::clone(&over), Arc::clone(&calls));
            tokio::spawn(async move { sides.work(at % 2 == 0, &over, &calls).await })
        })
        .collect();
    for rotation in 1..=ROTATIONS {
        let by_looking = rotation % LOOKS == 0;
        let new = dev::Ca::new().unwrap();
        put(&believed, &format!("{}{}", old.pem(), new.pem()));
        sides.take(by_looking).await;
        issue(&new, rotation);
        sides.take(by_looking).await;
        put(&believed, new.pem());
        sides.take(by_looking).await;
        assert_eq!(sides.who().await, format!("spiffe://shop/{rotation} (CN=spiffe://shop/{rotation})"));
        old = new;
    }
    over.store(true, Ordering::Relaxed);
    for worker in workers {
        worker.await.unwrap();
    }
    assert!(calls.load(Ordering::Relaxed) > ROTATIONS);
    assert!(failed.try_recv().is_err(), "no handshake failed");
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn what_cannot_be_used_changes_nothing_on_either_side_and_is_told() {
    let (folder, ca) = (folder("unusable"), dev::Ca::new().unwrap());
    ca.issue_to(&folder, "server", ["127.0.0.1"]).unwrap();
    ca.issue_to(&folder, "client", ["spiffe://shop/billing"]).unwrap();
    ca.issue_to(&folder, "other", ["127.0.0.1", "spiffe://shop/billing"]).unwrap();
    let server = ServerTls::new(own(&folder, "server")).require_clients(ca.roots());
    let client = ClientTls::new().roots(ca.roots()).certificate(own(&folder, "client"));
    let (uri, _) = serve(server.clone()).await;
    let builder = Channel::builder().tls(client.clone());
    // So that both sides have something to keep.
    builder.clone().connect(&uri).await.unwrap();
    for side in ["server", "client"] {
        let reload = async || if side == "server" { server.reload().await } else { client.reload().await };
        let [chain, key] = ["pem", "key"].map(|kind| folder.join(format!("{side}.{kind}")));
        let text = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
        let before = std::fs::read_to_string(&chain).unwrap();

        put(&chain, &before[..before.len() / 2]);
        assert!(matches!(reload().await, Err(TlsError::Pem { .. })));
        builder.clone().connect(&uri).await.unwrap();
        put(&chain, "");
        assert!(matches!(reload().await, Err(TlsError::Nothing { .. })));
        std::fs::remove_file(&chain).unwrap();
        assert!(matches!(reload().await, Err(TlsError::Read { .. })));
        put(&chain, &text("other.pem"));
        let error = reload().await.unwrap_err();
        assert!(matches!(error, TlsError::Mismatch { .. }));
        let words = format!("{side}.key` is not the one that the certificate of `");
        assert!(error.to_string().contains(&words), "{error}");
        put(&chain, &"x".repeat(2 << 20));
        assert!(matches!(reload().await, Err(TlsError::TooLarge { .. })));
        builder.clone().connect(&uri).await.unwrap();

        put(&chain, &before);
        assert_eq!(reload().await.unwrap(), Reloaded::Unchanged);
        put(&chain, &text("other.pem"));
        put(&key, &text("other.key"));
        assert_eq!(reload().await.unwrap(), Reloaded::Changed);
        builder.clone().connect(&uri).await.unwrap();
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_root_that_is_taken_out_refuses_those_it_vouched_for_even_where_a_session_could_be_resumed() {
    let (old, new) = (dev::Ca::new().unwrap(), dev::Ca::new().unwrap());
    let shown = new.issue(["127.0.0.1"]).unwrap();
    let server = ServerTls::new(shown.clone());
    let both = server.clone().require_clients(old.roots().and(new.roots()));
    let (uri, mut failed) = serve(both.clone()).await;
    let client =
        ClientTls::new().roots(new.roots()).certificate(old.issue(["spiffe://shop/billing"]).unwrap());
    let builder = Channel::builder().tls(client);
    let open = builder.clone().connect(&uri).await.unwrap();
    call(&open, "Hand.echo", "x").await.unwrap();

    let only_new = server.require_clients(new.roots());
    assert_eq!(both.replace(&only_new).await.unwrap(), Reloaded::Changed);
    let error = builder.clone().connect(&uri).await.unwrap_err();
    assert!(error.message().contains("no root that it trusts leads to it"), "{error}");
    assert!(failed.recv().await.unwrap().contains("no trusted root leads to it"));
    assert_eq!(call(&open, "Hand.echo", "still there").await.unwrap(), b"still there");

    let worse = ServerTls::new(CertifiedKey::pem("no PEM", "no PEM"));
    assert!(both.replace(&worse).await.is_err());
    let client =
        ClientTls::new().roots(new.roots()).certificate(new.issue(["spiffe://shop/billing"]).unwrap());
    Channel::builder().tls(client).connect(&uri).await.unwrap();
}
