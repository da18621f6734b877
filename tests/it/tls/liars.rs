//! Peers that lie with rustls itself: a chain whose key they do not have.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, DigitallySignedStruct, Error, ServerConfig, SignatureScheme};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use traitwire::Channel;
use traitwire::tls::{ClientTls, ServerTls, dev};

use super::serving::{folder, serve};

pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The chain of one certificate with the key of another.
pub(super) fn stolen(ca: &dev::Ca, name: &str) -> Arc<SingleCertAndKey> {
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
pub(super) struct Gullible(Arc<CryptoProvider>);

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
pub(super) async fn visit(uri: &str, config: ClientConfig) -> String {
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

/// A client of rustls alone that takes every server, and speaks these versions.
pub(super) fn stranger(versions: &[&'static rustls::SupportedProtocolVersion]) -> ClientConfig {
    ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Gullible(provider())))
        .with_no_client_auth()
}
