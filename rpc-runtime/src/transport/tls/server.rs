//! Owns [`ServerTls`]: what a server shows, which clients it asks for a certificate, and its side of the handshake.

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::crypto::ring::Ticketer;
use rustls::pki_types::UnixTime;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{HandshakeKind, ServerConfig};
use tokio_rustls::TlsAcceptor;

use crate::transport::Link;
use crate::transport::tls::client_verifier::OnlyClients;
use crate::transport::tls::live::{Live, Reloaded, Settings};
use crate::transport::tls::provider::{ALPN, provider, versions};
use crate::transport::tls::reason::{self, Side};
use crate::transport::tls::source::{Contents, Source};
use crate::transport::tls::stream::Secured;
use crate::transport::tls::{CertifiedKey, RevocationLists, Roots, TlsError};

/// How a server proves who it is, and whom it asks to: for [`ServerBuilder::tls`](crate::ServerBuilder::tls).
///
/// ```no_run
/// # async fn example(service: impl traitwire::Service) -> Result<(), Box<dyn std::error::Error>> {
/// use traitwire::Server;
/// use traitwire::tls::{CertifiedKey, Roots, ServerTls};
/// let tls = ServerTls::new(CertifiedKey::files("certs/server.pem", "certs/server.key"))
///     .require_clients(Roots::file("certs/ca.pem"));
/// Server::builder().tls(tls).service(service).bind("tls://0.0.0.0:7000").await?.serve().await?;
/// # Ok(()) }
/// ```
///
/// Clones share what was loaded; a clone with other settings loads for itself.
#[derive(Clone)]
pub struct ServerTls {
    live: Arc<Live<ServerSettings>>,
}

impl ServerTls {
    /// Shows this certificate, asks no client for one, and speaks TLS 1.3.
    pub fn new(certificate: CertifiedKey) -> Self {
        Self::of(ServerSettings {
            certificate,
            clients: Clients::Anybody,
            revoked: None,
            only: Vec::new(),
            tls12: false,
            alpn: ALPN.to_owned(),
        })
    }

    /// Takes only clients whose certificates lead to these roots. What names are in them is for
    /// [`only_clients`](Self::only_clients), layers and handlers to look at.
    #[must_use]
    pub fn require_clients(self, roots: Roots) -> Self {
        self.with(|settings| settings.clients = Clients::Required(roots))
    }

    /// Asks clients for a certificate, and takes those without one too: they have no
    /// [identity](crate::Peer::identity). One that is shown must lead to these roots.
    #[must_use]
    pub fn ask_clients(self, roots: Roots) -> Self {
        self.with(|settings| settings.clients = Clients::Asked(roots))
    }

    /// Takes only clients with one of these [names](crate::Identity::is) in their certificates. Clients without any are
    /// taken still where they are only [asked](Self::ask_clients). Where none is asked, the server does not start.
    #[must_use]
    pub fn only_clients<N: Into<String>>(self, names: impl IntoIterator<Item = N>) -> Self {
        self.with(|settings| settings.only = names.into_iter().map(Into::into).collect())
    }

    /// Refuses clients whose certificates these lists revoke, and those of whose CAs there is
    /// [no list](RevocationLists) that counts. Connections that a client has already go on. Where none is asked for a
    /// certificate, the server does not start.
    #[must_use]
    pub fn revocation_lists(self, lists: RevocationLists) -> Self {
        self.with(|settings| settings.revoked = Some(lists))
    }

    /// Speaks TLS 1.2 with clients that do not speak 1.3.
    #[must_use]
    pub fn allow_tls12(self) -> Self {
        self.with(|settings| settings.tls12 = true)
    }

    /// The name of the protocol for ALPN, `traitwire/1` by default. A client that offers other names only is refused; one
    /// that knows no ALPN is taken.
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

    fn of(settings: ServerSettings) -> Self {
        Self { live: Arc::new(Live::new(settings)) }
    }

    fn with(self, change: impl FnOnce(&mut ServerSettings)) -> Self {
        let mut settings = self.live.settings();
        change(&mut settings);
        Self::of(settings)
    }

    /// Makes sure that there is something to show.
    pub(super) async fn check(&self) -> Result<(), TlsError> {
        self.live.current().await.map(drop)
    }

    /// The server's side of the handshake.
    pub(super) async fn secure(self, link: Link) -> io::Result<Link> {
        let made = self.live.current().await?;
        let peer = link.peer().to_owned();
        let accepting = TlsAcceptor::from(Arc::clone(&made.config)).accept(link.into_io());
        let stream = accepting.await.map_err(|error| reason::of_handshake(Side::Server, error))?;
        made.check_resumed(stream.get_ref().1)?;
        Ok(Secured::new(Side::Server, stream.into()).into_link(peer))
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.live.settings().fmt(f)
    }
}

/// What a server was told.
#[derive(Clone, Debug)]
struct ServerSettings {
    certificate: CertifiedKey,
    clients: Clients,
    revoked: Option<RevocationLists>,
    only: Vec<String>,
    tls12: bool,
    alpn: String,
}

/// Which clients are taken.
#[derive(Clone, Debug)]
enum Clients {
    /// Whoever comes: nobody is asked.
    Anybody,
    /// Those without a certificate, and those whose certificate leads to these roots.
    Asked(Roots),
    /// Those whose certificate leads to these roots.
    Required(Roots),
}

/// What a server's handshake uses.
struct ServerMade {
    config: Arc<ServerConfig>,
    verifier: Arc<dyn ClientCertVerifier>,
}

impl Clients {
    const fn roots(&self) -> Option<&Roots> {
        match self {
            Self::Anybody => None,
            Self::Asked(roots) | Self::Required(roots) => Some(roots),
        }
    }
}

impl Settings for ServerSettings {
    type Made = ServerMade;

    fn sources(&self) -> Vec<Source> {
        let roots = self.clients.roots().map_or(&[][..], Roots::sources);
        let revoked = self.revoked.as_ref().map_or(&[][..], RevocationLists::sources);
        self.certificate.sources().into_iter().chain(roots.iter().chain(revoked).cloned()).collect()
    }

    fn make(&self, contents: &Contents) -> Result<ServerMade, TlsError> {
        let mut contents = contents.iter();
        let (chain, key) = (contents.next().unwrap_or_default(), contents.next().unwrap_or_default());
        let (chain, key) = self.certificate.parse(chain, key)?;
        let verifier = self.verifier(contents)?;
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(versions(self.tls12))
            .map_err(|error| TlsError::unusable("the settings", &error))?
            .with_client_cert_verifier(Arc::clone(&verifier))
            .with_single_cert(chain, key)
            .map_err(|error| self.certificate.fault(&error))?;
        config.alpn_protocols = vec![self.alpn.clone().into_bytes()];
        // Sessions are resumed by tickets, which the client keeps: no memory here, and no table to overflow. Their key is
        // made anew with each configuration, so that no session outlives the roots that it was begun with.
        config.ticketer = Ticketer::new().map_err(|error| TlsError::unusable("the settings", &error))?;
        Ok(ServerMade { config: Arc::new(config), verifier })
    }
}

impl ServerSettings {
    fn verifier<'a>(
        &self,
        mut contents: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
        let Some(roots) = self.clients.roots() else {
            self.check_nobody_is_chosen()?;
            return Ok(WebPkiClientVerifier::no_client_auth());
        };
        let roots = Arc::new(roots.parse(&mut contents)?);
        let builder = WebPkiClientVerifier::builder_with_provider(roots, provider());
        let builder = match self.clients {
            Clients::Required(_) => builder,
            Clients::Asked(_) | Clients::Anybody => builder.allow_unauthenticated(),
        };
        let builder = match &self.revoked {
            Some(lists) => builder.with_crls(lists.parse(contents)?).enforce_revocation_expiration(),
            None => builder,
        };
        let webpki = builder.build().map_err(|fault| TlsError::unbuilt(&fault))?;
        Ok(if self.only.is_empty() { webpki } else { Arc::new(OnlyClients::new(webpki, self.only.clone())) })
    }
}

impl ServerSettings {
    /// Who chooses among clients, and asks none for a certificate, would take them all.
    fn check_nobody_is_chosen(&self) -> Result<(), TlsError> {
        let chosen = [("only_clients", !self.only.is_empty()), ("revocation_lists", self.revoked.is_some())];
        let Some((name, _)) = chosen.into_iter().find(|(_, is_set)| *is_set) else { return Ok(()) };
        let fault = format!(
            "`{name}` chooses among clients by their certificates, and no client is asked for one: \
             add `require_clients` or `ask_clients`"
        );
        Err(TlsError::unusable("the settings", &fault))
    }
}

impl ServerMade {
    /// Looks at the certificate of a session that was resumed: it may have expired since the session began.
    fn check_resumed(&self, session: &rustls::ServerConnection) -> io::Result<()> {
        let shown = session.peer_certificates().and_then(<[_]>::split_first);
        match shown.filter(|_| session.handshake_kind() == Some(HandshakeKind::Resumed)) {
            None => Ok(()),
            Some((first, others)) => {
                let verified = self.verifier.verify_client_cert(first, others, UnixTime::now());
                verified.map(drop).map_err(|error| reason::of_certificate(Side::Server, error))
            }
        }
    }
}
