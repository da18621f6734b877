//! Values ↔ bytes: the one way in which arguments, replies, items and error details become MessagePack and
//! back.
//!
//! | Rust (serde) | wire |
//! |---|---|
//! | integers | the smallest integer form; 128 bits that do not fit in 64: `bin` of 16 bytes, big-endian |
//! | `f32`, `f64` | `float 32`, `float 64`; a reader of floats accepts integers |
//! | `bool`, `char` and text | `bool`, `str` |
//! | `()`, unit struct, `None` | `nil` |
//! | `Some`, newtype struct | what is in it, so that `Some(None)` reads as `None` |
//! | sequence, array or tuple whose items are all `u8` | `bin`; the empty one is an empty array |
//! | any other sequence or tuple; tuple struct | array |
//! | map | map |
//! | struct | map from field names; never an array, which no field could be added to |
//! | unit variant | `str`, its name; `{name: nil}` is read as well |
//! | any other variant | map of one entry, from its name to its content: a value, an array or a map |
//!
//! Both sides are "human readable" in serde's sense: a `Uuid` or an `IpAddr` is the text that every language
//! knows. Extension types are no values here.
//!
//! Bytes from a peer pass [`scan()`] before serde sees them. What a scan cannot bound is the size of the
//! types: decoding takes at most elements × size of the type, and a *recursive* untagged enum, which serde
//! clones at each of its levels, that times its depth.
//!
//! It does not know frames, calls or the limits that a peer announced: it is handed bytes and [`ScanLimits`].

mod access;
mod arguments;
mod bytes;
mod decoder;
mod deserializer;
mod encoder;
mod error;
mod head;
mod members;
mod scan;
mod sequence;
mod serializer;
#[cfg(test)]
mod tests;
mod token;

pub use arguments::{ArgumentsDecoder, ArgumentsEncoder};
pub use bytes::Encoded;
use decoder::Decoder;
use encoder::Encoder;
pub use error::{DecodeError, EncodeError, ScanError};
pub use scan::{ScanLimits, scan, scan_prefix};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::call::Load;

/// Appends `value` to `out`.
///
/// # Errors
/// Its `Serialize` refused, it nests deeper than 64 containers or 256 newtypes and options, or a length does not
/// fit in 32 bits; `out` is then what it was, and so it is if a `Serialize` panics.
pub fn encode<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    Encoder::append(value, out, 0)
}

/// The same for a value that is given away: long bytes leave from where they are.
///
/// # Errors
/// As [`encode`].
pub fn encode_owned<T: Serialize + 'static>(value: T, load: &mut Load) -> Result<(), EncodeError> {
    let mut value = Some(value);
    if let Some(found) = bytes::leaving(&mut value) {
        bytes::write_head(load.head_mut(), &found)?;
        load.end_with(found);
    }
    value.map_or(Ok(()), |value| encode(&value, load.head_mut()))
}

/// Reads the one value that `bytes` are, which may borrow from them.
///
/// # Errors
/// They do not pass the scan within `limits`, or are no `T`.
pub fn decode<'de, T: Deserialize<'de>>(bytes: &'de [u8], limits: &ScanLimits) -> Result<T, DecodeError> {
    let mut decoder = Decoder::new(bytes, limits)?;
    let value = T::deserialize(&mut decoder)?;
    if decoder.left() == 0 { Ok(value) } else { Err(DecodeError::unread()) }
}

/// The same for a type that borrows nothing. A byte string that is a whole `Vec<u8>` is copied at once, and as a whole
/// [`Bytes`](::bytes::Bytes) it shares what it lies in.
///
/// # Errors
/// As [`decode`].
pub fn decode_owned<T: DeserializeOwned + 'static>(
    encoded: Encoded<'_>,
    limits: &ScanLimits,
) -> Result<T, DecodeError> {
    if bytes::is_bytes::<T>() {
        let mut decoder = Decoder::new(encoded.bytes, limits)?;
        if let Some(value) = decoder.byte_string().and_then(|found| encoded.take(found)) {
            return Ok(value);
        }
    }
    decode(encoded.bytes, limits)
}
