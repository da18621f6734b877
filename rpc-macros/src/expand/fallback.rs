//! What is written where there is nothing to write: the attribute on something that is no trait. Beside a mistake in a
//! trait, everything but the broken methods is written as usual, so that the rest of the program still compiles.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Item;

use crate::diagnostics::{Mistake, Report};

/// The item as it stands, with the reason why it is no service.
pub(super) fn no_trait(item: TokenStream, error: syn::Error, mut report: Report) -> TokenStream {
    let head: TokenStream = item.clone();
    match syn::parse2::<Item>(item.clone()) {
        Ok(Item::Trait(_)) | Err(_) => report.add_syntax(error),
        Ok(_) => report.add(head, &Mistake::NotATrait),
    }
    let errors = report.into_compile_errors();
    quote!(#errors #item)
}
