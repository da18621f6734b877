//! Owns [`TlsOptions`]: what the two programs are told of TLS, in files of PEM.

use traitwire::tls::{CertifiedKey, ClientTls, Roots, ServerTls};

/// `--tls-cert`, `--tls-key`, `--tls-ca`, `--client-cert` and `--client-key`, each with a file.
#[derive(Clone, Debug, Default)]
pub struct TlsOptions {
    cert: Option<String>,
    key: Option<String>,
    ca: Option<String>,
    client_cert: Option<String>,
    client_key: Option<String>,
}

impl TlsOptions {
    /// The options, for a line of usage.
    pub const USAGE: &str =
        "[--tls-cert FILE --tls-key FILE] [--tls-ca FILE] [--client-cert FILE --client-key FILE]";

    /// Takes an option if it is one of these; says whether it was.
    pub fn take(&mut self, option: &str, value: &str) -> bool {
        let place = match option {
            "--tls-cert" => &mut self.cert,
            "--tls-key" => &mut self.key,
            "--tls-ca" => &mut self.ca,
            "--client-cert" => &mut self.client_cert,
            "--client-key" => &mut self.client_key,
            _ => return false,
        };
        *place = Some(value.to_owned());
        true
    }

    /// What a server is to show; with `--tls-ca` its clients have to show something too.
    ///
    /// # Errors
    ///
    /// When there is one of certificate and key without the other.
    pub fn server(&self) -> Result<Option<ServerTls>, String> {
        let own = pair("--tls-cert", &self.cert, "--tls-key", &self.key)?;
        Ok(own.map(|own| match &self.ca {
            Some(ca) => ServerTls::new(own).require_clients(Roots::file(ca)),
            None => ServerTls::new(own),
        }))
    }

    /// What a client is to show, and whom it is to believe: `--tls-ca`, or the roots of the machine.
    ///
    /// # Errors
    ///
    /// When there is one of certificate and key without the other.
    pub fn client(&self) -> Result<ClientTls, String> {
        let own = pair("--client-cert", &self.client_cert, "--client-key", &self.client_key)?;
        let mut tls = ClientTls::new();
        if let Some(ca) = &self.ca {
            tls = tls.roots(Roots::file(ca));
        }
        Ok(match own {
            Some(own) => tls.certificate(own),
            None => tls,
        })
    }
}

fn pair(
    cert_option: &str,
    cert: &Option<String>,
    key_option: &str,
    key: &Option<String>,
) -> Result<Option<CertifiedKey>, String> {
    match (cert, key) {
        (Some(cert), Some(key)) => Ok(Some(CertifiedKey::files(cert, key))),
        (None, None) => Ok(None),
        _ => Err(format!("`{cert_option}` and `{key_option}` go together")),
    }
}
