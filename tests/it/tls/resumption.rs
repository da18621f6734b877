//! Sessions that are resumed, and those that may not be any more.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, Issuer, KeyPair, SanType};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, HandshakeKind, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use traitwire::Channel;
use traitwire::tls::{ClientTls, Roots, ServerTls, dev};

use super::serving::serve;

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn roots(pem: &str) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
    roots
}

/// A client of rustls alone, which can tell how its handshake went: connects, and reads the server's preface.
async fn visit(uri: &str, config: &Arc<ClientConfig>) -> std::io::Result<Option<HandshakeKind>> {
    let stream = TcpStream::connect(uri.trim_start_matches("tls://")).await?;
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let mut stream = TlsConnector::from(Arc::clone(config)).connect(name, stream).await?;
    // The tickets come before it.
    stream.read_exact(&mut [0; 5]).await?;
    let kind = stream.get_ref().1.handshake_kind();
    stream.shutdown().await?;
    Ok(kind)
}

#[tokio::test]
async fn a_client_that_comes_back_resumes_unless_something_has_changed() {
    let ca = dev::Ca::new().unwrap();
    let server = ServerTls::new(ca.issue(["127.0.0.1"]).unwrap());
    let (uri, _) = serve(server.clone()).await;
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots(ca.pem()))
        .with_no_client_auth();
    let config = Arc::new(config);
    assert_eq!(visit(&uri, &config).await.unwrap(), Some(HandshakeKind::Full));
    assert_eq!(visit(&uri, &config).await.unwrap(), Some(HandshakeKind::Resumed));
    server.replace(&ServerTls::new(ca.issue(["127.0.0.1"]).unwrap())).await.unwrap();
    assert_eq!(visit(&uri, &config).await.unwrap(), Some(HandshakeKind::Full));
}

/// Signs a certificate that expires in so much time.
fn short_lived(life: Duration) -> (String, String, String) {
    let mut ca = CertificateParams::default();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let root = ca.self_signed(&key).unwrap().pem();
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![SanType::IpAddress([127, 0, 0, 1].into())];
    #[expect(clippy::disallowed_methods, reason = "certificates are about the wall clock")]
    let end = SystemTime::now() + life;
    params.not_after = end.into();
    let own = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&own, &Issuer::new(ca, key)).unwrap();
    (root, certificate.pem(), own.serialize_pem())
}

/// Certificates tell whole seconds.
const LIFE: Duration = Duration::from_secs(4);

#[tokio::test]
async fn a_client_whose_certificate_has_expired_does_not_resume() {
    let ca = dev::Ca::new().unwrap();
    let (root, chain, key) = short_lived(LIFE);
    let tls = ServerTls::new(ca.issue(["127.0.0.1"]).unwrap()).require_clients(Roots::pem(root));
    let (uri, mut failed) = serve(tls).await;
    let chain = vec![CertificateDer::from_pem_slice(chain.as_bytes()).unwrap()];
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots(ca.pem()))
        .with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap())
        .unwrap();
    let config = Arc::new(config);
    assert_eq!(visit(&uri, &config).await.unwrap(), Some(HandshakeKind::Full));
    tokio::time::sleep(LIFE + Duration::from_secs(1)).await;
    visit(&uri, &config).await.unwrap_err();
    let told = failed.recv().await.unwrap();
    assert!(told.contains("the client's certificate is refused: it has expired"), "{told}");
}

#[tokio::test]
async fn a_server_whose_certificate_has_expired_is_not_resumed() {
    let (root, chain, key) = short_lived(LIFE);
    let chain = vec![CertificateDer::from_pem_slice(chain.as_bytes()).unwrap()];
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("tls://{}", listener.local_addr().unwrap());
    let (kinds, mut met) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            kinds.send(stream.get_ref().1.handshake_kind()).unwrap();
            tokio::spawn(async move {
                // A client that refuses is gone already.
                let _ = stream.write_all(b"\xc1RPC\x01").await;
                let _ = stream.read_to_end(&mut Vec::new()).await;
            });
        }
    });
    let builder = Channel::builder().tls(ClientTls::new().roots(Roots::pem(root)));
    for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
        builder.clone().connect(&uri).await.unwrap();
        assert_eq!(met.recv().await.unwrap(), Some(kind));
    }
    tokio::time::sleep(LIFE + Duration::from_secs(1)).await;
    let error = builder.connect(&uri).await.unwrap_err();
    assert!(error.message().contains("the server's certificate is refused: it has expired"), "{error}");
    assert_eq!(met.recv().await.unwrap(), Some(HandshakeKind::Resumed));
}
