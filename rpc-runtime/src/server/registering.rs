//! Owns what a [`ServerBuilder`] is to say to registries, and to probes. What becomes of it is `presence`'s and `health`'s.

use std::sync::Arc;
use std::time::Duration;

use crate::discovery::{DiscoveryError, Registrar};
use crate::server::builder::ServerBuilder;
use crate::server::meter::Meter;

impl ServerBuilder {
    /// Serves [`Health`](crate::health::Health) too, which says how the server and its services are:
    /// [`ServerHandle::set_health`](crate::ServerHandle::set_health).
    pub fn health(mut self) -> Self {
        self.health.get_or_insert_default();
        self
    }

    /// Says which part of what the server has is in use, 1 for all of it: of the places in its queue, say, or of its disk's time. Asked
    /// whenever the [load](crate::health::Health::load) is told, so it is to be quick. By default it is the part of the time in
    /// which the threads of the runtime work. Serves [`Health`](Self::health) too.
    pub fn utilization(mut self, utilization: impl Fn() -> f64 + Send + Sync + 'static) -> Self {
        self.health = Some(Meter::new(Arc::new(utilization)));
        self
    }

    /// Registers with this while the server serves: once it listens, and again whenever its registration is lost. When it shuts
    /// down it withdraws first, and goes on serving for a [moment](Self::farewell) before it drains.
    ///
    /// The addresses of the built-in registrars are taken by [`register`](Self::register).
    pub fn register_with(mut self, registrar: impl Registrar) -> Self {
        self.presence.registrars.push(Arc::new(registrar));
        self
    }

    /// The address that clients are told, `tcp://10.0.0.7:7000`; by default the first one that the server listens at. A server
    /// that listens at all addresses of its machine (`0.0.0.0`) has to say one.
    pub fn advertise(mut self, address: impl Into<String>) -> Self {
        self.presence.address = Some(address.into());
        self
    }

    /// How much the server takes beside the others, for registries; 100. With 0 it gets no new calls.
    pub const fn weight(mut self, weight: u32) -> Self {
        self.presence.weight = weight;
        self
    }

    /// Where the server stands, for registries: clients may prefer those of their own zone.
    pub fn zone(mut self, zone: impl Into<String>) -> Self {
        self.presence.zone = Some(zone.into());
        self
    }

    /// Which version the server runs, for registries.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.presence.version = Some(version.into());
        self
    }

    /// Something else that registries are told.
    pub fn tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.presence.tags.push((key.into(), value.into()));
        self
    }

    /// How long a server that has withdrawn from its registries goes on as before, so that clients hear of it before they are
    /// turned away; 500 ms. A server that is in no registry does not wait.
    pub const fn farewell(mut self, farewell: Duration) -> Self {
        self.presence.farewell = farewell;
        self
    }

    /// This cannot be registered with: told by [`bind`](Self::bind).
    pub(crate) fn unregistrable(mut self, mistake: DiscoveryError) -> Self {
        self.presence.mistake.get_or_insert(mistake);
        self
    }
}
