//! The tree as the rules see it: each file's text, and its code with comments, literals and test modules blanked.
//! Judges nothing: `rooms`, `shape`, `targets` and `documents` do.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::lexer::{Token, blank, tokens, without_literals};

/// The packages of the house; rules about Rust files look nowhere else.
const PACKAGES: &[&str] = &["rpc-runtime/", "rpc-macros/", "tests/", "examples/", "benches/", "fuzz/"];

/// Every Rust file, document and manifest, by its path from the repository's root with `/` between folders.
#[derive(Default)]
pub(crate) struct Tree {
    pub(crate) files: BTreeMap<String, Source>,
}

impl Tree {
    /// The house itself.
    pub(crate) fn of_house() -> Self {
        let mut tree = Self::default();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        tree.read(&root, "");
        tree.with_tests_marked()
    }

    /// A made-up tree, for showing that a rule can fail.
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), Source::new(path, text)));
        Self { files: files.collect() }.with_tests_marked()
    }

    /// The Rust files of all packages, except UI cases, which are wrong on purpose.
    pub(crate) fn rust(&self) -> impl Iterator<Item = &Source> {
        let ours =
            |path: &str| path.ends_with(".rs") && PACKAGES.iter().any(|package| path.starts_with(package));
        self.files.values().filter(move |file| ours(&file.path) && !file.path.starts_with("tests/ui/"))
    }

    /// What ships: the non-test files of both libraries.
    pub(crate) fn shipped(&self) -> impl Iterator<Item = &Source> {
        self.rust().filter(|file| file.is_shipped())
    }

    /// Marks what a `#[cfg(test)] mod name;` declares: the file and its folder.
    fn with_tests_marked(mut self) -> Self {
        let declared = |file: &Source| {
            let folder = file.folder(["lib.rs", "main.rs"].iter().any(|root| file.path.ends_with(root)));
            file.test_files.iter().map(move |name| format!("{folder}/{name}")).collect::<Vec<_>>()
        };
        let declared: Vec<_> = self.files.values().flat_map(declared).collect();
        for (path, file) in &mut self.files {
            let behind = declared.iter().filter_map(|declared| path.strip_prefix(declared));
            file.is_test |= behind.into_iter().any(|behind| behind == ".rs" || behind.starts_with('/'));
        }
        self
    }

    fn read(&mut self, folder: &Path, prefix: &str) {
        for entry in fs::read_dir(folder).expect("a folder of the checkout can be listed") {
            let entry = entry.expect("a folder of the checkout can be listed");
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{prefix}{name}");
            if entry.path().is_dir() {
                if !name.starts_with('.') && !["target", "corpus", "artifacts"].contains(&name.as_str()) {
                    self.read(&entry.path(), &format!("{path}/"));
                }
            } else if name.ends_with(".rs") || name.ends_with(".md") || name == "Cargo.toml" {
                let bytes = fs::read(entry.path()).expect("a file of the checkout can be read");
                self.files.insert(path.clone(), Source::new(&path, &String::from_utf8_lossy(&bytes)));
            }
        }
    }
}

/// One file. `text`, `code` and `body` have the same length, so that an offset means the same place in each.
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
    /// `text` with comments, strings and characters blanked.
    pub(crate) code: String,
    /// `code` with its `#[cfg(test)] mod … { … }` blanked.
    pub(crate) body: String,
    /// Physical lines outside those modules.
    pub(crate) body_lines: usize,
    /// Whether the whole file is test code.
    pub(crate) is_test: bool,
    /// The names in `#[cfg(test)] mod name;`.
    test_files: Vec<String>,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let code = if path.ends_with(".rs") { without_literals(text) } else { text.to_owned() };
        let mut file = Self {
            path: path.to_owned(),
            text: text.to_owned(),
            body: code.clone(),
            code,
            body_lines: text.lines().count(),
            is_test: path.starts_with("tests/"),
            test_files: Vec::new(),
        };
        file.set_tests_apart();
        file
    }

    /// The folder in which the `mod name;` of this file look for theirs.
    pub(crate) fn folder(&self, is_root: bool) -> &str {
        let (folder, name) = self.path.rsplit_once('/').unwrap_or(("", &self.path));
        if is_root || name == "mod.rs" { folder } else { self.path.trim_end_matches(".rs") }
    }

    pub(crate) fn is_shipped(&self) -> bool {
        let of_library = ["rpc-runtime/src/", "rpc-macros/src/"].iter().any(|src| self.path.starts_with(src));
        of_library && !self.is_test
    }

    fn set_tests_apart(&mut self) {
        let tokens = tokens(&self.code);
        let mut body = self.code.as_bytes().to_vec();
        let mut end = 0;
        for start in 0..tokens.len() {
            if tokens[start].at < end {
                continue;
            }
            let Some(name) = test_module(&tokens[start..]).map(|name| start + name) else { continue };
            match tokens.get(name + 1).map(|token| token.text) {
                Some("{") => {
                    let from = tokens[start].at;
                    end = tokens[closing(&tokens, name + 1)].at + 1;
                    self.body_lines -= self.code[from..end].lines().count();
                    blank(&mut body[from..end]);
                }
                _ => self.test_files.push(tokens[name].text.to_owned()),
            }
        }
        self.body = String::from_utf8(body).expect("tokens are whole characters");
    }

    /// A violation at byte `offset`: `path:line: advice`.
    pub(crate) fn at(&self, offset: usize, advice: &str) -> String {
        let line = self.text.as_bytes()[..offset].iter().filter(|&&byte| byte == b'\n').count() + 1;
        format!("{}:{line}: {advice}", self.path)
    }
}

/// If a `#[cfg(test)] mod name` (more attributes and a visibility allowed) starts here: the index of its name.
fn test_module(tokens: &[Token<'_>]) -> Option<usize> {
    let texts =
        |range: std::ops::Range<usize>| tokens.get(range).unwrap_or_default().iter().map(|token| token.text);
    if !texts(0..5).eq(["#", "[", "cfg", "(", "test"])
        && !texts(0..7).eq(["#", "[", "cfg", "(", "all", "(", "test"])
    {
        return None;
    }
    let mut at = 0;
    loop {
        at = match tokens.get(at)?.text {
            "#" | "pub" if ["[", "("].contains(&tokens.get(at + 1)?.text) => closing(tokens, at + 1) + 1,
            "pub" => at + 1,
            "mod" => return Some(at + 1),
            _ => return None,
        }
    }
}

/// The index of the bracket that closes the one at `open`; the last token if none does.
fn closing(tokens: &[Token<'_>], open: usize) -> usize {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(open) {
        match token.text {
            "{" | "[" | "(" => depth += 1,
            "}" | "]" | ")" if depth == 1 => return index,
            "}" | "]" | ")" => depth -= 1,
            _ => {}
        }
    }
    tokens.len() - 1
}

#[test]
fn test_modules_are_blanked_wherever_they_stand() {
    let text = "fn a() {}\n#[cfg(test)]\n#[rustfmt::skip]\npub(crate) mod tests {\n fn b() { c(\"}\") }\n}\nfn d() {}\n#[cfg(test)]\nmod e;\n";
    let source = Source::new("rpc-runtime/src/a.rs", text);
    let words: Vec<_> = tokens(&source.body).iter().map(|token| token.text).collect();
    assert_eq!(words.join(" "), "fn a ( ) { } fn d ( ) { } # [ cfg ( test ) ] mod e ;");
    assert_eq!(source.body_lines, 4);
    assert_eq!(source.test_files, ["e"]);
    assert_eq!(source.at(text.find("fn d").expect("it is there"), "x"), "rpc-runtime/src/a.rs:7: x");
}

#[test]
fn files_declared_for_tests_are_tests() {
    let paths = ["a/e.rs", "a/e/f.rs", "a/ee.rs", "a.rs"].map(|path| format!("rpc-runtime/src/{path}"));
    let files = paths.iter().map(|path| (path.as_str(), "#[cfg(test)]\nmod e;\n")).collect::<Vec<_>>();
    let tree = Tree::of(&files);
    assert_eq!(paths.map(|path| tree.files[&path].is_test), [true, true, false, false]);
}

#[test]
fn the_house_is_really_read() {
    let house = Tree::of_house();
    assert!(house.rust().any(|file| file.path == "tests/tidy/source.rs"));
    assert!(house.shipped().any(|file| file.path == "rpc-runtime/src/lib.rs"));
}
