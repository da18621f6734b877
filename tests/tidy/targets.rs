//! What cargo compiles: the targets of each package and the files their `mod` lines reach.
//! A file that nothing reaches holds tests that never run.

use std::collections::BTreeSet;

use crate::lexer::tokens;
use crate::source::{Source, Tree};

/// Rust files of the packages that belong to no target.
pub(crate) fn unreached(tree: &Tree) -> Vec<String> {
    let mut reached = BTreeSet::new();
    let manifests = tree.files.values().filter(|file| file.path.ends_with("Cargo.toml"));
    let mut open: Vec<_> =
        manifests.flat_map(|manifest| roots(tree, manifest)).map(|path| (path, true)).collect();
    while let Some((path, is_root)) = open.pop() {
        if let Some(file) = tree.files.get(&path).filter(|_| reached.insert(path.clone())) {
            open.extend(children(file, is_root).into_iter().map(|path| (path, false)));
        }
    }
    let lost = tree.rust().filter(|file| !reached.contains(&file.path));
    lost.map(|file| file.at(0, "no target compiles this file: declare it or a `mod` for it")).collect()
}

/// The files a manifest names, and those that cargo finds by itself.
fn roots(tree: &Tree, manifest: &Source) -> Vec<String> {
    let folder = manifest.path.trim_end_matches("Cargo.toml");
    let mut roots: Vec<_> =
        ["src/lib.rs", "src/main.rs", "build.rs"].map(|file| format!("{folder}{file}")).into();
    let bins = format!("{folder}src/bin/");
    let is_bin = |path: &&String| {
        path.strip_prefix(&bins).is_some_and(|bin| !bin.trim_end_matches("/main.rs").contains('/'))
    };
    roots.extend(tree.files.keys().filter(is_bin).cloned());
    let mut table = "";
    for line in manifest.text.lines().map(str::trim) {
        if line.starts_with('[') {
            table = line.trim_matches(['[', ']']);
        }
        let target = ["lib", "bin", "test", "bench", "example"].contains(&table);
        if let Some(path) =
            line.strip_prefix("path").and_then(|rest| rest.split('"').nth(1)).filter(|_| target)
        {
            roots.push(format!("{folder}{path}"));
        }
    }
    roots
}

/// Where the `mod name;` lines of a file lead, the two places of each.
fn children(file: &Source, is_root: bool) -> Vec<String> {
    let (beside, own) = (file.folder(true), file.folder(is_root));
    let tokens = tokens(&file.code);
    let declared = tokens.windows(3).filter(|three| three[0].text == "mod" && three[2].text == ";");
    declared
        .flat_map(|three| {
            let name = three[1].text;
            let attributes = file.text[..three[0].at].rsplit([';', '}']).next().unwrap_or_default();
            match attributes.split_once("#[path = \"").and_then(|(_, rest)| rest.split('"').next()) {
                Some(path) => vec![format!("{beside}/{path}")],
                None => vec![format!("{own}/{name}.rs"), format!("{own}/{name}/mod.rs")],
            }
        })
        .collect()
}
