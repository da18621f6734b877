//! Owns [`Authenticate`]: the layer that has a call's token looked at. Does not decide whose it is, nor who may do what.

use std::fmt;
use std::sync::Arc;

use crate::call::{Code, Delivery, Handler, HandlerFuture, Request, RpcError, Token};
use crate::limits;
use crate::policy::access::TokenVerifier;

/// Finds out by a token who calls: a layer of the serving side, to be asked before [`Authorize`](super::Authorize).
///
/// A call without a token is refused as `unauthenticated`, unless callers
/// [may prove themselves by their connection](Self::or_by_connection); one whose token is not taken is refused always.
#[derive(Clone)]
pub struct Authenticate {
    verifier: Arc<dyn TokenVerifier>,
    or_by_connection: bool,
}

impl Authenticate {
    /// By tokens that this verifier takes.
    pub fn by(verifier: impl TokenVerifier) -> Self {
        Self { verifier: Arc::new(verifier), or_by_connection: false }
    }

    /// Lets calls through that have no token, if their peer has proved who it is on its connection, by its certificate or as a
    /// user of this machine.
    #[must_use]
    pub const fn or_by_connection(mut self) -> Self {
        self.or_by_connection = true;
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
            if self.rules.or_by_connection && request.identity().is_some() {
                return self.inner.handle(request);
            }
            return refused("the call has no token (metadata `authorization`: `Bearer …`)".to_owned());
        };
        if token.len() > limits::TOKEN {
            return refused(format!("the token has {} bytes, of {} at most", token.len(), limits::TOKEN));
        }
        let (token, verifier, inner) =
            (token.to_owned(), Arc::clone(&self.rules.verifier), Arc::clone(&self.inner));
        HandlerFuture::new(async move {
            match verifier.verify(&token).await {
                Ok(identity) => request.set_identity(identity),
                Err(rejected) => return Err(unauthenticated(rejected.to_string())),
            }
            inner.handle(request).await
        })
    }
}

fn refused(why: String) -> HandlerFuture {
    HandlerFuture::ready(Err(unauthenticated(why)))
}

fn unauthenticated(why: String) -> RpcError {
    RpcError::new(Code::UNAUTHENTICATED, Delivery::Refused, why)
}
