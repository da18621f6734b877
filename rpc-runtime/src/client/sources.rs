//! Owns [`Discoveries::built_in`]: all kinds of sources, with those that are reached by calls or over a transport. It stands here because
//! discovery knows neither.

use crate::client::Channel;
use crate::discovery::Discoveries;
use crate::registry::RegistryScheme;

impl Discoveries {
    /// All kinds of sources that there are: those of [`Discoveries::default`], our [registry](crate::registry) reached by a channel of
    /// its own, and etcd over TLS where the features are on.
    pub fn built_in() -> Self {
        let mut all = Self::default();
        all.add(RegistryScheme::new(|address: &str| Channel::builder().lazy(address)));
        #[cfg(feature = "etcd")]
        all.add(crate::client::etcd::reached());
        all
    }
}
