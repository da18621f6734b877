//! Calls between two protocol machines, both sides and the bytes between them: no socket, no task, no clock that moves.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use traitwire::proto::{Answer, Config, Connection, Event, OutgoingCall, Received, Side};
use traitwire::{Deadline, Metadata};

pub(crate) fn all(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("machine");
    for (name, calls, size) in [("1 call", 1, 3), ("64 calls", 64, 3), ("64 echoes of 1 KiB", 64, 1024)] {
        let mut pair = Pair::new();
        group.throughput(Throughput::Elements(calls));
        group.bench_function(name, |bencher| bencher.iter(|| pair.calls(calls, size)));
    }
    group.finish();
}

struct Pair {
    client: Connection,
    server: Connection,
    now: Instant,
    /// What was sent and not yet taken, there and back.
    there: Vec<u8>,
    back: Vec<u8>,
}

impl Pair {
    /// Two that have shaken hands.
    fn new() -> Self {
        let now = Instant::now();
        let new = |side| Connection::new(side, Config::default(), now);
        let (client, server) = (new(Side::Client), new(Side::Server));
        let mut this = Self { client, server, now, there: Vec::new(), back: Vec::new() };
        this.pass();
        for machine in [&mut this.client, &mut this.server] {
            let ready = std::iter::from_fn(|| machine.poll_event());
            assert!(ready.into_iter().any(|event| matches!(event, Event::Ready(_))), "hands are shaken");
        }
        this
    }

    /// Makes so many calls at a time, whose arguments of so many bytes come back.
    fn calls(&mut self, calls: u64, size: usize) {
        for _ in 0..calls {
            let call = OutgoingCall {
                method: Cow::Borrowed("Bench.echo"),
                deadline: Some(Deadline::after(self.now, Duration::from_secs(10))),
                metadata: Metadata::default(),
                arguments: vec![7; size].into(),
                oneway: false,
                stream: None,
                only_at: None,
            };
            self.client.call(call, self.now).expect("there is room");
        }
        self.pass();
        while let Some(call) = self.server.poll_start(self.now) {
            let (payload, reserved, id) = call.arguments.into_parts();
            let answer = Answer::Reply { metadata: Metadata::default(), payload: payload.into() };
            self.server.answer(call.id, answer, self.now);
            let body = traitwire::proto::Body::from_parts(Vec::new(), reserved, id);
            self.server.release(body, self.now);
        }
        self.pass();
        let mut ended = 0;
        while let Some(event) = self.client.poll_event() {
            if let Event::Ended { outcome: Received::Reply { body, .. }, .. } = event {
                assert_eq!(body.bytes().len(), size, "what was sent comes back");
                self.client.release(body, self.now);
                ended += 1;
            }
        }
        assert_eq!(ended, calls, "each call ends");
    }

    /// Takes to the other side what either wants to send, until neither wants to.
    fn pass(&mut self) {
        loop {
            let went = pass(&mut self.client, &mut self.server, &mut self.there, self.now);
            let came = pass(&mut self.server, &mut self.client, &mut self.back, self.now);
            if !went && !came {
                return;
            }
        }
    }
}

fn pass(from: &mut Connection, to: &mut Connection, wire: &mut Vec<u8>, now: Instant) -> bool {
    let mut moved = false;
    while let Some(segment) = from.poll_transmit(now) {
        wire.extend_from_slice(&segment);
        from.handle_written(segment.len(), now);
        moved = true;
    }
    if moved {
        let taken = to.handle_read(wire, now);
        wire.drain(..taken);
    }
    moved
}
