//! Owns what a hostile peer says, byte by byte, as docs/PROTOCOL.md has it: frames, heads and MessagePack, well formed
//! unless a case wants them otherwise. Shares no line with the runtime's own writers.

pub(crate) const PREFACE: [u8; 5] = [0xc1, b'R', b'P', b'C', 1];

pub(crate) const HELLO: u8 = 0x01;
pub(crate) const NAME: u8 = 0x02;
pub(crate) const CALL: u8 = 0x03;
pub(crate) const REPLY: u8 = 0x04;
pub(crate) const ERROR: u8 = 0x05;
pub(crate) const CANCEL: u8 = 0x06;
pub(crate) const ITEM: u8 = 0x07;
pub(crate) const END: u8 = 0x08;
pub(crate) const CREDIT: u8 = 0x09;
pub(crate) const PING: u8 = 0x0a;
pub(crate) const PONG: u8 = 0x0b;
pub(crate) const GOAWAY: u8 = 0x0c;

pub(crate) const MORE: u8 = 0x01;
pub(crate) const OPEN: u8 = 0x10;
pub(crate) const SENDS: u8 = 0x20;
pub(crate) const TAKES: u8 = 0x40;

pub(crate) const NIL: u8 = 0xc0;

/// What a server's HELLO says if nobody changed it: docs/PROTOCOL.md, section 2.
pub(crate) const EAGER: usize = 131_072;
pub(crate) const IN_FLIGHT: u32 = 1_024;
pub(crate) const STREAMS: u32 = 128;
pub(crate) const STREAM_CREDIT: usize = 262_144;
pub(crate) const MESSAGE: u32 = 16_777_216;
pub(crate) const LONGEST: u32 = 262_208;

/// A frame.
pub(crate) fn frame(kind: u8, flags: u8, id: u32, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let length = u32::try_from(body.len() + 6).unwrap();
    let mut out = length.to_be_bytes().to_vec();
    out.extend([kind, flags]);
    out.extend(id.to_be_bytes());
    out.extend(body);
    out
}

/// A frame without a body.
pub(crate) fn bare(kind: u8, id: u32) -> Vec<u8> {
    frame(kind, 0, id, [])
}

/// Pieces in a row.
pub(crate) fn joined<T: AsRef<[u8]>>(pieces: impl IntoIterator<Item = T>) -> Vec<u8> {
    let mut out = Vec::new();
    pieces.into_iter().for_each(|piece| out.extend(piece.as_ref()));
    out
}

/// The preface and a HELLO that says nothing.
pub(crate) fn greeting() -> Vec<u8> {
    joined([&PREFACE[..], &frame(HELLO, 0, 0, [0x80])])
}

// ----- MessagePack -----

pub(crate) fn text(text: &str) -> Vec<u8> {
    let mut out = match text.len() {
        short @ 0..=31 => vec![0xa0 | short as u8],
        length => joined([&[0xdb][..], &(length as u32).to_be_bytes()]),
    };
    out.extend(text.as_bytes());
    out
}

pub(crate) fn uint(number: u64) -> Vec<u8> {
    joined([&[0xcf][..], &number.to_be_bytes()])
}

pub(crate) fn bin(bytes: &[u8]) -> Vec<u8> {
    joined([&[0xc6][..], &(bytes.len() as u32).to_be_bytes(), bytes])
}

/// An array of these values.
pub(crate) fn array<T: AsRef<[u8]>>(values: impl IntoIterator<Item = T>) -> Vec<u8> {
    let values: Vec<T> = values.into_iter().collect();
    let count = values.len() as u32;
    joined([joined([&[0xdd][..], &count.to_be_bytes()]), joined(values)])
}

/// A map of these keys and values.
pub(crate) fn map(entries: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut out = joined([&[0xdf][..], &(entries.len() as u32).to_be_bytes()]);
    for (key, value) in entries {
        out.extend(key);
        out.extend(value);
    }
    out
}

// ----- frames about calls -----

/// What stands before the arguments of a call without streams: 10 s are left.
pub(crate) fn head(method: &str) -> Vec<u8> {
    joined([text(method), uint(10_000_000), vec![NIL]])
}

/// A CALL of `Conformance.<method>`.
pub(crate) fn call(id: u32, method: &str, arguments: &[u8]) -> Vec<u8> {
    frame(CALL, 0, id, joined([&head(&format!("Conformance.{method}"))[..], arguments]))
}

/// The same with metadata, or with what stands in its place.
pub(crate) fn call_with(id: u32, method: &str, metadata: &[u8], arguments: &[u8]) -> Vec<u8> {
    let head = joined([text(&format!("Conformance.{method}")), uint(10_000_000)]);
    frame(CALL, 0, id, joined([&head[..], metadata, arguments]))
}

/// The first frame of a CALL in parts.
pub(crate) fn begun(id: u32, method: &str, total: u32, part: &[u8]) -> Vec<u8> {
    let head = head(&format!("Conformance.{method}"));
    frame(CALL, MORE, id, joined([&total.to_be_bytes()[..], &head, part]))
}

/// More of it.
pub(crate) fn more(id: u32, part: &[u8]) -> Vec<u8> {
    frame(CALL, MORE, id, part)
}

/// The last part.
pub(crate) fn last(id: u32, part: &[u8]) -> Vec<u8> {
    frame(CALL, 0, id, part)
}

/// A CALL with a stream in these directions: 10 s until something moves, then 60 s idle.
pub(crate) fn stream(id: u32, flags: u8, method: &str, arguments: &[u8]) -> Vec<u8> {
    let head = joined([
        text(&format!("Conformance.{method}")),
        uint(10_000_000),
        uint(60_000_000),
        vec![NIL],
        vec![NIL],
    ]);
    frame(CALL, flags, id, joined([&head[..], arguments]))
}

/// `sum`, which takes the caller's items.
pub(crate) fn sum(id: u32) -> Vec<u8> {
    stream(id, SENDS, "sum", &[0x90])
}

pub(crate) fn item(id: u32, value: &[u8]) -> Vec<u8> {
    frame(ITEM, 0, id, value)
}

pub(crate) fn end(id: u32) -> Vec<u8> {
    frame(END, 0, id, [NIL])
}

pub(crate) fn cancel(id: u32) -> Vec<u8> {
    bare(CANCEL, id)
}

pub(crate) fn credit(id: u32, amount: u64) -> Vec<u8> {
    frame(CREDIT, 0, id, uint(amount))
}

pub(crate) fn ping(number: u64) -> Vec<u8> {
    frame(PING, 0, 0, uint(number))
}

pub(crate) fn name(number: u64, name: &str) -> Vec<u8> {
    frame(NAME, 0, 0, joined([uint(number), text(name)]))
}

pub(crate) fn goaway(last: u64, code: u64) -> Vec<u8> {
    frame(GOAWAY, 0, 0, joined([uint(last), uint(code), text("so be it")]))
}
