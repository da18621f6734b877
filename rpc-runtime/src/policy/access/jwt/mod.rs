//! Signed tokens (JWT, RFC 7519) as a [`TokenVerifier`] (feature `jwt`): `keys` are what signatures are checked with, `claims`
//! what a token must say; here is what it makes of a caller. The signatures and the form are the work of the crate `jsonwebtoken`.

mod claims;
mod keys;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Validation, decode, decode_header, get_current_timestamp};
use parking_lot::RwLock;
use serde_json::Value;

pub use keys::{JwtKeyError, JwtKeys};

use crate::call::Identity;
use crate::limits;
use crate::policy::access::jwt::claims::{Expected, texts};
use crate::policy::access::tokens::{TokenRejected, TokenVerifier};

/// Takes tokens that an issuer has signed for this service: for [`Authenticate::by`](super::Authenticate::by).
///
/// ```
/// use traitwire::policy::access::{Authenticate, Jwt, JwtKeys};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let published = r#"{"keys": []}"#;
/// let jwt = Jwt::new("https://login.shop", "till", JwtKeys::from_jwks(published)?).roles(["realm_access", "roles"]);
/// let authenticate = Authenticate::by(jwt.clone());
/// // When the issuer has published others:
/// jwt.replace_keys(JwtKeys::from_jwks(published)?);
/// # let _ = authenticate;
/// # Ok(()) }
/// ```
///
/// A token must be signed with one of the keys, by the algorithm that this key is for, so never by `none`; its `iss` must be the
/// issuer, its `aud` name the audience, and it must have a `sub` and an `exp` that is not over; if it has an `nbf`, that must have
/// come. Headers that want something understood (`crit`) are refused, and keys that come with a token (`jwk`, `jku`) are not looked at.
///
/// Its caller is called `jwt:` and what `sub` says: never a name that a certificate may have too. Clones share the keys.
#[derive(Clone)]
pub struct Jwt {
    keys: Arc<RwLock<Arc<JwtKeys>>>,
    expected: Expected,
    prefix: String,
    roles: Vec<String>,
}

impl Jwt {
    /// Takes tokens of this issuer that are for this audience, and are signed with one of these keys.
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>, keys: JwtKeys) -> Self {
        // Which cryptography checks signatures is decided once in a process. If the application has not, features of crates
        // that it never heard of could leave it undecided, which is a panic at the first token.
        let _ = DEFAULT_PROVIDER.install_default();
        Self {
            keys: Arc::new(RwLock::new(Arc::new(keys))),
            expected: Expected {
                issuer: issuer.into(),
                audience: audience.into(),
                leeway: limits::JWT_LEEWAY,
            },
            prefix: "jwt:".to_owned(),
            roles: Vec::new(),
        }
    }

    /// By how much the clocks of issuer and server may differ, at most five minutes; 30 s.
    #[must_use]
    pub fn leeway(mut self, time: Duration) -> Self {
        self.expected.leeway = time.min(limits::JWT_LEEWAY_MOST);
        self
    }

    /// What stands before `sub` in the name of a caller: `user:`, say. `jwt:` unless it is said, and where it has no colon,
    /// without which a name would be a DNS name.
    #[must_use]
    pub fn named(mut self, prefix: &str) -> Self {
        if prefix.contains(':') {
            prefix.clone_into(&mut self.prefix);
        }
        self
    }

    /// The claim that has the caller's [roles](Identity::roles), by the keys that lead to it: `["roles"]`, or
    /// `["realm_access", "roles"]` for one within another. It is a list of texts, or a text with blanks between them, as `scope` is.
    /// Unless it is said, tokens give no roles; nor does one without the claim, or with one of another form.
    #[must_use]
    pub fn roles<K: Into<String>>(mut self, claim: impl IntoIterator<Item = K>) -> Self {
        self.roles = claim.into_iter().map(Into::into).collect();
        self
    }

    /// Checks signatures with these keys from now on, in all clones. Let the old one and the new one both be there for as long as
    /// tokens live.
    pub fn replace_keys(&self, keys: JwtKeys) {
        *self.keys.write() = Arc::new(keys);
    }

    fn check(&self, token: &str, now: u64) -> Result<Identity, TokenRejected> {
        let keys = Arc::clone(&self.keys.read());
        let header = decode_header(token).map_err(|_| {
            TokenRejected::new("the token is no JWT that is signed with an algorithm that is known here")
        })?;
        if header.crit.is_some() {
            return Err(TokenRejected::new(
                "the token wants something understood that is not known here (`crit`)",
            ));
        }
        let Some(key) = keys.find(header.kid.as_deref()) else {
            return Err(TokenRejected::new(
                "the key that the token is signed with is not known here (`kid`)",
            ));
        };
        let mut validation = Validation::new(key.algorithm);
        validation.required_spec_claims.clear();
        (validation.validate_exp, validation.validate_aud) = (false, false);
        let claims =
            decode::<Value>(token, &key.key, &validation).map_err(|error| rejected(error.kind()))?.claims;
        let subject = self.expected.check(&claims, now).map_err(TokenRejected::new)?;
        let identity = Identity::new([format!("{}{subject}", self.prefix)]);
        if self.roles.is_empty() {
            return Ok(identity);
        }
        let roles = self.roles.iter().try_fold(&claims, |claims, key| claims.get(key));
        Ok(identity.with_roles(texts(roles)))
    }
}

#[async_trait]
impl TokenVerifier for Jwt {
    async fn verify(&self, token: &str) -> Result<Identity, TokenRejected> {
        self.check(token, get_current_timestamp())
    }
}

fn rejected(why: &ErrorKind) -> TokenRejected {
    TokenRejected::new(match why {
        ErrorKind::InvalidSignature => "the token's signature is wrong",
        ErrorKind::InvalidAlgorithm => "the token's algorithm is not that of its key (`alg`)",
        // What is wrong may be quoted from the token.
        _ => "the token is no well-formed JWT",
    })
}

impl fmt::Debug for Jwt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwt")
            .field("expected", &self.expected)
            .field("roles", &self.roles)
            .field("keys", &self.keys.read())
            .finish_non_exhaustive()
    }
}
