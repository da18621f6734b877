//! Owns [`EtcdRegistrar`]: a server's keys in etcd, under a lease. How a registration is kept is `registration`'s.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;

use crate::discovery::etcd::gateway::{EtcdError, Gateway, Number};
use crate::discovery::{DiscoveryError, Endpoint, Lease, Registrar, replaced};

/// etcd, as a server registers with it.
///
/// A server that registers for the first time has just begun to listen at its address, so whatever etcd has under it is of
/// a server before it, and is replaced. One that registers *again*, because its lease ran out while it was paused or cut
/// off, may be the one that was replaced: it gives way to an entry of another instance (a fence).
pub(super) struct EtcdRegistrar {
    name: String,
    path: String,
    ttl: Duration,
    gateway: Arc<Gateway>,
    has_registered: AtomicBool,
}

impl EtcdRegistrar {
    pub(super) fn new(name: String, path: String, ttl: Duration, gateway: Gateway) -> Self {
        Self { name, path, ttl, gateway: Arc::new(gateway), has_registered: AtomicBool::new(false) }
    }

    fn failed(&self, error: EtcdError) -> DiscoveryError {
        DiscoveryError::of(&self.name, error)
    }

    async fn put(&self, service: &str, endpoint: &Endpoint, lease: u64) -> Result<(), EtcdError> {
        // A slash within an address, of a Unix socket, does no harm: keys are compared by their beginnings only.
        let key = format!("{}/{service}/{}", self.path, endpoint.address());
        let value = endpoint.to_string();
        let is_again = self.has_registered.load(Ordering::Relaxed);
        let mut last = Number(0);
        // Somebody else may change it between looking and writing, but not for ever.
        for _ in 0..3 {
            if self.gateway.put_if(key.as_bytes(), &value, lease, last).await? {
                return Ok(());
            }
            let Some(have) = self.gateway.get(key.as_bytes()).await? else {
                last = Number(0);
                continue;
            };
            if is_again && !is_of(endpoint, &have.value.0) {
                return Err(EtcdError::new(replaced(endpoint)));
            }
            last = have.mod_revision;
        }
        Err(EtcdError::new(format!("`{key}` changes all the time: do two servers have the same address?")))
    }
}

/// Whether a value is of this very server, or of nobody.
fn is_of(endpoint: &Endpoint, value: &[u8]) -> bool {
    let have = std::str::from_utf8(value).ok().and_then(|text| text.parse::<Endpoint>().ok());
    have.is_none_or(|have| have.instance() == endpoint.instance())
}

#[async_trait]
impl Registrar for EtcdRegistrar {
    fn name(&self) -> &str {
        &self.name
    }

    async fn register(
        &self,
        services: &[String],
        endpoint: &Endpoint,
    ) -> Result<Box<dyn Lease>, DiscoveryError> {
        let (id, seconds) =
            self.gateway.grant(self.ttl.as_secs().max(1)).await.map_err(|error| self.failed(error))?;
        for service in services {
            if let Err(error) = self.put(service, endpoint, id).await {
                // What has been written goes with it; if that fails too, it runs out.
                let _ = self.gateway.revoke(id).await;
                return Err(self.failed(error));
            }
        }
        self.has_registered.store(true, Ordering::Relaxed);
        let (name, gateway) = (self.name.clone(), Arc::clone(&self.gateway));
        Ok(Box::new(EtcdLease { name, gateway, id, ttl: Duration::from_secs(seconds) }))
    }
}

struct EtcdLease {
    name: String,
    gateway: Arc<Gateway>,
    id: u64,
    ttl: Duration,
}

#[async_trait]
impl Lease for EtcdLease {
    fn ttl(&self) -> Duration {
        self.ttl
    }

    async fn renew(&mut self) -> Result<bool, DiscoveryError> {
        let renewed = self.gateway.renew(self.id).await;
        renewed.map_err(|error| DiscoveryError::of(&self.name, error))
    }

    async fn withdraw(self: Box<Self>) -> Result<(), DiscoveryError> {
        let ended = self.gateway.revoke(self.id).await;
        ended.map_err(|error| DiscoveryError::of(&self.name, error))
    }
}
