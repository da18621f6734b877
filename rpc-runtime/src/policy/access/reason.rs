//! Owns [`Reason`] and [`Decision`]: what was decided about a call and why, for an audit. Decides nothing, and shows no
//! secret.

use std::fmt;
use std::sync::Arc;

use crate::call::{Identity, Request};

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
    /// Why.
    pub reason: Reason<'a>,
}

/// Why a call was let through or not. It prints as a sentence, and names no token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Reason<'a> {
    /// [`Authenticate`](super::Authenticate) has taken its token.
    Token,
    /// It has no token, and its peer has proved on its connection who it is.
    Connection,
    /// Nobody has proved who calls, and [that may be](super::Authenticate::or_nobody): rules decide.
    Nobody,
    /// Nobody has proved who calls: what is wrong with its token.
    Unauthenticated(&'a str),
    /// A rule allows it: its methods and its caller, as the rule writes them.
    Allowed {
        /// `Till.*`
        methods: &'a str,
        /// `role:clerk`
        caller: &'a str,
    },
    /// A rule denies it.
    Denied {
        /// `Till.*`
        methods: &'a str,
        /// `role:clerk`
        caller: &'a str,
    },
    /// The caller has this role, and the method's trait names it.
    Role(&'a str),
    /// The caller has none of these roles, one of which the method's trait wants.
    NoRole(&'a [&'a str]),
    /// No rule allows it.
    NoRule,
}

impl Reason<'_> {
    /// Whether it is one to let a call through.
    pub const fn allows(&self) -> bool {
        match self {
            Self::Token | Self::Connection | Self::Nobody | Self::Allowed { .. } | Self::Role(_) => true,
            Self::Unauthenticated(_) | Self::Denied { .. } | Self::NoRole(_) | Self::NoRule => false,
        }
    }
}

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token => f.write_str("its token is taken"),
            Self::Connection => f.write_str("its connection proves who calls"),
            Self::Nobody => f.write_str("it has no token, and needs none here"),
            Self::Unauthenticated(why) => f.write_str(why),
            Self::Allowed { methods, caller } => write!(f, "the rule `{methods}` for `{caller}` allows it"),
            Self::Denied { methods, caller } => write!(f, "the rule `{methods}` for `{caller}` denies it"),
            Self::Role(role) => write!(f, "the caller has the role `{role}`"),
            Self::NoRole(roles) => write!(f, "the caller has none of the roles `{}`", roles.join("`, `")),
            Self::NoRule => f.write_str("no rule allows it"),
        }
    }
}

/// Who is told of decisions.
#[derive(Clone, Default)]
pub(super) struct Audit(Option<Arc<Told>>);

type Told = dyn Fn(&Decision<'_>) + Send + Sync;

impl Audit {
    pub(super) fn new(told: impl Fn(&Decision<'_>) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(told)))
    }

    pub(super) fn tell(&self, request: &Request, reason: Reason<'_>) {
        let Some(told) = &self.0 else { return };
        let (method, caller) = (request.method(), request.identity());
        let address = request.peer().map_or("", |peer| peer.address());
        told(&Decision { method, caller, address, allowed: reason.allows(), reason });
    }
}
