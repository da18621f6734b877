//! Owns [`Router`]: which service has a method. Does not run layers.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::call::{Code, Delivery, Handler, HandlerFuture, MethodDescriptor, Request, RpcError, Service};
use crate::driver::Route;

/// The services of a server, by the names of their methods. It is the innermost handler, behind all layers.
pub(super) struct Router {
    services: Vec<Arc<dyn Service>>,
    methods: BTreeMap<&'static str, Route>,
    /// Methods whose traits name roles are for callers of whom a layer has said that they may.
    is_guarded: bool,
}

impl Router {
    /// A router for these services.
    pub(super) fn new(services: Vec<Arc<dyn Service>>) -> Self {
        let mut methods = BTreeMap::new();
        for (at, service) in services.iter().enumerate() {
            for method in service.descriptor().methods {
                methods.insert(method.full_name, Route { service: at as u32, method });
            }
        }
        Self { services, methods, is_guarded: true }
    }

    /// The same for calls that a program makes to itself: nobody is kept from those.
    pub(super) fn own(services: Vec<Arc<dyn Service>>) -> Self {
        Self { is_guarded: false, ..Self::new(services) }
    }

    pub(super) fn route(&self, method: &str) -> Option<Route> {
        self.methods.get(method).copied()
    }

    /// Whether a method is to run once for each call, however often that is sent.
    pub(super) fn remembers(&self) -> bool {
        self.methods.values().any(|route| route.method.dedup)
    }

    fn unknown(&self, method: &str) -> RpcError {
        let service = method.rsplit_once('.').map_or(method, |(service, _)| service);
        let has_service = self.services.iter().any(|have| have.descriptor().name == service);
        let what = if has_service { "method" } else { "service" };
        let text = format!("unknown {what}: `{}` is not served here", method.escape_debug());
        RpcError::new(Code::UNIMPLEMENTED, Delivery::Refused, text)
    }
}

impl Handler for Router {
    fn handle(&self, request: Request) -> HandlerFuture {
        match (request.descriptor(), self.services.get(request.service() as usize)) {
            (Some(method), Some(_))
                if self.is_guarded && !method.allow.is_empty() && !request.is_authorized() =>
            {
                HandlerFuture::ready(Err(undecided(method)))
            }
            (Some(_), Some(service)) => service.handle(request),
            _ => HandlerFuture::ready(Err(self.unknown(request.method()))),
        }
    }
}

/// Forgotten layers deny: what a trait says of roles would else hold nobody back.
fn undecided(method: &MethodDescriptor) -> RpcError {
    let text = format!(
        "`{}` is for the roles `{}`, and nothing here decides who has them: add `policy::access::Authorize` to the \
         server's layers",
        method.full_name,
        method.allow.join("`, `")
    );
    RpcError::new(Code::PERMISSION_DENIED, Delivery::Refused, text)
}
