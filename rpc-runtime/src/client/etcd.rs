//! Owns how etcd is reached over TLS: with the transport that calls use. It stands here because discovery knows no transport.

use crate::discovery::Etcd;
#[cfg(feature = "tls")]
use crate::discovery::{Dial, Pipe};
#[cfg(feature = "tls")]
use crate::tls::{ClientTls, Tls};

/// etcd with all ways there are to reach it.
pub(super) fn reached() -> Etcd {
    #[cfg(feature = "tls")]
    return Etcd::new().tls(ClientTls::new());
    #[cfg(not(feature = "tls"))]
    Etcd::new()
}

#[cfg(feature = "tls")]
impl Etcd {
    /// How a client proves who it is and whom it believes at `etcd://…?transport=tls`; by default it believes the roots of the
    /// machine.
    #[must_use]
    pub fn tls(self, tls: ClientTls) -> Self {
        // Another name than our own protocol's: etcd serves several at its port.
        let tls = Tls::client(tls.alpn("http/1.1"));
        let dial: Dial = std::sync::Arc::new(move |host: &str| {
            let (tls, host) = (tls.clone(), host.to_owned());
            Box::pin(async move { Ok(Box::new(tls.pipe(&host).await?) as Box<dyn Pipe>) })
        });
        self.with_dial("tls", dial)
    }
}
