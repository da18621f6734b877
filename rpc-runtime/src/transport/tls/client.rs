//! Owns [`ClientTls`]: what a client shows and believes, and its side of the handshake.

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{ServerName, UnixTime};
use rustls::{ClientConfig, HandshakeKind};
use tokio::io::AsyncBufReadExt;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::transport::tls::live::{Live, Reloaded, Settings};
use crate::transport::tls::provider::{ALPN, provider, versions};
use crate::transport::tls::reason::{self, Side};
use crate::transport::tls::server_verifier::OnlyServers;
use crate::transport::tls::source::{Contents, Source};
use crate::transport::tls::stream::Secured;
use crate::transport::tls::{CertifiedKey, RevocationLists, Roots, TlsError};
use crate::transport::{Io, Link};

/// How a client proves who it is, and whom it believes: for [`ChannelBuilder::tls`](crate::ChannelBuilder::tls).
///
/// Without settings it believes the roots of the machine, and shows no certificate. There is no way to believe anybody:
/// for development, [make a CA](crate::tls#development).
///
/// ```
/// use traitwire::tls::{CertifiedKey, ClientTls, Roots};
/// let tls = ClientTls::new()
///     .roots(Roots::file("certs/ca.pem"))
///     .certificate(CertifiedKey::files("certs/billing.pem", "certs/billing.key"));
/// let builder = traitwire::Channel::builder().tls(tls);
/// ```
///
/// Clones share what was loaded, and sessions that can be resumed; a clone with other settings has its own.
#[derive(Clone)]
pub struct ClientTls {
    live: Arc<Live<ClientSettings>>,
}

impl Default for ClientTls {
    fn default() -> Self {
        Self::of(ClientSettings {
            roots: Roots::system(),
            certificate: None,
            server_name: None,
            revoked: None,
            only: Vec::new(),
            tls12: false,
            alpn: ALPN.to_owned(),
        })
    }
}

impl ClientTls {
    /// The roots of the machine are believed, no certificate is shown, and TLS 1.3 is spoken.
    pub fn new() -> Self {
        Self::default()
    }

    /// Believes servers whose certificates lead to these roots, in place of those of the machine.
    #[must_use]
    pub fn roots(self, roots: Roots) -> Self {
        self.with(|settings| settings.roots = roots)
    }

    /// Shows this certificate to servers that ask for one.
    #[must_use]
    pub fn certificate(self, certificate: CertifiedKey) -> Self {
        self.with(|settings| settings.certificate = Some(certificate))
    }

    /// The name that the server's certificate must be for, in place of the host in the address: a DNS name, which is told
    /// to the server too, or an IP address.
    #[must_use]
    pub fn server_name(self, name: impl Into<String>) -> Self {
        self.with(|settings| settings.server_name = Some(name.into()))
    }

    /// Believes only servers with one of these [names](crate::Identity::is) in their certificates, whatever the host in
    /// the address: for certificates whose names are no hosts, `spiffe://shop/orders`, say.
    #[must_use]
    pub fn only_servers<N: Into<String>>(self, names: impl IntoIterator<Item = N>) -> Self {
        self.with(|settings| settings.only = names.into_iter().map(Into::into).collect())
    }

    /// Refuses servers whose certificates these lists revoke, and those of whose CAs there is
    /// [no list](RevocationLists) that counts. Connections that there are go on.
    #[must_use]
    pub fn revocation_lists(self, lists: RevocationLists) -> Self {
        self.with(|settings| settings.revoked = Some(lists))
    }

    /// Speaks TLS 1.2 with servers that do not speak 1.3.
    #[must_use]
    pub fn allow_tls12(self) -> Self {
        self.with(|settings| settings.tls12 = true)
    }

    /// The name of the protocol for ALPN, `traitwire/1` by default. A server that takes other names only ends the
    /// handshake; one that knows no ALPN is taken.
    #[must_use]
    pub fn alpn(self, name: impl Into<String>) -> Self {
        self.with(|settings| settings.alpn = name.into())
    }

    /// Reads the files now, rather than with a later handshake. New connections use what was read; those that there are go
    /// on as they are.
    ///
    /// # Errors
    ///
    /// When what was read cannot be used. Then what was in use stays so.
    pub async fn reload(&self) -> Result<Reloaded, TlsError> {
        self.live.reload().await
    }

    /// Uses the settings of `other` from now on, in all clones: for certificates that come from elsewhere than files.
    ///
    /// # Errors
    ///
    /// When they cannot be used. Then what was in use stays so.
    pub async fn replace(&self, other: &Self) -> Result<Reloaded, TlsError> {
        self.live.replace(other.live.settings()).await
    }

    fn of(settings: ClientSettings) -> Self {
        Self { live: Arc::new(Live::new(settings)) }
    }

    fn with(self, change: impl FnOnce(&mut ClientSettings)) -> Self {
        let mut settings = self.live.settings();
        change(&mut settings);
        Self::of(settings)
    }

    /// The client's side of the handshake; `host` is the one in the address.
    pub(super) async fn secure(self, link: Link, host: String) -> io::Result<Link> {
        let peer = link.peer().to_owned();
        let mut stream = self.shake(link, &host).await?;
        // With TLS 1.3 a client is done before the server has looked at its certificate. Both sides of this protocol speak
        // at once, so the server's first byte, or its alert, is on its way.
        let told = |error| reason::of_handshake(Side::Client, error);
        if stream.fill_buf().await.map_err(told)?.is_empty() {
            let text = "the server ended the connection right after the handshake, and did not say why";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
        }
        Ok(Secured::new(Side::Client, stream.into()).into_link(peer))
    }

    /// A pipe for another protocol than ours, in which the client speaks first: no word is waited for.
    #[cfg(feature = "etcd")]
    pub(super) async fn pipe(self, link: Link, host: &str) -> io::Result<impl Io + use<>> {
        Ok(Secured::new(Side::Client, self.shake(link, host).await?.into()))
    }

    async fn shake(self, link: Link, host: &str) -> io::Result<TlsStream<Box<dyn Io>>> {
        let made = self.live.current().await?;
        let name = made.server_name.as_deref().unwrap_or(host);
        let name = ServerName::try_from(name.to_owned()).map_err(|_| {
            let text = format!("`{}` is neither a host name nor an IP address", name.escape_debug());
            io::Error::new(io::ErrorKind::InvalidInput, text)
        })?;
        let told = |error| reason::of_handshake(Side::Client, error);
        let connecting = TlsConnector::from(Arc::clone(&made.config)).connect(name.clone(), link.into_io());
        let stream = connecting.await.map_err(told)?;
        made.check_resumed(&name, stream.get_ref().1)?;
        Ok(stream)
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.live.settings().fmt(f)
    }
}

/// What a client was told.
#[derive(Clone, Debug)]
struct ClientSettings {
    roots: Roots,
    certificate: Option<CertifiedKey>,
    server_name: Option<String>,
    revoked: Option<RevocationLists>,
    only: Vec<String>,
    tls12: bool,
    alpn: String,
}

/// What a client's handshake uses.
struct ClientMade {
    config: Arc<ClientConfig>,
    verifier: Arc<dyn ServerCertVerifier>,
    server_name: Option<String>,
}

impl Settings for ClientSettings {
    type Made = ClientMade;

    fn sources(&self) -> Vec<Source> {
        let revoked = self.revoked.as_ref().map_or(&[][..], RevocationLists::sources);
        let own = self.certificate.as_ref().map(CertifiedKey::sources);
        self.roots.sources().iter().chain(revoked).cloned().chain(own.into_iter().flatten()).collect()
    }

    fn make(&self, contents: &Contents) -> Result<ClientMade, TlsError> {
        let mut contents = contents.iter();
        let verifier = self.verifier(&mut contents)?;
        // `dangerous` for a verifier of one's own: this is webpki's, with other names at most.
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(versions(self.tls12))
            .map_err(|error| TlsError::unusable("the settings", &error))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&verifier));
        let mut config = match (&self.certificate, contents.next(), contents.next()) {
            (Some(own), Some(chain), Some(key)) => {
                let (chain, key) = own.parse(chain, key)?;
                builder.with_client_auth_cert(chain, key).map_err(|error| own.fault(&error))?
            }
            _ => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![self.alpn.clone().into_bytes()];
        Ok(ClientMade { config: Arc::new(config), verifier, server_name: self.server_name.clone() })
    }
}

impl ClientSettings {
    fn verifier<'a>(
        &self,
        mut contents: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
        let roots = Arc::new(self.roots.parse(&mut contents)?);
        let builder = WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots), provider());
        let builder = match &self.revoked {
            Some(lists) => builder.with_crls(lists.parse(contents)?).enforce_revocation_expiration(),
            None => builder,
        };
        let webpki = builder.build().map_err(|fault| TlsError::unbuilt(&fault))?;
        Ok(if self.only.is_empty() {
            webpki
        } else {
            Arc::new(OnlyServers::new(webpki, roots, self.only.clone()))
        })
    }
}

impl ClientMade {
    /// Looks at the certificate of a session that was resumed: it may have expired since the session began.
    fn check_resumed(&self, name: &ServerName<'_>, session: &rustls::ClientConnection) -> io::Result<()> {
        if session.handshake_kind() != Some(HandshakeKind::Resumed) {
            return Ok(());
        }
        let (first, others) = session
            .peer_certificates()
            .and_then(<[_]>::split_first)
            .ok_or_else(|| reason::of_certificate(Side::Client, rustls::Error::NoCertificatesPresented))?;
        let verified = self.verifier.verify_server_cert(first, others, name, &[], UnixTime::now());
        verified.map(drop).map_err(|error| reason::of_certificate(Side::Client, error))
    }
}
