//! Writes the client as the trait itself, for code that takes the local object or the remote one.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use super::bounds;
use super::terms::Terms;
use crate::model::{Argument, Method, Mode, Service, Shape};
use crate::stream;

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
// Input:
//     fn ticks(&self, n: u32) -> impl Stream<Item = Result<u32, StoreError>>;
//     async fn open(&self) -> Result<impl Stream<Item = Result<u32, StoreError>>, StoreError>;
// Output:
//     fn ticks(&self, n: u32) -> impl Stream<Item = Result<u32, StoreError>> + Send {
//         returned_stream::<Select<true>, Result<u32, StoreError>, C>(StoreClient::<C>::ticks(self, n))
//     }
//     fn open(&self) -> impl Future<Output = Result<impl Stream<…> + Send, StoreError>> + Send {
//         returned_open::<Select<true>, Result<u32, StoreError>, StoreError, C>(StoreClient::<C>::open(self))
//     }
//
// The last bound hangs on `C`, so it is checked where the client is used as the trait, and nowhere else. Where it is the
// compiler that finds out that a method returns no `Result`, the bound asks for an `Infallible` made of an error, and
// never holds.
pub(super) fn of(service: &Service, terms: &Terms) -> Option<TokenStream> {
    let Terms { door, client, caller, .. } = terms;
    if service.is_broken || !service.methods.iter().all(can_fail) {
        return None;
    }
    let ident = &service.item.ident;
    let supertraits = &service.item.supertraits;
    let supertraits = (!supertraits.is_empty()).then(|| quote!(#client<#caller>: #supertraits,));
    let own = bounds::predicates(service, &quote!(#client<#caller>));
    let (conditions, errors): (Vec<_>, Vec<_>) =
        service.methods.iter().flat_map(|method| error_types(method, terms)).unzip();
    let methods = service.methods.iter().map(|method| {
        let Method { ident, cfg, arguments, .. } = method;
        let parameters = arguments.iter().map(|Argument { ident, ty, .. }| quote!(#ident: #ty));
        let passed = arguments.iter().map(|argument| &argument.ident);
        let (returned, output) = returned(method, terms);
        quote! {
            #(#cfg)*
            fn #ident(&self, #(#parameters),*) -> #output {
                #returned(#client::<#caller>::#ident(self, #(#passed),*))
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

/// Whether what the method returns has a place for what happens to a call, wherever it may happen.
fn can_fail(method: &Method) -> bool {
    let opens = !matches!(method.returns.mode, Mode::Opened { error: None });
    opens && method.returns.shape != Shape::Plain
}

/// The function that makes what the trait says of what the client returns, and what that is.
fn returned(method: &Method, terms: &Terms) -> (TokenStream, TokenStream) {
    let Terms { door, caller, .. } = terms;
    let (select, ty) = (terms.select(method), &method.returns.ty);
    let written = stream::sendable(&method.returns.written);
    let future = quote!(impl ::core::future::Future<Output = #written> + ::core::marker::Send);
    match &method.returns.mode {
        Mode::Once => (quote!(#door::returned::<#select, #ty, #caller>), future),
        Mode::Stream => (quote!(#door::returned_stream::<#select, #ty, #caller>), quote!(#written)),
        Mode::Opened { error } => (quote!(#door::returned_open::<#select, #ty, #error, #caller>), future),
    }
}

/// A method's errors as types, and what must be written for each elsewhere.
///
/// A predicate cannot have a `cfg`. So the error of a method that has one is that of a marker, which without the method is
/// the caller's own: a bound that always holds.
fn error_types(method: &Method, terms: &Terms) -> Vec<(TokenStream, TokenStream)> {
    let Terms { door, .. } = terms;
    let (select, ty) = (terms.select(method), &method.returns.ty);
    let mut errors = vec![("Error", quote!(<#select as #door::Shape<#ty>>::Err))];
    if let Mode::Opened { error: Some(error) } = &method.returns.mode {
        errors.push(("OpenError", quote!(#error)));
    }
    errors.into_iter().map(|(name, error)| conditional(name, error, method, terms)).collect()
}

fn conditional(name: &str, error: TokenStream, method: &Method, terms: &Terms) -> (TokenStream, TokenStream) {
    let Terms { door, caller, .. } = terms;
    if method.cfg.is_empty() {
        return (TokenStream::new(), error);
    }
    let marker = format_ident!("__Traitwire{name}{}", method.index);
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
