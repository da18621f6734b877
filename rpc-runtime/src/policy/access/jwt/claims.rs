//! Owns what the claims of a signed token must say, and when. Pure: time is an argument. Looks at no signature.
//!
//! The crate `jsonwebtoken` can check claims too, but takes no number for one where some other crate of the program has turned on
//! serde_json's `arbitrary_precision`: then no token would be taken.

use std::time::Duration;

use serde_json::Value;

/// Whom tokens must be of and for.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    pub(super) issuer: String,
    pub(super) audience: String,
    pub(super) leeway: Duration,
}

impl Expected {
    /// The `sub` of claims that hold `now`, in seconds since 1970; or why they do not, in words that quote nothing.
    pub(super) fn check<'a>(&self, claims: &'a Value, now: u64) -> Result<&'a str, &'static str> {
        let (now, leeway) = (now as f64, self.leeway.as_secs_f64());
        match claims.get("exp").map(Value::as_f64) {
            None => return Err("the token has no `exp`"),
            Some(None) => return Err("the token's `exp` is no number"),
            // On that second it is over (RFC 7519, section 4.1.4).
            Some(Some(exp)) if now >= exp + leeway => return Err("the token has expired (`exp`)"),
            Some(Some(_)) => {}
        }
        match claims.get("nbf").map(Value::as_f64) {
            Some(None) => return Err("the token's `nbf` is no number"),
            Some(Some(nbf)) if now + leeway < nbf => {
                return Err("the token is not valid yet (`nbf`): is a clock wrong?");
            }
            None | Some(Some(_)) => {}
        }
        if claims.get("iss").and_then(Value::as_str) != Some(&*self.issuer) {
            return Err("the token is of another issuer (`iss`)");
        }
        let is_for_us = match claims.get("aud") {
            Some(Value::String(audience)) => *audience == self.audience,
            Some(Value::Array(audiences)) => {
                audiences.iter().any(|audience| audience.as_str() == Some(&*self.audience))
            }
            _ => false,
        };
        if !is_for_us {
            return Err("the token is for somebody else (`aud`)");
        }
        let subject = claims.get("sub").and_then(Value::as_str).filter(|subject| !subject.is_empty());
        subject.ok_or("the token's `sub` is no text")
    }
}

/// The texts of a list, or those between the blanks of a text; none of anything else.
pub(super) fn texts(claim: Option<&Value>) -> Vec<String> {
    match claim {
        Some(Value::Array(texts)) => texts.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Some(Value::String(texts)) => texts.split_ascii_whitespace().map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}
