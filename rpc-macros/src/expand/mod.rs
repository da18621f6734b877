//! Writes a service out: the trait, its descriptor, its client and its server. Owns the order of the steps; each part has
//! its file, and `terms` what they share.

mod as_trait;
mod bounds;
mod client;
mod descriptor;
mod fallback;
mod server;
mod service;
mod terms;
mod testing;

use proc_macro2::TokenStream;
use quote::quote;
use syn::ItemTrait;

use self::terms::Terms;
use crate::diagnostics::Report;
use crate::model::Service;
use crate::{parse, validate};

/// The whole attribute: tokens in, tokens out.
pub(crate) fn service(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut report = Report::default();
    let trait_item = match syn::parse2::<ItemTrait>(item.clone()) {
        Ok(trait_item) => trait_item,
        Err(error) => return fallback::no_trait(item, error, report),
    };
    let mut service = parse::service(options, trait_item, &mut report);
    validate::service(&service, &mut report);
    service.is_broken = !report.is_empty();
    let written = write(&service);
    let errors = report.into_compile_errors();
    quote!(#errors #written)
}

// Input:
//     pub trait Calculator { … }
// Output:
//     pub trait Calculator { … }
//     pub struct CalculatorClient<C = Channel> { … }
//     pub struct CalculatorServer<T> { … }
//     const _: () = { static __TRAITWIRE_SERVICE: … impl … when_testing! { … } };
fn write(service: &Service) -> TokenStream {
    let terms = Terms::of(service);
    let item = service::item(service);
    let (client, client_impls) = client::of(service, &terms);
    let (server, server_impls) = server::of(service, &terms);
    let as_trait = as_trait::of(service, &terms);
    let for_tests = testing::of(service, &terms);
    let probes = terms.probes(service);
    let descriptor = descriptor::of(service, &terms);
    let Service { cfg, lints, .. } = service;
    // The block keeps the descriptor out of the user's names; what stands in it is not linted twice.
    quote! {
        #item
        #client
        #server
        #(#cfg)*
        #(#lints)*
        #[allow(
            dead_code,
            private_bounds,
            private_interfaces,
            clippy::same_name_method,
            reason = "generated: the trait itself is linted"
        )]
        const _: () = {
            #descriptor
            #probes
            #client_impls
            #as_trait
            #server_impls
            #for_tests
        };
    }
}
