//! Every way in which serde lays out a type, there and back; each with bytes inside.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::fmt::Debug;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::{decoded, encoded, round_trips};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Inner<B> {
    name: String,
    data: B,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<B>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum External<B> {
    Unit,
    New(B),
    Maybe(Option<B>),
    Tuple(B, u8, B),
    Struct { data: B, n: i32 },
    Deep(Vec<Self>),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Internal<B> {
    Unit,
    New(Inner<B>),
    Struct { data: B, n: i32 },
    Deep { of: Vec<Self> },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "t", content = "c")]
enum Adjacent<B> {
    Unit,
    New(B),
    Tuple(B, u8),
    Struct { data: B, n: i32 },
    Deep(Vec<Self>),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged<B> {
    Unit,
    Number(i64),
    Struct { data: B, n: i32 },
    Tuple(B, String),
    New(B),
    Deep(Vec<Self>),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Flat<B> {
    id: u32,
    #[serde(flatten)]
    inner: Inner<B>,
    #[serde(flatten)]
    rest: BTreeMap<String, B>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Framed<K> {
    id: u32,
    #[serde(flatten)]
    kind: K,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Everything<B> {
    external: Vec<External<B>>,
    internal: Vec<Internal<B>>,
    adjacent: Vec<Adjacent<B>>,
    untagged: Vec<Untagged<B>>,
    flat: Flat<B>,
    pairs: BTreeMap<String, (B, Option<B>)>,
}

#[track_caller]
fn all_shapes<B>(data: &B)
where
    B: Clone + Debug + Eq + Serialize + DeserializeOwned,
{
    let data = || data.clone();
    let inner = || Inner { name: "in".to_owned(), data: data(), note: Some(data()) };
    let external = vec![
        External::Unit,
        External::New(data()),
        External::Maybe(None),
        External::Maybe(Some(data())),
        External::Tuple(data(), 7, data()),
        External::Struct { data: data(), n: -1 },
    ];
    let internal = vec![Internal::Unit, Internal::New(inner()), Internal::Struct { data: data(), n: -1 }];
    let adjacent = vec![
        Adjacent::Unit,
        Adjacent::New(data()),
        Adjacent::Tuple(data(), 200),
        Adjacent::Struct { data: data(), n: -1 },
    ];
    let untagged = vec![
        Untagged::Number(5),
        Untagged::Unit,
        Untagged::New(data()),
        Untagged::Tuple(data(), "x".to_owned()),
        Untagged::Struct { data: data(), n: -1 },
    ];
    external.iter().cloned().for_each(round_trips);
    internal.iter().cloned().for_each(round_trips);
    adjacent.iter().cloned().for_each(round_trips);
    untagged.iter().cloned().for_each(round_trips);
    internal.iter().cloned().map(|kind| Framed { id: 1, kind }).for_each(round_trips);
    adjacent.iter().cloned().map(|kind| Framed { id: 1, kind }).for_each(round_trips);
    round_trips(Framed { id: 1, kind: External::New(data()) });
    round_trips(Framed { id: 1, kind: External::Struct { data: data(), n: -1 } });
    let rest = BTreeMap::from([("more".to_owned(), data()), ("other".to_owned(), data())]);
    let flat = Flat { id: 1, inner: inner(), rest };
    round_trips(Everything {
        external: [external.clone(), vec![External::Deep(external)]].concat(),
        internal: [internal.clone(), vec![Internal::Deep { of: internal }]].concat(),
        adjacent: [adjacent.clone(), vec![Adjacent::Deep(adjacent)]].concat(),
        untagged: [untagged.clone(), vec![Untagged::Deep(untagged)]].concat(),
        flat,
        pairs: BTreeMap::from([("p".to_owned(), (data(), None)), ("q".to_owned(), (data(), Some(data())))]),
    });
}

#[test]
fn bytes_live_in_every_shape() {
    all_shapes(&vec![1_u8, 128, 255]);
    all_shapes(&[1_u8, 128, 255, 0]);
    all_shapes(&ByteBuf::from([1, 128, 255]));
    all_shapes(&Bytes::from_static(&[1, 128, 255]));
    all_shapes(&vec![0_u8; 500]);
}

#[test]
fn empty_bytes_live_in_every_shape() {
    all_shapes(&Vec::<u8>::new());
    all_shapes(&ByteBuf::new());
    all_shapes(&Bytes::new());
}

#[test]
fn values_without_bytes_live_in_every_shape() {
    all_shapes(&"text".to_owned());
    all_shapes(&vec![300_u16, 1]);
    all_shapes(&vec!["a".to_owned()]);
    all_shapes(&true);
}

#[test]
fn a_flattened_map_takes_what_no_field_took() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Open {
        id: u32,
        #[serde(flatten)]
        rest: HashMap<String, Vec<u8>>,
    }
    let rest = HashMap::from([("a".to_owned(), vec![1, 2]), ("b".to_owned(), vec![])]);
    round_trips(Open { id: 1, rest });
}

#[test]
fn a_flattened_map_may_have_keys_that_are_no_text() {
    let kind = HashMap::from([(1, "a".to_owned()), (-300, "b".to_owned())]);
    assert_eq!(encoded(&Framed { id: 1, kind: HashMap::<i32, u8>::new() }), *b"\x81\xa2id\x01");
    round_trips(Framed { id: 1, kind });
}

#[test]
fn standard_types() {
    round_trips((u8::MAX, i8::MIN, u16::MAX, i16::MIN, u32::MAX, i32::MIN, u64::MAX, i64::MIN));
    round_trips((u128::MAX, i128::MIN, i128::MAX, 5_u128, -5_i128, i128::from(u64::MAX)));
    round_trips((f32::MIN_POSITIVE, f64::MAX, f64::INFINITY, '\u{10ffff}', String::from("\0é")));
    round_trips((Some(Some(1)), None::<String>, (), ((),), [[1_u8; 2]; 3]));
    round_trips((HashSet::from([1_u8, 2]), BTreeSet::from([3_u8]), VecDeque::from([4_u8]), Box::new([5_u8])));
    round_trips(HashMap::from([(vec![1_u8], 1), (vec![], 2)]));
    round_trips(BTreeMap::from([(-5, "a".to_owned()), (300, "b".to_owned())]));
    round_trips((Duration::from_millis(1_500), Ok::<u8, String>(1), Err::<u8, String>("no".to_owned())));
    round_trips::<(IpAddr, SocketAddr)>(("::1".parse().unwrap(), "127.0.0.1:80".parse().unwrap()));
    round_trips(serde_json::json!({"a": [1, -2, 1.5, null, true, {"b": "c"}], "d": []}));
}

#[test]
fn some_of_none_is_none() {
    assert_eq!(decoded::<Option<Option<u8>>>(&encoded(&Some(None::<u8>))).unwrap(), None);
    assert_eq!(decoded::<Option<()>>(&encoded(&Some(()))).unwrap(), None);
}

#[test]
fn text_and_bytes_are_views() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Views<'a> {
        text: &'a str,
        #[serde(with = "serde_bytes")]
        bytes: &'a [u8],
        plain: &'a [u8],
    }
    let bytes = encoded(&Views { text: "abc", bytes: &[1, 2], plain: &[3] });
    let views: Views<'_> = decoded(&bytes).unwrap();
    assert_eq!(views, Views { text: "abc", bytes: &[1, 2], plain: &[3] });
    let whole = bytes.as_ptr_range();
    assert!(whole.contains(&views.text.as_ptr()) && whole.contains(&views.bytes.as_ptr()));
    assert!(whole.contains(&views.plain.as_ptr()));
}

#[test]
fn an_empty_sequence_is_empty_bytes() {
    let empty = encoded(&Vec::<u8>::new());
    assert_eq!(decoded::<&[u8]>(&empty).unwrap(), [0_u8; 0]);
    assert_eq!(decoded::<ByteBuf>(&empty).unwrap(), ByteBuf::new());
    assert_eq!(decoded::<Bytes>(&empty).unwrap(), Bytes::new());
    let empty = encoded(&ByteBuf::new());
    assert_eq!(decoded::<Vec<u8>>(&empty).unwrap(), [0_u8; 0]);
    assert_eq!(decoded::<[u8; 0]>(&empty).unwrap(), [0_u8; 0]);
    assert_eq!(decoded::<Vec<String>>(&empty).unwrap(), Vec::<String>::new());
}

#[test]
fn a_contract_may_grow() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Old {
        a: u8,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct New {
        more: BTreeMap<String, Vec<Vec<u8>>>,
        a: u8,
        b: Option<u8>,
    }
    let more = BTreeMap::from([("x".to_owned(), vec![vec![1], vec![]])]);
    let new = encoded(&New { more, a: 1, b: Some(2) });
    assert_eq!(decoded::<Old>(&new).unwrap(), Old { a: 1 });
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Wider {
        a: u64,
        b: Option<u8>,
    }
    assert_eq!(decoded::<Wider>(&encoded(&Old { a: 1 })).unwrap(), Wider { a: 1, b: None });
}

#[test]
fn a_struct_is_read_whatever_the_order_and_the_form_of_its_keys() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Two {
        one: u8,
        two: u8,
    }

    let as_written: &[u8] = b"\x82\xa3one\x01\xa3two\x02";
    let others: [&[u8]; 4] = [
        b"\x82\xa3two\x02\xa3one\x01",
        b"\x82\xd9\x03one\x01\xda\x00\x03two\x02",
        b"\x83\xa3new\xc0\xa3one\x01\xa3two\x02",
        b"\x83\xa4onet\x07\xa3one\x01\xa3two\x02",
    ];
    for bytes in others.into_iter().chain([as_written]) {
        assert_eq!(decoded::<Two>(bytes).unwrap(), Two { one: 1, two: 2 }, "{bytes:x?}");
    }
    let twice = decoded::<Two>(b"\x83\xa3one\x01\xa3one\x01\xa3two\x02").unwrap_err();
    assert!(twice.to_string().contains("duplicate field `one`"), "{twice}");
    assert!(decoded::<Two>(b"\x82\xa3on\xff\x01\xa3two\x02").is_err(), "a key that is not UTF-8");
}

#[test]
fn what_other_languages_write_is_read() {
    assert_eq!(decoded::<f64>(&encoded(&5)).unwrap(), 5.0, "an integer is a float");
    assert_eq!(decoded::<f32>(&encoded(&-5)).unwrap(), -5.0);
    assert_eq!(decoded::<f32>(&encoded(&1.5_f64)).unwrap(), 1.5);
    assert_eq!(decoded::<u8>(&[0xd3, 0, 0, 0, 0, 0, 0, 0, 9]).unwrap(), 9, "not the smallest form");
    assert_eq!(decoded::<String>(&[0xdb, 0, 0, 0, 1, b'a']).unwrap(), "a");
    assert_eq!(decoded::<External<u8>>(b"\x81\xa4Unit\xc0").unwrap(), External::Unit);
    assert_eq!(decoded::<External<u8>>(b"\x81\xa5Tuple\x93\x01\x02\x03").unwrap(), External::Tuple(1, 2, 3));
    assert_eq!(decoded::<(u8, u8)>(&[0x92, 1, 2]).unwrap(), (1, 2));
}

#[test]
fn what_is_not_the_type_says_so() {
    #[track_caller]
    fn refused<'de, T: Deserialize<'de> + Debug>(bytes: &'de [u8], error: &str) {
        assert_eq!(decoded::<T>(bytes).unwrap_err().to_string(), error);
    }
    refused::<i64>(b"\xa1a", "invalid type: string \"a\", expected i64");
    refused::<u8>(&[0xcd, 1, 44], "invalid value: integer `300`, expected u8");
    refused::<u32>(&[0xff], "invalid value: integer `-1`, expected u32");
    refused::<i64>(&[0xcb, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0], "invalid type: floating point `1.5`, expected i64");
    refused::<String>(&[0xc4, 1, b'a'], "invalid type: byte array, expected a string");
    refused::<String>(&[0xa1, 0xff], "invalid type: byte array, expected text in UTF-8");
    refused::<bool>(&[0x90], "invalid type: sequence, expected a boolean");
    refused::<Vec<u8>>(b"\xa1a", "invalid type: string \"a\", expected a sequence");
    refused::<(u8, u8)>(&[0xc4, 1, 9], "invalid length 1, expected a tuple of size 2");
    refused::<(u8, u8)>(&[0xc4, 3, 1, 2, 3], "invalid length 3, expected 2 members");
    refused::<(u8, u8)>(&[0x93, 1, 2, 3], "invalid length 3, expected 2 members");
    refused::<Inner<u8>>(&[0x90], "invalid type: sequence, expected struct Inner");
    refused::<ByteBuf>(&[0x92, 1, 0xff], "invalid type: integer `-1`, expected a byte");
    refused::<u128>(&[0xc4, 1, 9], "invalid type: byte array, expected u128");
    refused::<External<u8>>(b"\x80", "invalid length 0, expected a map of one entry, the variant");
    refused::<External<u8>>(b"\x81\x00\xc0", "invalid type: integer `0`, expected the name of a variant");
    refused::<External<u8>>(b"\x81\xa4Unit\x01", "invalid type: integer `1`, expected unit variant");
    refused::<External<u8>>(b"\xa3New", "invalid type: unit variant, expected newtype variant");
    refused::<u8>(&[1, 2], "the value ends at byte 1, but bytes follow");
}

#[test]
fn a_type_that_leaves_its_value_unread_is_at_fault() {
    #[derive(Debug)]
    struct Lazy;
    impl<'de> Deserialize<'de> for Lazy {
        fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            Ok(Self)
        }
    }
    assert_eq!(decoded::<Lazy>(&[1]).unwrap_err().to_string(), "the type did not read all of its value");
    assert!(decoded::<(Lazy, Vec<String>)>(&[0x92, 1, 0x90]).is_err());
}

fn untagged() -> impl Strategy<Value = Untagged<Vec<u8>>> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(Untagged::Number),
        Just(Untagged::Unit),
        any::<(Vec<u8>, i32)>().prop_map(|(data, n)| Untagged::Struct { data, n }),
        any::<(Vec<u8>, String)>().prop_map(|(data, text)| Untagged::Tuple(data, text)),
        any::<Vec<u8>>().prop_map(Untagged::New),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        // One that an earlier variant would not claim.
        prop::collection::vec(inner, 0..4)
            .prop_map(|items| Untagged::Deep([vec![Untagged::Unit], items].concat()))
    })
}

/// Items of which some serialize as `u8`, in any mixture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Mixed {
    Byte(u8),
    Wide(i64),
    Text(String),
    List(Vec<Self>),
}

fn mixed() -> impl Strategy<Value = Mixed> {
    let leaf = prop_oneof![
        8 => any::<u8>().prop_map(Mixed::Byte),
        1 => (256..i64::MAX).prop_map(Mixed::Wide),
        1 => any::<String>().prop_map(Mixed::Text),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| prop::collection::vec(inner, 0..6).prop_map(Mixed::List))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn untagged_values_round_trip(value in prop::collection::vec(untagged(), 0..4)) {
        round_trips(value);
    }

    #[test]
    fn mixtures_of_bytes_and_others_round_trip(value in prop::collection::vec(mixed(), 0..600)) {
        round_trips(value);
    }

    #[test]
    fn bytes_round_trip(value: Vec<u8>) {
        let bytes = encoded(&value);
        prop_assert_eq!(decoded::<&[u8]>(&bytes).unwrap(), &value);
        round_trips((value.clone(), ByteBuf::from(value.clone()), Bytes::from(value)));
    }

    #[test]
    fn wide_integers_round_trip(unsigned: u128, signed: i128, shift in 0..128_u32) {
        round_trips((unsigned >> shift, signed >> shift));
    }
}
