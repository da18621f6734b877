//! The raw system's bytes: a frame is a `u32` length of what follows, a `u32` id, a kind and a body, all little-endian.
//! Trusts its peer: a body that is too short is a panic of the benchmark.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::systems::{Item, NAME};

/// Two `i64` there, one back.
pub(crate) const ADD: u8 = 0;
/// Bytes there and back.
pub(crate) const ECHO: u8 = 1;
/// A `u64` count there, items back, some in each frame.
pub(crate) const ITEMS: u8 = 2;

const LENGTH: usize = 4;
/// Id and kind.
const HEAD: usize = 5;

/// The largest body that is copied rather than split off.
const COPIED: usize = 16 * 1024;

/// What one read has room for, about.
pub(crate) const READ: usize = 64 * 1024;

/// The head of a frame whose body, so many bytes, is next in what was read.
pub(crate) struct Frame {
    pub(crate) id: u32,
    pub(crate) kind: u8,
    pub(crate) length: usize,
}

/// Appends a frame.
pub(crate) fn put(out: &mut Vec<u8>, id: u32, kind: u8, body: &[u8]) {
    out.reserve(LENGTH + HEAD + body.len());
    out.put_u32_le((HEAD + body.len()) as u32);
    out.put_u32_le(id);
    out.put_u8(kind);
    out.put_slice(body);
}

/// Appends a frame of two numbers.
pub(crate) fn put_add(out: &mut Vec<u8>, id: u32, a: i64, b: i64) {
    let mut body = [0; 16];
    body[..8].copy_from_slice(&a.to_le_bytes());
    body[8..].copy_from_slice(&b.to_le_bytes());
    put(out, id, ADD, &body);
}

/// Takes the head of a whole frame off what was read; without one it makes room for the rest.
pub(crate) fn next(read: &mut BytesMut) -> Option<Frame> {
    let length = read.get(..LENGTH)?.get_u32_le() as usize;
    if read.len() < LENGTH + length {
        read.reserve(LENGTH + length - read.len());
        return None;
    }
    read.advance(LENGTH);
    Some(Frame { id: read.get_u32_le(), kind: read.get_u8(), length: length - HEAD })
}

/// Takes a body that outlives what was read. A small one is copied, so that the buffer can be used again.
pub(crate) fn body(read: &mut BytesMut, length: usize) -> Bytes {
    if length > COPIED {
        return read.split_to(length).freeze();
    }
    let body = Bytes::copy_from_slice(&read[..length]);
    read.advance(length);
    body
}

/// Makes room for the next read.
pub(crate) fn make_room(read: &mut BytesMut) {
    if read.capacity() - read.len() < READ / 2 {
        read.reserve(READ);
    }
}

/// Appends an item.
pub(crate) fn put_item(out: &mut Vec<u8>, id: u64) {
    out.put_u64_le(id);
    out.put_f64_le(id as f64);
    out.put_u32_le(NAME.len() as u32);
    out.put_slice(NAME.as_bytes());
}

/// The items of a body.
pub(crate) fn items(mut body: &[u8]) -> Vec<Item> {
    let each = 8 + 8 + LENGTH + NAME.len();
    let mut items = Vec::with_capacity(body.len() / each);
    while body.has_remaining() {
        let (id, value, length) = (body.get_u64_le(), body.get_f64_le(), body.get_u32_le() as usize);
        let name = String::from_utf8_lossy(&body[..length]).into_owned();
        body.advance(length);
        items.push(Item { id, value, name });
    }
    items
}
