//! Owns [`Ca`]: a certificate authority for development and tests, in memory or in a folder. Not for anything that
//! others rely on: its key lies beside what it signs, and what it signs never expires.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, Error, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType,
};

use crate::transport::tls::{CertifiedKey, Roots, TlsError};

/// A certificate authority for development and tests.
///
/// ```
/// use traitwire::tls::{ClientTls, ServerTls, dev};
/// # fn main() -> Result<(), traitwire::tls::TlsError> {
/// let ca = dev::Ca::new()?;
/// let server = ServerTls::new(ca.issue(["localhost", "127.0.0.1"])?).require_clients(ca.roots());
/// let client = ClientTls::new().roots(ca.roots()).certificate(ca.issue(["spiffe://dev/billing"])?);
/// # let _ = (server, client);
/// # Ok(()) }
/// ```
pub struct Ca {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Ca {
    /// A new one, which lives as long as this value.
    ///
    /// # Errors
    ///
    /// When the machine has no random numbers.
    pub fn new() -> Result<Self, TlsError> {
        let key = KeyPair::generate().map_err(failed)?;
        let params = params(&key);
        let pem = params.self_signed(&key).map_err(failed)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), pem })
    }

    /// The one in this folder, as `ca.pem` and `ca.key`; a new one if there is none yet.
    ///
    /// # Errors
    ///
    /// When the files cannot be read or written, or are of something else.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, TlsError> {
        let (certificate, key) = (folder.as_ref().join("ca.pem"), folder.as_ref().join("ca.key"));
        if !certificate.exists() && !key.exists() {
            let ca = Self::new()?;
            fs::create_dir_all(&folder)
                .map_err(|error| TlsError::Write { path: folder.as_ref().into(), error })?;
            write(&key, &ca.issuer.key().serialize_pem(), true)?;
            write(&certificate, &ca.pem, false)?;
            return Ok(ca);
        }
        let (pem, key) = (read(&certificate)?, read(&key)?);
        let key = KeyPair::from_pem(&key).map_err(failed)?;
        Ok(Self { issuer: Issuer::new(params(&key), key), pem })
    }

    /// Its certificate, in PEM: what others have to believe.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Its certificate as roots.
    pub fn roots(&self) -> Roots {
        Roots::pem(&self.pem)
    }

    /// A certificate for these names, for clients and servers: host names, IP addresses, and URIs.
    ///
    /// # Errors
    ///
    /// When a name is none of them.
    pub fn issue<N: Into<String>>(
        &self,
        names: impl IntoIterator<Item = N>,
    ) -> Result<CertifiedKey, TlsError> {
        let (certificate, key) = self.sign(names)?;
        Ok(CertifiedKey::pem(certificate, key))
    }

    /// A certificate for these names, written to `<name>.pem` and `<name>.key` in a folder, over those that are there.
    ///
    /// # Errors
    ///
    /// When a name is none, or a file cannot be written.
    pub fn issue_to<N: Into<String>>(
        &self,
        folder: impl AsRef<Path>,
        name: &str,
        names: impl IntoIterator<Item = N>,
    ) -> Result<CertifiedKey, TlsError> {
        let paths =
            [folder.as_ref().join(format!("{name}.pem")), folder.as_ref().join(format!("{name}.key"))];
        let (certificate, key) = self.sign(names)?;
        write(&paths[1], &key, true)?;
        write(&paths[0], &certificate, false)?;
        Ok(CertifiedKey::files(&paths[0], &paths[1]))
    }

    fn sign<N: Into<String>>(
        &self,
        names: impl IntoIterator<Item = N>,
    ) -> Result<(String, String), TlsError> {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        if let Some(first) = names.first() {
            params.distinguished_name.push(DnType::CommonName, first.as_str());
        }
        params.subject_alt_names = names.into_iter().map(san).collect::<Result<_, _>>()?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(failed)?;
        Ok((certificate.pem(), key.serialize_pem()))
    }
}

impl std::fmt::Debug for Ca {
    /// Never the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ca")
    }
}

/// What it is called: a certificate names its issuer, so the name is of the key, and the same when that is read from a
/// folder. Two of one name would be taken for each other, and a wrong CA for a wrong signature.
fn params(key: &KeyPair) -> CertificateParams {
    let mut params = CertificateParams::default();
    let digest: String =
        params.key_identifier(key).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, format!("traitwire development CA {digest}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn san(name: String) -> Result<SanType, TlsError> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let is_uri = name.contains(':');
    let what = name.escape_debug().to_string();
    let text = name.try_into();
    let text = text.map_err(|error: Error| TlsError::Unusable {
        what: format!("the name `{what}`"),
        fault: error.to_string(),
    })?;
    Ok(if is_uri { SanType::URI(text) } else { SanType::DnsName(text) })
}

fn failed(error: Error) -> TlsError {
    TlsError::Unusable { what: "the development CA".to_owned(), fault: error.to_string() }
}

fn read(path: &Path) -> Result<String, TlsError> {
    fs::read_to_string(path).map_err(|error| TlsError::Read { path: path.to_owned(), error })
}

/// Writes a file as a whole, so that nobody reads half of it; a key for the owner's eyes only.
fn write(path: &Path, text: &str, is_key: bool) -> Result<(), TlsError> {
    let beside = path.with_extension("new");
    let written = (|| -> io::Result<()> {
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        if is_key {
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        }
        io::Write::write_all(&mut options.open(&beside)?, text.as_bytes())?;
        fs::rename(&beside, path)
    })();
    let _ = is_key;
    written.map_err(|error| TlsError::Write { path: path.to_owned(), error })
}
