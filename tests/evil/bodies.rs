//! Arguments that do not decode, and metadata that is none: each costs its call, and nothing else.

use crate::bytes::{CALL, NIL, array, bin, call, call_with, frame, head, joined, map, text};
use crate::case::Effect::{Error, Goaway, Reply};
use crate::case::{Case, attack, frames};

/// A call that is refused because its arguments do not decode.
fn bad(name: &'static str, fault: &'static str, method: &str, arguments: &[u8]) -> Case {
    frames(name, fault, call(1, method, arguments), Error(1, 3, "")).refused("bad_argument", 1)
}

/// One that is not.
fn good(name: &'static str, fault: &'static str, method: &str, arguments: &[u8], value: &[u8]) -> Case {
    frames(name, fault, call(1, method, arguments), Reply(1, value.to_vec()))
}

/// `Not(Not(… Leaf))`: so many of them.
fn tree(depth: usize) -> Vec<u8> {
    let not = joined([&[0x81][..], &text("Not")]);
    joined([&[0x91][..], &not.repeat(depth), &text("Leaf")])
}

fn shapes() -> Vec<Case> {
    let nodes = |depth: usize| {
        let node = joined([&[0x81][..], &text("Node"), &[0x91]]);
        joined([&[0x91][..], &node.repeat(depth), &text("Leaf")])
    };
    vec![
        good("as deep as it may be", "W7", "tree", &tree(63), &[64]),
        bad("one level deeper", "W7", "tree", &tree(64)),
        bad("enums 20,000 deep", "W7", "tree", &tree(20_000)),
        bad("enums and lists 10,000 deep", "W7", "tree", &nodes(10_000)),
        bad("lists 100,000 deep", "W7", "values", &[0x91; 100_000]),
        bad("maps 50,000 deep", "W7", "values", &joined([vec![0x91], [0x81, 0xc0].repeat(50_000)])),
        bad("a list of 2^32 - 1", "W8", "values", &[0x91, 0xdd, 255, 255, 255, 255]),
        bad("arguments of 2^32 - 1", "W8", "add", &[0xdd, 255, 255, 255, 255]),
        bad("a map of 2^32 - 1", "W8", "tree", &[0x91, 0xdf, 255, 255, 255, 255]),
        bad("bytes of 2^32 - 1", "W8", "echo", &[0x91, 0xc6, 255, 255, 255, 255]),
        bad("a text of 2^32 - 1", "W8", "count", &[0x91, 0xdb, 255, 255, 255, 255]),
        bad("an extension of 2^32 - 1", "W8", "echo", &[0x91, 0xc9, 255, 255, 255, 255, 1]),
        bad("an extension", "W10", "echo", &[0x91, 0xd4, 1, 1]),
        good(
            "as many elements as there may be",
            "W9",
            "values",
            &joined([&[0x91, 0xdd, 0, 0, 0xff, 0xff][..], &[NIL; 65_535]]),
            &[0],
        ),
        bad("one element more", "W9", "values", &joined([&[0x91, 0xdd, 0, 1, 0, 0][..], &[NIL; 65_536]])),
        bad("100,000 empty lists", "W9", "values", &joined([vec![0x91], array(vec![[0x90]; 100_000])])),
    ]
}

fn values() -> Vec<Case> {
    let item = |twice: bool| {
        let mut entries = vec![(text("code"), vec![1]), (text("message"), text("x"))];
        entries.extend(twice.then(|| (text("code"), vec![2])));
        map(&entries)
    };
    vec![
        bad("the byte that MessagePack never uses", "W10", "add", &[0x92, 0xc1, 3]),
        bad("bytes behind the arguments", "W11", "add", &[0x92, 2, 3, 4]),
        bad("two sets of arguments", "W11", "add", &[0x92, 2, 3, 0x92, 2, 3]),
        bad("no arguments at all", "W11", "add", &[]),
        bad("arguments that end early", "W6", "add", &[0x92, 2]),
        bad("nil for the arguments", "W10", "add", &[NIL]),
        bad("a map for the arguments", "W10", "add", &[0x82, 0, 2, 1, 3]),
        bad("a number for the arguments", "W10", "add", &[5]),
        bad("too few arguments", "W10", "add", &[0x91, 2]),
        good("too many arguments", "W10", "add", &[0x94, 2, 3, NIL, 0x80], &[5]),
        bad("a text for a number", "W10", "add", &[0x92, 0xa1, b'x', 3]),
        bad("a float for a number", "W10", "add", &[0x92, 0xca, 0x7f, 0xc0, 0, 0, 3]),
        bad("a negative number where none is", "W10", "sleep", &[0x91, 0xff]),
        bad("a number too large", "W10", "add", &[0x92, 0xcf, 255, 255, 255, 255, 255, 255, 255, 255, 3]),
        good(
            "numbers in more bytes than they need",
            "W10",
            "add",
            &[0x92, 0xd3, 0, 0, 0, 0, 0, 0, 0, 2, 0xcf, 0, 0, 0, 0, 0, 0, 0, 3],
            &[5],
        ),
        bad("text that is not UTF-8", "W10", "count", &[0x91, 0xa2, 0xff, 0xfe]),
        bad("a variant that is not there", "W10", "tree", &joined([&[0x91][..], &text("Root")])),
        bad(
            "a variant of two entries",
            "W10",
            "tree",
            &joined([&[0x91, 0x82][..], &text("Not"), &text("Leaf"), &text("Not"), &text("Leaf")]),
        ),
        bad("a struct for a variant", "W10", "tree", &joined([vec![0x91], item(true)])),
        good("bytes as numbers", "W10", "add", &[0x92, 0xcc, 2, 0xd0, 3], &[5]),
        bad("bytes as numbers where they are lent", "W10", "echo", &[0x91, 0x93, 1, 2, 3]),
        good("no bytes", "W10", "echo", &joined([vec![0x91], bin(&[])]), &[0x90]),
    ]
}

/// Metadata, or what stands in its place, before the arguments of `add`.
fn with(metadata: &[u8]) -> Vec<u8> {
    call_with(1, "add", metadata, &[0x92, 2, 3])
}

fn metadata() -> Vec<Case> {
    let many = |count: usize| {
        let entry = |nth: usize| (text(&format!("key-{nth}")), text("v"));
        map(&(0..count).map(entry).collect::<Vec<_>>())
    };
    let one = |key: &str, value: Vec<u8>| map(&[(text(key), value)]);
    let of_size = |bytes: usize| one("k", bin(&vec![7; bytes - 12]));
    let large = |name, metadata: &[u8]| {
        frames(name, "W17", with(metadata), Error(1, 8, "metadata larger than")).refused("too_large", 1)
    };
    let bad = |name, metadata: &[u8]| {
        frames(name, "W17", with(metadata), Error(1, 3, "a metadata key")).refused("bad_argument", 1)
    };
    let taken = |name, fault, metadata: &[u8]| frames(name, fault, with(metadata), Reply(1, vec![5]));
    let fatal = |name, metadata: &[u8]| frames(name, "W10", with(metadata), Goaway(13, "metadata"));
    vec![
        taken("as many entries as there may be", "W17", &many(64)),
        large("one entry more", &many(65)),
        large("10,000 entries", &many(10_000)),
        taken("as much metadata as there may be", "W17", &of_size(16_384)),
        large("a byte more of it", &of_size(16_385)),
        large("a key of 64 KiB", &one(&"k".repeat(65_536), text("v"))),
        bad("a key of 129", &one(&"k".repeat(129), text("v"))),
        bad("an empty key", &one("", text("v"))),
        bad("a key twice", &map(&[(text("k"), text("v")), (text("k"), text("w"))])),
        bad("a key that is not ASCII", &one("schlüssel", text("v"))),
        bad("a key in capitals", &one("Key", text("v"))),
        bad("a key with a line break", &one("k\n2025-01-01 ERROR forged", text("v"))),
        taken("a value with everything", "W17", &one("k", text("\u{0}\n\u{1b}[31m\u{202e}"))),
        taken(
            "marks of later versions",
            "W12",
            &one("k", joined([vec![0x92], vec![0xff - 0x80], text("v")])),
        ),
        taken("lies about who calls", "A11", &one("authorization", text("Bearer root"))),
        taken("lies about attempts", "A11", &one("rpc-attempt", text("-99999999999999999999"))),
        taken("a key of the protocol that is not there", "A11", &one("rpc-resume", bin(&[0; 99]))),
        fatal("metadata that is an array", &[0x90]),
        fatal("metadata that is a number", &[7]),
        fatal("a value that is a number", &one("k", vec![7])),
        fatal("a value that is a map", &one("k", map(&[]))),
        fatal("a key that is a number", &[0x81, 7, 0xa1, b'v']),
        fatal("a value of 2^32 - 1", &[0x81, 0xa1, b'k', 0xdb, 255, 255, 255, 255]),
        fatal("metadata of 2^32 - 1 entries", &[0xdf, 255, 255, 255, 255]),
        fatal("metadata, nested 1,000 deep", &joined([joined([&[0x81][..], &text("k")]), vec![0x91; 1_000]])),
    ]
}

fn heads() -> Vec<Case> {
    let cut = |name, body: &[u8], words| frames(name, "W6", frame(CALL, 0, 1, body), Goaway(13, words));
    vec![
        cut("a CALL without a head", &[], "ends inside its method"),
        cut("a CALL that ends in its method", &[0xa9, b'x'], "ends inside its method"),
        cut("a CALL without its time", &text("Conformance.add"), "ends inside its remaining time"),
        cut(
            "a CALL without its metadata",
            &joined([text("Conformance.add"), vec![NIL]]),
            "ends inside its metadata",
        ),
        cut("a method that is a map", &[0x80, NIL, NIL, 0x90], "method"),
        cut("a method that is not UTF-8", &[0xa2, 0xff, 0xfe, NIL, NIL, 0x90], "UTF-8"),
        frames(
            "a CALL without arguments",
            "W6",
            frame(CALL, 0, 1, head("Conformance.empty")),
            Error(1, 3, ""),
        )
        .refused("bad_argument", 1),
    ]
}

pub(crate) fn table() -> Vec<Case> {
    let mut all = shapes();
    all.extend(values());
    all.extend(metadata());
    all.extend(heads());
    all
}

#[test]
fn bodies_that_do_not_decode_cost_their_call() {
    attack(&[], table());
}
