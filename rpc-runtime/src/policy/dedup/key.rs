//! Owns [`ReplyKey`]: which calls are the same, and the key that a caller sends for that. Does not remember them.

use std::borrow::Cow;
use std::fmt;
use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;

use crate::call::{Entry, Metadata, Request, Value, roll};

/// How the key travels, in the metadata of a CALL.
const KEY: &str = "rpc-idempotency-key";
/// What a caller is told apart by: nothing, its names, or the subject of its certificate where that has no names.
const NOBODY: u8 = 0;
const NAMES: u8 = 1;
const SUBJECT: u8 = 2;

/// Gives a call a key that no other call has: 128 bits that are hard to foresee, so that nobody asks for another one's reply.
pub(crate) fn attach(metadata: &mut Metadata) {
    let value = Value::Text(format!("{:016x}{:016x}", roll(), roll()));
    let key = Cow::Borrowed(KEY);
    metadata.put(Entry { key, value, propagates: false, sensitive: false, confined: false });
}

/// Whether a call has a key.
pub(super) fn is_keyed(request: &Request) -> bool {
    request.metadata().get(KEY).is_some()
}

/// What tells a call from all others: its method, who makes it as far as that is proved, and the key that it came with.
#[derive(Clone, Eq, Ord, PartialEq, PartialOrd)]
pub struct ReplyKey(Arc<[u8]>);

impl ReplyKey {
    /// That of a call that came with a key.
    pub(super) fn of(request: &Request) -> Option<Self> {
        let key = request.metadata().get(KEY)?.as_bytes();
        let (kind, who) = match request.identity() {
            None => (NOBODY, Vec::new()),
            Some(identity) => match identity.names().collect::<Vec<_>>() {
                none if none.is_empty() => (SUBJECT, vec![identity.subject()]),
                names => (NAMES, names),
            },
        };
        let parts =
            [request.method().as_bytes(), key].into_iter().chain(who.iter().map(|name| name.as_bytes()));
        let mut bytes = vec![kind];
        // Each part with its length, so that no two lists of parts are the same bytes.
        for part in parts {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part);
        }
        Some(Self(bytes.into()))
    }

    /// The same for the same call at every instance; other calls have others.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Does not show who called.
impl fmt::Debug for ReplyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReplyKey({} bytes)", self.0.len())
    }
}

/// What the arguments of a call are told apart by: a key with other arguments is a mistake, and nobody's attack.
pub(super) fn fingerprint(request: &Request) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(request.arguments().bytes());
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::{Identity, Payload};

    #[test]
    fn whoever_calls_himself_two_names_is_not_who_has_both() {
        let mut request = Request::by_name("Bank.pay", Payload::default());
        attach(request.metadata_mut());
        let mut of = |identity: Option<Identity>| {
            let mut request = request.again().unwrap();
            identity.into_iter().for_each(|identity| request.set_identity(identity));
            ReplyKey::of(&request).unwrap()
        };
        let nameless = |subject| Identity::new::<String>([]).with_subject(subject, None);
        let callers = [
            None,
            Some(Identity::new(["a", "b"])),
            Some(Identity::new(["a\nb"])),
            Some(Identity::new(["a"])),
            Some(nameless("a")),
            Some(nameless("b")),
        ];
        let keys: std::collections::BTreeSet<_> = callers.iter().cloned().map(&mut of).collect();
        assert_eq!(keys.len(), callers.len());
        assert!(keys.contains(&of(Some(Identity::new(["a", "b"])))), "the same for the same");
    }
}
