//! Owns how an answer of the callee is read: its head, its first frame, and an ERROR that is all there is. Does not know
//! which call it ends.

use crate::call::{Code, Delivery, Metadata, RpcError};
use crate::proto::ConnectionError;
use crate::proto::assembly::{Assembled, Partial};
use crate::proto::event::Body;
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
    if payload.total > tools.config.largest_payload() {
        return Ok(Begun::TooLarge(too_large(payload.total, tools.config.largest_payload())));
    }
    let more = header.flags.has(Flags::MORE);
    let assembled = Partial::begin(header.id, payload, more, tools.config.eager, tools.budget)?;
    Ok(Begun::Assembled(head, assembled))
}

/// Reads a REPLY that is all there: its metadata and its value; `None` if that is larger than this side takes.
#[inline]
pub(super) fn whole_reply(
    header: Header,
    body: &[u8],
    tools: &Tools<'_>,
) -> Result<Option<(Metadata, Body)>, ConnectionError> {
    let (head, payload) = ReplyHead::read(header.flags, body)?;
    if payload.total > tools.config.largest_payload() {
        return Ok(None);
    }
    let body = Partial::whole(header.id, payload.part, tools.config.eager)?;
    Ok(Some((head.metadata, body)))
}

#[cold]
fn too_large(size: usize, limit: usize) -> RpcError {
    let text = format!(
        "the reply of {size} bytes is larger than this side's message limit of {limit} bytes (`message`)"
    );
    RpcError::new(Code::RESOURCE_EXHAUSTED, Delivery::Executed, text)
}

/// An ERROR without APP: what the callee says of the call.
pub(super) fn read_error(flags: Flags, body: &[u8]) -> Result<RpcError, ConnectionError> {
    let (head, _) = ErrorHead::read(flags, body)?;
    let delivery = if flags.has(Flags::STARTED) { Delivery::Executed } else { Delivery::Refused };
    let error = RpcError::new(head.code, delivery, head.message).with_metadata(head.metadata);
    Ok(if flags.has(Flags::RESEND) { error.with_resend() } else { error })
}
