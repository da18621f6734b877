//! Owns [`Setting`], the grammar of `#[rpc_service(…)]` and `#[rpc(…)]`: which options there are and what their values look
//! like. Does not know what they mean.

use std::ops::RangeInclusive;

use proc_macro2::{Ident, TokenStream};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, ExprLit, ExprUnary, Lit, LitStr, Meta, Token, UnOp};

use crate::diagnostics::{Mistake, Report, did_you_mean, list};
use crate::model::StreamTime;

pub(crate) const ON_SERVICE: &[&str] = &["name", "crate"];
pub(crate) const ON_METHOD: &[&str] = &[
    "name",
    "idempotent",
    "dedup",
    "timeout",
    "idle_timeout",
    "total_timeout",
    "elements",
    "oneway",
    "blocking",
    "retry",
    "retry_on",
    "hedge",
    "allow",
    "cache",
];
pub(crate) const ON_ARGUMENT: &[&str] = &["default", "key"];

/// Where options stand.
pub(crate) struct Place {
    text: &'static str,
    valid: &'static [&'static str],
}

/// One option: `key`, `key = value` or `key(…)`.
pub(crate) struct Setting {
    pub(crate) key: Ident,
    pub(crate) value: Value,
}

pub(crate) enum Value {
    None,
    Is(Expr),
    List(TokenStream),
}

type Settings = Punctuated<Setting, Token![,]>;

/// Options with commas between them.
const LIST: fn(ParseStream<'_>) -> syn::Result<Settings> = Settings::parse_terminated;

impl Parse for Setting {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let key = Ident::parse_any(input)?;
        let value = if input.peek(syn::token::Paren) {
            let content;
            syn::parenthesized!(content in input);
            Value::List(content.parse()?)
        } else if input.peek(Token![=]) {
            input.parse::<Token![=]>()?;
            Value::Is(input.parse()?)
        } else {
            Value::None
        };
        Ok(Self { key, value })
    }
}

impl Place {
    pub(crate) const fn new(text: &'static str, valid: &'static [&'static str]) -> Self {
        Self { text, valid }
    }

    /// The options between the parentheses of another one.
    pub(crate) fn list(&self, tokens: TokenStream, report: &mut Report) -> Vec<Setting> {
        self.settings([LIST.parse2(tokens)], report)
    }

    pub(crate) fn take(&self, attributes: &mut Vec<Attribute>, report: &mut Report) -> Vec<Setting> {
        let mut lists = Vec::new();
        for attribute in attributes.extract_if(.., |attribute| is_rpc(attribute)) {
            match &attribute.meta {
                Meta::List(list) if !list.tokens.is_empty() => lists.push(list.parse_args_with(LIST)),
                _ => report.add(&attribute, &Mistake::NoOptions { valid: &list(self.valid) }),
            }
        }
        self.settings(lists, report)
    }

    /// The options that are valid here, each once.
    fn settings(
        &self,
        lists: impl IntoIterator<Item = syn::Result<Settings>>,
        report: &mut Report,
    ) -> Vec<Setting> {
        let mut found: Vec<Setting> = Vec::new();
        for list in lists {
            match list {
                Ok(settings) => {
                    settings.into_iter().for_each(|setting| self.add(setting, &mut found, report))
                }
                Err(error) => report.add_at(error.span(), &Mistake::Syntax { text: &error.to_string() }),
            }
        }
        found
    }

    fn add(&self, setting: Setting, found: &mut Vec<Setting>, report: &mut Report) {
        let key = setting.key.to_string();
        if !self.valid.contains(&key.as_str()) {
            self.refuse(&setting.key, report);
        } else if found.iter().any(|earlier| earlier.key == setting.key) {
            report.add(&setting.key, &Mistake::DuplicateOption { key: &key });
        } else {
            found.push(setting);
        }
    }

    fn refuse(&self, key: &Ident, report: &mut Report) {
        let elsewhere = [
            (ON_METHOD, "write `#[rpc(…)]` on a method"),
            (ON_SERVICE, "write it in `#[rpc_service(…)]` on the trait"),
            (ON_ARGUMENT, "write `#[rpc(…)]` on an argument"),
        ];
        let name = &key.to_string();
        if let Some((_, place)) = elsewhere.into_iter().find(|(keys, _)| keys.contains(&name.as_str())) {
            return report.add(key, &Mistake::OptionElsewhere { key: name, place });
        }
        let (hint, valid) = (&did_you_mean(name, self.valid), &list(self.valid));
        report.add(key, &Mistake::UnknownOption { key: name, place: self.text, hint, valid });
    }
}

// ===== the values =====

impl Setting {
    pub(crate) fn flag(&self, report: &mut Report) -> bool {
        let key = &self.key.to_string();
        match &self.value {
            Value::None => {}
            Value::Is(value) => report.add(value, &Mistake::UnexpectedValue { key }),
            Value::List(list) => self.refuse(list, &Mistake::UnexpectedValue { key }, report),
        }
        true
    }

    pub(crate) fn text(&self, example: &str, report: &mut Report) -> Option<LitStr> {
        match self.literal(example, report)? {
            Lit::Str(text) => Some(text.clone()),
            other => {
                report.add(other, &Mistake::WrongValue { key: &self.key.to_string(), example });
                None
            }
        }
    }

    fn literal(&self, example: &str, report: &mut Report) -> Option<&Lit> {
        match self.expression(example, report)? {
            Expr::Lit(ExprLit { lit, .. }) => Some(lit),
            other => {
                report.add(other, &Mistake::WrongValue { key: &self.key.to_string(), example });
                None
            }
        }
    }

    /// Notes a mistake at a list, or at its key if it is empty.
    fn refuse(&self, list: &TokenStream, mistake: &Mistake<'_>, report: &mut Report) {
        if list.is_empty() { report.add(&self.key, mistake) } else { report.add(list, mistake) }
    }

    /// A name for the wire; only a service's may have dots.
    pub(crate) fn name(&self, dots: bool, report: &mut Report) -> Option<String> {
        let literal = self.text("\"…\"", report)?;
        let name = literal.value();
        let is_bad = |letter: &char| !(letter.is_alphanumeric() || ['_', '-', '.'].contains(letter));
        if name.is_empty() {
            report.add(&literal, &Mistake::NameEmpty);
        } else if let Some(character) = name.chars().find(is_bad) {
            report
                .add(&literal, &Mistake::NameCharacter { character: &character.escape_debug().to_string() });
        } else if name.contains('.') && !dots {
            report.add(&literal, &Mistake::NameDot);
        } else {
            return Some(name);
        }
        None
    }

    pub(crate) fn path(&self, report: &mut Report) -> Option<syn::Path> {
        let literal = self.text("\"::traitwire\"", report)?;
        match literal.parse_with(syn::Path::parse_mod_style) {
            Ok(path) => Some(path),
            Err(_) => {
                report.add(&literal, &Mistake::CratePath { text: &literal.value() });
                None
            }
        }
    }

    pub(crate) fn number(&self, report: &mut Report) -> Option<u32> {
        let example = "100_000";
        let literal = self.literal(example, report)?;
        let Lit::Int(number) = literal else {
            report.add(literal, &Mistake::WrongValue { key: &self.key.to_string(), example });
            return None;
        };
        match number.base10_parse::<u32>() {
            Ok(0) => report.add(number, &Mistake::ElementsZero),
            Ok(number) => return Some(number),
            Err(_) => report.add(number, &Mistake::ElementsTooMany),
        }
        None
    }

    /// A number within a range, which `text` names.
    pub(crate) fn within(
        &self,
        range: RangeInclusive<f64>,
        text: &str,
        example: &str,
        report: &mut Report,
    ) -> Option<f64> {
        let mut literal = self.expression(example, report)?;
        let mut sign = 1.0;
        if let Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) = literal {
            (literal, sign) = (expr, -1.0);
        }
        let number = match literal {
            Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => number.base10_parse::<f64>().ok(),
            Expr::Lit(ExprLit { lit: Lit::Float(number), .. }) => number.base10_parse::<f64>().ok(),
            _ => None,
        };
        let number = number.map(|number| number * sign).filter(|number| range.contains(number));
        if number.is_none() {
            let key = &self.key.to_string();
            report.add(literal, &Mistake::WrongNumber { key, range: text, example });
        }
        number
    }

    fn expression(&self, example: &str, report: &mut Report) -> Option<&Expr> {
        let key = &self.key.to_string();
        match &self.value {
            Value::Is(value) => return Some(bare(value)),
            Value::None => report.add(&self.key, &Mistake::MissingValue { key, example }),
            Value::List(list) => self.refuse(list, &Mistake::WrongValue { key, example }, report),
        }
        None
    }

    pub(crate) fn stream_time(&self, example: &str, report: &mut Report) -> Option<StreamTime> {
        self.duration(example, report).map(|micros| StreamTime { key: self.key.clone(), micros })
    }

    /// A time in microseconds.
    pub(crate) fn duration(&self, example: &str, report: &mut Report) -> Option<u64> {
        const TEN_YEARS: u64 = 10 * 365 * 24 * 60 * 60 * 1_000_000;
        let key = &self.key.to_string();
        let literal = self.text(example, report)?;
        let text = literal.value();
        let (number, unit) =
            text.split_at(text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len()));
        let micros = match unit {
            "us" => 1,
            "ms" => 1_000,
            "s" => 1_000_000,
            "m" => 60_000_000,
            "h" => 3_600_000_000,
            unit if number.is_empty() || !unit.chars().all(char::is_alphabetic) || unit.is_empty() => {
                report.add(&literal, &Mistake::DurationForm { text: &text });
                return None;
            }
            unit => {
                report.add(&literal, &Mistake::DurationUnit { unit });
                return None;
            }
        };
        if number.is_empty() {
            report.add(&literal, &Mistake::DurationForm { text: &text });
            return None;
        }
        match number.parse::<u64>().ok().and_then(|number| number.checked_mul(micros)) {
            Some(0) => report.add(&literal, &Mistake::DurationZero { key }),
            Some(time) if time <= TEN_YEARS => return Some(time),
            _ => report.add(&literal, &Mistake::DurationTooLong { key }),
        }
        None
    }
}

/// The expression within the invisible parentheses that `macro_rules` puts around a `$value:literal`.
pub(crate) fn bare(value: &Expr) -> &Expr {
    match value {
        Expr::Group(group) => bare(&group.expr),
        value => value,
    }
}

/// Whether an attribute is one of ours.
pub(crate) fn is_rpc(attribute: &Attribute) -> bool {
    attribute.path().is_ident("rpc")
}
