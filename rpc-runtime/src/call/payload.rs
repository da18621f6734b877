//! Owns [`Payload`]: encoded bytes that give themselves back. Does not know what they encode.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::call::{Load, buffers};
use crate::limits;

/// Encoded arguments, an encoded value or error.
///
/// The bytes of a received one, if they are many, count against its connection's budget until this is dropped. [`Bytes`]
/// that were read from it share its buffer, and are the application's. A buffer that nobody has any more serves the next
/// message.
#[derive(Default)]
pub struct Payload {
    bytes: Load,
    /// What it holds of a budget: whose, how much, and for which call.
    held: Option<Box<Held>>,
    caps: Caps,
}

/// The buffer of a large payload that was received.
struct Received(Vec<u8>);

/// What a payload holds of its connection's budget.
struct Held {
    owner: Arc<dyn Reclaim>,
    reserved: usize,
    /// The call's id on its connection.
    call: u32,
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

/// Whose budget a large payload counts against until it is dropped.
pub(crate) trait Reclaim: Send + Sync {
    /// Takes back what a payload of this call held of the budget.
    fn reclaim(&self, reserved: usize, call: u32);
}

impl Payload {
    /// Bytes that belong to nobody else.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self::leaving(bytes.into())
    }

    /// Bytes that are to be sent.
    pub(crate) const fn leaving(bytes: Load) -> Self {
        Self { bytes, held: None, caps: Caps { depth: limits::MAX_DEPTH, elements: None } }
    }

    /// Bytes that were received, which go back to `owner` if they hold something of its budget.
    pub(crate) fn received<O: Reclaim + 'static>(
        parts: (Vec<u8>, usize, u32),
        owner: &Arc<O>,
        caps: Caps,
    ) -> Self {
        let (bytes, reserved, call) = parts;
        let held = (reserved > 0).then(|| Box::new(Held { owner: Arc::<O>::clone(owner), reserved, call }));
        let bytes = match bytes.len() > limits::INLINE_PAYLOAD {
            true => Load::shared(Bytes::from_owner(Received(bytes))),
            false => Load::from(bytes),
        };
        Self { bytes, held, caps }
    }

    /// What it may hold.
    pub(crate) const fn caps(&self) -> Caps {
        self.caps
    }

    /// The encoded bytes.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.bytes()
    }

    /// How many they are.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The buffer that they lie in, if values that are read from them may share it.
    pub(crate) fn shareable(&self) -> Option<&Bytes> {
        self.bytes.shareable()
    }

    /// The bytes, to be sent on.
    pub(crate) fn into_load(mut self) -> Load {
        std::mem::take(&mut self.bytes)
    }
}

impl Clone for Payload {
    fn clone(&self) -> Self {
        Self { bytes: self.bytes.clone(), held: None, caps: self.caps }
    }
}

impl Payload {
    /// Gives back what it holds.
    fn give_back(&mut self) {
        drop(self.bytes.recycle());
        if let Some(held) = self.held.take() {
            let Held { owner, reserved, call } = *held;
            owner.reclaim(reserved, call);
        }
    }
}

impl Drop for Payload {
    // Most that are dropped are empty: their bytes have gone on.
    #[inline]
    fn drop(&mut self) {
        if self.bytes.has_buffer() || self.held.is_some() {
            self.give_back();
        }
    }
}

impl AsRef<[u8]> for Received {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        buffers::put(std::mem::take(&mut self.0));
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.len())
    }
}
