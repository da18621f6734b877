//! Owns how a `Cow` argument is read: as a view of the message wherever its bytes lie there as they are. serde's own
//! `Deserialize` for `Cow` always copies.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// What a `Cow` argument may lend: `str` and `[u8]`.
pub trait Lend: ToOwned + 'static {
    #[doc(hidden)]
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'de, Self>, D::Error>;
}

impl Lend for str {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'de, Self>, D::Error> {
        deserializer.deserialize_str(Lender::<Self>(PhantomData))
    }
}

impl Lend for [u8] {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'de, Self>, D::Error> {
        deserializer.deserialize_bytes(Lender::<Self>(PhantomData))
    }
}

/// A `Cow` as it is read.
pub(super) struct Lent<'de, B: Lend + ?Sized>(pub(super) Cow<'de, B>);

impl<'de, B: Lend + ?Sized> Deserialize<'de> for Lent<'de, B> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        B::read(deserializer).map(Self)
    }
}

impl<B: Lend + ?Sized> Default for Lent<'_, B>
where
    B::Owned: Default,
{
    fn default() -> Self {
        Self(Cow::Owned(B::Owned::default()))
    }
}

struct Lender<B: ?Sized>(PhantomData<fn() -> B>);

impl<'de> Visitor<'de> for Lender<str> {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

impl<'de> Visitor<'de> for Lender<[u8]> {
    type Value = Cow<'de, [u8]>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(bytes))
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        Ok(Cow::Owned(bytes.to_vec()))
    }

    fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Self::Value, E> {
        Ok(Cow::Owned(bytes))
    }
}
