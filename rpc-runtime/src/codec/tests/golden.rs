//! The bytes of each kind of value.

use std::cell::Cell;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr};

use bytes::Bytes;
use proptest::prelude::*;
use serde::ser::{SerializeMap, SerializeSeq, SerializeStruct};
use serde::{Deserialize, Serialize, Serializer};
use serde_bytes::ByteBuf;

use super::{decoded, encoded};

#[derive(Serialize)]
struct Unit;

#[derive(Serialize)]
struct Id(u8);

#[derive(Serialize)]
struct Rgb(u8, u8, u8);

#[derive(Serialize)]
struct Point {
    x: i8,
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<i8>,
}

#[derive(Serialize)]
enum Shape {
    Dot,
    Circle(f32),
    Line(i8, bool),
    Box { w: u8 },
}

#[derive(Serialize)]
#[serde(untagged)]
enum Loose {
    Byte(u8),
    Text(&'static str),
    Wide(u64),
    Many(Vec<Self>),
}

#[test]
fn scalars() {
    assert_eq!(encoded(&true), [0xc3]);
    assert_eq!(encoded(&5_u64), [5]);
    assert_eq!(encoded(&-1_i64), [0xff]);
    assert_eq!(encoded(&200_i64), [0xcc, 200]);
    assert_eq!(encoded(&-200_i16), [0xd1, 0xff, 0x38]);
    assert_eq!(encoded(&1.5_f32), [0xca, 0x3f, 0xc0, 0, 0]);
    assert_eq!(encoded(&1.5_f64), [0xcb, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0]);
    assert_eq!(encoded(&'ß'), [0xa2, 0xc3, 0x9f]);
    assert_eq!(encoded("hi"), [0xa2, b'h', b'i']);
    assert_eq!(encoded(&()), [0xc0]);
    assert_eq!(encoded(&Unit), [0xc0]);
    assert_eq!(encoded(&None::<u8>), [0xc0]);
    assert_eq!(encoded(&Some(Id(7))), [7]);
}

#[test]
fn wide_integers_are_integers_while_they_fit() {
    assert_eq!(encoded(&5_u128), [5]);
    assert_eq!(encoded(&-1_i128), [0xff]);
    assert_eq!(encoded(&i128::from(u64::MAX)), encoded(&u64::MAX));
    assert_eq!(encoded(&i128::from(i64::MIN)), encoded(&i64::MIN));
    let over = u128::from(u64::MAX) + 1;
    assert_eq!(encoded(&over), [&[0xc4, 16][..], &over.to_be_bytes()].concat());
    let under = i128::from(i64::MIN) - 1;
    assert_eq!(encoded(&under), [&[0xc4, 16][..], &under.to_be_bytes()].concat());
}

#[test]
fn containers() {
    assert_eq!(encoded(&[300_u16, 1]), [0x92, 0xcd, 1, 44, 1]);
    assert_eq!(encoded(&(1_u8, "a")), [0x92, 1, 0xa1, b'a']);
    assert_eq!(encoded(&Rgb(1, 2, 255)), [0x93, 1, 2, 0xcc, 255], "a tuple struct is always an array");
    assert_eq!(encoded(&BTreeMap::from([(1, true)])), [0x81, 1, 0xc3]);
    assert_eq!(encoded(&Point { x: -1, y: Some(2) }), [0x82, 0xa1, b'x', 0xff, 0xa1, b'y', 2]);
    assert_eq!(encoded(&Point { x: -1, y: None }), [0x81, 0xa1, b'x', 0xff]);
}

#[test]
fn variants() {
    assert_eq!(encoded(&Shape::Dot), *b"\xa3Dot");
    assert_eq!(encoded(&Shape::Circle(1.5)), *b"\x81\xa6Circle\xca\x3f\xc0\0\0");
    assert_eq!(encoded(&Shape::Line(1, true)), *b"\x81\xa4Line\x92\x01\xc3");
    assert_eq!(encoded(&Shape::Box { w: 1 }), *b"\x81\xa3Box\x81\xa1w\x01");
}

#[test]
fn what_knows_a_text_form_takes_it() {
    assert_eq!(encoded(&IpAddr::V4(Ipv4Addr::LOCALHOST)), *b"\xa9127.0.0.1");

    struct Shown(usize);
    impl Serialize for Shown {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(&" ".repeat(self.0))
        }
    }
    for len in [0, 31, 32, 255, 256, 70_000] {
        assert_eq!(encoded(&Shown(len)), encoded(&" ".repeat(len)));
        assert_eq!(encoded(&[Shown(len)]), encoded(&[" ".repeat(len)]));
    }
}

#[test]
fn bytes_need_no_attribute() {
    let bin = [0xc4, 3, 1, 2, 255];
    assert_eq!(encoded(&vec![1_u8, 2, 255]), bin);
    assert_eq!(encoded(&[1_u8, 2, 255]), bin);
    assert_eq!(encoded(&&[1_u8, 2, 255][..]), bin);
    assert_eq!(encoded(&VecDeque::from([1_u8, 2, 255])), bin);
    assert_eq!(encoded(&(1_u8, 2_u8, 255_u8)), bin, "serde shows a tuple of u8 as an array of u8");
    assert_eq!(encoded(&[Id(1), Id(2), Id(255)]), bin, "a newtype is what is in it");
    assert_eq!(encoded(&ByteBuf::from([1, 2, 255])), bin);
    assert_eq!(encoded(&Bytes::from_static(&[1, 2, 255])), bin);
    assert_eq!(encoded(&vec![Some(1_u8), Some(2)]), [0x92, 1, 2], "an option is no byte, whatever is in it");
    assert_eq!(encoded(&HashSet::from([7_u8])), [0xc4, 1, 7]);
}

#[test]
fn bytes_of_any_length_take_their_head_once() {
    for len in [1, 255, 256, 257, 511, 512, 65_535, 65_536, 70_000] {
        let bytes: Vec<_> = (0..len).map(|i| i as u8).collect();
        assert_eq!(encoded(&bytes), encoded(&ByteBuf::from(bytes.clone())), "{len}");
    }
}

#[test]
fn an_empty_sequence_is_an_empty_array_and_empty_bytes_are_bytes() {
    assert_eq!(encoded(&Vec::<u8>::new()), [0x90]);
    assert_eq!(encoded(&[0_u8; 0]), [0x90]);
    assert_eq!(encoded(&Vec::<String>::new()), [0x90]);
    assert_eq!(encoded(&ByteBuf::new()), [0xc4, 0]);
}

#[test]
fn an_item_that_is_no_byte_makes_an_array_of_those_before_it() {
    use Loose::{Byte, Many, Text, Wide};
    assert_eq!(encoded(&vec![Byte(1), Byte(200)]), [0xc4, 2, 1, 200]);
    assert_eq!(encoded(&vec![Byte(1), Byte(200), Text("a")]), [0x93, 1, 0xcc, 200, 0xa1, b'a']);
    assert_eq!(encoded(&vec![Byte(1), Wide(2), Byte(3)]), [0x93, 1, 2, 3]);
    assert_eq!(encoded(&(200_u8, 1_u16)), [0x92, 0xcc, 200, 1]);
    let nested = vec![Byte(1), Many(vec![Byte(2), Byte(3)]), Many(vec![Byte(4), Text("a")])];
    assert_eq!(encoded(&nested), [0x93, 1, 0xc4, 2, 2, 3, 0x92, 4, 0xa1, b'a']);
    for before in [255, 256, 300, 70_000] {
        let items: Vec<_> = (0..before).map(|_| Byte(200)).chain([Text("a"), Byte(1)]).collect();
        let wide: Vec<_> = (0..before).map(|_| Wide(200)).chain([Text("a"), Wide(1)]).collect();
        assert_eq!(encoded(&items), encoded(&wide), "{before}");
    }
}

/// Opens a sequence or a map with a length that need not be true.
struct Announced {
    len: Option<usize>,
    items: Vec<Loose>,
    as_map: bool,
}

impl Serialize for Announced {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.as_map {
            let mut map = serializer.serialize_map(self.len)?;
            for (key, value) in self.items.iter().enumerate() {
                map.serialize_entry(&key, value)?;
            }
            return map.end();
        }
        let mut seq = serializer.serialize_seq(self.len)?;
        for item in &self.items {
            seq.serialize_element(item)?;
        }
        seq.end()
    }
}

#[test]
fn a_length_that_is_unknown_or_wrong_is_put_right() {
    let items = |count: usize, item: fn() -> Loose| (0..count).map(|_| item()).collect::<Vec<_>>();
    for count in [0, 1, 3, 15, 16, 300, 70_000] {
        for len in [None, Some(count), Some(0), Some(17), Some(100_000), Some(1 << 31)] {
            for item in [|| Loose::Byte(9), || Loose::Text("a")] {
                let seq = Announced { len, items: items(count, item), as_map: false };
                assert_eq!(encoded(&seq), encoded(&seq.items), "{count} announced as {len:?}");
            }
        }
        for len in [None, Some(count), Some(70_000)] {
            let map = Announced { len, items: items(count, || Loose::Byte(9)), as_map: true };
            assert_eq!(encoded(&map), encoded(&(0..count).map(|key| (key, 9)).collect::<BTreeMap<_, _>>()));
        }
    }
}

#[test]
fn a_struct_that_miscounts_its_fields_is_put_right() {
    struct Miscounted;
    impl Serialize for Miscounted {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut fields = serializer.serialize_struct("Miscounted", 20)?;
            fields.serialize_field("x", &1)?;
            fields.end()
        }
    }
    assert_eq!(encoded(&Miscounted), [0x81, 0xa1, b'x', 1]);
}

#[test]
fn each_item_is_serialized_once() {
    struct Counting<'a>(&'a Cell<u32>, u8);
    impl Serialize for Counting<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            self.0.set(self.0.get() + 1);
            if self.1 == 0 { serializer.serialize_str("") } else { serializer.serialize_u8(self.1) }
        }
    }
    let times = Cell::new(0);
    encoded(&[1, 2, 0, 3].map(|byte| Counting(&times, byte)));
    encoded(&vec![Counting(&times, 1), Counting(&times, 0), Counting(&times, 0)]);
    assert_eq!(times.get(), 7);
}

/// What rmp-serde writes as we do: everything but bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Plain {
    small: i8,
    wide: i64,
    large: u64,
    single: f32,
    double: f64,
    flag: bool,
    letter: char,
    text: String,
    maybe: Option<Box<Self>>,
    list: Vec<i32>,
    pair: (u16, String),
    map: BTreeMap<String, Vec<bool>>,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Kind {
    Unit,
    New(String),
    Tuple(i16, bool),
    Struct { a: u32, b: () },
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::Unit),
        any::<String>().prop_map(Kind::New),
        any::<(i16, bool)>().prop_map(|(a, b)| Kind::Tuple(a, b)),
        any::<u32>().prop_map(|a| Kind::Struct { a, b: () }),
    ]
}

fn plain() -> impl Strategy<Value = Plain> {
    let scalars = any::<(i8, i64, u64, bool, char, String)>();
    let floats = (-1e30_f32..1e30, -1e300_f64..1e300);
    let inner = (any::<Vec<i32>>(), any::<(u16, String)>(), any::<BTreeMap<String, Vec<bool>>>());
    let flat = (scalars, floats, inner, kind()).prop_map(|(scalars, floats, inner, kind)| {
        let (small, wide, large, flag, letter, text) = scalars;
        let ((single, double), (list, pair, map)) = (floats, inner);
        Plain { small, wide, large, single, double, flag, letter, text, maybe: None, list, pair, map, kind }
    });
    (flat, any::<bool>()).prop_map(|(flat, nested)| match nested {
        true => Plain { maybe: Some(Box::new(flat.clone())), ..flat },
        false => flat,
    })
}

fn theirs<T: Serialize>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    let mut serializer = rmp_serde::Serializer::new(&mut out).with_struct_map().with_human_readable();
    value.serialize(&mut serializer).unwrap();
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn plain_values_are_written_as_rmp_serde_writes_them(value in plain()) {
        let bytes = encoded(&value);
        prop_assert_eq!(&bytes, &theirs(&value));
        prop_assert_eq!(decoded::<Plain>(&bytes).unwrap(), value);
    }

    #[test]
    fn bytes_that_rmp_serde_wrote_as_numbers_are_read(bytes: Vec<u8>) {
        let array = theirs(&bytes);
        prop_assert_eq!(&decoded::<Vec<u8>>(&array).unwrap(), &bytes);
        prop_assert_eq!(&decoded::<ByteBuf>(&array).unwrap(), &bytes);
        prop_assert_eq!(&decoded::<Bytes>(&array).unwrap(), &bytes);
    }
}
