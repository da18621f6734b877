//! Owns the patterns of rules: [`Methods`] and [`Callers`], how they are written and what they mean. Pure: names in, yes or no
//! out.

use std::fmt;

use crate::call::Identity;

/// One method, those of a service, or all: `Service.method`, `Service.*`, `*`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Methods(String);

/// Whom a rule is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Callers {
    Anybody,
    Some(Vec<Who>),
}

/// A name, URIs that begin alike, a role, or all who have proved who they are: `clerk.internal`, `spiffe://shop/*`,
/// `role:clerk`, `*`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::policy) struct Who(String);

impl Methods {
    pub(super) fn parse(pattern: &str) -> Result<Self, RuleError> {
        let is_one = |part: &str| !part.is_empty() && !part.contains('*');
        let is_pattern = match pattern.rsplit_once('.') {
            // Names of services may have dots, those of methods have none.
            Some((service, method)) => is_one(service) && (is_one(method) || method == "*"),
            None => pattern == "*",
        };
        if is_pattern {
            return Ok(Self(pattern.to_owned()));
        }
        Err(RuleError { pattern: pattern.to_owned(), advice: "`Service.method`, `Service.*` or `*`" })
    }

    pub(super) fn has(&self, method: &str) -> bool {
        match self.0.strip_suffix('*') {
            None => self.0 == method,
            Some("") => true,
            Some(service) => method.rfind('.').is_some_and(|dot| method[..=dot] == *service),
        }
    }

    /// Whether it is about one method alone.
    pub(super) fn is_one(&self) -> bool {
        !self.0.ends_with('*')
    }

    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

impl Who {
    pub(in crate::policy) fn parse(pattern: String) -> Result<Self, RuleError> {
        let is_pattern = match (pattern.strip_prefix(ROLE), pattern.strip_suffix('*')) {
            (Some(role), _) => is_role(role),
            (None, Some("")) => true,
            (None, Some(beginning)) => beginning.contains(':') && beginning.ends_with(['/', ':']),
            (None, None) => !pattern.is_empty(),
        };
        if is_pattern {
            return Ok(Self(pattern));
        }
        let advice = "a name, the beginning of URIs up to a `/` or `:` and `*` (`spiffe://shop/*`), a role (`role:admin`), or `*`";
        Err(RuleError { pattern, advice })
    }

    /// One that a role may be given to.
    pub(super) fn parse_member(pattern: String) -> Result<Self, RuleError> {
        if pattern.starts_with(ROLE) {
            let advice = "a name, or the beginning of URIs: roles are given to callers, not to other roles";
            return Err(RuleError { pattern, advice });
        }
        Self::parse(pattern)
    }

    /// Whether it is this caller, of whom `has_role` tells the roles.
    pub(in crate::policy) fn is(&self, caller: &Identity, has_role: impl FnOnce(&str) -> bool) -> bool {
        match (self.0.strip_prefix(ROLE), self.0.strip_suffix('*')) {
            (Some(role), _) => has_role(role),
            (None, Some("")) => true,
            (None, Some(beginning)) => caller.uris().any(|uri| uri.starts_with(beginning)),
            (None, None) => caller.is(&self.0),
        }
    }

    /// Whether it is `*`, which in a denial is everybody.
    pub(super) fn is_all(&self) -> bool {
        self.0 == "*"
    }

    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

/// What stands before a role where a caller may stand. A URI that begins so is no caller's name in a rule: what a caller is
/// called never gives it a role.
const ROLE: &str = "role:";

/// A role as rules name it.
pub(super) fn role(name: &str) -> Result<String, RuleError> {
    if is_role(name) {
        return Ok(name.to_owned());
    }
    let advice = "a word without blanks and `*`: `admin`";
    Err(RuleError { pattern: name.to_owned(), advice })
}

fn is_role(name: &str) -> bool {
    !name.is_empty() && !name.contains(|letter: char| letter.is_whitespace() || letter == '*')
}

/// A pattern that is none.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RuleError {
    pattern: String,
    advice: &'static str,
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no pattern: one is {}", self.pattern.escape_debug(), self.advice)
    }
}

impl std::error::Error for RuleError {}
