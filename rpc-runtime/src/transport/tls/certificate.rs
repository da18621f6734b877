//! Owns [`CertifiedKey`] and [`Roots`]: what a side shows of itself, and whom it believes. Does not watch files (`live`).

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::transport::tls::TlsError;
use crate::transport::tls::source::Source;

/// A certificate with its private key: what a side shows of itself.
///
/// Both are PEM. The certificate comes with its chain: its own first, then each intermediate that leads to a root; the root
/// is of no use there. The key is PKCS#8, PKCS#1 or SEC1.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CertifiedKey {
    chain: Source,
    key: Source,
}

impl CertifiedKey {
    /// From files, which are read again [when they change](crate::tls). One file may have both.
    pub fn files(chain: impl AsRef<Path>, key: impl AsRef<Path>) -> Self {
        Self { chain: Source::file(chain), key: Source::file(key) }
    }

    /// From PEM in memory.
    pub fn pem(chain: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Self {
        Self { chain: Source::bytes(chain), key: Source::bytes(key) }
    }

    /// The two sources: chain and key.
    pub(super) fn sources(&self) -> [Source; 2] {
        [self.chain.clone(), self.key.clone()]
    }

    /// The chain and the key in what was read of the [sources](Self::sources).
    pub(super) fn parse(
        &self,
        chain: &[u8],
        key: &[u8],
    ) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
        let what = self.key.name("key");
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| match error {
            PemError::NoItemsFound => TlsError::Nothing { what, wanted: "private key in PEM" },
            error => TlsError::Pem { what, fault: error.to_string() },
        })?;
        Ok((certificates(&self.chain, chain)?, key))
    }

    /// What a fault that rustls has found with them is called.
    pub(super) fn fault(&self, error: &rustls::Error) -> TlsError {
        let (certificate, key) = (self.chain.name("certificate"), self.key.name("key"));
        match error {
            rustls::Error::InconsistentKeys(_) => TlsError::Mismatch { certificate, key },
            rustls::Error::InvalidCertificate(_) => {
                TlsError::Unusable { what: certificate, fault: error.to_string() }
            }
            _ => TlsError::Unusable { what: key, fault: error.to_string() },
        }
    }
}

/// Whose certificates are believed: those that lead to one of these roots.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Roots {
    system: bool,
    sources: Vec<Source>,
}

impl Roots {
    /// Those that the machine trusts: the store of the operating system, or what `SSL_CERT_FILE` and `SSL_CERT_DIR` name.
    pub const fn system() -> Self {
        Self { system: true, sources: Vec::new() }
    }

    /// The certificates in this file, in PEM; it is read again [when it changes](crate::tls).
    pub fn file(path: impl AsRef<Path>) -> Self {
        Self { system: false, sources: vec![Source::file(path)] }
    }

    /// The certificates in this PEM.
    pub fn pem(bytes: impl AsRef<[u8]>) -> Self {
        Self { system: false, sources: vec![Source::bytes(bytes)] }
    }

    /// These and others: the old root and the new one while one takes the other's place.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.system |= other.system;
        self.sources.extend(other.sources);
        self
    }

    pub(super) fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// The roots in what was read of the [sources](Self::sources).
    pub(super) fn parse<'a>(
        &self,
        contents: impl Iterator<Item = &'a [u8]>,
    ) -> Result<RootCertStore, TlsError> {
        let mut store = RootCertStore::empty();
        for (source, pem) in self.sources.iter().zip(contents) {
            for certificate in certificates(source, pem)? {
                store.add(certificate).map_err(|error| TlsError::Unusable {
                    what: source.name("root"),
                    fault: error.to_string(),
                })?;
            }
        }
        if self.system {
            let found = rustls_native_certs::load_native_certs();
            // Some of a machine's many roots may be of a kind that nobody takes: the others count.
            let (added, _) = store.add_parsable_certificates(found.certs);
            if added == 0 {
                let faults: Vec<_> = found.errors.iter().map(|error| format!(" ({error})")).collect();
                return Err(TlsError::NoSystemRoots { fault: faults.concat() });
            }
        }
        Ok(store)
    }
}

/// All certificates of a PEM, at least one.
fn certificates(source: &Source, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let what = || source.name("certificate");
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| TlsError::Pem { what: what(), fault: error.to_string() })?;
    if found.is_empty() {
        return Err(TlsError::Nothing { what: what(), wanted: "certificate in PEM" });
    }
    Ok(found)
}
