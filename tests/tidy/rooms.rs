//! The rooms of the libraries: on which floor each stands, what it may not name, and that no path leads back.
//! How a path is read and where it leads is `imports`' to know.

use std::collections::{BTreeMap, BTreeSet};

use crate::imports::{Library, Named, Origin};
use crate::lexer::tokens;
use crate::source::{Source, Tree};

/// The rooms by floor: a room names its own floor or one below. Opening a room is a line here and in ARCHITECTURE.md.
const FLOORS: &[(u8, &[&str])] = &[
    (5, &["client", "server", "registry", "testing"]),
    (4, &["policy", "balance", "discovery", "observe"]),
    (3, &["driver"]),
    (2, &["proto", "transport"]),
    (1, &["wire", "codec"]),
    (0, &["call", "limits"]),
];
/// A decision about a call knows nothing of bytes.
const NOT_FOR_DECISIONS: &[&str] = &["driver", "proto", "transport", "wire"];
/// Rooms without tasks, sockets, clocks and randomness: time and seeds are arguments.
const PURE: &[&str] = &["call", "limits", "codec", "wire", "proto"];
/// Neighbours on floor 1 that may name each other: (who, whom, why).
pub(crate) const NEIGHBOURS: &[(&str, &str, &str)] = &[(
    "wire",
    "codec",
    "the values of unknown HELLO keys are skipped with the scan, which is the one iterative reader",
)];

/// Imports that run up, or sideways where floors 1 and 2 forbid it, or to a room that is not in the table.
pub(crate) fn floors(tree: &Tree, neighbours: &[(&str, &str, &str)]) -> Vec<String> {
    let library = Library::of(tree, "rpc-runtime/src/");
    let mut used = BTreeSet::new();
    let mut found = Vec::new();
    for (module, file) in library.rooms() {
        let room = module[0].as_str();
        if floor(room).is_none() {
            found.push(file.source.at(0, &format!("`{room}` is no room yet: open it in the table FLOORS")));
        }
        let ours = |named: &&Named| ["crate", "super", "self"].contains(&named.path[0].as_str());
        for named in file.names.iter().filter(ours) {
            let Some(target) = library.room(named) else { continue };
            let advice = match (floor(room), floor(&target)) {
                (Some(_), None) => "is no room: name the item where it is defined, or open the room",
                (Some(from), Some(to)) if to > from => "is above: move what both need down",
                (Some(4), _) if NOT_FOR_DECISIONS.contains(&target.as_str()) => {
                    "is not for a decision about a call: put a trait into `call`"
                }
                (Some(from @ (1 | 2)), Some(to)) if from == to && room != target => {
                    if neighbours.iter().any(|row| (row.0, row.1) == (room, target.as_str())) {
                        used.insert((room, target));
                        continue;
                    }
                    "is a neighbour that it may not know: join them one floor up"
                }
                _ => continue,
            };
            found.push(file.source.at(named.at, &format!("`{room}` names `{target}`, which {advice}")));
        }
    }
    let idle = neighbours.iter().filter(|row| !used.contains(&(row.0, row.1.to_owned())));
    let advice = |row: &(&str, &str, _)| {
        format!("NEIGHBOURS: `{}` no longer names `{}`: take the row out", row.0, row.1)
    };
    found.extend(idle.map(advice));
    found
}

/// Names of tasks, sockets, clocks and randomness in pure rooms; token streams in the model of the macro.
pub(crate) fn purity(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    let library = Library::of(tree, "rpc-runtime/src/");
    for (_, file) in library.rooms().filter(|(module, _)| PURE.contains(&module[0].as_str())) {
        for named in &file.names {
            let path: Vec<_> = named.path.iter().map(String::as_str).collect();
            let clock =
                path.contains(&"SystemTime") || path.windows(2).any(|pair| pair == ["Instant", "now"]);
            if clock || matches!(path[..], ["tokio" | "rand", ..] | ["std" | "core", "net", ..]) {
                let advice = format!("`{}` is no word of a pure room: make it an argument", path.join("::"));
                found.push(file.source.at(named.at, &advice));
            }
        }
    }
    let model = |file: &&Source| file.path.starts_with("rpc-macros/src/model");
    for file in tree.shipped().filter(model) {
        let streams = tokens(&file.body).into_iter().filter(|token| token.text == "TokenStream");
        found.extend(streams.map(|token| file.at(token.at, "the model knows no tokens: keep a typed value")));
    }
    found
}

/// Import circles between rooms and between files, and the globs that would hide one.
pub(crate) fn circles(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for src in ["rpc-runtime/src/", "rpc-macros/src/"] {
        let library = Library::of(tree, src);
        let (mut files, mut rooms) = (Edges::new(), Edges::new());
        for (module, file) in library.rooms() {
            for named in &file.names {
                if named.glob && library.is_module(named) {
                    found.push(file.source.at(named.at, "a glob hides what is imported: name the items"));
                }
                let Some(target) = library.definer(named) else { continue };
                // A folder's face lists its children without needing them.
                let face = file.source.path.ends_with("/mod.rs")
                    && named.from == Origin::Reexport
                    && target.starts_with(module);
                if target.is_empty() || target == *module || face {
                    continue;
                }
                let place = file.source.at(named.at, &format!("names `{}`", target.join("::")));
                if target[0] != module[0] {
                    rooms.entry((module[0].clone(), target[0].clone())).or_insert_with(|| place.clone());
                }
                files.entry((module.join("::"), target.join("::"))).or_insert(place);
            }
        }
        found.extend([rooms, files].iter().flat_map(knots));
    }
    found.sort();
    found.dedup();
    found
}

/// (who, whom) → where.
type Edges = BTreeMap<(String, String), String>;

/// One message for each set of nodes that reach one another.
fn knots(edges: &Edges) -> Vec<String> {
    let reach = |from: &str| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from.to_owned()]);
        while let Some(node) = open.pop() {
            let next = edges.keys().filter(|edge| edge.0 == node).map(|edge| edge.1.clone());
            open.extend(next.filter(|next| seen.insert(next.clone())));
        }
        seen
    };
    let reached: BTreeMap<_, _> = edges.keys().map(|edge| (edge.0.clone(), reach(&edge.0))).collect();
    let mut knots: BTreeMap<BTreeSet<&String>, Vec<&str>> = BTreeMap::new();
    for ((from, to), place) in edges {
        let members = |node: &&String| reached[from].contains(*node) && reached[*node].contains(from);
        let knot: BTreeSet<_> = reached.keys().filter(members).collect();
        if knot.contains(to) {
            knots.entry(knot).or_default().push(place);
        }
    }
    let told =
        |places: Vec<&str>| format!("{} (import circle: move what both need below both)", places.join("; "));
    knots.into_values().map(told).collect()
}

fn floor(room: &str) -> Option<u8> {
    FLOORS.iter().find(|(_, rooms)| rooms.contains(&room)).map(|(floor, _)| *floor)
}
