//! Owns [`Value`] and [`View`], the two ways in which a type can travel, and how much of it a method takes.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::call::{Caps, MethodDescriptor, Payload};
use crate::codec::{Encoded, ScanLimits};

/// A type that owns what it holds and can travel both ways.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot travel: it lacks serde's `Serialize` or `Deserialize`",
    label = "cannot be sent and received",
    note = "put `#[derive(serde::Serialize, serde::Deserialize)]` on it",
    note = "a type that borrows from the message says so with a lifetime: `Name<'_>`"
)]
pub trait Value: Serialize + DeserializeOwned + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + 'static> Value for T {}

/// A type that can travel and may borrow from the message that it is read from.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot travel: it lacks serde's `Serialize` or `Deserialize`",
    label = "cannot be sent and received",
    note = "put `#[derive(serde::Serialize, serde::Deserialize)]` on it"
)]
pub trait View<'de>: Serialize + Deserialize<'de> {}

#[diagnostic::do_not_recommend]
impl<'de, T: Serialize + Deserialize<'de>> View<'de> for T {}

/// A payload to be read, whose buffer values may share.
pub(super) fn encoded(payload: &Payload) -> Encoded<'_> {
    Encoded::within(payload.bytes(), payload.shareable())
}

/// What a payload may hold: its size and its receiver's settings say, and the method may allow more elements.
pub(super) fn limits(method: &MethodDescriptor, payload: &Payload) -> ScanLimits {
    item_limits(method, payload.bytes().len(), payload.caps())
}

/// The same for an item of this size.
pub(super) fn item_limits(method: &MethodDescriptor, size: usize, caps: Caps) -> ScanLimits {
    let mut limits = ScanLimits::for_body(size);
    limits.depth = caps.depth;
    limits.elements = caps.elements.unwrap_or(limits.elements);
    limits.elements = method.elements.map_or(limits.elements, |elements| elements.max(limits.elements));
    limits
}
