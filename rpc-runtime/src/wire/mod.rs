//! Bytes and frames: the envelope of the protocol, written and read by hand. Owns the form of every frame;
//! what a frame *does* is `proto/`'s, and what a payload holds is `codec/`'s.
//!
//! ```text
//!  preface     C1 'R' 'P' 'C'  version            once, then frames
//!
//!  frame       u32 length │ u8 kind │ u8 flags │ u32 id │ body      big-endian; length counts what follows it
//!
//!  body        a fixed sequence of MessagePack values, by kind; then, for CALL, REPLY and ERROR with APP, the
//!              payload. With MORE, a first frame begins with the payload's total length as u32, and the frames
//!              that go on hold nothing but the next part of the payload. An ITEM is a payload without a head.
//! ```
//!
//! docs/PROTOCOL.md describes the same byte by byte; `vectors` in the tests of this folder reads its examples.

mod error;
mod head;
mod header;
mod hello;
mod metadata;
mod reader;
mod text;
mod writer;

pub use error::WireError;
pub use head::{CallHead, ErrorHead, Goaway, Method, Name, ReplyHead, StreamTimes};
pub use header::{Flags, Header, Kind, RawFrame, split, split_begun};
pub use hello::{Hello, PREFACE, Preface, VERSION};
pub use writer::FrameWriter;

pub(crate) use head::{
    CallStart, Payload, read_item, read_mark, read_number, write_cancel, write_mark, write_number,
};
pub(crate) use metadata::{FIELD as METADATA_FIELD, Unfit, size as metadata_size};

#[cfg(test)]
pub(crate) mod vectors;
