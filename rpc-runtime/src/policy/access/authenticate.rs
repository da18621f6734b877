//! Owns [`Authenticate`]: the layer that has a call's token looked at. Does not decide whose it is, nor who may do what.

use std::fmt;
use std::sync::Arc;

use crate::call::{Code, Delivery, Handler, HandlerFuture, Request, RpcError, Token};
use crate::limits;
use crate::policy::access::reason::{Audit, Decision, Reason};
use crate::policy::access::tokens::TokenVerifier;

/// Finds out by a token who calls: a layer of the serving side, to be asked before [`Authorize`](super::Authorize).
///
/// A call without a token is refused as `unauthenticated`, unless callers
/// [may prove themselves by their connection](Self::or_by_connection) or [may be nobody](Self::or_nobody); one whose token is not
/// taken is refused always.
#[derive(Clone)]
pub struct Authenticate {
    verifier: Arc<dyn TokenVerifier>,
    or_by_connection: bool,
    or_nobody: bool,
    audit: Audit,
}

impl Authenticate {
    /// By tokens that this verifier takes.
    pub fn by(verifier: impl TokenVerifier) -> Self {
        Self {
            verifier: Arc::new(verifier),
            or_by_connection: false,
            or_nobody: false,
            audit: Audit::default(),
        }
    }

    /// Lets calls through that have no token, if their peer has proved who it is on its connection, by its certificate or as a
    /// user of this machine.
    #[must_use]
    pub const fn or_by_connection(mut self) -> Self {
        self.or_by_connection = true;
        self
    }

    /// Lets calls through that have no token and whose peer has proved nothing either: by nobody, for
    /// [`Authorize`](super::Authorize) to decide about, whose rules may [allow anybody](super::Rules::allow_anybody). Without
    /// `Authorize` behind it, everybody may call everything. Peers that have proved who they are count as themselves, as
    /// with [`or_by_connection`](Self::or_by_connection).
    #[must_use]
    pub const fn or_nobody(mut self) -> Self {
        self.or_nobody = true;
        self
    }

    /// Tells somebody whose token was taken and whose was not, and why. It is told on the way of the call, so it must be quick.
    #[must_use]
    pub fn audited(mut self, audit: impl Fn(&Decision<'_>) + Send + Sync + 'static) -> Self {
        self.audit = Audit::new(audit);
        self
    }

    /// The layer around what is inside.
    pub fn around<H: Handler>(&self, inner: H) -> Authenticated<H> {
        Authenticated { rules: self.clone(), inner: Arc::new(inner) }
    }
}

impl fmt::Debug for Authenticate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticate")
            .field("or_by_connection", &self.or_by_connection)
            .field("or_nobody", &self.or_nobody)
            .finish_non_exhaustive()
    }
}

/// See [`Authenticate::around`].
#[derive(Debug)]
pub struct Authenticated<H> {
    rules: Authenticate,
    inner: Arc<H>,
}

impl<H: Handler> Handler for Authenticated<H> {
    fn handle(&self, mut request: Request) -> HandlerFuture {
        let Some(token) = Token::carried_by(request.metadata()) else {
            let is_proved = request.identity().is_some();
            let reason = match (is_proved, self.rules.or_by_connection, self.rules.or_nobody) {
                (true, true, _) | (true, _, true) => Some(Reason::Connection),
                (false, _, true) => Some(Reason::Nobody),
                _ => None,
            };
            if let Some(reason) = reason {
                self.rules.audit.tell(&request, reason);
                return self.inner.handle(request);
            }
            let why = "the call has no token (metadata `authorization`: `Bearer …`)";
            return HandlerFuture::ready(Err(self.rules.refuse(&request, why)));
        };
        // What can be no token reaches no verifier.
        if token.is_empty() || token.len() > limits::TOKEN {
            let why =
                format!("the token has {} bytes, where it may have 1 to {}", token.len(), limits::TOKEN);
            return HandlerFuture::ready(Err(self.rules.refuse(&request, &why)));
        }
        let (token, rules, inner) = (token.to_owned(), self.rules.clone(), Arc::clone(&self.inner));
        HandlerFuture::new(async move {
            match rules.verifier.verify(&token).await {
                Ok(identity) => request.set_identity(identity),
                Err(rejected) => return Err(rules.refuse(&request, &rejected.to_string())),
            }
            rules.audit.tell(&request, Reason::Token);
            inner.handle(request).await
        })
    }
}

impl Authenticate {
    fn refuse(&self, request: &Request, why: &str) -> RpcError {
        self.audit.tell(request, Reason::Unauthenticated(why));
        RpcError::new(Code::UNAUTHENTICATED, Delivery::Refused, why.to_owned())
    }
}
