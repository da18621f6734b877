//! One machine and a stranger: any bytes in any pieces, any pace of time and of the transport, and an application
//! that does what the input says. Bounds are held against what PROTOCOL.md allows.

use std::collections::VecDeque;
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use traitwire::proto::{
    Answer, Batch, Body, CallId, CallKey, CallRef, Config, Connection, ConnectionError, Event, OutgoingCall,
    Received, Side, Stop, StreamUse, Taken,
};
use traitwire::wire::{Hello, PREFACE};
use traitwire::{Code, Deadline, Delivery, Metadata, RpcError};

pub fn server_session(data: &[u8]) {
    session(Side::Server, data);
}

pub fn client_session(data: &[u8]) {
    session(Side::Client, data);
}

fn session(side: Side, data: &[u8]) {
    let Some((&[greeted, own, theirs], steps)) = data.split_first_chunk() else { return };
    let mut session = Session::new(side, own);
    if greeted % 4 != 0 {
        let mut hello = Vec::from(PREFACE);
        said(theirs).write(&mut hello);
        session.read(&hello);
    }
    let mut steps = steps.iter().copied().collect();
    while session.step(&mut steps) {
        session.check();
    }
    session.finish();
}

/// What the stranger says of itself.
fn said(of: u8) -> Hello {
    let mut hello = Hello::default();
    hello.eager = [100, 0, 1, u64::MAX][usize::from(of % 4)];
    hello.message = [1 << 20, 0, 30, u64::MAX][usize::from(of / 4 % 4)];
    hello.in_flight = [4, 0, 1, u32::MAX][usize::from(of / 16 % 4)];
    hello.names = u32::from(of / 64);
    hello.streams = [4, 1, 0, u32::MAX][usize::from(of / 8 % 4)];
    hello.credit = [2_000, 40, 0, u64::MAX][usize::from(of / 2 % 4)];
    hello
}

struct Session {
    machine: Connection,
    limits: Config,
    now: Instant,
    unread: Vec<u8>,
    calls: Vec<CallKey>,
    running: Vec<(CallId, Option<Body>, bool)>,
    /// What was taken of each stream and is not done with.
    held: Vec<(CallRef, u64)>,
    bodies: Vec<Body>,
    /// Taken from the machine and not yet written.
    hand: VecDeque<usize>,
    blocked: bool,
    closed: bool,
    /// What calls and answers of this side have added to its output since the last byte was taken.
    added: usize,
}

/// The size of a call whose arguments are this byte.
fn size(of: u8) -> usize {
    usize::from(of % 16) * usize::from(of % 16) * 100
}

impl Session {
    fn new(side: Side, of: u8) -> Self {
        let limits = Config {
            message: [1 << 16, 20, 300, 1 << 20][usize::from(of % 4)],
            eager: [64, 0, 1, 1 << 16][usize::from(of / 4 % 4)],
            assembly: [1 << 16, 0, 300, 1 << 20][usize::from(of / 16 % 4)],
            in_flight: [4, 1, 8, 64][usize::from(of / 64)],
            names: 4,
            streams: [3, 1, 0, 64][usize::from(of / 32 % 4)],
            credit: [1_000, 17, 300, 20_000][usize::from(of / 2 % 4)],
            credit_spare: [4_000, 0, 50_000][usize::from(of / 8 % 3)],
            queue: 8,
            output: 4_096,
            bulk: 4_096,
            ..Config::default()
        };
        let now = Instant::now();
        Self {
            machine: Connection::new(side, limits.clone(), now),
            limits,
            now,
            unread: Vec::new(),
            calls: Vec::new(),
            running: Vec::new(),
            held: Vec::new(),
            bodies: Vec::new(),
            hand: VecDeque::new(),
            blocked: false,
            closed: false,
            added: 0,
        }
    }

    /// Does what the next bytes say; false when there are none left.
    fn step(&mut self, input: &mut VecDeque<u8>) -> bool {
        let Some(what) = input.pop_front() else { return false };
        let low = what & 0x3f;
        match what >> 6 {
            // Any bytes.
            0 => {
                let size = (usize::from(low) + 1).min(input.len());
                let bytes: Vec<u8> = input.drain(..size).collect();
                self.read(&bytes);
            }
            // A frame of a known kind, about a low id.
            1 => {
                let mut take = || input.pop_front().unwrap_or_default();
                let (flags, id, length) = (take(), take(), take());
                let size = usize::from(length).min(input.len());
                let body: Vec<u8> = input.drain(..size).collect();
                let mut frame = (size as u32 + 6).to_be_bytes().to_vec();
                frame.extend([low % 16, flags & 0x7f]);
                frame.extend(u32::from(id).to_be_bytes());
                frame.extend(body);
                self.read(&frame);
            }
            2 => self.pass(low),
            _ => self.act(low, input.pop_front().unwrap_or_default()),
        }
        true
    }

    fn read(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
        let taken = self.machine.handle_read(&self.unread, self.now);
        self.unread.drain(..taken);
        self.listen();
    }

    fn pass(&mut self, of: u8) {
        let time = match of {
            0..=31 => Duration::from_millis(u64::from(of)),
            32..=61 => Duration::from_secs(u64::from(of - 31)),
            _ => Duration::from_secs(3_000_000_000),
        };
        self.now += time;
        for round in 0.. {
            if self.machine.poll_timeout().is_none_or(|due| due > self.now) {
                break;
            }
            assert!(round < 4, "a timeout that stays in the past");
            self.machine.handle_timeout(self.now);
            self.listen();
        }
    }

    fn act(&mut self, what: u8, of: u8) {
        let (now, nth) = (self.now, usize::from(of));
        match what % 16 {
            0 | 1 => self.call(of),
            2 if !self.calls.is_empty() => {
                let key = self.calls.swap_remove(nth % self.calls.len());
                self.held.retain(|(held, _)| *held != CallRef::Own(key));
                self.machine.cancel(key, now);
            }
            3..=5 if !self.running.is_empty() => {
                let (id, body, _) = self.running.swap_remove(nth % self.running.len());
                self.bodies.extend(body);
                self.answer(id, of);
            }
            6 => {
                if let Some(at) = self.running.iter().position(|(_, _, stopping)| *stopping) {
                    let (id, body, _) = self.running.swap_remove(at);
                    self.bodies.extend(body);
                    self.machine.stopped(id, now);
                }
            }
            8 => self.push(of),
            9 => self.take(of),
            7 if of % 3 == 0 && !self.calls.is_empty() => {
                self.added += 11;
                self.machine.finish_items(self.calls[nth % self.calls.len()], now);
            }
            7 if of % 3 == 1 && !self.running.is_empty() => {
                self.added += 11;
                self.machine.open_stream(self.running[nth % self.running.len()].0, &Metadata::new(), now);
            }
            7 => {
                if let Some(body) = self.bodies.pop() {
                    self.machine.release(body, now);
                }
            }
            10 => self.write(nth * nth),
            11 => self.write(usize::MAX),
            12 => {
                self.blocked = !self.blocked;
                if self.blocked {
                    self.machine.handle_blocked(now);
                }
            }
            13 if of % 8 == 0 => self.machine.drain("draining", now),
            14 if of % 16 == 0 => self.machine.close_now("closing", now),
            15 if of % 32 == 0 => self.machine.handle_eof(now),
            15 if of % 32 == 1 => {
                self.machine.handle_transport_error(ConnectionError::Transport("lost".into()), now)
            }
            _ => {}
        }
        self.listen();
    }

    fn call(&mut self, of: u8) {
        let size = size(of);
        let timeout = Duration::from_millis(u64::from(of / 16) * 100);
        let call = OutgoingCall {
            method: ["A.a", "B.b", ""][usize::from(of % 3)].into(),
            deadline: (of < 0xf0).then(|| Deadline::after(self.now, timeout)),
            metadata: Metadata::new(),
            arguments: vec![of; size].into(),
            only_at: (of % 11 == 10).then_some(NonZeroU64::MIN),
            oneway: of % 5 == 1,
            stream: (of % 5 < 3).then(|| StreamUse {
                sends: of % 5 != 1,
                takes: of % 5 != 2,
                idle: (of % 7 > 1).then(|| Duration::from_millis(u64::from(of))),
                total: (of % 7 == 1).then(|| Deadline::after(self.now, Duration::from_millis(100))),
            }),
        };
        if let Ok(key) = self.machine.call(call, self.now) {
            self.added += size + 300;
            assert!(!self.calls.contains(&key), "a key names one live call");
            self.calls.push(key);
        }
    }

    fn answer(&mut self, id: CallId, of: u8) {
        let size = usize::from(of % 32) * usize::from(of % 32) * 30;
        self.added += size;
        let metadata = Metadata::new();
        let answer = match of / 32 {
            0 | 1 => Answer::End { metadata },
            2 | 3 => Answer::Reply { metadata, payload: vec![of; size].into() },
            4 | 5 => Answer::App { metadata, detail: vec![of; size].into() },
            6 => Answer::Error(RpcError::new(Code::INTERNAL, Delivery::Executed, "failed")),
            _ => Answer::Error(RpcError::new(Code::UNAVAILABLE, Delivery::Refused, "busy").with_resend()),
        };
        self.machine.answer(id, answer, self.now);
    }

    /// One of the streams that there may be.
    fn stream(&self, of: u8) -> Option<CallRef> {
        let own = self.calls.iter().map(|&key| CallRef::Own(key));
        let all: Vec<CallRef> = own.chain(self.running.iter().map(|call| CallRef::Peer(call.0))).collect();
        (!all.is_empty()).then(|| all[usize::from(of) % all.len()])
    }

    fn push(&mut self, of: u8) {
        let Some(call) = self.stream(of) else { return };
        let mut items = Batch::new();
        for size in [1 + size(of), 1, 1 + usize::from(of)] {
            self.added += size + 20;
            items.push(&vec![of; size]);
        }
        let _ = self.machine.push_items(call, &mut items, self.now);
    }

    fn take(&mut self, of: u8) {
        let Some(call) = self.stream(of) else { return };
        let at = self.held.iter().position(|(held, _)| *held == call);
        let done = if of % 4 == 0 { 0 } else { at.map_or(0, |at| self.held.swap_remove(at).1) };
        self.added += 19;
        if let Taken::Items(mut batch) = self.machine.take_items(call, done, self.now) {
            let mut cost = 0;
            while let Some(item) = batch.first() {
                assert!(!item.is_empty() && item.len() <= self.limits.message);
                cost += item.len() as u64 + 16;
                batch.pop();
            }
            assert!(cost > 0, "no batch is empty");
            match self.held.iter_mut().find(|(held, _)| *held == call) {
                Some((_, held)) => *held += cost,
                None => self.held.push((call, cost)),
            }
        }
    }

    /// Takes events and starts; there is an end to both.
    fn listen(&mut self) {
        for _ in 0..10_000 {
            let Some(event) = self.machine.poll_event() else { break };
            assert!(!self.closed, "an event after Closed: {event:?}");
            match event {
                Event::Ended { key, outcome, unseen, .. } => {
                    self.held.retain(|(held, _)| *held != CallRef::Own(key));
                    let resend = matches!(&outcome, Received::Error(error) if error.is_resend());
                    assert!(unseen.is_none() || resend);
                    if let Some(call) = unseen {
                        assert!(
                            call.arguments.bytes().iter().all(|&byte| call.arguments.len() == size(byte))
                        );
                    }
                    let at = self.calls.iter().position(|&live| live == key).expect("it ends once");
                    self.calls.swap_remove(at);
                    match outcome {
                        Received::Reply { body, .. } | Received::App { detail: body, .. } => {
                            self.bodies.push(body)
                        }
                        Received::Error(_) | Received::End { .. } => {}
                    }
                }
                Event::Stop { id, why } => {
                    let at = self.running.iter().position(|call| call.0 == id).expect("it runs");
                    if why == Stop::Lost {
                        self.bodies.extend(self.running.swap_remove(at).1);
                    } else {
                        assert!(!std::mem::replace(&mut self.running[at].2, true), "it is stopped once");
                    }
                }
                Event::Closed(_) => self.closed = true,
                _ => {}
            }
        }
        for _ in 0..10_000 {
            let Some(call) = self.machine.poll_start(self.now) else { break };
            assert!(call.arguments.bytes().len() <= self.limits.message);
            assert!(!call.deadline.is_some_and(|deadline| deadline.has_passed(self.now)));
            assert!(self.running.iter().all(|(id, ..)| *id != call.id), "it is started once");
            self.running.push((call.id, Some(call.arguments), false));
        }
    }

    fn write(&mut self, mut most: usize) {
        if self.blocked {
            return;
        }
        while most > 0 {
            if self.hand.is_empty() {
                let Some(segment) = self.machine.poll_transmit(self.now) else {
                    assert!(!self.machine.wants_write(), "what wants to be written can be taken");
                    break;
                };
                assert!(!segment.is_empty());
                self.hand.push_back(segment.len());
            }
            let Some(left) = self.hand.front_mut() else { break };
            let some = most.min(*left);
            *left -= some;
            most -= some;
            if *left == 0 {
                self.hand.pop_front();
            }
            self.machine.handle_written(some, self.now);
            self.listen();
        }
    }

    fn check(&mut self) {
        let limits = &self.limits;
        assert!(self.machine.inbound_calls() <= limits.in_flight as usize);
        assert!(self.machine.outbound_calls().1 <= limits.queue);
        assert!(self.running.len() <= limits.in_flight as usize);
        assert!(self.unread.len() <= (256 << 10) + 74, "one frame is held at a time");
        if self.closed {
            self.check_closed();
        }
    }

    fn check_closed(&mut self) {
        let machine = &mut self.machine;
        assert!(machine.is_closed() && machine.poll_timeout().is_none());
        assert!(!machine.wants_write() && machine.poll_transmit(self.now).is_none());
        assert!(!machine.can_start() && machine.poll_start(self.now).is_none());
        assert_eq!((machine.outbound_calls(), machine.inbound_calls()), ((0, 0), 0));
        assert!(self.calls.is_empty() && self.running.is_empty());
    }

    /// What nobody has taken is bounded; then the end.
    fn finish(mut self) {
        let mut waiting: usize = self.hand.iter().sum();
        while let Some(segment) = self.machine.poll_transmit(self.now) {
            waiting += segment.len();
        }
        let open = self.limits.in_flight as usize + 24;
        let most = self.limits.output + open * (5_000 + 15) + self.added + (17 + 2) * 15 + (64 << 10);
        assert!(waiting <= most, "{waiting} bytes wait to be written, where {most} may");
        self.machine.handle_transport_error(ConnectionError::Closed, self.now);
        self.listen();
        assert!(self.closed);
        self.check_closed();
        for body in self.bodies.drain(..) {
            self.machine.release(body, self.now);
        }
    }
}
