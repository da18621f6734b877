//! Owns [`Pair`]: two machines, the bytes between them, and the time. Decides nothing: a test says what happens.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use crate::call::{Batch, Deadline, Metadata, RpcError};
use crate::proto::{
    Answer, CallId, CallKey, CallRef, Config, Connection, ConnectionError, Event, IncomingCall, OutgoingCall,
    Received, Refusal, Side, Stop,
};

/// One end: a machine, what it has read and not taken, and what it told its application.
pub(super) struct End {
    pub(super) machine: Connection,
    /// Bytes on their way to this end.
    pub(super) inbox: VecDeque<u8>,
    unread: Vec<u8>,
    pub(super) ended: Vec<(CallKey, Received)>,
    /// Oneway calls that were written, in their order.
    pub(super) written: Vec<CallKey>,
    pub(super) opened: Vec<CallKey>,
    pub(super) readable: Vec<CallRef>,
    pub(super) writable: Vec<CallRef>,
    /// Items that came with the ends of calls.
    pub(super) unread_items: Vec<Batch>,
    pub(super) stopped: Vec<(CallId, Stop)>,
    pub(super) refused: Vec<Refusal>,
    pub(super) started: Vec<IncomingCall>,
    pub(super) retired: bool,
    pub(super) leaves: u32,
    pub(super) ready: bool,
    pub(super) closed: Option<Option<ConnectionError>>,
    /// Whether calls are taken from the machine.
    pub(super) starts: bool,
    /// Whether the transport takes bytes.
    pub(super) writes: bool,
}

impl End {
    fn new(side: Side, config: Config, now: Instant) -> Self {
        Self {
            machine: Connection::new(side, config, now),
            inbox: VecDeque::new(),
            unread: Vec::new(),
            ended: Vec::new(),
            written: Vec::new(),
            opened: Vec::new(),
            readable: Vec::new(),
            writable: Vec::new(),
            unread_items: Vec::new(),
            stopped: Vec::new(),
            refused: Vec::new(),
            started: Vec::new(),
            retired: false,
            leaves: 0,
            ready: false,
            closed: None,
            starts: true,
            writes: true,
        }
    }

    /// Gives the machine bytes, in pieces of at most `chunk`, and takes what it says.
    pub(super) fn read(&mut self, chunk: usize, now: Instant) -> bool {
        let mut did = false;
        while !self.inbox.is_empty() {
            did = true;
            let size = chunk.min(self.inbox.len());
            self.unread.extend(self.inbox.drain(..size));
            let taken = self.machine.handle_read(&self.unread, now);
            self.unread.drain(..taken);
        }
        did | self.listen(now)
    }

    /// Takes events and starts.
    pub(super) fn listen(&mut self, now: Instant) -> bool {
        let mut did = false;
        while let Some(event) = self.machine.poll_event() {
            did = true;
            assert!(self.closed.is_none(), "an event after Closed: {event:?}");
            match event {
                Event::Ready(_) => self.ready = true,
                Event::Written { key } => self.written.push(key),
                Event::Ended { key, outcome, unread, .. } => {
                    self.ended.push((key, outcome));
                    self.unread_items.extend(unread.into_iter().flat_map(|unread| unread.items));
                }
                Event::Opened { key, .. } => self.opened.push(key),
                Event::Readable(call) => self.readable.push(call),
                Event::Writable(call) => self.writable.push(call),
                Event::Stop { id, why } => self.stopped.push((id, why)),
                Event::Refused(reason) => self.refused.push(reason),
                Event::Retire => self.retired = true,
                Event::Leaving => self.leaves += 1,
                Event::Closed(error) => self.closed = Some(error),
            }
        }
        while self.starts
            && let Some(call) = self.machine.poll_start(now)
        {
            did = true;
            self.started.push(call);
        }
        did
    }

    /// What the machine wants written.
    pub(super) fn write(&mut self, now: Instant) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.writes
            && let Some(segment) = self.machine.poll_transmit(now)
        {
            bytes.extend_from_slice(&segment);
            // In two pieces, as a socket may take them.
            self.machine.handle_written(segment.len() / 2, now);
            self.machine.handle_written(segment.len() - segment.len() / 2, now);
        }
        bytes
    }

    /// Makes a call with these arguments and a deadline of ten seconds.
    pub(super) fn call(&mut self, arguments: &[u8], now: Instant) -> CallKey {
        self.try_call(arguments, Duration::from_secs(10), now).expect("the call is taken")
    }

    pub(super) fn try_call(
        &mut self,
        arguments: &[u8],
        timeout: Duration,
        now: Instant,
    ) -> Result<CallKey, RpcError> {
        self.machine
            .call(outgoing(arguments, Some(Deadline::after(now, timeout))), now)
            .map_err(|untaken| untaken.error)
    }

    /// Makes a oneway call with these arguments and a deadline of ten seconds.
    pub(super) fn tell(&mut self, arguments: &[u8], now: Instant) -> CallKey {
        let deadline = Some(Deadline::after(now, Duration::from_secs(10)));
        let call = OutgoingCall { oneway: true, ..outgoing(arguments, deadline) };
        self.machine.call(call, now).expect("the call is taken")
    }

    /// Answers the oldest started call with its own arguments.
    pub(super) fn echo(&mut self, now: Instant) -> CallId {
        let call = self.started.remove(0);
        let payload = call.arguments.bytes().to_vec();
        self.machine.release(call.arguments, now);
        self.machine.answer(
            call.id,
            Answer::Reply { metadata: Metadata::new(), payload: payload.into() },
            now,
        );
        call.id
    }

    /// The only outcome there is, as its payload or its error.
    pub(super) fn outcome(&mut self) -> Result<Vec<u8>, RpcError> {
        assert_eq!(self.ended.len(), 1, "one call has ended: {:?}", self.ended);
        bytes_of(self.ended.remove(0).1)
    }

    pub(super) fn cause(&self) -> String {
        match &self.closed {
            Some(Some(error)) => error.to_string(),
            other => format!("{other:?}"),
        }
    }
}

pub(super) fn outgoing(arguments: &[u8], deadline: Option<Deadline>) -> OutgoingCall {
    OutgoingCall {
        method: "Echo.echo".into(),
        deadline,
        metadata: Metadata::new(),
        arguments: arguments.to_vec().into(),
        oneway: false,
        stream: None,
        only_at: None,
    }
}

pub(super) fn bytes_of(outcome: Received) -> Result<Vec<u8>, RpcError> {
    match outcome {
        Received::Reply { body, .. } | Received::App { detail: body, .. } => Ok(body.bytes().to_vec()),
        Received::End { .. } => Ok(b"end".to_vec()),
        Received::Error(error) => Err(error),
    }
}

/// Two machines that are connected.
pub(super) struct Pair {
    pub(super) client: End,
    pub(super) server: End,
    pub(super) now: Instant,
    /// How many bytes one read takes at most.
    pub(super) chunk: usize,
    /// Bytes that went each way: to the server, to the client.
    pub(super) sent: (usize, usize),
}

impl Pair {
    /// Two machines with these limits that have shaken hands.
    pub(super) fn with(client: Config, server: Config) -> Self {
        let mut pair = Self::fresh(client, server);
        pair.drive();
        assert!(pair.client.ready && pair.server.ready);
        pair
    }

    pub(super) fn new() -> Self {
        Self::with(Config::default(), Config::default())
    }

    /// Two machines that have not said anything yet.
    #[expect(clippy::disallowed_methods, reason = "virtual time has to begin somewhere")]
    pub(super) fn fresh(client: Config, server: Config) -> Self {
        let now = Instant::now();
        Self {
            client: End::new(Side::Client, client, now),
            server: End::new(Side::Server, server, now),
            now,
            chunk: usize::MAX,
            sent: (0, 0),
        }
    }

    /// Moves bytes until nothing moves. Time stands still.
    pub(super) fn drive(&mut self) {
        for _ in 0..100_000 {
            let moved = self.step();
            if !moved {
                return;
            }
        }
        panic!("the machines do not come to rest");
    }

    /// Moves bytes until the client may send all of a large payload.
    pub(super) fn drive_until_granted(&mut self) {
        let before = self.sent.1;
        while self.sent.1 == before {
            assert!(self.step());
        }
        self.client.listen(self.now);
    }

    /// Moves what is there once, each way.
    pub(super) fn step(&mut self) -> bool {
        let (now, chunk) = (self.now, self.chunk);
        let mut moved = self.client.listen(now) | self.server.listen(now);
        let to_server = self.client.write(now);
        let to_client = self.server.write(now);
        moved |= !to_server.is_empty() || !to_client.is_empty();
        self.sent.0 += to_server.len();
        self.sent.1 += to_client.len();
        self.server.inbox.extend(to_server);
        self.client.inbox.extend(to_client);
        moved |= self.server.read(chunk, now);
        moved |= self.client.read(chunk, now);
        moved
    }

    /// Lets time pass, timer by timer, and moves bytes at each.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.drive();
            let timeouts = [self.client.machine.poll_timeout(), self.server.machine.poll_timeout()];
            let next = timeouts.into_iter().flatten().min().filter(|&next| next <= end);
            let Some(next) = next else { break };
            self.now = self.now.max(next);
            for machine in [&mut self.client.machine, &mut self.server.machine] {
                if machine.poll_timeout().is_some_and(|due| due <= self.now) {
                    machine.handle_timeout(self.now);
                }
            }
        }
        self.now = end;
        self.drive();
    }

    /// Lets time pass in which nobody reads, writes or looks at any timer but those of calls.
    pub(super) fn stand_still(&mut self, time: Duration) {
        self.now += time;
        for end in [&mut self.client, &mut self.server] {
            end.machine.handle_deadlines(self.now);
            end.listen(self.now);
        }
    }

    /// Bytes that a stranger sends to the server.
    pub(super) fn inject(&mut self, bytes: &[u8]) {
        self.server.inbox.extend(bytes);
        self.drive();
    }

    /// Nothing is open, held or waiting on either side.
    #[track_caller]
    pub(super) fn assert_baseline(&self) {
        self.client.machine.assert_empty();
        self.server.machine.assert_empty();
    }
}

/// Started calls by their first argument byte.
pub(super) fn by_tag(started: &[IncomingCall]) -> BTreeMap<u8, CallId> {
    started.iter().map(|call| (call.arguments.bytes()[0], call.id)).collect()
}
