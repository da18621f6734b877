//! Owns the option `allow`: which roles may call a method. Does not know who has them: that is said where a server is put
//! together.

use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{Expr, ExprLit, Lit, LitStr, Token};

use crate::diagnostics::{Mistake, Report};
use crate::setting::{Setting, Value, bare};

/// `allow = "admin"`, or `allow("admin", "ops")`.
pub(crate) fn roles(setting: &Setting, report: &mut Report) -> Vec<String> {
    let literals: Vec<LitStr> = match &setting.value {
        Value::Is(value) => match bare(value) {
            Expr::Lit(ExprLit { lit: Lit::Str(role), .. }) => vec![role.clone()],
            other => {
                report.add(other, &Mistake::AllowForm);
                return Vec::new();
            }
        },
        Value::List(list) if list.is_empty() => Vec::new(),
        Value::List(list) => match ROLES.parse2(list.clone()) {
            Ok(roles) => roles.into_iter().collect(),
            Err(error) => {
                report.add_at(error.span(), &Mistake::AllowForm);
                return Vec::new();
            }
        },
        Value::None => Vec::new(),
    };
    if literals.is_empty() {
        report.add(&setting.key, &Mistake::AllowNothing);
    }
    let mut roles = Vec::new();
    for literal in literals {
        let role = literal.value();
        let is_bad = |letter: &char| !(letter.is_alphanumeric() || "_-.:/".contains(*letter));
        if role.is_empty() {
            report.add(&literal, &Mistake::AllowEmpty);
        } else if let Some(character) = role.chars().find(is_bad) {
            let character = &character.escape_debug().to_string();
            report.add(&literal, &Mistake::AllowCharacter { character });
        } else if roles.contains(&role) {
            report.add(&literal, &Mistake::AllowTwice { role: &role });
        } else {
            roles.push(role);
        }
    }
    roles
}

/// Roles with commas between them.
const ROLES: fn(syn::parse::ParseStream<'_>) -> syn::Result<Punctuated<LitStr, Token![,]>> =
    Punctuated::parse_terminated;
