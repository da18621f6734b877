//! Owns [`Code`]: why a call failed, as a number that crosses the wire. Does not say what became of the call:
//! that is [`Delivery`](super::Delivery).

use std::fmt;

/// Why a call failed, with the numbers of gRPC.
///
/// A code that this version does not know is kept as it came and prints as `code_123`.
///
/// ```
/// use traitwire::Code;
/// assert_eq!(Code::DEADLINE_EXCEEDED.to_string(), "deadline_exceeded");
/// assert_eq!(Code::from_u16(4), Code::DEADLINE_EXCEEDED);
/// assert_eq!(Code::from_u16(777).to_string(), "code_777");
/// ```
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Code(u16);

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal;)*) => {
        impl Code {
            $($(#[$doc])* pub const $name: Self = Self($number);)*

            /// Every code that has a name, in the order of their numbers.
            pub const NAMED: &'static [Self] = &[$(Self::$name),*];

            /// The code's name in snake case, or `None` if this version has no name for it.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some($text),)*
                    _ => None,
                }
            }
        }
    };
}

codes! {
    /// The caller gave the call up, or the callee's handler was stopped because it did.
    CANCELLED = 1, "cancelled";
    /// The failure has no other code.
    UNKNOWN = 2, "unknown";
    /// An argument does not decode, is too deep or has too many elements.
    INVALID_ARGUMENT = 3, "invalid_argument";
    /// The call's time was over before its answer was here.
    DEADLINE_EXCEEDED = 4, "deadline_exceeded";
    /// What the call asked for does not exist.
    NOT_FOUND = 5, "not_found";
    /// What the call wanted to create exists.
    ALREADY_EXISTS = 6, "already_exists";
    /// The caller is known and may not do this.
    PERMISSION_DENIED = 7, "permission_denied";
    /// A size limit, a full queue or an overloaded callee.
    RESOURCE_EXHAUSTED = 8, "resource_exhausted";
    /// The system is not in the state that the call needs.
    FAILED_PRECONDITION = 9, "failed_precondition";
    /// The call was given up because of a conflict, such as a lost transaction.
    ABORTED = 10, "aborted";
    /// The call went past a valid range.
    OUT_OF_RANGE = 11, "out_of_range";
    /// The callee does not have this method, or the peer does not speak this protocol.
    UNIMPLEMENTED = 12, "unimplemented";
    /// A bug: a panic in a handler, or a reply that cannot be encoded or decoded.
    INTERNAL = 13, "internal";
    /// There is no connection, it was lost, or the callee is shutting down.
    UNAVAILABLE = 14, "unavailable";
    /// Data was lost or damaged for good.
    DATA_LOSS = 15, "data_loss";
    /// The callee does not know who calls.
    UNAUTHENTICATED = 16, "unauthenticated";
}

impl Code {
    /// The code with this number. Zero means success on the wire of gRPC and cannot be an error's code: it is
    /// read as [`UNKNOWN`](Self::UNKNOWN).
    pub const fn from_u16(number: u16) -> Self {
        if number == 0 { Self::UNKNOWN } else { Self(number) }
    }

    /// Whether the callee is in trouble, and not the call at fault: another callee, or an answer from elsewhere, may do.
    pub(crate) const fn is_trouble(self) -> bool {
        matches!(
            self,
            Self::UNAVAILABLE
                | Self::DEADLINE_EXCEEDED
                | Self::RESOURCE_EXHAUSTED
                | Self::INTERNAL
                | Self::UNKNOWN
                | Self::DATA_LOSS
        )
    }

    /// The code's number on the wire.
    pub const fn as_u16(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.pad(name),
            None => f.pad(&format!("code_{}", self.0)),
        }
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grpcs_and_survive_the_wire() {
        let numbers: Vec<u16> = Code::NAMED.iter().map(|code| code.as_u16()).collect();
        assert_eq!(numbers, (1..=16).collect::<Vec<_>>());
        for number in [1, 4, 16, 17, 999, u16::MAX] {
            assert_eq!(Code::from_u16(number).as_u16(), number);
        }
    }

    #[test]
    fn zero_is_never_an_errors_code() {
        assert_eq!(Code::from_u16(0), Code::UNKNOWN);
    }
}
