//! Owns the words with which this side ends a call, each naming the limit that was met and the knob that moves it. Does
//! not decide when.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use crate::call::{Batch, Code, Delivery, Metadata, RpcError};
use crate::limits;
use crate::proto::Config;
use crate::proto::event::{OutgoingCall, Refusal, Stop};
use crate::wire::{Hello, Unfit, metadata_size};

// ----- calls of this side -----

/// Refuses what would not fit a first frame.
pub(super) fn check_head(call: &OutgoingCall) -> Result<(), RpcError> {
    let (size, entries) = (metadata_size(&call.metadata), call.metadata.len());
    if call.method.len() > limits::METHOD_NAME {
        let text = format!(
            "a method name of {} bytes, at most {} are allowed",
            call.method.len(),
            limits::METHOD_NAME
        );
        return Err(RpcError::new(Code::UNIMPLEMENTED, Delivery::NotSent, text));
    }
    if size > limits::METADATA || entries > limits::METADATA_ENTRIES {
        let text = format!(
            "metadata of {entries} entries and {size} bytes, at most {} and {} are allowed",
            limits::METADATA_ENTRIES,
            limits::METADATA
        );
        return Err(RpcError::new(Code::RESOURCE_EXHAUSTED, Delivery::NotSent, text));
    }
    Ok(())
}

pub(super) fn expired(delivery: Delivery, text: impl Into<Cow<'static, str>>) -> RpcError {
    RpcError::new(Code::DEADLINE_EXCEEDED, delivery, text)
}

/// What the time of a call went into: since when it was asked for, when it was sent, and what it waits for now.
pub(super) fn spent(now: Instant, asked: Instant, sent: Option<Instant>, what: &str) -> String {
    let queued = sent.unwrap_or(now).duration_since(asked);
    let before = match sent {
        Some(_) if queued >= Duration::from_millis(1) => format!("{queued:.1?} in the queue, "),
        _ => String::new(),
    };
    let waits = now.duration_since(sent.unwrap_or(asked));
    format!("its time ran out: {before}{waits:.1?} {what}")
}

pub(super) fn retired() -> RpcError {
    let text = "the connection takes no further calls: it is draining, or its ids are used up";
    RpcError::new(Code::UNAVAILABLE, Delivery::NotSent, text).with_resend()
}

pub(super) fn too_large(size: usize, limit: u64) -> RpcError {
    let text = format!(
        "arguments of {size} bytes are larger than the message limit of {limit} bytes (`message`, the smaller of both sides')"
    );
    RpcError::new(Code::RESOURCE_EXHAUSTED, Delivery::NotSent, text)
}

/// A call that may have run at another callee, which alone would not run it again.
pub(super) fn elsewhere() -> RpcError {
    let text = "an earlier attempt may have run at another instance, and this one does not know of it";
    RpcError::new(Code::UNAVAILABLE, Delivery::NotSent, text).with_hold()
}

/// What is said of an item that its receiver does not take.
pub(super) fn item_too_large(whose: &str, size: usize, limit: usize) -> String {
    format!("an item of {size} bytes is larger than the {whose}'s message limit of {limit} bytes (`message`)")
}

/// Refuses to send a first item that the peer would not take, or that is larger than this side sends; says how large the
/// others may be.
pub(super) fn check_first(
    items: &Batch,
    delivery: Delivery,
    peer: Option<&Hello>,
    config: &Config,
) -> Result<usize, RpcError> {
    let theirs = peer.map_or(usize::MAX, |peer| usize::try_from(peer.message).unwrap_or(usize::MAX));
    let limit = theirs.min(config.message);
    let size = items.first().map_or(0, <[u8]>::len);
    if size <= limit {
        return Ok(limit);
    }
    let whose = if limit == config.message { "sender" } else { "receiver" };
    Err(RpcError::new(Code::RESOURCE_EXHAUSTED, delivery, item_too_large(whose, size, limit)))
}

// ----- calls of the peer -----

/// Refuses an answer that the caller would not take, or that is larger than this side sends.
pub(super) fn check_answer(
    metadata: &Metadata,
    size: usize,
    peer: &Hello,
    config: &Config,
) -> Result<(), RpcError> {
    let limit = peer.message.min(config.message as u64);
    let text = if size as u64 > limit {
        let whose = if limit == peer.message { "caller" } else { "callee" };
        format!(
            "a reply of {size} bytes is larger than the {whose}'s message limit of {limit} bytes (`message`)"
        )
    } else if metadata_size(metadata) > limits::METADATA || metadata.len() > limits::METADATA_ENTRIES {
        let limit = limits::METADATA;
        format!("reply metadata of {} bytes, at most {limit} are allowed", metadata_size(metadata))
    } else {
        return Ok(());
    };
    Err(RpcError::new(Code::RESOURCE_EXHAUSTED, Delivery::Executed, text))
}

pub(super) fn stopped_handler(why: Stop) -> RpcError {
    match why {
        Stop::Expired => RpcError::new(
            Code::DEADLINE_EXCEEDED,
            Delivery::Executed,
            "its time ran out while the handler ran",
        ),
        Stop::Idle => {
            let text =
                "nothing moved on its streams for its `idle_timeout`, or they took its `total_timeout`";
            RpcError::new(Code::DEADLINE_EXCEEDED, Delivery::Executed, text)
        }
        Stop::ItemTooLarge { size, limit } => {
            RpcError::new(Code::RESOURCE_EXHAUSTED, Delivery::Executed, item_too_large("callee", size, limit))
        }
        Stop::Cancelled | Stop::Lost => {
            RpcError::new(Code::CANCELLED, Delivery::Executed, "cancelled while the handler ran")
        }
    }
}

pub(super) fn expired_before_start() -> RpcError {
    let text = "its time was over before its handler could be started";
    RpcError::new(Code::DEADLINE_EXCEEDED, Delivery::Refused, text)
}

/// A call that this side could not end in the time that it has.
pub(super) fn too_short(asked: Duration, least: Duration) -> (Refusal, RpcError) {
    let text =
        format!("{asked:.1?} are left of its time, and calls need {least:.1?} here (`deadline_least`)");
    (Refusal::Expired, RpcError::new(Code::DEADLINE_EXCEEDED, Delivery::Refused, text))
}

pub(super) fn name_too_long(got: usize) -> (Refusal, RpcError) {
    let limit = limits::METHOD_NAME;
    let text = format!("a method name of {got} bytes, at most {limit} are allowed");
    (Refusal::TooLarge, RpcError::new(Code::UNIMPLEMENTED, Delivery::Refused, text))
}

pub(super) fn refuse_size(size: usize, limit: usize) -> (Refusal, RpcError) {
    let text = format!(
        "arguments of {size} bytes are larger than the callee's message limit of {limit} bytes (`message`)"
    );
    (Refusal::TooLarge, RpcError::new(Code::RESOURCE_EXHAUSTED, Delivery::Refused, text))
}

pub(super) fn refuse_item(size: usize, limit: usize) -> (Refusal, RpcError) {
    let text = item_too_large("callee", size, limit);
    (Refusal::TooLarge, RpcError::new(Code::RESOURCE_EXHAUSTED, Delivery::Refused, text))
}

pub(super) fn refuse_metadata(unfit: Unfit) -> (Refusal, RpcError) {
    match unfit {
        Unfit::TooLarge => metadata_too_large(),
        Unfit::Key => {
            let text = "a metadata key is not made of 1 to 128 of `a-z 0-9 - _ .`, or comes twice";
            (Refusal::BadMetadata, RpcError::new(Code::INVALID_ARGUMENT, Delivery::Refused, text))
        }
    }
}

pub(super) fn metadata_too_large() -> (Refusal, RpcError) {
    let text =
        format!("metadata larger than {} bytes or {} entries", limits::METADATA, limits::METADATA_ENTRIES);
    (Refusal::TooLarge, RpcError::new(Code::RESOURCE_EXHAUSTED, Delivery::Refused, text))
}
