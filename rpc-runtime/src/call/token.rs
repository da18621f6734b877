//! Owns [`Token`]: a secret that says who calls, how it travels, and where calls get one from. Does not judge it.

use std::fmt;
use std::sync::Arc;

use crate::call::{AUTHORIZATION, Entry, Metadata, Value};
use crate::limits;

/// A bearer token: whoever has it is taken for whom it was given to.
///
/// It travels in the metadata `authorization` as `Bearer <token>`, and only over links that nobody can read along on. `Debug`
/// does not show it.
///
/// ```
/// use traitwire::{CallOptions, Channel, Token};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let token = Token::new("k3WTpUQ0")?;
/// let channel = Channel::builder().token(token.clone()).lazy("unix:///run/app.sock")?; // for all of its calls
/// let options = CallOptions::new().token(&token);                                     // or for some
/// assert_eq!(format!("{token:?}"), "Token(secret)");
/// # let _ = (channel, options);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Token(Arc<str>);

impl Token {
    /// A token that is made of visible ASCII characters, 1 to 8,192 of them.
    ///
    /// # Errors
    ///
    /// When it is not.
    pub fn new(token: impl AsRef<str>) -> Result<Self, TokenError> {
        let token = token.as_ref();
        if token.is_empty() || token.len() > limits::TOKEN {
            return Err(TokenError::Length(token.len()));
        }
        match token.bytes().position(|byte| !byte.is_ascii_graphic()) {
            Some(at) => Err(TokenError::Character(at)),
            None => Ok(Self(token.into())),
        }
    }

    /// The secret itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The token that these metadata carry: a text behind `Bearer `, of any length.
    pub(crate) fn carried_by(metadata: &Metadata) -> Option<&str> {
        let (scheme, token) = metadata.text(AUTHORIZATION)?.split_at_checked(BEARER.len())?;
        scheme.eq_ignore_ascii_case(BEARER).then_some(token)
    }

    /// Makes the metadata carry it.
    pub(crate) fn attach(&self, metadata: &mut Metadata) {
        let value = Value::Text(format!("{BEARER}{}", self.0));
        let key = AUTHORIZATION.into();
        metadata.put(Entry { key, value, propagates: false, sensitive: true, confined: true });
    }
}

const BEARER: &str = "Bearer ";

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(secret)")
    }
}

/// What is no token. It does not show what was given.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum TokenError {
    /// It is empty or too long: its bytes.
    Length(usize),
    /// A character is not a visible one of ASCII: which.
    Character(usize),
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(bytes) => {
                write!(f, "a token has 1 to {} characters, this one has {bytes}", limits::TOKEN)
            }
            Self::Character(at) => {
                write!(f, "a token is made of visible ASCII characters, and that at {at} is none")
            }
        }
    }
}

impl std::error::Error for TokenError {}

/// Where the calls of a channel get their tokens from. A [`Token`] is one that always gives itself; one that is renewed
/// gives what is fresh. It is asked on the way of a call, so it must not wait.
///
/// All of a channel's tokens are for the same caller, because what stands around a channel, a cache say, does not see them.
/// Calls on behalf of several have theirs from [`CallOptions::token`](crate::CallOptions::token).
pub trait TokenSource: Send + Sync + 'static {
    /// The token for a call of this method, `"Service.method"`; `None` for a call without one.
    fn token(&self, method: &str) -> Option<Token>;
}

impl TokenSource for Token {
    fn token(&self, _: &str) -> Option<Token> {
        Some(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_visible_characters_make_a_token_and_no_error_shows_it() {
        for bad in ["", "two words", "tab\t", "line\n", "ü", &"x".repeat(limits::TOKEN + 1)] {
            let error = Token::new(bad).unwrap_err();
            assert!(bad.is_empty() || !error.to_string().contains(bad));
        }
        assert_eq!(Token::new("a.B-c_~+/=").unwrap().reveal(), "a.B-c_~+/=");
    }

    #[test]
    fn it_is_found_behind_its_scheme_alone() {
        let mut metadata = Metadata::new();
        assert_eq!(Token::carried_by(&metadata), None);
        Token::new("k3y").unwrap().attach(&mut metadata);
        assert_eq!(Token::carried_by(&metadata), Some("k3y"));
        assert!(metadata.iter().all(|entry| entry.is_credential() && entry.is_sensitive()));
        for (text, expected) in
            [("bearer k", Some("k")), ("Basic k3y", None), ("Bearer", None), ("Bearer ", Some(""))]
        {
            metadata.set(AUTHORIZATION, text).unwrap();
            assert_eq!(Token::carried_by(&metadata), expected, "{text}");
        }
    }
}
