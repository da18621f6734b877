//! Certificates, keys and roots that change while calls go on.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use traitwire::Channel;
use traitwire::tls::{CertifiedKey, ClientTls, Reloaded, Roots, ServerTls, TlsError, dev};

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

const WORKERS: u32 = 4;
const ROTATIONS: u32 = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_while_everything_is_replaced_a_hundred_times() {
    let folder = folder("rotation");
    let cas = [dev::Ca::new().unwrap(), dev::Ca::new().unwrap()];
    let believed = folder.join("ca.pem");
    put(&believed, &format!("{}{}", cas[0].pem(), cas[1].pem()));
    cas[0].issue_to(&folder, "server", ["127.0.0.1"]).unwrap();
    cas[0].issue_to(&folder, "client", ["spiffe://shop/0"]).unwrap();
    let server = ServerTls::new(own(&folder, "server")).require_clients(Roots::file(&believed));
    let client = ClientTls::new().roots(Roots::file(&believed)).certificate(own(&folder, "client"));
    let (uri, mut failed) = serve(server.clone()).await;

    // Half of the calls go by connections that stay, half by new ones.
    let (over, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let workers: Vec<_> = (0..WORKERS)
        .map(|at| {
            let builder = Channel::builder().tls(client.clone());
            let (uri, over, calls) = (uri.clone(), Arc::clone(&over), Arc::clone(&calls));
            tokio::spawn(async move {
                let mut channel = builder.clone().connect(&uri).await.unwrap();
                while !over.load(Ordering::Relaxed) {
                    if at % 2 == 0 {
                        channel = builder.clone().connect(&uri).await.unwrap();
                    }
                    assert_eq!(call(&channel, "Hand.echo", "x").await.unwrap(), b"x");
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for rotation in 1..=ROTATIONS {
        let ca = &cas[rotation as usize % 2];
        ca.issue_to(&folder, "server", ["127.0.0.1"]).unwrap();
        ca.issue_to(&folder, "client", [format!("spiffe://shop/{rotation}")]).unwrap();
        // A handshake may have found the change before.
        server.reload().await.unwrap();
        client.reload().await.unwrap();
        let fresh = Channel::builder().tls(client.clone()).connect(&uri).await.unwrap();
        let who = String::from_utf8(call(&fresh, "Hand.context", "").await.unwrap()).unwrap();
        assert_eq!(who, format!("spiffe://shop/{rotation} (CN=spiffe://shop/{rotation})"));
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
async fn what_cannot_be_used_changes_nothing_and_is_told() {
    let (folder, ca) = (folder("unusable"), dev::Ca::new().unwrap());
    ca.issue_to(&folder, "server", ["127.0.0.1"]).unwrap();
    let server = ServerTls::new(own(&folder, "server"));
    let (uri, _) = serve(server.clone()).await;
    let builder = Channel::builder().tls(ClientTls::new().roots(ca.roots()));
    let [chain, key] = ["server.pem", "server.key"].map(|name| folder.join(name));
    let before = std::fs::read_to_string(&chain).unwrap();

    put(&chain, &before[..before.len() / 2]);
    assert!(matches!(server.reload().await, Err(TlsError::Pem { .. })));
    put(&chain, "");
    assert!(matches!(server.reload().await, Err(TlsError::Nothing { .. })));
    std::fs::remove_file(&chain).unwrap();
    assert!(matches!(server.reload().await, Err(TlsError::Read { .. })));
    ca.issue_to(&folder, "other", ["127.0.0.1"]).unwrap();
    put(&chain, &std::fs::read_to_string(folder.join("other.pem")).unwrap());
    assert!(matches!(server.reload().await, Err(TlsError::Mismatch { .. })));
    put(&chain, &"x".repeat(2 << 20));
    assert!(matches!(server.reload().await, Err(TlsError::TooLarge { .. })));
    builder.clone().connect(&uri).await.unwrap();

    put(&chain, &before);
    assert_eq!(server.reload().await.unwrap(), Reloaded::Unchanged);
    put(&chain, &std::fs::read_to_string(folder.join("other.pem")).unwrap());
    put(&key, &std::fs::read_to_string(folder.join("other.key")).unwrap());
    assert_eq!(server.reload().await.unwrap(), Reloaded::Changed);
    builder.connect(&uri).await.unwrap();
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
