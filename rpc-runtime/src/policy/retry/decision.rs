//! Owns [`Decider`]: by what happened, whether a call is made once more. Pure: time and dice are arguments. Does not know
//! how a call is made.

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use super::backoff::Waits;
use crate::call::{Code, Deadline, Delivery, PushBack, Response, Retry, RpcError, Throw};
use crate::limits;

/// What happened to an attempt, as far as it decides anything.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failure {
    pub(super) code: Code,
    pub(super) delivery: Delivery,
    /// No handler saw it, and the same bytes may succeed elsewhere.
    pub(super) resend: bool,
    /// It is the service's own error, and says that another attempt may succeed.
    pub(super) retry_on: bool,
    pub(super) push_back: PushBack,
    /// A policy has stopped it, and would stop the next one.
    pub(super) is_held: bool,
    /// The callee runs it once, however often it is sent to this memory of replies.
    pub(super) only_at: Option<NonZeroU64>,
}

/// What follows from it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// The call ends with what happened.
    End(Why),
    /// The call is made again after this wait; with `paid` only if the budget allows it.
    Again { wait: Duration, paid: bool },
}

/// Why a call is not made once more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Why {
    /// It would fail again, or might do its work twice. This is what is usual, so nobody has to be told.
    Final,
    /// The callee does not want it.
    PushedBack,
    /// All attempts have been made.
    Attempts(u32),
    /// There is no time for another one: the wait for it, what it usually takes, and what is left.
    Time { wait: Duration, usual: Duration, left: Duration },
    /// The channel has none left.
    Budget,
    /// Items that the caller sends have been taken, and are gone.
    Items,
}

/// Decides for one call.
///
/// ```text
///            ┌────────────────────────── Again: after the wait ──────────────┐
///            ▼                                                               │
///        Trying ── failed ──▶ final, pushed back, no attempt or time left? ──┤
///            │                                                               │
///            └─ answered ──▶ (over)                            End ◀─────────┘
/// ```
#[derive(Debug)]
pub(super) struct Decider {
    most: u32,
    waits: Waits,
    is_idempotent: bool,
    began: Instant,
    deadline: Option<Deadline>,
    attempts: u32,
    resends: u32,
}

impl Decider {
    /// For a call that begins now.
    pub(super) const fn new(
        retry: Retry,
        is_idempotent: bool,
        began: Instant,
        deadline: Option<Deadline>,
    ) -> Self {
        let (most, waits) = (retry.attempts, Waits::new(retry));
        Self { most, waits, is_idempotent, began, deadline, attempts: 1, resends: 0 }
    }

    /// What is done about a failure, where the method's answers take `usual` lately.
    pub(super) fn decide(
        &mut self,
        failure: &Failure,
        now: Instant,
        usual: Duration,
        throw: Throw,
    ) -> Verdict {
        if failure.push_back == PushBack::Never {
            return Verdict::End(Why::PushedBack);
        }
        if failure.is_held || !failure.may_be_mended(self.is_idempotent || failure.only_at.is_some()) {
            return Verdict::End(Why::Final);
        }
        let overload = failure.code == Code::RESOURCE_EXHAUSTED;
        let resend = failure.resend && failure.delivery.is_harmless() && self.resends < limits::RESENDS;
        if resend {
            self.resends += 1;
        } else if self.attempts >= self.most {
            return Verdict::End(Why::Attempts(self.attempts));
        } else {
            self.attempts += 1;
        }
        let free = resend && !overload;
        let wait = match failure.push_back {
            PushBack::After(time) => time,
            _ if free => Duration::ZERO,
            _ => self.waits.next(now.saturating_duration_since(self.began), throw),
        };
        if let Some(deadline) = self.deadline {
            let left = deadline.remaining(now);
            if wait.saturating_add(usual) >= left {
                return Verdict::End(Why::Time { wait, usual, left });
            }
        }
        Verdict::Again { wait, paid: !free }
    }
}

impl Failure {
    /// What an error says.
    pub(crate) fn of(error: &RpcError) -> Self {
        Self {
            code: error.code(),
            delivery: error.delivery(),
            resend: error.is_resend(),
            retry_on: false,
            push_back: PushBack::of(error.metadata()),
            is_held: error.is_held(),
            only_at: None,
        }
    }

    /// The service's own error, of which the method says that another attempt may mend it.
    pub(super) fn own(response: &Response) -> Self {
        Self {
            code: Code::UNKNOWN,
            delivery: Delivery::Executed,
            resend: false,
            retry_on: true,
            push_back: PushBack::of(response.metadata()),
            is_held: false,
            only_at: None,
        }
    }

    /// Whether another attempt may succeed, and does no harm.
    pub(crate) fn may_be_mended(&self, is_idempotent: bool) -> bool {
        let asked_for = matches!(self.push_back, PushBack::After(_));
        match self.delivery {
            Delivery::NotSent | Delivery::Refused => {
                self.resend || asked_for || [Code::UNAVAILABLE, Code::ABORTED].contains(&self.code)
            }
            Delivery::Unknown => {
                let passing = [Code::UNAVAILABLE, Code::DEADLINE_EXCEEDED, Code::CANCELLED, Code::ABORTED];
                is_idempotent && (asked_for || passing.contains(&self.code))
            }
            Delivery::Executed => self.retry_on,
        }
    }
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Final => f.write_str("another attempt could not help"),
            Self::PushedBack => f.write_str("not tried again: the callee does not want it"),
            Self::Attempts(attempts) => write!(f, "not tried again: {attempts} attempts are all (`retry`)"),
            Self::Time { wait, usual, left } => {
                write!(f, "not tried again: the next attempt would begin in {wait:.1?}")?;
                if !usual.is_zero() {
                    write!(f, " and usually takes {usual:.1?}")?;
                }
                write!(f, ", and {left:.1?} are left")
            }
            Self::Budget => f.write_str("not tried again: the channel's `budget` is spent"),
            Self::Items => f.write_str("not tried again: items that the caller sends are gone"),
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test may ask for any instant to start from")]
mod tests {
    use super::*;

    const THROW: Throw = Throw(1 << 63);
    const DELIVERIES: [Delivery; 4] =
        [Delivery::NotSent, Delivery::Refused, Delivery::Unknown, Delivery::Executed];

    fn decider(is_idempotent: bool, left: Option<Duration>) -> (Decider, Instant) {
        let now = Instant::now();
        let deadline = left.map(|left| Deadline::after(now, left));
        (Decider::new(Retry::new(), is_idempotent, now, deadline), now)
    }

    fn failure(code: Code, delivery: Delivery) -> Failure {
        Failure {
            code,
            delivery,
            resend: false,
            retry_on: false,
            push_back: PushBack::None,
            is_held: false,
            only_at: None,
        }
    }

    fn first(failure: &Failure, is_idempotent: bool) -> Verdict {
        let (mut decider, now) = decider(is_idempotent, None);
        decider.decide(failure, now, Duration::ZERO, THROW)
    }

    /// Paid, after half of the first 50 ms.
    const RETRIED: Verdict = Verdict::Again { wait: Duration::from_millis(25), paid: true };
    const FINAL: Verdict = Verdict::End(Why::Final);

    #[test]
    fn what_is_tried_again_is_decided_by_what_happened() {
        for code in Code::NAMED {
            for delivery in DELIVERIES {
                for is_idempotent in [false, true] {
                    let passing = match delivery {
                        Delivery::NotSent | Delivery::Refused => {
                            [Code::UNAVAILABLE, Code::ABORTED].contains(code)
                        }
                        Delivery::Unknown => {
                            is_idempotent
                                && [
                                    Code::CANCELLED,
                                    Code::DEADLINE_EXCEEDED,
                                    Code::ABORTED,
                                    Code::UNAVAILABLE,
                                ]
                                .contains(code)
                        }
                        Delivery::Executed => false,
                    };
                    let expected = if passing { RETRIED } else { FINAL };
                    let met = first(&failure(*code, delivery), is_idempotent);
                    assert_eq!(met, expected, "{code} {delivery} {is_idempotent}");
                }
            }
        }
    }

    #[test]
    fn the_applications_error_says_whether_it_is_worth_it_and_is_counted() {
        let worth_it = Failure { retry_on: true, ..failure(Code::UNKNOWN, Delivery::Executed) };
        for is_idempotent in [false, true] {
            let (mut decider, now) = decider(is_idempotent, None);
            let verdicts = [(); 3].map(|()| decider.decide(&worth_it, now, Duration::ZERO, THROW));
            let second = Verdict::Again { wait: Duration::from_millis(50), paid: true };
            assert_eq!(verdicts, [RETRIED, second, Verdict::End(Why::Attempts(3))]);
        }
    }

    #[test]
    fn a_resend_is_free_and_at_once_a_few_times_and_an_attempt_afterwards() {
        let (mut decider, now) = decider(false, None);
        let draining = Failure { resend: true, ..failure(Code::UNAVAILABLE, Delivery::Refused) };
        let verdicts = [(); 6].map(|()| decider.decide(&draining, now, Duration::ZERO, THROW));
        let free = Verdict::Again { wait: Duration::ZERO, paid: false };
        let second = Verdict::Again { wait: Duration::from_millis(50), paid: true };
        assert_eq!(verdicts, [free, free, free, RETRIED, second, Verdict::End(Why::Attempts(3))]);
    }

    #[test]
    fn a_resend_of_what_may_have_run_is_none() {
        let lying = Failure { resend: true, ..failure(Code::UNAVAILABLE, Delivery::Unknown) };
        assert_eq!((first(&lying, false), first(&lying, true)), (FINAL, RETRIED));
    }

    #[test]
    fn an_overloaded_callee_is_asked_again_only_after_a_wait_and_through_the_budget() {
        let (mut decider, now) = decider(false, None);
        let overload = Failure { resend: true, ..failure(Code::RESOURCE_EXHAUSTED, Delivery::Refused) };
        for _ in 0..limits::RESENDS {
            let verdict = decider.decide(&overload, now, Duration::ZERO, THROW);
            assert!(matches!(verdict, Verdict::Again { wait, paid: true } if !wait.is_zero()), "{verdict:?}");
        }
        assert_eq!(decider.attempts, 1, "not counted as an attempt");
        let too_large = failure(Code::RESOURCE_EXHAUSTED, Delivery::Refused);
        assert_eq!(decider.decide(&too_large, now, Duration::ZERO, THROW), FINAL);
    }

    #[test]
    fn what_the_callee_says_wins() {
        let (mut decider, now) = decider(false, Some(Duration::from_secs(10)));
        let full = failure(Code::RESOURCE_EXHAUSTED, Delivery::Refused);
        let later = Failure { push_back: PushBack::After(Duration::from_secs(7)), ..full };
        let expected = Verdict::Again { wait: Duration::from_secs(7), paid: true };
        assert_eq!(decider.decide(&later, now, Duration::ZERO, THROW), expected);
        let never = Failure { push_back: PushBack::Never, resend: true, ..full };
        assert_eq!(decider.decide(&never, now, Duration::ZERO, THROW), Verdict::End(Why::PushedBack));
        let executed = Failure { push_back: later.push_back, ..failure(Code::INTERNAL, Delivery::Executed) };
        assert_eq!(decider.decide(&executed, now, Duration::ZERO, THROW), FINAL);
    }

    #[test]
    fn what_cannot_end_in_time_is_not_begun() {
        let lost = failure(Code::UNAVAILABLE, Delivery::Refused);
        let (wait, ms) = (Duration::from_millis(25), Duration::from_millis);
        for (left, usual, expected) in [
            (ms(26), Duration::ZERO, RETRIED),
            (ms(25), Duration::ZERO, Verdict::End(Why::Time { wait, usual: Duration::ZERO, left: ms(25) })),
            (ms(46), ms(20), RETRIED),
            (ms(45), ms(20), Verdict::End(Why::Time { wait, usual: ms(20), left: ms(45) })),
        ] {
            let (mut decider, now) = decider(true, Some(left));
            assert_eq!(decider.decide(&lost, now, usual, THROW), expected);
        }
        let why = Why::Time { wait, usual: ms(20), left: ms(45) };
        let text = "not tried again: the next attempt would begin in 25.0ms and usually takes 20.0ms, and 45.0ms are left";
        assert_eq!(why.to_string(), text);
    }
}
