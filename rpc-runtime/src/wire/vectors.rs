//! The hex examples of docs/PROTOCOL.md, read from the document itself: each is what this crate writes, and is read
//! back as what was written.

use std::collections::BTreeMap;

use crate::call::{Code, Delivery, Metadata, RpcError};
use crate::wire::{
    CallHead, CallStart, ErrorHead, Flags, FrameWriter, Goaway, Header, Hello, Kind, Method, Name, PREFACE,
    Preface, RawFrame, ReplyHead, StreamTimes, read_item, read_mark, read_number, split, write_cancel,
    write_mark, write_number,
};

const DOCUMENT: &str = include_str!("../../../docs/PROTOCOL.md");

/// Each example: how it is written, and what is read from it.
type Example = (&'static str, fn(&mut Vec<u8>), fn(Header, &[u8]));

const EXAMPLES: &[Example] = &[
    ("hello", |out| demo().write(out), |_, body| assert_eq!(Hello::read(body), Ok(demo()))),
    ("name", |out| ADD.write(out), |_, body| assert_eq!(Name::read(body), Ok(ADD))),
    (
        "call",
        |out| write_call(out, 1, &call(), Flags::NONE, None, &[0x92, 2, 3]),
        |header, body| {
            let read = CallStart::read(header.flags, body).unwrap();
            assert_eq!((read.method, read.remaining), (Method::Text("Calculator.add"), Some(10_000_000)));
            assert_eq!((read.payload.total, read.payload.part), (3, &[0x92, 2, 3][..]));
        },
    ),
    (
        "call-bound",
        |out| {
            let head = CallHead {
                method: Method::Bound(0),
                remaining: Some(250_000),
                stream: None,
                metadata: &tenant(),
            };
            write_call(out, 3, &head, Flags::NONE, None, &[0x92, 2, 3]);
        },
        |header, body| {
            let read = CallStart::read(header.flags, body).unwrap();
            assert_eq!((read.method, read.remaining), (Method::Bound(0), Some(250_000)));
            assert_eq!(read.metadata, Ok(tenant()));
        },
    ),
    (
        "call-stream",
        |out| write_call(out, 1, &countdown(), Flags::TAKES, None, &[0x91, 2]),
        |header, body| {
            assert_eq!(header.flags, Flags::TAKES);
            let read = CallStart::read(header.flags, body).unwrap();
            let said = countdown();
            assert_eq!((read.method, read.remaining), (said.method, said.remaining));
            assert_eq!((read.stream, read.metadata), (said.stream, Ok(Metadata::new())));
            assert_eq!(read.payload.part, &[0x91, 2]);
        },
    ),
    (
        "reply",
        |out| {
            let mut frame = FrameWriter::new(out, Header { kind: Kind::Reply, flags: Flags::NONE, id: 1 });
            ReplyHead::default().write(&mut frame);
            frame.payload(&[5]);
            frame.finish();
        },
        |header, body| {
            let (head, payload) = ReplyHead::read(header.flags, body).unwrap();
            assert_eq!((head, payload.part), (ReplyHead::default(), &[5][..]));
        },
    ),
    (
        "error",
        |out| draining().write_frame(out, Flags::RESEND, 1),
        |header, body| {
            assert_eq!(header.flags, Flags::RESEND);
            assert_eq!(ErrorHead::read(header.flags, body).unwrap().0, draining());
        },
    ),
    (
        "error-going-away",
        |out| going_away().write_frame(out, Flags::STARTED, 1),
        |header, body| {
            assert_eq!(header.flags, Flags::STARTED);
            let (head, _) = ErrorHead::read(header.flags, body).unwrap();
            assert_eq!((head.code, &*head.message), (Code::UNAVAILABLE, "closing"));
            let error =
                RpcError::new(head.code, Delivery::Executed, head.message).with_metadata(head.metadata);
            assert_eq!(error.detail(), Some(RpcError::GOING_AWAY));
        },
    ),
    (
        "error-app",
        |out| {
            let flags = Flags::APP.with(Flags::STARTED);
            let mut frame = FrameWriter::new(out, Header { kind: Kind::Error, flags, id: 1 });
            app().write(&mut frame);
            frame.payload(b"\xa6ByZero");
            frame.finish();
        },
        |header, body| {
            let (head, payload) = ErrorHead::read(header.flags, body).unwrap();
            assert_eq!((head, payload.part), (app(), &b"\xa6ByZero"[..]));
        },
    ),
    ("cancel", |out| write_cancel(out, 1), |_, body| assert!(body.is_empty())),
    (
        "item",
        |out| write_item(out, Flags::NONE, None, &[2]),
        |header, body| {
            assert_eq!(header.flags, Flags::NONE);
            let payload = read_item(header.flags, body).unwrap();
            assert_eq!((payload.total, payload.part), (1, &[2][..]));
        },
    ),
    (
        "item-open",
        |out| write_mark(out, Header { kind: Kind::Item, flags: Flags::OPEN, id: 1 }, &NONE),
        |header, body| {
            assert_eq!(header.flags, Flags::OPEN);
            assert_eq!(read_mark(body), Ok(Metadata::new()));
        },
    ),
    (
        "item-first-part",
        |out| write_item(out, Flags::MORE, Some(12), b"\xc4\x0aabc"),
        |header, body| {
            let payload = read_item(header.flags, body).unwrap();
            assert_eq!((payload.total, payload.part), (12, &b"\xc4\x0aabc"[..]));
        },
    ),
    (
        "end",
        |out| write_mark(out, Header { kind: Kind::End, flags: Flags::NONE, id: 1 }, &NONE),
        |_, body| assert_eq!(read_mark(body), Ok(Metadata::new())),
    ),
    (
        "credit",
        |out| write_number(out, Kind::Credit, 1, 1 << 20),
        |_, body| assert_eq!(read_number(body), Ok(1 << 20)),
    ),
    ("ping", |out| write_number(out, Kind::Ping, 0, 42), |_, body| assert_eq!(read_number(body), Ok(42))),
    ("pong", |out| write_number(out, Kind::Pong, 0, 42), |_, body| assert_eq!(read_number(body), Ok(42))),
    ("goaway", |out| closing().write(out), |_, body| assert_eq!(Goaway::read(body), Ok(closing()))),
    (
        "call-first-part",
        |out| write_call(out, 1, &put(), Flags::NONE, Some(12), b"\x91\xc4\x09ab"),
        |header, body| {
            let read = CallStart::read(header.flags, body).unwrap();
            assert_eq!((read.payload.total, read.payload.part), (12, &b"\x91\xc4\x09ab"[..]));
        },
    ),
    (
        "call-last-part",
        |out| {
            let mut frame = FrameWriter::new(out, Header { kind: Kind::Call, flags: Flags::NONE, id: 1 });
            frame.payload(b"cdefghi");
            frame.finish();
        },
        |_, body| assert_eq!(body, b"cdefghi"),
    ),
];

#[test]
fn every_example_is_what_is_written_and_read() {
    let documented = documented();
    for (name, write, read) in EXAMPLES {
        let expected = &documented[*name];
        let mut written = Vec::new();
        write(&mut written);
        assert_eq!(&written, expected, "{name}: written (left) is not what the document says (right)");
        let RawFrame { header, body, size } = split(expected).unwrap().unwrap();
        assert_eq!(size, expected.len(), "{name}");
        read(header.unwrap(), body);
    }
}

#[test]
fn no_example_is_left_out() {
    let mut tested: Vec<_> = EXAMPLES.iter().map(|(name, ..)| (*name).to_owned()).collect();
    tested.extend(CONVERSATIONS.iter().map(|(name, _)| (*name).to_owned()));
    tested.sort();
    assert_eq!(documented().into_keys().collect::<Vec<_>>(), tested);
}

/// One side of a conversation, and how what follows its preface and HELLO is written.
type Spoken = (&'static str, fn(&mut Vec<u8>));

const CONVERSATIONS: &[Spoken] = &[
    ("conversation-client", |out| {
        let method = Method::Text("Echo.echo");
        write_call(out, 1, &CallHead { method, ..call() }, Flags::NONE, None, b"\x91\xa2hi");
    }),
    ("conversation-server", |out| {
        let mut frame = FrameWriter::new(out, Header { kind: Kind::Reply, flags: Flags::NONE, id: 1 });
        ReplyHead::default().write(&mut frame);
        frame.payload(b"\xa2hi");
        frame.finish();
    }),
    ("countdown-client", |out| write_call(out, 1, &countdown(), Flags::TAKES, None, &[0x91, 2])),
    ("countdown-server", |out| {
        write_mark(out, Header { kind: Kind::Item, flags: Flags::OPEN, id: 1 }, &NONE);
        write_item(out, Flags::NONE, None, &[2]);
        write_item(out, Flags::NONE, None, &[1]);
        write_mark(out, Header { kind: Kind::End, flags: Flags::NONE, id: 1 }, &NONE);
    }),
];

#[test]
fn the_conversations_are_made_of_frames() {
    for (name, write) in CONVERSATIONS {
        let bytes = &documented()[*name];
        assert_eq!(Preface::read(bytes), Ok(Preface::Complete), "{name}");
        let hello = split(&bytes[PREFACE.len()..]).unwrap().unwrap();
        assert_eq!(Hello::read(hello.body), Ok(Hello::default()), "{name}");
        let mut written = Vec::new();
        write(&mut written);
        let mut rest = &bytes[PREFACE.len() + hello.size..];
        assert_eq!(written, rest, "{name}: written (left) is not what the document says (right)");
        while let Some(frame) = split(rest).unwrap() {
            assert_eq!(frame.header.unwrap().id, 1, "{name}");
            rest = &rest[frame.size..];
        }
        assert_eq!(rest, [0; 0], "{name}: it ends with a frame");
    }
}

/// The document's examples by name. What stands behind a quote is a remark.
pub(crate) fn documented() -> BTreeMap<String, Vec<u8>> {
    let mut examples = BTreeMap::new();
    let mut name = None;
    let mut lines = DOCUMENT.lines();
    while let Some(line) = lines.next() {
        if let Some(rest) = line.strip_prefix("**Example `") {
            name = rest.split_once('`').map(|(name, _)| name.to_owned());
        } else if line == "```hex" {
            let name = name.take().expect("an example has a name");
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            let digits =
                block.iter().filter_map(|line| line.split('"').next()).flat_map(str::split_whitespace);
            let bytes = digits.map(|byte| u8::from_str_radix(byte, 16).expect(byte)).collect();
            assert!(examples.insert(name, bytes).is_none(), "an example comes twice");
        }
    }
    examples
}

const ADD: Name<'_> = Name { number: 0, name: "Calculator.add" };

fn demo() -> Hello {
    Hello { keepalive_ms: 20_000, name: "demo".into(), instance: 7, ..Hello::default() }
}

fn call() -> CallHead<'static> {
    CallHead {
        method: Method::Text("Calculator.add"),
        remaining: Some(10_000_000),
        stream: None,
        metadata: &NONE,
    }
}

fn countdown() -> CallHead<'static> {
    let stream = Some(StreamTimes { idle: Some(60_000_000), total: None });
    CallHead { method: Method::Text("Clock.countdown"), stream, ..call() }
}

fn tenant() -> Metadata {
    let mut metadata = Metadata::new();
    metadata.set("tenant", "blue").unwrap().propagate();
    metadata
}

fn put() -> CallHead<'static> {
    CallHead { method: Method::Text("S.pu"), remaining: Some(10_000_000), stream: None, metadata: &NONE }
}

static NONE: Metadata = Metadata::new();

fn draining() -> ErrorHead {
    ErrorHead { code: Code::UNAVAILABLE, message: "draining".into(), metadata: Metadata::new() }
}

fn going_away() -> ErrorHead {
    let error =
        RpcError::new(Code::UNAVAILABLE, Delivery::Executed, "closing").with_detail(RpcError::GOING_AWAY);
    ErrorHead { code: error.code(), message: error.message().to_owned(), metadata: error.metadata().clone() }
}

fn app() -> ErrorHead {
    ErrorHead { code: Code::UNKNOWN, message: String::new(), metadata: Metadata::new() }
}

fn closing() -> Goaway {
    Goaway { last: 5, code: None, text: "closing".into() }
}

fn write_call(
    out: &mut Vec<u8>,
    id: u32,
    head: &CallHead<'_>,
    streams: Flags,
    total: Option<u32>,
    part: &[u8],
) {
    let flags = if total.is_some() { streams.with(Flags::MORE) } else { streams };
    let mut frame = FrameWriter::new(out, Header { kind: Kind::Call, flags, id });
    if let Some(total) = total {
        frame.total(total);
    }
    head.write(&mut frame);
    frame.payload(part);
    frame.finish();
}

fn write_item(out: &mut Vec<u8>, flags: Flags, total: Option<u32>, part: &[u8]) {
    let mut frame = FrameWriter::new(out, Header { kind: Kind::Item, flags, id: 1 });
    if let Some(total) = total {
        frame.total(total);
    }
    frame.payload(part);
    frame.finish();
}
