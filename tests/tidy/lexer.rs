//! Rust text taken apart just enough for rules: comments and literals blanked, the rest as tokens.
//! Knows no grammar: what the tokens mean is for its callers.

/// A word (`r#` dropped), `::`, or a single other character.
pub(crate) struct Token<'c> {
    pub(crate) text: &'c str,
    pub(crate) at: usize,
}

/// The tokens of blanked code.
pub(crate) fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(first) = code[at..].chars().next() {
        let rest = &code[at..];
        let length = match word(rest) {
            0 if rest.starts_with("::") => 2,
            0 => first.len_utf8(),
            1 if rest.starts_with("r#") => 2,
            length => length,
        };
        if !first.is_whitespace() && &rest[..length] != "r#" {
            found.push(Token { text: &rest[..length], at });
        }
        at += length;
    }
    found
}

/// `text` with comments, strings and characters blanked, each byte in its place.
pub(crate) fn without_literals(text: &str) -> String {
    let mut code = text.as_bytes().to_vec();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        match opaque(rest) {
            Some(length) => {
                blank(&mut code[at..at + length]);
                at += length;
            }
            None => at += word(rest).max(first.len_utf8()),
        }
    }
    String::from_utf8(code).expect("only whole characters are blanked")
}

/// The length of the comment or literal at the start of `rest`.
fn opaque(rest: &str) -> Option<usize> {
    let bytes = rest.as_bytes();
    let until =
        |from: usize, end: &str| rest[from..].find(end).map_or(rest.len(), |at| from + at + end.len());
    match bytes {
        [b'/', b'/', ..] => Some(rest.find('\n').unwrap_or(rest.len())),
        [b'/', b'*', ..] => Some(block_comment(bytes)),
        [b'"', ..] => Some(string(bytes)),
        [b'\'', b'\\', _, ..] => Some(until(2 + rest[2..].chars().next()?.len_utf8(), "'")),
        [b'\'', ..] => {
            let letter = rest[1..].chars().next()?.len_utf8();
            // Without a quote behind its first letter it is a lifetime.
            (bytes.get(1 + letter) == Some(&b'\'')).then_some(letter + 2)
        }
        _ => {
            let prefix = ["r", "br", "cr"].into_iter().find(|prefix| &rest[..word(rest)] == *prefix)?.len();
            let hashes = bytes[prefix..].iter().take_while(|&&byte| byte == b'#').count();
            let start = prefix + hashes;
            (bytes.get(start) == Some(&b'"')).then(|| until(start + 1, &format!("\"{}", "#".repeat(hashes))))
        }
    }
}

fn block_comment(bytes: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < bytes.len() {
        match &bytes[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] if depth == 1 => return at + 2,
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    bytes.len()
}

fn string(bytes: &[u8]) -> usize {
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn word(rest: &str) -> usize {
    rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(rest.len())
}

/// Spaces for everything but the ends of lines.
pub(crate) fn blank(bytes: &mut [u8]) {
    bytes.iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
}

#[test]
fn literals_and_comments_are_blanked_and_lines_stay() {
    let text = r####"a // todo!()
/* b /* c */ d */ e "f\"g" h 'i' '\'' 'j: &'k str "é" r"l\" m r#"n " o"# br##"p"# q"## r#type '\u{41}' '"' s"####;
    let code = without_literals(text);
    assert_eq!(code.len(), text.len());
    assert_eq!(code.lines().count(), 2);
    let words: Vec<_> = tokens(&code).iter().map(|token| token.text).collect();
    assert_eq!(words.join(" "), "a e h ' j : & ' k str m type s");
}
