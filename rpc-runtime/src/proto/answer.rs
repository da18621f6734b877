//! Owns how an answer of the callee is read: its head, its first frame, and an ERROR that is all there is. Does not know
//! which call it ends.

use crate::call::{Code, Delivery, RpcError};
use crate::proto::ConnectionError;
use crate::proto::assembly::{Assembled, Partial};
use crate::proto::tools::Tools;
use crate::wire::{ErrorHead, Flags, Header, Kind, ReplyHead};

/// What stands before an answer's payload.
#[derive(Debug)]
pub(super) enum AnswerHead {
    Reply(ReplyHead),
    App(ErrorHead),
}

/// What a first frame made of its answer.
pub(super) enum Begun {
    TooLarge(RpcError),
    Assembled(AnswerHead, Assembled),
}

/// Reads an answer's first frame.
pub(super) fn begin_answer(
    header: Header,
    body: &[u8],
    tools: &mut Tools<'_>,
) -> Result<Begun, ConnectionError> {
    let (head, payload) = match header.kind {
        Kind::Reply => {
            let (head, payload) = ReplyHead::read(header.flags, body)?;
            (AnswerHead::Reply(head), payload)
        }
        _ => {
            let (head, payload) = ErrorHead::read(header.flags, body)?;
            (AnswerHead::App(head), payload)
        }
    };
    let (size, limit) = (payload.total, tools.config.largest_payload());
    if size > limit {
        let text = format!(
            "the reply of {size} bytes is larger than this side's message limit of {limit} bytes (`message`)"
        );
        return Ok(Begun::TooLarge(RpcError::new(Code::RESOURCE_EXHAUSTED, Delivery::Executed, text)));
    }
    let more = header.flags.has(Flags::MORE);
    let assembled = Partial::begin(header.id, payload, more, tools.config.eager, tools.budget)?;
    Ok(Begun::Assembled(head, assembled))
}

/// An ERROR without APP: what the callee says of the call.
pub(super) fn read_error(flags: Flags, body: &[u8]) -> Result<RpcError, ConnectionError> {
    let (head, _) = ErrorHead::read(flags, body)?;
    let delivery = if flags.has(Flags::STARTED) { Delivery::Executed } else { Delivery::Refused };
    let error = RpcError::new(head.code, delivery, head.message).with_metadata(head.metadata);
    Ok(if flags.has(Flags::RESEND) { error.with_resend() } else { error })
}
