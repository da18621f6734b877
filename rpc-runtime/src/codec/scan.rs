//! One pass over untrusted bytes before serde sees them: a well-formed value, of bounded depth, of bounded
//! size.
//!
//! It does not look at what the value means, nor whether its text is UTF-8: reading a value does that. It
//! allocates nothing, does not recurse, and looks at each head once; that is why everything behind it may
//! recurse and may trust a length.

use super::error::ScanError;
use super::head::{Head, NoHead};
use crate::limits::{BYTES_PER_ELEMENT, MAX_DEPTH, MAX_ELEMENTS, MIN_ELEMENTS};

/// What a scan lets pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanLimits {
    /// How many arrays and maps may nest. More than 64 counts as 64.
    pub depth: u8,
    /// How many values may lie in arrays and maps, all in all; a key is one, and so is its value.
    ///
    /// Decoding takes memory in proportion to this, times the size of the type.
    pub elements: u32,
}

impl ScanLimits {
    /// The limits for a body of `len` bytes of which nothing else is known.
    pub fn for_body(len: usize) -> Self {
        let earned = u32::try_from(len / BYTES_PER_ELEMENT).unwrap_or(MAX_ELEMENTS).min(MAX_ELEMENTS);
        Self { depth: MAX_DEPTH, elements: earned.max(MIN_ELEMENTS) }
    }
}

/// Checks that `bytes` are exactly one value within `limits`; returns how many elements it holds.
///
/// # Errors
/// The first thing met that is not so.
#[inline]
pub fn scan(bytes: &[u8], limits: &ScanLimits) -> Result<u32, ScanError> {
    if let Some(elements) = flat(bytes, limits) {
        return Ok(elements);
    }
    let Front { len, elements } = front(bytes, limits)?;
    if len < bytes.len() { Err(ScanError::TrailingBytes { at: len }) } else { Ok(elements) }
}

/// Checks that `bytes` begin with one value within `limits`; returns how many bytes it takes.
///
/// # Errors
/// The first thing met that is not so; what follows the value is not looked at.
pub fn scan_prefix(bytes: &[u8], limits: &ScanLimits) -> Result<usize, ScanError> {
    front(bytes, limits).map(|front| front.len)
}

/// The elements of a short array or map of nothing but values whose first byte says their width, as most small messages
/// are; `None` of everything else, whether it passes or not.
#[inline]
fn flat(bytes: &[u8], limits: &ScanLimits) -> Option<u32> {
    let (&marker, mut rest) = bytes.split_first()?;
    let members = match marker {
        0x80..=0x8f => u32::from(marker - 0x80) * 2,
        0x90..=0x9f => u32::from(marker - 0x90),
        _ => return None,
    };
    if limits.depth == 0 || members > limits.elements {
        return None;
    }
    for _ in 0..members {
        let width = WIDTHS[usize::from(*rest.first()?)];
        // A width of 0 is none; it must not go on either.
        rest = rest.get(usize::from(width)..).filter(|_| width != 0)?;
    }
    rest.is_empty().then_some(members)
}

/// The value at the front of some bytes.
struct Front {
    len: usize,
    elements: u32,
}

fn front(bytes: &[u8], limits: &ScanLimits) -> Result<Front, ScanError> {
    let max_depth = limits.depth.min(MAX_DEPTH);
    // How many values are still to come in each open container but the innermost, whose count is `left`.
    let mut outer = [0_u32; MAX_DEPTH as usize];
    let mut depth = 0;
    let mut left = 1;
    let mut budget = limits.elements;
    let mut at = 0;
    loop {
        let Some(&marker) = bytes.get(at) else { return Err(ScanError::Truncated { at }) };
        let width = usize::from(WIDTHS[usize::from(marker)]);
        if width != 0 && width <= bytes.len() - at {
            at += width;
            left -= 1;
        } else {
            let (body, members) = sized(bytes, at)?;
            left -= 1;
            if let Some(members) = members {
                if depth == max_depth {
                    return Err(ScanError::TooDeep { limit: max_depth, at });
                }
                let Some(rest) = budget.checked_sub(members) else {
                    return Err(ScanError::TooManyElements { limit: limits.elements, at });
                };
                budget = rest;
                // In bounds: depth < max_depth <= MAX_DEPTH.
                outer[usize::from(depth)] = left;
                depth += 1;
                left = members;
            }
            at = body;
        }
        while left == 0 {
            if depth == 0 {
                return Ok(Front { len: at, elements: limits.elements - budget });
            }
            depth -= 1;
            left = outer[usize::from(depth)];
        }
    }
}

/// Reads the head at `at`, which lies within `bytes`, of a value that is no whole scalar: where to go on, and
/// how many members it opens.
fn sized(bytes: &[u8], at: usize) -> Result<(usize, Option<u32>), ScanError> {
    let (head, rest) = Head::read(&bytes[at..]).map_err(|why| why.at(at))?;
    let (payload, members) = match head {
        Head::Str(len) | Head::Bin(len) => (u64::from(len), None),
        Head::Array(len) => (0, Some(u64::from(len))),
        Head::Map(len) => (0, Some(u64::from(len) * 2)),
        _ => (0, None),
    };
    let needed = payload + members.unwrap_or(0);
    if needed > rest.len() as u64 {
        return Err(ScanError::LengthBeyondEnd { needed, left: rest.len(), at });
    }
    // A count of members beyond u32 is beyond every budget of elements as well.
    let members = members.map(|members| u32::try_from(members).unwrap_or(u32::MAX));
    // No loss: the payload lies within `rest`.
    Ok((bytes.len() - rest.len() + payload as usize, members))
}

impl NoHead {
    /// The error of a scan that met this at byte `at`.
    pub(super) fn at(self, at: usize) -> ScanError {
        match self {
            Self::Truncated => ScanError::Truncated { at },
            Self::Reserved => ScanError::Reserved { at },
            Self::Extension => ScanError::Extension { at },
        }
    }
}

/// How many bytes the value with this first byte takes, if that byte says so alone; else 0.
///
/// One look at a table replaces a jump on the kind: nearly all values of nearly all messages end here.
static WIDTHS: [u8; 256] = widths();

const fn widths() -> [u8; 256] {
    let mut widths = [0; 256];
    let mut marker = 0;
    while marker < widths.len() {
        widths[marker] = match marker {
            0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => 1,
            0xa0..=0xbf => 1 + (marker - 0xa0) as u8,
            0xcc | 0xd0 => 2,
            0xcd | 0xd1 => 3,
            0xca | 0xce | 0xd2 => 5,
            0xcb | 0xcf | 0xd3 => 9,
            _ => 0,
        };
        marker += 1;
    }
    widths
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ANY: ScanLimits = ScanLimits { depth: MAX_DEPTH, elements: u32::MAX };

    fn limits(depth: u8, elements: u32) -> ScanLimits {
        ScanLimits { depth, elements }
    }

    #[test]
    fn each_error_says_what_and_where() {
        let cases: [(&[u8], ScanError); 14] = [
            (&[], ScanError::Truncated { at: 0 }),
            (&[0x92, 1, 0xcd, 1], ScanError::Truncated { at: 2 }),
            (&[0x92, 0x91, 1], ScanError::Truncated { at: 3 }),
            (&[0xdc, 0], ScanError::Truncated { at: 0 }),
            (&[1, 2], ScanError::TrailingBytes { at: 1 }),
            (&[0x91, 0xc1], ScanError::Reserved { at: 1 }),
            (&[0xd4, 1, 1], ScanError::Extension { at: 0 }),
            (&[0xc7, 0, 1], ScanError::Extension { at: 0 }),
            (&[0xa3, b'a'], ScanError::LengthBeyondEnd { needed: 3, left: 1, at: 0 }),
            (&[0xd9, 4, 1, 2, 3], ScanError::LengthBeyondEnd { needed: 4, left: 3, at: 0 }),
            (&[0xc4, 1], ScanError::LengthBeyondEnd { needed: 1, left: 0, at: 0 }),
            (&[0x91, 0x93, 1, 2], ScanError::LengthBeyondEnd { needed: 3, left: 2, at: 1 }),
            (&[0x82, 1, 2, 3], ScanError::LengthBeyondEnd { needed: 4, left: 3, at: 0 }),
            (
                &[0xdf, 255, 255, 255, 255, 1],
                ScanError::LengthBeyondEnd { needed: 2 * u64::from(u32::MAX), left: 1, at: 0 },
            ),
        ];
        for (bytes, error) in cases {
            assert_eq!(scan(bytes, &ANY), Err(error), "{bytes:x?}");
        }
        assert_eq!(scan(&[0x91, 0x91, 1], &limits(1, 9)), Err(ScanError::TooDeep { limit: 1, at: 1 }));
        let met = scan(&[0x92, 1, 0x82, 1, 2, 3, 4], &limits(9, 5));
        assert_eq!(met, Err(ScanError::TooManyElements { limit: 5, at: 2 }));
    }

    #[test]
    fn elements_are_the_members_of_arrays_and_maps() {
        assert_eq!(scan(&[7], &ANY), Ok(0));
        assert_eq!(scan(&[0x92, 1, 0x82, 1, 2, 3, 4], &limits(2, 6)), Ok(6));
        let bytes = [&[0xc5, 1, 0][..], &[0; 256]].concat();
        assert_eq!(scan(&bytes, &limits(0, 0)), Ok(0), "a byte string is one value");
    }

    #[test]
    fn depth_is_bounded_by_its_limit_and_by_the_most_that_any_limit_gives() {
        let nested = |levels: usize| [vec![0x91; levels - 1], vec![0x90]].concat();
        assert!(scan(&nested(64), &ANY).is_ok());
        let refused = Err(ScanError::TooDeep { limit: 64, at: 64 });
        for levels in [65, 100_000] {
            assert_eq!(scan(&nested(levels), &limits(u8::MAX, u32::MAX)), refused);
        }
        assert_eq!(scan(&[0x90], &limits(0, 9)), Err(ScanError::TooDeep { limit: 0, at: 0 }));
    }

    #[test]
    fn a_prefix_is_one_value_whatever_follows() {
        assert_eq!(scan_prefix(&[0x92, 1, 0xa1, b'x', 0xc1, 0xc1], &ANY), Ok(4));
        assert_eq!(scan_prefix(&[0xc1], &ANY), Err(ScanError::Reserved { at: 0 }));
        assert_eq!(scan_prefix(&[], &ANY), Err(ScanError::Truncated { at: 0 }));
    }

    #[test]
    fn a_body_earns_elements_by_its_length_between_two_limits() {
        assert_eq!(ScanLimits::for_body(0), limits(64, 65_536));
        assert_eq!(ScanLimits::for_body(400_000), limits(64, 100_000));
        assert_eq!(ScanLimits::for_body(usize::MAX), limits(64, 1_048_576));
    }

    /// Reads a value as the MessagePack specification draws it, slowly: the length and the elements of the
    /// one value at the front, if it is one.
    fn reference(bytes: &[u8], depth: u8) -> Option<(usize, u64)> {
        let number = |size: usize| -> Option<usize> {
            Some(bytes.get(1..=size)?.iter().fold(0, |all, &byte| all << 8 | usize::from(byte)))
        };
        let plain = |len: usize| (bytes.len() >= len).then_some((len, 0));
        let first = *bytes.first()?;
        let nibble = usize::from(first & 0x0f);
        let (head, members) = match first {
            0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => return plain(1),
            0xa0..=0xbf => return plain(1 + usize::from(first & 0x1f)),
            0xcc | 0xd0 => return plain(2),
            0xcd | 0xd1 => return plain(3),
            0xce | 0xd2 | 0xca => return plain(5),
            0xcf | 0xd3 | 0xcb => return plain(9),
            0xc4 | 0xd9 => return plain(2 + number(1)?),
            0xc5 | 0xda => return plain(3 + number(2)?),
            0xc6 | 0xdb => return plain(5 + number(4)?),
            0x90..=0x9f => (1, nibble),
            0xdc => (3, number(2)?),
            0xdd => (5, number(4)?),
            0x80..=0x8f => (1, 2 * nibble),
            0xde => (3, 2 * number(2)?),
            0xdf => (5, 2 * number(4)?),
            _ => return None,
        };
        let depth = depth.checked_sub(1)?;
        let (mut at, mut elements) = (head, members as u64);
        for _ in 0..members {
            let (len, inner) = reference(&bytes[at..], depth)?;
            at += len;
            elements += inner;
        }
        Some((at, elements))
    }

    fn agree(bytes: &[u8], limits: &ScanLimits) -> Result<(), TestCaseError> {
        let expected = reference(bytes, limits.depth).filter(|(_, count)| *count <= limits.elements.into());
        prop_assert_eq!(scan_prefix(bytes, limits).ok(), expected.map(|(len, _)| len));
        let whole = expected.filter(|(len, _)| *len == bytes.len());
        prop_assert_eq!(scan(bytes, limits).ok().map(u64::from), whole.map(|(_, count)| count));
        Ok(())
    }

    /// A well-formed value, often of the shapes where a reader errs.
    fn value() -> impl Strategy<Value = Vec<u8>> {
        let leaf = prop_oneof![
            any::<u64>().prop_map(|v| [&[0xcf][..], &v.to_be_bytes()].concat()),
            any::<i16>().prop_map(|v| [&[0xd1][..], &v.to_be_bytes()].concat()),
            prop::sample::select(vec![0x00, 0x7f, 0xc0, 0xc2, 0xc3, 0xe0, 0xff, 0x90, 0x80])
                .prop_map(|b| vec![b]),
            prop::collection::vec(any::<u8>(), 0..40).prop_map(|v| [&[0xc4, v.len() as u8][..], &v].concat()),
            "[a-z]{0,31}".prop_map(|v| [&[0xa0 | v.len() as u8][..], v.as_bytes()].concat()),
            "[a-z]{0,50}".prop_map(|v| [&[0xda, 0, v.len() as u8][..], v.as_bytes()].concat()),
        ];
        leaf.prop_recursive(6, 60, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(|v| [
                    &[0x90 | v.len() as u8][..],
                    &v.concat()
                ]
                .concat()),
                prop::collection::vec(inner.clone(), 0..8).prop_map(|v| [
                    &[0xdd, 0, 0, 0, v.len() as u8][..],
                    &v.concat()
                ]
                .concat()),
                prop::collection::vec((inner.clone(), inner), 0..4).prop_map(|v| {
                    let members: Vec<_> = v.iter().flat_map(|(k, v)| [&k[..], v].concat()).collect();
                    [&[0xde, 0, v.len() as u8][..], &members].concat()
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_scan_accepts_what_the_reference_accepts(
            bytes in prop::collection::vec(any::<u8>(), 0..60), depth in 0..6_u8, elements in 0..40_u32,
        ) {
            agree(&bytes, &limits(depth, elements))?;
            agree(&bytes, &ANY)?;
        }

        #[test]
        fn so_it_does_when_a_good_value_is_mutated(
            mut bytes in value(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
            cut in any::<prop::sample::Index>(), depth in 0..6_u8, elements in 0..40_u32,
        ) {
            prop_assert!(scan(&bytes, &ANY).is_ok());
            agree(&bytes, &limits(depth, elements))?;
            for (index, byte) in changes {
                let index = index.index(bytes.len());
                bytes[index] = byte;
                agree(&bytes, &ANY)?;
            }
            bytes.truncate(cut.index(bytes.len()));
            agree(&bytes, &limits(depth, elements))?;
        }
    }
}
