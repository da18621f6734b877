//! Owns how the streams of the peer's calls move: items that arrive for a handler, and those that it sends. Does not own
//! credit (`proto/stream`).

use super::{Inbound, State};
use crate::call::{Batch, Code, Delivery, Metadata, RpcError};
use crate::limits;
use crate::proto::event::{Answer, CallRef, Event, Stop, Taken};
use crate::proto::id::CallId;
use crate::proto::refusals::check_first;
#[cfg(any(test, fuzzing))]
use crate::proto::stream::Receiving;
use crate::proto::stream::{Arrived, Run, Sending, Streams};
use crate::proto::tools::Tools;
use crate::proto::{ConnectionError, Misbehaviour};
use crate::wire::{Flags, Header, Hello, Kind, metadata_size, read_item, read_mark, write_mark};

impl Inbound {
    // ----- frames -----

    /// Whether a part of an item of the caller is here, and the rest to come.
    pub(in crate::proto) fn is_assembling_item(&mut self, id: u32) -> bool {
        let streams = self.open.get_mut(id).and_then(|call| call.streams.as_ref());
        streams.is_some_and(|streams| streams.is_part_way())
    }

    /// Items of the caller that have come together.
    pub(in crate::proto) fn handle_items(
        &mut self,
        header: Header,
        input: &[u8],
        tools: &mut Tools<'_>,
    ) -> Option<Run> {
        let Header { id, kind, .. } = header;
        let streams = self.receiving(id, kind).ok()??;
        let items = streams.input.as_mut()?;
        let run = items.handle_run(header, input, tools.config.largest_item())?;
        tools.grant(id, items);
        if run.first {
            tools.events.push_back(Event::Readable(CallRef::Peer(CallId(id))));
        }
        self.moved(id, tools);
        Some(run)
    }

    /// An ITEM of the caller.
    pub(in crate::proto) fn handle_item(
        &mut self,
        header: Header,
        body: &[u8],
        tools: &mut Tools<'_>,
    ) -> Result<(), ConnectionError> {
        let Header { id, flags, kind } = header;
        self.check_known(id)?;
        let out_of_state = Err(Misbehaviour::OutOfState { id, kind }.into());
        if flags.has(Flags::OPEN) {
            return out_of_state;
        }
        let Some(streams) = self.receiving(id, kind)? else { return Ok(()) };
        let Some(input) = &mut streams.input else { return Ok(()) };
        if input.has_ended() {
            return out_of_state;
        }
        let (more, largest) = (flags.has(Flags::MORE), tools.config.largest_item());
        let arrived = match input.is_part_way() {
            true => input.handle_next(body, more)?,
            false => input.handle_first(read_item(flags, body)?, more, largest)?,
        };
        tools.grant(id, input);
        match arrived {
            Arrived::TooLarge(size) => self.stop(id, Stop::ItemTooLarge { size, limit: largest }, tools),
            Arrived::Item { first: true } => {
                tools.events.push_back(Event::Readable(CallRef::Peer(CallId(id))));
            }
            Arrived::Item { first: false } | Arrived::Part => {}
        }
        self.moved(id, tools);
        Ok(())
    }

    /// The END of the caller's items.
    pub(in crate::proto) fn handle_end(
        &mut self,
        header: Header,
        body: &[u8],
        tools: &mut Tools<'_>,
    ) -> Result<(), ConnectionError> {
        let Header { id, kind, .. } = header;
        self.check_known(id)?;
        read_mark(body)?;
        let Some(streams) = self.receiving(id, kind)? else { return Ok(()) };
        let Some(input) = &mut streams.input else { return Ok(()) };
        if input.has_ended() {
            return Err(Misbehaviour::OutOfState { id, kind }.into());
        }
        if input.handle_end()? {
            tools.events.push_back(Event::Readable(CallRef::Peer(CallId(id))));
        }
        self.moved(id, tools);
        Ok(())
    }

    /// A CREDIT for items that the handler sends; says whether there is a stream that it can be for.
    pub(in crate::proto) fn handle_credit(
        &mut self,
        id: u32,
        amount: u64,
        tools: &mut Tools<'_>,
    ) -> Result<bool, ConnectionError> {
        self.check_known(id)?;
        let Some(call) = self.open.get_mut(id) else { return Ok(false) };
        let Some(streams) = call.streams.as_mut().filter(|streams| streams.opened) else { return Ok(false) };
        // The last frame may be on its way, or all of it framed: what is granted then is of no use.
        if let Some(output) = &mut streams.output {
            output.credit(amount, &mut tools.output.bulk)?;
            if output.has_room() {
                tools.events.push_back(Event::Writable(CallRef::Peer(CallId(id))));
            }
        }
        self.moved(id, tools);
        Ok(true)
    }

    // ----- commands -----

    /// The handler has returned its stream.
    pub(in crate::proto) fn open_stream(
        &mut self,
        id: CallId,
        metadata: &Metadata,
        peer: &Hello,
        tools: &mut Tools<'_>,
    ) {
        let id = id.0;
        let Some(call) = self.open.get_mut(id).filter(|call| matches!(call.state, State::Running)) else {
            return;
        };
        let Some(streams) = call.streams.as_mut().filter(|streams| streams.takes && !streams.opened) else {
            return;
        };
        streams.opened = true;
        streams.output = Some(Sending::new(id, peer.credit));
        let nothing = Metadata::new();
        let fits = metadata_size(metadata) <= limits::METADATA && metadata.len() <= limits::METADATA_ENTRIES;
        let metadata = if fits { metadata } else { &nothing };
        let header = Header { kind: Kind::Item, flags: Flags::OPEN, id };
        tools.output.frame(|out| write_mark(out, header, metadata));
        self.moved(id, tools);
    }

    /// The handler sends items; what stays in `items` comes again when there is room.
    pub(in crate::proto) fn push_items(
        &mut self,
        id: CallId,
        items: &mut Batch,
        peer: &Hello,
        tools: &mut Tools<'_>,
    ) -> Result<(), RpcError> {
        let output = self.open.get_mut(id.0).and_then(|call| call.streams.as_mut()?.output.as_mut());
        let Some(output) = output else {
            *items = Batch::new();
            return Ok(());
        };
        output.heard();
        let largest = check_first(items, Delivery::Executed, Some(peer), tools.config)?;
        let before = items.size();
        output.push(items, largest, &mut tools.output.bulk);
        if items.size() < before {
            self.moved(id.0, tools);
        }
        Ok(())
    }

    /// The handler takes items; it is done with earlier ones of this cost.
    pub(in crate::proto) fn take_items(&mut self, id: CallId, done: u64, tools: &mut Tools<'_>) -> Taken {
        // A call that is over or is to be stopped has no end to see: truncation is none.
        let streams = self.open.get_mut(id.0).and_then(|call| call.streams.as_mut());
        let Some(streams) = streams else { return Taken::Gone };
        let Some(input) = &mut streams.input else { return Taken::Gone };
        input.taken(done, tools.spare);
        let taken = match input.take() {
            Some(batch) => Taken::Items(batch),
            None if input.has_ended() => Taken::End,
            None => Taken::Nothing,
        };
        if let Some(amount) = streams.grant(done, tools.spare, tools.now) {
            tools.output.credit(id.0, amount);
        }
        if done > 0 || matches!(taken, Taken::Items(_)) {
            self.moved(id.0, tools);
        }
        taken
    }

    /// The handler is done with items of this cost, and does not ask for others yet.
    pub(in crate::proto) fn took_items(&mut self, id: CallId, done: u64, tools: &mut Tools<'_>) {
        let streams = self.open.get_mut(id.0).and_then(|call| call.streams.as_mut());
        let Some(streams) = streams else { return };
        if let Some(amount) = streams.took(done, tools.spare, tools.now) {
            tools.output.credit(id.0, amount);
        }
        self.moved(id.0, tools);
    }

    /// A loan of spare credit for an item of the caller.
    pub(in crate::proto) fn lend(&mut self, id: u32, amount: u64, tools: &mut Tools<'_>) {
        if let Some(input) = self.open.get_mut(id).and_then(|call| call.streams.as_mut()?.input.as_mut()) {
            input.lend(amount);
            tools.grant(id, input);
        }
    }

    // ----- what happened -----

    /// A load of items is framed.
    pub(in crate::proto) fn handle_items_framed(&mut self, id: u32, peer: &Hello, tools: &mut Tools<'_>) {
        let Some(call) = self.open.get_mut(id) else { return };
        let Some(output) = call.streams.as_mut().and_then(|streams| streams.output.as_mut()) else { return };
        output.framed();
        if output.has_room() {
            tools.events.push_back(Event::Writable(CallRef::Peer(CallId(id))));
        }
        match std::mem::replace(&mut call.state, State::Running) {
            // ## Finishing => (Answering | ended)
            State::Finishing { answer } => self.answer(CallId(id), answer, peer, tools),
            other => call.state = other,
        }
    }

    // ----- for answers -----

    /// An answer that may be written now; one that has to follow items waits for them.
    pub(super) fn after_items(&mut self, id: u32, answer: Answer, tools: &mut Tools<'_>) -> Option<Answer> {
        let Some(call) = self.open.get_mut(id) else {
            tools.output.discard(answer.into());
            return None;
        };
        if !matches!(call.state, State::Running) {
            return Some(answer);
        }
        let Some(streams) = &mut call.streams else { return Some(answer) };
        let Some(output) = streams.output.as_mut().filter(|output| !output.is_free()) else {
            return Some(answer);
        };
        output.finish();
        call.state = State::Finishing { answer };
        if let Some(input) = streams.input.take() {
            // Nobody reads any more.
            input.close(tools.spare);
        }
        None
    }

    /// Ends an open stream in order.
    pub(super) fn end_stream(&mut self, id: u32, metadata: Metadata, peer: &Hello, tools: &mut Tools<'_>) {
        // A stream that ended before it was opened was empty.
        self.open_stream(CallId(id), &Metadata::new(), peer, tools);
        let opened = self.open.get_mut(id).and_then(|call| call.streams.as_ref()).is_some_and(|s| s.opened);
        if !opened {
            let text = "a stream was answered to a call that takes none";
            return self.end_with(id, &RpcError::new(Code::INTERNAL, Delivery::Executed, text), tools);
        }
        let fits = metadata_size(&metadata) <= limits::METADATA && metadata.len() <= limits::METADATA_ENTRIES;
        let metadata = if fits { metadata } else { Metadata::new() };
        let header = Header { kind: Kind::End, flags: Flags::NONE, id };
        self.forget(id, tools);
        tools.output.frame(|out| write_mark(out, header, &metadata));
    }

    /// The detail of an error that ends an open stream needs no grant, so it is no larger than what needs none: a CREDIT
    /// after the stream was opened is for items.
    pub(super) fn check_detail(&mut self, id: u32, size: usize, peer: &Hello) -> Result<(), RpcError> {
        let opened = self.open.get_mut(id).and_then(|call| call.streams.as_ref()).is_some_and(|s| s.opened);
        if !opened || size as u64 <= peer.eager {
            return Ok(());
        }
        let text = format!(
            "an error of {size} bytes that ends a stream is larger than the caller's limit for it of {} bytes (`eager`)",
            peer.eager
        );
        Err(RpcError::new(Code::RESOURCE_EXHAUSTED, Delivery::Executed, text))
    }

    // ----- inside -----

    /// The streams of a call for which items may arrive; `None` if they are of no interest.
    fn receiving(&mut self, id: u32, kind: Kind) -> Result<Option<&mut Streams>, Misbehaviour> {
        let Some(call) = self.open.get_mut(id) else { return Ok(None) };
        match &call.state {
            State::Refused { .. } => Ok(None),
            State::Assembling { .. } => Err(Misbehaviour::OutOfState { id, kind }),
            _ => match call.streams.as_deref_mut().filter(|streams| streams.sends) {
                Some(streams) => Ok(Some(streams)),
                None => Err(Misbehaviour::OutOfState { id, kind }),
            },
        }
    }

    /// Something has moved on a call's streams: its idle time begins anew.
    pub(in crate::proto) fn moved(&mut self, id: u32, tools: &Tools<'_>) {
        let Some(call) = self.open.get_mut(id) else { return };
        let Some(streams) = &mut call.streams else { return };
        if matches!(call.state, State::Running | State::Finishing { .. })
            && let Some(deadline) = streams.moves(tools.now)
        {
            call.deadline = deadline;
            self.earliest.note(deadline);
        }
    }

    /// Whether the caller takes items.
    pub(super) fn takes(&mut self, id: u32) -> bool {
        self.open.get_mut(id).and_then(|call| call.streams.as_ref()).is_some_and(|streams| streams.takes)
    }

    pub(super) fn has_moved(&mut self, id: u32) -> bool {
        self.open.get_mut(id).and_then(|call| call.streams.as_ref()).is_some_and(|streams| streams.moved)
    }

    #[cfg(any(test, fuzzing))]
    pub(in crate::proto) fn streams(&mut self) -> Vec<(u32, &Streams)> {
        self.open.iter_mut().filter_map(|(id, call)| Some((id, call.streams.as_deref()?))).collect()
    }

    /// What the windows of all streams hold of the spare credit.
    #[cfg(any(test, fuzzing))]
    pub(in crate::proto) fn spare_held(&mut self) -> u64 {
        let inputs = self.open.iter_mut().filter_map(|(_, call)| call.streams.as_ref()?.input.as_ref());
        inputs.map(Receiving::spare_held).sum()
    }
}
