//! Writes what is for tests alone: the hand on a client's mock, with a method for each of the trait's, and the client of a
//! service in place. Whether any of it is compiled is the runtime's to say (`when_testing`).

use proc_macro2::{Group, Ident, Literal, Spacing, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote};
use syn::ext::IdentExt;

use super::bounds;
use super::client::{locals, unless_taken};
use super::terms::Terms;
use crate::model::{Argument, Method, Mode, Passing, Service};

// Output:
//     when_testing! {
//         pub struct __TraitwireHand { verified: Verified }
//         impl Deref for __TraitwireHand { … }
//         impl __TraitwireHand { pub fn add(&self) -> When<'_, __TraitwireMethod0<…>> { … } }
//         impl Mockable for CalculatorClient<Mock> { … }
//         impl CalculatorClient<Mock> { pub fn mock() -> (Self, __TraitwireHand) { … } }
//         impl CalculatorClient<InPlace> { pub fn from_impl<T: …>(service: T) -> Self { … } }
//         pub struct __TraitwireMethod0<T>(T);
//         impl Mocked for __TraitwireMethod0<…> { … }
//         impl MockedOnce for __TraitwireMethod0<…> { … }
//     }
/// Nothing of a trait with mistakes: each would be told once more.
pub(super) fn of(service: &Service, terms: &Terms) -> Option<TokenStream> {
    if service.is_broken {
        return None;
    }
    let Terms { door, .. } = terms;
    let hand = hand(service, terms);
    let sugar = sugar(service, terms);
    let methods = service.methods.iter().map(|method| method_type(service, method, terms));
    Some(quote! {
        #door::when_testing! {
            #hand
            #sugar
            #(#methods)*
        }
    })
}

/// The name of what stands for a method among types.
fn marker(method: &Method) -> Ident {
    format_ident!("__TraitwireMethod{}", method.index)
}

/// The type that stands for a method: it names all of the method's own types, so that it is as private as they are.
fn marked(method: &Method, terms: &Terms) -> TokenStream {
    let marker = marker(method);
    let arguments = method.encoded().map(|(argument, _)| &argument.ty);
    let (returns, (error, _)) = (&method.returns.ty, app(method, terms));
    quote!(#marker<fn(#(#arguments),*) -> (#returns, #error)>)
}

fn hand(service: &Service, terms: &Terms) -> TokenStream {
    let Terms { door, client, .. } = terms;
    let vis = &service.item.vis;
    let docs = format!(" Says what a mock of [`{}`] answers.", service.item.ident.unraw());
    let methods = service.methods.iter().map(|method| {
        let Method { ident, cfg, .. } = method;
        let (marked, docs) =
            (marked(method, terms), format!(" Says what calls of `{}` are answered.", ident.unraw()));
        quote! {
            #[doc = #docs]
            #(#cfg)*
            #vis fn #ident(&self) -> #door::When<'_, #marked> {
                #door::when(&self.verified)
            }
        }
    });
    quote! {
        #[doc = #docs]
        #[derive(::core::fmt::Debug)]
        #vis struct __TraitwireHand {
            verified: #door::Verified,
        }

        #[automatically_derived]
        impl ::core::ops::Deref for __TraitwireHand {
            type Target = #door::Mock;

            fn deref(&self) -> &#door::Mock {
                &self.verified
            }
        }

        impl __TraitwireHand {
            #(#methods)*
        }

        #[automatically_derived]
        impl #door::Mockable for #client<#door::Mock> {
            type Hand = __TraitwireHand;

            fn hand(verified: #door::Verified) -> __TraitwireHand {
                __TraitwireHand { verified }
            }
        }
    }
}

/// The short forms, each unless a method of the trait has its name.
fn sugar(service: &Service, terms: &Terms) -> TokenStream {
    let Terms { door, client, server, implementer, .. } = terms;
    let vis = &service.item.vis;
    let served = bounds::of_implementer(service, terms);
    let mock = unless_taken(service, "mock").map(|cfg| {
        quote! {
            /// A client without a server, and the hand that says what it answers.
            #cfg
            #vis fn mock() -> (Self, __TraitwireHand) {
                #door::mock()
            }
        }
    });
    let from_impl = unless_taken(service, "from_impl").map(|cfg| {
        quote! {
            /// A client of `service`, whose methods are called in place, without a wire.
            #cfg
            #vis fn from_impl<#implementer>(service: #implementer) -> Self
            where
                #served
            {
                #door::Client::from_caller(#door::InPlace::new(#server::new(service)))
            }
        }
    });
    quote! {
        impl #client<#door::Mock> {
            #mock
        }

        impl #client<#door::InPlace> {
            #from_impl
        }
    }
}

// Input:
//     async fn rename(&self, id: u64, name: &str) -> Result<(), RenameError>;
// Output:
//     pub struct __TraitwireMethod0<T>(T);
//     impl Mocked for __TraitwireMethod0<fn(u64, &str) -> (Result<(), RenameError>, RenameError)> {
//         type Arguments<'a> = (u64, &'a str);
//         type Error = RenameError;
//         const METHOD: &'static MethodDescriptor = …;
//         fn read(payload: &Payload) -> Result<(u64, &str), RpcError> { … }
//         fn write(arguments: (u64, &str)) -> Result<Vec<u8>, RpcError> { … }
//         fn app(error: RenameError) -> CallResult { canned_app(METHOD, error, form, codec) }
//     }
//     impl MockedOnce for __TraitwireMethod0<…> {
//         type Value = ();
//         type Returns = Result<(), RenameError>;
//         fn value(value: ()) -> CallResult { canned_value(METHOD, value, form, codec) }
//         fn returned(returned: Result<(), RenameError>) -> CallResult { respond(METHOD, returned, form, codec) }
//     }
/// What stands for a method among types, and what is said of it.
fn method_type(service: &Service, method: &Method, terms: &Terms) -> TokenStream {
    let Terms { door, .. } = terms;
    let (vis, cfg, marker, marked) = (&service.item.vis, &method.cfg, marker(method), marked(method, terms));
    let (descriptor, arguments) = (terms.method(method), arguments_type(method, terms));
    let docs = format!(" `{}`, as mocks know it.", method.ident.unraw());
    let read = read(method, terms);
    let write = write(method, terms);
    let (error, app) = app(method, terms);
    let answering = answering(method, &marked, terms);
    quote! {
        #[doc = #docs]
        #(#cfg)*
        #vis struct #marker<T>(T);

        #(#cfg)*
        #[automatically_derived]
        impl #door::Mocked for #marked {
            type Arguments<'__a> = #arguments;
            type Error = #error;

            const METHOD: &'static #door::MethodDescriptor = #descriptor;

            #read
            #write

            fn app(error: Self::Error) -> #door::CallResult {
                #app
            }
        }

        #answering
    }
}

/// What the service's own error is, and how it becomes an answer.
fn app(method: &Method, terms: &Terms) -> (TokenStream, TokenStream) {
    let Terms { door, .. } = terms;
    let select = terms.select(method);
    let (place, ty) = (method.returns.place(), &method.returns.ty);
    let canned = |codec| terms.call_at(place, &["canned_app"], None, &quote!(Self::METHOD, error, #codec));
    match &method.returns.mode {
        Mode::Once => (quote!(<#select as #door::Shape<#ty>>::Err), canned(terms.answer(method))),
        Mode::Opened { error: Some(error) } => {
            let (form, codec) = (terms.opening(Some(error)), terms.opening_codec(method, Some(error)));
            (quote!(#error), canned(quote!(#form, #codec)))
        }
        // What a stream has to say of errors, its items say.
        Mode::Stream | Mode::Opened { error: None } => {
            (quote!(::core::convert::Infallible), quote!(match error {}))
        }
    }
}

/// How it answers: once, or with a stream.
fn answering(method: &Method, marked: &TokenStream, terms: &Terms) -> TokenStream {
    let Terms { door, .. } = terms;
    let (cfg, select, codec) = (&method.cfg, terms.select(method), terms.answer(method));
    let (place, ty) = (method.returns.place(), &method.returns.ty);
    let call = |function: &str, given: TokenStream| {
        terms.call_at(place, &[function], None, &quote!(<Self as #door::Mocked>::METHOD, #given, #codec))
    };
    let [given] = locals(["given"]);
    if method.returns.is_stream() {
        let items = call("canned_items", quote!(#given));
        return quote! {
            #(#cfg)*
            #[automatically_derived]
            impl #door::MockedStream for #marked {
                type Item = #ty;

                fn items(
                    #given: &mut dyn ::core::iter::Iterator<Item = Self::Item>,
                ) -> (#door::Batch, #door::CallResult) {
                    #items
                }
            }
        };
    }
    let value = call("canned_value", quote!(#given));
    let returned = call("respond", quote!(#given));
    quote! {
        #(#cfg)*
        #[automatically_derived]
        impl #door::MockedOnce for #marked {
            type Value = <#select as #door::Shape<#ty>>::Ok;
            type Returns = #ty;

            fn value(#given: Self::Value) -> #door::CallResult {
                #value
            }

            fn returned(#given: Self::Returns) -> #door::CallResult {
                #returned
            }
        }
    }
}

// ===== arguments =====

fn arguments_type(method: &Method, terms: &Terms) -> TokenStream {
    let Terms { door, .. } = terms;
    let types = method.encoded().map(|(argument, passing)| match passing {
        Passing::Direct { .. } | Passing::Cow { .. } => with_lifetime(argument.ty.to_token_stream()),
        Passing::Lent { ty, .. } => with_lifetime(ty.to_token_stream()),
        Passing::Slice { item, .. } => {
            let item = with_lifetime(item.to_token_stream());
            quote!(#door::Vec<#item>)
        }
    });
    one_or_tuple(types.collect())
}

/// One alone, or all as a tuple: what a closure takes.
fn one_or_tuple(parts: Vec<TokenStream>) -> TokenStream {
    match &parts[..] {
        [one] => one.clone(),
        parts => quote!((#(#parts),*)),
    }
}

/// A type whose lifetimes are all said: those that the user left out are `'__a`.
fn with_lifetime(tokens: TokenStream) -> TokenStream {
    let mut said = TokenStream::new();
    let mut tokens = tokens.into_iter().peekable();
    let mut is_cow = false;
    while let Some(token) = tokens.next() {
        let next_is_lifetime =
            matches!(tokens.peek(), Some(TokenTree::Punct(next)) if next.as_char() == '\'');
        match token {
            TokenTree::Punct(mark) if mark.as_char() == '&' && !next_is_lifetime => {
                said.extend(quote!(& '__a));
            }
            // The one type of the standard library whose lifetime people leave out.
            TokenTree::Punct(mark) if mark.as_char() == '<' && is_cow && !next_is_lifetime => {
                said.extend(quote!(< '__a,));
            }
            TokenTree::Punct(mark)
                if mark.as_char() == '\''
                    && mark.spacing() == Spacing::Joint
                    && matches!(tokens.peek(), Some(TokenTree::Ident(name)) if name == "_") =>
            {
                tokens.next();
                said.extend(quote!('__a));
            }
            TokenTree::Group(group) => {
                let mut inner = Group::new(group.delimiter(), with_lifetime(group.stream()));
                inner.set_span(group.span());
                said.extend([TokenTree::Group(inner)]);
            }
            token => {
                is_cow = matches!(&token, TokenTree::Ident(name) if name == "Cow");
                said.extend([token]);
                continue;
            }
        }
        is_cow = false;
    }
    said
}

fn read(method: &Method, terms: &Terms) -> TokenStream {
    let Terms { door, .. } = terms;
    let [payload, incoming] = locals(["payload", "incoming"]);
    let reads = method.encoded().map(|(argument, passing)| {
        let name = argument.ident.unraw().to_string();
        let target = quote!(&mut #incoming);
        let received = terms.with_argument((argument, passing), "receive", &target, &quote!(#name));
        quote!(#received?)
    });
    let reads: Vec<_> = reads.collect();
    let scanned = quote!(#door::Incoming::new(Self::METHOD, #payload)?);
    let scanned = if reads.is_empty() { scanned } else { quote!(let mut #incoming = #scanned) };
    let read = one_or_tuple(reads);
    quote! {
        fn read(#payload: &#door::Payload) -> #door::Result<Self::Arguments<'_>, #door::RpcError> {
            #scanned;
            ::core::result::Result::Ok(#read)
        }
    }
}

fn write(method: &Method, terms: &Terms) -> TokenStream {
    let Terms { door, .. } = terms;
    let [given, bytes, outgoing] = locals(["given", "bytes", "outgoing"]);
    let count = Literal::usize_unsuffixed(method.encoded().count());
    let idents: Vec<_> =
        method.encoded().map(|(Argument { ident, .. }, _)| ident.to_token_stream()).collect();
    let sends = method.encoded().map(|(argument, passing)| {
        let (ident, name) = (&argument.ident, argument.ident.unraw().to_string());
        let sent =
            terms.with_argument((argument, passing), "send", &quote!(#outgoing), &quote!(#name, &#ident));
        quote!(let #outgoing = #sent;)
    });
    let pattern = one_or_tuple(idents);
    quote! {
        fn write(#given: Self::Arguments<'_>) -> #door::Result<#door::Load, #door::RpcError> {
            let #pattern = #given;
            let mut #bytes = #door::Vec::new();
            let #outgoing = #door::Outgoing::new(&mut #bytes, Self::METHOD, #count);
            #(#sends)*
            #door::sent(#outgoing.finish(), #bytes)
        }
    }
}
