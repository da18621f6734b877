//! Owns the commands for a call's streams, and routes them to the side that the call belongs to. Decides nothing.

use std::time::Instant;

use super::Connection;
use crate::call::{Batch, Metadata, RpcError};
use crate::proto::ConnectionError;
use crate::proto::event::{CallRef, Taken};
use crate::proto::id::{CallId, CallKey};
use crate::proto::stream::Run;
#[cfg(any(test, fuzzing))]
use crate::proto::stream::Streams;
use crate::proto::tools::Tools;
use crate::wire::{Header, Kind};

impl Connection {
    /// Announces the stream that the handler of this call has returned.
    pub fn open_stream(&mut self, id: CallId, metadata: &Metadata, now: Instant) {
        if let Some(peer) = self.outbound.peer() {
            self.inbound.open_stream(id, metadata, peer, &mut tools!(self, now));
        }
    }

    /// Sends items from the front of `items`. What stays there has found no credit or no place, and is to come again
    /// after an [`Event::Writable`](super::super::Event::Writable). The items of a call that is over are dropped.
    ///
    /// # Errors
    ///
    /// When an item is larger than one of the sides allows. The call goes on until it is ended.
    pub fn push_items(&mut self, call: CallRef, items: &mut Batch, now: Instant) -> Result<(), RpcError> {
        match (call, self.outbound.peer()) {
            (CallRef::Own(key), _) => self.outbound.push_items(key, items, &mut tools!(self, now)),
            (CallRef::Peer(id), Some(peer)) => {
                self.inbound.push_items(id, items, peer, &mut tools!(self, now))
            }
            (CallRef::Peer(_), None) => Ok(()),
        }
    }

    /// The caller has no further items: its callee is told when all of them are framed.
    pub fn finish_items(&mut self, key: CallKey, now: Instant) {
        self.outbound.finish_items(key, &mut tools!(self, now));
    }

    /// Takes items that have arrived. The application is done with earlier ones of cost `done`: their bytes, and
    /// [`ITEM_OVERHEAD`](crate::limits::ITEM_OVERHEAD) each. What it keeps for long keeps its sender waiting.
    pub fn take_items(&mut self, call: CallRef, done: u64, now: Instant) -> Taken {
        let taken = match call {
            CallRef::Own(key) => self.outbound.take_items(key, done, &mut tools!(self, now)),
            CallRef::Peer(id) => self.inbound.take_items(id, done, &mut tools!(self, now)),
        };
        self.settle(now);
        taken
    }

    /// The application is done with items of cost `done` out of those that it has taken, and does not ask for others yet.
    pub fn took_items(&mut self, call: CallRef, done: u64, now: Instant) {
        match call {
            CallRef::Own(key) => self.outbound.took_items(key, done, &mut tools!(self, now)),
            CallRef::Peer(id) => self.inbound.took_items(id, done, &mut tools!(self, now)),
        }
        self.settle(now);
    }

    // ----- inside -----

    /// Takes the items that the input begins with, if they are as items mostly are; see [`Run`].
    pub(super) fn handle_items(&mut self, header: Header, input: &[u8], now: Instant) -> Option<Run> {
        match self.side.owns(header.id) {
            true => self.outbound.handle_items(header, input, &mut tools!(self, now)),
            false => self.inbound.handle_items(header, input, &mut tools!(self, now)),
        }
    }

    pub(super) fn handle_stream_frame(
        &mut self,
        header: Header,
        body: &[u8],
        now: Instant,
    ) -> Result<(), ConnectionError> {
        let own = self.side.owns(header.id);
        match (header.kind, own) {
            (Kind::Item, true) => self.outbound.handle_item(header, body, &mut tools!(self, now)),
            (Kind::Item, false) => self.inbound.handle_item(header, body, &mut tools!(self, now)),
            (_, true) => self.outbound.handle_end(header, body, &mut tools!(self, now)),
            (_, false) => self.inbound.handle_end(header, body, &mut tools!(self, now)),
        }
    }

    /// A CREDIT is a stream's once its sender has sent all of its payload, and the payload's before.
    pub(super) fn handle_credit(
        &mut self,
        id: u32,
        amount: u64,
        now: Instant,
    ) -> Result<(), ConnectionError> {
        let for_items = match self.side.owns(id) {
            true => self.outbound.handle_credit(id, amount, &mut tools!(self, now))?,
            false => self.inbound.handle_credit(id, amount, &mut tools!(self, now))?,
        };
        if !for_items {
            self.output.bulk.credit(id, amount)?;
        }
        Ok(())
    }

    /// Lends spare credit to streams that wait for it.
    pub(super) fn lend(&mut self, now: Instant) {
        while let Some((id, amount)) = self.spare.next_loan() {
            match self.side.owns(id) {
                true => self.outbound.lend(id, amount, &mut tools!(self, now)),
                false => self.inbound.lend(id, amount, &mut tools!(self, now)),
            }
        }
    }

    /// What each stream of items that leave may still send.
    #[cfg(any(test, fuzzing))]
    pub fn unspent(&mut self) -> std::collections::BTreeMap<u32, u64> {
        let lane = &self.output.bulk;
        let unspent = |(id, streams): (u32, &Streams)| {
            streams.output.as_ref().map(|output| (id, output.unspent() + lane.owed(id)))
        };
        self.outbound.streams().into_iter().chain(self.inbound.streams()).filter_map(unspent).collect()
    }

    /// What each stream of items that arrive may still receive.
    #[cfg(any(test, fuzzing))]
    pub fn ungiven(&mut self) -> std::collections::BTreeMap<u32, u64> {
        let ungiven =
            |(id, streams): (u32, &Streams)| streams.input.as_ref().map(|input| (id, input.held().1));
        self.outbound.streams().into_iter().chain(self.inbound.streams()).filter_map(ungiven).collect()
    }

    /// A part of an item has left.
    pub(super) fn items_moved(&mut self, id: u32, now: Instant) {
        match self.side.owns(id) {
            true => self.outbound.items_moved(id, &tools!(self, now)),
            false => self.inbound.moved(id, &tools!(self, now)),
        }
    }

    /// A load of items is framed.
    pub(super) fn handle_items_framed(&mut self, id: u32, now: Instant) {
        self.items_moved(id, now);
        if self.side.owns(id) {
            self.outbound.handle_items_framed(id, &mut tools!(self, now));
        } else if let Some(peer) = self.outbound.peer() {
            self.inbound.handle_items_framed(id, peer, &mut tools!(self, now));
        }
    }
}
