//! Owns [`Registered`]: the registrar of servers that register with our registry. How a registration is kept is discovery's to
//! know (`registration`).

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;

use crate::call::{CallError, Caller, RpcError};
use crate::discovery::{DiscoveryError, Endpoint, Lease, Registrar, replaced};
use crate::limits;
use crate::registry::service::{RegistryClient, RegistryError};
use crate::registry::source::{Place, unusable};

/// A registry that a server registers with: `registry://host:port`, or `registry://host:port/Calculator` to register that
/// service alone.
///
/// A server that registers for the first time has just begun to listen at its address, so whatever the registry has under it
/// is of a server before it, and is replaced. One that registers *again*, because its lease is gone, may be the one that was
/// replaced while it was paused or cut off: it gives way to an entry of another instance (a fence), and tries again later.
pub struct Registered<C> {
    name: String,
    client: RegistryClient<C>,
    service: Option<String>,
    ttl: Duration,
    has_registered: AtomicBool,
}

impl<C: Caller> Registered<C> {
    /// The registry at this address, `registry://…`; `reach` makes a caller of `tcp://host:port`, which is to connect when it
    /// is first called.
    ///
    /// # Errors
    ///
    /// When the address cannot be read, or cannot be reached for good.
    pub fn new(uri: &str, reach: impl FnOnce(&str) -> Result<C, RpcError>) -> Result<Self, DiscoveryError> {
        let place = Place::parse(uri)?;
        let caller = reach(&place.address).map_err(|error| unusable(uri, &error))?;
        let (client, service) = (RegistryClient::new(caller), place.service);
        let has_registered = AtomicBool::new(false);
        Ok(Self { name: uri.to_owned(), client, service, ttl: limits::LEASE, has_registered })
    }

    /// How long the registry believes in a server of which it hears nothing, from 1 s to 5 min; 10 s. A lease is renewed three
    /// times as often.
    #[must_use]
    pub fn lease(mut self, ttl: Duration) -> Self {
        self.ttl = ttl.clamp(limits::LEASE_LEAST, limits::LEASE_MOST);
        self
    }

    /// Fails if another server has this address by now.
    async fn give_way(&self, services: &[String], endpoint: &Endpoint) -> Result<(), DiscoveryError> {
        for service in services {
            let list = self.client.list(service).await;
            let list = list.map_err(|error| self.failed(error))?;
            let is_other = |have: &Endpoint| {
                have.address() == endpoint.address() && have.instance() != endpoint.instance()
            };
            if list.iter().any(is_other) {
                return Err(DiscoveryError::new(format!("{}: {}", self.name, replaced(endpoint))));
            }
        }
        Ok(())
    }

    fn failed<E: std::error::Error + Send + Sync + 'static>(&self, error: E) -> DiscoveryError {
        DiscoveryError::of(&self.name, error)
    }
}

impl<C> fmt::Debug for Registered<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Registered({})", self.name)
    }
}

#[async_trait]
impl<C: Caller> Registrar for Registered<C> {
    fn name(&self) -> &str {
        &self.name
    }

    async fn register(
        &self,
        services: &[String],
        endpoint: &Endpoint,
    ) -> Result<Box<dyn Lease>, DiscoveryError> {
        let services = self.service.as_ref().map_or_else(|| services.to_vec(), |only| vec![only.clone()]);
        if self.has_registered.load(Ordering::Relaxed) {
            self.give_way(&services, endpoint).await?;
        }
        let ttl_ms = self.ttl.as_millis() as u64;
        let granted = self.client.register(services, endpoint.clone(), ttl_ms).await;
        let granted = granted.map_err(|error| self.failed(error))?;
        self.has_registered.store(true, Ordering::Relaxed);
        Ok(Box::new(Granted {
            name: self.name.clone(),
            client: self.client.clone(),
            lease: granted.lease,
            ttl: Duration::from_millis(granted.ttl_ms),
        }))
    }
}

struct Granted<C> {
    name: String,
    client: RegistryClient<C>,
    lease: u64,
    ttl: Duration,
}

#[async_trait]
impl<C: Caller> Lease for Granted<C> {
    fn ttl(&self) -> Duration {
        self.ttl
    }

    async fn renew(&mut self) -> Result<bool, DiscoveryError> {
        match self.client.renew(self.lease).await {
            Ok(()) => Ok(true),
            Err(CallError::App(RegistryError::UnknownLease)) => Ok(false),
            Err(error) => Err(DiscoveryError::of(&self.name, error)),
        }
    }

    async fn withdraw(self: Box<Self>) -> Result<(), DiscoveryError> {
        let ended = self.client.deregister(self.lease).await;
        ended.map_err(|error| DiscoveryError::of(&self.name, error))
    }
}
