//! Owns conditions: what a trait asks of its implementers, said of another type, and what a `cfg` asks for.

use proc_macro2::{Group, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{Attribute, TraitItem, WherePredicate};

use super::terms::Terms;
use crate::model::Service;

/// What a type must be to be served.
pub(super) fn of_implementer(service: &Service, terms: &Terms) -> TokenStream {
    let Terms { implementer, .. } = terms;
    let own = predicates(service, &quote!(#implementer));
    let of_trait = service.is_servable.then(|| {
        let ident = &service.item.ident;
        quote!(#ident +)
    });
    quote!(#implementer: #of_trait ::core::marker::Send + ::core::marker::Sync + 'static, #(#own,)*)
}

/// The `where` predicates of the trait and of its methods, with `implementer` in place of `Self`.
///
/// A bound by the trait implies its supertraits and what its `where` says of `Self`, but nothing else of it, and nothing
/// of what a method asks for.
pub(super) fn predicates(service: &Service, implementer: &TokenStream) -> Vec<TokenStream> {
    let of_trait = service.item.generics.where_clause.iter();
    let of_methods = service.item.items.iter().filter_map(|item| match item {
        TraitItem::Fn(function) => function.sig.generics.where_clause.as_ref(),
        _ => None,
    });
    let predicates = of_trait.chain(of_methods).flat_map(|clause| &clause.predicates);
    predicates
        .filter(|predicate| !is_granted(predicate))
        .map(|predicate| replaced(predicate, implementer))
        .collect()
}

/// `Self: Send`, `Sync` or `Sized`, which every service and every client is.
fn is_granted(predicate: &WherePredicate) -> bool {
    let text = quote!(#predicate).to_string();
    let Some(bounds) = text.strip_prefix("Self :") else { return false };
    bounds.split('+').all(|bound| ["Send", "Sync", "Sized", "'static"].contains(&bound.trim()))
}

fn replaced(predicate: &WherePredicate, implementer: &TokenStream) -> TokenStream {
    within(predicate.to_token_stream(), implementer)
}

fn within(tokens: TokenStream, implementer: &TokenStream) -> TokenStream {
    let replace = |token| match token {
        TokenTree::Ident(ident) if ident == "Self" => implementer.clone(),
        TokenTree::Group(group) => {
            let mut inner = Group::new(group.delimiter(), within(group.stream(), implementer));
            inner.set_span(group.span());
            TokenTree::Group(inner).into()
        }
        token => token.into(),
    };
    tokens.into_iter().flat_map(|token| -> TokenStream { replace(token) }).collect()
}

/// The condition of a `#[cfg(…)]`.
pub(super) fn condition(cfg: &Attribute) -> TokenStream {
    cfg.meta.require_list().map(|list| list.tokens.clone()).unwrap_or_default()
}
