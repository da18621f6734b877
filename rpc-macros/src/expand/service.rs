//! Writes the trait itself, with futures in place of `async fn`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Block, FnArg, Pat, PatType, ReturnType, Stmt, TraitItem, TraitItemFn};

use crate::model::Service;
use crate::stream;

/// The trait as the user wrote it, with futures and streams that are `Send`.
pub(super) fn item(service: &Service) -> TokenStream {
    let mut item = service.item.clone();
    for member in &mut item.items {
        if let TraitItem::Fn(function) = member {
            desugar(function);
        }
    }
    quote!(#item)
}

// Input:
//     async fn add(&self, a: i64, b: i64) -> i64 { a + b }
// Output:
//     fn add(&self, a: i64, b: i64) -> impl Future<Output = i64> + Send {
//         async move {
//             let a = a;
//             let b = b;
//             a + b
//         }
//     }
//
// Input:
//     fn ticks(&self, n: u32) -> impl Stream<Item = u32>;
//     async fn open(&self, name: &str) -> Result<impl Stream<Item = u32>, E>;
// Output:
//     fn ticks(&self, n: u32) -> impl Stream<Item = u32> + Send;
//     fn open(&self, name: &str) -> impl Future<Output = Result<impl Stream<Item = u32> + Send, E>> + Send;
fn desugar(function: &mut TraitItemFn) {
    let asyncness = function.sig.asyncness.take();
    if let ReturnType::Type(_, ty) = &mut function.sig.output {
        **ty = stream::sendable(ty);
    }
    let Some(asyncness) = asyncness else { return };
    let output = match &function.sig.output {
        ReturnType::Default => quote!(()),
        ReturnType::Type(_, ty) => quote!(#ty),
    };
    // Where the user wrote `async`, but in our own context, so that no lint takes it for the user's code.
    let span = Span::call_site().located_at(asyncness.span);
    function.sig.output = syn::parse_quote_spanned! {span=>
        -> impl ::core::future::Future<Output = #output> + ::core::marker::Send
    };
    let Some(body) = &mut function.default else { return };
    // As in an `async fn`, arguments are dropped when the future ends, also those that the body does not name.
    let moved: Vec<_> = function.sig.inputs.iter_mut().filter_map(moved).collect();
    let inner = inner(body);
    *body = syn::parse_quote_spanned! {span=> {
        async move {
            #(#moved)*
            #inner
        }
    }};
}

/// What the body comes to. Its braces are the user's: around one expression on one line the compiler would call them unused.
fn inner(body: &Block) -> TokenStream {
    match body.stmts.as_slice() {
        [Stmt::Expr(value, None)] => quote!(#value),
        _ => quote!(#body),
    }
}

fn moved(input: &mut FnArg) -> Option<TokenStream> {
    let FnArg::Typed(PatType { pat, .. }) = input else { return None };
    let Pat::Ident(pattern) = &mut **pat else { return None };
    let ident: &Ident = &pattern.ident;
    let mutability = pattern.mutability.take();
    let moved = quote_spanned!(ident.span()=> let #mutability #ident = #ident;);
    Some(quote!(#[allow(clippy::shadow_same, reason = "generated: it moves into the future")] #moved))
}
