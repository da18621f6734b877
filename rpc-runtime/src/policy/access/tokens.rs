//! Owns [`TokenVerifier`] and [`StaticTokens`]: whose token it is. Does not know where it came from.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use crate::call::{Identity, Token};

/// Says whose a token is: a table, a signature, or somebody who is asked.
#[async_trait]
pub trait TokenVerifier: Send + Sync + 'static {
    /// Who has this token. It is the caller's word: 1 to 8,192 bytes of any text.
    async fn verify(&self, token: &str) -> Result<Identity, TokenRejected>;
}

#[async_trait]
impl<V: TokenVerifier + ?Sized> TokenVerifier for Arc<V> {
    async fn verify(&self, token: &str) -> Result<Identity, TokenRejected> {
        (**self).verify(token).await
    }
}

/// Why a token is not taken, in words for its owner. They must not show the token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TokenRejected(String);

impl TokenRejected {
    /// The reason: `"the token has expired"`.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

impl fmt::Display for TokenRejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TokenRejected {}

/// Tokens that are known from the start, each with its owner.
///
/// A token is compared with every one of them, each comparison to the length of the longest, so that the time it takes tells
/// nothing of their bytes nor of the length of any but that one. Ten of 32 bytes take less than a microsecond; for thousands
/// use a verifier that looks up a digest.
#[derive(Clone, Default)]
pub struct StaticTokens {
    owners: Vec<(Token, Identity)>,
}

impl StaticTokens {
    /// No tokens: nobody is taken.
    pub fn new() -> Self {
        Self::default()
    }

    /// These, and this one. Of equal tokens the last one counts.
    #[must_use]
    pub fn with(mut self, token: &Token, owner: Identity) -> Self {
        self.owners.push((token.clone(), owner));
        self
    }
}

#[async_trait]
impl TokenVerifier for StaticTokens {
    async fn verify(&self, token: &str) -> Result<Identity, TokenRejected> {
        let longest = self.owners.iter().map(|(known, _)| known.reveal().len()).max().unwrap_or(0);
        let (mut given, mut compared) = (vec![0; longest], vec![0; longest]);
        fill(&mut given, token);
        let (mut found, mut owner) = (Choice::from(0), 0);
        for (at, (known, _)) in (0_u64..).zip(&self.owners) {
            fill(&mut compared, known.reveal());
            let same = compared.ct_eq(&given) & known.reveal().len().ct_eq(&token.len());
            owner.conditional_assign(&at, same);
            found |= same;
        }
        let owner = usize::try_from(owner).ok().filter(|_| found.into());
        let owner = owner.and_then(|at| self.owners.get(at));
        owner.map(|(_, owner)| owner.clone()).ok_or_else(|| TokenRejected::new("the token is not known here"))
    }
}

/// As much of the text as has room, and zeros.
fn fill(buffer: &mut [u8], text: &str) {
    let length = text.len().min(buffer.len());
    buffer[..length].copy_from_slice(&text.as_bytes()[..length]);
    buffer[length..].fill(0);
}

impl fmt::Debug for StaticTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.owners.iter().map(|(_, owner)| owner)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_whole_token_is_its_owner_s() {
        let token = |text: &str| Token::new(text).unwrap();
        let tokens = StaticTokens::new()
            .with(&token("secret-of-ada"), Identity::new(["user:ada"]))
            .with(&token("secret-of-bob"), Identity::new(["user:bob"]))
            .with(&token("long-secret-of-eve"), Identity::new(["user:eve"]))
            .with(&token("s"), Identity::new(["user:s"]));
        assert!(tokens.verify("secret-of-ada").await.unwrap().is("user:ada"));
        assert!(tokens.verify("long-secret-of-eve").await.unwrap().is("user:eve"));
        assert!(tokens.verify("s").await.unwrap().is("user:s"));
        assert!(tokens.verify("secret-of-bob").await.unwrap().is("user:bob"));
        for wrong in [
            "",
            "secret-of-ad",
            "secret-of-adaa",
            "secret-of-adb",
            "SECRET-OF-ADA",
            "secret-of-ada\n",
            // As long as the padding of a shorter one, and as the beginning of a longer one.
            "secret-of-ada\0\0\0\0\0",
            "s\0",
            "\0",
            "long-secret-of-eve-and-more",
        ] {
            assert!(tokens.verify(wrong).await.is_err(), "{wrong}");
        }
        assert!(StaticTokens::new().verify("").await.is_err());
        assert!(!format!("{tokens:?}").contains("secret"));
    }
}
