//! Owns the names: those that the attribute invents, what makes a name good for the wire, and types as text. Does not
//! look at the model.

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, Ident, Span, TokenStream, TokenTree};
use syn::ext::IdentExt;

/// `Calculator` → `CalculatorClient`, at the trait's own place, so that errors and editors lead there.
pub(crate) fn client(of: &Ident) -> Ident {
    Ident::new(&format!("{}Client", of.unraw()), of.span())
}

/// `Calculator` → `CalculatorServer`.
pub(crate) fn server(of: &Ident) -> Ident {
    Ident::new(&format!("{}Server", of.unraw()), of.span())
}

/// The first of `base`, `base1`, … that is no word of `tokens`. Type parameters shadow types of the same name, and
/// procedural macros have no hygiene for them.
pub(crate) fn unused(base: &str, tokens: TokenStream) -> Ident {
    fn collect(tokens: TokenStream, words: &mut BTreeSet<String>) {
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => drop(words.insert(ident.to_string())),
                TokenTree::Group(group) => collect(group.stream(), words),
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }
    let mut words = BTreeSet::new();
    collect(tokens, &mut words);
    let mut name = base.to_owned();
    let mut number = 0;
    while words.contains(&name) {
        number += 1;
        name = format!("{base}{number}");
    }
    Ident::new(&name, Span::call_site())
}

/// A type as people write it: `Vec<u8>`, `&[u8]`, `(i64, String)`.
pub(crate) fn text(tokens: TokenStream) -> String {
    let mut text = String::new();
    write(tokens, &mut text);
    text
}

fn write(tokens: TokenStream, text: &mut String) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::None => ("", ""),
                };
                text.push_str(open);
                write(group.stream(), text);
                text.push_str(close);
            }
            TokenTree::Punct(punct) => match punct.as_char() {
                mark @ (',' | ';') => text.extend([mark, ' ']),
                mark @ ('+' | '=') => text.extend([' ', mark, ' ']),
                '>' if text.ends_with('-') => text.replace_range(text.len() - 1.., " -> "),
                // A lifetime comes as a quote and a word; the word behind it needs its space.
                mark => text.push(mark),
            },
            word => {
                let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
                if text.ends_with(is_word) {
                    text.push(' ');
                }
                text.push_str(&word.to_string());
            }
        }
    }
}
