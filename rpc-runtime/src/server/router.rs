//! Owns [`Router`]: which service has a method. Does not run layers.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::call::{Code, Delivery, Handler, HandlerFuture, Request, RpcError, Service};
use crate::driver::Route;

/// The services of a server, by the names of their methods. It is the innermost handler, behind all layers.
pub(super) struct Router {
    services: Vec<Arc<dyn Service>>,
    methods: BTreeMap<&'static str, Route>,
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
        Self { services, methods }
    }

    pub(super) fn route(&self, method: &str) -> Option<Route> {
        self.methods.get(method).copied()
    }

    fn unknown(&self, method: &str) -> RpcError {
        let service = method.split_once('.').map_or(method, |(service, _)| service);
        let has_service = self.services.iter().any(|have| have.descriptor().name == service);
        let what = if has_service { "method" } else { "service" };
        let text = format!("unknown {what}: `{}` is not served here", method.escape_debug());
        RpcError::new(Code::UNIMPLEMENTED, Delivery::Refused, text)
    }
}

impl Handler for Router {
    fn handle(&self, request: Request) -> HandlerFuture {
        match (request.descriptor(), self.services.get(request.service() as usize)) {
            (Some(_), Some(service)) => service.handle(request),
            _ => HandlerFuture::ready(Err(self.unknown(request.method()))),
        }
    }
}
