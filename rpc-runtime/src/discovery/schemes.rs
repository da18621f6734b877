//! Owns [`Discoveries`]: which source an address means. Does not read sources.

use std::fmt;
use std::sync::Arc;

use crate::discovery::fixed::StaticScheme;
use crate::discovery::{Discovery, DiscoveryError, DiscoveryScheme};

/// The kinds of sources that a client knows, the built-in ones first.
#[derive(Clone)]
pub struct Discoveries {
    all: Vec<Arc<dyn DiscoveryScheme>>,
}

impl Default for Discoveries {
    fn default() -> Self {
        let all: Vec<Arc<dyn DiscoveryScheme>> = vec![Arc::new(StaticScheme), file(), dns(), etcd()];
        Self { all }
    }
}

impl Discoveries {
    /// Adds a kind of source, in place of one with the same scheme.
    pub fn add(&mut self, scheme: impl DiscoveryScheme) {
        self.all.retain(|have| have.scheme() != scheme.scheme());
        self.all.push(Arc::new(scheme));
    }

    /// The source that an address means; `None` if its scheme is of none, so that it may be of a transport.
    ///
    /// # Errors
    ///
    /// When its scheme is known and what stands behind it cannot be read.
    pub fn choose(&self, uri: &str) -> Result<Option<Arc<dyn Discovery>>, DiscoveryError> {
        let Some((scheme, address)) = uri.split_once("://") else { return Ok(None) };
        let chosen = self.all.iter().find(|have| have.scheme().eq_ignore_ascii_case(scheme));
        chosen.map(|chosen| chosen.open(address)).transpose()
    }

    /// The schemes there are, for the words about an address that has none of them.
    pub fn schemes(&self) -> impl Iterator<Item = &'static str> {
        self.all.iter().map(|have| have.scheme())
    }
}

#[cfg(feature = "config")]
fn file() -> Arc<dyn DiscoveryScheme> {
    Arc::new(crate::discovery::file::FileScheme)
}

#[cfg(not(feature = "config"))]
fn file() -> Arc<dyn DiscoveryScheme> {
    Arc::new(Without { scheme: "file", feature: "config" })
}

#[cfg(feature = "dns")]
fn dns() -> Arc<dyn DiscoveryScheme> {
    Arc::new(crate::discovery::dns::DnsScheme)
}

#[cfg(not(feature = "dns"))]
fn dns() -> Arc<dyn DiscoveryScheme> {
    Arc::new(Without { scheme: "dns", feature: "dns" })
}

#[cfg(feature = "etcd")]
fn etcd() -> Arc<dyn DiscoveryScheme> {
    Arc::new(crate::discovery::Etcd::new())
}

#[cfg(not(feature = "etcd"))]
fn etcd() -> Arc<dyn DiscoveryScheme> {
    Arc::new(Without { scheme: "etcd", feature: "etcd" })
}

/// A kind of source that was not compiled in: its addresses say so, instead of being of no known scheme.
#[cfg(not(all(feature = "config", feature = "dns", feature = "etcd")))]
struct Without {
    scheme: &'static str,
    feature: &'static str,
}

#[cfg(not(all(feature = "config", feature = "dns", feature = "etcd")))]
impl DiscoveryScheme for Without {
    fn scheme(&self) -> &'static str {
        self.scheme
    }

    fn open(&self, _address: &str) -> Result<Arc<dyn Discovery>, DiscoveryError> {
        let Self { scheme, feature } = self;
        Err(DiscoveryError::new(format!("`{scheme}://` needs the feature `{feature}` of this crate")))
    }
}

impl fmt::Debug for Discoveries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.schemes()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_chooses_and_others_are_left_to_transports() {
        let discoveries = Discoveries::default();
        let source = discoveries.choose("STATIC://a:1").unwrap().unwrap();
        assert_eq!(source.name(), "static://tcp://a:1");
        assert!(
            discoveries.choose("tcp://a:1").unwrap().is_none()
                && discoveries.choose("a:1").unwrap().is_none()
        );
        assert!(discoveries.choose("static://").is_err());
        #[cfg(not(feature = "config"))]
        assert!(
            discoveries.choose("file:///x").map(|_| ()).unwrap_err().to_string().contains("feature `config`")
        );
        assert!(discoveries.schemes().any(|scheme| scheme == "static"));
    }
}
