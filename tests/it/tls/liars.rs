//! Peers that lie with rustls itself: a chain whose key they do not have, another protocol, an old version.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, DigitallySignedStruct, Error, ServerConfig, SignatureScheme, version};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use traitwire::Channel;
use traitwire::tls::{ClientTls, ServerTls, dev};

use super::serving::{folder, serve};

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The chain of one certificate with the key of another.
fn stolen(ca: &dev::Ca, name: &str) -> Arc<SingleCertAndKey> {
    let folder = folder(name);
    ca.issue_to(&folder, "victim", ["127.0.0.1", "spiffe://shop/billing"]).unwrap();
    ca.issue_to(&folder, "thief", ["127.0.0.1"]).unwrap();
    let chain = CertificateDer::from_pem_file(folder.join("victim.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("thief.key")).unwrap();
    std::fs::remove_dir_all(folder).unwrap();
    let key = provider().key_provider.load_private_key(key).unwrap();
    Arc::new(SingleCertAndKey::from(CertifiedKey::new(vec![chain], key)))
}

/// Takes every server.
#[derive(Debug)]
struct Gullible(Arc<CryptoProvider>);

impl ServerCertVerifier for Gullible {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// A client of rustls alone: what it hears when it has read to the end.
async fn visit(uri: &str, config: ClientConfig) -> String {
    let stream = TcpStream::connect(uri.trim_start_matches("tls://")).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let mut said = Vec::new();
    match TlsConnector::from(Arc::new(config)).connect(name, stream).await {
        Ok(mut stream) => stream.read_to_end(&mut said).await.unwrap_err().to_string(),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn a_server_with_anothers_certificate_and_its_own_key_is_refused() {
    let ca = dev::Ca::new().unwrap();
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(stolen(&ca, "stolen-server"));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("tls://{}", listener.local_addr().unwrap());
    let told = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        TlsAcceptor::from(Arc::new(config)).accept(stream).await.unwrap_err().to_string()
    });
    let error = Channel::builder().tls(ClientTls::new().roots(ca.roots())).connect(&uri).await.unwrap_err();
    assert!(error.message().contains("the server's certificate is refused: a signature is wrong"), "{error}");
    let told = told.await.unwrap();
    assert!(told.contains("DecryptError"), "{told}");
}

#[tokio::test]
async fn a_client_with_anothers_certificate_and_its_own_key_is_refused() {
    let ca = dev::Ca::new().unwrap();
    let (uri, mut failed) =
        serve(ServerTls::new(ca.issue(["127.0.0.1"]).unwrap()).require_clients(ca.roots())).await;
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Gullible(provider())))
        .with_client_cert_resolver(stolen(&ca, "stolen-client"));
    let heard = visit(&uri, config).await;
    assert!(heard.contains("DecryptError"), "{heard}");
    let told = failed.recv().await.unwrap();
    assert!(told.contains("the client's certificate is refused: a signature is wrong"), "{told}");
}

fn stranger(versions: &[&'static rustls::SupportedProtocolVersion]) -> ClientConfig {
    ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Gullible(provider())))
        .with_no_client_auth()
}

#[tokio::test]
async fn an_older_version_and_another_protocol_are_told_so_on_both_sides() {
    let ca = dev::Ca::new().unwrap();
    let tls = ServerTls::new(ca.issue(["127.0.0.1"]).unwrap());
    let (uri, mut failed) = serve(tls.clone()).await;
    let heard = visit(&uri, stranger(&[&version::TLS12])).await;
    assert!(heard.contains("ProtocolVersion"), "{heard}");
    let told = failed.recv().await.unwrap();
    assert!(
        told.contains("the client has no version of TLS in common with this side: `allow_tls12`"),
        "{told}"
    );

    let mut config = stranger(&[&version::TLS13]);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let heard = visit(&uri, config).await;
    assert!(heard.contains("NoApplicationProtocol"), "{heard}");
    let told = failed.recv().await.unwrap();
    assert!(told.contains("the client wants another protocol (ALPN)"), "{told}");

    // The other way round: our client, which offers what this server does not take.
    let client = ClientTls::new().roots(ca.roots());
    let error = Channel::builder().tls(client.clone().alpn("h2")).connect(&uri).await.unwrap_err();
    assert!(
        error.message().contains("the server does not take the protocol that this side offers (ALPN)"),
        "{error}"
    );

    let (uri, _) = serve(tls.allow_tls12()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let old = format!("tls://{}", listener.local_addr().unwrap());
    let config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&version::TLS12])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(stolen(&ca, "old-server"));
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        TlsAcceptor::from(Arc::new(config)).accept(stream).await.map(drop)
    });
    let error = Channel::builder().tls(client.clone()).connect(&old).await.unwrap_err();
    assert!(error.message().contains("the server"), "{error}");
    assert!(error.message().contains("`allow_tls12` adds TLS 1.2 here"), "{error}");
    // Both may speak 1.2 and 1.3: the newer one is spoken, and everything else is as ever.
    Channel::builder().tls(client.allow_tls12()).connect(&uri).await.unwrap();
}

#[tokio::test]
async fn tls_1_2_is_spoken_where_it_is_allowed() {
    let ca = dev::Ca::new().unwrap();
    let (uri, _) = serve(ServerTls::new(ca.issue(["127.0.0.1"]).unwrap()).allow_tls12()).await;
    let stream = TcpStream::connect(uri.trim_start_matches("tls://")).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let connector = TlsConnector::from(Arc::new(stranger(&[&version::TLS12])));
    let mut stream = connector.connect(name, stream).await.unwrap();
    let mut preface = [0; 5];
    stream.read_exact(&mut preface).await.unwrap();
    assert_eq!(&preface, b"\xc1RPC\x01");
}
