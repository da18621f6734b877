//! The envelope: what `wire` reads of any bytes, and what machines make of whole frames with any bodies.

use std::time::{Duration, Instant};

use traitwire::proto::{Batch, CallRef, Config, Connection, OutgoingCall, Side, StreamUse};
use traitwire::wire::{Goaway, Hello, Kind, Name, PREFACE, Preface, split};
use traitwire::{Deadline, Metadata};

pub fn frames(data: &[u8]) {
    bare(data);
    let now = Instant::now();
    let mut ends = [greeted(Side::Client, now), greeted(Side::Server, now)];
    let mut rest = data;
    // Kind and flags, id, the body's length, the body.
    while let Some((&[kind, flags, id, length], after)) = rest.split_first_chunk() {
        let size = (usize::from(length) * if flags & 0x80 == 0 { 1 } else { 16 }).min(after.len());
        let (body, after) = after.split_at(size);
        rest = after;
        let kind = match kind % 16 {
            known @ 1..=12 => known,
            _ => kind,
        };
        let mut frame = (size as u32 + 6).to_be_bytes().to_vec();
        frame.extend([kind, flags & 0x7f]);
        frame.extend(u32::from(id % 16).to_be_bytes());
        frame.extend(body);
        for end in &mut ends {
            let taken = end.handle_read(&frame, now);
            assert_eq!(taken, frame.len(), "a whole frame is taken");
            while end.poll_event().is_some() {}
            while end.poll_start(now).is_some() {}
            while let Some(segment) = end.poll_transmit(now) {
                end.handle_written(segment.len(), now);
            }
        }
    }
    for end in &mut ends {
        end.close_now("the end", now);
        end.handle_timeout(now + Duration::from_secs(60));
        assert!(end.is_closed() && end.inbound_calls() == 0 && end.outbound_calls() == (0, 0));
    }
}

/// Readers that need no machine; what is read is the same whatever follows it.
fn bare(data: &[u8]) {
    let _ = Preface::read(data);
    let mut rest = data;
    while let Ok(Some(frame)) = split(rest) {
        assert!(frame.size >= 10 && frame.size <= rest.len());
        assert_eq!(split(&rest[..frame.size]), Ok(Some(frame)));
        assert_eq!(split(&rest[..frame.size - 1]), Ok(None));
        rest = &rest[frame.size..];
    }
    if let Ok(hello) = Hello::read(data) {
        let mut again = Vec::new();
        hello.write(&mut again);
        let frame = split(&again).expect("well formed").expect("whole");
        assert_eq!(frame.header.map(|header| header.kind), Some(Kind::Hello));
        assert_eq!(Hello::read(frame.body).as_ref(), Ok(&hello));
    }
    if let Ok(name) = Name::read(data) {
        assert!(name.name.len() <= data.len());
    }
    if let Ok(goaway) = Goaway::read(data) {
        let mut again = Vec::new();
        goaway.write(&mut again);
        let frame = split(&again).expect("well formed").expect("whole");
        assert_eq!(Goaway::read(frame.body), Ok(goaway));
    }
}

/// A machine that has shaken hands, with calls 1 to 9 or 2 to 10 open: one with arguments that wait for a grant, and two
/// with streams, of which one has an item that waits for credit.
fn greeted(side: Side, now: Instant) -> Connection {
    let limits = Config {
        message: 1 << 16,
        eager: 64,
        assembly: 1 << 16,
        in_flight: 8,
        credit: 100,
        credit_spare: 400,
        ..Config::default()
    };
    let mut machine = Connection::new(side, limits, now);
    let mut hello = Vec::from(PREFACE);
    let mut theirs = Hello::default();
    theirs.eager = 64;
    theirs.credit = 100;
    theirs.write(&mut hello);
    assert_eq!(machine.handle_read(&hello, now), hello.len());
    let stream =
        Some(StreamUse { sends: true, takes: true, idle: Some(Duration::from_secs(60)), total: None });
    for (size, stream) in [(0, None), (10, stream), (300, None), (10, stream), (20, None)] {
        let call = OutgoingCall {
            method: "Echo.echo".into(),
            deadline: Some(Deadline::after(now, Duration::from_secs(10))),
            metadata: Metadata::new(),
            arguments: vec![7; size].into(),
            oneway: size == 10,
            stream,
            only_at: None,
        };
        let key = machine.call(call, now).expect("there is room");
        let mut items = Batch::new();
        items.push(&[7; 200]);
        machine.push_items(CallRef::Own(key), &mut items, now).expect("it is small");
        machine.take_items(CallRef::Own(key), 0, now);
    }
    while let Some(segment) = machine.poll_transmit(now) {
        machine.handle_written(segment.len(), now);
    }
    while machine.poll_event().is_some() {}
    machine
}
