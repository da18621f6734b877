//! Owns the one path through which generated code reaches the runtime. Does not know what is there.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Path;

/// The door: `::traitwire::private`, or where `crate = "…"` says.
pub(crate) fn door(krate: Option<&Path>) -> TokenStream {
    match krate {
        Some(path) => quote!(#path::private),
        None => quote!(::traitwire::private),
    }
}
