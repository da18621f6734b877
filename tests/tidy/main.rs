//! The rules of the house, held by machine; docs/STYLE.md gives their reasons.
//! Each test first shows its rule an offender (a check that cannot fail is no check), then the house itself.

mod documents;
mod imports;
mod lexer;
mod rooms;
mod shape;
mod source;
mod targets;

use source::Tree;

/// Fails unless `rule` finds exactly `places` in the offender and nothing in the house.
fn hold(rule: impl Fn(&Tree) -> Vec<String>, offender: &[(&str, &str)], places: &[&str]) {
    show(&rule(&Tree::of(offender)), places);
    judge(rule);
}

/// Fails if `rule` finds anything in the house.
fn judge(rule: impl Fn(&Tree) -> Vec<String>) {
    let found = rule(&Tree::of_house());
    assert!(found.is_empty(), "{} against the rules of the house:\n{}", found.len(), found.join("\n"));
}

/// Fails unless the violations are at exactly these places.
fn show(found: &[String], places: &[&str]) {
    let at: Vec<_> = found.iter().filter_map(|violation| violation.split(": ").next()).collect();
    assert_eq!(at, places, "the rule misjudges its own offender:\n{}", found.join("\n"));
}

#[test]
fn imports_run_down_the_floors() {
    let offender = [
        ("rpc-runtime/src/attic/mod.rs", ""),
        ("rpc-runtime/src/call/id.rs", "fn f() { super::super::client::g(); super::h() }"),
        ("rpc-runtime/src/call/mod.rs", "use crate::limits::A;\nuse crate::{limits::B, wire::C};"),
        ("rpc-runtime/src/client/mod.rs", "use crate::{\n driver, RpcError,\n private::D,\n Lost};"),
        ("rpc-runtime/src/codec/mod.rs", "use crate::wire::E;"),
        ("rpc-runtime/src/driver/mod.rs", "use crate::{proto, transport};"),
        ("rpc-runtime/src/lib.rs", "pub use call::RpcError;\npub use client::F;"),
        ("rpc-runtime/src/policy/retry.rs", "// crate::driver\nuse crate::{balance::H, codec,\n driver::G};"),
        ("rpc-runtime/src/private.rs", "pub use crate::client::F;"),
        (
            "rpc-runtime/src/proto/mod.rs",
            "use crate::transport::I;\n#[cfg(test)] mod tests { use crate::client::J; }",
        ),
        ("rpc-runtime/src/wire/mod.rs", "use crate::F;"),
    ];
    let places = [
        "rpc-runtime/src/attic/mod.rs:1",
        "rpc-runtime/src/call/mod.rs:2",
        "rpc-runtime/src/call/id.rs:1",
        "rpc-runtime/src/client/mod.rs:3",
        "rpc-runtime/src/client/mod.rs:4",
        "rpc-runtime/src/codec/mod.rs:1",
        "rpc-runtime/src/policy/retry.rs:3",
        "rpc-runtime/src/proto/mod.rs:1",
        "rpc-runtime/src/wire/mod.rs:1",
    ];
    let neighbours = [("codec", "wire", "shown to be allowed"), ("wire", "codec", "shown to be idle")];
    show(&rooms::floors(&Tree::of(&offender[4..5]), &neighbours), &["NEIGHBOURS"]);
    show(&rooms::floors(&Tree::of(&offender), &[]), &places);
    judge(|tree| rooms::floors(tree, rooms::NEIGHBOURS));
}

#[test]
fn imports_go_in_no_circle() {
    let offender = [
        ("rpc-macros/src/lib.rs", "mod a; mod b; use b::B;"),
        ("rpc-macros/src/model.rs", "use crate::parse::A;"),
        ("rpc-macros/src/parse.rs", "use crate::model::B;"),
        ("rpc-runtime/src/balance/mod.rs", "use crate::policy::A;"),
        ("rpc-runtime/src/call/id.rs", "use super::Metadata;"),
        ("rpc-runtime/src/call/metadata.rs", "use super::id::Id;"),
        ("rpc-runtime/src/call/mod.rs", "mod id; mod metadata; pub use id::Id; pub use metadata::Metadata;"),
        ("rpc-runtime/src/policy/mod.rs", "fn f() {\n crate::balance::g() }"),
        ("rpc-runtime/src/wire/frame.rs", "use super::Kind;\nuse super::*;\nuse super::Kind::*;"),
        ("rpc-runtime/src/wire/header.rs", "#[cfg(test)] mod tests { use super::super::frame::Frame; }"),
        (
            "rpc-runtime/src/wire/mod.rs",
            "mod frame; pub use frame::Frame; pub use header::Header; pub enum Kind {}",
        ),
    ];
    let places = [
        "rpc-macros/src/model.rs:1",
        "rpc-runtime/src/balance/mod.rs:1",
        "rpc-runtime/src/call/id.rs:1",
        "rpc-runtime/src/wire/frame.rs:2",
    ];
    hold(rooms::circles, &offender, &places);
}

#[test]
fn machines_read_no_clock_and_models_no_tokens() {
    let offender = [
        ("rpc-macros/src/expand.rs", "use proc_macro2::TokenStream;"),
        ("rpc-macros/src/model.rs", "use syn::Ident;\nuse proc_macro2::TokenStream;"),
        ("rpc-runtime/src/call/deadline.rs", "use std::time::Instant;\nfn f() { Instant::now() }"),
        ("rpc-runtime/src/codec/scan.rs", "// tokio::spawn\nuse tokio::task;"),
        ("rpc-runtime/src/driver/mod.rs", "use tokio::task;"),
        ("rpc-runtime/src/proto/calls.rs", "use std::{\n net::IpAddr,\n time::SystemTime};"),
        ("rpc-runtime/src/wire/frame.rs", "fn f() { rand::random() }"),
    ];
    let places = [
        "rpc-runtime/src/call/deadline.rs:2",
        "rpc-runtime/src/codec/scan.rs:2",
        "rpc-runtime/src/proto/calls.rs:2",
        "rpc-runtime/src/proto/calls.rs:3",
        "rpc-runtime/src/wire/frame.rs:1",
        "rpc-macros/src/model.rs:2",
    ];
    hold(rooms::purity, &offender, &places);
}

#[test]
fn files_are_short() {
    let (long, longer) = ("\n".repeat(401), "\n".repeat(601));
    let tested = format!("{}#[cfg(test)] mod tests {{{longer}}}", "\n".repeat(399));
    let (it, vast) = ("\n".repeat(900), "\n".repeat(901));
    let offender = [
        ("rpc-macros/src/long.rs", long.as_str()),
        ("rpc-runtime/src/listed.rs", &long),
        ("rpc-runtime/src/longer.rs", &longer),
        ("rpc-runtime/src/tested.rs", &tested),
        ("rpc-runtime/src/lib.rs", "#[cfg(test)] mod drills;"),
        ("rpc-runtime/src/drills.rs", &it),
        ("tests/it/main.rs", &vast),
    ];
    let rows = [
        ("rpc-runtime/src/gone.rs", 500, "shown to be idle"),
        ("rpc-runtime/src/listed.rs", 500, "shown to be allowed"),
        ("rpc-runtime/src/longer.rs", 700, "shown to be behind the wall"),
    ];
    let places =
        ["rpc-macros/src/long.rs:400", "rpc-runtime/src/longer.rs:600", "tests/it/main.rs:900", "LONG_FILES"];
    show(&shape::sizes(&Tree::of(&offender), &rows), &places);
    judge(|tree| shape::sizes(tree, shape::LONG_FILES));
}

#[test]
fn files_open_with_what_they_own() {
    let offender = [
        ("examples/a.rs", "#!/usr/bin/env cargo\n\n//! Owns a.\n"),
        ("fuzz/fuzz_targets/b.rs", "#![no_main]\n//! Owns b."),
        ("tests/it/c.rs", "/// Not a head.\nfn c() {}"),
        ("tests/ui/fail/d.rs", "fn main() {}"),
    ];
    hold(shape::heads, &offender, &["fuzz/fuzz_targets/b.rs:1", "tests/it/c.rs:1"]);
}

#[test]
fn lib_rs_defines_nothing() {
    let innocent = "//! fn\n#![doc = \"type\"]\nmod call;\npub use call::{Call, Caller};\nextern crate self as traitwire;\n";
    let offence = format!("{innocent}pub(crate) type A = u8;\nmacro_rules! b {{ () => {{}} }}\n");
    hold(
        shape::face,
        &[("rpc-runtime/src/lib.rs", &offence)],
        &["rpc-runtime/src/lib.rs:6", "rpc-runtime/src/lib.rs:7"],
    );
}

#[test]
fn files_and_folders_bear_a_noun() {
    let offender = [
        ("rpc-runtime/src/wire/frame_helpers.rs", ""),
        ("tests/common/mod.rs", ""),
        ("tests/utility.rs", ""),
    ];
    hold(shape::file_names, &offender, &["rpc-runtime/src/wire/frame_helpers.rs", "tests/common/mod.rs"]);
}

#[test]
fn nothing_is_left_over() {
    let offence = "// todo!() is told here\nfn f() { g.unwrap() }\n// FIXME\n#[allow(dead_code, reason = \"told\")]\nfn h() {}
        #[allow(\n  dead_code,\n)]\nfn i() { todo!() }\n#[cfg(test)]\nmod tests { fn j() { k.unwrap() } }\n";
    let offender = [
        ("examples/a.rs", offence),
        ("tests/it/b.rs", offence),
        ("tests/bin/c.rs", "fn main() { dbg!(1); }"),
    ];
    let places =
        ["examples/a.rs:2", "examples/a.rs:3", "examples/a.rs:6", "examples/a.rs:9", "tests/bin/c.rs:1"];
    let mut found = shape::left_overs(&Tree::of(&offender));
    found.sort();
    show(&found, &places);
    hold(shape::left_overs, &[], &[]);
}

#[test]
fn nothing_iterates_in_the_order_of_a_hash() {
    let text = "use a::{FxHashSet, HashMap};\na: HashMap, // keyed look-up only: ids\n\nb: FxHashSet,\n// keyed look-up only: names\nc: HashMap,\n";
    let offender = [("rpc-runtime/src/client/mod.rs", text), ("rpc-runtime/src/proto/calls.rs", text)];
    hold(shape::order, &offender, &["rpc-runtime/src/proto/calls.rs:4"]);
}

#[test]
fn every_file_is_compiled() {
    let offender = [
        (
            "examples/Cargo.toml",
            "[[example]]\nname = \"a\"\npath = \"a.rs\"\n[dependencies]\nb = { path = \"../b.rs\" }",
        ),
        ("examples/a.rs", "#[path = \"shared/d.rs\"]\nmod c;\nmod e { }"),
        ("examples/b.rs", ""),
        ("examples/e.rs", "mod d;"),
        ("examples/shared/d.rs", ""),
        ("tests/Cargo.toml", "[[test]]\nname = \"it\"\npath = \"it/main.rs\""),
        ("tests/it/deep/more.rs", ""),
        ("tests/it/deep.rs", "mod more;\n// mod lost;"),
        ("tests/it/lost.rs", "mod main;"),
        ("tests/it/main.rs", "mod deep;\nmod room;"),
        ("tests/it/room/mod.rs", "mod own;"),
        ("tests/it/room/own.rs", ""),
        ("tests/src/bin/soak.rs", ""),
        ("tests/src/bin/soak/part.rs", ""),
        ("tests/ui/fail/f.rs", ""),
    ];
    let places = ["examples/b.rs:1", "examples/e.rs:1", "tests/it/lost.rs:1", "tests/src/bin/soak/part.rs:1"];
    hold(targets::unreached, &offender, &places);
}

#[test]
fn bounds_stand_with_their_reason() {
    let text =
        "/// Because.\n#[doc(alias = \"a\")]\npub const A: u8 = 1;\n\n// Not shown.\npub const B: u8 = 2;\n";
    hold(shape::limits, &[("rpc-runtime/src/limits.rs", text)], &["rpc-runtime/src/limits.rs:6"]);
}

#[test]
fn every_room_is_on_the_map() {
    let map = format!("the room recall/, the room policy/ with retry/{}", "\n".repeat(201));
    let offender = [
        ("ARCHITECTURE.md", map.as_str()),
        ("rpc-runtime/src/call/mod.rs", ""),
        ("rpc-runtime/src/lib.rs", ""),
        ("rpc-runtime/src/policy/mod.rs", "#[cfg(test)] mod drills;"),
        ("rpc-runtime/src/policy/drills/rule.rs", ""),
        ("rpc-runtime/src/policy/retry/rule.rs", ""),
    ];
    let places =
        ["ARCHITECTURE.md:201", "rpc-runtime/src/call/mod.rs", "rpc-runtime/src/policy/retry/mod.rs"];
    show(&documents::map(&Tree::of(&[])), &["ARCHITECTURE.md"]);
    hold(documents::map, &offender, &places);
}

#[test]
fn documents_name_what_exists() {
    let offender = [
        ("ARCHITECTURE.md", "See [style](docs/STYLE.md), https://example.org/a.md and docs/adr/NNNN-*.md."),
        ("CONTRIBUTING.md", ""),
        ("README.md", "See\n`docs/STYLE.md`, docs/LOST.md."),
        ("docs/STYLE.md", "LOST.md"),
    ];
    hold(documents::references, &offender, &["README.md:2", "SECURITY.md"]);
}

#[test]
fn promises_are_tested() {
    let table =
        "| promise | test |\n|---|:--|\n| a | `tests/it::calls::kept` |\n| b | `tests/it/calls.rs::broken` |
| c | |\n| d | not yet |\n| e::f | `tests/i::kept`, `tests/it/calls::kept` |\n";
    let offender = [("docs/PROMISES.md", table), ("tests/it/calls.rs", "fn kept() {} // fn broken")];
    hold(documents::promises, &offender, &["docs/PROMISES.md:4", "docs/PROMISES.md:5", "docs/PROMISES.md:7"]);
}

#[test]
fn the_changelog_is_open() {
    hold(documents::changelog, &[("CHANGELOG.md", "# Changelog\n## [0.1.0]\n")], &["CHANGELOG.md"]);
}
