//! Payloads: one byte that names a type, then any bytes, scanned and decoded. What decodes, decodes again from what it
//! encodes to.

use std::collections::BTreeMap;
use std::fmt::Debug;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use traitwire::codec::{ArgumentsDecoder, ScanLimits, decode, encode, scan, scan_prefix};

/// Every form of variant, and as deep as it likes.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
enum Tree {
    Leaf,
    Not(Box<Tree>),
    Both(Box<Tree>, Box<Tree>),
    Of { name: String, parts: Vec<Tree> },
    Wrapped(Option<Box<Tree>>),
}

/// What a value of no known type becomes.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
#[serde(untagged)]
enum Value {
    Nil,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Text(String),
    List(Vec<Value>),
    Map(BTreeMap<String, Value>),
}

#[derive(Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
struct Record {
    id: u64,
    small: i8,
    letter: char,
    wide: u128,
    text: Option<String>,
    #[serde(with = "serde_bytes")]
    blob: Vec<u8>,
    pair: (u8, i64),
    unit: (),
    inner: Option<Box<Record>>,
    by_number: BTreeMap<i32, Vec<Option<u64>>>,
}

#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Borrowed<'a> {
    text: &'a str,
    #[serde(with = "serde_bytes")]
    blob: &'a [u8],
}

#[derive(Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "kind", content = "of")]
enum Tagged {
    One(u8),
    Two { a: String },
    Three,
}

#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Flat {
    id: u8,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

pub fn body(data: &[u8]) {
    let Some((&which, bytes)) = data.split_first() else { return };
    let limits = match which / 32 {
        0 => ScanLimits { depth: 4, elements: 16 },
        _ => ScanLimits::for_body(bytes.len()),
    };
    let whole = scan(bytes, &limits);
    if let Ok(length) = scan_prefix(bytes, &limits) {
        assert!((1..=bytes.len()).contains(&length));
        assert_eq!(whole.is_ok(), length == bytes.len());
        assert!(scan(&bytes[..length], &limits).is_ok());
        assert!(scan_prefix(&bytes[..length - 1], &limits).is_err());
    }
    if let Ok(elements) = whole {
        assert!(elements <= limits.elements && (elements as usize) < bytes.len().max(1));
    }
    let decoded = match which % 12 {
        0 => there_and_back::<Tree>(bytes, &limits),
        1 => there_and_back::<Value>(bytes, &limits),
        2 => there_and_back::<Record>(bytes, &limits),
        3 => there_and_back::<Vec<Option<u64>>>(bytes, &limits),
        4 => there_and_back::<BTreeMap<String, Vec<i16>>>(bytes, &limits),
        5 => there_and_back::<Tagged>(bytes, &limits),
        6 => there_and_back::<Flat>(bytes, &limits),
        7 => there_and_back::<(u8, String, Vec<u8>, [i32; 3])>(bytes, &limits),
        8 => there_and_back::<Result<Vec<Tree>, String>>(bytes, &limits),
        9 => decode::<Borrowed<'_>>(bytes, &limits).is_ok_and(|value| {
            let mut again = Vec::new();
            encode(&value, &mut again).expect("what was decoded can be encoded");
            assert_eq!(decode::<Borrowed<'_>>(&again, &limits).as_ref().ok(), Some(&value));
            true
        }),
        10 => {
            decode::<f64>(bytes, &limits).is_ok() || decode::<serde::de::IgnoredAny>(bytes, &limits).is_ok()
        }
        _ => arguments(bytes, &limits),
    };
    assert!(!decoded || whole.is_ok(), "nothing decodes that the scan refuses");
}

fn there_and_back<T: DeserializeOwned + Serialize + Debug + PartialEq>(
    bytes: &[u8],
    limits: &ScanLimits,
) -> bool {
    let Ok(value) = decode::<T>(bytes, limits) else { return false };
    let mut again = Vec::new();
    // Missing fields come to life as defaults, so what comes back may be larger than what was sent.
    let roomy = ScanLimits { depth: u8::MAX, elements: u32::MAX };
    if encode(&value, &mut again).is_ok() {
        assert_eq!(decode::<T>(&again, &roomy).as_ref().ok(), Some(&value));
    }
    true
}

fn arguments(bytes: &[u8], limits: &ScanLimits) -> bool {
    let Ok(mut arguments) = ArgumentsDecoder::new(bytes, limits) else { return false };
    let _ = arguments.next::<&str>("first").is_ok()
        && arguments.next::<Option<u64>>("second").is_ok()
        && arguments.next_or_default::<Vec<u8>>("third").is_ok()
        && arguments.next::<Tree>("fourth").is_ok();
    true
}
