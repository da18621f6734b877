//! Owns [`Authorize`]: the layer that holds calls against rules, which can be replaced. Decides nothing itself.

use std::fmt;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::call::{Code, Delivery, Handler, HandlerFuture, Identity, Request, RpcError};
use crate::policy::access::Rules;

/// Lets through what [`Rules`] allow: a layer of the serving side. Its clones share the rules.
///
/// A denied call ends as `permission_denied`, or as `unauthenticated` if nobody has proved who calls; `Refused` both, and
/// counted as `denied`. A method that the server does not have is denied like any other that no rule allows, so that
/// nobody learns by trying which ones there are.
#[derive(Clone)]
pub struct Authorize {
    inner: Arc<Inner>,
}

struct Inner {
    rules: RwLock<Arc<Rules>>,
    audit: Option<Audit>,
}

type Audit = Box<dyn Fn(&Decision<'_>) + Send + Sync>;

/// What was decided about a call.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Decision<'a> {
    /// The method, as the caller says it: `"Service.method"`.
    pub method: &'a str,
    /// Who calls, if that is proved.
    pub caller: Option<&'a Identity>,
    /// From where.
    pub address: &'a str,
    /// Whether it was let through.
    pub allowed: bool,
}

impl Authorize {
    /// By these rules.
    pub fn new(rules: Rules) -> Self {
        Self::with_audit(rules, None)
    }

    /// By these rules, and tells somebody of each decision. It is told on the way of the call, so it must be quick.
    pub fn audited(rules: Rules, audit: impl Fn(&Decision<'_>) + Send + Sync + 'static) -> Self {
        Self::with_audit(rules, Some(Box::new(audit)))
    }

    fn with_audit(rules: Rules, audit: Option<Audit>) -> Self {
        Self { inner: Arc::new(Inner { rules: RwLock::new(Arc::new(rules)), audit }) }
    }

    /// Uses these rules from now on. Calls that were let through go on.
    pub fn replace(&self, rules: Rules) {
        *self.inner.rules.write() = Arc::new(rules);
    }

    /// The layer around what is inside.
    pub fn around<H: Handler>(&self, inner: H) -> Authorized<H> {
        Authorized { authorize: self.clone(), inner }
    }

    fn decide(&self, request: &Request) -> Result<(), RpcError> {
        let (method, caller) = (request.method(), request.identity());
        let allowed = {
            let rules = Arc::clone(&self.inner.rules.read());
            rules.allow_call(method, caller)
        };
        if let Some(audit) = &self.inner.audit {
            let address = request.peer().map_or("", |peer| peer.address());
            audit(&Decision { method, caller, address, allowed });
        }
        let shown = method.escape_debug();
        match caller {
            _ if allowed => Ok(()),
            Some(caller) => {
                let text = format!("{caller} may not call `{shown}`");
                Err(RpcError::new(Code::PERMISSION_DENIED, Delivery::Refused, text))
            }
            None => {
                let text = format!("`{shown}` is only for callers who prove who they are");
                Err(RpcError::new(Code::UNAUTHENTICATED, Delivery::Refused, text))
            }
        }
    }
}

impl fmt::Debug for Authorize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorize").field("rules", &self.inner.rules.read()).finish_non_exhaustive()
    }
}

/// See [`Authorize::around`].
#[derive(Debug)]
pub struct Authorized<H> {
    authorize: Authorize,
    inner: H,
}

impl<H: Handler> Handler for Authorized<H> {
    fn handle(&self, request: Request) -> HandlerFuture {
        match self.authorize.decide(&request) {
            Ok(()) => self.inner.handle(request),
            Err(denied) => HandlerFuture::ready(Err(denied)),
        }
    }
}
