//! Owns how the streams of this side's calls move: items that the caller sends, and those that come back. Does not own
//! credit (`proto/stream`).

use super::{Call, Outbound, State};
use crate::call::{Batch, Code, Delivery, Metadata, RpcError};
use crate::proto::event::{CallRef, Event, Received, Taken};
use crate::proto::id::CallKey;
use crate::proto::refusals::{check_first, item_too_large};
#[cfg(any(test, fuzzing))]
use crate::proto::stream::Receiving;
use crate::proto::stream::{Arrived, Run, Streams};
use crate::proto::tools::Tools;
use crate::proto::{ConnectionError, Misbehaviour};
use crate::wire::{Flags, Header, Kind, read_item, read_mark, write_mark};

impl Outbound {
    // ----- frames -----

    /// Whether a part of an item of the callee is here, and the rest to come.
    pub(in crate::proto) fn is_assembling_item(&mut self, id: u32) -> bool {
        let Some(&mut key) = self.open.get_mut(id) else { return false };
        let streams = self.calls.get_mut(key).and_then(|call| call.streams.as_ref());
        streams.is_some_and(|streams| streams.is_part_way())
    }

    /// Items of the callee that have come together.
    pub(in crate::proto) fn handle_items(
        &mut self,
        header: Header,
        input: &[u8],
        tools: &mut Tools<'_>,
    ) -> Option<Run> {
        let Header { id, kind, .. } = header;
        let (key, streams) = self.receiving(id, kind).ok()??;
        let items = streams.input.as_mut().filter(|_| streams.opened)?;
        let run = items.handle_run(header, input, tools.config.largest_item())?;
        tools.grant(id, items);
        self.moved(key, tools);
        if run.first {
            tools.events.push_back(Event::Readable(CallRef::Own(CallKey(key))));
        }
        Some(run)
    }

    /// An ITEM of the callee, or its announcement.
    pub(in crate::proto) fn handle_item(
        &mut self,
        header: Header,
        body: &[u8],
        tools: &mut Tools<'_>,
    ) -> Result<(), ConnectionError> {
        let Header { id, flags, kind } = header;
        let Some((key, streams)) = self.receiving(id, kind)? else { return Ok(()) };
        let opens = flags.has(Flags::OPEN);
        if opens == streams.opened {
            return Err(Misbehaviour::OutOfState { id, kind }.into());
        }
        if opens {
            let metadata = read_mark(body)?;
            streams.opened = true;
            tools.events.push_back(Event::Opened { key: CallKey(key), metadata });
            self.moved(key, tools);
            return Ok(());
        }
        let Some(input) = &mut streams.input else { return Ok(()) };
        let (more, largest) = (flags.has(Flags::MORE), tools.config.largest_item());
        let arrived = match input.is_part_way() {
            true => input.handle_next(body, more)?,
            false => input.handle_first(read_item(flags, body)?, more, largest)?,
        };
        tools.grant(id, input);
        self.moved(key, tools);
        match arrived {
            Arrived::TooLarge(size) => {
                let text = item_too_large("caller", size, largest);
                self.fail(key, RpcError::new(Code::RESOURCE_EXHAUSTED, Delivery::Executed, text), tools);
            }
            Arrived::Item { first: true } => {
                tools.events.push_back(Event::Readable(CallRef::Own(CallKey(key))));
            }
            Arrived::Item { first: false } | Arrived::Part => {}
        }
        Ok(())
    }

    /// The END of the callee's items, which ends the call.
    pub(in crate::proto) fn handle_end(
        &mut self,
        header: Header,
        body: &[u8],
        tools: &mut Tools<'_>,
    ) -> Result<(), ConnectionError> {
        let Header { id, kind, .. } = header;
        let Some(&mut key) = self.open.get_mut(id) else { return self.check_known(id) };
        if matches!(self.calls.get(key), Some(Call { state: State::Abandoned, .. })) {
            self.forget(key, tools);
            return Ok(());
        }
        let metadata = read_mark(body)?;
        let Some((_, streams)) = self.receiving(id, kind)? else { return Ok(()) };
        let Some(input) = streams.input.as_mut().filter(|_| streams.opened) else {
            return Err(Misbehaviour::OutOfState { id, kind }.into());
        };
        input.handle_end()?;
        self.end(key, Received::End { metadata }, tools);
        Ok(())
    }

    /// A CREDIT for items that the caller sends; says whether there is a stream that it can be for.
    pub(in crate::proto) fn handle_credit(
        &mut self,
        id: u32,
        amount: u64,
        tools: &mut Tools<'_>,
    ) -> Result<bool, ConnectionError> {
        self.check_known(id)?;
        let Some(&mut key) = self.open.get_mut(id) else { return Ok(false) };
        let Some(call) = self.calls.get_mut(key) else { return Ok(false) };
        // Before all of the arguments are framed, a CREDIT is for them.
        let sent = matches!(call.state, State::Sent { .. });
        let Some(streams) = call.streams.as_mut().filter(|streams| sent && streams.sends) else {
            return Ok(false);
        };
        // The last item may be on its way: what is granted then is of no use.
        if let Some(output) = &mut streams.output {
            output.credit(amount, &mut tools.output.bulk)?;
            if output.has_room() {
                tools.events.push_back(Event::Writable(CallRef::Own(CallKey(key))));
            }
        }
        self.moved(key, tools);
        Ok(true)
    }

    // ----- commands -----

    /// The application sends items; what stays in `items` comes again when there is room.
    pub(in crate::proto) fn push_items(
        &mut self,
        key: CallKey,
        items: &mut Batch,
        tools: &mut Tools<'_>,
    ) -> Result<(), RpcError> {
        let delivery = self.delivery(key.0, None, tools.output);
        let Some(Call { state, streams: Some(streams), .. }) = self.calls.get_mut(key.0) else {
            *items = Batch::new();
            return Ok(());
        };
        let Some(output) = &mut streams.output else {
            *items = Batch::new();
            return Ok(());
        };
        output.heard();
        let largest = check_first(items, delivery, self.peer.as_ref(), tools.config)?;
        if !matches!(state, State::Sent { .. }) {
            // Items follow the arguments.
            output.wait(items);
            return Ok(());
        }
        let before = items.size();
        output.push(items, largest, &mut tools.output.bulk);
        if items.size() < before {
            streams.sent = true;
            self.left(key.0, tools);
        }
        Ok(())
    }

    /// The application has no further items.
    pub(in crate::proto) fn finish_items(&mut self, key: CallKey, tools: &mut Tools<'_>) {
        let Some(call) = self.calls.get_mut(key.0) else { return };
        let Some(streams) = &mut call.streams else { return };
        if let Some(output) = &mut streams.output {
            output.finish();
        }
        self.end_items(key.0, tools);
    }

    /// The application takes items; it is done with earlier ones of this cost.
    pub(in crate::proto) fn take_items(&mut self, key: CallKey, done: u64, tools: &mut Tools<'_>) -> Taken {
        let Some(call) = self.calls.get_mut(key.0) else { return Taken::Gone };
        let Some(streams) = &mut call.streams else { return Taken::Nothing };
        let Some(input) = &mut streams.input else { return Taken::Gone };
        input.taken(done, tools.spare);
        // The end comes as the call's.
        let taken = input.take().map_or(Taken::Nothing, Taken::Items);
        if let Some(amount) = streams.grant(done, tools.spare, tools.now) {
            tools.output.credit(call.id, amount);
        }
        if done > 0 || matches!(taken, Taken::Items(_)) {
            self.moved(key.0, tools);
        }
        taken
    }

    /// The application is done with items of this cost, and does not ask for others yet.
    pub(in crate::proto) fn took_items(&mut self, key: CallKey, done: u64, tools: &mut Tools<'_>) {
        let Some(call) = self.calls.get_mut(key.0) else { return };
        let Some(streams) = &mut call.streams else { return };
        if let Some(amount) = streams.took(done, tools.spare, tools.now) {
            tools.output.credit(call.id, amount);
        }
        self.moved(key.0, tools);
    }

    /// A loan of spare credit for an item of the callee.
    pub(in crate::proto) fn lend(&mut self, id: u32, amount: u64, tools: &mut Tools<'_>) {
        let key = self.open.get_mut(id).copied();
        let call = key.and_then(|key| self.calls.get_mut(key));
        if let Some(input) = call.and_then(|call| call.streams.as_mut()?.input.as_mut()) {
            input.lend(amount);
            tools.grant(id, input);
        }
    }

    // ----- what happened -----

    /// A load of items is framed.
    pub(in crate::proto) fn handle_items_framed(&mut self, id: u32, tools: &mut Tools<'_>) {
        let Some(&mut key) = self.open.get_mut(id) else { return };
        let Some(call) = self.calls.get_mut(key) else { return };
        let Some(output) = call.streams.as_mut().and_then(|streams| streams.output.as_mut()) else { return };
        output.framed();
        if output.has_room() {
            tools.events.push_back(Event::Writable(CallRef::Own(CallKey(key))));
        }
        self.end_items(key, tools);
    }

    /// The arguments are framed: items may follow, or their end.
    pub(super) fn arguments_framed(&mut self, key: usize, tools: &mut Tools<'_>) {
        let Some(call) = self.calls.get_mut(key) else { return };
        let Some(output) = call.streams.as_mut().and_then(|streams| streams.output.as_mut()) else { return };
        if output.has_room() {
            tools.events.push_back(Event::Writable(CallRef::Own(CallKey(key))));
        }
        self.end_items(key, tools);
    }

    /// Whether items of a call have left: it cannot be made again then.
    pub(super) fn has_sent_items(&self, key: usize) -> bool {
        let streams = self.calls.get(key).and_then(|call| call.streams.as_ref());
        streams.is_some_and(|streams| streams.sent)
    }

    // ----- inside -----

    /// Writes the END of a call's items if everything before it is framed.
    fn end_items(&mut self, key: usize, tools: &mut Tools<'_>) {
        let Some(call) = self.calls.get_mut(key) else { return };
        let Some(streams) = call.streams.as_mut().filter(|_| matches!(call.state, State::Sent { .. })) else {
            return;
        };
        if streams.output.take_if(|output| output.is_finished()).is_some() {
            streams.sent = true;
            let header = Header { kind: Kind::End, flags: Flags::NONE, id: call.id };
            tools.output.frame(|out| write_mark(out, header, &Metadata::new()));
            self.left(key, tools);
        }
    }

    /// The streams of a call for which items may arrive; `None` if they are of no interest.
    fn receiving(&mut self, id: u32, kind: Kind) -> Result<Option<(usize, &mut Streams)>, ConnectionError> {
        let Some(&mut key) = self.open.get_mut(id) else { return self.check_known(id).map(|()| None) };
        let Some(call) = self.calls.get_mut(key) else { return Ok(None) };
        if matches!(call.state, State::Abandoned) {
            return Ok(None);
        }
        if call.answer.is_some() {
            return Err(Misbehaviour::OutOfState { id, kind }.into());
        }
        match call.streams.as_deref_mut().filter(|streams| streams.takes) {
            Some(streams) => Ok(Some((key, streams))),
            None => Err(Misbehaviour::OutOfState { id, kind }.into()),
        }
    }

    /// A part of an item has left.
    pub(in crate::proto) fn items_moved(&mut self, id: u32, tools: &Tools<'_>) {
        if let Some(&mut key) = self.open.get_mut(id) {
            self.left(key, tools);
        }
    }

    /// Something of this side's own has left. That is movement, but no answer of the callee: until there was a sign of that,
    /// the time for its first one runs.
    fn left(&mut self, key: usize, tools: &Tools<'_>) {
        let streams = self.calls.get(key).and_then(|call| call.streams.as_ref());
        if streams.is_some_and(|streams| streams.moved) {
            self.moved(key, tools);
        }
    }

    /// Something has moved on a call's streams: its idle time begins anew.
    pub(super) fn moved(&mut self, key: usize, tools: &Tools<'_>) {
        let Some(call) = self.calls.get_mut(key) else { return };
        let Some(streams) = &mut call.streams else { return };
        if !matches!(call.state, State::Abandoned)
            && let Some(deadline) = streams.moves(tools.now)
        {
            call.deadline = deadline;
            self.earliest.note(deadline);
        }
    }

    #[cfg(any(test, fuzzing))]
    pub(in crate::proto) fn streams(&self) -> Vec<(u32, &Streams)> {
        let sent = self.calls.iter().filter(|(_, call)| !matches!(call.state, State::Queued { .. }));
        sent.filter_map(|(_, call)| Some((call.id, call.streams.as_deref()?))).collect()
    }

    /// What the windows of all streams hold of the spare credit.
    #[cfg(any(test, fuzzing))]
    pub(in crate::proto) fn spare_held(&self) -> u64 {
        let inputs = self.calls.iter().filter_map(|(_, call)| call.streams.as_ref()?.input.as_ref());
        inputs.map(Receiving::spare_held).sum()
    }
}
