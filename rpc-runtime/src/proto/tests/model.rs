//! Owns [`World`]: two machines, two honest applications and the bytes between them, all moved by [`Move`]s, and what
//! must hold after each. Knows nothing of where the moves come from: property tests and a fuzz target draw them.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::probe;
use super::watch::Watch;
use crate::call::{Code, Deadline, Delivery, Metadata, RpcError};
use crate::proto::{
    Answer, Body, CallId, CallKey, Config, Connection, ConnectionError, Event, IncomingCall, OutgoingCall,
    Received, Side, Stop,
};

/// What happens next, and to which end.
#[derive(Clone, Debug)]
pub(super) struct Move {
    pub(super) end: usize,
    pub(super) what: What,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    Call {
        size: usize,
        timeout: Option<Duration>,
        method: usize,
    },
    /// The handler of a call makes one itself.
    CallBack {
        nth: usize,
        size: usize,
    },
    Cancel(usize),
    Answer(usize, Way),
    Stopped(usize),
    Release(usize),
    Drain,
    CloseNow,
    /// Takes one more segment from the machine than is being written.
    Grab,
    Write(usize),
    Deliver {
        bytes: usize,
        chunk: usize,
    },
    Block(bool),
    Pause(bool),
    /// Moves bytes both ways until nothing moves.
    Drive,
    /// Lets time pass, timer by timer, and moves bytes at each.
    Pass(Duration),
    /// Lets time pass while nobody looks.
    Sleep(Duration),
    /// The transport breaks; so many bytes of those under way still arrive at each end.
    Lose([usize; 2]),
}

/// How a handler ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    Echo,
    Reply(usize),
    App(usize),
    Failed,
    Refused,
    Resend,
}

/// The code that only the applications use.
const APPLICATION: Code = Code::from_u16(77);

impl Move {
    /// A move from three numbers; small ones make small moves.
    pub(super) fn of(kind: u8, a: u16, b: u8) -> Self {
        let nth = usize::from(a);
        let millis = |ms: u16| Duration::from_millis(u64::from(ms));
        let what = match kind / 2 {
            0..=24 => {
                What::Call { size: size(a), timeout: timeout(b), method: usize::from(b) % METHODS.len() }
            }
            25..=28 => What::CallBack { nth: usize::from(b), size: size(a) },
            29..=48 => What::Answer(nth, way(a, b)),
            49..=53 => What::Cancel(nth),
            54..=56 => What::Stopped(nth),
            57..=61 => What::Release(nth),
            62..=78 => What::Drive,
            79..=91 => What::Write(nth),
            92..=104 => What::Deliver { bytes: nth, chunk: chunk(b) },
            105..=107 => What::Block(b.is_multiple_of(2)),
            108..=110 => What::Pause(b.is_multiple_of(2)),
            111..=115 => What::Grab,
            116..=121 => What::Pass(millis(a % 64)),
            122 if b.is_multiple_of(4) => What::Pass(millis(a)),
            123 => What::Sleep(millis(if b.is_multiple_of(16) { a / 2 } else { a % 1_000 })),
            124 if b.is_multiple_of(8) => What::Drain,
            125 if b.is_multiple_of(16) => What::CloseNow,
            126 if b.is_multiple_of(4) => What::Lose([nth % 97, nth]),
            _ => What::Drive,
        };
        Self { end: usize::from(kind % 2), what }
    }
}

impl What {
    /// Whether it can end no connection by itself.
    #[cfg_attr(not(test), expect(dead_code, reason = "the fuzz target has no use for it"))]
    pub(super) fn is_calm(&self) -> bool {
        match self {
            Self::Drain | Self::CloseNow | Self::Sleep(_) | Self::Lose(_) => false,
            Self::Pass(time) => *time < Duration::from_millis(100),
            _ => true,
        }
    }
}

fn size(a: u16) -> usize {
    let n = usize::from(a / 16);
    match a % 16 {
        0..=8 => n % 64,
        9..=11 => n,
        12 => n % 5 + (16 << 10) - 2,
        13 => n % 5 + (64 << 10) - 2,
        14 => n * 10,
        _ => n * 75,
    }
}

fn timeout(b: u8) -> Option<Duration> {
    Some(match b / 32 {
        0 => return None,
        1 | 2 => Duration::from_millis(u64::from(b % 32)),
        3 => Duration::from_secs(3600),
        _ => Duration::from_secs(10),
    })
}

fn way(a: u16, b: u8) -> Way {
    match b % 16 {
        0..=7 => Way::Echo,
        8..=11 => Way::Reply(size(a)),
        12 => Way::App(size(a)),
        13 => Way::Failed,
        14 => Way::Refused,
        _ => Way::Resend,
    }
}

fn chunk(b: u8) -> usize {
    match b {
        0..=99 => 1 + usize::from(b % 8),
        _ => usize::from(b) * 400,
    }
}

/// Small limits from any ten bytes.
pub(super) fn limits(of: [u8; 10]) -> Config {
    // The first choice is a roomy one, and half of all.
    let pick = |at: usize, from: &[usize]| from[usize::from(of[at] / 2 * (of[at] % 2)) % from.len()];
    Config {
        in_flight: 1 + u32::from(of[0] % 8),
        queue: pick(1, &[100, 0, 1, 2, 8]),
        queue_bytes: pick(2, &[64 << 20, 1_000, 50_000, 400_000]),
        eager: pick(3, &[100, 64 << 10, 0, 1, 5_000, 16 << 10]),
        message: pick(4, &[16 << 20, 10, 1_000, 20_000, 100_000, 400_000]),
        assembly: pick(5, &[200_000, 1 << 20, 0, 8_000, 20_000]),
        output: pick(6, &[64 << 10, 1, 100, 5_000]),
        bulk: pick(7, &[64 << 20, 1, 10_000, 100_000]),
        names: u32::from(of[8] % 4),
        keepalive: (of[9] % 4 != 3).then_some(Duration::from_secs(20)),
        ..Config::default()
    }
}

const METHODS: [&str; 5] = ["Echo.echo", "Echo.other", "A.b", "", "Unicode.grüße"];

/// One end: a machine, its driver's buffers, and its application.
struct End {
    machine: Connection,
    config: Config,
    /// Bytes on their way to this end.
    link: VecDeque<u8>,
    /// What has been seen of those bytes.
    watch: Watch,
    unread: Vec<u8>,
    /// Segments taken from the machine and not all written.
    hand: VecDeque<(Vec<u8>, usize)>,
    /// Live calls of this end, with their place in the ledger.
    calls: BTreeMap<CallKey, usize>,
    started: Vec<Started>,
    bodies: Vec<Body>,
    blocked: bool,
    paused: bool,
    drained: bool,
    closed: Option<Option<ConnectionError>>,
}

struct Started {
    id: CallId,
    entry: usize,
    arguments: Option<Body>,
    deadline: Option<Deadline>,
    stopping: bool,
}

/// What is known of a call from outside of both machines.
struct Entry {
    method: usize,
    arguments: Vec<u8>,
    deadline: Option<Deadline>,
    /// A oneway call that was not said to be written.
    oneway: bool,
    starts: usize,
    answer: Option<Answered>,
    /// Made before its side drained.
    early: bool,
    /// The client's call for whose sake the server makes this one.
    root: Option<usize>,
    /// The caller was told that no handler saw it.
    harmless: bool,
}

enum Answered {
    Value(Vec<u8>),
    App(Vec<u8>),
    Error(Delivery, bool),
}

pub(super) struct World {
    ends: [End; 2],
    now: Instant,
    ledger: Vec<Entry>,
    /// Something other than a drain has ended the connection, or is about to.
    disturbed: bool,
    /// Whether both applications answer and release at once.
    pub(super) eager: Option<Way>,
}

impl World {
    #[expect(clippy::disallowed_methods, reason = "virtual time has to begin somewhere")]
    pub(super) fn new(configs: [Config; 2]) -> Self {
        let now = Instant::now();
        let [client, server] = configs;
        let end = |side, config: Config| End {
            machine: Connection::new(side, config.clone(), now),
            config,
            link: VecDeque::new(),
            watch: Watch::default(),
            unread: Vec::new(),
            hand: VecDeque::new(),
            calls: BTreeMap::new(),
            started: Vec::new(),
            bodies: Vec::new(),
            blocked: false,
            paused: false,
            drained: false,
            closed: None,
        };
        let ends = [end(Side::Client, client), end(Side::Server, server)];
        Self { ends, now, ledger: Vec::new(), disturbed: false, eager: None }
    }

    /// Makes a move and checks everything.
    pub(super) fn make(&mut self, next: &Move) {
        let (at, now) = (next.end, self.now);
        match next.what {
            What::Call { size, timeout, method } => self.call(at, size, timeout, method, None),
            What::CallBack { nth, size } => self.call_back(at, nth, size),
            What::Cancel(nth) => self.cancel(at, nth),
            What::Answer(nth, way) => self.answer(at, nth, way),
            What::Stopped(nth) => self.stopped(at, nth),
            What::Release(nth) => self.release(at, nth),
            What::Drain => {
                self.ends[at].drained = true;
                self.ends[at].machine.drain("drained by the test", now);
            }
            What::CloseNow => {
                self.disturbed = true;
                self.ends[at].machine.close_now("closed by the test", now);
            }
            What::Grab => self.grab(at),
            What::Write(bytes) => drop(self.write(at, bytes)),
            What::Deliver { bytes, chunk } => drop(self.deliver(at, bytes, chunk)),
            What::Block(on) => self.ends[at].blocked = on,
            What::Pause(on) => self.ends[at].paused = on,
            What::Drive => self.drive(),
            What::Pass(time) => self.pass(time),
            What::Sleep(time) => self.sleep(time),
            What::Lose(keep) => self.lose(at, keep),
        }
        for end in &mut self.ends {
            probe::is_settled(&mut end.machine, self.now);
        }
        self.listen();
        self.check();
    }

    /// Answers, releases and moves everything without letting time pass; then nothing may be left.
    pub(super) fn finish(mut self, drained_by: usize) {
        for end in &mut self.ends {
            (end.blocked, end.paused) = (false, false);
        }
        self.settle();
        if self.ends.iter().all(|end| end.closed.is_none()) {
            for end in &mut self.ends {
                assert!(end.calls.is_empty(), "calls that nothing moves any more: {:?}", end.calls);
                probe::is_idle(&mut end.machine);
            }
            self.ends[drained_by].machine.drain("the end", self.now);
            self.settle();
        }
        for end in &mut self.ends {
            let closed = end.closed.as_ref();
            assert!(closed.is_some(), "a connection that has nothing left closes");
            assert!(self.disturbed || closed == Some(&None), "in order: {closed:?}");
            assert!(end.calls.is_empty() && end.started.is_empty() && end.machine.is_closed());
            probe::is_idle(&mut end.machine);
            assert!(!end.machine.wants_write() && !end.machine.can_start());
            assert_eq!(end.machine.poll_timeout(), None);
        }
    }

    // ----- the applications -----

    fn call_back(&mut self, at: usize, nth: usize, size: usize) {
        let running: Vec<&Started> = self.ends[at].started.iter().filter(|call| !call.stopping).collect();
        let Some(&&Started { entry, deadline, .. }) = running.get(nth % running.len().max(1)) else { return };
        let timeout = deadline.map(|deadline| deadline.remaining(self.now));
        // What a client's handler calls is above the last call that a draining server accepts.
        self.call(at, size, timeout, nth % METHODS.len(), (at == 1).then_some(entry));
    }

    fn call(
        &mut self,
        at: usize,
        size: usize,
        timeout: Option<Duration>,
        method: usize,
        root: Option<usize>,
    ) {
        let owed = self.is_owed(root);
        let end = &mut self.ends[at];
        let key = self.ledger.len();
        let deadline = timeout.map(|timeout| Deadline::after(self.now, timeout));
        let arguments = filled(key, size);
        let metadata = marked(key);
        let oneway = key % 3 == 1;
        let call = OutgoingCall {
            method: METHODS[method].into(),
            deadline,
            metadata,
            arguments: arguments.clone().into(),
            oneway,
            stream: None,
            only_at: None,
        };
        let accepting = end.machine.takes_calls();
        match end.machine.call(call, self.now) {
            Ok(given) => {
                assert!(accepting);
                assert_eq!(end.calls.insert(given, key), None, "a key names one live call");
                let answer = None;
                let early = !end.drained;
                self.ledger.push(Entry {
                    method,
                    arguments,
                    deadline,
                    oneway,
                    starts: 0,
                    answer,
                    early,
                    root,
                    harmless: false,
                });
            }
            Err(untaken) => {
                let code = untaken.error.code();
                assert!(!owed || code != Code::UNAVAILABLE, "a handler may call back: {}", untaken.error);
                assert_eq!(untaken.error.delivery(), Delivery::NotSent);
                assert!(accepting || untaken.error.is_resend());
                assert!(untaken.call.arguments.bytes() == arguments && mark(&untaken.call.metadata) == key);
            }
        }
    }

    /// Whether the client's call for whose sake a call is made still runs, and is waited for: then whoever drains has to
    /// let that one through.
    fn is_owed(&self, root: Option<usize>) -> bool {
        let [client, server] = &self.ends;
        !self.disturbed
            && root.is_some_and(|root| {
                self.ledger[root].early
                    && client.calls.values().any(|&entry| entry == root)
                    && server.started.iter().any(|call| call.entry == root && !call.stopping)
            })
    }

    fn cancel(&mut self, at: usize, nth: usize) {
        let end = &mut self.ends[at];
        if let Some(&key) = end.calls.keys().nth(nth % end.calls.len().max(1)) {
            end.calls.remove(&key);
            end.machine.cancel(key, self.now);
        }
    }

    fn answer(&mut self, at: usize, nth: usize, way: Way) {
        let end = &mut self.ends[at];
        if end.started.is_empty() {
            return;
        }
        let Started { id, entry: key, arguments, .. } = end.started.remove(nth % end.started.len());
        let entry = &mut self.ledger[key];
        let metadata = marked(key);
        let echo = || [&entry.arguments[..], &[0x99]].concat();
        let error = |delivery| RpcError::new(APPLICATION, delivery, "of the test");
        let (answer, answered) = match way {
            Way::Echo => (Answer::Reply { metadata, payload: echo().into() }, Answered::Value(echo())),
            Way::Reply(size) => {
                let payload = filled(!key, size);
                (Answer::Reply { metadata, payload: payload.clone().into() }, Answered::Value(payload))
            }
            Way::App(size) => {
                let detail = filled(!key, size);
                (Answer::App { metadata, detail: detail.clone().into() }, Answered::App(detail))
            }
            Way::Failed => {
                (Answer::Error(error(Delivery::Executed)), Answered::Error(Delivery::Executed, false))
            }
            Way::Refused => {
                (Answer::Error(error(Delivery::Refused)), Answered::Error(Delivery::Refused, false))
            }
            Way::Resend => (
                Answer::Error(error(Delivery::Refused).with_resend()),
                Answered::Error(Delivery::Refused, true),
            ),
        };
        entry.answer = Some(answered);
        end.bodies.extend(arguments);
        end.machine.answer(id, answer, self.now);
    }

    fn stopped(&mut self, at: usize, nth: usize) {
        let end = &mut self.ends[at];
        let stopping: Vec<usize> = (0..end.started.len()).filter(|&at| end.started[at].stopping).collect();
        if let Some(&which) = stopping.get(nth % stopping.len().max(1)) {
            let gone = end.started.remove(which);
            end.bodies.extend(gone.arguments);
            end.machine.stopped(gone.id, self.now);
        }
    }

    fn release(&mut self, at: usize, nth: usize) {
        let end = &mut self.ends[at];
        let held =
            end.started.iter_mut().filter_map(|call| call.arguments.take_if(|_| nth.is_multiple_of(3)));
        end.bodies.extend(held);
        if !end.bodies.is_empty() {
            // Taken apart and put together again, as on its way through an application.
            let (bytes, held, call) = end.bodies.swap_remove(nth % end.bodies.len()).into_parts();
            end.machine.release(Body::from_parts(bytes, held, call), self.now);
        }
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
            while !self.ends[at].paused
                && let Some(call) = self.ends[at].machine.poll_start(self.now)
            {
                did = true;
                self.start(at, call);
            }
            if let Some(way) = self.eager {
                did |= self.serve(at, way);
            }
        }
        did
    }

    /// Answers and releases everything that there is.
    fn serve(&mut self, at: usize, way: Way) -> bool {
        let mut did = false;
        while self.ends[at].started.iter().any(|call| call.stopping) {
            did = true;
            self.stopped(at, 0);
        }
        while !self.ends[at].started.is_empty() {
            did = true;
            self.answer(at, 0, way);
        }
        while let Some(body) = self.ends[at].bodies.pop() {
            did = true;
            self.ends[at].machine.release(body, self.now);
        }
        did
    }

    fn handle(&mut self, at: usize, event: Event) {
        if let Event::Ended { key, outcome: Received::Error(error), .. } = &event
            && error.code() == Code::UNAVAILABLE
        {
            let root = self.ledger[self.ends[at].calls[key]].root;
            assert!(!self.is_owed(root), "a handler's call is let through: {error}");
        }
        let end = &mut self.ends[at];
        assert!(end.closed.is_none(), "an event after Closed: {event:?}");
        match event {
            Event::Ready(_) | Event::Refused(_) | Event::Leaving => {}
            Event::Retire => assert!(!end.machine.takes_calls()),
            Event::Opened { .. } | Event::Readable(_) | Event::Writable(_) => panic!("no call has a stream"),
            Event::Written { key } => {
                let entry = *end.calls.get(&key).expect("it has not ended and is waited for");
                let first = std::mem::replace(&mut self.ledger[entry].oneway, false);
                assert!(first, "a oneway call is written once, and no other is said to be");
            }
            Event::Ended { key, outcome, unseen, .. } => {
                let entry = end.calls.remove(&key).expect("a call ends once, and never after its cancel");
                if let Received::Error(error) = &outcome
                    && (error.code(), error.delivery()) == (Code::UNAVAILABLE, Delivery::Unknown)
                {
                    assert!(self.disturbed, "a drain leaves nobody in doubt: {error}");
                }
                let known = &self.ledger[entry];
                assert!(!known.oneway || known.starts == 0, "what a handler has seen was written");
                let resend = matches!(&outcome, Received::Error(error) if error.is_resend());
                assert_eq!(unseen.is_some(), resend, "what may be sent again is handed back: {outcome:?}");
                if let Some(call) = unseen {
                    let Entry { method, arguments, deadline, .. } = &self.ledger[entry];
                    assert_eq!((&*call.method, mark(&call.metadata)), (METHODS[*method], entry));
                    assert!(call.arguments.bytes() == *arguments && call.deadline == *deadline, "as it was");
                }
                end.bodies.extend(self.ledger[entry].end(entry, outcome));
            }
            Event::Stop { id, why: Stop::Lost } => {
                let which = end.started.iter().position(|call| call.id == id).expect("it runs");
                end.bodies.extend(end.started.remove(which).arguments);
            }
            Event::Stop { id, .. } => {
                let call = end.started.iter_mut().find(|call| call.id == id).expect("it runs");
                assert!(!call.stopping, "a handler is stopped once");
                call.stopping = true;
            }
            Event::Closed(reason) => {
                if let Some(reason) = &reason {
                    assert!(self.disturbed, "between two honest machines: {reason}");
                    let fault = reason.to_string().contains("broke the protocol");
                    assert!(!fault, "between two honest machines: {reason}");
                }
                assert!(end.calls.is_empty() && end.started.is_empty());
                end.closed = Some(reason);
            }
        }
    }

    fn start(&mut self, at: usize, call: IncomingCall) {
        let key = mark(&call.metadata);
        let entry = &mut self.ledger[key];
        assert_eq!(entry.starts, 0, "call {key} is started once");
        assert!(!entry.harmless, "call {key} was said to be unseen by any handler");
        assert!(call.arguments.bytes() == entry.arguments, "the arguments of call {key}");
        assert_eq!(&*call.method.name, METHODS[entry.method]);
        assert_eq!(call.deadline.is_some(), entry.deadline.is_some());
        assert!(!call.deadline.is_some_and(|deadline| deadline.has_passed(self.now)));
        entry.starts += 1;
        let IncomingCall { id, deadline, arguments, .. } = call;
        let started = Started { id, entry: key, arguments: Some(arguments), deadline, stopping: false };
        self.ends[at].started.push(started);
    }

    // ----- the transport -----

    fn grab(&mut self, at: usize) {
        let end = &mut self.ends[at];
        if end.hand.len() < 3
            && let Some(segment) = end.machine.poll_transmit(self.now)
        {
            assert!(!segment.is_empty());
            end.hand.push_back((segment, 0));
        }
    }

    /// Writes at most so many bytes of one segment.
    fn write(&mut self, at: usize, most: usize) -> bool {
        if self.ends[at].blocked {
            if self.ends[at].machine.wants_write() || !self.ends[at].hand.is_empty() {
                self.ends[at].machine.handle_blocked(self.now);
            }
            return false;
        }
        if self.ends[at].hand.is_empty() {
            self.grab(at);
        }
        let end = &mut self.ends[at];
        let Some((segment, written)) = end.hand.front_mut() else {
            assert!(!end.machine.wants_write(), "what wants to be written can be taken");
            return false;
        };
        let some = most.min(segment.len() - *written);
        if some == 0 {
            return false;
        }
        let bytes = segment[*written..*written + some].to_vec();
        *written += some;
        if *written == segment.len() {
            end.hand.pop_front();
        }
        end.machine.handle_written(some, self.now);
        let [client, server] = &mut self.ends;
        let (end, peer) = if at == 0 { (client, server) } else { (server, client) };
        peer.watch.see(&bytes, [Side::Client, Side::Server][at], &end.watch);
        if peer.closed.is_none() {
            peer.link.extend(bytes);
        }
        true
    }

    /// Gives an end at most so many of the bytes that are on their way to it, in pieces.
    fn deliver(&mut self, at: usize, bytes: usize, chunk: usize) -> bool {
        let peer_is_gone = self.ends[1 - at].closed.is_some();
        let end = &mut self.ends[at];
        if end.closed.is_some() {
            end.link.clear();
            return false;
        }
        // Small pieces of a large message take long, and show nothing new.
        let mut left = bytes.min(end.link.len()).min(chunk.saturating_mul(2_000));
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
            let end = &mut self.ends[at];
            if end.closed.is_none() {
                end.machine.handle_transport_error(ConnectionError::Transport("lost".into()), self.now);
            }
            self.listen();
            assert!(self.ends[at].closed.is_some());
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
                return;
            }
        }
        panic!("the machines do not come to rest");
    }

    /// Answers, releases and moves until nothing is left to do. Time stands still.
    fn settle(&mut self) {
        self.eager.get_or_insert(Way::Echo);
        self.drive();
        self.check();
    }

    // ----- time -----

    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        loop {
            self.drive();
            let timeouts = self.ends.iter().filter_map(|end| end.machine.poll_timeout());
            let Some(next) = timeouts.min().filter(|&next| next <= until) else { break };
            self.now = self.now.max(next);
            self.timers();
        }
        self.now = until;
        self.drive();
    }

    fn sleep(&mut self, time: Duration) {
        self.now += time;
        self.timers();
    }

    /// Lets the timers go off whose time has come; each must have an effect.
    fn timers(&mut self) {
        let now = self.now;
        for at in 0..2 {
            for round in 0.. {
                let end = &mut self.ends[at];
                if end.machine.poll_timeout().is_none_or(|due| due > now) {
                    break;
                }
                assert!(round < 3, "a timeout that stays in the past");
                end.machine.handle_timeout(now);
                // Silence and standing still may end a connection.
                self.disturbed |= !probe::is_alive(&end.machine);
                self.listen();
            }
            probe::is_timely(&mut self.ends[at].machine, now);
            for call in &self.ends[at].started {
                let over = call.deadline.is_some_and(|deadline| deadline.has_passed(now));
                assert!(!over || call.stopping, "the handler of call {} outlives its deadline", call.id);
            }
            for (key, &entry) in &self.ends[at].calls {
                let deadline = self.ledger[entry].deadline;
                assert!(
                    !deadline.is_some_and(|deadline| deadline.has_passed(now)),
                    "{key:?} outlives its deadline"
                );
            }
        }
    }

    // ----- what always holds -----

    fn check(&mut self) {
        for at in 0..2 {
            let (in_flight, peers_open) = {
                let peer = &self.ends[1 - at];
                (peer.config.in_flight as usize, peer.machine.inbound_calls())
            };
            let end = &mut self.ends[at];
            let open = end.machine.outbound_calls().0;
            assert!(open <= in_flight, "{open} calls open, where {in_flight} may be");
            if probe::is_alive(&end.machine) {
                assert!(peers_open <= open, "the callee counts {peers_open} calls, the caller {open}");
            }
            let lent = end.bodies.iter().chain(end.started.iter().filter_map(|call| call.arguments.as_ref()));
            let lent = lent.map(probe::reserved).sum();
            probe::adds_up(&mut end.machine, lent, &end.config);
        }
    }
}

impl Entry {
    /// Checks what a caller is told against what is known; hands back a body to be released.
    fn end(&mut self, key: usize, outcome: Received) -> Option<Body> {
        match (outcome, &self.answer) {
            (Received::Reply { metadata, body }, Some(Answered::Value(expected)))
            | (Received::App { metadata, detail: body }, Some(Answered::App(expected))) => {
                assert_eq!(mark(&metadata), key, "an answer reaches its own caller");
                assert!(body.bytes() == expected, "the answer of call {key}");
                Some(body)
            }
            (Received::Error(error), answer) if error.code() == APPLICATION => {
                let Some(&Answered::Error(delivery, resend)) = answer.as_ref() else {
                    panic!("call {key} was not answered so: {error}")
                };
                assert_eq!((error.delivery(), error.is_resend()), (delivery, resend));
                None
            }
            (Received::Error(error), _) => {
                self.harmless = error.delivery().is_harmless();
                let fits = match error.delivery() {
                    Delivery::NotSent | Delivery::Refused => self.starts == 0,
                    Delivery::Unknown => true,
                    Delivery::Executed => self.starts == 1,
                };
                assert!(fits, "call {key} was started {} times: {error}", self.starts);
                None
            }
            (outcome, _) => panic!("call {key} was not answered so: {outcome:?}"),
        }
    }
}

/// Bytes that belong to one call alone.
fn filled(seed: usize, size: usize) -> Vec<u8> {
    let mut state = (seed as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        bytes.extend_from_slice(&state.rotate_left(17).to_be_bytes());
    }
    bytes.truncate(size);
    bytes
}

/// Metadata that says which call this is.
fn marked(key: usize) -> Metadata {
    let mut metadata = Metadata::new();
    metadata.set("call", &(key as u64).to_be_bytes()[..]).expect("a fit key");
    metadata
}

fn mark(metadata: &Metadata) -> usize {
    let bytes = metadata.bytes("call").expect("every call and answer of this test is marked");
    u64::from_be_bytes(bytes.try_into().expect("eight bytes")) as usize
}
