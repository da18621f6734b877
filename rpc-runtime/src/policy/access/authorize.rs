//! Owns [`Authorize`]: the layer that holds calls against rules, which can be replaced. Decides nothing itself.

use std::fmt;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::call::{Code, Delivery, Handler, HandlerFuture, Request, RpcError};
use crate::policy::access::reason::{Audit, Decision};
use crate::policy::access::rules::Rules;

/// Lets through what [`Rules`] and the roles of traits (`#[rpc(allow = "…")]`) allow: a layer of the serving side. Its clones
/// share the rules.
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
    audit: Audit,
}

impl Authorize {
    /// By these rules.
    pub fn new(rules: Rules) -> Self {
        Self::with_audit(rules, Audit::default())
    }

    /// By these rules, and tells somebody of each decision. It is told on the way of the call, so it must be quick.
    pub fn audited(rules: Rules, audit: impl Fn(&Decision<'_>) + Send + Sync + 'static) -> Self {
        Self::with_audit(rules, Audit::new(audit))
    }

    fn with_audit(rules: Rules, audit: Audit) -> Self {
        Self { inner: Arc::new(Inner { rules: RwLock::new(Arc::new(rules)), audit }) }
    }

    /// Uses these rules from now on. Calls that were let through go on.
    ///
    /// Rules from a file (feature `config`) are read before anything changes, so that a file with a mistake changes nothing:
    ///
    /// ```
    /// # #[cfg(feature = "config")] {
    /// use traitwire::policy::ConfigError;
    /// use traitwire::policy::access::{Authorize, Rules};
    ///
    /// fn reload(authorize: &Authorize) -> Result<(), ConfigError> {
    ///     authorize.replace(Rules::load("/etc/till/access.toml")?);
    ///     Ok(())
    /// }
    /// # assert!(reload(&Authorize::new(Rules::new())).is_err());
    /// # }
    /// ```
    pub fn replace(&self, rules: Rules) {
        *self.inner.rules.write() = Arc::new(rules);
    }

    /// The layer around what is inside.
    pub fn around<H: Handler>(&self, inner: H) -> Authorized<H> {
        Authorized { authorize: self.clone(), inner }
    }

    /// The rules in force; they print as TOML.
    pub fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.inner.rules.read())
    }

    fn decide(&self, request: &Request) -> Result<(), RpcError> {
        let (method, caller) = (request.method(), request.identity());
        let roles = request.descriptor().map_or(&[][..], |method| method.allow);
        let rules = self.rules();
        let reason = rules.decide(method, roles, caller);
        self.inner.audit.tell(request, reason);
        // The reason is for the audit: told to the caller, it would show which methods there are.
        let shown = method.escape_debug();
        match caller {
            _ if reason.allows() => Ok(()),
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
    fn handle(&self, mut request: Request) -> HandlerFuture {
        match self.authorize.decide(&request) {
            Ok(()) => {
                request.set_authorized();
                self.inner.handle(request)
            }
            Err(denied) => HandlerFuture::ready(Err(denied)),
        }
    }
}
