//! Owns [`Inbound`]: the calls that the peer makes, from the first frame to the last. Does not run handlers and
//! does not know methods: it says which call is to be started, and writes what is answered. Their streams are in
//! `streams`.

mod opening;
mod streams;

use std::collections::VecDeque;
use std::time::Instant;

use crate::call::{Code, Deadline, Delivery, Load, Metadata, RpcError};
use crate::limits;
use crate::proto::assembly::{Assembled, Partial};
use crate::proto::bulk::{Bulk, write_first};
use crate::proto::deadlines::Earliest;
use crate::proto::event::{Answer, Body, Event, IncomingCall, MethodName, Refusal, Stop};
use crate::proto::id::{CallId, IdTable};
use crate::proto::names::NamesIn;
use crate::proto::refusals::{check_answer, expired_before_start, refuse_item, stopped_handler};
use crate::proto::stream::{Receiving, Streams};
use crate::proto::tools::Tools;
use crate::proto::{ConnectionError, Misbehaviour};
use crate::wire::{ErrorHead, Flags, FrameWriter, Header, Hello, Kind, Name, ReplyHead, metadata_size};

/// Where a call of the peer is.
///
/// ```text
///            last part                  poll_start                 answer()
///  Assembling ───────▶ Waiting ───────────────────────▶ Running ───────────▶ Answering ──▶ ended
///      │                  │                                │  ▲ │                │
///      │ too large,       │ CANCEL                  CANCEL,│  └─┼── answer()     │ CANCEL, expired
///      │ CANCEL, expired  │                         expired▼    │                ▼
///      └────────▶ Refused ◀┘                            Stopping┴─ stopped() ─▶ ended
///                    │ poll_start
///                    └─▶ ended
/// ```
///
/// A call whose stream is open goes from Running to Finishing if items of it have still to be framed when it is
/// answered, and then on as if it were answered only now.
///
/// Whatever this side itself has to say of a call waits in the same line as its start and is written only while
/// there is room in the output. A peer that provokes errors and does not read them thus runs out of places
/// (`in_flight`) before this side runs out of memory.
#[derive(Debug)]
enum State {
    /// Its arguments are not all here.
    Assembling { start: Start, partial: Box<Partial> },
    /// It stands in the line to be started.
    Waiting { start: Start, arguments: Body },
    /// It stands in the line to be refused.
    Refused { reason: Refusal, error: RpcError },
    /// A handler has it.
    Running,
    /// A handler has it and is to be dropped.
    Stopping { why: Stop },
    /// Its handler has ended; this is its answer, which follows the items that are in the bulk queue.
    Finishing { answer: Answer },
    /// Its answer is in the bulk queue.
    Answering,
}

/// What is known of a call before its arguments are.
#[derive(Debug)]
struct Start {
    method: MethodName,
    metadata: Metadata,
}

#[derive(Debug)]
struct Call {
    state: State,
    deadline: Option<Deadline>,
    streams: Option<Box<Streams>>,
}

/// The calls that the peer makes.
///
/// Each id in `line` is open and Waiting or Refused; each call that is Waiting or Refused is in `line` once.
#[derive(Debug)]
pub(super) struct Inbound {
    open: IdTable<Call>,
    line: VecDeque<u32>,
    /// The highest id of the peer's calls, accepted or not.
    highest: u32,
    /// The highest that is accepted; `None` for any.
    last: Option<u32>,
    earliest: Earliest,
    names: NamesIn,
    /// How many of the open calls have a stream.
    streaming: u32,
}

impl Inbound {
    pub(super) fn new() -> Self {
        Self {
            open: IdTable::new(),
            line: VecDeque::new(),
            highest: 0,
            last: None,
            earliest: Earliest::default(),
            names: NamesIn::default(),
            streaming: 0,
        }
    }

    // ----- frames -----

    pub(super) fn handle_name(
        &mut self,
        name: Name<'_>,
        tools: &mut Tools<'_>,
    ) -> Result<(), ConnectionError> {
        Ok(self.names.bind(name, tools.config.names)?)
    }

    /// A CALL: a new call, or more of one's arguments.
    pub(super) fn handle_call(
        &mut self,
        header: Header,
        body: &[u8],
        tools: &mut Tools<'_>,
    ) -> Result<(), ConnectionError> {
        let id = header.id;
        let more = header.flags.has(Flags::MORE);
        if id > self.highest {
            self.highest = id;
            if self.last.is_none() {
                return self.open_call(id, header.flags, body, tools);
            }
            // Its caller knows that from the GOAWAY.
            tools.refused(Refusal::Draining);
            return Ok(());
        }
        let Some(call) = self.open.get_mut(id) else { return Ok(()) };
        match std::mem::replace(&mut call.state, State::Running) {
            State::Assembling { start, partial } => {
                match partial.append(body, more, tools.budget) {
                    Ok(Assembled::Partly(rest)) => {
                        call.state = State::Assembling { start, partial: rest.into() }
                    }
                    Ok(Assembled::Whole(arguments)) => {
                        self.line.push_back(id);
                        call.state = State::Waiting { start, arguments };
                    }
                    Err(error) => {
                        self.forget(id, tools);
                        return Err(error);
                    }
                }
                Ok(())
            }
            // The rest of arguments that are not wanted any more.
            refused @ State::Refused { .. } => {
                call.state = refused;
                Ok(())
            }
            complete => {
                call.state = complete;
                Err(Misbehaviour::SecondCall { id }.into())
            }
        }
    }

    /// A CANCEL.
    pub(super) fn handle_cancel(&mut self, id: u32, tools: &mut Tools<'_>) -> Result<(), ConnectionError> {
        self.check_known(id)?;
        self.stop(id, Stop::Cancelled, tools);
        Ok(())
    }

    /// A frame about an id that is not open: old ones are ignored, unheard-of ones are not.
    pub(super) fn check_known(&self, id: u32) -> Result<(), ConnectionError> {
        if id <= self.highest { Ok(()) } else { Err(Misbehaviour::NeverOpened { id }.into()) }
    }

    /// Whether the call is not counted out.
    pub(super) fn is_open(&mut self, id: u32) -> bool {
        self.open.get_mut(id).is_some()
    }

    /// Whether a part of this call's arguments is here, and the rest to come.
    pub(super) fn is_assembling(&mut self, id: u32) -> bool {
        self.open.get_mut(id).is_some_and(|call| matches!(call.state, State::Assembling { .. }))
    }

    /// The grant for arguments that are being received.
    pub(super) fn grant(&mut self, id: u32) -> bool {
        match self.open.get_mut(id).map(|call| &mut call.state) {
            Some(State::Assembling { partial, .. }) => {
                partial.grant();
                true
            }
            _ => false,
        }
    }

    // ----- commands -----

    /// The next call to start, if there is room for what it may answer.
    pub(super) fn poll_start(&mut self, tools: &mut Tools<'_>) -> Option<IncomingCall> {
        loop {
            let full = tools.output.backlog() >= tools.config.output
                || tools.output.bulk.answer_bytes() >= tools.config.bulk;
            if full {
                return None;
            }
            let id = self.line.pop_front()?;
            let Some(call) = self.open.get_mut(id) else { continue };
            match std::mem::replace(&mut call.state, State::Running) {
                // ## Waiting => (Running | ended): work whose time is over is not begun.
                State::Waiting { arguments, .. }
                    if call.deadline.is_some_and(|deadline| deadline.has_passed(tools.now)) =>
                {
                    tools.release(arguments);
                    self.refuse(id, Refusal::Expired, &expired_before_start(), tools);
                }
                State::Waiting { start, arguments } => {
                    let Start { method, metadata } = start;
                    let deadline = call.deadline;
                    let stream = call.streams.as_ref().map(|streams| Box::new(streams.usage()));
                    let input = call.streams.as_ref().and_then(|streams| streams.input.as_ref());
                    let moved = input.is_some_and(Receiving::has_begun);
                    self.earliest.note(deadline);
                    if moved {
                        // Items that came with the call are progress, as those that come after it.
                        self.moved(id, tools);
                    }
                    return Some(IncomingCall {
                        id: CallId(id),
                        method,
                        deadline,
                        metadata,
                        arguments,
                        stream,
                    });
                }
                // ## Refused => ended
                State::Refused { reason, error } => self.refuse(id, reason, &error, tools),
                // Not in the line by the invariant; put back, so that nothing is lost if it does not hold.
                other => call.state = other,
            }
        }
    }

    /// Answers a call whose handler has ended. A call that is gone needs no answer.
    pub(super) fn answer(&mut self, id: CallId, answer: Answer, peer: &Hello, tools: &mut Tools<'_>) {
        let id = id.0;
        let plain = |call: &mut Call| call.streams.is_none() && matches!(call.state, State::Running);
        let answer = match answer {
            // Nearly every answer: there is nothing to be looked at but this.
            Answer::Reply { metadata, payload } if self.open.get_mut(id).is_some_and(plain) => {
                return self.reply(id, metadata, payload, peer, tools);
            }
            answer => answer,
        };
        let Some(answer) = self.after_items(id, answer, tools) else { return };
        match (self.state(id), &answer) {
            (Some(State::Running), _) | (Some(State::Stopping { .. }), Answer::Error(_)) => {}
            // Nobody waits for its payload, so nobody would grant the rest of a large one.
            (Some(State::Stopping { why }), _) => {
                let error = stopped_handler(*why);
                tools.output.discard(answer.into());
                return self.end_with(id, &error, tools);
            }
            _ => return tools.output.discard(answer.into()),
        }
        match answer {
            Answer::End { metadata } => self.end_stream(id, metadata, peer, tools),
            Answer::Error(error) => self.end_with(id, &error, tools),
            Answer::Reply { payload, .. } if self.takes(id) => {
                tools.output.discard(payload);
                let text = "a value was answered to a call that takes a stream";
                self.end_with(id, &RpcError::new(Code::INTERNAL, Delivery::Executed, text), tools);
            }
            Answer::Reply { metadata, payload } => self.reply(id, metadata, payload, peer, tools),
            Answer::App { metadata, detail } => {
                let head = ErrorHead { code: Code::UNKNOWN, message: String::new(), metadata };
                let flags = Flags::APP.with(Flags::STARTED);
                let checked = check_answer(&head.metadata, detail.len(), peer, tools.config);
                match checked.and_then(|()| self.check_detail(id, detail.len(), peer)) {
                    Ok(()) => {
                        let write = |frame: &mut FrameWriter<'_>| head.write(frame);
                        self.send(Header { kind: Kind::Error, flags, id }, write, detail, peer, tools);
                    }
                    Err(error) => {
                        tools.output.discard(detail);
                        self.end_with(id, &error, tools);
                    }
                }
            }
        }
    }

    fn reply(&mut self, id: u32, metadata: Metadata, payload: Load, peer: &Hello, tools: &mut Tools<'_>) {
        if let Err(error) = check_answer(&metadata, payload.len(), peer, tools.config) {
            tools.output.discard(payload);
            return self.end_with(id, &error, tools);
        }
        let (head, header) = (ReplyHead { metadata }, Header { kind: Kind::Reply, flags: Flags::NONE, id });
        self.send(header, |frame| head.write(frame), payload, peer, tools);
    }

    /// The handler of a call that was to be stopped is gone.
    pub(super) fn stopped(&mut self, id: CallId, tools: &mut Tools<'_>) {
        if let Some(State::Stopping { why }) = self.state(id.0) {
            let error = stopped_handler(*why);
            self.end_with(id.0, &error, tools);
        }
    }

    /// Accepts no further calls, and says which one is the last.
    pub(super) fn drain(&mut self) -> u32 {
        *self.last.get_or_insert(self.highest)
    }

    // ----- what happened -----

    /// The last part of an answer is framed.
    pub(super) fn handle_framed(&mut self, id: u32, tools: &mut Tools<'_>) {
        if matches!(self.state(id), Some(State::Answering)) {
            self.forget(id, tools);
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
        for (id, call) in self.open.iter_mut() {
            match (&call.state, call.deadline) {
                // Those in the line are looked at when their turn comes, and those that stop are stopped.
                (State::Waiting { .. } | State::Refused { .. } | State::Stopping { .. }, _) | (_, None) => {}
                (_, Some(deadline)) if deadline.has_passed(tools.now) => due.push(id),
                (_, later) => self.earliest.note(later),
            }
        }
        for id in due {
            let why = if self.has_moved(id) { Stop::Idle } else { Stop::Expired };
            self.stop(id, why, tools);
        }
    }

    /// This side ends the connection: each caller is told whether its handler was started.
    pub(super) fn cut(&mut self, reason: &'static str, tools: &mut Tools<'_>) {
        let ids: Vec<u32> = self.open.iter_mut().map(|(id, _)| id).collect();
        for id in ids {
            let Some(call) = self.open.get_mut(id) else { continue };
            let delivery = match std::mem::replace(&mut call.state, State::Answering) {
                State::Running | State::Stopping { .. } => {
                    tools.events.push_back(Event::Stop { id: CallId(id), why: Stop::Lost });
                    Delivery::Executed
                }
                State::Answering => Delivery::Executed,
                State::Finishing { answer } => {
                    tools.output.discard(answer.into());
                    Delivery::Executed
                }
                State::Assembling { partial, .. } => {
                    partial.abandon(tools.budget);
                    tools.refused(Refusal::Draining)
                }
                State::Waiting { arguments, .. } => {
                    tools.release(arguments);
                    tools.refused(Refusal::Draining)
                }
                State::Refused { reason, .. } => tools.refused(reason),
            };
            // Of an answer or of items.
            tools.output.drop_load(id);
            let error = RpcError::new(Code::UNAVAILABLE, delivery, reason).with_resend();
            self.end_with(id, &error.with_detail(RpcError::GOING_AWAY), tools);
        }
        self.line.clear();
    }

    /// The connection is over: handlers are to be dropped, everything else is forgotten.
    pub(super) fn handle_lost(&mut self, tools: &mut Tools<'_>) {
        self.line.clear();
        self.streaming = 0;
        for (id, mut call) in self.open.drain() {
            if let Some(streams) = &mut call.streams {
                streams.close(tools.spare);
            }
            match call.state {
                State::Running | State::Stopping { .. } => {
                    tools.events.push_back(Event::Stop { id: CallId(id), why: Stop::Lost });
                }
                State::Assembling { partial, .. } => partial.abandon(tools.budget),
                State::Waiting { arguments, .. } => tools.release(arguments),
                State::Finishing { answer } => tools.output.discard(answer.into()),
                State::Refused { .. } | State::Answering => {}
            }
        }
    }

    // ----- views -----

    pub(super) const fn open(&self) -> usize {
        self.open.len()
    }

    /// How many calls stand in the line.
    pub(super) fn waiting(&self) -> usize {
        self.line.len()
    }

    /// Whether a handler has the call and has not been told to stop.
    pub(super) fn is_running(&mut self, id: CallId) -> bool {
        matches!(self.state(id.0), Some(State::Running))
    }

    pub(super) const fn highest(&self) -> u32 {
        self.highest
    }

    /// Calls beyond their deadline that nobody has stopped or is about to look at.
    #[cfg(any(test, fuzzing))]
    pub(super) fn overdue(&mut self, now: Instant) -> usize {
        let waits = |state: &State| {
            matches!(
                state,
                State::Assembling { .. } | State::Running | State::Finishing { .. } | State::Answering
            )
        };
        let over = |call: &Call| call.deadline.is_some_and(|deadline| deadline.has_passed(now));
        self.open.iter_mut().filter(|(_, call)| waits(&call.state) && over(call)).count()
    }

    /// What arguments that are being received or wait have reserved.
    #[cfg(any(test, fuzzing))]
    pub(super) fn reserved(&mut self) -> usize {
        let reserved = |(_, call): (u32, &mut Call)| match &call.state {
            State::Assembling { partial, .. } => partial.reserved(),
            State::Waiting { arguments, .. } => arguments.reserved(),
            _ => 0,
        };
        self.open.iter_mut().map(reserved).sum()
    }

    // ----- inside -----

    fn state(&mut self, id: u32) -> Option<&mut State> {
        self.open.get_mut(id).map(|call| &mut call.state)
    }

    /// Moves a call that is cancelled or expired towards its end.
    fn stop(&mut self, id: u32, why: Stop, tools: &mut Tools<'_>) {
        let Some(call) = self.open.get_mut(id) else { return };
        let refused = || {
            let (reason, error) = match why {
                Stop::Expired | Stop::Idle => (Refusal::Expired, expired_before_start()),
                Stop::ItemTooLarge { size, limit } => refuse_item(size, limit),
                Stop::Cancelled | Stop::Lost => (
                    Refusal::Cancelled,
                    RpcError::new(
                        Code::CANCELLED,
                        Delivery::Refused,
                        "cancelled before its handler was started",
                    ),
                ),
            };
            State::Refused { reason, error }
        };
        if matches!(call.state, State::Assembling { .. } | State::Waiting { .. } | State::Running)
            && let Some(streams) = &mut call.streams
        {
            streams.close(tools.spare);
        }
        match std::mem::replace(&mut call.state, State::Running) {
            // ## Assembling => Refused
            State::Assembling { partial, .. } => {
                partial.abandon(tools.budget);
                call.state = refused();
                self.line.push_back(id);
            }
            // ## Waiting => Refused: it keeps its place in the line.
            State::Waiting { arguments, .. } => {
                call.state = refused();
                tools.release(arguments);
            }
            // ## Running => Stopping: the call counts until the handler is gone.
            State::Running => {
                call.state = State::Stopping { why };
                if call.streams.is_some() {
                    tools.output.drop_load(id);
                }
                tools.events.push_back(Event::Stop { id: CallId(id), why });
            }
            // ## (Finishing | Answering) => ended: the rest of the answer is not wanted.
            ended @ (State::Finishing { .. } | State::Answering) => {
                tools.output.drop_load(id);
                if let State::Finishing { answer } = ended {
                    tools.output.discard(answer.into());
                }
                let error = stopped_handler(why);
                self.end_with(id, &error, tools);
            }
            same @ (State::Refused { .. } | State::Stopping { .. }) => call.state = same,
        }
    }

    fn refuse(&mut self, id: u32, reason: Refusal, error: &RpcError, tools: &mut Tools<'_>) {
        tools.refused(reason);
        self.end_with(id, error, tools);
    }

    /// Writes an ERROR without detail as the call's last frame.
    fn end_with(&mut self, id: u32, error: &RpcError, tools: &mut Tools<'_>) {
        self.forget(id, tools);
        let mut flags = Flags::NONE;
        if !error.delivery().is_harmless() {
            flags = flags.with(Flags::STARTED);
        } else if error.is_resend() {
            flags = flags.with(Flags::RESEND);
        }
        let metadata = match metadata_size(error.metadata()) > limits::METADATA {
            true => Metadata::new(),
            false => error.metadata().clone(),
        };
        let head = ErrorHead { code: error.code(), message: error.message().to_owned(), metadata };
        tools.output.frame(|out| head.write_frame(out, flags, id));
    }

    /// Writes an answer's first frame, and hands the rest of a large one to the bulk queue.
    fn send(
        &mut self,
        header: Header,
        head: impl FnOnce(&mut FrameWriter<'_>),
        payload: Load,
        peer: &Hello,
        tools: &mut Tools<'_>,
    ) {
        let Header { kind, flags, id } = header;
        let size = payload.len();
        let mut first = 0;
        tools.output.frame(|out| first = write_first(out, header, &payload, peer.eager, head));
        if first < size {
            if let Some(call) = self.open.get_mut(id) {
                call.state = State::Answering;
                self.earliest.note(call.deadline);
                if let Some(streams) = &mut call.streams {
                    // Nobody reads any more, and nothing of it may end the answer: that moves, and is watched as a write.
                    streams.close(tools.spare);
                    call.deadline = streams.total;
                }
            }
            tools.output.bulk.push(Bulk::new(id, kind, flags, payload, first, peer.eager));
        } else {
            self.forget(id, tools);
            tools.output.discard(payload);
        }
    }

    /// Takes a call that is over out of all tables.
    fn forget(&mut self, id: u32, tools: &mut Tools<'_>) {
        if let Some(Call { streams: Some(mut streams), .. }) = self.open.remove(id) {
            streams.close(tools.spare);
            self.streaming -= 1;
        }
    }
}
