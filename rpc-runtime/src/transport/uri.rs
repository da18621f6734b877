//! Owns [`Uri`] and [`Transports`]: which transport an address means. Does not open anything.

use std::fmt;
use std::sync::Arc;

use crate::transport::{Memory, Tcp, Transport};

/// An address: a scheme and what stands behind it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Uri {
    scheme: String,
    address: String,
}

impl Uri {
    /// Takes `scheme://address` apart.
    ///
    /// # Errors
    ///
    /// When there is no `://`.
    pub fn parse(text: &str) -> Result<Self, UriError> {
        match text.split_once("://") {
            Some((scheme, address)) if !scheme.is_empty() => {
                Ok(Self { scheme: scheme.to_ascii_lowercase(), address: address.to_owned() })
            }
            _ => Err(UriError { uri: text.to_owned(), known: Vec::new() }),
        }
    }

    /// What stands behind `://`.
    pub fn address(&self) -> &str {
        &self.address
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.address)
    }
}

/// An address that no transport takes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UriError {
    uri: String,
    /// The schemes there are; empty if the address has none.
    known: Vec<&'static str>,
}

impl fmt::Display for UriError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let uri = self.uri.escape_debug();
        if self.known.is_empty() {
            write!(f, "`{uri}` is not an address: one looks like `tcp://127.0.0.1:7000`")
        } else {
            let known: Vec<String> = self.known.iter().map(|scheme| format!("`{scheme}://`")).collect();
            write!(f, "`{uri}` has a scheme that is not known; known are {}", known.join(", "))?;
            if !cfg!(feature = "tls") && self.uri.to_ascii_lowercase().starts_with("tls://") {
                f.write_str("; `tls://` needs the feature `tls` of this crate")?;
            }
            Ok(())
        }
    }
}

impl std::error::Error for UriError {}

/// The transports that a client or a server knows, the built-in ones first.
#[derive(Clone)]
pub struct Transports {
    all: Vec<Arc<dyn Transport>>,
}

impl Default for Transports {
    fn default() -> Self {
        let mut all: Vec<Arc<dyn Transport>> = vec![Arc::new(Tcp)];
        #[cfg(unix)]
        all.push(Arc::new(crate::transport::Unix));
        all.push(Arc::new(Memory));
        #[cfg(feature = "tls")]
        all.push(Arc::new(crate::transport::tls::Tls::default()));
        Self { all }
    }
}

impl Transports {
    /// Adds a transport, in place of one with the same scheme.
    pub fn add(&mut self, transport: impl Transport) {
        self.all.retain(|have| have.scheme() != transport.scheme());
        self.all.push(Arc::new(transport));
    }

    /// The transport that an address means.
    ///
    /// # Errors
    ///
    /// When none has its scheme.
    pub fn choose(&self, text: &str) -> Result<(Uri, Arc<dyn Transport>), UriError> {
        let uri = Uri::parse(text)?;
        match self.all.iter().find(|transport| transport.scheme() == uri.scheme) {
            Some(transport) => Ok((uri, Arc::clone(transport))),
            None => {
                let known = self.all.iter().map(|transport| transport.scheme()).collect();
                Err(UriError { uri: text.to_owned(), known })
            }
        }
    }
}

impl fmt::Debug for Transports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all.iter().map(|transport| transport.scheme())).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_chooses_and_an_unknown_one_lists_the_others() {
        let transports = Transports::default();
        let (uri, transport) = transports.choose("TCP://localhost:1").unwrap();
        assert_eq!((uri.to_string().as_str(), transport.scheme()), ("tcp://localhost:1", "tcp"));
        let error = transports.choose("dns://x").map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("`tcp://`, `unix://`, `mem://`"), "{error}");
        let error = transports.choose("localhost:1").map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("looks like `tcp://"), "{error}");
    }
}
