//! Writes the client as the trait itself, for code that takes the local object or the remote one.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use super::bounds;
use super::terms::Terms;
use crate::model::{Argument, Method, Service, Shape};

// Input:
//     pub trait Store: Debug { async fn get(&self, key: &str) -> Result<String, StoreError>; }
// Output:
//     impl<C: Caller> Store for StoreClient<C>
//     where
//         StoreClient<C>: Debug,
//         <Select<true> as Shape<Result<String, StoreError>>>::Err: From<<C as Caller>::Error>,
//     {
//         fn get(&self, key: &str) -> impl Future<Output = Result<String, StoreError>> + Send {
//             returned::<Select<true>, Result<String, StoreError>, C>(StoreClient::<C>::get(self, key))
//         }
//     }
//
// The last bound hangs on `C`, so it is checked where the client is used as the trait, and nowhere else. Where it is the
// compiler that finds out that a method returns no `Result`, the bound asks for an `Infallible` made of an error, and
// never holds.
pub(super) fn of(service: &Service, terms: &Terms) -> Option<TokenStream> {
    let Terms { door, client, caller, .. } = terms;
    let fails = |method: &Method| method.returns.shape != Shape::Plain;
    if service.is_broken || !service.methods.iter().all(fails) {
        return None;
    }
    let ident = &service.item.ident;
    let supertraits = &service.item.supertraits;
    let supertraits = (!supertraits.is_empty()).then(|| quote!(#client<#caller>: #supertraits,));
    let own = bounds::predicates(service, &quote!(#client<#caller>));
    let (conditions, errors): (Vec<_>, Vec<_>) =
        service.methods.iter().map(|method| error_type(method, terms)).unzip();
    let methods = service.methods.iter().map(|method| {
        let Method { ident, cfg, arguments, returns, .. } = method;
        let parameters = arguments.iter().map(|Argument { ident, ty, .. }| quote!(#ident: #ty));
        let passed = arguments.iter().map(|argument| &argument.ident);
        let (select, ty) = (terms.select(method), &returns.ty);
        quote! {
            #(#cfg)*
            fn #ident(
                &self,
                #(#parameters),*
            ) -> impl ::core::future::Future<Output = #ty> + ::core::marker::Send {
                #door::returned::<#select, #ty, #caller>(#client::<#caller>::#ident(self, #(#passed),*))
            }
        }
    });
    Some(quote! {
        #(#conditions)*

        #[automatically_derived]
        impl<#caller: #door::Caller> #ident for #client<#caller>
        where
            #supertraits
            #(#own,)*
            #(#errors: ::core::convert::From<<#caller as #door::Caller>::Error>,)*
        {
            #(#methods)*
        }
    })
}

/// A method's error as a type, and what must be written for it elsewhere.
///
/// A predicate cannot have a `cfg`. So the error of a method that has one is that of a marker, which without the method is
/// the caller's own: a bound that always holds.
fn error_type(method: &Method, terms: &Terms) -> (TokenStream, TokenStream) {
    let Terms { door, caller, .. } = terms;
    let (select, ty) = (terms.select(method), &method.returns.ty);
    let error = quote!(<#select as #door::Shape<#ty>>::Err);
    if method.cfg.is_empty() {
        return (TokenStream::new(), error);
    }
    let marker = format_ident!("__TraitwireError{}", method.index);
    let conditions = method.cfg.iter().map(bounds::condition);
    let conditions = quote!(all(#(#conditions),*));
    let marked = quote! {
        struct #marker;
        #[cfg(#conditions)]
        impl<#caller: #door::Caller> #door::ErrorOf<#caller> for #marker {
            type Error = #error;
        }
        #[cfg(not(#conditions))]
        impl<#caller: #door::Caller> #door::ErrorOf<#caller> for #marker {
            type Error = #caller::Error;
        }
    };
    (marked, quote!(<#marker as #door::ErrorOf<#caller>>::Error))
}
