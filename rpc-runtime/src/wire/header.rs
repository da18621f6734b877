//! Owns the ten bytes that every frame begins with, and [`split`], which finds the first frame in a buffer.
//! Does not read bodies.

use crate::limits;
use crate::wire::WireError;

/// What a frame is about. The numbers are the wire's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
#[non_exhaustive]
pub enum Kind {
    /// Limits and features of a side: its first frame.
    Hello = 0x01,
    /// Binds a method's name to a number.
    Name = 0x02,
    /// Opens a call, or goes on with its arguments.
    Call = 0x03,
    /// Ends a call with its value, or goes on with it.
    Reply = 0x04,
    /// Ends a call with an error, or goes on with the error's detail.
    Error = 0x05,
    /// The caller gives its call up.
    Cancel = 0x06,
    /// One item of a stream, or the announcement of one.
    Item = 0x07,
    /// A stream is at its end.
    End = 0x08,
    /// Grants the rest of a payload, or room for items.
    Credit = 0x09,
    /// Asks for a sign of life.
    Ping = 0x0a,
    /// Answers a ping.
    Pong = 0x0b,
    /// No further call is accepted.
    Goaway = 0x0c,
}

impl Kind {
    /// The bit of kinds that a receiver skips if it does not know them.
    pub const OPTIONAL: u8 = 0x80;

    #[inline]
    const fn from_u8(number: u8) -> Option<Self> {
        Some(match number {
            0x01 => Self::Hello,
            0x02 => Self::Name,
            0x03 => Self::Call,
            0x04 => Self::Reply,
            0x05 => Self::Error,
            0x06 => Self::Cancel,
            0x07 => Self::Item,
            0x08 => Self::End,
            0x09 => Self::Credit,
            0x0a => Self::Ping,
            0x0b => Self::Pong,
            0x0c => Self::Goaway,
            _ => return None,
        })
    }

    const fn flags(self) -> u8 {
        match self {
            Self::Call => Flags::MORE.0 | Flags::SENDS.0 | Flags::TAKES.0,
            Self::Reply => Flags::MORE.0,
            Self::Item => Flags::MORE.0 | Flags::OPEN.0,
            Self::Error => Flags::MORE.0 | Flags::APP.0 | Flags::STARTED.0 | Flags::RESEND.0,
            _ => 0,
        }
    }

    const fn is_about_a_call(self) -> bool {
        matches!(
            self,
            Self::Call | Self::Reply | Self::Error | Self::Cancel | Self::Item | Self::End | Self::Credit
        )
    }
}

/// The flags of a frame.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Flags(pub(super) u8);

impl Flags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// The payload goes on in the next frame of this id.
    pub const MORE: Self = Self(0x01);
    /// ERROR: the service's own error; its value follows as the payload.
    pub const APP: Self = Self(0x02);
    /// ERROR: a handler was started.
    pub const STARTED: Self = Self(0x04);
    /// ERROR: the same bytes may succeed elsewhere.
    pub const RESEND: Self = Self(0x08);
    /// ITEM: no item, but the callee's announcement that its stream is open.
    pub const OPEN: Self = Self(0x10);
    /// CALL: items of the caller follow.
    pub const SENDS: Self = Self(0x20);
    /// CALL: the caller takes items.
    pub const TAKES: Self = Self(0x40);

    /// Both sets of flags.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all flags of `other` are set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// Kind, flags and id of a frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Header {
    /// What the frame is about.
    pub kind: Kind,
    /// Its flags.
    pub flags: Flags,
    /// The call's id, or 0 for a frame about the connection.
    pub id: u32,
}

impl Header {
    /// Bytes before the body: the length field, kind, flags and id.
    pub const SIZE: usize = 10;

    /// What the length field counts of it.
    const COUNTED: usize = 6;

    /// What stands between a frame's length and its body.
    pub(crate) const fn bytes(self) -> [u8; Self::COUNTED] {
        let [i0, i1, i2, i3] = self.id.to_be_bytes();
        [self.kind as u8, self.flags.0, i0, i1, i2, i3]
    }

    /// Reads and checks kind, flags and id; `None` for an unknown kind that is to be skipped.
    #[inline]
    fn read(kind: u8, flags: u8, id: u32) -> Result<Option<Self>, WireError> {
        let Some(known) = Kind::from_u8(kind) else {
            let skipped = kind & Kind::OPTIONAL != 0;
            return if skipped { Ok(None) } else { Err(WireError::Kind { got: kind }) };
        };
        let set = Flags(flags);
        let (app, more) = (set.has(Flags::APP), set.has(Flags::MORE));
        let contradiction = match known {
            Kind::Error => (more && !app) || (set.has(Flags::RESEND) && (app || set.has(Flags::STARTED))),
            Kind::Item => more && set.has(Flags::OPEN),
            _ => false,
        };
        if flags & !known.flags() != 0 || contradiction {
            return Err(WireError::Flags { kind, got: flags });
        }
        if known.is_about_a_call() == (id == 0) {
            return Err(WireError::Id { kind, got: id });
        }
        Ok(Some(Self { kind: known, flags: set, id }))
    }
}

/// A frame in a buffer, its body not yet read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RawFrame<'a> {
    /// Kind, flags and id; `None` for an unknown optional kind, which is skipped.
    pub header: Option<Header>,
    /// The bytes after the header.
    pub body: &'a [u8],
    /// How many bytes the frame takes in the buffer.
    pub size: usize,
}

/// The first frame in `input`, or `None` if it is not all there yet.
///
/// The header is checked as soon as it is there, so that a bad one never makes its receiver wait or allocate.
///
/// # Errors
///
/// When the header is not a frame's: see [`WireError`].
pub fn split(input: &[u8]) -> Result<Option<RawFrame<'_>>, WireError> {
    Ok(split_begun(input)?.filter(|frame| frame.size <= input.len()))
}

/// The first frame in `input` as far as it is there, or `None` if its header is not: the size is that of all of it.
///
/// # Errors
///
/// As [`split`].
#[inline]
pub fn split_begun(input: &[u8]) -> Result<Option<RawFrame<'_>>, WireError> {
    let Some((&length, rest)) = input.split_first_chunk::<4>() else { return Ok(None) };
    let length = u32::from_be_bytes(length);
    let counted = length as usize;
    if !(Header::COUNTED..=limits::FRAME_LENGTH).contains(&counted) {
        return Err(WireError::Length { got: length });
    }
    let Some((&[kind, flags, i0, i1, i2, i3], _)) = rest.split_first_chunk::<{ Header::COUNTED }>() else {
        return Ok(None);
    };
    let header = Header::read(kind, flags, u32::from_be_bytes([i0, i1, i2, i3]))?;
    let body = &rest[Header::COUNTED..rest.len().min(counted)];
    Ok(Some(RawFrame { header, body, size: 4 + counted }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(length: u32, kind: u8, flags: u8, id: u32, body: &[u8]) -> Vec<u8> {
        let mut bytes = length.to_be_bytes().to_vec();
        bytes.extend([kind, flags]);
        bytes.extend(id.to_be_bytes());
        bytes.extend(body);
        bytes
    }

    #[test]
    fn a_frame_is_found_only_when_all_of_it_is_there() {
        let mut bytes = frame(7, 0x03, 1, 5, &[0xaa]);
        bytes.push(0xff);
        for cut in 0..11 {
            assert_eq!(split(&bytes[..cut]), Ok(None), "{cut}");
        }
        let found = split(&bytes).unwrap().unwrap();
        assert_eq!(found.header, Some(Header { kind: Kind::Call, flags: Flags::MORE, id: 5 }));
        assert_eq!((found.body, found.size), (&[0xaa][..], 11));
    }

    #[test]
    fn lengths_are_refused_before_anything_is_waited_for() {
        for length in [0, 5, limits::FRAME_LENGTH as u32 + 1, u32::MAX] {
            assert_eq!(split(&length.to_be_bytes()), Err(WireError::Length { got: length }));
        }
        assert_eq!(split(&(limits::FRAME_LENGTH as u32).to_be_bytes()), Ok(None));
    }

    #[test]
    fn unknown_kinds_are_skipped_only_if_optional() {
        let bytes = frame(6, 0x9f, 0xff, 77, &[]);
        let found = split(&bytes).unwrap().unwrap();
        assert_eq!((found.header, found.size), (None, 10));
        assert_eq!(split(&frame(6, 0x1f, 0, 0, &[])), Err(WireError::Kind { got: 0x1f }));
    }

    #[test]
    fn every_flag_and_id_is_checked_against_its_kind() {
        let bad = |kind: u8, flags: u8, id: u32| split(&frame(6, kind, flags, id, &[])).unwrap_err();
        assert_eq!(bad(0x06, 1, 5), WireError::Flags { kind: 6, got: 1 });
        assert_eq!(bad(0x03, 2, 5), WireError::Flags { kind: 3, got: 2 });
        assert_eq!(bad(0x07, 0x11, 5), WireError::Flags { kind: 7, got: 0x11 });
        assert_eq!(bad(0x04, 0x20, 5), WireError::Flags { kind: 4, got: 0x20 });
        assert_eq!(bad(0x08, 0, 0), WireError::Id { kind: 8, got: 0 });
        assert_eq!(bad(0x05, 0x01, 5), WireError::Flags { kind: 5, got: 1 });
        assert_eq!(bad(0x05, 0x0c, 5), WireError::Flags { kind: 5, got: 0x0c });
        assert_eq!(bad(0x05, 0x0a, 5), WireError::Flags { kind: 5, got: 0x0a });
        assert_eq!(bad(0x03, 0, 0), WireError::Id { kind: 3, got: 0 });
        assert_eq!(bad(0x0a, 0, 9), WireError::Id { kind: 0x0a, got: 9 });
        assert!(split(&frame(6, 0x05, 0x03, 5, &[])).is_ok());
        assert!(split(&frame(6, 0x03, 0x61, 5, &[])).is_ok());
    }
}
