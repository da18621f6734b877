//! Owns the preface and HELLO: what a side says of itself before anything else.

use crate::limits;
use crate::wire::reader::Reader;
use crate::wire::text::cut;
use crate::wire::{Flags, FrameWriter, Header, Kind, WireError};

/// The major version of the protocol that this crate speaks.
pub const VERSION: u8 = 1;

/// The first bytes of each side. `C1` is the one byte that MessagePack never uses, so no MessagePack-RPC, HTTP
/// or TLS peer begins with it, and a listener can tell foreign clients apart by their first byte.
pub const PREFACE: [u8; 5] = [0xc1, b'R', b'P', b'C', VERSION];

/// What became of looking for the preface at the front of the input.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Preface {
    /// More bytes are needed.
    Incomplete,
    /// It is there, in the first five bytes.
    Complete,
}

impl Preface {
    /// Looks for the preface. A wrong byte is reported as soon as it is there.
    ///
    /// # Errors
    ///
    /// When the bytes are not the preface, or name another version.
    pub fn read(input: &[u8]) -> Result<Self, WireError> {
        for (&got, &expected) in input.iter().zip(&PREFACE[..4]) {
            if got != expected {
                return Err(WireError::NotTraitwire { got });
            }
        }
        match input.get(4) {
            None => Ok(Self::Incomplete),
            Some(&VERSION) => Ok(Self::Complete),
            Some(&got) => Err(WireError::Version { got, own: VERSION }),
        }
    }
}

/// What a side says of itself: the limits that its peer has to keep, and who it is.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Hello {
    /// The largest payload that it takes, in bytes.
    pub message: u64,
    /// How much of a payload it takes without a grant, in bytes.
    pub eager: u64,
    /// How many calls its peer may have open.
    pub in_flight: u32,
    /// How many of them may have a stream.
    pub streams: u32,
    /// How many bytes of items each stream may send before it is granted more.
    pub credit: u64,
    /// How many names its peer may bind.
    pub names: u32,
    /// The silence after which it pings, in milliseconds; 0 for never.
    pub keepalive_ms: u64,
    /// What it can do beyond the first version.
    pub features: Vec<String>,
    /// What it calls itself; for people.
    pub name: String,
    /// A random number, another one in each process.
    pub instance: u64,
    /// Whose memory of replies it has: callers may send the same key again to the same number; 0 if it has none.
    pub replies: u64,
}

impl Default for Hello {
    fn default() -> Self {
        Self {
            message: limits::MESSAGE as u64,
            eager: limits::EAGER as u64,
            in_flight: limits::IN_FLIGHT,
            streams: limits::STREAMS,
            credit: limits::CREDIT as u64,
            names: limits::NAMES,
            keepalive_ms: 0,
            features: Vec::new(),
            name: String::new(),
            instance: 0,
            replies: 0,
        }
    }
}

impl Hello {
    /// Appends the frame. Texts and lists that no reader keeps whole are cut.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut frame = FrameWriter::new(out, Header { kind: Kind::Hello, flags: Flags::NONE, id: 0 });
        let numbers = [
            ("message", self.message),
            ("eager", self.eager),
            ("in_flight", u64::from(self.in_flight)),
            ("streams", u64::from(self.streams)),
            ("credit", self.credit),
            ("names", u64::from(self.names)),
            ("keepalive_ms", self.keepalive_ms),
            ("instance", self.instance),
        ];
        // Most sides have none, and need not say so.
        let replies = (self.replies != 0).then_some(("replies", self.replies));
        frame.map(numbers.len() + usize::from(replies.is_some()) + 2);
        for (key, number) in numbers.into_iter().chain(replies) {
            frame.str(key);
            frame.uint(number);
        }
        frame.str("name");
        frame.str(cut(&self.name, TEXT));
        frame.str("features");
        let features = &self.features[..self.features.len().min(FEATURES)];
        frame.array(features.len());
        for feature in features {
            frame.str(cut(feature, TEXT));
        }
        frame.finish();
    }

    /// Reads the frame's body. Unknown keys are ignored; a missing one has its default.
    ///
    /// # Errors
    ///
    /// When the body is not one map from text to values, or a known key has a value of another type.
    pub fn read(body: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(body);
        let mut hello = Self::default();
        for _ in 0..reader.map("HELLO")? {
            match reader.str("HELLO key")? {
                "message" => hello.message = reader.uint("HELLO message")?,
                "eager" => hello.eager = reader.uint("HELLO eager")?,
                "in_flight" => hello.in_flight = clamp(reader.uint("HELLO in_flight")?),
                "streams" => hello.streams = clamp(reader.uint("HELLO streams")?),
                "credit" => hello.credit = reader.uint("HELLO credit")?,
                "names" => hello.names = clamp(reader.uint("HELLO names")?),
                "keepalive_ms" => hello.keepalive_ms = reader.uint("HELLO keepalive_ms")?,
                "instance" => hello.instance = reader.uint("HELLO instance")?,
                "replies" => hello.replies = reader.uint("HELLO replies")?,
                "name" => hello.name = cut(reader.str("HELLO name")?, TEXT).to_owned(),
                "features" => {
                    let count = reader.array_length("HELLO features")?;
                    for _ in 0..count {
                        let feature = reader.str("HELLO feature")?;
                        // Of all lists together, should the key come twice.
                        if hello.features.len() < FEATURES {
                            hello.features.push(cut(feature, TEXT).to_owned());
                        }
                    }
                }
                _ => reader.skip("HELLO value")?,
            }
        }
        Ok(hello)
    }
}

/// Features beyond this number are ignored: no version has more.
const FEATURES: usize = 64;

/// Longer names and features are cut to so many bytes.
const TEXT: usize = 256;

fn clamp(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preface_is_judged_at_its_first_wrong_byte() {
        assert_eq!(Preface::read(&[]), Ok(Preface::Incomplete));
        assert_eq!(Preface::read(&PREFACE[..4]), Ok(Preface::Incomplete));
        assert_eq!(Preface::read(&PREFACE), Ok(Preface::Complete));
        assert_eq!(Preface::read(b"GET /"), Err(WireError::NotTraitwire { got: b'G' }));
        assert_eq!(Preface::read(&[0xc1, b'R', b'X']), Err(WireError::NotTraitwire { got: b'X' }));
        assert_eq!(Preface::read(&[0xc1, b'R', b'P', b'C', 2]), Err(WireError::Version { got: 2, own: 1 }));
    }

    #[test]
    fn unknown_keys_are_ignored_and_missing_ones_have_their_defaults() {
        let body = [0x82, 0xa3, b'n', b'e', b'w', 0x91, 0xc0, 0xa5, b'n', b'a', b'm', b'e', b's', 0x07];
        let hello = Hello::read(&body).unwrap();
        assert_eq!(hello, Hello { names: 7, ..Hello::default() });
    }
}
