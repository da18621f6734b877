//! Writes the client: the struct, a method for each of the trait's, the short forms and the permanent ones.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::quote;
use syn::Type;
use syn::ext::IdentExt;

use super::bounds;
use super::terms::Terms;
use crate::model::{Argument, Method, Mode, Passing, Service, Shape, Way};

/// The struct, and what is implemented for it.
pub(super) fn of(service: &Service, terms: &Terms) -> (TokenStream, TokenStream) {
    let methods = methods(service, terms);
    let sugar = sugar(service, terms);
    let permanent = permanent(terms);
    (structure(service, terms), quote!(#methods #sugar #permanent))
}

// Output:
//     #[derive(Clone, Debug)]
//     pub struct CalculatorClient<C = Channel> { caller: C, options: CallOptions }
fn structure(service: &Service, terms: &Terms) -> TokenStream {
    let Terms { door, client, caller, .. } = terms;
    let Service { item, cfg, shown, lints, .. } = service;
    let vis = &item.vis;
    let docs =
        format!(" A client of [`{0}`]: its methods are calls through a `{caller}`.\n\n", item.ident.unraw());
    quote! {
        #[doc = #docs]
        #(#shown)*
        #(#cfg)*
        #(#lints)*
        #[allow(dead_code, reason = "generated: a program may use one side alone")]
        #[derive(::core::clone::Clone, ::core::fmt::Debug)]
        #vis struct #client<#caller = #door::Channel> {
            caller: #caller,
            options: #door::CallOptions,
        }
    }
}

// Input:
//     async fn rename(&self, id: u64, name: &str) -> Result<(), RenameError>;
// Output:
//     pub fn rename(&self, id: u64, name: &str) -> ResultCall<C, Result<(), RenameError>> {
//         let method = const { method(&__TRAITWIRE_SERVICE, 0) };
//         let mut bytes = buffer();
//         let outgoing = Outgoing::new(&mut bytes, method, 2);
//         let outgoing = send(outgoing, owned::<u64>(), "id", &id);
//         let outgoing = send(outgoing, view::<&str>(), "name", &name);
//         let arguments = sent(outgoing.finish(), bytes);
//         let form = form::<Select<true>, Result<(), RenameError>>();
//         call(&self.caller, &self.options, method, arguments, form, answer::<(), RenameError>())
//     }
//
// Input:
//     async fn load(&self, to: u64, rows: Streaming<Row>) -> Result<impl Stream<Item = u64>, LoadError>;
// Output:
//     pub fn load(&self, to: u64, rows: impl Into<Streaming<Row>>) -> OpenCall<C, u64, Infallible, LoadError> {
//         …
//         let items = items(method, rows, answer::<Row, ()>());
//         let form = form::<Select<false>, u64>();
//         let opening = form::<Select<true>, Result<(), LoadError>>();
//         call_open(
//             &self.caller, &self.options, method, arguments, Some(items),
//             form, answer::<u64, ()>(), opening, answer::<(), LoadError>(),
//         )
//     }
fn methods(service: &Service, terms: &Terms) -> TokenStream {
    let Terms { door, client, caller, .. } = terms;
    let methods = service.methods.iter().map(|method| {
        let Method { ident, docs, shown, cfg, .. } = method;
        let calls = format!(" Calls `{}::{}`.", service.item.ident.unraw(), ident.unraw());
        let docs = docs.is_empty().then(|| quote!(#[doc = #calls]));
        let vis = &service.item.vis;
        let parameters = method.arguments.iter().map(|argument| parameter(argument, terms));
        let call = call_type(method, terms);
        let descriptor = terms.method(method);
        let count = Literal::usize_unsuffixed(method.encoded().count());
        let [local_method, bytes, outgoing, sent] = locals(["method", "bytes", "outgoing", "sent"]);
        let sends = method.encoded().map(|(argument, passing)| send(argument, passing, &outgoing, terms));
        let made = quote!(&self.caller, &self.options, #local_method, #sent);
        let made = make(method, &local_method, &made, terms);
        quote! {
            #docs
            #(#shown)*
            #(#cfg)*
            #vis fn #ident(&self, #(#parameters),*) -> #call {
                let #local_method = #descriptor;
                let mut #bytes = #door::buffer();
                let #outgoing = #door::Outgoing::new(&mut #bytes, #local_method, #count);
                #(#sends)*
                let #sent = #door::sent(#outgoing.finish(), #bytes);
                #made
            }
        }
    });
    quote! {
        impl<#caller: #door::Caller> #client<#caller> {
            #(#methods)*
        }
    }
}

/// What comes beside the arguments may be anything that it is made from.
fn parameter(argument: &Argument, terms: &Terms) -> TokenStream {
    let Terms { door, .. } = terms;
    let Argument { ident, ty, way, .. } = argument;
    match way {
        Way::Array(_) => quote!(#ident: #ty),
        Way::Beside { item } => quote!(#ident: impl ::core::convert::Into<#door::Streaming<#item>>),
    }
}

/// Makes the call, of which the arguments are at hand.
fn make(method: &Method, descriptor: &Ident, arguments: &TokenStream, terms: &Terms) -> TokenStream {
    let returns = &method.returns;
    let [items] = locals(["items"]);
    let making = method.streaming().map(|(argument, item)| {
        let ident = &argument.ident;
        let made = terms.with_items(item, "items", &quote!(#descriptor, #ident));
        quote!(let #items = #made;)
    });
    let answer = terms.answer(method);
    let maybe_items = match making {
        Some(_) => quote!(::core::option::Option::Some(#items)),
        None => quote!(::core::option::Option::None),
    };
    let (function, arguments) = match &returns.mode {
        Mode::Once if making.is_none() => ("call", quote!(#arguments, #answer)),
        Mode::Once => ("call_sending", quote!(#arguments, #items, #answer)),
        Mode::Stream => ("call_stream", quote!(#arguments, #maybe_items, #answer)),
        Mode::Opened { error } => {
            let (form, codec) =
                (terms.opening(error.as_deref()), terms.opening_codec(method, error.as_deref()));
            ("call_open", quote!(#arguments, #maybe_items, #answer, #form, #codec))
        }
    };
    let made = terms.call_at(returns.place(), &[function], None, &arguments);
    quote!(#making #made)
}

/// Writes one argument: what is lent is sent as it is, what is owned by reference.
fn send(argument: &Argument, passing: &Passing, outgoing: &Ident, terms: &Terms) -> TokenStream {
    let ident = &argument.ident;
    let name = ident.unraw().to_string();
    let reference = matches!(passing, Passing::Direct { .. } | Passing::Cow { .. }).then(|| quote!(&));
    let sent = terms.with_argument(
        (argument, passing),
        "send",
        &quote!(#outgoing),
        &quote!(#name, #reference #ident),
    );
    quote!(let #outgoing = #sent;)
}

/// What the client's method returns.
fn call_type(method: &Method, terms: &Terms) -> TokenStream {
    let Terms { door, caller, .. } = terms;
    let ty = &method.returns.ty;
    let [plain, result, shaped] = match &method.returns.mode {
        Mode::Once => ["Call", "ResultCall", "ShapedCall"],
        Mode::Stream => ["CallStream", "ResultStream", "ShapedStream"],
        Mode::Opened { error } => return open_type(method, error.as_deref(), terms),
    }
    .map(|name| Ident::new(name, Span::call_site()));
    match method.returns.shape {
        Shape::Plain => quote!(#door::#plain<#caller, #ty>),
        Shape::Result => quote!(#door::#result<#caller, #ty>),
        Shape::Unknown => {
            let is_result = terms.is_result(method);
            quote!(#door::#shaped<#caller, #ty, #is_result>)
        }
    }
}

/// The same where a stream is opened first, which may fail with `error`.
fn open_type(method: &Method, error: Option<&Type>, terms: &Terms) -> TokenStream {
    let Terms { door, caller, .. } = terms;
    let ty = &method.returns.ty;
    let never = quote!(::core::convert::Infallible);
    let error = error.map_or_else(|| never.clone(), |error| quote!(#error));
    match method.returns.shape {
        Shape::Plain => quote!(#door::OpenCall<#caller, #ty, #never, #error>),
        Shape::Result => {
            let result = quote!(<#ty as #door::ResultType>);
            quote!(#door::OpenCall<#caller, #result::Ok, #result::Err, #error>)
        }
        Shape::Unknown => {
            let select = terms.select(method);
            let shape = quote!(<#select as #door::Shape<#ty>>);
            quote!(#door::OpenCall<#caller, #shape::Ok, #shape::Err, #error>)
        }
    }
}

/// The short forms, each unless a method of the trait has its name.
fn sugar(service: &Service, terms: &Terms) -> TokenStream {
    let Terms { door, client, caller, server, implementer, .. } = terms;
    let vis = &service.item.vis;
    let [new, with, connect, loopback] =
        ["new", "with", "connect", "loopback"].map(|name| unless_taken(service, name));
    let served = bounds::of_implementer(service, terms);
    let new = new.map(|cfg| {
        quote! {
            /// A client that makes its calls through `caller`.
            #cfg
            #vis fn new(caller: #caller) -> Self {
                #door::Client::from_caller(caller)
            }
        }
    });
    let with = with.map(|cfg| {
        quote! {
            /// The same client with other defaults: what `options` say wins over what this one has.
            #cfg
            #[must_use]
            #vis fn with(&self, options: #door::CallOptions) -> Self {
                #door::Client::with_options(self, options)
            }
        }
    });
    let connect = connect.map(|cfg| {
        quote! {
            /// A client of the service at `uri`, such as `tcp://127.0.0.1:7000`.
            ///
            /// # Errors
            ///
            /// The URI is not well formed or its scheme is unknown.
            #cfg
            #vis async fn connect(uri: &#door::str) -> #door::Result<Self, #door::RpcError> {
                #door::connect(uri).await
            }
        }
    });
    let loopback = loopback.map(|cfg| {
        quote! {
            /// A client of `service`, served in this process through the whole stack but the socket: for tests.
            #cfg
            #vis fn loopback<#implementer>(service: #implementer) -> Self
            where
                #served
            {
                #door::loopback(#server::new(service))
            }
        }
    });
    quote! {
        impl<#caller: #door::Caller> #client<#caller> {
            #new
            #with
        }
        impl #client<#door::Channel> {
            #connect
            #loopback
        }
    }
}

/// The condition under which no method of the trait is called `name`; `None` if there is none.
pub(super) fn unless_taken(service: &Service, name: &str) -> Option<TokenStream> {
    let takers: Vec<_> = service.methods.iter().filter(|method| method.ident.unraw() == name).collect();
    if takers.is_empty() {
        return Some(TokenStream::new());
    }
    if takers.iter().any(|method| method.cfg.is_empty()) {
        return None;
    }
    let conditions = takers.iter().map(|method| {
        let conditions = method.cfg.iter().map(bounds::condition);
        quote!(all(#(#conditions),*))
    });
    Some(quote!(#[cfg(not(any(#(#conditions),*)))]))
}

/// What no method of the trait can take away.
fn permanent(terms: &Terms) -> TokenStream {
    let Terms { door, client, caller, descriptor, .. } = terms;
    quote! {
        #[automatically_derived]
        impl<#caller: #door::Caller> #door::Client for #client<#caller> {
            type Caller = #caller;

            const DESCRIPTOR: &'static #door::ServiceDescriptor = &#descriptor;

            fn from_caller(caller: #caller) -> Self {
                Self { caller, options: #door::CallOptions::new() }
            }

            fn caller(&self) -> &#caller {
                &self.caller
            }

            fn with_options(&self, options: #door::CallOptions) -> Self {
                Self {
                    caller: ::core::clone::Clone::clone(&self.caller),
                    options: #door::merge(&self.options, options),
                }
            }
        }

        #[automatically_derived]
        impl<#caller: #door::Caller> ::core::convert::From<#caller> for #client<#caller> {
            fn from(caller: #caller) -> Self {
                #door::Client::from_caller(caller)
            }
        }
    }
}

/// Names of local variables that meet none of the user's.
pub(super) fn locals<const N: usize>(names: [&str; N]) -> [Ident; N] {
    names.map(|name| Ident::new(name, Span::mixed_site()))
}
