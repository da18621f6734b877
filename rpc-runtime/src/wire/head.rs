//! Owns the bodies of all frames but HELLO, up to the payload: what stands before the arguments, the value or
//! the error's detail. Does not know which frames are due.

use crate::call::{Code, Metadata};
use crate::limits;
use crate::wire::metadata::{self, Unfit};
use crate::wire::reader::Reader;
use crate::wire::text::cut;
use crate::wire::writer::bare;
use crate::wire::{Flags, FrameWriter, Header, Kind, WireError};

// ===== CALL =====

/// How a CALL names its method.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "the protocol has these two forms")]
pub enum Method<'a> {
    /// `"Service.method"`.
    Text(&'a str),
    /// A number that a NAME frame has bound.
    Bound(u32),
}

/// What stands before a call's arguments.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CallHead<'a> {
    /// The method.
    pub method: Method<'a>,
    /// The time left when the head was written, in microseconds; `None` for a call without a deadline.
    pub remaining: Option<u64>,
    /// The times of a call with a stream; `None` for one without.
    pub stream: Option<StreamTimes>,
    /// Its metadata.
    pub metadata: &'a Metadata,
}

/// The times of a call with a stream, beside the time until its first progress.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "the protocol has these two")]
pub struct StreamTimes {
    /// How long nothing may move in either direction, in microseconds; `None` for ever.
    pub idle: Option<u64>,
    /// The time left in all when the head was written, in microseconds; `None` without a limit.
    pub total: Option<u64>,
}

/// A CALL's first frame as it was read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct CallStart<'a> {
    pub(crate) method: Method<'a>,
    pub(crate) remaining: Option<u64>,
    pub(crate) stream: Option<StreamTimes>,
    pub(crate) metadata: Result<Metadata, Unfit>,
    pub(crate) payload: Payload<'a>,
}

/// The payload of a first frame: all of it, or its beginning.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Payload<'a> {
    /// The whole payload's length.
    pub(crate) total: usize,
    /// The part that is in this frame.
    pub(crate) part: &'a [u8],
}

impl CallHead<'_> {
    /// Writes what stands before the payload.
    pub fn write(&self, frame: &mut FrameWriter<'_>) {
        match self.method {
            Method::Text(name) => frame.str(name),
            Method::Bound(number) => frame.uint(u64::from(number)),
        }
        write_time(frame, self.remaining);
        if let Some(times) = self.stream {
            write_time(frame, times.idle);
            write_time(frame, times.total);
        }
        metadata::write(frame, self.metadata);
    }
}

fn write_time(frame: &mut FrameWriter<'_>, micros: Option<u64>) {
    match micros {
        Some(micros) => frame.uint(micros),
        None => frame.nil(),
    }
}

impl<'a> CallStart<'a> {
    pub(crate) fn read(flags: Flags, body: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(body);
        let total = read_total(&mut reader, flags)?;
        let method = match reader.peek("method")? {
            0xa0..=0xbf | 0xd9..=0xdb => Method::Text(reader.str("method")?),
            _ => Method::Bound(reader.small("method")?),
        };
        let remaining = reader.uint_or_nil("remaining time")?;
        let stream = match flags.has(Flags::SENDS) || flags.has(Flags::TAKES) {
            true => Some(StreamTimes {
                idle: reader.uint_or_nil("idle time")?,
                total: reader.uint_or_nil("total time")?,
            }),
            false => None,
        };
        let metadata = metadata::read(&mut reader)?;
        let payload = Payload::new(total, reader.rest())?;
        Ok(Self { method, remaining, stream, metadata, payload })
    }
}

impl<'a> Payload<'a> {
    fn new(total: Option<u32>, part: &'a [u8]) -> Result<Self, WireError> {
        match total {
            None => Ok(Self { total: part.len(), part }),
            // MORE promises at least one byte beyond this frame.
            Some(total) if (total as usize) <= part.len() => {
                Err(WireError::Value { field: "total", got: part.first().copied().unwrap_or(0) })
            }
            Some(total) => Ok(Self { total: total as usize, part }),
        }
    }
}

fn read_total(reader: &mut Reader<'_>, flags: Flags) -> Result<Option<u32>, WireError> {
    if flags.has(Flags::MORE) { reader.total().map(Some) } else { Ok(None) }
}

// ===== REPLY =====

/// What stands before a reply's value.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ReplyHead {
    /// The metadata that the service sends with it.
    pub metadata: Metadata,
}

impl ReplyHead {
    /// Writes what stands before the payload.
    pub fn write(&self, frame: &mut FrameWriter<'_>) {
        metadata::write(frame, &self.metadata);
    }

    /// Reads a first frame. Metadata that is not fit to be kept is left out: the value is worth more.
    pub(crate) fn read(flags: Flags, body: &[u8]) -> Result<(Self, Payload<'_>), WireError> {
        let mut reader = Reader::new(body);
        let total = read_total(&mut reader, flags)?;
        let metadata = metadata::read(&mut reader)?.unwrap_or_default();
        Ok((Self { metadata }, Payload::new(total, reader.rest())?))
    }
}

// ===== ERROR =====

/// What an ERROR says, before the detail that one with APP has as its payload.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ErrorHead {
    /// Why the call failed.
    pub code: Code,
    /// In words.
    pub message: String,
    /// The metadata that the service sends with it.
    pub metadata: Metadata,
}

impl ErrorHead {
    /// Writes what stands before the payload. A long message is cut.
    pub fn write(&self, frame: &mut FrameWriter<'_>) {
        frame.uint(u64::from(self.code.as_u16()));
        frame.str(cut(&self.message, limits::ERROR_TEXT));
        metadata::write(frame, &self.metadata);
    }

    /// Appends a whole ERROR frame that has no detail.
    pub(crate) fn write_frame(&self, out: &mut Vec<u8>, flags: Flags, id: u32) {
        let mut frame = FrameWriter::new(out, Header { kind: Kind::Error, flags, id });
        self.write(&mut frame);
        frame.finish();
    }

    /// Reads a first frame. Without APP there is no payload, and what follows is for later versions.
    pub(crate) fn read(flags: Flags, body: &[u8]) -> Result<(Self, Payload<'_>), WireError> {
        let mut reader = Reader::new(body);
        let total = read_total(&mut reader, flags)?;
        let code = Code::from_u16(reader.small("error code")?);
        let message = cut(reader.str("error message")?, limits::ERROR_TEXT).to_owned();
        let metadata = metadata::read(&mut reader)?.unwrap_or_default();
        let payload = match flags.has(Flags::APP) {
            true => Payload::new(total, reader.rest())?,
            false => Payload { total: 0, part: &[] },
        };
        Ok((Self { code, message, metadata }, payload))
    }
}

// ===== ITEM and END =====

/// An item's first frame as it was read: a payload without a head.
pub(crate) fn read_item(flags: Flags, body: &[u8]) -> Result<Payload<'_>, WireError> {
    let mut reader = Reader::new(body);
    let total = read_total(&mut reader, flags)?;
    Payload::new(total, reader.rest())
}

/// Appends a frame that is nothing but metadata: an ITEM with OPEN, or an END.
pub(crate) fn write_mark(out: &mut Vec<u8>, header: Header, metadata: &Metadata) {
    let mut frame = FrameWriter::new(out, header);
    metadata::write(&mut frame, metadata);
    frame.finish();
}

/// Reads the body of an ITEM with OPEN, or of an END. Metadata that is not fit to be kept is left out.
pub(crate) fn read_mark(body: &[u8]) -> Result<Metadata, WireError> {
    Ok(metadata::read(&mut Reader::new(body))?.unwrap_or_default())
}

// ===== the small ones =====

/// Binds a method's name to a number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Name<'a> {
    /// The number; they count up from 0.
    pub number: u32,
    /// `"Service.method"`.
    pub name: &'a str,
}

impl<'a> Name<'a> {
    /// Appends the frame.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut frame = FrameWriter::new(out, Header { kind: Kind::Name, flags: Flags::NONE, id: 0 });
        frame.uint(u64::from(self.number));
        frame.str(self.name);
        frame.finish();
    }

    /// Reads the frame's body.
    ///
    /// # Errors
    ///
    /// When the body does not begin with a number and a text.
    pub fn read(body: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(body);
        Ok(Self { number: reader.small("name's number")?, name: reader.str("name")? })
    }
}

/// No call above `last` is or will be accepted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Goaway {
    /// The highest id whose first frame was accepted, 0 for none.
    pub last: u32,
    /// Why: `None` for an orderly shutdown, else the fault for which the connection ends.
    pub code: Option<Code>,
    /// In words.
    pub text: String,
}

impl Goaway {
    /// Appends the frame.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut frame = FrameWriter::new(out, Header { kind: Kind::Goaway, flags: Flags::NONE, id: 0 });
        frame.uint(u64::from(self.last));
        frame.uint(self.code.map_or(0, |code| u64::from(code.as_u16())));
        frame.str(cut(&self.text, limits::ERROR_TEXT));
        frame.finish();
    }

    /// Reads the frame's body.
    ///
    /// # Errors
    ///
    /// When the body does not begin with two numbers and a text.
    pub fn read(body: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(body);
        let last = reader.small("last id")?;
        let code: u16 = reader.small("code")?;
        let text = cut(reader.str("text")?, limits::ERROR_TEXT).to_owned();
        Ok(Self { last, code: (code != 0).then(|| Code::from_u16(code)), text })
    }
}

/// Appends a CANCEL.
pub(crate) fn write_cancel(out: &mut Vec<u8>, id: u32) {
    bare(out, Kind::Cancel, id);
}

/// Appends a CREDIT, PING or PONG: the kinds whose body is one number.
pub(crate) fn write_number(out: &mut Vec<u8>, kind: Kind, id: u32, number: u64) {
    let mut frame = FrameWriter::new(out, Header { kind, flags: Flags::NONE, id });
    frame.uint(number);
    frame.finish();
}

/// Reads the body of a CREDIT, PING or PONG.
pub(crate) fn read_number(body: &[u8]) -> Result<u64, WireError> {
    Reader::new(body).uint("number")
}
