//! Owns [`River`]: two machines with streams between them, two honest applications that take their time, and what must
//! hold after each [`Step`]. Knows nothing of where the steps come from: `flow` and a fuzz target draw them.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::probe;
use super::steps::{Deed, Patience, Size, Step, Way};
use super::watch::Watch;
use crate::call::{Code, Deadline, Delivery, Metadata, RpcError};
use crate::proto::{
    Answer, Batch, CallId, CallKey, CallRef, Config, Connection, ConnectionError, Event, IncomingCall,
    OutgoingCall, Received, Side, Stop, StreamUse, Taken,
};

/// The code that only the applications use.
const APPLICATION: Code = Code::from_u16(77);

/// One end: a machine, its driver's buffers, and its application.
struct End {
    machine: Connection,
    config: Config,
    /// Bytes on their way to this end, and what has been seen of them.
    link: VecDeque<u8>,
    watch: Watch,
    unread: Vec<u8>,
    hand: Option<(Vec<u8>, usize)>,
    /// Live calls of this end, with their place in the ledger.
    calls: BTreeMap<CallKey, usize>,
    handlers: Vec<Handler>,
    blocked: bool,
    closed: bool,
}

struct Handler {
    id: CallId,
    entry: usize,
    stopping: bool,
}

/// What is known of a call from outside of both machines.
struct Entry {
    usage: Option<StreamUse>,
    arguments: usize,
    /// Items of the caller, and of the callee.
    flows: [Flow; 2],
    starts: usize,
    announced: bool,
    opened: bool,
    answer: Option<Way>,
    /// Its handler was to be stopped when it answered.
    stopped: bool,
}

/// The items of one direction, as both applications know them.
#[derive(Default)]
struct Flow {
    /// What the sender's machine has taken, by size.
    pushed: Vec<usize>,
    /// What it has not taken.
    left: Batch,
    left_sizes: VecDeque<usize>,
    /// The sender waits for Writable, and the receiver for Readable.
    turned_away: bool,
    waits: bool,
    /// An item was refused by the sender's machine.
    refused: bool,
    finished: bool,
    /// How many have been received, and the cost of those that the receiver is not done with.
    received: usize,
    held: u64,
}

pub(super) struct River {
    ends: [End; 2],
    now: Instant,
    ledger: Vec<Entry>,
    /// Something other than a drain has ended a connection, or is about to.
    disturbed: bool,
}

impl River {
    #[expect(clippy::disallowed_methods, reason = "virtual time has to begin somewhere")]
    pub(super) fn new(configs: [Config; 2]) -> Self {
        let now = Instant::now();
        let [client, server] = configs;
        let end = |side, config: Config| End {
            machine: Connection::new(side, config.clone(), now),
            config,
            link: VecDeque::new(),
            watch: Watch::of_streams(),
            unread: Vec::new(),
            hand: None,
            calls: BTreeMap::new(),
            handlers: Vec::new(),
            blocked: false,
            closed: false,
        };
        let ends = [end(Side::Client, client), end(Side::Server, server)];
        Self { ends, now, ledger: Vec::new(), disturbed: false }
    }

    /// Makes a step and checks everything.
    pub(super) fn make(&mut self, next: &Step) {
        let (at, now) = (next.end, self.now);
        match next.what {
            Deed::Open { sends, takes, size, patience } => {
                self.open(at, Some((sends, takes, patience)), size)
            }
            Deed::Unary(size) => self.open(at, None, size),
            Deed::Push { nth, size, count, impatient } => self.offer(at, nth, size, count, impatient),
            Deed::Take { nth, slow } => {
                if let Some((call, entry)) = self.nth_stream(at, nth, Self::receives) {
                    let _ = self.take(at, call, entry, slow);
                }
            }
            Deed::Finish(nth) => {
                if let Some((CallRef::Own(key), entry)) = self.nth_stream(at, nth, Self::sends_items) {
                    self.finish_items(at, key, entry);
                }
            }
            Deed::Announce(nth) => self.announce(at, nth),
            Deed::Answer(nth, way) => {
                if !self.ends[at].handlers.is_empty() {
                    self.answer(at, nth % self.ends[at].handlers.len(), way);
                }
            }
            Deed::Cancel(nth) => self.cancel(at, nth),
            Deed::Stopped(nth) => drop(self.stopped(at, nth)),
            Deed::Write(bytes) => drop(self.write(at, bytes)),
            Deed::Deliver { bytes, chunk } => drop(self.deliver(at, bytes, chunk)),
            Deed::Block(on) => self.ends[at].blocked = on,
            Deed::Drive => self.drive(),
            Deed::Pass(time) => self.pass(time),
            Deed::Drain => self.ends[at].machine.drain("drained by the test", now),
            Deed::CloseNow => {
                self.disturbed = true;
                self.ends[at].machine.close_now("closed by the test", now);
            }
            Deed::Lose(keep) => self.lose(at, keep),
        }
        for end in &mut self.ends {
            probe::is_settled(&mut end.machine, self.now);
        }
        self.listen();
        self.check();
    }

    /// Everybody takes, sends what is left and answers, told by events alone; then nothing may be left.
    pub(super) fn finish(mut self, drained_by: usize) {
        for end in &mut self.ends {
            end.blocked = false;
        }
        self.serve();
        if self.ends.iter().all(|end| !end.closed) {
            for end in &mut self.ends {
                assert!(end.calls.is_empty(), "calls that nothing moves any more: {:?}", end.calls);
                probe::is_idle(&mut end.machine);
            }
            self.ends[drained_by].machine.drain("the end", self.now);
            self.serve();
        }
        for end in &mut self.ends {
            assert!(end.closed, "a connection that has nothing left closes");
            assert!(end.calls.is_empty() && end.handlers.is_empty() && end.machine.is_closed());
            probe::is_idle(&mut end.machine);
            assert!(!end.machine.wants_write() && !end.machine.can_start());
            assert_eq!(end.machine.poll_timeout(), None);
        }
    }

    // ----- the applications -----

    fn open(&mut self, at: usize, streams: Option<(bool, bool, Patience)>, size: usize) {
        let (now, end, nth) = (self.now, &mut self.ends[at], self.ledger.len());
        let after = |time: Option<Duration>| time.map(|time| Deadline::after(now, time));
        let usage = streams.map(|(sends, takes, patience)| StreamUse {
            sends,
            takes,
            idle: patience.idle,
            total: after(patience.total),
        });
        let call = OutgoingCall {
            method: "A.b".into(),
            deadline: after(
                streams.map_or(Some(Duration::from_secs(3_600)), |(.., patience)| patience.first),
            ),
            metadata: marked(nth),
            arguments: filled(nth, size).into(),
            oneway: false,
            stream: usage,
            only_at: None,
        };
        if let Ok(key) = end.machine.call(call, now) {
            assert_eq!(end.calls.insert(key, nth), None, "a key names one live call");
            self.ledger.push(Entry {
                usage,
                arguments: size,
                flows: [Flow::default(), Flow::default()],
                starts: 0,
                announced: false,
                opened: false,
                answer: None,
                stopped: false,
            });
        }
    }

    /// Has items to send, and sends what may be sent.
    fn offer(&mut self, at: usize, nth: usize, size: Size, count: usize, impatient: bool) {
        let Some((call, entry)) = self.nth_stream(at, nth, Self::sends_items) else { return };
        let size = size.bytes(self.ends[1 - at].config.credit);
        let flow = &mut self.ledger[entry].flows[direction(call)];
        for _ in 0..count {
            let nth = flow.pushed.len() + flow.left_sizes.len();
            flow.left.push(&filled(entry ^ nth, size));
            flow.left_sizes.push_back(size);
        }
        if impatient || !flow.turned_away {
            self.push(at, call, entry);
        }
    }

    fn push(&mut self, at: usize, call: CallRef, entry: usize) {
        let flow = &mut self.ledger[entry].flows[direction(call)];
        if self.ends[at].machine.push_items(call, &mut flow.left, self.now).is_err() {
            // The application gives up what it wanted to say.
            (flow.refused, flow.left) = (true, Batch::new());
            flow.left_sizes.clear();
        }
        let mut size: usize = flow.left_sizes.iter().map(|size| size + Batch::HEAD).sum();
        while size > flow.left.size() {
            let item = flow.left_sizes.pop_front().expect("what is gone was there");
            flow.pushed.push(item);
            size -= item + Batch::HEAD;
        }
        assert_eq!(size, flow.left.size(), "whole items go, from the front");
        flow.turned_away = !flow.left.is_empty();
    }

    /// Says whether the call goes on.
    fn take(&mut self, at: usize, call: CallRef, entry: usize, slow: bool) -> bool {
        let flow = &mut self.ledger[entry].flows[1 - direction(call)];
        let done = if slow { 0 } else { std::mem::take(&mut flow.held) };
        match self.ends[at].machine.take_items(call, done, self.now) {
            Taken::Items(batch) => {
                flow.held += flow.receive(batch, entry);
                flow.waits = false;
            }
            Taken::Nothing => flow.waits = true,
            Taken::Gone => {
                flow.waits = false;
                return false;
            }
            Taken::End => {
                assert!(matches!(call, CallRef::Peer(_)), "a callee's end is the call's");
                assert!(flow.has_all_arrived(), "an end before its time");
                flow.waits = false;
            }
        }
        true
    }

    fn finish_items(&mut self, at: usize, key: CallKey, entry: usize) {
        let flow = &mut self.ledger[entry].flows[0];
        if flow.left.is_empty() {
            flow.finished = true;
            self.ends[at].machine.finish_items(key, self.now);
        }
    }

    fn announce(&mut self, at: usize, nth: usize) {
        let end = &mut self.ends[at];
        let takes = |handler: &&Handler| self.ledger[handler.entry].usage.is_some_and(|usage| usage.takes);
        let waiting: Vec<&Handler> = end.handlers.iter().filter(takes).collect();
        if let Some(handler) = waiting.get(nth % waiting.len().max(1)) {
            self.ledger[handler.entry].announced = true;
            end.machine.open_stream(handler.id, &Metadata::new(), self.now);
        }
    }

    fn answer(&mut self, at: usize, which: usize, way: Way) {
        let end = &mut self.ends[at];
        let Handler { id, entry: nth, stopping } = end.handlers.remove(which);
        let entry = &mut self.ledger[nth];
        let takes = entry.usage.is_some_and(|usage| usage.takes);
        // Who has items left has not done well.
        let unwell = !entry.flows[1].left.is_empty() || entry.flows[1].refused;
        let way = if way == Way::Failed || (takes && unwell) { Way::Failed } else { way };
        let metadata = Metadata::new();
        let answer = match way {
            Way::Well(_) if takes => Answer::End { metadata },
            Way::Well(size) => Answer::Reply { metadata, payload: filled(!nth, size).into() },
            Way::App(size) => Answer::App { metadata, detail: filled(!nth, size).into() },
            Way::Failed => Answer::Error(RpcError::new(APPLICATION, Delivery::Executed, "of the test")),
        };
        (entry.answer, entry.stopped) = (Some(way), stopping);
        end.machine.answer(id, answer, self.now);
    }

    fn cancel(&mut self, at: usize, nth: usize) {
        let end = &mut self.ends[at];
        if let Some(&key) = end.calls.keys().nth(nth % end.calls.len().max(1)) {
            end.calls.remove(&key);
            end.machine.cancel(key, self.now);
        }
    }

    fn stopped(&mut self, at: usize, nth: usize) -> bool {
        let end = &mut self.ends[at];
        let stopping: Vec<usize> = (0..end.handlers.len()).filter(|&at| end.handlers[at].stopping).collect();
        let Some(&which) = stopping.get(nth % stopping.len().max(1)) else { return false };
        let gone = end.handlers.remove(which);
        end.machine.stopped(gone.id, self.now);
        true
    }

    // ----- who has streams -----

    fn streams(&self, at: usize) -> Vec<(CallRef, usize)> {
        let end = &self.ends[at];
        let own = end.calls.iter().map(|(&key, &entry)| (CallRef::Own(key), entry));
        let peer = end.handlers.iter().filter(|handler| !handler.stopping);
        own.chain(peer.map(|handler| (CallRef::Peer(handler.id), handler.entry))).collect()
    }

    fn nth_stream(
        &self,
        at: usize,
        nth: usize,
        wanted: impl Fn(&Self, CallRef, usize) -> bool,
    ) -> Option<(CallRef, usize)> {
        let mut all = self.streams(at);
        all.retain(|&(call, entry)| wanted(self, call, entry));
        (!all.is_empty()).then(|| all[nth % all.len()])
    }

    /// Whether the application may send items.
    fn sends_items(&self, call: CallRef, entry: usize) -> bool {
        let entry = &self.ledger[entry];
        let flow = &entry.flows[direction(call)];
        entry.usage.is_some_and(|usage| match call {
            CallRef::Own(_) => usage.sends && !flow.finished && !flow.refused,
            CallRef::Peer(_) => entry.announced && !flow.refused,
        })
    }

    fn receives(&self, call: CallRef, entry: usize) -> bool {
        self.ledger[entry].usage.is_some_and(|usage| match call {
            CallRef::Own(_) => usage.takes,
            CallRef::Peer(_) => usage.sends,
        })
    }

    // ----- what the machines say -----

    /// Takes events and starts of both ends; says whether there were any.
    fn listen(&mut self) -> bool {
        let mut did = false;
        for at in 0..2 {
            while let Some(event) = self.ends[at].machine.poll_event() {
                did = true;
                self.handle(at, event);
            }
            while let Some(call) = self.ends[at].machine.poll_start(self.now) {
                did = true;
                self.start(at, call);
            }
        }
        did
    }

    fn handle(&mut self, at: usize, event: Event) {
        assert!(!self.ends[at].closed, "an event after Closed: {event:?}");
        match event {
            Event::Ready(_) | Event::Refused(_) | Event::Retire | Event::Leaving => {}
            Event::Written { .. } => panic!("no call is oneway"),
            Event::Opened { key, .. } => {
                let entry = &mut self.ledger[self.ends[at].calls[&key]];
                assert!(!std::mem::replace(&mut entry.opened, true), "a stream opens once");
            }
            Event::Readable(call) => {
                let Some(entry) = self.entry(at, call) else { return };
                let flow = &mut self.ledger[entry].flows[1 - direction(call)];
                assert!(std::mem::take(&mut flow.waits), "who has not looked is not told");
            }
            Event::Writable(call) => {
                let Some(entry) = self.entry(at, call) else { return };
                let flow = &mut self.ledger[entry].flows[direction(call)];
                assert!(std::mem::take(&mut flow.turned_away), "who was not turned away is not told");
            }
            Event::Ended { key, outcome, unseen, unread } => {
                let nth = self.ends[at].calls.remove(&key).expect("a call ends once, never after its cancel");
                let entry = &mut self.ledger[nth];
                for batch in unread.into_iter().flat_map(|unread| unread.items) {
                    entry.flows[1].receive(batch, nth);
                }
                if let Some(call) = unseen {
                    assert!(entry.starts == 0 && entry.flows[0].pushed.is_empty(), "nobody saw it");
                    assert_eq!(call.arguments.len(), entry.arguments, "as it was");
                }
                entry.end(&outcome, nth);
                if let Received::Reply { body, .. } | Received::App { detail: body, .. } = outcome {
                    self.ends[at].machine.release(body, self.now);
                }
            }
            Event::Stop { id, why } => {
                let end = &mut self.ends[at];
                let which = end.handlers.iter().position(|handler| handler.id == id).expect("it runs");
                if why == Stop::Lost {
                    end.handlers.remove(which);
                } else {
                    let stopping = &mut end.handlers[which].stopping;
                    assert!(!std::mem::replace(stopping, true), "a handler is stopped once");
                }
            }
            Event::Closed(reason) => {
                if let Some(reason) = &reason {
                    assert!(self.disturbed, "between two honest machines: {reason}");
                    let fault = reason.to_string().contains("broke the protocol");
                    assert!(!fault, "between two honest machines: {reason}");
                }
                let end = &mut self.ends[at];
                assert!(end.calls.is_empty() && end.handlers.is_empty());
                end.closed = true;
            }
        }
    }

    /// The ledger's entry of a call that the application has; one that it has given up or answered is none of its own.
    fn entry(&self, at: usize, call: CallRef) -> Option<usize> {
        self.streams(at).into_iter().find(|(known, _)| *known == call).map(|(_, entry)| entry)
    }

    fn start(&mut self, at: usize, call: IncomingCall) {
        let nth = mark(&call.metadata);
        let entry = &mut self.ledger[nth];
        assert_eq!(entry.starts, 0, "call {nth} is started once");
        assert_eq!(call.arguments.bytes().len(), entry.arguments);
        let uses = |usage: Option<StreamUse>| usage.map(|usage| (usage.sends, usage.takes, usage.idle));
        assert_eq!(uses(call.stream.map(|stream| *stream)), uses(entry.usage));
        entry.starts += 1;
        self.ends[at].handlers.push(Handler { id: call.id, entry: nth, stopping: false });
        self.ends[at].machine.release(call.arguments, self.now);
    }

    // ----- the transport -----

    /// Writes at most so many bytes of one segment.
    fn write(&mut self, at: usize, most: usize) -> bool {
        let end = &mut self.ends[at];
        if end.blocked {
            if end.machine.wants_write() || end.hand.is_some() {
                end.machine.handle_blocked(self.now);
            }
            return false;
        }
        if end.hand.is_none() {
            end.hand = end.machine.poll_transmit(self.now).map(|segment| (segment, 0));
        }
        let Some((segment, written)) = &mut end.hand else {
            assert!(!end.machine.wants_write(), "what wants to be written can be taken");
            return false;
        };
        let some = most.min(segment.len() - *written);
        if some == 0 {
            return false;
        }
        let bytes = segment[*written..*written + some].to_vec();
        *written += some;
        let _ = end.hand.take_if(|(segment, written)| *written == segment.len());
        end.machine.handle_written(some, self.now);
        let [client, server] = &mut self.ends;
        let (end, peer) = if at == 0 { (client, server) } else { (server, client) };
        peer.watch.see(&bytes, [Side::Client, Side::Server][at], &end.watch);
        if !peer.closed {
            peer.link.extend(bytes);
        }
        true
    }

    /// Gives an end at most so many of the bytes that are on their way to it, in pieces.
    fn deliver(&mut self, at: usize, bytes: usize, chunk: usize) -> bool {
        let peer_is_gone = self.ends[1 - at].closed;
        let end = &mut self.ends[at];
        if end.closed {
            end.link.clear();
            return false;
        }
        // Small pieces of a large message take long, and show nothing new.
        let mut left = bytes.min(end.link.len()).min(chunk.saturating_mul(500));
        if left == 0 {
            if peer_is_gone && end.link.is_empty() {
                end.machine.handle_eof(self.now);
            }
            return peer_is_gone;
        }
        while left > 0 {
            let some = chunk.min(left);
            left -= some;
            end.unread.extend(end.link.drain(..some));
            let taken = end.machine.handle_read(&end.unread, self.now);
            end.unread.drain(..taken);
        }
        true
    }

    fn lose(&mut self, first: usize, keep: [usize; 2]) {
        self.disturbed = true;
        for at in [first, 1 - first] {
            self.ends[at].link.truncate(keep[at]);
        }
        for at in [first, 1 - first] {
            while self.deliver(at, usize::MAX, usize::MAX) {
                self.listen();
            }
            if !self.ends[at].closed {
                let error = ConnectionError::Transport("lost".into());
                self.ends[at].machine.handle_transport_error(error, self.now);
            }
            self.listen();
            assert!(self.ends[at].closed);
        }
    }

    fn drive(&mut self) {
        for _ in 0..100_000 {
            let mut moved = self.listen();
            for at in 0..2 {
                while self.write(at, usize::MAX) {
                    moved = true;
                }
                moved |= self.deliver(at, usize::MAX, usize::MAX);
            }
            if !moved {
                return self.check_waits();
            }
        }
        panic!("the machines do not come to rest");
    }

    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        loop {
            self.drive();
            let timeouts = self.ends.iter().filter_map(|end| end.machine.poll_timeout());
            let Some(next) = timeouts.min().filter(|&next| next <= until) else { break };
            self.now = self.now.max(next);
            for at in 0..2 {
                let machine = &mut self.ends[at].machine;
                if machine.poll_timeout().is_some_and(|due| due <= self.now) {
                    machine.handle_timeout(self.now);
                    // Silence and standing still may end a connection.
                    self.disturbed |= !probe::is_alive(machine);
                }
                probe::is_timely(machine, self.now);
            }
        }
        self.now = until;
        self.drive();
    }

    /// Both applications do what they can, until they can do nothing more. Time stands still.
    fn serve(&mut self) {
        for _ in 0..20_000 {
            self.drive();
            let mut did = false;
            for at in 0..2 {
                while self.stopped(at, 0) {
                    did = true;
                }
                for (call, entry) in self.streams(at) {
                    // What was done for another call may have ended this one: the last answer of a drained side does.
                    did |= self.listen();
                    if self.streams(at).contains(&(call, entry)) {
                        did |= self.go_on(at, call, entry);
                    }
                }
            }
            self.check();
            if !did {
                return;
            }
        }
        panic!("the applications do not come to rest");
    }

    /// What one application does for one call; says whether that was anything.
    fn go_on(&mut self, at: usize, call: CallRef, entry: usize) -> bool {
        let mut did = false;
        let (mine, theirs) = (direction(call), 1 - direction(call));
        let uses = self.ledger[entry].usage;
        if let (CallRef::Peer(id), Some(usage)) = (call, uses)
            && usage.takes
            && !std::mem::replace(&mut self.ledger[entry].announced, true)
        {
            self.ends[at].machine.open_stream(id, &Metadata::new(), self.now);
            did = true;
        }
        let flow = |river: &Self, which: usize| {
            let flow = &river.ledger[entry].flows[which];
            (flow.left.is_empty(), flow.turned_away, !flow.waits || flow.held > 0)
        };
        // Who is not done with what it took says so before it waits.
        while self.receives(call, entry) && flow(self, theirs).2 && !self.has_seen_the_end(call, entry) {
            did = true;
            if !self.take(at, call, entry, false) {
                assert!(self.listen() && !self.streams(at).contains(&(call, entry)), "nobody told its end");
                return true;
            }
        }
        let (empty, turned_away, ..) = flow(self, mine);
        if !empty && !turned_away {
            self.push(at, call, entry);
            did = true;
        }
        let empty = flow(self, mine).0;
        match call {
            CallRef::Own(key) if empty && self.sends_items(call, entry) => {
                self.finish_items(at, key, entry);
                true
            }
            CallRef::Own(key) if self.ledger[entry].flows[0].refused => {
                self.ends[at].calls.remove(&key);
                self.ends[at].machine.cancel(key, self.now);
                true
            }
            CallRef::Peer(id)
                if empty && (!self.receives(call, entry) || self.has_seen_the_end(call, entry)) =>
            {
                let which = self.ends[at].handlers.iter().position(|handler| handler.id == id);
                self.answer(at, which.expect("it runs"), Way::Well(10));
                true
            }
            _ => did,
        }
    }

    /// Whether a handler has been told that there are no further items.
    fn has_seen_the_end(&self, call: CallRef, entry: usize) -> bool {
        let flow = &self.ledger[entry].flows[0];
        matches!(call, CallRef::Peer(_)) && flow.has_all_arrived() && !flow.waits && flow.held == 0
    }

    // ----- what always holds -----

    /// Nothing is under way: who waits waits rightly.
    fn check_waits(&mut self) {
        if !self.is_quiet() {
            return;
        }
        for at in 0..2 {
            for (call, entry) in self.streams(at) {
                let (mine, theirs) = (direction(call), 1 - direction(call));
                if self.ledger[entry].flows[mine].turned_away {
                    let before = self.ledger[entry].flows[mine].left.size();
                    self.push(at, call, entry);
                    let flow = &self.ledger[entry].flows[mine];
                    // An item that was kept before the peer's limit was known is refused later.
                    assert!(before == flow.left.size() || flow.refused, "a wake-up was lost");
                }
                if self.ledger[entry].flows[theirs].waits {
                    let taken = self.ends[at].machine.take_items(call, 0, self.now);
                    assert!(matches!(taken, Taken::Nothing), "a wake-up was lost: {taken:?}");
                }
            }
        }
    }

    fn is_quiet(&self) -> bool {
        self.ends.iter().all(|end| {
            !end.blocked
                && !end.closed
                && end.hand.is_none()
                && end.link.is_empty()
                && !end.machine.wants_write()
        })
    }

    fn check(&mut self) {
        let quiet = self.is_quiet();
        let [client, server] = &mut self.ends;
        if probe::is_alive(&client.machine) && probe::is_alive(&server.machine) {
            probe::conserves_credit([&mut client.machine, &mut server.machine], quiet);
        }
        for end in &mut self.ends {
            probe::adds_up(&mut end.machine, 0, &end.config);
        }
    }
}

impl Flow {
    /// Takes what has arrived, which must be what comes next; says what it costs.
    fn receive(&mut self, mut batch: Batch, entry: usize) -> u64 {
        let mut cost = 0;
        while let Some(item) = batch.first() {
            let size = *self.pushed.get(self.received).expect("nothing comes that was not sent");
            assert!(item == filled(entry ^ self.received, size), "item {} of call {entry}", self.received);
            self.received += 1;
            cost += size as u64 + 16;
            batch.pop();
        }
        cost
    }

    fn has_all_arrived(&self) -> bool {
        self.finished && self.received == self.pushed.len()
    }
}

impl Entry {
    /// Checks what a caller is told against what is known.
    fn end(&self, outcome: &Received, nth: usize) {
        let items = &self.flows[1];
        let all = items.received == items.pushed.len();
        match (outcome, self.answer) {
            // Of a call that is stopped nothing gets through but an error.
            (Received::Error(_), _) if self.stopped => assert_eq!(self.starts, 1),
            (outcome, _) if self.stopped => panic!("call {nth} was stopped: {outcome:?}"),
            (Received::End { .. }, Some(Way::Well(_))) => assert!(all, "truncation is never an end"),
            (Received::Reply { body, .. }, Some(Way::Well(size))) => {
                assert!(body.bytes() == filled(!nth, size));
            }
            (Received::App { detail, .. }, Some(Way::App(size))) => {
                assert!(all && detail.bytes() == filled(!nth, size), "an error comes after the items");
            }
            (Received::Error(error), answer) if error.code() == APPLICATION => {
                assert!(all && answer == Some(Way::Failed), "an error comes after the items: {error}");
            }
            (Received::Error(error), _) => {
                let fits = match error.delivery() {
                    Delivery::NotSent | Delivery::Refused => self.starts == 0,
                    Delivery::Unknown => true,
                    Delivery::Executed => self.starts == 1,
                };
                assert!(fits, "call {nth} was started {} times: {error}", self.starts);
            }
            (outcome, answer) => panic!("call {nth} was answered {answer:?}: {outcome:?}"),
        }
    }
}

/// Which of a call's two flows is the one that this side sends.
fn direction(call: CallRef) -> usize {
    usize::from(matches!(call, CallRef::Peer(_)))
}

/// Bytes that can be told from those of others.
fn filled(seed: usize, size: usize) -> Vec<u8> {
    let mut bytes = vec![(seed % 251) as u8; size];
    let mark = (seed as u64).to_be_bytes();
    let most = size.saturating_sub(1).min(8);
    bytes[..most].copy_from_slice(&mark[8 - most..]);
    bytes
}

/// Metadata that says which call this is.
fn marked(key: usize) -> Metadata {
    let mut metadata = Metadata::new();
    metadata.set("call", &(key as u64).to_be_bytes()[..]).expect("a fit key");
    metadata
}

fn mark(metadata: &Metadata) -> usize {
    let bytes = metadata.bytes("call").expect("every call of this test is marked");
    u64::from_be_bytes(bytes.try_into().expect("eight bytes")) as usize
}
