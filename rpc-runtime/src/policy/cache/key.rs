//! Owns [`Key`]: which calls are the same. Pure.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use crate::call::{Entry, Request};

/// What makes two calls the same: method, metadata and arguments, byte for byte.
///
/// The short form finds an entry, the long one decides whether it is the right one: two callers never get each other's answers
/// because their keys happen to have one hash.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Key {
    pub(super) hash: u64,
    bytes: Vec<u8>,
}

/// Which metadata counts.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::policy) enum Varies {
    /// All but what is known to tell nothing about the answer.
    All,
    /// These, and secrets, because they say who calls.
    On(Arc<[String]>),
}

impl Key {
    pub(super) fn of(request: &Request, varies: &Varies) -> Self {
        let mut bytes = Vec::with_capacity(64 + request.arguments().bytes().len());
        // Each part with its length, so that no two lists of parts are the same bytes.
        let mut part = |part: &[u8]| {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part);
        };
        part(request.method().as_bytes());
        part(request.arguments().bytes());
        let counts = |entry: &&Entry| match varies {
            // The protocol's own: which attempt it is, say.
            _ if entry.key().starts_with("rpc-") => false,
            Varies::All => !entry.is_trace(),
            Varies::On(keys) => entry.is_sensitive() || keys.iter().any(|key| key == entry.key()),
        };
        let mut entries: Vec<_> = request.metadata().iter().filter(counts).collect();
        // The order in which they were set says nothing.
        entries.sort_unstable_by_key(|entry| entry.key());
        for entry in entries {
            part(entry.key().as_bytes());
            part(entry.value().as_bytes());
        }
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        Self { hash: hasher.finish(), bytes }
    }

    /// How many bytes it takes.
    pub(super) const fn len(&self) -> usize {
        self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Payload;

    fn request(method: &'static str, arguments: &[u8], metadata: &[(&'static str, &str, bool)]) -> Request {
        let mut request = Request::by_name(method, Payload::new(arguments.to_vec()));
        for (key, value, is_secret) in metadata {
            let entry = request.metadata_mut().set(*key, *value).unwrap();
            if *is_secret {
                entry.sensitive();
            }
        }
        request
    }

    #[test]
    fn method_arguments_and_metadata_tell_calls_apart() {
        let calls = [
            request("S.m", b"ab", &[]),
            request("S.n", b"ab", &[]),
            request("S.m", b"a", &[]),
            request("S.m", b"ab", &[("tenant", "blue", false)]),
            request("S.m", b"ab", &[("tenant", "red", false)]),
            request("S.m", b"ab", &[("tenant", "blu", false), ("e", "x", false)]),
        ];
        let keys: Vec<_> = calls.iter().map(|call| Key::of(call, &Varies::All)).collect();
        for (at, key) in keys.iter().enumerate() {
            assert!(keys[..at].iter().all(|other| other != key && other.hash != key.hash), "{at}");
        }
    }

    #[test]
    fn order_and_traces_do_not_and_secrets_always_do() {
        let of =
            |metadata: &[(&'static str, &str, bool)], varies| Key::of(&request("S.m", b"", metadata), varies);
        let on_tenant = Varies::On([String::from("tenant")].into());
        let blue = [("tenant", "blue", false), ("colour", "x", false)];
        let turned = [("colour", "x", false), ("tenant", "blue", false), ("traceparent", "00-1", false)];
        assert_eq!(of(&blue, &Varies::All), of(&turned, &Varies::All));
        assert_eq!(of(&blue, &on_tenant), of(&[("tenant", "blue", false)], &on_tenant));
        assert_ne!(of(&blue, &on_tenant), of(&[("tenant", "red", false)], &on_tenant));
        let token = |token| [("tenant", "blue", false), ("token", token, true)];
        assert_ne!(of(&token("Ada's"), &on_tenant), of(&token("Grace's"), &on_tenant));
    }
}
