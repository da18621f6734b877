//! Owns what every handshake has in common: the cryptography, the versions, the name of the protocol. Has no settings.

use std::sync::{Arc, OnceLock};

use rustls::crypto::CryptoProvider;
use rustls::{SupportedProtocolVersion, version};

/// What the protocol is called where TLS asks for it (ALPN).
pub(super) const ALPN: &str = "traitwire/1";

/// One provider for all: never the process's default, which is the application's to choose.
pub(super) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(rustls::crypto::ring::default_provider())))
}

/// The versions of TLS that are spoken.
pub(super) fn versions(tls12: bool) -> &'static [&'static SupportedProtocolVersion] {
    static VERSIONS: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];
    if tls12 { &VERSIONS } else { &VERSIONS[..1] }
}
