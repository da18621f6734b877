//! Owns [`Taken`]: the names of which a verified certificate must have one, where somebody chooses. Verifies nothing.

use rustls::pki_types::CertificateDer;
use rustls::{CertificateError, Error};
use tokio::time::Instant;

use crate::transport::Throttle;
use crate::transport::tls::names::identity;

/// Names that are taken.
#[derive(Debug)]
pub(super) struct Taken {
    names: Vec<String>,
    warning: Throttle,
}

impl Taken {
    pub(super) fn new(names: Vec<String>) -> Self {
        Self { names, warning: Throttle::default() }
    }

    /// Whether a certificate that has been verified has one of these names. The error that the handshake can carry has no room
    /// for names, so they go to the log.
    pub(super) fn check(&self, certificate: &CertificateDer<'_>) -> Result<(), Error> {
        let identity =
            identity(certificate).ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))?;
        if self.names.iter().any(|name| identity.is(name)) {
            return Ok(());
        }
        if let Some(left_out) = self.warning.pass(Instant::now().into_std()) {
            let taken = &self.names;
            tracing::warn!(certificate = %identity, ?taken, left_out, "a certificate is valid, but is not among those that are taken");
        }
        Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }
}
