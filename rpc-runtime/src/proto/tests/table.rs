//! Each frame about a call with streams in each state of that call: what docs/PROTOCOL.md says of it, cell by cell.

use std::time::{Duration, Instant};

use super::abuse::{bare, frame, raw};
use super::pair::{End, Pair, outgoing};
use crate::call::{Batch, Code, Deadline, Metadata};
use crate::proto::{Answer, CallId, CallKey, CallRef, Connection, OutgoingCall, StreamUse};
use crate::wire::{CallHead, ErrorHead, Flags, Kind, Method, ReplyHead, StreamTimes};

/// What comes of a frame: it does what it is for, nothing, or it costs the connection, for this reason.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Comes {
    Done,
    Nothing,
    Fault(&'static str),
}

use Comes::{Done as DO, Nothing as NO};

const NEVER: Comes = Comes::Fault("never opened");
const PLACE: Comes = Comes::Fault("no place for one at this time");
const AGAIN: Comes = Comes::Fault("a second CALL");
const TOTAL: Comes = Comes::Fault("do not add up");
const WRONG: Comes = Comes::Fault("wrong end");
const TOTAL_OF: Comes = Comes::Fault("is not its payload's total");

// ===== frames =====

pub(super) fn call(id: u32, streams: Flags, total: Option<u32>) -> Vec<u8> {
    let flags = if total.is_some() { streams.with(Flags::MORE) } else { streams };
    frame(Kind::Call, flags, id, |frame| {
        if let Some(total) = total {
            frame.total(total);
        }
        let stream = (streams != Flags::NONE).then_some(StreamTimes { idle: Some(60_000_000), total: None });
        let (method, metadata) = (Method::Text("A.b"), &Metadata::new());
        CallHead { method, remaining: Some(10_000_000), stream, metadata }.write(frame);
        frame.payload(b"x");
    })
}

pub(super) fn item(id: u32) -> Vec<u8> {
    raw(Kind::Item, Flags::NONE, id, &[7])
}

pub(super) fn open(id: u32) -> Vec<u8> {
    raw(Kind::Item, Flags::OPEN, id, &[0xc0])
}

fn part(id: u32) -> Vec<u8> {
    raw(Kind::Item, Flags::MORE, id, &[0, 0, 0, 100, 7])
}

pub(super) fn end(id: u32) -> Vec<u8> {
    raw(Kind::End, Flags::NONE, id, &[0xc0])
}

fn credit(id: u32) -> Vec<u8> {
    raw(Kind::Credit, Flags::NONE, id, &[100])
}

fn reply(id: u32) -> Vec<u8> {
    frame(Kind::Reply, Flags::NONE, id, |frame| {
        ReplyHead::default().write(frame);
        frame.payload(b"x");
    })
}

pub(super) fn error(id: u32, flags: Flags, total: Option<u32>) -> Vec<u8> {
    frame(Kind::Error, flags, id, |frame| {
        if let Some(total) = total {
            frame.total(total);
        }
        ErrorHead { code: Code::INTERNAL, message: "x".into(), metadata: Metadata::new() }.write(frame);
        frame.payload(b"x");
    })
}

pub(super) const BOTH: Flags = Flags::SENDS.with(Flags::TAKES);

// ===== tables =====

/// Gives `frame` to the machine of one end and says what came of it.
fn comes(pair: &mut Pair, server: bool, frame: &[u8]) -> Comes {
    let now = pair.now;
    let end = if server { &mut pair.server } else { &mut pair.client };
    let told = |end: &End| {
        (end.started.len(), end.stopped.len(), end.refused.len(), end.readable.len(), end.ended.len())
    };
    end.listen(now);
    let before = (fields(end), told(end));
    assert_eq!(end.machine.handle_read(frame, now), frame.len());
    let between = fields(end);
    end.listen(now);
    if let Some(Some(error)) = &end.closed {
        return Comes::Fault(error.to_string().leak());
    }
    if format!("{:#?}", end.machine).contains("Failing") {
        // Told to the peer first.
        return Comes::Fault(between.leak());
    }
    if (between, told(end)) == before { NO } else { DO }
}

/// All fields of the machine, since time stands still; but not how many frames it has ignored.
fn fields(end: &End) -> String {
    let all = format!("{:#?}", end.machine);
    let (before, rest) = all.split_once("vain: Vain {").expect("it counts them");
    let (_, behind) = rest.split_once("},").expect("it has an end");
    format!("{before}{behind}")
}

#[track_caller]
fn hold(
    state: &str,
    frames: &[(&str, Vec<u8>)],
    expected: &[Comes],
    server: bool,
    mut pair: impl FnMut() -> Pair,
) {
    assert_eq!(frames.len(), expected.len());
    for ((name, bytes), &expected) in frames.iter().zip(expected) {
        let mut pair = pair();
        let mut got = comes(&mut pair, server, bytes);
        if matches!(got, Comes::Fault(_)) {
            pair.client.writes = true;
            pair.server.writes = true;
            pair.pass(Duration::from_secs(2));
            let end = if server { &pair.server } else { &pair.client };
            got = Comes::Fault(end.cause().leak());
        }
        let fits = match (got, expected) {
            (Comes::Fault(got), Comes::Fault(expected)) => got.contains(expected),
            (got, expected) => got == expected,
        };
        assert!(fits, "{name} in state {state}: {got:?}, where {expected:?} is due");
    }
}

/// A call of a stranger with these streams, and a server in the state that `bring` brings it to.
fn callee(flags: Flags, bring: impl Fn(&mut Pair, CallId)) -> Pair {
    let mut pair = super::abuse::stranger();
    pair.inject(&call(1, flags, None));
    let id = pair.server.started[0].id;
    pair.server.machine.take_items(CallRef::Peer(id), 0, pair.now);
    bring(&mut pair, id);
    pair.drive();
    pair
}

/// A server whose calls are not started.
fn unstarted(frames: &[u8]) -> Pair {
    let mut pair = super::abuse::stranger();
    pair.server.starts = false;
    pair.inject(frames);
    pair
}

fn announce(pair: &mut Pair, id: CallId) {
    pair.server.machine.open_stream(id, &Metadata::new(), pair.now);
}

fn finish(pair: &mut Pair, id: CallId) {
    announce(pair, id);
    let mut items = Batch::new();
    items.push(&vec![7; 1 << 20]);
    pair.server.machine.push_items(CallRef::Peer(id), &mut items, pair.now).expect("it is not too large");
    pair.server.machine.answer(id, Answer::End { metadata: Metadata::new() }, pair.now);
}

fn over(pair: &mut Pair, id: CallId) {
    pair.server.machine.answer(id, Answer::End { metadata: Metadata::new() }, pair.now);
}

fn expire(pair: &mut Pair, _: CallId) {
    // Its own time, before anybody is taken for dead.
    pair.pass(Duration::from_secs(11));
    // Something at that time, so that when it was last heard of is not what changes.
    pair.inject(&item(1));
}

/// The first part of an item that is larger than any may be.
fn large(id: u32) -> Vec<u8> {
    raw(Kind::Item, Flags::MORE, id, &[0xff, 0xff, 0xff, 0xff, 7])
}

fn reply_large(pair: &mut Pair, id: CallId) {
    let payload = vec![7; 1 << 20].into();
    pair.server.machine.answer(id, Answer::Reply { metadata: Metadata::new(), payload }, pair.now);
}

fn fail_large(pair: &mut Pair, id: CallId) {
    let detail = vec![7; 1 << 20].into();
    pair.server.machine.answer(id, Answer::App { metadata: Metadata::new(), detail }, pair.now);
}

#[test]
#[rustfmt::skip]
fn each_frame_of_a_caller_has_its_outcome_in_each_state() {
    let row = |state: &str, expected: [Comes; 9], pair: &dyn Fn() -> Pair| {
        // The rest of arguments that have begun; a second CALL for others.
        let again = if state == "assembling" { raw(Kind::Call, BOTH, 1, &[7; 9]) } else { call(1, BOTH, None) };
        let frames = [
            ("CALL", again), ("ITEM", item(1)), ("OPEN", open(1)), ("part", part(1)), ("END", end(1)),
            ("CREDIT", credit(1)), ("REPLY", reply(1)), ("ERROR", error(1, Flags::NONE, None)),
            ("CANCEL", bare(Kind::Cancel, 1)),
        ];
        hold(state, &frames, &expected, true, pair);
    };
    let cancel = || bare(Kind::Cancel, 1);
    //                 CALL   ITEM   OPEN   part   END    CREDIT REPLY  ERROR  CANCEL
    row("never",      [DO,    NEVER, NEVER, NEVER, NEVER, NEVER, WRONG, WRONG, NEVER], &|| unstarted(&[]));
    row("assembling", [DO,    PLACE, PLACE, PLACE, PLACE, NO,    WRONG, WRONG, DO   ], &|| unstarted(&call(1, BOTH, Some(10))));
    row("waiting",    [AGAIN, DO,    PLACE, DO,    DO,    NO,    WRONG, WRONG, DO   ], &|| unstarted(&call(1, BOTH, None)));
    row("refused",    [NO,    NO,    PLACE, NO,    NO,    NO,    WRONG, WRONG, NO   ], &|| unstarted(&[call(1, BOTH, None), cancel()].concat()));
    row("no streams", [AGAIN, PLACE, PLACE, PLACE, PLACE, NO,    WRONG, WRONG, DO   ], &|| callee(Flags::NONE, |_, _| {}));
    row("takes only", [AGAIN, PLACE, PLACE, PLACE, PLACE, NO,    WRONG, WRONG, DO   ], &|| callee(Flags::TAKES, |_, _| {}));
    row("sends only", [AGAIN, DO,    PLACE, DO,    DO,    NO,    WRONG, WRONG, DO   ], &|| callee(Flags::SENDS, |_, _| {}));
    row("running",    [AGAIN, DO,    PLACE, DO,    DO,    NO,    WRONG, WRONG, DO   ], &|| callee(BOTH, |_, _| {}));
    row("ended",      [AGAIN, PLACE, PLACE, PLACE, PLACE, NO,    WRONG, WRONG, DO   ], &|| callee(BOTH, |pair, _| pair.inject(&end(1))));
    row("inside",     [AGAIN, TOTAL, PLACE, DO,    TOTAL, NO,    WRONG, WRONG, DO   ], &|| callee(BOTH, |pair, _| pair.inject(&part(1))));
    row("opened",     [AGAIN, DO,    PLACE, DO,    DO,    DO,    WRONG, WRONG, DO   ], &|| callee(BOTH, announce));
    row("finishing",  [AGAIN, NO,    PLACE, NO,    NO,    DO,    WRONG, WRONG, DO   ], &|| callee(BOTH, finish));
    row("stopping",   [AGAIN, NO,    PLACE, NO,    NO,    NO,    WRONG, WRONG, NO   ], &|| callee(BOTH, |pair, _| pair.inject(&cancel())));
    row("out of time",[AGAIN, NO,    PLACE, NO,    NO,    NO,    WRONG, WRONG, NO   ], &|| callee(BOTH, expire));
    row("too large",  [AGAIN, NO,    PLACE, NO,    NO,    NO,    WRONG, WRONG, NO   ], &|| callee(BOTH, |pair, _| pair.inject(&large(1))));
    row("replying",   [AGAIN, NO,    PLACE, NO,    NO,    TOTAL_OF, WRONG, WRONG, DO], &|| callee(Flags::SENDS, reply_large));
    row("failing",    [AGAIN, NO,    PLACE, NO,    NO,    TOTAL_OF, WRONG, WRONG, DO], &|| callee(BOTH, fail_large));
    row("over",       [NO,    NO,    PLACE, NO,    NO,    NO,    WRONG, WRONG, NO   ], &|| callee(BOTH, over));
}

/// What its caller does at last.
type Then = fn(&mut Connection, CallKey, Instant);

const WAITS: Then = |_, _, _| {};

/// A call of the client with these streams, to a server that says nothing, and then reads `frames`.
fn caller(sends: bool, takes: bool, size: usize, frames: &[u8], then: Then) -> Pair {
    let mut pair = Pair::new();
    let idle = Some(Duration::from_secs(60));
    let stream = (sends || takes).then_some(StreamUse { sends, takes, idle, total: None });
    let deadline = Some(Deadline::after(pair.now, Duration::from_secs(10)));
    let call = OutgoingCall { stream, ..outgoing(&vec![7; size], deadline) };
    let key = pair.client.machine.call(call, pair.now).expect("it is taken");
    pair.server.writes = false;
    pair.drive();
    pair.client.inbox.extend(frames);
    pair.drive();
    then(&mut pair.client.machine, key, pair.now);
    pair.drive();
    pair
}

/// The first part of an answer of 100 bytes.
fn half_reply() -> Vec<u8> {
    frame(Kind::Reply, Flags::MORE, 1, |frame| {
        frame.total(100);
        ReplyHead::default().write(frame);
        frame.payload(b"x");
    })
}

#[test]
#[rustfmt::skip]
fn each_frame_of_a_callee_has_its_outcome_in_each_state() {
    let row = |state: &str, expected: [Comes; 10], pair: &dyn Fn() -> Pair| {
        let id = if state == "never" { 3 } else { 1 };
        let frames = [
            ("OPEN", open(id)), ("ITEM", item(id)), ("part", part(id)), ("END", end(id)), ("CREDIT", credit(id)),
            ("REPLY", reply(id)), ("ERROR", error(id, Flags::NONE, None)), ("APP", error(id, Flags::APP, None)),
            ("CALL", call(id, BOTH, None)), ("CANCEL", bare(Kind::Cancel, id)),
        ];
        hold(state, &frames, &expected, false, pair);
    };
    let begun = || [open(1), error(1, Flags::APP.with(Flags::MORE), Some(100))].concat();
    let inside = || [open(1), part(1)].concat();
    let half = Comes::Fault("is not its payload's total");
    //                 OPEN   ITEM   part   END    CREDIT REPLY  ERROR  APP    CALL   CANCEL
    row("never",      [NEVER, NEVER, NEVER, NEVER, NEVER, NEVER, NEVER, NEVER, WRONG, WRONG], &|| caller(true, true, 1, &[], WAITS));
    row("sending",    [DO,    PLACE, PLACE, PLACE, half,  PLACE, DO,    DO,    WRONG, WRONG], &|| caller(true, true, 1 << 20, &[], WAITS));
    row("no streams", [PLACE, PLACE, PLACE, PLACE, NO,    DO,    DO,    DO,    WRONG, WRONG], &|| caller(false, false, 1, &[], WAITS));
    row("sends only", [PLACE, PLACE, PLACE, PLACE, DO,    DO,    DO,    DO,    WRONG, WRONG], &|| caller(true, false, 1, &[], WAITS));
    row("takes only", [DO,    PLACE, PLACE, PLACE, NO,    PLACE, DO,    DO,    WRONG, WRONG], &|| caller(false, true, 1, &[], WAITS));
    row("sent",       [DO,    PLACE, PLACE, PLACE, DO,    PLACE, DO,    DO,    WRONG, WRONG], &|| caller(true, true, 1, &[], WAITS));
    row("opened",     [PLACE, DO,    DO,    DO,    DO,    PLACE, DO,    DO,    WRONG, WRONG], &|| caller(true, true, 1, &open(1), WAITS));
    row("inside",     [PLACE, TOTAL, DO,    TOTAL, DO,    PLACE, DO,    TOTAL, WRONG, WRONG], &|| caller(true, true, 1, &inside(), WAITS));
    row("answering",  [PLACE, PLACE, PLACE, PLACE, DO,    PLACE, DO,    TOTAL, WRONG, WRONG], &|| caller(true, true, 1, &begun(), WAITS));
    row("all sent",   [DO,    PLACE, PLACE, PLACE, DO,    PLACE, DO,    DO,    WRONG, WRONG], &|| caller(true, true, 1, &[], Connection::finish_items));
    row("half",       [PLACE, PLACE, PLACE, PLACE, DO,    TOTAL, DO,    TOTAL, WRONG, WRONG], &|| caller(true, false, 1, &half_reply(), WAITS));
    row("abandoned",  [NO,    NO,    NO,    DO,    NO,    DO,    DO,    DO,    WRONG, WRONG], &|| caller(true, true, 1, &open(1), Connection::cancel));
    row("over",       [NO,    NO,    NO,    NO,    NO,    NO,    NO,    NO,    WRONG, WRONG], &|| caller(true, true, 1, &error(1, Flags::NONE, None), WAITS));
}
