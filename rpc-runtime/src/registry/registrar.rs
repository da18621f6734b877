//! Owns [`Registered`]: the registrar of servers that register with our registry. How a registration is kept is discovery's to
//! know (`registration`).

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use crate::call::{CallError, Caller, RpcError};
use crate::discovery::{DiscoveryError, Endpoint, Lease, Registrar};
use crate::limits;
use crate::registry::service::{RegistryClient, RegistryError};
use crate::registry::source::{Place, unusable};

/// A registry that a server registers with: `registry://host:port`, or `registry://host:port/Calculator` to register that
/// service alone.
pub struct Registered<C> {
    name: String,
    client: RegistryClient<C>,
    service: Option<String>,
    ttl: Duration,
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
        Ok(Self { name: uri.to_owned(), client, service, ttl: limits::LEASE })
    }

    /// How long the registry believes in a server of which it hears nothing, from 1 s to 5 min; 10 s. A lease is renewed three
    /// times as often.
    #[must_use]
    pub fn lease(mut self, ttl: Duration) -> Self {
        self.ttl = ttl.clamp(limits::LEASE_LEAST, limits::LEASE_MOST);
        self
    }

    fn failed(&self, error: CallError<RegistryError>) -> DiscoveryError {
        DiscoveryError::new(format!("{}: {error}", self.name)).with_source(error)
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
        let ttl_ms = self.ttl.as_millis() as u64;
        let granted = self.client.register(services, endpoint.clone(), ttl_ms).await;
        let granted = granted.map_err(|error| self.failed(error))?;
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
            Err(error) => Err(DiscoveryError::new(format!("{}: {error}", self.name)).with_source(error)),
        }
    }

    async fn withdraw(self: Box<Self>) -> Result<(), DiscoveryError> {
        let ended = self.client.deregister(self.lease).await;
        ended.map_err(|error| DiscoveryError::new(format!("{}: {error}", self.name)).with_source(error))
    }
}
