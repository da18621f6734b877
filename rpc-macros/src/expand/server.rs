//! Writes the server: the struct, and the handler that finds a call's method, decodes its arguments, runs it and
//! encodes its answer.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::quote;
use syn::ext::IdentExt;

use super::bounds;
use super::terms::Terms;
use crate::model::{Argument, Method, Passing, Service};

/// The struct, and what is implemented for it.
pub(super) fn of(service: &Service, terms: &Terms) -> (TokenStream, TokenStream) {
    let constructors = constructors(service, terms);
    let handler = handler(service, terms);
    (structure(service, terms), quote!(#constructors #handler))
}

// Output:
//     pub struct CalculatorServer<T> { service: Arc<T> }
fn structure(service: &Service, terms: &Terms) -> TokenStream {
    let Terms { door, server, implementer, .. } = terms;
    let Service { item, cfg, shown, lints, .. } = service;
    let vis = &item.vis;
    let docs = format!(" Serves a [`{0}`].\n\n", item.ident.unraw());
    quote! {
        #[doc = #docs]
        #(#shown)*
        #(#cfg)*
        #(#lints)*
        #[allow(dead_code, reason = "generated: a program may use one side alone")]
        #vis struct #server<#implementer> {
            service: #door::Arc<#implementer>,
        }
    }
}

fn constructors(service: &Service, terms: &Terms) -> TokenStream {
    let Terms { door, server, implementer, .. } = terms;
    let vis = &service.item.vis;
    let name = server.to_string();
    quote! {
        impl<#implementer> #server<#implementer> {
            /// Serves `service`.
            #vis fn new(service: #implementer) -> Self {
                Self { service: #door::Arc::new(service) }
            }
        }

        #[automatically_derived]
        impl<#implementer> ::core::convert::From<#door::Arc<#implementer>> for #server<#implementer> {
            fn from(service: #door::Arc<#implementer>) -> Self {
                Self { service }
            }
        }

        #[automatically_derived]
        impl<#implementer> ::core::clone::Clone for #server<#implementer> {
            fn clone(&self) -> Self {
                Self { service: ::core::clone::Clone::clone(&self.service) }
            }
        }

        #[automatically_derived]
        impl<#implementer> ::core::fmt::Debug for #server<#implementer> {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.write_str(#name)
            }
        }
    }
}

// Output:
//     impl<T: Calculator + Send + Sync + 'static> Handler for CalculatorServer<T> {
//         fn handle(&self, request: Request) -> HandlerFuture {
//             match index(&__TRAITWIRE_SERVICE, &request) {
//                 Some(0) => { … }
//                 _ => unimplemented(&__TRAITWIRE_SERVICE, &request),
//             }
//         }
//     }
//     impl<T: …> Service for CalculatorServer<T> { … }
fn handler(service: &Service, terms: &Terms) -> TokenStream {
    let Terms { door, server, implementer, descriptor, .. } = terms;
    let bounds = bounds::of_implementer(service, terms);
    let request = Ident::new("request", Span::mixed_site());
    let arms = service.methods.iter().map(|method| arm(service, method, &request, terms));
    quote! {
        #[automatically_derived]
        impl<#implementer> #door::Handler for #server<#implementer>
        where
            #bounds
        {
            fn handle(&self, #request: #door::Request) -> #door::HandlerFuture {
                match #door::index(&#descriptor, &#request) {
                    #(#arms)*
                    _ => #door::unimplemented(&#descriptor, &#request),
                }
            }
        }

        #[automatically_derived]
        impl<#implementer> #door::Service for #server<#implementer>
        where
            #bounds
        {
            fn descriptor(&self) -> &'static #door::ServiceDescriptor {
                &#descriptor
            }
        }
    }
}

// Input:
//     async fn rename(&self, id: u64, name: String) -> Result<(), RenameError>;
// Output:
//     Some(0) => {
//         let method = const { method(&__TRAITWIRE_SERVICE, 0) };
//         let service = Clone::clone(&self.service);
//         let payload = request.into_arguments();
//         HandlerFuture::new(async move {
//             let (id, name) = {
//                 let mut incoming = Incoming::new(method, &payload)?;
//                 let id = receive(&mut incoming, owned::<u64>(), "id")?;
//                 let name = receive(&mut incoming, owned::<String>(), "name")?;
//                 (id, name)
//             };
//             drop(payload);
//             let returned = <T as Store>::rename(&*service, id, name).await;
//             room().await;
//             let form = form::<Select<true>, Result<(), RenameError>>();
//             respond(method, returned, form, answer::<(), RenameError>())
//         })
//     }
//
// The payload is dropped before the method runs, and gives back what it holds of its connection's budget, unless an
// argument borrows from it.
fn arm(service: &Service, method: &Method, request: &Ident, terms: &Terms) -> TokenStream {
    let Terms { door, implementer, .. } = terms;
    let Method { ident, cfg, arguments, .. } = method;
    let trait_ident = &service.item.ident;
    let index = Literal::u32_unsuffixed(method.index);
    let [local_method, local_service, payload, incoming, returned] =
        ["method", "service", "payload", "incoming", "returned"]
            .map(|name| Ident::new(name, Span::mixed_site()));
    let descriptor = terms.method(method);
    let idents: Vec<_> = arguments.iter().map(|argument| &argument.ident).collect();
    let reads = arguments.iter().map(|argument| {
        let Argument { ident, .. } = argument;
        let name = ident.unraw().to_string();
        let received = terms.with_argument(argument, "receive", &quote!(&mut #incoming), &quote!(#name));
        quote!(let #ident = #received?;)
    });
    let read = quote!(#door::Incoming::new(#local_method, &#payload)?);
    let read = if arguments.is_empty() {
        quote!(#read;)
    } else {
        quote!(let (#(#idents,)*) = { let mut #incoming = #read; #(#reads)* (#(#idents,)*) };)
    };
    let release = (!method.borrows()).then(|| quote!(::core::mem::drop(#payload);));
    let passed = arguments.iter().map(|Argument { ident, passing, .. }| match passing {
        Passing::Direct { .. } | Passing::Cow { .. } => quote!(#ident),
        Passing::Lent { .. } | Passing::Slice { .. } => quote!(&#ident),
    });
    let response = terms.with_answer(method, "respond", &quote!(#local_method, #returned));
    quote! {
        #(#cfg)*
        ::core::option::Option::Some(#index) => {
            let #local_method = #descriptor;
            let #local_service = ::core::clone::Clone::clone(&self.service);
            let #payload = #request.into_arguments();
            #door::HandlerFuture::new(async move {
                #read
                #release
                let #returned = <#implementer as #trait_ident>::#ident(&*#local_service, #(#passed),*).await;
                #door::room().await;
                #response
            })
        }
    }
}
