//! Owns [`JwtKeys`]: the keys that signatures of tokens are checked with, each for one algorithm. Does not look at claims.

use std::fmt;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};

/// The keys that tokens may be signed with.
///
/// A key is for one algorithm. A token that names another is refused whatever it is signed with: one that says `HS256` and is
/// signed with the bytes of a public RSA key, which everybody has, is none of that key's.
#[derive(Clone, Default)]
pub struct JwtKeys {
    keys: Vec<Key>,
}

/// One of them.
#[derive(Clone)]
pub(super) struct Key {
    id: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
}

impl JwtKeys {
    /// No key: no token is taken.
    pub const fn new() -> Self {
        Self { keys: Vec::new() }
    }

    /// These, and a secret that both sides have, for `HS256`. Whoever can check such a token can make one.
    ///
    /// # Errors
    ///
    /// When the secret has fewer than 32 bytes (RFC 7518, section 3.2), or there is a key of this id.
    pub fn secret(self, id: &str, secret: impl AsRef<[u8]>) -> Result<Self, JwtKeyError> {
        let secret = secret.as_ref();
        if secret.len() < SECRET {
            return Err(JwtKeyError(format!(
                "a secret of {} bytes can be guessed: take {SECRET} or more",
                secret.len()
            )));
        }
        let (id, key) = (Some(id.to_owned()), DecodingKey::from_secret(secret));
        self.with(Key { id, algorithm: Algorithm::HS256, key })
    }

    /// The public keys of a JSON Web Key Set (RFC 7517), as issuers publish them: RSA of 2,048 bits or more (`RS256` unless the
    /// key's `alg` says otherwise), P-256 and P-384 (`ES256`, `ES384`), Ed25519 (`EdDSA`). Keys of other kinds and for encryption
    /// are left out.
    ///
    /// # Errors
    ///
    /// When the text is no such set, a key is broken or weak or is a secret, or two have one id.
    pub fn from_jwks(json: &str) -> Result<Self, JwtKeyError> {
        let set: JwkSet = serde_json::from_str(json)
            .map_err(|error| JwtKeyError(format!("this is no JSON Web Key Set: {error}")))?;
        let mut keys = Self::new();
        for jwk in &set.keys {
            if matches!(jwk.common.public_key_use, Some(PublicKeyUse::Encryption)) {
                continue;
            }
            let Some(algorithm) = algorithm(jwk)? else { continue };
            let key = DecodingKey::from_jwk(jwk).map_err(|error| broken(jwk, &error))?;
            keys = keys.with(Key { id: jwk.common.key_id.clone(), algorithm, key })?;
        }
        Ok(keys)
    }

    /// These and others: the old ones and the new while one takes the other's place.
    ///
    /// # Errors
    ///
    /// When two have one id.
    pub fn and(self, others: Self) -> Result<Self, JwtKeyError> {
        others.keys.into_iter().try_fold(self, Self::with)
    }

    /// The key that a token names; one that names none is checked with the only one that there is.
    pub(super) fn find(&self, id: Option<&str>) -> Option<&Key> {
        match (id, &self.keys[..]) {
            (Some(id), keys) => keys.iter().find(|key| key.id.as_deref() == Some(id)),
            (None, [only]) => Some(only),
            (None, _) => None,
        }
    }

    fn with(mut self, key: Key) -> Result<Self, JwtKeyError> {
        if self.keys.iter().any(|have| have.id == key.id) {
            let id = key.id.unwrap_or_default();
            return Err(JwtKeyError(format!("there are two keys of the id `{}`", id.escape_debug())));
        }
        self.keys.push(key);
        Ok(self)
    }
}

/// The bytes that a secret has at least, for a digest of as many.
const SECRET: usize = 32;
/// The characters of base64 that an RSA key of 2,048 bits has at least.
const MODULUS: usize = 342;

/// What a key is for; `None` for kinds that are left out.
fn algorithm(jwk: &Jwk) -> Result<Option<Algorithm>, JwtKeyError> {
    let implied = match &jwk.algorithm {
        AlgorithmParameters::RSA(key) if key.n.len() < MODULUS => {
            return Err(broken(jwk, &"an RSA key needs 2,048 bits"));
        }
        AlgorithmParameters::RSA(_) => {
            return Ok(match jwk.common.key_algorithm {
                None | Some(KeyAlgorithm::RS256) => Some(Algorithm::RS256),
                Some(KeyAlgorithm::RS384) => Some(Algorithm::RS384),
                Some(KeyAlgorithm::RS512) => Some(Algorithm::RS512),
                Some(KeyAlgorithm::PS256) => Some(Algorithm::PS256),
                Some(KeyAlgorithm::PS384) => Some(Algorithm::PS384),
                Some(KeyAlgorithm::PS512) => Some(Algorithm::PS512),
                Some(_) => None,
            });
        }
        AlgorithmParameters::EllipticCurve(key) => match key.curve {
            EllipticCurve::P256 => Algorithm::ES256,
            EllipticCurve::P384 => Algorithm::ES384,
            _ => return Ok(None),
        },
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
        AlgorithmParameters::OctetKey(_) => {
            return Err(broken(
                jwk,
                &"it is a secret, and key sets are read by everybody: use `JwtKeys::secret`",
            ));
        }
        _ => return Ok(None),
    };
    let is_other = jwk.common.key_algorithm.is_some_and(|said| said != KeyAlgorithm::from(implied));
    Ok((!is_other).then_some(implied))
}

fn broken(jwk: &Jwk, why: &dyn fmt::Display) -> JwtKeyError {
    let id = jwk.common.key_id.as_deref().unwrap_or("without an id");
    JwtKeyError(format!("the key `{}`: {why}", id.escape_debug()))
}

impl fmt::Debug for JwtKeys {
    /// The ids and algorithms, never a key: it may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.keys.iter().map(|key| (key.id.as_deref().unwrap_or_default(), key.algorithm));
        f.debug_map().entries(shown).finish()
    }
}

/// A key that is not taken, in words that show none.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct JwtKeyError(String);

impl fmt::Display for JwtKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for JwtKeyError {}
