//! Owns [`of`]: the hash of the argument that a method marks `#[rpc(key)]`. Does not pick by it.

use crate::balance::hash;
use crate::call::Request;
use crate::codec::{ScanLimits, scan_prefix};
use crate::limits;

/// The hash of a call's key: of its encoded form, which is the same for equal values wherever they are encoded. `None` if the
/// method marks no argument.
pub(super) fn of(request: &Request) -> Option<u64> {
    let nth = request.descriptor()?.key?;
    let mut rest = request.arguments().bytes();
    rmp::decode::read_array_len(&mut rest).ok()?;
    let trusted = ScanLimits { depth: limits::MAX_DEPTH, elements: u32::MAX };
    for _ in 0..nth {
        rest = rest.get(scan_prefix(rest, &trusted).ok()?..)?;
    }
    rest.get(..scan_prefix(rest, &trusted).ok()?).map(hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::{MethodDescriptor, Payload};

    static PUT: MethodDescriptor = MethodDescriptor::new("put", "Store.put", 0).with_key(1);
    static GET: MethodDescriptor = MethodDescriptor::new("get", "Store.get", 1);

    #[test]
    fn a_key_is_one_argument_and_nothing_else() {
        let key = |arguments: &[u8]| of(&Request::new(&PUT, Payload::new(arguments.to_vec())));
        // [1, "a", 2], [[3, 4], "a"], [1, "b", 2]
        assert_eq!(key(b"\x93\x01\xa1a\x02"), key(b"\x92\x92\x03\x04\xa1a"));
        assert_eq!(key(b"\x93\x01\xa1a\x02"), Some(hash(b"\xa1a")));
        assert_ne!(key(b"\x93\x01\xa1a\x02"), key(b"\x93\x01\xa1b\x02"));
        // One that is not there, and a method without.
        assert_eq!(key(b"\x91\x01"), None);
        assert_eq!(of(&Request::new(&GET, Payload::new(b"\x91\x01".to_vec()))), None);
    }
}
