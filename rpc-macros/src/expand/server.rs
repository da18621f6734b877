//! Writes the server: the struct, and the handler that finds a call's method, decodes its arguments, runs it and
//! encodes its answer.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;

use super::bounds;
use super::terms::{Terms, ends};
use crate::model::{Argument, Method, Mode, Passing, Service, Way};

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
//
// With an argument `parts: Streaming<Part>`:
//         let mut request = request;
//         let items = streaming(method, &mut request, answer::<Part, ()>());
//         let payload = …;
//         HandlerFuture::new(async move {
//             let (…) = { … };
//             let parts = items?;
//             …
//
// The payload is dropped before the method runs, and gives back what it holds of its connection's budget, unless an
// argument borrows from it.
fn arm(service: &Service, method: &Method, request: &Ident, terms: &Terms) -> TokenStream {
    let Terms { door, .. } = terms;
    let index = Literal::u32_unsuffixed(method.index);
    let cfg = &method.cfg;
    let locals = Locals::new(request);
    let Locals { method: local_method, service: local_service, payload, .. } = &locals;
    let descriptor = terms.method(method);
    let taken = method.streaming().map(|(_, item)| {
        let items = &locals.items;
        let taken = terms.with_items(item, "streaming", &quote!(#local_method, &mut #request));
        quote! {
            let mut #request = #request;
            let #items = #taken;
        }
    });
    let body = match method.returns.mode {
        Mode::Once => once(service, method, &locals, terms),
        Mode::Stream | Mode::Opened { .. } => streamed(service, method, &locals, terms),
    };
    quote! {
        #(#cfg)*
        ::core::option::Option::Some(#index) => {
            let #local_method = #descriptor;
            let #local_service = ::core::clone::Clone::clone(&self.service);
            #taken
            let #payload = #request.into_arguments();
            #door::HandlerFuture::new(async move { #body })
        }
    }
}

/// Names of local variables that meet none of the user's.
struct Locals {
    method: Ident,
    service: Ident,
    payload: Ident,
    incoming: Ident,
    returned: Ident,
    sink: Ident,
    read: Ident,
    items: Ident,
}

impl Locals {
    fn new(request: &Ident) -> Self {
        let local = |name| Ident::new(name, request.span());
        Self {
            method: local("method"),
            service: local("service"),
            payload: local("payload"),
            incoming: local("incoming"),
            returned: local("returned"),
            sink: local("sink"),
            read: local("read"),
            items: local("items"),
        }
    }
}

/// What a method does that returns once.
fn once(service: &Service, method: &Method, locals: &Locals, terms: &Terms) -> TokenStream {
    let Terms { door, .. } = terms;
    let Locals { method: local_method, payload, returned, .. } = locals;
    let read = read(method, locals, terms);
    let arrived = arrived(method, locals);
    let release = (!method.borrows()).then(|| quote!(::core::mem::drop(#payload);));
    let call = call(service, method, locals, terms);
    let answer = terms.answer(method);
    let response =
        terms.call_at(method.returns.place(), &["respond"], None, &quote!(#local_method, #returned, #answer));
    quote! {
        #read
        #arrived
        #release
        let #returned = #call.await;
        #door::room().await;
        #response
    }
}

// Input:
//     fn ticks(&self, n: u32) -> impl Stream<Item = u32>;
// Output:
//     stream(move |sink| async move {
//         let read = || -> Result<_, RpcError> { … Ok((n,)) };
//         let Some((n,)) = sink.decoded(read()) else { return };
//         drop(payload);
//         let returned = <T as Clock>::ticks(&*service, n);
//         sink.opened();
//         Sink::run(sink, method, returned, form::<Select<false>, u32>(), answer::<u32, ()>()).await;
//     })
//     .await
//
// Input:
//     async fn open(&self, name: &str) -> Result<impl Stream<Item = u32>, OpenError>;
// Output:
//     stream(move |sink| async move {
//         let read = || -> Result<_, RpcError> { … Ok((name,)) };
//         let Some((name,)) = sink.decoded(read()) else { return };
//         let returned = <T as Clock>::open(&*service, name).await;
//         let Some(returned) = Sink::opened_or(&sink, method, returned, answer::<(), OpenError>()) else { return };
//         Sink::run(sink, method, returned, form::<Select<false>, u32>(), answer::<u32, ()>()).await;
//     })
//     .await
//
// The arguments are read where they stay: a stream may borrow from them as long as it lives.
/// What a method does that returns a stream.
fn streamed(service: &Service, method: &Method, locals: &Locals, terms: &Terms) -> TokenStream {
    let Terms { door, .. } = terms;
    let Locals { method: local_method, payload, sink, read: local_read, .. } = locals;
    let place = method.returns.place();
    let (_, last) = ends(place);
    // It is told there, should it be no stream that we know.
    let returned = &Ident::new("returned", locals.returned.span().located_at(last));
    let read = read(method, locals, terms);
    let arrived = arrived(method, locals);
    let idents = method.encoded().map(|(argument, _)| &argument.ident);
    let idents: Vec<_> = idents.chain(method.streaming().map(|(argument, _)| &argument.ident)).collect();
    let release = (!method.borrows()).then(|| quote!(::core::mem::drop(#payload);));
    let call = call(service, method, locals, terms);
    let answer = terms.answer(method);
    let open = match &method.returns.mode {
        Mode::Opened { error: Some(error) } => {
            let codec = terms.opening_codec(method, Some(error));
            let opened = quote!(&#sink, #local_method, #returned, #codec);
            let opened = terms.call_at(place, &["Sink", "opened_or"], None, &opened);
            quote! {
                let #returned = #call.await;
                let ::core::option::Option::Some(#returned) = #opened else { return };
            }
        }
        Mode::Opened { error: None } => quote!(let #returned = #call.await; #sink.opened();),
        Mode::Once | Mode::Stream => quote!(let #returned = #call; #sink.opened();),
    };
    let run = quote!(#sink, #local_method, #returned, #answer);
    let run = terms.call_at(place, &["Sink", "run"], None, &run);
    let run = quote_spanned!(last=> #run.await;);
    quote! {
        #door::stream(move |#sink| async move {
            let #local_read = || -> #door::Result<_, #door::RpcError> {
                #read
                #arrived
                ::core::result::Result::Ok((#(#idents,)*))
            };
            let ::core::option::Option::Some((#(#idents,)*)) = #sink.decoded(#local_read()) else { return };
            #release
            #open
            #run
        })
        .await
    }
}

/// Reads the arguments.
fn read(method: &Method, locals: &Locals, terms: &Terms) -> TokenStream {
    let Terms { door, .. } = terms;
    let Locals { method: local_method, payload, incoming, .. } = locals;
    let idents: Vec<_> = method.encoded().map(|(argument, _)| &argument.ident).collect();
    let reads = method.encoded().map(|(argument, passing)| {
        let ident = &argument.ident;
        let name = ident.unraw().to_string();
        let target = quote!(&mut #incoming);
        let received = terms.with_argument((argument, passing), "receive", &target, &quote!(#name));
        quote!(let #ident = #received?;)
    });
    let read = quote!(#door::Incoming::new(#local_method, &#payload)?);
    if idents.is_empty() {
        quote!(#read;)
    } else {
        quote!(let (#(#idents,)*) = { let mut #incoming = #read; #(#reads)* (#(#idents,)*) };)
    }
}

/// A stream of items that is not there fails the call, but only after the arguments have been read.
fn arrived(method: &Method, locals: &Locals) -> Option<TokenStream> {
    let items = &locals.items;
    method.streaming().map(|(Argument { ident, .. }, _)| quote!(let #ident = #items?;))
}

/// The call of the user's own method.
fn call(service: &Service, method: &Method, locals: &Locals, terms: &Terms) -> TokenStream {
    let Terms { implementer, .. } = terms;
    let (trait_ident, ident, local_service) = (&service.item.ident, &method.ident, &locals.service);
    let passed = method.arguments.iter().map(|Argument { ident, way, .. }| match way {
        Way::Array(Passing::Lent { .. } | Passing::Slice { .. }) => quote!(&#ident),
        Way::Array(Passing::Direct { .. } | Passing::Cow { .. }) | Way::Beside { .. } => quote!(#ident),
    });
    quote!(<#implementer as #trait_ident>::#ident(&*#local_service, #(#passed),*))
}
