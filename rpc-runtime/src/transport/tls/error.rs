//! Owns [`TlsError`]: why settings cannot be used. What a peer does wrong is not here (`reason`).

use std::fmt;
use std::io;
use std::path::PathBuf;

use rustls::client::VerifierBuilderError;

/// Why certificates, keys or roots cannot be used. Whoever gave them is to blame, never a peer.
#[derive(Debug)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    Read {
        /// Which one.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file cannot be written.
    Write {
        /// Which one.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file or a text is larger than such a file ever is.
    TooLarge {
        /// Which one.
        what: String,
        /// Its bytes.
        bytes: u64,
    },
    /// PEM that is not well formed: half written, perhaps.
    Pem {
        /// Which file or text.
        what: String,
        /// What is wrong with it.
        fault: String,
    },
    /// There is nothing of the kind that is asked for.
    Nothing {
        /// Which file or text.
        what: String,
        /// What it should have.
        wanted: &'static str,
    },
    /// The key is not the one that the certificate was issued for.
    Mismatch {
        /// Where the certificate is from.
        certificate: String,
        /// Where the key is from.
        key: String,
    },
    /// A certificate or a key that is not taken: of a kind that is not known, or broken.
    Unusable {
        /// Where it is from.
        what: String,
        /// What is wrong with it.
        fault: String,
    },
    /// A server has no certificate to show.
    NoCertificate,
    /// The machine has no trusted roots where they are looked for.
    NoSystemRoots {
        /// What was met on the way there.
        fault: String,
    },
}

impl TlsError {
    /// Whether files look so while somebody replaces them.
    pub(super) const fn may_be_half_replaced(&self) -> bool {
        matches!(self, Self::Pem { .. } | Self::Nothing { .. } | Self::Mismatch { .. })
    }

    /// What is wrong with the certificates, keys or settings that are called `what`.
    pub(super) fn unusable(what: &str, fault: &dyn fmt::Display) -> Self {
        Self::Unusable { what: what.to_owned(), fault: fault.to_string() }
    }

    /// What is wrong with roots or revocation lists that no verifier can be built from.
    pub(super) fn unbuilt(fault: &VerifierBuilderError) -> Self {
        match fault {
            VerifierBuilderError::InvalidCrl(fault) => {
                Self::unusable("the revocation lists", &format_args!("{fault:?}"))
            }
            fault => Self::unusable("the roots", fault),
        }
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, error } => write!(f, "cannot read `{}`: {error}", path.display()),
            Self::Write { path, error } => write!(f, "cannot write `{}`: {error}", path.display()),
            Self::TooLarge { what, bytes } => write!(f, "{what} has {bytes} bytes: that is no certificate"),
            Self::Pem { what, fault } => write!(f, "{what} is no well-formed PEM (half written?): {fault}"),
            Self::Nothing { what, wanted } => write!(f, "{what} has no {wanted}"),
            Self::Mismatch { certificate, key } => {
                write!(f, "the key of {key} is not the one that the certificate of {certificate} was issued for")
            }
            Self::Unusable { what, fault } => write!(f, "{what} cannot be used: {fault}"),
            Self::NoCertificate => f.write_str(
                "a server at `tls://` shows a certificate: give it one with `Server::builder().tls(ServerTls::new(…))`",
            ),
            Self::NoSystemRoots { fault } => {
                write!(f, "this machine has no trusted roots{fault}: give some with `ClientTls::roots`")
            }
        }
    }
}

impl std::error::Error for TlsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read { error, .. } | Self::Write { error, .. } => Some(error),
            _ => None,
        }
    }
}

impl From<TlsError> for io::Error {
    fn from(error: TlsError) -> Self {
        Self::new(io::ErrorKind::InvalidInput, error)
    }
}
