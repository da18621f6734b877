//! Owns [`Verdict`]: what a call's end says about the endpoint. Does not count.

use crate::call::{CallResult, Code, Delivery};

/// What a call's end says about the endpoint that it was made to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "there is no fourth case, and classifiers should name all three")]
pub enum Verdict {
    /// It works: it answered.
    Passed,
    /// It does not.
    Failed,
    /// Nothing: the call counts neither way.
    Ignored,
}

impl Verdict {
    /// The default classification.
    ///
    /// | the call ended with | verdict | because |
    /// |---|---|---|
    /// | a value, a stream, the service's own error | `Passed` | the endpoint works, and the answer is what it says |
    /// | `unavailable` | `Failed` | no connection, or it was lost |
    /// | … refused | `Ignored` | it is draining: it works, and is going |
    /// | `deadline_exceeded` | `Failed` | it did not answer in time |
    /// | … refused | `Ignored` | the time was over before it came there |
    /// | `internal`, `unknown`, `data_loss` | `Failed` | a panic, or an answer that cannot be read |
    /// | … not sent | `Ignored` | the mistake is on this side |
    /// | `resource_exhausted` | `Ignored` | it works and says that it has enough; opening would send the load to others |
    /// | `cancelled` | `Ignored` | nobody waited for the end |
    /// | any other code | `Passed` | the endpoint has answered: the fault is the call's |
    /// | … not sent, or unknown | `Ignored` | the endpoint was not asked, as far as is known |
    pub fn of(result: &CallResult) -> Self {
        let Err(error) = result else { return Self::Passed };
        match (error.code(), error.delivery()) {
            (Code::UNAVAILABLE | Code::DEADLINE_EXCEEDED, Delivery::Refused) => Self::Ignored,
            (Code::UNAVAILABLE | Code::DEADLINE_EXCEEDED, _) => Self::Failed,
            (Code::INTERNAL | Code::UNKNOWN | Code::DATA_LOSS, Delivery::NotSent) => Self::Ignored,
            (Code::INTERNAL | Code::UNKNOWN | Code::DATA_LOSS, _) => Self::Failed,
            (Code::RESOURCE_EXHAUSTED | Code::CANCELLED, _) => Self::Ignored,
            (_, Delivery::Refused | Delivery::Executed) => Self::Passed,
            (_, Delivery::NotSent | Delivery::Unknown) => Self::Ignored,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::{Payload, Response, RpcError};

    #[test]
    fn each_end_of_a_call_has_its_verdict() {
        use Delivery::{Executed, NotSent, Refused, Unknown};
        use Verdict::{Failed, Ignored, Passed};
        assert_eq!(Verdict::of(&Ok(Response::value(Payload::default()))), Passed);
        assert_eq!(Verdict::of(&Ok(Response::app_error(Payload::default()))), Passed);
        for (code, by_delivery) in [
            (Code::UNAVAILABLE, [Failed, Ignored, Failed, Failed]),
            (Code::DEADLINE_EXCEEDED, [Failed, Ignored, Failed, Failed]),
            (Code::INTERNAL, [Ignored, Failed, Failed, Failed]),
            (Code::UNKNOWN, [Ignored, Failed, Failed, Failed]),
            (Code::DATA_LOSS, [Ignored, Failed, Failed, Failed]),
            (Code::RESOURCE_EXHAUSTED, [Ignored; 4]),
            (Code::CANCELLED, [Ignored; 4]),
            (Code::INVALID_ARGUMENT, [Ignored, Passed, Ignored, Passed]),
            (Code::UNIMPLEMENTED, [Ignored, Passed, Ignored, Passed]),
            (Code::UNAUTHENTICATED, [Ignored, Passed, Ignored, Passed]),
            (Code::from_u16(777), [Ignored, Passed, Ignored, Passed]),
        ] {
            for (delivery, expected) in [NotSent, Refused, Unknown, Executed].into_iter().zip(by_delivery) {
                let error = RpcError::new(code, delivery, "x");
                assert_eq!(Verdict::of(&Err(error)), expected, "{code} {delivery}");
            }
        }
    }
}
