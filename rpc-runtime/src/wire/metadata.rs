//! Owns the form of metadata on the wire: nil, or a map from key to value. Does not own what the entries mean.
//!
//! A value is a `str` or a `bin`, or, if it is marked, an array of its marks and the value: bit 0 of the marks
//! says that it propagates, bit 1 that it is sensitive. Further marks are for later versions and are ignored.

use std::borrow::Cow;

use crate::call::{Entry, Metadata, Value};
use crate::limits;
use crate::wire::reader::Reader;
use crate::wire::{FrameWriter, WireError};

const PROPAGATES: u64 = 1;
const SENSITIVE: u64 = 2;

/// What keeps well-formed metadata from being taken. It costs the call, not the connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Unfit {
    /// More bytes or entries than allowed.
    TooLarge,
    /// A key that is not well formed, or that comes twice.
    Key,
}

pub(super) fn write(frame: &mut FrameWriter<'_>, metadata: &Metadata) {
    if metadata.is_empty() {
        return frame.nil();
    }
    frame.map(metadata.len());
    for entry in metadata.iter() {
        frame.str(entry.key());
        let marks = u64::from(entry.propagates()) * PROPAGATES + u64::from(entry.is_sensitive()) * SENSITIVE;
        if marks != 0 {
            frame.array(2);
            frame.uint(marks);
        }
        match entry.value() {
            Value::Text(text) => frame.str(text),
            Value::Binary(bytes) => frame.bin(bytes),
        }
    }
}

/// Reads metadata to its end, and keeps it if it is fit to be kept.
pub(super) fn read(reader: &mut Reader<'_>) -> Result<Result<Metadata, Unfit>, WireError> {
    if reader.nil(FIELD)? {
        return Ok(Ok(Metadata::new()));
    }
    let before = reader.rest().len();
    let count = reader.map(FIELD)?;
    let mut metadata = Metadata::new();
    let mut fit = if count > limits::METADATA_ENTRIES { Err(Unfit::TooLarge) } else { Ok(()) };
    for _ in 0..count {
        let key = reader.str(FIELD)?;
        let (marks, value) = read_value(reader)?;
        if before - reader.rest().len() > limits::METADATA {
            fit = Err(Unfit::TooLarge);
        }
        if fit.is_err() {
            continue;
        }
        if crate::call::check_key(key).is_err() || metadata.get(key).is_some() {
            fit = Err(Unfit::Key);
            continue;
        }
        metadata.put(Entry {
            key: Cow::Owned(key.to_owned()),
            value: value.into_owned(),
            propagates: marks & PROPAGATES != 0,
            sensitive: marks & SENSITIVE != 0,
            confined: false,
        });
    }
    Ok(fit.map(|()| metadata))
}

/// How many bytes `metadata` takes on the wire.
pub(crate) fn size(metadata: &Metadata) -> usize {
    // Five bytes are the longest head of a `str` or `bin`, two those of the marks, three that of the map.
    3 + metadata.iter().map(|entry| entry.key().len() + entry.value().as_bytes().len() + 12).sum::<usize>()
}

enum Lent<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
}

impl Lent<'_> {
    fn into_owned(self) -> Value {
        match self {
            Self::Text(text) => Value::Text(text.to_owned()),
            Self::Binary(bytes) => Value::Binary(bytes.to_vec()),
        }
    }
}

fn read_value<'a>(reader: &mut Reader<'a>) -> Result<(u64, Lent<'a>), WireError> {
    let first = reader.peek(FIELD)?;
    let marked = matches!(first, 0x90..=0x9f | 0xdc | 0xdd);
    let marks = if marked {
        if reader.array_length(FIELD)? != 2 {
            return Err(WireError::Value { field: FIELD, got: first });
        }
        reader.uint(FIELD)?
    } else {
        0
    };
    let value = match reader.peek(FIELD)? {
        0xc4..=0xc6 => Lent::Binary(reader.bin(FIELD)?),
        _ => Lent::Text(reader.str(FIELD)?),
    };
    Ok((marks, value))
}

pub(crate) const FIELD: &str = "metadata";
