//! Owns [`Metadata`]: small named values that travel beside a call's arguments or its reply. Does not own
//! their bytes on the wire.

use std::borrow::Cow;
use std::fmt;

use crate::limits;

/// Named values beside a call or a reply, in the order in which they were set. A key has one value.
///
/// Keys are 1 to 128 characters of `a-z 0-9 - _ .`; those that begin with `rpc-` are the protocol's own.
/// All entries together may take 16 KiB on the wire, in at most 64 entries.
///
/// ```
/// use traitwire::Metadata;
/// let mut metadata = Metadata::new();
/// metadata.set("tenant", "blue")?.propagate();
/// metadata.set("token", "s3cret")?.sensitive();
/// assert_eq!(metadata.text("tenant"), Some("blue"));
/// assert!(!format!("{metadata:?}").contains("s3cret"));
/// # Ok::<(), traitwire::MetadataError>(())
/// ```
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Metadata {
    entries: Vec<Entry>,
}

impl Metadata {
    /// No values. Takes no memory.
    pub const fn new() -> Self {
        Self { entries: Vec::new() }
    }

    /// Sets `key` to a text (`&str`, `String`) or bytes (`&[u8]`, `Vec<u8>`), in place of an earlier value.
    /// The entry that comes back can be marked as [propagating](Entry::propagate) or
    /// [sensitive](Entry::sensitive).
    ///
    /// # Errors
    ///
    /// When the key is not well formed or is reserved for the protocol.
    pub fn set(
        &mut self,
        key: impl Into<Cow<'static, str>>,
        value: impl Into<Value>,
    ) -> Result<&mut Entry, MetadataError> {
        let key = key.into();
        check_key(&key)?;
        if key.starts_with(RESERVED) {
            return Err(MetadataError { key: key.into_owned(), problem: Problem::Reserved });
        }
        Ok(self.put(Entry { key, value: value.into(), propagates: false, sensitive: false, confined: false }))
    }

    /// Takes an entry as it stands, in place of an earlier one with the same key.
    pub(crate) fn put(&mut self, entry: Entry) -> &mut Entry {
        let at = match self.entries.iter().position(|have| have.key == entry.key) {
            Some(at) => {
                self.entries[at] = entry;
                at
            }
            None => {
                self.entries.push(entry);
                self.entries.len() - 1
            }
        };
        &mut self.entries[at]
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// The value of `key`, if it is a text.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.get(key) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The value of `key` as bytes: a binary value as it is, a text in UTF-8.
    pub fn bytes(&self, key: &str) -> Option<&[u8]> {
        self.get(key).map(Value::as_bytes)
    }

    /// Removes `key` and hands back its value.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        let at = self.entries.iter().position(|entry| entry.key == key)?;
        Some(self.entries.remove(at).value)
    }

    /// The entries in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.entries.iter()
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Sets what `inherited` marks as propagating and its trace context, as far as this has no such key.
    pub(crate) fn inherit(&mut self, inherited: &Self) {
        for entry in inherited.iter().filter(|entry| entry.propagates() || entry.is_trace()) {
            if self.get(&entry.key).is_none() {
                self.entries.push(entry.clone());
            }
        }
    }
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.entries).finish()
    }
}

// ===== impl Entry =====

/// One named value of a [`Metadata`].
#[derive(Clone, Eq, PartialEq)]
pub struct Entry {
    pub(crate) key: Cow<'static, str>,
    pub(crate) value: Value,
    pub(crate) propagates: bool,
    pub(crate) sensitive: bool,
    pub(crate) confined: bool,
}

impl Entry {
    /// Marks the entry to travel on: calls that a handler makes carry it too, at every further hop.
    pub fn propagate(&mut self) -> &mut Self {
        self.propagates = true;
        self
    }

    /// Marks the entry as a secret: `Debug` does not show its value, here and at the receiver.
    pub fn sensitive(&mut self) -> &mut Self {
        self.sensitive = true;
        self
    }

    /// Marks the entry as a credential: a [secret](Self::sensitive) that leaves only over links that nobody can read along on
    /// ([`Link::is_private`](crate::transport::Link::is_private)), and that does not [propagate](Self::propagate), because
    /// it is for this callee and nobody else. A call that would take it over another link ends instead, unless its
    /// [channel](crate::ChannelBuilder::credentials_over_plain_links) allows it.
    pub fn credential(&mut self) -> &mut Self {
        self.confined = true;
        self.sensitive()
    }

    /// The key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The value.
    pub const fn value(&self) -> &Value {
        &self.value
    }

    /// Whether calls made by the handler carry the entry too.
    pub fn propagates(&self) -> bool {
        self.propagates && !self.is_credential()
    }

    /// Whether it is a part of W3C's trace context, which goes on with nested calls, marked or not, and never changes an answer.
    pub(crate) fn is_trace(&self) -> bool {
        ["traceparent", "tracestate", "baggage"].contains(&self.key())
    }

    /// Whether it leaves only over links that nobody can read along on: it was [marked so](Self::credential), or its key is
    /// `authorization`, whoever has set it.
    pub fn is_credential(&self) -> bool {
        self.confined || self.key == AUTHORIZATION
    }

    /// Whether `Debug` hides the value.
    pub fn is_sensitive(&self) -> bool {
        self.sensitive || self.is_credential()
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            _ if self.is_sensitive() => write!(f, "{}: (sensitive)", self.key),
            Value::Text(text) => write!(f, "{}: {text:?}", self.key),
            Value::Binary(bytes) => write!(f, "{}: ({} bytes)", self.key, bytes.len()),
        }
    }
}

// ===== impl Value =====

/// A value of a [`Metadata`] entry.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "the protocol has these two forms of value")]
pub enum Value {
    /// UTF-8 text.
    Text(String),
    /// Any bytes.
    Binary(Vec<u8>),
}

impl Value {
    /// The value's bytes; a text in UTF-8.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Self::Binary(bytes.to_vec())
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Binary(bytes)
    }
}

// ===== impl MetadataError =====

/// A key that a [`Metadata`] does not take.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MetadataError {
    key: String,
    problem: Problem,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Problem {
    Length,
    Character,
    Reserved,
}

impl fmt::Display for MetadataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.key.escape_debug();
        match self.problem {
            Problem::Length => write!(
                f,
                "a metadata key has 1 to {} characters, this one has {}",
                limits::METADATA_KEY,
                self.key.len()
            ),
            Problem::Character => {
                write!(f, "a metadata key is made of `a-z 0-9 - _ .`, which \"{key}\" is not")
            }
            Problem::Reserved => {
                write!(f, "metadata keys that begin with `rpc-` are the protocol's own: \"{key}\"")
            }
        }
    }
}

impl std::error::Error for MetadataError {}

/// Checks a key's form, not whether it is reserved.
pub(crate) fn check_key(key: &str) -> Result<(), MetadataError> {
    let problem = if key.is_empty() || key.len() > limits::METADATA_KEY {
        Problem::Length
    } else if !key.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.')) {
        Problem::Character
    } else {
        return Ok(());
    };
    let shown = key.chars().take(limits::METADATA_KEY + 1).collect();
    Err(MetadataError { key: shown, problem })
}

/// How the protocol's own keys begin.
const RESERVED: &str = "rpc-";

/// Where credentials stand, as in HTTP.
pub(crate) const AUTHORIZATION: &str = "authorization";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_value_and_keeps_its_place() {
        let mut metadata = Metadata::new();
        metadata.set("a", "1").unwrap();
        metadata.set("b", vec![0, 255]).unwrap();
        metadata.set("a", "2").unwrap();
        let keys: Vec<_> = metadata.iter().map(Entry::key).collect();
        assert_eq!(keys, ["a", "b"]);
        assert_eq!(metadata.text("a"), Some("2"));
        assert_eq!(metadata.text("b"), None);
        assert_eq!(metadata.bytes("b"), Some(&[0, 255][..]));
        assert_eq!(metadata.remove("a"), Some(Value::Text("2".into())));
        assert_eq!(metadata.len(), 1);
    }

    #[test]
    fn bad_keys_are_refused_with_their_reason() {
        let mut metadata = Metadata::new();
        for (key, reason) in [
            (String::new(), "1 to 128"),
            ("k".repeat(129), "129"),
            ("Tenant".into(), "a-z"),
            ("a\nb".into(), "a\\nb"),
            ("rpc-attempt".into(), "protocol's own"),
        ] {
            let error = metadata.set(key, "x").unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
        assert!(metadata.is_empty());
    }

    #[test]
    fn secrets_and_bytes_do_not_show() {
        let mut metadata = Metadata::new();
        metadata.set("token", "s3cret").unwrap().sensitive();
        metadata.set("blob", vec![1, 2, 3]).unwrap();
        assert_eq!(format!("{metadata:?}"), "[token: (sensitive), blob: (3 bytes)]");
    }

    #[test]
    fn a_credential_is_a_secret_and_goes_no_further() {
        let (mut parent, mut child) = (Metadata::new(), Metadata::new());
        parent.set("authorization", "Bearer s3cret").unwrap().propagate().credential().propagate();
        child.inherit(&parent);
        assert!(child.is_empty());
        assert_eq!(format!("{parent:?}"), "[authorization: (sensitive)]");
        parent.set("authorization", "Bearer s3cret").unwrap().propagate();
        parent.set("key", "s3cret").unwrap().credential();
        child.inherit(&parent);
        assert!(child.is_empty() && parent.iter().all(Entry::is_credential));
        assert!(!format!("{parent:?}").contains("s3cret"));
    }

    #[test]
    fn a_trace_is_inherited_without_a_mark_and_whole() {
        let mut parent = Metadata::new();
        for (key, value) in [("traceparent", "00-1-2-01"), ("tracestate", "vendor=1"), ("baggage", "a=b")] {
            parent.set(key, value).unwrap();
        }
        let mut child = Metadata::new();
        child.inherit(&parent);
        let mut grandchild = Metadata::new();
        grandchild.inherit(&child);
        assert_eq!(format!("{grandchild:?}"), format!("{parent:?}"), "further hops carry it too");
    }

    #[test]
    fn only_marked_entries_are_inherited_and_own_ones_win() {
        let mut parent = Metadata::new();
        parent.set("tenant", "blue").unwrap().propagate();
        parent.set("region", "north").unwrap().propagate();
        parent.set("local", "x").unwrap();
        let mut child = Metadata::new();
        child.set("region", "south").unwrap();
        child.inherit(&parent);
        assert_eq!(child.text("tenant"), Some("blue"));
        assert_eq!(child.text("region"), Some("south"));
        assert_eq!(child.text("local"), None);
        assert!(child.iter().any(|entry| entry.key() == "tenant" && entry.propagates()));
    }
}
