//! Owns [`Delivery`]: what is known of a failed call's effect. Does not decide what to do about it.

use std::fmt;

/// What is known of a call that failed: may a handler have run?
///
/// It answers the one question that a caller has after a failure: *is it safe to call again?*
///
/// | | a handler was started | calling again |
/// |---|---|---|
/// | `NotSent` | no | cannot do the work twice |
/// | `Refused` | no | cannot do the work twice, but may be refused again |
/// | `Unknown` | perhaps | may do the work twice |
/// | `Executed` | yes, finished or not | does the work again |
///
/// They are ordered by how much may have happened: what is known of several attempts is the greatest.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(clippy::exhaustive_enums, reason = "these four cover every case, and callers should match them all")]
pub enum Delivery {
    /// The call never left: it was never in an output buffer, or the connection died before the call's last
    /// byte was given to the socket.
    NotSent,
    /// The callee says that it started no handler.
    Refused,
    /// The call left, and nothing is known of it since.
    Unknown,
    /// The callee started a handler.
    Executed,
}

impl Delivery {
    /// Whether it is certain that no handler saw the call.
    pub const fn is_harmless(self) -> bool {
        matches!(self, Self::NotSent | Self::Refused)
    }

    /// The name in snake case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotSent => "not_sent",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
            Self::Executed => "executed",
        }
    }
}

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
