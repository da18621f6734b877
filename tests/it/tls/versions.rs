//! Versions of TLS and names of protocols: what is spoken with peers of rustls alone, and how soon both sides know that nothing is.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, ProtocolVersion, RootCertStore, ServerConfig, version};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use traitwire::Channel;
use traitwire::tls::{ClientTls, ServerTls, dev};

use super::super::support::{self, call};
use super::liars::{provider, stolen, stranger, visit};
use super::serving::{address, folder, serve, within_a_second};

/// A chain and its key, as rustls has them.
fn issue(ca: &dev::Ca, name: &str) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let folder = folder(&format!("versions-{}", name.replace(['/', ':'], "-")));
    ca.issue_to(&folder, "own", [name]).unwrap();
    let chain = CertificateDer::from_pem_file(folder.join("own.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("own.key")).unwrap();
    std::fs::remove_dir_all(folder).unwrap();
    (vec![chain], key)
}

fn roots(ca: &dev::Ca) -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.pem().as_bytes()).unwrap()).unwrap();
    Arc::new(roots)
}

#[tokio::test]
async fn a_client_of_ours_speaks_tls_1_2_where_it_may_and_shows_its_certificate() {
    let ca = dev::Ca::new().unwrap();
    let (chain, key) = issue(&ca, "127.0.0.1");
    let verifier = WebPkiClientVerifier::builder_with_provider(roots(&ca), provider()).build().unwrap();
    let config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&version::TLS12])
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .unwrap();
    // It speaks TLS for a server that does not.
    let plain = support::serve("tcp://127.0.0.1:0").await.uri;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("tls://{}", listener.local_addr().unwrap());
    let seen = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = TlsAcceptor::from(Arc::new(config)).accept(stream).await.unwrap();
        let session = stream.get_ref().1;
        let seen = (session.protocol_version(), session.peer_certificates().map(<[_]>::len));
        let mut server = TcpStream::connect(plain.trim_start_matches("tcp://")).await.unwrap();
        let _ = copy_bidirectional(&mut stream, &mut server).await;
        seen
    });
    let tls = ClientTls::new().roots(ca.roots()).certificate(ca.issue(["spiffe://shop/billing"]).unwrap());
    let channel = Channel::builder().tls(tls.allow_tls12()).connect(&uri).await.unwrap();
    for size in [0, 20_000, 300_000] {
        assert_eq!(call(&channel, "Hand.echo", vec![7; size]).await.unwrap().len(), size);
    }
    drop(channel);
    assert_eq!(seen.await.unwrap(), (Some(ProtocolVersion::TLSv1_2), Some(1)));
}

#[tokio::test]
async fn a_server_of_ours_speaks_tls_1_2_where_it_may_and_asks_for_certificates() {
    let ca = dev::Ca::new().unwrap();
    let tls = ServerTls::new(ca.issue(["127.0.0.1"]).unwrap()).require_clients(ca.roots());
    let (uri, mut failed) = serve(tls.allow_tls12()).await;
    let (chain, key) = issue(&ca, "spiffe://shop/billing");
    let config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&version::TLS12])
        .unwrap()
        .with_root_certificates(roots(&ca))
        .with_client_auth_cert(chain, key)
        .unwrap();
    // It speaks TLS for a client that does not.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plain = format!("tcp://{}", listener.local_addr().unwrap());
    let server = address(&uri).to_owned();
    let seen = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let stream = TcpStream::connect(server).await.unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
        let seen = stream.get_ref().1.protocol_version();
        let _ = copy_bidirectional(&mut client, &mut stream).await;
        seen
    });
    let channel = Channel::connect(&plain).await.unwrap();
    let who = call(&channel, "Hand.context", "").await.unwrap();
    assert!(who.starts_with(b"spiffe://shop/billing "));
    assert_eq!(call(&channel, "Hand.echo", vec![7; 300_000]).await.unwrap().len(), 300_000);
    drop(channel);
    assert_eq!(seen.await.unwrap(), Some(ProtocolVersion::TLSv1_2));

    // Without a certificate there is no more to be had than with TLS 1.3.
    let heard = visit(&uri, stranger(&[&version::TLS12])).await;
    assert!(heard.contains("HandshakeFailure") || heard.contains("CertificateRequired"), "{heard}");
    let told = failed.recv().await.unwrap();
    assert!(told.contains("the client shows no certificate, and has to"), "{told}");
}

#[tokio::test]
async fn both_sides_speak_the_newest_version_that_both_may() {
    let ca = dev::Ca::new().unwrap();
    let (uri, _) = serve(ServerTls::new(ca.issue(["127.0.0.1"]).unwrap()).allow_tls12()).await;
    let client = ClientTls::new().roots(ca.roots());
    for client in [client.clone(), client.allow_tls12()] {
        Channel::builder().tls(client).connect(&uri).await.unwrap();
    }
    let stream = TcpStream::connect(address(&uri)).await.unwrap();
    let connector = TlsConnector::from(Arc::new(stranger(&[&version::TLS12, &version::TLS13])));
    let stream = connector.connect(ServerName::try_from("127.0.0.1").unwrap(), stream).await.unwrap();
    assert_eq!(stream.get_ref().1.protocol_version(), Some(ProtocolVersion::TLSv1_3));
}

#[tokio::test]
async fn who_has_no_version_in_common_with_a_server_is_told_within_a_second_and_so_is_the_server() {
    let ca = dev::Ca::new().unwrap();
    let tls = ServerTls::new(ca.issue(["127.0.0.1"]).unwrap());
    let (uri, mut failed) = serve(tls.clone()).await;
    let (heard, told) = within_a_second(async || {
        (visit(&uri, stranger(&[&version::TLS12])).await, failed.recv().await.unwrap())
    })
    .await;
    assert!(heard.contains("ProtocolVersion"), "{heard}");
    let words = "the client has no version of TLS in common with this side: `allow_tls12`";
    assert!(told.contains(words), "{told}");

    // TLS 1.1, which nothing here speaks, so by hand: a ClientHello, as it was then or with algorithms for signatures.
    let bare = vec![0, 2, 0, 0x2f, 1, 0];
    let with_algorithms = [&bare[..], &[0, 8, 0, 0x0d, 0, 4, 0, 2, 4, 3]].concat();
    let cases = [(tls.clone(), &bare, 40), (tls.clone(), &with_algorithms, 70)];
    let old = tls.allow_tls12();
    for (tls, rest, alert) in cases.into_iter().chain([(old.clone(), &bare, 40), (old, &with_algorithms, 70)])
    {
        let (uri, mut failed) = serve(tls).await;
        let (heard, told) = within_a_second(async || {
            let mut stream = TcpStream::connect(address(&uri)).await.unwrap();
            stream.write_all(&hello_of_tls_1_1(1, rest)).await.unwrap();
            let mut heard = Vec::new();
            stream.read_to_end(&mut heard).await.unwrap();
            (heard, failed.recv().await.unwrap())
        })
        .await;
        assert!(heard.len() == 7 && heard[0] == 0x15 && heard[5..] == [2, alert], "{heard:?}");
        assert!(told.contains("the client has no version of TLS in common with this side"), "{told}");
    }
}

#[tokio::test]
async fn a_client_whom_a_server_has_no_version_for_is_told_within_a_second() {
    let ca = dev::Ca::new().unwrap();
    let client = ClientTls::new().roots(ca.roots());
    let old = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&version::TLS12])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(stolen(&ca, "old-server"));
    let (old, listener) = (Arc::new(old), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let uri = format!("tls://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = TlsAcceptor::from(Arc::clone(&old)).accept(stream).await;
        }
    });
    let connect = async |tls: ClientTls, uri: &str| {
        within_a_second(async || Channel::builder().tls(tls.clone()).connect(uri).await.unwrap_err()).await
    };
    let error = connect(client.clone(), &uri).await;
    assert!(error.message().contains("the server"), "{error}");
    assert!(error.message().contains("`allow_tls12` adds TLS 1.2 here"), "{error}");

    // A ServerHello of TLS 1.1.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("tls://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.write_all(&hello_of_tls_1_1(2, &[0, 0x2f, 0])).await.unwrap();
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
    });
    for client in [client.clone(), client.allow_tls12()] {
        let error = connect(client, &uri).await;
        assert!(error.message().contains("the server has no version of TLS in common"), "{error}");
    }
}

/// A record with a ClientHello (1) or ServerHello (2) of TLS 1.1: its random, no session, and this.
fn hello_of_tls_1_1(kind: u8, rest: &[u8]) -> Vec<u8> {
    let body = [&[3, 2][..], &[7; 32], &[0], rest].concat();
    let length = body.len() as u8;
    [&[0x16, 3, 1, 0, length + 4, kind, 0, 0, length][..], &body].concat()
}

#[tokio::test]
async fn who_wants_another_protocol_is_told_within_a_second_and_so_is_the_other_side() {
    let ca = dev::Ca::new().unwrap();
    let (uri, mut failed) = serve(ServerTls::new(ca.issue(["127.0.0.1"]).unwrap())).await;
    let mut config = stranger(&[&version::TLS13]);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let (heard, told) =
        within_a_second(async || (visit(&uri, config.clone()).await, failed.recv().await.unwrap())).await;
    assert!(heard.contains("NoApplicationProtocol"), "{heard}");
    assert!(told.contains("the client wants another protocol (ALPN)"), "{told}");

    // The other way round: our client, which offers what this server does not take.
    let builder = Channel::builder().tls(ClientTls::new().roots(ca.roots()).alpn("h2"));
    let (error, told) = within_a_second(async || {
        (builder.clone().connect(&uri).await.unwrap_err(), failed.recv().await.unwrap())
    })
    .await;
    let words = "the server does not take the protocol that this side offers (ALPN)";
    assert!(error.message().contains(words), "{error}");
    assert!(told.contains("the client wants another protocol (ALPN)"), "{told}");
}
