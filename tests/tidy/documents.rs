//! What the documents say of the house, held against it: names, promises, sections, lengths.
//! Judges no prose.

use std::collections::BTreeSet;

use crate::lexer::tokens;
use crate::source::{Source, Tree};

/// Rooms without a face or without a line in ARCHITECTURE.md, and a map too long to be read.
pub(crate) fn map(tree: &Tree) -> Vec<String> {
    let Some(map) = tree.files.get("ARCHITECTURE.md") else {
        return vec!["ARCHITECTURE.md: is missing: draw the rooms and one call's trip".to_owned()];
    };
    let mut found = Vec::new();
    if map.text.lines().count() > 200 {
        found.push(
            "ARCHITECTURE.md:201: a map has at most 200 lines: move details to where they are true"
                .to_owned(),
        );
    }
    let folder = |file: &Source| file.path.rsplit_once('/').map(|(folder, _)| folder.to_owned());
    let folders: BTreeSet<_> = tree.shipped().filter_map(folder).collect();
    for room in folders.iter().filter_map(|folder| folder.strip_prefix("rpc-runtime/src/")) {
        let face = format!("rpc-runtime/src/{room}/mod.rs");
        if !tree.files.contains_key(&face) {
            found.push(format!("{face}: is missing: a room opens with its `//!` and its re-exports"));
        }
        let name = format!("{}/", room.rsplit('/').next().unwrap_or(room));
        let mut named = map.text.match_indices(&name).map(|(at, _)| map.text[..at].chars().next_back());
        if !named.any(|before| !before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_')) {
            found.push(format!("{face}: ARCHITECTURE.md does not name `{name}`: give the room its line"));
        }
    }
    found
}

/// Documents named by the public ones that are not there.
pub(crate) fn references(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for path in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"] {
        let Some(document) = tree.files.get(path) else {
            found.push(format!("{path}: is missing: every reader looks for it"));
            continue;
        };
        let in_path = |letter: char| letter.is_alphanumeric() || "/._-".contains(letter);
        for name in document.text.split(|letter| !in_path(letter)).map(|name| name.trim_end_matches('.')) {
            let at = name.as_ptr().addr() - document.text.as_ptr().addr();
            let local = name.len() > ".md".len() && name.ends_with(".md") && !name.starts_with('/');
            if local && !tree.files.contains_key(name) {
                found.push(document.at(at, &format!("`{name}` does not exist: write it or do not name it")));
            }
        }
    }
    found
}

/// Rows of the table of promises whose last column names no test, or one that does not exist.
pub(crate) fn promises(tree: &Tree) -> Vec<String> {
    let Some(document) = tree.files.get("docs/PROMISES.md") else { return Vec::new() };
    let mut found = Vec::new();
    let mut offset = 0;
    for (index, line) in document.text.lines().enumerate() {
        let at = offset;
        offset = at + document.text[at..].find('\n').map_or(0, |end| end + 1);
        let heading = document.text.lines().nth(index + 1).is_some_and(is_ruler);
        if !line.starts_with('|') || is_ruler(line) || heading {
            continue;
        }
        let last = line.trim_end().trim_end_matches('|').rsplit('|').next().unwrap_or_default();
        let mut tests = last.split('`').skip(1).step_by(2).filter(|name| name.contains("::")).peekable();
        if tests.peek().is_none() && !last.contains("not yet") {
            found.push(document.at(at, "the row names no test (`path::name`): name one, or say \"not yet\""));
        }
        for name in tests.filter(|name| !exists(tree, name)) {
            found.push(
                document.at(at, &format!("`{name}` does not exist: name the folder or file, `::`, the test")),
            );
        }
    }
    found
}

/// The changelog moves with the change, so it always has room for one.
pub(crate) fn changelog(tree: &Tree) -> Vec<String> {
    let open = |log: &Source| log.text.lines().any(|line| line.trim_end() == "## [Unreleased]");
    if tree.files.get("CHANGELOG.md").is_some_and(open) {
        return Vec::new();
    }
    vec!["CHANGELOG.md: has no `## [Unreleased]` section: open one".to_owned()]
}

fn is_ruler(line: &str) -> bool {
    line.starts_with('|') && line.contains("--") && line.chars().all(|letter| "|-: ".contains(letter))
}

/// Whether `path::…::name` is a function in a file at or below `path`.
fn exists(tree: &Tree, test: &str) -> bool {
    let (path, rest) = test.split_once("::").unwrap_or((test, ""));
    let name = rest.rsplit("::").next().unwrap_or_default();
    let below = |file: &&Source| {
        let behind = file.path.strip_prefix(path);
        behind.is_some_and(|behind| behind.is_empty() || behind == ".rs" || behind.starts_with('/'))
    };
    let defines = |file: &Source| {
        tokens(&file.code).windows(2).any(|pair| pair[0].text == "fn" && pair[1].text == name)
    };
    tree.rust().filter(below).any(defines)
}
