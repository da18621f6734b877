//! The shape of a file and its wording: length, head, name, face, and the words it may not use.
//! Imports are `rooms`' to judge, documents `documents`'.

use crate::lexer::tokens;
use crate::source::{Source, Tree};

/// Shipped files above 400 lines: (path, lines at most, why). A row goes down or out, never up.
pub(crate) const LONG_FILES: &[(&str, usize, &str)] = &[
    (
        "rpc-runtime/src/proto/connection/mod.rs",
        550,
        "one arm for each frame, timer and command, and nothing else",
    ),
    (
        "rpc-runtime/src/client/attended.rs",
        450,
        "one state machine of a call: its arms are read side by side",
    ),
    ("rpc-runtime/src/call/request.rs", 500, "one type and its accessors, each with what it means"),
    (
        "rpc-runtime/src/proto/event.rs",
        420,
        "what a machine and its application say to each other, in one list",
    ),
    ("rpc-runtime/src/server/builder.rs", 420, "one setter for each thing that a server can be told"),
    ("rpc-runtime/src/limits/mod.rs", 600, "a list of numbers with their reasons, to be read in one place"),
    (
        "rpc-runtime/src/private/streams.rs",
        430,
        "both ends of an item's way between a user's stream and a batch",
    ),
    ("rpc-runtime/src/proto/inbound/mod.rs", 570, "one state machine: its arms are read side by side"),
    ("rpc-runtime/src/proto/outbound/mod.rs", 600, "one state machine: its arms are read side by side"),
];

/// What the package of the tests ships: programs that users run, and what they share.
const PROGRAMS: &[&str] =
    &["tests/lib.rs", "tests/bin/", "tests/conformance/", "tests/fleet/", "tests/sweep/"];
/// Nouns that mean "I found no noun".
const NO_NOUNS: &[&str] = &["util", "utils", "common", "helper", "helpers", "misc", "manager"];
/// Left-overs in code.
const LEFT_OVERS: &[&str] = &["todo!(", "unimplemented!(", "dbg!(", ".unwrap()"];

/// Files that are too long, tests apart: 600 lines are the wall, above 400 there is a reason.
pub(crate) fn sizes(tree: &Tree, long_files: &[(&str, usize, &str)]) -> Vec<String> {
    let mut found = Vec::new();
    for file in tree.rust() {
        let (lines, wall) = match long_files.iter().find(|row| row.0 == file.path) {
            Some(row) => (file.body_lines, row.1.min(600)),
            None if file.is_shipped() => (file.body_lines, 400),
            None => (file.text.lines().count(), 900),
        };
        if lines > wall {
            let advice = "find the missing noun (up to 600 a row of LONG_FILES may give the reason)";
            found.push(format!("{}:{wall}: {lines} lines are more than {wall}: {advice}", file.path));
        }
    }
    for (path, ..) in long_files {
        if !tree.shipped().any(|file| file.path == *path && file.body_lines > 400) {
            found.push(format!("LONG_FILES: `{path}` is not above 400 lines: take the row out"));
        }
    }
    found
}

/// Files that do not open with what they own.
pub(crate) fn heads(tree: &Tree) -> Vec<String> {
    let opens = |file: &&Source| {
        let mut lines = file.text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with("#!/"));
        !lines.next().is_some_and(|line| line.starts_with("//!"))
    };
    tree.rust()
        .filter(opens)
        .map(|file| file.at(0, "open with `//!`: what it owns, then what it does not"))
        .collect()
}

/// Definitions in the runtime's `lib.rs`, which is a face.
pub(crate) fn face(tree: &Tree) -> Vec<String> {
    let items = ["fn", "struct", "enum", "union", "trait", "impl", "const", "static", "type", "macro_rules"];
    let mut found = Vec::new();
    for file in tree.shipped().filter(|file| file.path == "rpc-runtime/src/lib.rs") {
        for token in tokens(&file.code).iter().filter(|token| items.contains(&token.text)) {
            found.push(
                file.at(token.at, &format!("lib.rs defines nothing: give this `{}` a room", token.text)),
            );
        }
    }
    found
}

/// Files and folders without a noun.
pub(crate) fn file_names(tree: &Tree) -> Vec<String> {
    let nameless =
        |file: &&Source| file.path.split(['/', '.', '_', '-']).any(|word| NO_NOUNS.contains(&word));
    let advice = "a file or folder bears the one noun it defines";
    tree.files.values().filter(nameless).map(|file| format!("{}: {advice}", file.path)).collect()
}

/// Left-overs, silent allowances and unmarked debts in code that is not a test.
pub(crate) fn left_overs(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    let is_program = |file: &&Source| PROGRAMS.iter().any(|room| file.path.starts_with(room));
    for file in tree.rust().filter(|file| !file.is_test || is_program(file)) {
        for words in LEFT_OVERS {
            let places = file.body.match_indices(words);
            found.extend(places.map(|(at, _)| {
                file.at(at, &format!("no `{words}` outside tests: finish it or return an error"))
            }));
        }
        for (at, _) in ["#[allow(", "#![allow("].iter().flat_map(|start| file.body.match_indices(start)) {
            let end = file.body[at..].find(")]").map_or(file.body.len(), |end| at + end);
            if !file.body[at..end].contains("reason =") {
                found.push(file.at(at, "an allowance says why: add `reason = \"…\"`"));
            }
        }
        for token in tokens(&file.text).iter().filter(|token| ["FIXME", "XXX"].contains(&token.text)) {
            found.push(file.at(token.at, &format!("no `{}`: fix it or open an issue", token.text)));
        }
    }
    found
}

/// Hash tables in rooms whose behaviour must repeat, unless the line or the one above says that nothing iterates;
/// importing the name is no table yet.
pub(crate) fn order(tree: &Tree) -> Vec<String> {
    let rooms = ["proto", "policy", "balance"].map(|room| format!("rpc-runtime/src/{room}"));
    let mut found = Vec::new();
    for file in tree.shipped().filter(|file| rooms.iter().any(|room| file.path.starts_with(room))) {
        let hashed = |name: &str| name.ends_with("HashMap") || name.ends_with("HashSet");
        for token in tokens(&file.body).iter().filter(|token| hashed(token.text)) {
            let (before, after) = file.text.split_at(token.at);
            let start = before.rmatch_indices('\n').nth(1).map_or(0, |(at, _)| at);
            let end = token.at + after.find('\n').unwrap_or(after.len());
            let is_import = before.lines().next_back().is_some_and(|line| line.starts_with("use "));
            if !is_import && !file.text[start..end].contains("// keyed look-up only") {
                let advice =
                    "iteration order must repeat: take a BTreeMap, or say `// keyed look-up only` here";
                found.push(file.at(token.at, advice));
            }
        }
    }
    found
}

/// Bounds without their reason.
pub(crate) fn limits(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for file in tree.shipped().filter(|file| file.path.starts_with("rpc-runtime/src/limits")) {
        for (at, _) in file.body.match_indices("pub const ") {
            let above = file.text[..at].lines().rev().map(str::trim);
            let mut above = above.skip_while(|line| line.is_empty() || line.starts_with("#["));
            if !above.next().is_some_and(|line| line.starts_with("///")) {
                found.push(file.at(at, "a bound stands with its reason: add a `///`"));
            }
        }
    }
    found
}
