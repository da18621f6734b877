//! Peers that break the protocol, frame by frame: what costs a call, what costs the connection, what is ignored.

use std::time::Duration;

use super::pair::Pair;
use crate::call::{Code, Metadata, RpcError};
use crate::limits;
use crate::proto::{Answer, Config, Refusal};
use crate::wire::{
    CallHead, ErrorHead, Flags, FrameWriter, Goaway, Header, Hello, Kind, Method, Name, ReplyHead,
};

pub(super) fn frame(kind: Kind, flags: Flags, id: u32, body: impl FnOnce(&mut FrameWriter<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    let mut frame = FrameWriter::new(&mut out, Header { kind, flags, id });
    body(&mut frame);
    frame.finish();
    out
}

pub(super) fn bare(kind: Kind, id: u32) -> Vec<u8> {
    frame(kind, Flags::NONE, id, |_| {})
}

pub(super) fn raw(kind: Kind, flags: Flags, id: u32, body: &[u8]) -> Vec<u8> {
    frame(kind, flags, id, |frame| frame.payload(body))
}

/// A first frame: the head, the total if there is more, and a part of the payload.
pub(super) fn call(id: u32, method: Method<'_>, total: Option<u32>, part: &[u8]) -> Vec<u8> {
    let flags = if total.is_some() { Flags::MORE } else { Flags::NONE };
    frame(Kind::Call, flags, id, |frame| {
        if let Some(total) = total {
            frame.total(total);
        }
        CallHead { method, remaining: Some(10_000_000), stream: None, metadata: &Metadata::new() }
            .write(frame);
        frame.payload(part);
    })
}

const TEXT: Method<'_> = Method::Text("Echo.echo");

/// A server that has shaken hands with a stranger.
pub(super) fn stranger() -> Pair {
    stranger_to(Config::default())
}

pub(super) fn stranger_to(config: Config) -> Pair {
    let mut pair = Pair::with(Config::default(), config);
    pair.client.writes = false;
    pair
}

#[track_caller]
fn costs_the_connection(pair: &mut Pair, bytes: &[u8], reason: &str) {
    pair.inject(bytes);
    let cause = pair.server.cause();
    assert!(cause.contains(reason), "{reason}: {cause}");
    // The peer has been told.
    assert!(pair.client.cause().contains(reason), "{reason}: {}", pair.client.cause());
    pair.server.machine.assert_empty();
}

#[track_caller]
fn is_ignored(pair: &mut Pair, bytes: &[u8]) {
    pair.inject(bytes);
    assert!(pair.server.closed.is_none(), "{}", pair.server.cause());
}

#[test]
fn frames_that_break_the_rules_cost_the_connection() {
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("a second HELLO", {
            let mut out = Vec::new();
            Hello::default().write(&mut out);
            out
        }),
        ("wrong end of call 2", call(2, TEXT, None, b"")),
        ("wrong end of call 2", bare(Kind::Cancel, 2)),
        ("wrong end of call 1", frame(Kind::Reply, Flags::NONE, 1, |f| ReplyHead::default().write(f))),
        (
            "call 2, which was never opened",
            frame(Kind::Reply, Flags::NONE, 2, |f| ReplyHead::default().write(f)),
        ),
        ("call 7, which was never opened", bare(Kind::Cancel, 7)),
        ("call 7, which was never opened", raw(Kind::Credit, Flags::NONE, 7, &[5])),
        ("number 3, which no NAME bound", call(1, Method::Bound(3), None, b"")),
        ("name number 1 where 0 was due", {
            let mut out = Vec::new();
            Name { number: 1, name: "a.b" }.write(&mut out);
            out
        }),
        ("a method name of 257 bytes", {
            let mut out = Vec::new();
            Name { number: 0, name: &"n".repeat(257) }.write(&mut out);
            out
        }),
        ("second CALL for call 1", [call(1, TEXT, None, b""), call(1, TEXT, None, b"")].concat()),
        ("kind 0x3c", vec![0, 0, 0, 6, 0x3c, 0, 0, 0, 0, 0]),
        ("flags 0x10", vec![0, 0, 0, 6, 0x03, 0x10, 0, 0, 0, 1]),
        ("length 5", vec![0, 0, 0, 5]),
        ("ends inside its method", bare(Kind::Call, 1)),
        ("ends inside its total", raw(Kind::Call, Flags::MORE, 1, &[0, 0, 1])),
        ("ends inside its method", raw(Kind::Call, Flags::MORE, 1, &[0, 0, 1, 0, 0xa9, b'x'])),
        ("ends inside its remaining time", raw(Kind::Call, Flags::NONE, 1, &[0xa1, b'x'])),
        ("byte 0xc3 where the method", raw(Kind::Call, Flags::NONE, 1, &[0xc3, 0xc0, 0xc0])),
        ("a method that is not UTF-8", raw(Kind::Call, Flags::NONE, 1, &[0xa1, 0xff, 0xc0, 0xc0])),
        ("byte 0xff where the remaining time", raw(Kind::Call, Flags::NONE, 1, &[0xa1, b'x', 0xff, 0xc0])),
        ("byte 0x01 where the metadata", raw(Kind::Call, Flags::NONE, 1, &[0xa1, b'x', 0xc0, 0x01])),
        ("where the total begins", call(1, TEXT, Some(3), b"abc")),
        ("empty part", [call(1, TEXT, Some(9), b"abc"), raw(Kind::Call, Flags::MORE, 1, b"")].concat()),
        ("do not add up", [call(1, TEXT, Some(9), b"abc"), raw(Kind::Call, Flags::NONE, 1, b"de")].concat()),
        ("do not add up", [call(1, TEXT, Some(4), b"abc"), raw(Kind::Call, Flags::MORE, 1, b"d")].concat()),
        ("do not add up", [call(1, TEXT, Some(4), b"abc"), raw(Kind::Call, Flags::NONE, 1, b"de")].concat()),
        ("than was granted", call(1, TEXT, None, &vec![0; limits::EAGER + 1])),
        ("than was granted", call(1, TEXT, Some(1 << 20), &vec![0; limits::EAGER + 1])),
        ("ends inside its number", bare(Kind::Ping, 0)),
    ];
    for (reason, bytes) in cases {
        costs_the_connection(&mut stranger(), &bytes, reason);
    }
}

#[test]
fn one_byte_beyond_the_grant_costs_the_connection_and_one_less_does_not() {
    // 1 MiB is granted while the first one holds all of the arguments' half.
    let config = || Config { assembly: 2 << 20, message: 1 << 20, ..Config::default() };
    let mut pair = stranger_to(config());
    is_ignored(&mut pair, &call(1, TEXT, Some(1 << 20), b"x"));
    let half = limits::EAGER / 2;
    let begin = call(3, TEXT, Some(1 << 20), &vec![0; half]);
    is_ignored(&mut pair, &[begin, raw(Kind::Call, Flags::MORE, 3, &vec![0; half])].concat());
    // The stranger's machine did not open these calls and stumbles over their CREDIT: only the server counts here.
    pair.inject(&raw(Kind::Call, Flags::MORE, 3, b"x"));
    let cause = pair.server.cause();
    assert!(cause.contains("more of a payload of call 3 than was granted"), "{cause}");
    pair.server.machine.assert_empty();
}

#[test]
fn old_and_optional_frames_are_ignored() {
    let mut pair = stranger();
    is_ignored(&mut pair, &call(9, TEXT, None, b"x"));
    let now = pair.now;
    pair.server.echo(now);
    pair.drive();
    for old in [
        call(3, TEXT, None, b"an id below the highest"),
        call(9, TEXT, None, b"the same id again"),
        bare(Kind::Cancel, 9),
        bare(Kind::Cancel, 3),
        raw(Kind::Credit, Flags::NONE, 9, &[5]),
        vec![0, 0, 0, 8, 0xff, 0xff, 0, 0, 0, 0, 1, 2],
    ] {
        is_ignored(&mut pair, &old);
    }
    assert!(pair.server.started.is_empty());
}

#[test]
fn bytes_after_the_known_values_of_a_control_frame_are_for_later_versions() {
    let mut pair = stranger();
    is_ignored(&mut pair, &raw(Kind::Ping, Flags::NONE, 0, &[1, 0xc0, 0xc0]));
}

#[test]
fn a_call_beyond_the_limit_costs_the_connection() {
    let mut pair = stranger_to(Config { in_flight: 3, ..Config::default() });
    for id in [1, 3, 5] {
        is_ignored(&mut pair, &call(id, TEXT, None, b"x"));
    }
    costs_the_connection(&mut pair, &call(7, TEXT, None, b"x"), "more than 3 calls at a time");
}

#[test]
fn names_are_bounded() {
    let mut pair = stranger_to(Config { names: 2, ..Config::default() });
    for number in 0..2 {
        let mut out = Vec::new();
        Name { number, name: "a.b" }.write(&mut out);
        is_ignored(&mut pair, &out);
    }
    let mut out = Vec::new();
    Name { number: 2, name: "a.b" }.write(&mut out);
    costs_the_connection(&mut pair, &out, "more than 2 names");
}

#[test]
fn pings_that_are_not_read_are_bounded_and_read_ones_are_not() {
    let ping = raw(Kind::Ping, Flags::NONE, 0, &[1]);
    let mut pair = stranger();
    for _ in 0..1_000 {
        is_ignored(&mut pair, &ping);
    }
    pair.server.writes = false;
    for _ in 0..limits::PINGS {
        is_ignored(&mut pair, &ping);
    }
    pair.inject(&ping);
    pair.server.writes = true;
    pair.drive();
    assert!(pair.server.cause().contains("unanswered pings"), "{}", pair.server.cause());
}

#[test]
fn frames_that_move_nothing_are_bounded() {
    let pong = raw(Kind::Pong, Flags::NONE, 0, &[1]);
    let skipped = vec![0, 0, 0, 6, 0x80, 0, 0, 0, 0, 0];
    let mut said = Vec::new();
    Goaway { last: 0, code: None, text: String::new() }.write(&mut said);
    let late = [bare(Kind::Cancel, 1), raw(Kind::Credit, Flags::NONE, 1, &[5])];
    for vain in late.into_iter().chain([pong, skipped, said]) {
        let mut pair = stranger_to(Config { vain: 10, ..Config::default() });
        // One call is over, and another one keeps the connection open behind a GOAWAY.
        is_ignored(&mut pair, &[call(1, TEXT, None, b"x"), call(3, TEXT, None, b"x")].concat());
        let id = pair.server.started[0].id;
        let answer = Answer::Reply { metadata: Metadata::new(), payload: vec![1].into() };
        pair.server.machine.answer(id, answer, pair.now);
        is_ignored(&mut pair, &vain.repeat(10));
        // Time forgives one, and a frame that moves something eight.
        pair.pass(limits::VAIN_EVERY);
        is_ignored(&mut pair, &vain);
        is_ignored(&mut pair, &[call(5, TEXT, None, b"x"), vain.repeat(8)].concat());
        pair.inject(&vain);
        let cause = pair.server.cause();
        assert!(cause.contains("more than 10 frames that move nothing"), "{cause}");
    }
}

#[test]
fn too_much_metadata_costs_its_call_only() {
    let heads: Vec<(Refusal, Vec<u8>)> = vec![
        (Refusal::TooLarge, metadata_of(65, "v")),
        (Refusal::TooLarge, metadata_of(2, &"v".repeat(9_000))),
        (Refusal::BadMetadata, [&[0x81, 0xa1, b'A'][..], &[0xa1, b'v']].concat()),
        (Refusal::BadMetadata, [&[0x82, 0xa1, b'a', 0xa1, b'v'][..], &[0xa1, b'a', 0xa1, b'v']].concat()),
    ];
    for (expected, metadata) in heads {
        let mut pair = stranger();
        let body = [&[0xa1, b'x', 0xc0][..], &metadata, &[0x90]].concat();
        is_ignored(&mut pair, &raw(Kind::Call, Flags::NONE, 1, &body));
        assert_eq!(pair.server.refused, [expected]);
        assert!(pair.server.started.is_empty());
    }
    // A head that does not end in its first frame, where the payload goes on.
    let mut pair = stranger();
    let body = [&[0, 0, 1, 0, 0xa1, b'x', 0xc0, 0x81, 0xdb, 0, 1, 0, 0][..], &[b'k'; 1_000]].concat();
    is_ignored(&mut pair, &raw(Kind::Call, Flags::MORE, 1, &body));
    is_ignored(&mut pair, &raw(Kind::Call, Flags::NONE, 1, &[b'k'; 10]));
    assert_eq!(pair.server.refused, [Refusal::TooLarge]);
}

fn metadata_of(entries: u16, value: &str) -> Vec<u8> {
    let mut body = vec![0xde];
    body.extend(entries.to_be_bytes());
    for at in 0..entries {
        body.extend([0xa2, b'a' + (at / 26) as u8, b'a' + (at % 26) as u8, 0xda]);
        body.extend((value.len() as u16).to_be_bytes());
        body.extend(value.as_bytes());
    }
    body
}

#[test]
fn arguments_beyond_the_limit_cost_their_call_only() {
    let mut pair = stranger_to(Config { message: 200_000, ..Config::default() });
    is_ignored(&mut pair, &call(1, TEXT, Some(200_001), b"x"));
    // What the sender had under way is ignored.
    is_ignored(&mut pair, &raw(Kind::Call, Flags::MORE, 1, b"more"));
    assert_eq!(pair.server.refused, [Refusal::TooLarge]);
    is_ignored(&mut pair, &call(3, TEXT, None, b"x"));
    assert_eq!(pair.server.started.len(), 1);
}

#[test]
fn errors_that_are_provoked_and_not_read_run_out_of_places_before_memory() {
    // A peer that opens and cancels and reads nothing: this side says nothing more once its output is full.
    let mut pair = stranger_to(Config { in_flight: 64, output: 1_000, ..Config::default() });
    pair.server.writes = false;
    let mut opened = 0;
    while pair.server.machine.takes_calls() {
        let id = 2 * opened + 1;
        pair.inject(&[call(id, TEXT, None, b"x"), bare(Kind::Cancel, id)].concat());
        opened += 1;
        assert!(
            opened < 1_000 && pair.server.machine.backlog() < 2_000,
            "{opened} {}",
            pair.server.machine.backlog()
        );
    }
    pair.server.writes = true;
    pair.drive();
    assert!(opened > 64, "{opened}");
    assert!(pair.server.cause().contains("more than 64 calls"), "{}", pair.server.cause());
}

#[test]
fn a_server_can_be_as_bad_to_its_client() {
    let cases: Vec<(&str, Vec<u8>)> = vec![
        (
            "call 3, which was never opened",
            frame(Kind::Reply, Flags::NONE, 3, |f| ReplyHead::default().write(f)),
        ),
        ("wrong end of call 1", call(1, TEXT, None, b"")),
        ("ends inside its metadata", bare(Kind::Reply, 1)),
        ("ends inside its error message", raw(Kind::Error, Flags::NONE, 1, &[4])),
        ("where the error code begins", raw(Kind::Error, Flags::NONE, 1, &[0xce, 0, 1, 0, 0, 0xa0, 0xc0])),
        (
            "than was granted",
            raw(Kind::Reply, Flags::NONE, 1, &[&[0xc0][..], &vec![0; limits::EAGER + 1]].concat()),
        ),
        (
            "do not add up",
            [
                raw(Kind::Reply, Flags::MORE, 1, &[0, 0, 0, 9, 0xc0, 1]),
                frame(Kind::Error, Flags::APP.with(Flags::MORE), 1, |f| f.payload(b"other kind")),
            ]
            .concat(),
        ),
        ("wrong end of call 2", frame(Kind::Error, Flags::NONE, 2, |f| head().write(f))),
        ("CREDIT for call 1 that is not", raw(Kind::Credit, Flags::NONE, 1, &[5])),
    ];
    for (reason, bytes) in cases {
        let mut pair = Pair::new();
        let now = pair.now;
        let size = if reason.starts_with("CREDIT") { 1 << 20 } else { 10 };
        pair.client.call(&vec![0; size], now);
        pair.server.writes = false;
        pair.drive();
        pair.client.inbox.extend(bytes);
        pair.drive();
        assert!(pair.client.cause().contains(reason), "{reason}: {}", pair.client.cause());
        assert_eq!(pair.client.ended.len(), 1, "{reason}");
    }
}

fn head() -> ErrorHead {
    ErrorHead { code: Code::INTERNAL, message: "x".into(), metadata: Metadata::new() }
}

#[test]
fn a_goaway_with_a_code_ends_everything() {
    let mut pair = Pair::new();
    let now = pair.now;
    pair.client.call(b"below", now);
    pair.client.call(b"above", now);
    pair.drive();
    let mut out = Vec::new();
    Goaway { last: 1, code: Some(Code::INTERNAL), text: "you\nbroke it".into() }.write(&mut out);
    pair.client.inbox.extend(out);
    pair.drive();
    let errors: Vec<RpcError> =
        pair.client.ended.drain(..).map(|(_, outcome)| super::pair::bytes_of(outcome).unwrap_err()).collect();
    let deliveries: Vec<_> =
        errors.iter().map(|error| (error.delivery().name(), error.is_resend())).collect();
    assert_eq!(deliveries, [("refused", true), ("unknown", false)]);
    assert!(pair.client.cause().contains("you\\nbroke it"), "escaped: {}", pair.client.cause());
}

#[test]
fn a_reply_too_large_for_its_caller_costs_its_call_only() {
    let mut pair = Pair::with(Config { message: 1_000, ..Config::default() }, Config::default());
    let now = pair.now;
    pair.client.call(b"x", now);
    pair.drive();
    // A server that does not care for the limit in HELLO.
    let body = [&[0, 0, 7, 0xd1, 0xc0][..], &[0; 100]].concat();
    pair.server.writes = false;
    pair.client.inbox.extend(raw(Kind::Reply, Flags::MORE, 1, &body));
    pair.drive();
    let error = pair.client.outcome().unwrap_err();
    assert!(error.message().contains("2001") && error.message().contains("1000"), "{error}");
    assert!(pair.client.closed.is_none());
    assert_eq!(pair.client.machine.outbound_calls(), (1, 0), "it counts until the server's last frame");
    pair.server.writes = true;
    let id = pair.server.started.remove(0).id;
    pair.drive();
    pair.server.machine.stopped(id, now);
    pair.drive();
    assert_eq!(pair.client.machine.outbound_calls(), (0, 0));
}

#[test]
fn an_answer_to_a_call_that_was_lost_is_nothing() {
    let mut pair = Pair::new();
    let now = pair.now;
    pair.client.call(b"x", now);
    pair.drive();
    let id = pair.server.started[0].id;
    pair.server.machine.close_now("bye", now);
    pair.server.machine.answer(id, Answer::Reply { metadata: Metadata::new(), payload: vec![1].into() }, now);
    pair.server.machine.stopped(id, now);
    pair.pass(Duration::from_secs(2));
    pair.server.machine.assert_empty();
}
