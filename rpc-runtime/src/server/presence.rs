//! Owns [`Presence`]: what a server says of itself to registries, and to which. How a registration is kept is discovery's to know.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::discovery::{DiscoveryError, Endpoint, Registrar, Registrations};
use crate::limits;
use crate::server::error::BindError;

/// What a server says of itself, and to whom.
pub(super) struct Presence {
    pub(super) registrars: Vec<Arc<dyn Registrar>>,
    /// Why it cannot register: told when it is to listen.
    pub(super) mistake: Option<DiscoveryError>,
    pub(super) address: Option<String>,
    pub(super) weight: u32,
    pub(super) zone: Option<String>,
    pub(super) version: Option<String>,
    pub(super) tags: Vec<(String, String)>,
    pub(super) farewell: Duration,
}

impl Default for Presence {
    fn default() -> Self {
        Self {
            registrars: Vec::new(),
            mistake: None,
            address: None,
            weight: limits::WEIGHT,
            zone: None,
            version: None,
            tags: Vec::new(),
            farewell: limits::FAREWELL_OF_CLIENTS,
        }
    }
}

impl Presence {
    /// What is wrong with it, as far as can be known before the server listens.
    pub(super) fn check(&mut self) -> Result<(), BindError> {
        self.mistake.take().map_or(Ok(()), |mistake| Err(BindError::not_registered(mistake)))
    }

    /// Registers these services of a server that listens at these addresses.
    pub(super) fn start(
        &self,
        services: &[String],
        addresses: &[String],
        instance: u64,
    ) -> Result<Registrations, BindError> {
        if self.registrars.is_empty() {
            return Ok(Registrations::none());
        }
        let endpoint = self.endpoint(addresses, instance).map_err(BindError::not_registered)?;
        Ok(Registrations::start(&self.registrars, services, &endpoint))
    }

    /// Takes the registrations back, and lets clients hear of it.
    pub(super) async fn leave(&self, registrations: Registrations) {
        if !registrations.is_empty() {
            registrations.withdraw(limits::WITHDRAW).await;
            sleep(self.farewell).await;
        }
    }

    fn endpoint(&self, addresses: &[String], instance: u64) -> Result<Endpoint, DiscoveryError> {
        let address = self.address.as_ref().or_else(|| addresses.first()).map_or("", String::as_str);
        if ["://0.0.0.0:", "://[::]:"].iter().any(|any| address.contains(any)) {
            let text =
                format!("`{address}` is no address that clients can connect to: say one with `advertise`");
            return Err(DiscoveryError::new(text));
        }
        let mut endpoint = Endpoint::new(address)?.with_weight(self.weight).with_instance(instance);
        if let Some(zone) = &self.zone {
            endpoint = endpoint.with_zone(zone);
        }
        if let Some(version) = &self.version {
            endpoint = endpoint.with_version(version);
        }
        Ok(self.tags.iter().fold(endpoint, |endpoint, (key, value)| endpoint.with_tag(key, value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_where_clients_can_connect() {
        let mut presence = Presence { zone: Some("east".to_owned()), weight: 7, ..Presence::default() };
        let at = |address: &str| [address.to_owned(), "tcp://h:2".to_owned()];
        let endpoint = presence.endpoint(&at("tcp://10.0.0.7:1"), 9).unwrap();
        assert_eq!(endpoint.to_string(), "tcp://10.0.0.7:1?weight=7&zone=east&instance=9");
        for any in ["tcp://0.0.0.0:1", "tls://[::]:1"] {
            let error = presence.endpoint(&at(any), 9).unwrap_err().to_string();
            assert!(error.contains("say one with `advertise`"), "{error}");
        }
        presence.address = Some("calc.internal:7000".to_owned());
        assert_eq!(
            presence.endpoint(&at("tcp://0.0.0.0:1"), 9).unwrap().address(),
            "tcp://calc.internal:7000"
        );
    }
}
