//! Input and types that mean harm: each costs an error, never the process.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Debug;

use bytes::Bytes;
use proptest::prelude::*;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::{decoded, encoded};
use crate::codec::{ScanError, ScanLimits, decode, encode};

/// The smallest stack that anybody gives a thread of ours, in a debug build: the largest frames.
fn on_a_small_stack(test: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(512 << 10).spawn(test).unwrap().join().unwrap();
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Tree {
    Leaf,
    Not(Box<Self>),
    Node(Vec<Self>),
    Both { left: Box<Self>, name: String },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Loose {
    Text(String),
    Map(BTreeMap<String, Self>),
    List(Vec<Self>),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "t")]
enum Tagged {
    Leaf,
    Node { of: Vec<Self> },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "t", content = "c")]
enum Adjacent {
    Leaf,
    Node(Vec<Self>),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Mixed {
    Byte(u8),
    List(Vec<Self>),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Flat {
    name: String,
    #[serde(flatten)]
    rest: BTreeMap<String, Self>,
}

/// As many levels as there are, of a value that grows by one container with each.
fn nest<T>(levels: usize, leaf: T, grow: impl Fn(T) -> T) -> T {
    (0..levels).fold(leaf, |value, _| grow(value))
}

/// `levels` fit; one more is refused going out, and, made by hand, coming in.
#[track_caller]
fn fits<T>(levels: usize, leaf: fn() -> T, grow: fn(T) -> T)
where
    T: Serialize + for<'de> Deserialize<'de> + PartialEq + Debug,
{
    let value = nest(levels, leaf(), grow);
    assert_eq!(decoded::<T>(&encoded(&value)).unwrap(), value);
    let mut out = vec![7];
    let error = encode(&grow(value), &mut out).unwrap_err();
    assert_eq!(error.to_string(), "nested deeper than 64 containers");
    assert_eq!(out, [7], "what an error leaves of the buffer");
}

#[test]
fn sixty_four_levels_of_any_type_fit_a_small_stack() {
    on_a_small_stack(|| {
        fits(64, || Tree::Leaf, |tree| Tree::Not(Box::new(tree)));
        fits(32, || Tree::Leaf, |tree| Tree::Node(vec![tree]));
        fits(32, || Tree::Leaf, |tree| Tree::Both { left: Box::new(tree), name: "n".to_owned() });
        fits(64, || Loose::Text("x".to_owned()), |tree| Loose::List(vec![tree]));
        fits(64, || Loose::Text("x".to_owned()), |tree| Loose::Map(BTreeMap::from([("k".to_owned(), tree)])));
        fits(64, || Mixed::Byte(1), |tree| Mixed::List(vec![Mixed::Byte(1), tree]));
        fits(64, || serde_json::Value::Null, |tree| serde_json::json!([tree]));
        fits(64, || serde_json::Value::Null, |tree| serde_json::json!({ "k": tree }));
        let leaf = || Flat { name: String::new(), rest: BTreeMap::new() };
        fits(63, leaf, |tree| Flat { name: String::new(), rest: BTreeMap::from([("k".to_owned(), tree)]) });
    });
    // One level of these takes two containers, and the leaf another one or none.
    on_a_small_stack(|| {
        fits(31, || Tagged::Leaf, |tree| Tagged::Node { of: vec![tree] });
        fits(31, || Adjacent::Leaf, |tree| Adjacent::Node(vec![tree]));
    });
}

#[test]
fn a_level_more_is_refused_on_the_way_in() {
    on_a_small_stack(|| {
        let nots = |levels: usize| [b"\x81\xa3Not".repeat(levels), b"\xa4Leaf".to_vec()].concat();
        assert!(decoded::<Tree>(&nots(64)).is_ok());
        for levels in [65, 100_000] {
            let error = decoded::<Tree>(&nots(levels)).unwrap_err();
            assert_eq!(error.scan_error(), Some(&ScanError::TooDeep { limit: 64, at: 64 * 5 }));
        }
    });
}

#[test]
fn a_type_as_deep_as_memory_is_an_error_on_the_way_out() {
    on_a_small_stack(|| {
        for grow in [|tree| Tree::Not(Box::new(tree)), |tree| Tree::Node(vec![tree])] {
            let tree = nest(100_000, Tree::Leaf, grow);
            assert!(encode(&tree, &mut Vec::new()).is_err());
            // Its own drop would recurse.
            std::mem::forget(tree);
        }
    });
}

#[test]
fn recursion_that_takes_no_byte_ends() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Peano(Option<Box<Self>>);

    on_a_small_stack(|| {
        let error = decoded::<Peano>(&[1]).unwrap_err();
        assert_eq!(error.to_string(), "nested in more than 256 newtypes and options");
        assert!(decoded::<Vec<Peano>>(&[0xc4, 1, 1]).is_err(), "as a byte of a byte string");
        assert!(decoded::<Peano>(&[0xc0]).is_ok());
        let number = nest(100_000, Peano(None), |number| Peano(Some(Box::new(number))));
        let error = encode(&number, &mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "nested in more than 256 newtypes and options");
        std::mem::forget(number);
        let many: Vec<_> = (0..1_000).map(|_| Some(Some(Some(1)))).collect();
        assert_eq!(
            decoded::<Vec<Option<Option<Option<i32>>>>>(&encoded(&many)).unwrap(),
            many,
            "side by side"
        );
    });
}

#[test]
fn many_elements_are_refused_before_they_are_values() {
    let nils = |count: u32| [&[0xdd][..], &count.to_be_bytes(), &vec![0xc0; count as usize]].concat();
    let bomb = nils(4_000_000);
    let error = decoded::<Vec<Option<[u64; 32]>>>(&bomb).unwrap_err();
    assert_eq!(error.scan_error(), Some(&ScanError::TooManyElements { limit: 1_000_001, at: 0 }));
    assert_eq!(decoded::<Vec<()>>(&nils(65_536)).unwrap().len(), 65_536);
    let limits = ScanLimits { elements: 4_000_000, ..ScanLimits::for_body(0) };
    assert_eq!(decode::<Vec<()>>(&bomb, &limits).unwrap().len(), 4_000_000, "a method may raise its limit");
}

#[test]
fn a_length_that_lies_reserves_nothing() {
    // Each of these arrays claims the bytes of all that follow it: serde would reserve 1 MiB a level.
    let nested: Vec<u8> = (0..60_u16).flat_map(|level| [0xdc, 0x13, 0xff - level as u8]).collect();
    let body = [nested, vec![0xc0; 5_000]].concat();
    assert!(decoded::<Tree>(&body).unwrap_err().scan_error().is_some());
    assert!(decoded::<Vec<u64>>(&[0xdd, 255, 255, 255, 255]).is_err());
    assert!(decoded::<HashMap<u8, u8>>(&[0xdf, 255, 255, 255, 255]).is_err());
}

#[test]
fn bytes_that_grow_in_memory_are_charged_as_elements() {
    #[derive(Debug, Serialize, Deserialize)]
    #[serde(tag = "t")]
    enum Upload {
        File { data: Vec<u8> },
    }
    let too_many = "more than 65536 elements: bytes under `flatten`, `tag` or `untagged`, or read as anything but \
                    u8, count one each";
    let upload = |len: usize| encoded(&Upload::File { data: vec![9; len] });
    // The map's two entries are four elements more.
    assert!(decoded::<Upload>(&upload(65_532)).is_ok());
    assert_eq!(decoded::<Upload>(&upload(65_533)).unwrap_err().to_string(), too_many);
    // Larger items than their bytes, without any buffering.
    let bytes = encoded(&vec![9_u8; 65_537]);
    assert_eq!(decoded::<Vec<u64>>(&bytes).unwrap_err().to_string(), too_many);
    assert_eq!(decoded::<Vec<Option<u8>>>(&bytes).unwrap_err().to_string(), too_many);
    assert_eq!(decoded::<Vec<serde_json::Value>>(&bytes).unwrap_err().to_string(), too_many);
    // What stays a byte, or nothing, is free.
    let bytes = encoded(&vec![9_u8; 5_000_000]);
    assert_eq!(decoded::<Vec<u8>>(&bytes).unwrap().len(), 5_000_000);
    assert_eq!(decoded::<Vec<IgnoredAny>>(&bytes).unwrap().len(), 5_000_000);
    assert!(decoded::<IgnoredAny>(&bytes).is_ok());
    assert_eq!(decoded::<HashSet<u8>>(&bytes).unwrap(), HashSet::from([9]));
    let limits = ScanLimits { elements: 6_000_000, ..ScanLimits::for_body(0) };
    assert!(decode::<serde_json::Value>(&bytes, &limits).is_ok());
}

#[test]
fn a_field_that_nobody_knows_is_skipped_without_recursion_or_charge() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Known {
        a: u8,
    }
    on_a_small_stack(|| {
        let deep = [vec![0x91; 62], vec![0x90]].concat();
        let bytes = [&b"\x82\xa1z"[..], &deep, b"\xa1a\x05"].concat();
        assert_eq!(decoded::<Known>(&bytes).unwrap(), Known { a: 5 });
        let bytes = [&b"\x82\xa1z\xc6\x00\x10\x00\x00"[..], &[0; 1 << 20], b"\xa1a\x05"].concat();
        let limits = ScanLimits { elements: 4, depth: 1 };
        assert_eq!(decode::<Known>(&bytes, &limits).unwrap(), Known { a: 5 });
    });
}

#[test]
fn an_error_of_the_user_s_own_code_leaves_the_buffer_as_it_was() {
    struct Refusing;
    impl Serialize for Refusing {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("not today"))
        }
    }
    let mut out = vec![1, 2];
    let error = encode(&(1, "text", vec![Some(Refusing)]), &mut out).unwrap_err();
    assert_eq!((error.to_string().as_str(), &out[..]), ("not today", &[1, 2][..]));
}

#[test]
fn a_size_hint_that_lies_reserves_nothing_that_is_not_there() {
    struct Lying;
    impl Serialize for Lying {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq(Hint(2))
        }
    }
    struct Hint(u8);
    impl Iterator for Hint {
        type Item = u8;
        fn next(&mut self) -> Option<u8> {
            self.0 = self.0.checked_sub(1)?;
            Some(self.0)
        }
        fn size_hint(&self) -> (usize, Option<usize>) {
            (usize::MAX, Some(usize::MAX))
        }
    }
    let error = encode(&Lying, &mut Vec::new()).unwrap_err();
    assert_eq!(error.to_string(), "a length of 18446744073709551615 does not fit in 32 bits");
}

fn never_panics(bytes: &[u8]) {
    type Map = BTreeMap<String, Option<Vec<u8>>>;
    let _ = decoded::<Tree>(bytes);
    let _ = decoded::<Vec<Loose>>(bytes);
    let _ = decoded::<Tagged>(bytes);
    let _ = decoded::<Vec<Adjacent>>(bytes);
    let _ = decoded::<Flat>(bytes);
    let _ = decoded::<(Map, HashMap<i8, Bytes>)>(bytes);
    let _ = decoded::<(u8, Option<&str>, &[u8], [u8; 3])>(bytes);
    let _ = decoded::<(i128, f32, char, ByteBuf, ())>(bytes);
    let _ = decoded::<serde_json::Value>(bytes);
    let _ = decoded::<IgnoredAny>(bytes);
}

/// A byte string that is often a value: markers are likelier than they are among random bytes.
fn soup() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        any::<u8>().prop_map(|byte| vec![byte]),
        (0x80..0xe0_u8).prop_map(|marker| vec![marker]),
        (0..4_u8).prop_map(|len| vec![0x90 | len]),
        (0..3_u8).prop_map(|len| vec![0x80 | len]),
        (0..4_u8).prop_map(|len| [&[0xc4, len][..], &vec![len; len.into()]].concat()),
        prop::sample::select(vec!["Leaf", "Not", "Node", "Both", "left", "name", "t", "c", "of", "k"])
            .prop_map(|text| [&[0xa0 | text.len() as u8][..], text.as_bytes()].concat()),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_values_or_errors(bytes: Vec<u8>) {
        never_panics(&bytes);
    }

    #[test]
    fn so_are_pieces_of_values(bytes in soup()) {
        never_panics(&bytes);
    }

    #[test]
    fn so_are_good_values_that_were_damaged(
        text in "[a-z]{0,40}", levels in 0..12_usize, data: Vec<u8>,
        at in any::<prop::sample::Index>(), byte: u8,
    ) {
        let tree = nest(levels, Tree::Leaf, |tree| {
            Tree::Node(vec![tree, Tree::Both { left: Box::new(Tree::Leaf), name: text.clone() }])
        });
        let mut bytes = encoded(&(tree, data, text));
        let at = at.index(bytes.len());
        bytes[at] = byte;
        never_panics(&bytes);
        never_panics(&bytes[1..]);
        never_panics(&bytes[..at]);
        let _ = decoded::<(Tree, ByteBuf, &str)>(&bytes);
    }
}
