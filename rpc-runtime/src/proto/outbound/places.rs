//! Owns whether a call of this side can be taken, and whether one that waits can be sent. Moves nothing.

use super::Outbound;
use crate::call::{Code, Delivery, RpcError};
use crate::limits;
use crate::proto::Config;
use crate::proto::event::OutgoingCall;
use crate::proto::refusals::{check_head, expired, retired, too_large};
use crate::proto::tools::Tools;

impl Outbound {
    /// Whether the call is not counted out.
    pub(in crate::proto) fn is_open(&mut self, id: u32) -> bool {
        self.open.get_mut(id).is_some()
    }

    /// Whether a further call can be sent.
    pub(super) fn has_place(&self, tools: &Tools<'_>) -> bool {
        self.peer.as_ref().is_some_and(|peer| self.open.len() < peer.in_flight as usize)
            && tools.output.backlog() < tools.config.output
    }

    /// Whether a further call need not stand in the queue.
    pub(super) fn goes_at_once(&self, streaming: bool, tools: &Tools<'_>) -> bool {
        self.queue.len() == 0
            && self.next_id <= limits::LAST_ID
            && self.has_place(tools)
            && (!streaming || self.has_stream_place(tools.config))
    }

    /// Whether a call can be taken.
    pub(super) fn check(&self, call: &OutgoingCall, tools: &Tools<'_>) -> Result<(), RpcError> {
        if self.retired {
            return Err(retired());
        }
        if call.deadline.is_some_and(|deadline| deadline.has_passed(tools.now)) {
            return Err(expired(Delivery::NotSent, "its time was over before it could be sent"));
        }
        check_head(call)?;
        let size = call.arguments.len();
        let largest =
            self.peer.as_ref().map_or(u64::MAX, |peer| peer.message).min(tools.config.message as u64);
        if size as u64 > largest {
            return Err(too_large(size, largest));
        }
        let streaming = call.stream.is_some();
        let no_place = streaming && !self.has_stream_place(tools.config);
        let waits = no_place || self.queue.has(streaming) || !self.has_place(tools);
        let full = waits && self.queued() >= tools.config.queue;
        if full || self.held + size > tools.config.queue_bytes {
            return Err(self.queue_full(tools.config));
        }
        Ok(())
    }

    /// Whether a further call with a stream can be sent, as far as streams go.
    pub(super) fn has_stream_place(&self, config: &Config) -> bool {
        self.peer.as_ref().is_some_and(|peer| self.streaming < peer.streams.min(config.streams))
    }

    fn queue_full(&self, config: &Config) -> RpcError {
        let text = format!(
            "the connection's queue is full: {} calls wait and {} bytes are held, at most {} and {} may (`queue`, `queue_bytes`)",
            self.queued(),
            self.held,
            config.queue,
            config.queue_bytes
        );
        RpcError::new(Code::RESOURCE_EXHAUSTED, Delivery::NotSent, text)
    }
}
