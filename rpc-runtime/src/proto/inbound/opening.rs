//! Owns how a call of the peer is opened: what its first frame may say, and what that refuses. Does not start it.

use std::time::Duration;

use super::{Call, Inbound, Start, State};
use crate::call::{Deadline, RpcError};
use crate::limits;
use crate::proto::assembly::{Assembled, Partial};
use crate::proto::event::{MethodName, Refusal};
use crate::proto::refusals::{metadata_too_large, name_too_long, refuse_metadata, refuse_size, too_short};
use crate::proto::stream::Streams;
use crate::proto::tools::Tools;
use crate::proto::{ConnectionError, Misbehaviour};
use crate::wire::{self, CallStart, Flags, Method, WireError};

impl Inbound {
    /// Opens a call by its first frame.
    pub(super) fn open_call(
        &mut self,
        id: u32,
        flags: Flags,
        body: &[u8],
        tools: &mut Tools<'_>,
    ) -> Result<(), ConnectionError> {
        let limit = tools.config.in_flight;
        if self.open.len() >= limit as usize {
            return Err(Misbehaviour::TooManyCalls { limit }.into());
        }
        let (more, streaming) = (flags.has(Flags::MORE), flags.has(Flags::SENDS) || flags.has(Flags::TAKES));
        if streaming && self.streaming >= tools.config.streams {
            return Err(Misbehaviour::TooManyStreams { limit: tools.config.streams }.into());
        }
        let read = match CallStart::read(flags, body) {
            // The head of a call goes on beyond its first frame: only metadata may be that long.
            Err(WireError::Truncated { field: wire::METADATA_FIELD }) if more => {
                return self.open_refused(id, None, metadata_too_large());
            }
            read => read?,
        };
        let total = read.stream.and_then(|times| times.total);
        let asked = read.remaining.map(Duration::from_micros);
        let within = |time: Option<Duration>| time.map(|time| Deadline::after(tools.now, time));
        let total = within(total.map(Duration::from_micros));
        let deadline = Deadline::earlier(within(tools.config.grant(asked)), total);
        let method = match read.method {
            // No method has such a name, and keeping it would cost memory that nobody counts.
            Method::Text(name) if name.len() > limits::METHOD_NAME => {
                return self.open_refused(id, deadline, name_too_long(name.len()));
            }
            Method::Text(name) => MethodName { name: name.into(), number: None },
            Method::Bound(number) => {
                MethodName { name: self.names.get(number)?.clone(), number: Some(number) }
            }
        };
        if let (Some(asked), Some(least)) = (asked, tools.config.deadline_least)
            && asked < least
        {
            return self.open_refused(id, deadline, too_short(asked, least));
        }
        let metadata = match read.metadata {
            Ok(metadata) => metadata,
            Err(unfit) => return self.open_refused(id, deadline, refuse_metadata(unfit)),
        };
        let (size, largest) = (read.payload.total, tools.config.largest_payload());
        if size > largest {
            return self.open_refused(id, deadline, refuse_size(size, largest));
        }
        let start = Start { method, metadata };
        let assembled = Partial::begin(id, read.payload, more, tools.config.eager, tools.budget)?;
        let state = match assembled {
            Assembled::Partly(partial) => {
                self.earliest.note(deadline);
                State::Assembling { start, partial: Box::new(partial) }
            }
            Assembled::Whole(arguments) => {
                self.line.push_back(id);
                State::Waiting { start, arguments }
            }
        };
        let streams = read.stream.map(|times| Box::new(Streams::accepted(id, flags, times, tools)));
        self.streaming += u32::from(streaming);
        self.open.insert(id, Call { state, deadline, streams });
        Ok(())
    }

    fn open_refused(
        &mut self,
        id: u32,
        deadline: Option<Deadline>,
        refused: (Refusal, RpcError),
    ) -> Result<(), ConnectionError> {
        let (reason, error) = refused;
        self.line.push_back(id);
        self.open.insert(id, Call { state: State::Refused { reason, error }, deadline, streams: None });
        Ok(())
    }
}
