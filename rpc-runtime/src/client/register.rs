//! Owns how a server finds whom it registers with by an address. It stands here because a server that registers is a client.

use crate::client::Channel;
use crate::discovery::DiscoveryError;
use crate::registry::Registered;
use crate::server::ServerBuilder;

impl ServerBuilder {
    /// Registers there while the server serves: `registry://10.0.0.5:7070` for all services of the server, or
    /// `registry://10.0.0.5:7070/Calculator` for one; `etcd://10.0.0.5:2379,10.0.0.6:2379/prefix` for all, each below the prefix
    /// (feature `etcd`). See [`register_with`](Self::register_with), which also takes what
    /// [`Registered::new`](crate::registry::Registered::new) makes of a channel with certificates or a token, and what
    /// `Etcd::registrar` makes.
    ///
    /// An address that is wrong is told by [`bind`](Self::bind); a registry that is away is tried again, while the server serves.
    pub fn register(self, uri: &str) -> Self {
        match uri.split_once("://").map(|(scheme, _)| scheme) {
            Some("registry") => match Registered::new(uri, |address| Channel::builder().lazy(address)) {
                Ok(registrar) => self.register_with(registrar),
                Err(mistake) => self.unregistrable(mistake),
            },
            #[cfg(feature = "etcd")]
            Some("etcd") => match crate::client::etcd::reached().registrar(uri) {
                Ok(registrar) => self.register_with(registrar),
                Err(mistake) => self.unregistrable(mistake),
            },
            #[cfg(not(feature = "etcd"))]
            Some("etcd") => {
                self.unregistrable(DiscoveryError::new("`etcd://` needs the feature `etcd` of this crate"))
            }
            _ => {
                let text = format!(
                    "`{}` is nothing to register with: there are `registry://host:port` and `etcd://host:port/prefix`",
                    uri.escape_debug()
                );
                self.unregistrable(DiscoveryError::new(text))
            }
        }
    }
}
