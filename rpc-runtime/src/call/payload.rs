//! Owns [`Payload`]: encoded bytes that give themselves back. Does not know what they encode.

use std::fmt;
use std::sync::Arc;

use crate::call::buffers;
use crate::limits;

/// Encoded arguments, an encoded value or error.
///
/// The bytes of a received one, if they are many, count against its connection's budget until this is dropped. A small
/// buffer serves the next message then.
#[derive(Default)]
pub struct Payload {
    bytes: Vec<u8>,
    /// What it holds of a budget: whose, how much, and for which call.
    held: Option<Held>,
    caps: Caps,
}

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
    pub const fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, held: None, caps: Caps { depth: limits::MAX_DEPTH, elements: None } }
    }

    /// Bytes that were received, which go back to `owner` if they hold something of its budget.
    pub(crate) fn received<O: Reclaim + 'static>(
        parts: (Vec<u8>, usize, u32),
        owner: &Arc<O>,
        caps: Caps,
    ) -> Self {
        let (bytes, reserved, call) = parts;
        let held = (reserved > 0).then(|| Held { owner: Arc::<O>::clone(owner), reserved, call });
        Self { bytes, held, caps }
    }

    /// What it may hold.
    pub(crate) const fn caps(&self) -> Caps {
        self.caps
    }

    /// The encoded bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes, to be sent on.
    pub(crate) fn into_bytes(mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }
}

impl Clone for Payload {
    fn clone(&self) -> Self {
        Self::new(self.bytes.clone())
    }
}

impl Payload {
    /// Gives back what it holds.
    fn give_back(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        match self.held.take() {
            // Its buffer is large, and giving that back to the system takes long: not under the owner's lock.
            Some(Held { owner, reserved, call }) => owner.reclaim(reserved, call),
            None => buffers::put(bytes),
        }
    }
}

impl Drop for Payload {
    // Most that are dropped are empty: their bytes have gone on.
    #[inline]
    fn drop(&mut self) {
        if self.bytes.capacity() > 0 || self.held.is_some() {
            self.give_back();
        }
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.bytes.len())
    }
}
