//! Owns [`Outbound`]: the calls that this side makes, from the queue to the answer. Does not own the frames it
//! writes (`output`) nor the budget for what arrives (`assembly`). Their streams are in `streams`.

mod places;
mod streams;

use std::collections::VecDeque;
use std::time::Instant;

use slab::Slab;

use crate::call::{Code, Deadline, Delivery, Load, Metadata, RpcError};
use crate::limits;
use crate::proto::answer::{AnswerHead, Begun, begin_answer, read_error, whole_reply};
use crate::proto::assembly::{Assembled, Partial};
use crate::proto::bulk::{Bulk, write_first};
use crate::proto::deadlines::Earliest;
use crate::proto::event::{Event, Outgoing, Received, Unread, Untaken};
use crate::proto::id::{CallKey, IdTable};
use crate::proto::names::NamesOut;
use crate::proto::output::Output;
use crate::proto::queue::Queue;
use crate::proto::refusals::{elsewhere, expired, retired, spent, too_large};
use crate::proto::stream::{self, Streams};
use crate::proto::tools::Tools;
use crate::proto::unwritten::Unwritten;
use crate::proto::{Config, ConnectionError, Misbehaviour, Side};
use crate::wire::{CallHead, Flags, Goaway, Header, Hello, Kind, StreamTimes, write_cancel};

/// Where a call of this side is.
///
/// ```text
///   call() ─▶ Queued ──a place is free──▶ Sending ──last byte framed──▶ Sent ──callee's last frame──▶ ended
///                │                           │                           │
///                │ cancel, deadline          │ cancel, deadline: CANCEL  │
///                ▼                           ▼                           ▼
///              ended                     Abandoned ────callee's last frame────▶ forgotten
/// ```
///
/// A small call goes from Queued to Sent in one step. Abandoned calls have ended for the application, but count
/// until the callee has sent its last frame.
#[derive(Clone, Copy, Debug)]
enum State {
    /// It waits for the handshake, for one of the peer's places, or for room in the output.
    Queued { turn: u64 },
    /// Its head is framed, and its arguments are in the bulk queue.
    Sending { arguments: usize },
    /// All of it is framed; `end` is the position after its last byte. It is kept in case that it has to be sent
    /// again elsewhere; `held` are its arguments, if they are large.
    Sent { end: u64, held: usize },
    /// The application does not wait for it.
    Abandoned,
}

#[derive(Debug)]
struct Call {
    /// Meaningless while queued.
    id: u32,
    state: State,
    /// The call itself, which stays where it is while its state changes.
    call: Outgoing,
    deadline: Option<Deadline>,
    /// When the call was made, and when its first frame was written.
    asked: Instant,
    sent: Option<Instant>,
    /// The part of the answer that is here.
    answer: Option<Box<(AnswerHead, Partial)>>,
    streams: Option<Box<Streams>>,
}

/// A call that is in no table any more.
struct Gone {
    call: Outgoing,
    /// Items that nobody has taken.
    unread: Option<Box<Unread>>,
}

/// The calls that this side makes.
///
/// `held` is the sum of the arguments of queued and sending calls, and of large ones that are sent and kept;
/// `open.len()` counts all calls that have an id.
#[derive(Debug)]
pub(super) struct Outbound {
    next_id: u32,
    calls: Slab<Call>,
    open: IdTable<usize>,
    queue: Queue,
    /// How many of the open calls have a stream.
    streaming: u32,
    held: usize,
    unwritten: Unwritten,
    earliest: Earliest,
    names: NamesOut,
    /// What the peer said of itself; `None` before its HELLO.
    peer: Option<Hello>,
    retired: bool,
}

impl Outbound {
    pub(super) fn new(side: Side, config: &Config) -> Self {
        Self {
            next_id: config.first_id.unwrap_or_else(|| side.first_id()),
            calls: Slab::new(),
            open: IdTable::new(),
            queue: Queue::default(),
            streaming: 0,
            held: 0,
            unwritten: Unwritten::default(),
            earliest: Earliest::default(),
            names: NamesOut::default(),
            peer: None,
            retired: false,
        }
    }

    // ----- commands -----

    /// Takes a call, to be sent at once or in its turn.
    pub(super) fn call(&mut self, call: Outgoing, tools: &mut Tools<'_>) -> Result<CallKey, Box<Untaken>> {
        if let Err(error) = self.check(&call, tools) {
            return Err(Box::new(Untaken { error, call }));
        }
        self.held += call.arguments.len();
        let total = call.stream.and_then(|usage| usage.total);
        let (deadline, asked) = (Deadline::earlier(call.deadline, total), tools.now);
        self.earliest.note(deadline);
        let turn = self.queue.turn();
        let streaming = call.stream.is_some();
        let streams = call.stream.map(|usage| Box::new(Streams::made(usage, tools.config)));
        let state = State::Queued { turn };
        let entry = Call { id: 0, state, call, deadline, asked, sent: None, answer: None, streams };
        let key = self.calls.insert(entry);
        if self.goes_at_once(streaming, tools) {
            self.send(key, tools);
        } else {
            self.queue.push(turn, streaming, key);
            self.dispatch(tools);
        }
        Ok(CallKey(key))
    }

    /// The application gives the call up. No event follows.
    pub(super) fn cancel(&mut self, key: CallKey, tools: &mut Tools<'_>) {
        if self.calls.contains(key.0) {
            self.give_up(key.0, tools);
        }
    }

    /// Sends what waits, as far as there are places and room.
    pub(super) fn dispatch(&mut self, tools: &mut Tools<'_>) {
        while self.has_place(tools) && self.queue.len() > 0 {
            if self.next_id > limits::LAST_ID {
                return self.retire(tools);
            }
            let Some(key) = self.queue.pop(self.has_stream_place(tools.config)) else { return };
            self.send(key, tools);
        }
    }

    /// Takes no further calls, and hands those that wait back as never sent.
    pub(super) fn retire(&mut self, tools: &mut Tools<'_>) {
        if !self.retired {
            self.retired = true;
            tools.events.push_back(Event::Retire);
        }
        while let Some(key) = self.queue.pop(true) {
            self.end(key, Received::Error(retired()), tools);
        }
    }

    // ----- what happened -----

    pub(super) fn handle_hello(&mut self, mut hello: Hello, tools: &mut Tools<'_>) {
        self.names.allow(hello.names);
        hello.in_flight = hello.in_flight.min(limits::OPEN);
        self.peer = Some(hello);
        self.dispatch(tools);
    }

    /// A REPLY or ERROR.
    pub(super) fn handle_answer(
        &mut self,
        header: Header,
        body: &[u8],
        tools: &mut Tools<'_>,
    ) -> Result<(), ConnectionError> {
        let id = header.id;
        let more = header.flags.has(Flags::MORE);
        let Some(&mut key) = self.open.get_mut(id) else { return self.check_known(id) };
        let Some(call) = self.calls.get_mut(key) else { return Ok(()) };
        let is_plain = header.kind == Kind::Reply && !more && call.streams.is_none() && call.answer.is_none();
        if is_plain
            && matches!(call.state, State::Sent { .. })
            && let Some((metadata, body)) = whole_reply(header, body, tools)?
        {
            // Nearly every answer: there is nothing to be looked at but this.
            self.end(key, Received::Reply { metadata, body }, tools);
            return Ok(());
        }
        if matches!(call.state, State::Abandoned) {
            // What still comes is of no interest, but until the last frame the call counts.
            if !more {
                self.forget(key, tools);
            }
            return Ok(());
        }
        if header.kind == Kind::Reply && call.streams.as_ref().is_some_and(|streams| streams.takes) {
            return Err(Misbehaviour::OutOfState { id, kind: Kind::Reply }.into());
        }
        if header.kind == Kind::Error && !header.flags.has(Flags::APP) {
            let error = read_error(header.flags, body)?;
            self.end(key, Received::Error(error), tools);
            return Ok(());
        }
        if call.streams.as_ref().is_some_and(|streams| streams.is_part_way()) {
            return Err(Misbehaviour::WrongTotal { id }.into());
        }
        let opened = call.streams.as_ref().is_some_and(|streams| streams.opened);
        let (head, assembled) = match call.answer.take().map(|begun| *begun) {
            Some((head, partial)) => {
                if matches!(head, AnswerHead::App(_)) != (header.kind == Kind::Error) {
                    partial.abandon(tools.budget);
                    return Err(Misbehaviour::WrongTotal { id }.into());
                }
                (head, partial.append(body, more, tools.budget)?)
            }
            None => match begin_answer(header, body, tools)? {
                // Nothing more will come of it, so nothing is to be waited for.
                Begun::TooLarge(error) if !more => {
                    self.end(key, Received::Error(error), tools);
                    return Ok(());
                }
                Begun::TooLarge(error) => {
                    self.fail(key, error, tools);
                    return Ok(());
                }
                // After OPEN a CREDIT is for items, so nothing can be granted here.
                Begun::Assembled(_, Assembled::Partly(partial)) if opened && partial.waits() => {
                    partial.abandon(tools.budget);
                    return Err(Misbehaviour::Ungranted { id }.into());
                }
                Begun::Assembled(head, assembled) => (head, assembled),
            },
        };
        self.moved(key, tools);
        match assembled {
            Assembled::Partly(partial) => {
                if let Some(call) = self.calls.get_mut(key) {
                    call.answer = Some(Box::new((head, partial)));
                }
            }
            Assembled::Whole(body) => {
                let outcome = match head {
                    AnswerHead::Reply(head) => Received::Reply { metadata: head.metadata, body },
                    AnswerHead::App(head) => Received::App { metadata: head.metadata, detail: body },
                };
                self.end(key, outcome, tools);
            }
        }
        Ok(())
    }

    /// A frame about an id that is not open: old ones are ignored, unheard-of ones are not.
    pub(super) fn check_known(&self, id: u32) -> Result<(), ConnectionError> {
        if id < self.next_id { Ok(()) } else { Err(Misbehaviour::NeverOpened { id }.into()) }
    }

    /// Whether a part of this call's answer is here, and the rest to come.
    pub(super) fn is_assembling(&mut self, id: u32) -> bool {
        let Some(&mut key) = self.open.get_mut(id) else { return false };
        self.calls.get_mut(key).is_some_and(|call| call.answer.is_some())
    }

    /// The grant for an answer that is being received.
    pub(super) fn grant(&mut self, id: u32) -> bool {
        let Some(&mut key) = self.open.get_mut(id) else { return false };
        match self.calls.get_mut(key).and_then(|call| call.answer.as_mut()) {
            Some(begun) => {
                begun.1.grant();
                true
            }
            None => false,
        }
    }

    /// The last part of a call's arguments is framed; a call that is gone does not want its buffer back.
    pub(super) fn handle_framed(
        &mut self,
        id: u32,
        payload: Load,
        end: u64,
        tools: &mut Tools<'_>,
    ) -> Option<Load> {
        let Some(&mut key) = self.open.get_mut(id) else { return Some(payload) };
        let Some(entry) = self.calls.get_mut(key) else { return Some(payload) };
        let State::Sending { arguments } = entry.state else { return Some(payload) };
        entry.call.arguments = payload;
        self.unwritten.note(&entry.call, end, key);
        entry.state = State::Sent { end, held: arguments };
        self.arguments_framed(key, tools);
        None
    }

    /// The transport has taken everything up to this position.
    pub(super) fn handle_written(&mut self, written: u64, events: &mut VecDeque<Event>) {
        while let Some(key) = self.unwritten.take(written) {
            events.push_back(Event::Written { key: CallKey(key) });
        }
    }

    /// The peer accepts no call above `said.last`.
    pub(super) fn handle_goaway(&mut self, said: &Goaway, tools: &mut Tools<'_>) {
        self.retire(tools);
        let above: Vec<usize> =
            self.calls.iter().filter(|(_, call)| call.id > said.last).map(|(key, _)| key).collect();
        for key in above {
            let text = format!("the peer is draining: {}", said.text.escape_debug());
            let error = RpcError::new(Code::UNAVAILABLE, Delivery::Refused, text).with_resend();
            self.end(key, Received::Error(error), tools);
        }
    }

    pub(super) fn timeout(&self) -> Option<Instant> {
        self.earliest.timeout()
    }

    pub(super) fn handle_timeout(&mut self, tools: &mut Tools<'_>) {
        if !self.earliest.take_due(tools.now) {
            return;
        }
        let mut due = Vec::new();
        for (key, call) in &self.calls {
            match call.deadline {
                Some(deadline) if deadline.has_passed(tools.now) => due.push(key),
                later => self.earliest.note(later),
            }
        }
        for key in due {
            let delivery = self.delivery(key, None, tools.output);
            let text = self.spent(key, tools.now);
            self.fail(key, expired(delivery, text), tools);
        }
    }

    /// The connection is over: every call ends, with what is known of it. `written` is the position up to which
    /// the transport took everything, or `None` if it may still take what is framed.
    pub(super) fn handle_lost(
        &mut self,
        error: &ConnectionError,
        written: Option<u64>,
        tools: &mut Tools<'_>,
    ) {
        self.retired = true;
        self.queue.clear();
        let keys: Vec<usize> = self.calls.iter().map(|(key, _)| key).collect();
        for key in keys {
            let outcome = Received::Error(error.cut(self.delivery(key, written, tools.output)));
            self.end(key, outcome, tools);
        }
    }

    // ----- views -----

    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Whether the application waits for a call that it made up to then.
    pub(super) fn awaits_up_to(&self, then: Instant) -> bool {
        self.calls.iter().any(|(_, call)| call.asked <= then && !matches!(call.state, State::Abandoned))
    }

    /// Calls that have an id and have not been counted out.
    pub(super) const fn open(&self) -> usize {
        self.open.len()
    }

    pub(super) fn queued(&self) -> usize {
        self.queue.len()
    }

    pub(super) const fn peer(&self) -> Option<&Hello> {
        self.peer.as_ref()
    }

    pub(super) const fn is_retired(&self) -> bool {
        self.retired
    }

    /// Whether the transport has taken all oneway calls that are open.
    #[cfg(any(test, fuzzing))]
    pub(super) fn is_written(&self) -> bool {
        self.unwritten.is_empty()
    }

    #[cfg(any(test, fuzzing))]
    pub(super) const fn held(&self) -> usize {
        self.held
    }

    #[cfg(any(test, fuzzing))]
    pub(super) fn counted(&self) -> usize {
        let held = |(_, call): (usize, &Call)| match &call.state {
            State::Queued { .. } => call.call.arguments.len(),
            State::Sending { arguments } => *arguments,
            State::Sent { held, .. } => *held,
            State::Abandoned => 0,
        };
        self.calls.iter().map(held).sum()
    }

    /// What answers that are being received have reserved.
    #[cfg(any(test, fuzzing))]
    pub(super) fn reserved(&self) -> usize {
        let partials = self.calls.iter().filter_map(|(_, call)| call.answer.as_ref());
        partials.map(|begun| begun.1.reserved()).sum()
    }

    // ----- inside -----

    fn send(&mut self, key: usize, tools: &mut Tools<'_>) {
        let Some(peer) = &self.peer else { return };
        let Some(entry) = self.calls.get_mut(key) else { return };
        let id = self.next_id;
        let call = &mut entry.call;
        let size = call.arguments.len();
        let is_strange = call.only_at.is_some_and(|number| number.get() != peer.replies);
        if size as u64 > peer.message || is_strange {
            let error = if is_strange { elsewhere() } else { too_large(size, peer.message) };
            let outcome = Received::Error(error);
            self.held -= size;
            tools.output.reclaim(&mut self.calls.remove(key).call.arguments);
            tools.events.push_back(Event::Ended { key: CallKey(key), outcome, unseen: None, unread: None });
            return;
        }
        self.next_id += 2;
        entry.id = id;
        let usage = call.stream;
        if let Some(streams) = &mut entry.streams {
            streams.begin(id, peer.credit, tools.now);
        }
        self.streaming += u32::from(usage.is_some());
        entry.sent = Some(tools.now);
        self.open.insert(id, key);
        let (names, mut first) = (&mut self.names, 0);
        let flags = usage.map_or(Flags::NONE, stream::flags);
        let end = tools.output.frame(|out| {
            let method = names.method(&call.method, out);
            let remaining = call.deadline.map(|deadline| deadline.to_wire(tools.now));
            let stream = usage.map(|usage| StreamTimes {
                idle: usage.idle.map(|idle| u64::try_from(idle.as_micros()).unwrap_or(u64::MAX)),
                total: usage.total.map(|total| total.to_wire(tools.now)),
            });
            let head = CallHead { method, remaining, stream, metadata: &call.metadata };
            let header = Header { kind: Kind::Call, flags, id };
            first = write_first(out, header, &call.arguments, peer.eager, |frame| head.write(frame));
        });
        if first < size {
            let payload = std::mem::take(&mut call.arguments);
            entry.state = State::Sending { arguments: size };
            let bulk = Bulk::new(id, Kind::Call, flags, payload, first, peer.eager);
            tools.output.bulk.push(bulk);
        } else {
            self.unwritten.note(call, end, key);
            entry.state = State::Sent { end, held: 0 };
            self.held -= size;
            self.arguments_framed(key, tools);
        }
    }

    /// Ends a call that is no longer waited for: it leaves the queue, or its callee is told.
    /// Hands back items that nobody has taken.
    fn give_up(&mut self, key: usize, tools: &mut Tools<'_>) -> Option<Box<Unread>> {
        let call = self.calls.get_mut(key)?;
        let unread = call.streams.as_mut().and_then(|streams| Unread::of(streams.close(tools.spare)));
        if let Some(begun) = call.answer.take() {
            begun.1.abandon(tools.budget);
        }
        let id = call.id;
        match std::mem::replace(&mut call.state, State::Abandoned) {
            // ## Queued => ended: nobody else knows of it.
            State::Queued { turn } => {
                self.held -= call.call.arguments.len();
                self.queue.remove(turn, call.call.stream.is_some());
                tools.output.reclaim(&mut self.calls.remove(key).call.arguments);
                return unread;
            }
            // ## Sending | Sent => Abandoned: it counts until the callee has said its last word.
            State::Sending { arguments } => {
                self.held -= arguments;
                tools.output.drop_load(id);
            }
            State::Sent { end, held } => {
                self.held -= held;
                self.unwritten.forget(end);
                if call.call.stream.is_some() {
                    tools.output.drop_load(id);
                }
            }
            State::Abandoned => return unread,
        }
        call.deadline = None;
        tools.output.discard(std::mem::take(&mut call.call.arguments));
        call.call.metadata = Metadata::new();
        tools.output.frame(|out| write_cancel(out, id));
        unread
    }

    /// Gives a call up by itself, and tells the application.
    fn fail(&mut self, key: usize, error: RpcError, tools: &mut Tools<'_>) {
        let (key, unread) = (CallKey(key), self.give_up(key, tools));
        let outcome = Received::Error(error);
        tools.events.push_back(Event::Ended { key, outcome, unseen: None, unread });
    }

    /// Takes a call out of all tables and tells the application, unless it has given the call up.
    fn end(&mut self, key: usize, outcome: Received, tools: &mut Tools<'_>) {
        let may_resend = matches!(&outcome, Received::Error(error) if error.is_resend());
        let begun = may_resend && self.has_sent_items(key);
        let Some(Gone { mut call, unread }) = self.forget(key, tools) else { return };
        let unseen = match may_resend && !begun {
            true => Some(call),
            false => {
                tools.output.reclaim(&mut call.arguments);
                None
            }
        };
        tools.events.push_back(Event::Ended { key: CallKey(key), outcome, unseen, unread });
    }

    /// Takes a call out of all tables; hands it back if the application still waited for it.
    fn forget(&mut self, key: usize, tools: &mut Tools<'_>) -> Option<Gone> {
        let Call { id, state, mut call, answer, streams, .. } = self.calls.try_remove(key)?;
        let mut unread = None;
        if let Some(mut streams) = streams {
            unread = Unread::of(streams.close(tools.spare));
            self.streaming -= u32::from(!matches!(state, State::Queued { .. }));
        }
        if let Some(begun) = answer {
            begun.1.abandon(tools.budget);
        }
        self.open.remove(id);
        match state {
            State::Queued { turn } => {
                self.held -= call.arguments.len();
                self.queue.remove(turn, call.stream.is_some());
            }
            // The answer came before the last argument byte left: the rest is of no use.
            State::Sending { arguments } => {
                self.held -= arguments;
                call.arguments = tools.output.withdraw(id).unwrap_or_default();
            }
            State::Sent { end, held } => {
                self.held -= held;
                self.unwritten.forget(end);
                if call.stream.is_some() {
                    tools.output.drop_load(id);
                }
            }
            State::Abandoned => return None,
        }
        Some(Gone { call, unread })
    }

    /// What is known of a call that ends here and now.
    fn delivery(&self, key: usize, written: Option<u64>, output: &Output) -> Delivery {
        if self.calls.get(key).and_then(|call| call.streams.as_ref()).is_some_and(|s| s.opened) {
            return Delivery::Executed;
        }
        let end = match self.calls.get(key).map(|call| (&call.state, call.id)) {
            None | Some((State::Queued { .. }, _)) => None,
            Some((State::Sending { .. }, id)) => output.framed_end(id),
            Some((State::Sent { end, .. }, _)) => Some(*end),
            Some((State::Abandoned, _)) => return Delivery::Unknown,
        };
        match end {
            // Without its last byte no handler can have been started.
            None => Delivery::NotSent,
            Some(end) if written.is_some_and(|written| end > written) => Delivery::NotSent,
            Some(_) => Delivery::Unknown,
        }
    }

    /// What the time of a call went into, from when it was given to this connection.
    fn spent(&self, key: usize, now: Instant) -> String {
        let Some(call) = self.calls.get(key) else { return String::new() };
        if let Some(streams) = call.streams.as_ref().filter(|streams| streams.moved) {
            return streams.spent(now);
        }
        let what = match call.state {
            State::Queued { .. } if self.peer.is_none() => "waiting for the peer's HELLO",
            State::Queued { .. } => "waiting for a place on the connection",
            State::Sending { .. } => "sending its arguments",
            State::Sent { .. } | State::Abandoned => "sent and waiting for the answer",
        };
        spent(now, call.asked, call.sent, what)
    }
}
