//! What no file of the codec can show alone: whole values out and in again.
//!
//! `golden`: the bytes themselves, and rmp-serde as a second opinion. `shapes`: every way in which serde lays
//! out a type. `hostile`: input and types that mean harm.

mod golden;
mod hostile;
mod shapes;

use std::fmt::Debug;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{DecodeError, ScanLimits, decode, encode};

fn encoded<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    encode(value, &mut out).unwrap();
    out
}

fn decoded<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, DecodeError> {
    decode(bytes, &ScanLimits::for_body(bytes.len()))
}

#[track_caller]
fn round_trips<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: T) {
    let bytes = encoded(&value);
    match decoded::<T>(&bytes) {
        Ok(back) => assert_eq!(back, value, "{bytes:x?}"),
        Err(error) => panic!("{value:?} as {bytes:x?}: {error}"),
    }
}
