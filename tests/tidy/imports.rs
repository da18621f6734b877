//! Imports: the paths that the files of a library spell, and the file each one leads to through re-exports.
//! Reads text only: macros are not expanded, and what a glob brings in stays unknown (`rooms` refuses globs).

use std::collections::BTreeMap;

use crate::lexer::tokens;
use crate::source::{Source, Tree};

/// Re-exports followed before giving up, so that one naming itself ends.
const HOPS: u8 = 6;

/// One library: its files by module path (`lib.rs` is the empty one), test files left out.
pub(crate) struct Library<'t> {
    files: BTreeMap<Vec<String>, File<'t>>,
}

pub(crate) struct File<'t> {
    pub(crate) source: &'t Source,
    pub(crate) names: Vec<Named>,
}

/// A path as a file spells it; the groups of a `use` are taken apart.
#[derive(Clone, Debug, Default)]
pub(crate) struct Named {
    pub(crate) at: usize,
    pub(crate) path: Vec<String>,
    pub(crate) from: Origin,
    pub(crate) glob: bool,
    /// The name that a `use` brings into its module.
    brings: Option<String>,
    /// The module that spells it, inline ones included.
    scope: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Origin {
    #[default]
    Code,
    Use,
    Reexport,
}

impl<'t> Library<'t> {
    pub(crate) fn of(tree: &'t Tree, src: &str) -> Self {
        let mut files = BTreeMap::new();
        for source in tree.shipped().filter(|source| source.path.starts_with(src)) {
            let stem = source.path[src.len()..].trim_end_matches(".rs");
            let mut module: Vec<_> = stem.split('/').map(str::to_owned).collect();
            module.pop_if(|last| ["lib", "mod"].contains(&last.as_str()));
            let names = names(&source.body, &module);
            files.insert(module, File { source, names });
        }
        Self { files }
    }

    /// Every file but the two faces, `lib.rs` and `private.rs`, which name whatever they show.
    pub(crate) fn rooms(&self) -> impl Iterator<Item = (&Vec<String>, &File<'t>)> {
        self.files.iter().filter(|(module, _)| !module.is_empty() && module[0] != "private")
    }

    /// The room that a path says, or, for what `lib.rs` re-exports, the room behind it.
    pub(crate) fn room(&self, named: &Named) -> Option<String> {
        let full = self.absolute(&named.scope, &named.path, HOPS)?;
        let said = full.first()?;
        if self.files.keys().any(|module| module.first() == Some(said)) {
            return Some(said.clone());
        }
        let behind = self.definer(named).and_then(|module| module.into_iter().next());
        behind.or_else(|| Some(said.clone()))
    }

    /// The module of the file that defines what a path means; `None` for what is not of this library.
    pub(crate) fn definer(&self, named: &Named) -> Option<Vec<String>> {
        self.definer_within(&named.scope, &named.path, HOPS)
    }

    pub(crate) fn is_module(&self, named: &Named) -> bool {
        self.absolute(&named.scope, &named.path, HOPS).is_some_and(|full| self.files.contains_key(&full))
    }

    fn definer_within(&self, scope: &[String], path: &[String], hops: u8) -> Option<Vec<String>> {
        let full = self.absolute(scope, path, hops)?;
        let end = (0..=full.len()).rev().find(|&end| self.files.contains_key(&full[..end]))?;
        let (module, item) = full.split_at(end);
        let import = item.split_first().and_then(|(name, rest)| self.import(module, name, rest));
        let behind =
            import.filter(|_| hops > 0).and_then(|path| self.definer_within(module, &path, hops - 1));
        Some(behind.unwrap_or_else(|| module.to_vec()))
    }

    /// The path from the root of the library that `path` means in `scope`.
    fn absolute(&self, scope: &[String], path: &[String], hops: u8) -> Option<Vec<String>> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => Some(rest.to_vec()),
            "self" | "super" => {
                let scope = if first == "super" { scope.split_last()?.1 } else { scope };
                let climbs = rest.first().is_some_and(|next| next == "super");
                if climbs { self.absolute(scope, rest, hops) } else { Some([scope, rest].concat()) }
            }
            _ if self.files.contains_key(&[scope, &path[..1]].concat()) => Some([scope, path].concat()),
            name if hops > 0 => self.absolute(scope, &self.import(scope, name, rest)?, hops - 1),
            _ => None,
        }
    }

    /// What `name::rest` stands for in a module that has a `use` for `name`.
    fn import(&self, module: &[String], name: &str, rest: &[String]) -> Option<Vec<String>> {
        let mut names = self.files.get(module)?.names.iter();
        let import = names.find(|named| named.brings.as_deref() == Some(name) && named.scope == module)?;
        Some([&import.path, rest].concat())
    }
}

/// Every path of a file's code that has a `::` or stands in a `use`.
fn names(body: &str, module: &[String]) -> Vec<Named> {
    let tokens: Vec<_> = tokens(body).iter().map(|token| (token.text, token.at)).collect();
    let text = |at: usize| tokens.get(at).map_or("", |token| token.0);
    let (mut found, mut open, mut at) = (Vec::new(), Vec::new(), 0);
    while at < tokens.len() {
        let inline: Vec<_> = open.iter().flatten().cloned().collect();
        let here = Named { scope: [module, &inline].concat(), ..Named::default() };
        match text(at) {
            "{" => open.push((at > 1 && text(at - 2) == "mod").then(|| text(at - 1).to_owned())),
            "}" => drop(open.pop()),
            "use" => {
                let public = at > 0 && ["pub", ")"].contains(&text(at - 1));
                let from = if public { Origin::Reexport } else { Origin::Use };
                at = path_tree(&tokens, at + 1, &Named { from, ..here }, &mut found);
                continue;
            }
            first if is_word(first) && text(at + 1) == "::" && (at == 0 || text(at - 1) != "::") => {
                at = path_tree(&tokens, at, &here, &mut found);
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// Reads one path or `use` tree at `at`, appends its leaves to `found` and says where it ends.
fn path_tree(tokens: &[(&str, usize)], mut at: usize, so_far: &Named, found: &mut Vec<Named>) -> usize {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.0);
    let start = at;
    let mut named = Named { at: tokens.get(at).map_or(so_far.at, |token| token.1), ..so_far.clone() };
    loop {
        match text(at) {
            "{" => {
                while !["}", ""].contains(&text(at)) {
                    at = path_tree(tokens, at + 1, &named, found);
                }
                return at + 1;
            }
            "*" => named.glob = true,
            "self" if !so_far.path.is_empty() => {}
            word if is_word(word) => named.path.push(word.to_owned()),
            _ => break,
        }
        at += 1;
        if text(at) != "::" {
            break;
        }
        at += 1;
    }
    if named.from != Origin::Code && !named.glob {
        named.brings = named.path.last().cloned();
        if text(at) == "as" {
            named.brings = Some(text(at + 1).to_owned());
            at += 2;
        }
    }
    if at > start {
        found.push(named);
    }
    at
}

fn is_word(text: &str) -> bool {
    text.starts_with(|letter: char| letter.is_alphabetic() || letter == '_')
}

#[test]
fn paths_are_taken_apart_and_followed() {
    let tree = Tree::of(&[
        ("rpc-runtime/src/lib.rs", "pub use wire::Frame;"),
        ("rpc-runtime/src/wire/mod.rs", "pub(crate) use frame::{Frame, self as inner,};"),
        ("rpc-runtime/src/wire/frame.rs", ""),
        (
            "rpc-runtime/src/proto/mod.rs",
            "use crate::{self as all, wire::{self, inner::X as Y, *}}; use std::io;
             mod here { use super::Z; } fn f() -> Y { wire::Frame::g(); crate::Frame::h(); <io::E as all::Q>::i() }",
        ),
    ]);
    let library = Library::of(&tree, "rpc-runtime/src/");
    let module = ["proto".to_owned()];
    let told = |named: &Named| {
        let definer = library.definer(named).map_or_else(|| "-".to_owned(), |module| module.join("::"));
        format!("{}{} in {definer}", named.path.join("::"), if named.glob { "::*" } else { "" })
    };
    let told: Vec<_> = library.files[&module[..]].names.iter().map(told).collect();
    let expected = [
        "crate in ",
        "crate::wire in wire",
        "crate::wire::inner::X in wire::frame",
        "crate::wire::* in wire",
        "std::io in -",
        "super::Z in proto",
        "wire::Frame::g in wire::frame",
        "crate::Frame::h in wire::frame",
        "io::E in -",
        "all::Q in ",
    ];
    assert_eq!(told, expected);
}
