//! Owns [`Connection`]: routes frames, timers and commands to the sub-machines. Holds no state of its own
//! beyond the phase; what a frame does is in `inbound` and `outbound`.

/// Lends the parts that moving a call needs, beside the one that is being moved.
macro_rules! tools {
    ($self:ident, $now:expr) => {
        Tools {
            config: &$self.config,
            output: &mut $self.output,
            budget: &mut $self.budget,
            spare: &mut $self.spare,
            events: &mut $self.events,
            now: $now,
        }
    };
}

mod drain;
mod front;
mod streams;

use std::collections::VecDeque;
use std::time::Instant;

use crate::call::Tail;
use crate::limits;
use crate::proto::assembly::Budget;
use crate::proto::bulk::Framed;
use crate::proto::event::{Answer, Body, Event, IncomingCall, Outgoing, Untaken};
use crate::proto::handshake::Handshake;
use crate::proto::inbound::Inbound;
use crate::proto::keepalive::{Keepalive, Verdict};
use crate::proto::outbound::Outbound;
use crate::proto::output::Output;
use crate::proto::phase::{Farewells, Phase};
use crate::proto::progress::Progress;
use crate::proto::stream::{MOST_CREDIT, Spare};
use crate::proto::timer::Timer;
use crate::proto::tools::Tools;
use crate::proto::unfinished::Unfinished;
use crate::proto::vain::Vain;
use crate::proto::{CallId, CallKey, Config, ConnectionError, Side};
use crate::wire::{Goaway, Header, Hello, Kind};

/// One connection: the protocol without a socket. See the [module](super) for its grammar.
#[derive(Debug)]
pub struct Connection {
    side: Side,
    config: Config,
    phase: Phase,
    farewells: Farewells,
    handshake: Handshake,
    unfinished: Option<Unfinished>,
    outbound: Outbound,
    inbound: Inbound,
    output: Output,
    budget: Budget,
    spare: Spare,
    keepalive: Keepalive,
    progress: Progress,
    vain: Vain,
    events: VecDeque<Event>,
}

impl Connection {
    /// A connection whose transport has just been made. Its preface and HELLO are ready to be written.
    pub fn new(side: Side, mut config: Config, now: Instant) -> Self {
        // A payload's total is a `u32` on the wire, and so is the length of an item with its head.
        config.message = config.message.min(u32::MAX as usize - Header::SIZE);
        // At once and for ever are no times to wait for a sign of life.
        config.keepalive = config.keepalive.map(|silence| silence.max(limits::KEEPALIVE_LEAST));
        config.keepalive_timeout = config.keepalive_timeout.max(limits::KEEPALIVE_LEAST);
        // With no room at all nothing would ever start.
        config.output = config.output.max(1);
        config.bulk = config.bulk.max(1);
        // Nor would an item ever leave that costs more than its stream ever has.
        config.credit = config.credit.clamp(limits::ITEM_OVERHEAD as u64 + 1, MOST_CREDIT);
        Self {
            side,
            phase: Phase::Handshaking,
            farewells: Farewells::default(),
            handshake: Handshake::new(config.handshake, now),
            unfinished: None,
            outbound: Outbound::new(side, &config),
            inbound: Inbound::new(),
            output: Output::new(&config.hello()),
            budget: Budget::new(side, config.assembly),
            spare: Spare::new(config.credit_spare),
            keepalive: Keepalive::new(config.keepalive, config.keepalive_timeout, now),
            progress: Progress::new(config.write_stall),
            vain: Vain::new(config.vain, now),
            events: VecDeque::new(),
            config,
        }
    }

    // ----- what happened -----

    /// Takes what has been read and says how many of the bytes are done with; the rest belongs to a frame that
    /// is not all there, and comes again with what follows it.
    pub fn handle_read(&mut self, input: &[u8], now: Instant) -> usize {
        self.keepalive.heard(now);
        let (mut taken, mut whole) = (0, false);
        while self.phase.is_alive() {
            match self.handle_front(&input[taken..], now) {
                Ok(0) => break,
                Ok(bytes) => {
                    taken += bytes;
                    whole |= self.unfinished.is_none();
                }
                Err(error) => self.fail(error, now),
            }
        }
        if !self.phase.is_alive() {
            return input.len();
        }
        let begun = self.unfinished.as_ref().map_or(input.len() - taken, Unfinished::taken);
        self.progress.left_over(begun, whole, now);
        self.settle(now);
        taken
    }

    /// The transport took so many bytes of what [`poll_transmit`](Self::poll_transmit) gave.
    pub fn handle_written(&mut self, bytes: usize, now: Instant) {
        self.output.wrote(bytes);
        self.outbound.handle_written(self.output.written(), &mut self.events);
        if self.progress.wrote(bytes, self.output.is_written()) {
            self.keepalive.moved(now);
        }
        self.settle(now);
    }

    /// The transport takes no more for now.
    pub fn handle_blocked(&mut self, now: Instant) {
        self.progress.blocked(now);
    }

    /// The peer closed its end of the transport.
    pub fn handle_eof(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Open) && self.is_idle() && !self.progress.is_inside_a_frame() {
            self.close(None, now);
        } else {
            self.handle_transport_error(ConnectionError::Closed, now);
        }
    }

    /// The transport failed: nothing will be read or written any more.
    pub fn handle_transport_error(&mut self, error: ConnectionError, now: Instant) {
        self.close(Some(error), now);
    }

    /// The instant that [`poll_timeout`](Self::poll_timeout) gave has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.handle_timers(&Timer::ALL, now);
    }

    /// Ends the calls whose time is over, and nothing else: this may be said out of turn.
    pub fn handle_deadlines(&mut self, now: Instant) {
        self.handle_timers(&Timer::DEADLINES, now);
    }

    // ----- commands -----

    /// Makes a call. It ends with an [`Event::Ended`], unless it is [cancelled](Self::cancel).
    ///
    /// # Errors
    ///
    /// When the call cannot be taken; it has not been sent then.
    #[inline]
    pub fn call(&mut self, call: impl Into<Outgoing>, now: Instant) -> Result<CallKey, Box<Untaken>> {
        self.wind_down(now);
        self.outbound.call(call.into(), &mut tools!(self, now))
    }

    /// Gives up a call of this side: its callee is told, and no event follows. A call that has ended is left as
    /// it is, as long as its key has not been given to another one.
    pub fn cancel(&mut self, key: CallKey, now: Instant) {
        self.outbound.cancel(key, &mut tools!(self, now));
        self.settle(now);
    }

    /// Answers a call of the peer. One that has been stopped or lost needs no answer, and gets none.
    pub fn answer(&mut self, id: CallId, answer: Answer, now: Instant) {
        self.answer_all([(id, answer)], now);
    }

    /// The same for calls that have been answered together.
    pub fn answer_all(&mut self, answers: impl IntoIterator<Item = (CallId, Answer)>, now: Instant) {
        // Without the peer's HELLO no call of it has been accepted.
        if let Some(peer) = self.outbound.peer() {
            for (id, answer) in answers {
                self.inbound.answer(id, answer, peer, &mut tools!(self, now));
            }
            self.settle(now);
        }
    }

    /// The handler that an [`Event::Stop`] named is gone.
    pub fn stopped(&mut self, id: CallId, now: Instant) {
        self.inbound.stopped(id, &mut tools!(self, now));
        self.settle(now);
    }

    /// A payload has been decoded or dropped: what it held is free for the next.
    pub fn release(&mut self, body: Body, now: Instant) {
        tools!(self, now).release(body);
        self.settle(now);
    }

    /// Ends the connection now: the peer is told why, and calls that are under way are cut.
    pub fn close_now(&mut self, reason: &'static str, now: Instant) {
        if self.phase.is_alive() {
            self.inbound.cut(reason, &mut tools!(self, now));
            self.fail(ConnectionError::Local(reason), now);
        }
    }

    // ----- what is to be done -----

    /// Whether there are events, or buffers that have been sent.
    pub(crate) fn has_news(&self) -> bool {
        !self.events.is_empty() || self.output.has_spent()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The next call to start. There is none while the output is full.
    pub fn poll_start(&mut self, now: Instant) -> Option<IncomingCall> {
        if !matches!(self.phase, Phase::Open) {
            return None;
        }
        let start = self.inbound.poll_start(&mut tools!(self, now));
        if start.is_none() {
            self.settle(now);
        }
        start
    }

    /// The next bytes to write: one write to the transport.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Vec<u8>> {
        let segment = self.output.poll()?;
        while let Some((Framed { id, kind, payload }, end)) = self.output.poll_finished() {
            let unwanted = match kind {
                Kind::Item => {
                    self.handle_items_framed(id, now);
                    Some(payload)
                }
                Kind::Call => self.outbound.handle_framed(id, payload, end, &mut tools!(self, now)),
                _ => {
                    self.inbound.handle_framed(id, &mut tools!(self, now));
                    Some(payload)
                }
            };
            if let Some(unwanted) = unwanted {
                self.output.discard(unwanted);
            }
        }
        while let Some(id) = self.output.bulk.poll_moved() {
            self.items_moved(id, now);
        }
        Some(segment)
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        Timer::ALL.iter().filter_map(|&timer| self.timer(timer)).min()
    }

    /// When [`handle_deadlines`](Self::handle_deadlines) is due.
    pub fn deadline_timeout(&self) -> Option<Instant> {
        Timer::DEADLINES.iter().filter_map(|&timer| self.timer(timer)).min()
    }

    // ----- views and memory -----

    /// Whether an answer may be encoded: those that wait to be framed are not too many yet.
    pub const fn has_room_for_answers(&self) -> bool {
        self.output.bulk.answer_bytes() < self.config.bulk
    }

    /// Buffers of the application's that have been sent, to be dropped when no lock is held.
    pub(crate) fn take_spent(&mut self) -> Vec<Tail> {
        self.output.take_spent()
    }

    /// Whether a large payload has begun to come or to leave since this was asked last.
    pub const fn take_begun(&mut self) -> bool {
        let (comes, leaves) = (self.budget.take_begun(), self.output.bulk.take_begun());
        comes || leaves
    }

    /// Whether there are bytes to write.
    pub fn wants_write(&self) -> bool {
        self.output.has_more()
    }

    /// Whether [`poll_start`](Self::poll_start) has something to do: calls wait, and there is room for answers.
    pub fn can_start(&self) -> bool {
        matches!(self.phase, Phase::Open)
            && self.inbound.waiting() > 0
            && self.output.backlog() < self.config.output
            && self.has_room_for_answers()
    }

    /// Calls that wait to be started.
    pub fn waiting_calls(&self) -> usize {
        self.inbound.waiting()
    }

    /// Whether further calls of this side can be taken. A side that [drains](Self::drain) takes those that its handlers make.
    pub const fn takes_calls(&self) -> bool {
        !self.outbound.is_retired()
    }

    /// Calls of this side that are sent or abandoned and not counted out, and those that wait.
    pub fn outbound_calls(&self) -> (usize, usize) {
        (self.outbound.open(), self.outbound.queued())
    }

    /// Calls of the peer that are not counted out.
    pub const fn inbound_calls(&self) -> usize {
        self.inbound.open()
    }

    /// Whether a call of the peer is with a handler that has not been told to stop.
    pub fn is_running(&mut self, id: CallId) -> bool {
        self.inbound.is_running(id)
    }

    /// What the peer said of itself, once it has.
    pub const fn peer(&self) -> Option<&Hello> {
        self.outbound.peer()
    }

    /// Whether the connection is over: nothing comes after [`Event::Closed`].
    pub const fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed)
    }

    /// The bytes held by the queue, by the budget and its line, and by answers in the bulk queue.
    #[cfg(any(test, fuzzing))]
    pub(super) fn held_bytes(&self) -> (usize, usize, usize) {
        (self.outbound.held(), self.budget.used() + self.budget.waiting(), self.output.bulk.answer_bytes())
    }

    /// Whether it has neither failed nor closed.
    #[cfg(any(test, fuzzing))]
    pub const fn is_alive(&self) -> bool {
        self.phase.is_alive()
    }

    /// Sums are what they sum. `lent` is what bodies that are out have reserved.
    #[cfg(any(test, fuzzing))]
    #[track_caller]
    pub fn assert_adds_up(&mut self, lent: usize, config: &Config) {
        let reserved = self.outbound.reserved() + self.inbound.reserved();
        assert_eq!(self.budget.used(), reserved + lent, "the budget");
        assert!(self.budget.used() <= config.assembly);
        let (own, peer) = (self.outbound.spare_held(), self.inbound.spare_held());
        assert_eq!(self.spare.used().0, own + peer, "spare credit");
        assert_eq!(self.outbound.held(), self.outbound.counted(), "arguments that wait or leave");
        assert_eq!(self.output.bulk.answer_bytes(), self.output.bulk.counted(), "answers that leave");
        assert!(self.inbound.open() <= config.in_flight as usize);
        assert!(self.outbound.queued() <= config.queue && self.outbound.held() <= config.queue_bytes);
    }

    /// What is possible has been done: nothing waits for a reason that is gone.
    #[cfg(any(test, fuzzing))]
    #[track_caller]
    pub fn assert_settled(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Open) {
            let before = (self.outbound.queued(), self.budget.waiting(), self.spare.used().1);
            self.settle(now);
            assert_eq!(before, (self.outbound.queued(), self.budget.waiting(), self.spare.used().1));
            assert!(matches!(self.phase, Phase::Open), "it has nothing left to do");
        }
    }

    /// What is over has been ended.
    #[cfg(any(test, fuzzing))]
    pub fn assert_timely(&mut self, now: Instant) {
        assert_eq!(self.inbound.overdue(now), 0, "calls whose time is over are not held");
    }

    #[cfg(test)]
    pub(super) fn backlog(&self) -> usize {
        self.output.backlog()
    }

    /// Nothing is open, held or waiting.
    #[cfg(any(test, fuzzing))]
    #[track_caller]
    pub fn assert_empty(&self) {
        let calls = (self.outbound_calls(), self.inbound_calls(), self.inbound.waiting());
        assert_eq!((calls, self.held_bytes()), (((0, 0), 0, 0), (0, 0, 0)));
        assert!(self.outbound.is_written());
        assert_eq!(self.spare.used(), (0, 0));
    }

    // ----- inside -----

    fn timer(&self, timer: Timer) -> Option<Instant> {
        if !self.phase.is_alive() {
            return if timer == Timer::Farewell { self.phase.farewell_timeout() } else { None };
        }
        match timer {
            Timer::Handshake => self.handshake.timeout(),
            Timer::Keepalive if self.handshake.is_done() => self.keepalive.timeout(),
            Timer::Keepalive | Timer::Farewell => None,
            Timer::FrameProgress => self.progress.frame_timeout(),
            Timer::WriteStall => self.progress.write_timeout(),
            Timer::OutboundDeadline => self.outbound.timeout(),
            Timer::InboundDeadline => self.inbound.timeout(),
        }
    }

    fn handle_timers(&mut self, timers: &[Timer], now: Instant) {
        for &timer in timers {
            if self.timer(timer).is_some_and(|due| due <= now) {
                self.handle_timer(timer, now);
            }
        }
        self.settle(now);
    }

    fn handle_timer(&mut self, timer: Timer, now: Instant) {
        match timer {
            Timer::Handshake => self.fail(ConnectionError::HandshakeTimeout(self.handshake.limit()), now),
            Timer::Keepalive => match self.keepalive.handle_timeout(now) {
                Verdict::Ping(number) => self.output.ping(number),
                Verdict::Dead => self.close(Some(ConnectionError::Dead(self.config.keepalive_timeout)), now),
            },
            Timer::FrameProgress => self.fail(ConnectionError::FrameStalled, now),
            Timer::WriteStall => {
                self.close(Some(ConnectionError::WriteStalled(self.config.write_stall)), now)
            }
            Timer::OutboundDeadline => self.outbound.handle_timeout(&mut tools!(self, now)),
            Timer::InboundDeadline => self.inbound.handle_timeout(&mut tools!(self, now)),
            Timer::Farewell => {
                if let Phase::Failing { error, .. } = std::mem::replace(&mut self.phase, Phase::Closed) {
                    self.finish(Some(error));
                }
            }
        }
    }

    /// Does what has become possible: grants, calls that wait for a place, the end of a drained connection.
    fn settle(&mut self, now: Instant) {
        self.wind_down(now);
        match &self.phase {
            Phase::Handshaking => {}
            Phase::Open => {
                while let Some((id, total)) = self.budget.next_grant() {
                    let own = self.side.owns(id);
                    let known = if own { self.outbound.grant(id) } else { self.inbound.grant(id) };
                    debug_assert!(known, "a payload that waits for its grant belongs to an open call");
                    self.output.credit(id, total as u64);
                }
                self.lend(now);
                self.outbound.dispatch(&mut tools!(self, now));
                if self.is_drained() {
                    self.close(None, now);
                }
            }
            Phase::Failing { .. } if self.output.is_empty() => self.handle_timer(Timer::Farewell, now),
            Phase::Failing { .. } | Phase::Closed => {}
        }
    }

    /// Ends the connection for a fault: the peer is told, if it can hear, and then the transport closes.
    fn fail(&mut self, error: ConnectionError, now: Instant) {
        let Some(code) = error.farewell() else { return self.close(Some(error), now) };
        let last = self.farewells.said.unwrap_or_else(|| self.inbound.highest());
        // What is framed may still be written, so nothing that was framed counts as not sent. Calls that are half
        // sent take their arguments back from the output before it forgets them.
        self.cut(&error, None, now);
        self.output.farewell(&Goaway { last, code: Some(code), text: error.to_string() });
        self.phase = Phase::Failing { error, since: now };
    }

    /// Ends the connection without a further word.
    fn close(&mut self, error: Option<ConnectionError>, now: Instant) {
        if matches!(self.phase, Phase::Closed) {
            return;
        }
        let told = match std::mem::replace(&mut self.phase, Phase::Closed) {
            Phase::Failing { error, .. } => Some(error),
            _ => error,
        };
        let reason = told.clone().unwrap_or(ConnectionError::Closed);
        let written = self.output.written();
        self.cut(&reason, Some(written), now);
        self.finish(told);
    }

    /// Ends every call with what is known of it.
    fn cut(&mut self, error: &ConnectionError, written: Option<u64>, now: Instant) {
        self.outbound.handle_lost(error, written, &mut tools!(self, now));
        self.inbound.handle_lost(&mut tools!(self, now));
    }

    fn finish(&mut self, error: Option<ConnectionError>) {
        self.phase = Phase::Closed;
        self.output.clear();
        self.events.push_back(Event::Closed(error));
    }
}
