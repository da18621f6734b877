//! Owns [`Payload`]: encoded bytes that give themselves back. Does not know what they encode.

use std::fmt;
use std::sync::Arc;

use crate::limits;

/// Encoded arguments, an encoded value or error.
///
/// The bytes of a received one count against its connection's budget until this is dropped, and then serve the
/// next message.
#[derive(Default)]
pub struct Payload {
    bytes: Vec<u8>,
    reserved: usize,
    /// The call's id on its connection.
    call: u32,
    owner: Option<Arc<dyn Reclaim>>,
    caps: Caps,
}

/// What a received payload may hold, as its receiver's settings say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Caps {
    /// How deep arrays and maps may nest.
    pub(crate) depth: u8,
    /// How many elements there may be; `None` for what the payload's size allows.
    pub(crate) elements: Option<u32>,
}

impl Default for Caps {
    fn default() -> Self {
        Self { depth: limits::MAX_DEPTH, elements: None }
    }
}

/// Where a payload's bytes go when it is dropped.
pub(crate) trait Reclaim: Send + Sync {
    /// Takes the buffer of this call back, and what it held of the budget.
    fn reclaim(&self, bytes: Vec<u8>, reserved: usize, call: u32);
}

impl Payload {
    /// Bytes that belong to nobody else.
    pub const fn new(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            reserved: 0,
            call: 0,
            owner: None,
            caps: Caps { depth: limits::MAX_DEPTH, elements: None },
        }
    }

    /// Bytes that go back to `owner`, with what they hold of its budget.
    pub(crate) fn owned(parts: (Vec<u8>, usize, u32), owner: Arc<dyn Reclaim>, caps: Caps) -> Self {
        let (bytes, reserved, call) = parts;
        Self { bytes, reserved, call, owner: Some(owner), caps }
    }

    /// What it may hold.
    pub(crate) const fn caps(&self) -> Caps {
        self.caps
    }

    /// The encoded bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes, to be sent on. A small payload that was received is copied, because its connection uses the buffer again.
    pub(crate) fn into_bytes(mut self) -> Vec<u8> {
        let is_lent = self.owner.is_some() && self.bytes.len() <= limits::INLINE_PAYLOAD;
        if is_lent { self.bytes.clone() } else { std::mem::take(&mut self.bytes) }
    }
}

impl Clone for Payload {
    fn clone(&self) -> Self {
        Self::new(self.bytes.clone())
    }
}

impl Drop for Payload {
    fn drop(&mut self) {
        if let Some(owner) = self.owner.take() {
            // A large buffer serves nobody again, and takes long to give back to the system: not under the owner's lock.
            let is_small = self.bytes.capacity() <= limits::INLINE_PAYLOAD;
            let bytes = if is_small { std::mem::take(&mut self.bytes) } else { Vec::new() };
            owner.reclaim(bytes, self.reserved, self.call);
        }
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.bytes.len())
    }
}
