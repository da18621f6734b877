//! Owns [`Terms`]: the names that several parts of the generated code share, and the phrases for a type's way over the
//! wire. Does not put them together.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::Type;

use crate::model::{Argument, Method, Passing, Service, Shape};
use crate::{names, paths};

/// What several parts say.
pub(super) struct Terms {
    /// The way to the runtime.
    pub(super) door: TokenStream,
    pub(super) client: Ident,
    pub(super) server: Ident,
    /// The client's type parameter.
    pub(super) caller: Ident,
    /// The server's type parameter.
    pub(super) implementer: Ident,
    /// The static descriptor.
    pub(super) descriptor: Ident,
}

impl Terms {
    pub(super) fn of(service: &Service) -> Self {
        let Service { item, options, .. } = service;
        let tokens = quote!(#item);
        Self {
            door: paths::door(options.krate.as_ref()),
            client: names::client(&item.ident),
            server: names::server(&item.ident),
            caller: names::unused("C", tokens.clone()),
            implementer: names::unused("T", tokens),
            descriptor: Ident::new("__TRAITWIRE_SERVICE", Span::call_site()),
        }
    }

    /// The `&'static MethodDescriptor` of a method.
    pub(super) fn method(&self, method: &Method) -> TokenStream {
        let Self { door, descriptor, .. } = self;
        let index = method.index;
        quote!(const { #door::method(&#descriptor, #index) })
    }

    /// The `Select<_>` that says how what the method returns comes apart.
    pub(super) fn select(&self, method: &Method) -> TokenStream {
        let Self { door, .. } = self;
        let is_result = self.is_result(method);
        quote!(#door::Select<#is_result>)
    }

    /// Whether the method returns a `Result`, as a constant.
    pub(super) fn is_result(&self, method: &Method) -> TokenStream {
        match method.returns.shape {
            Shape::Plain => quote!(false),
            Shape::Result => quote!(true),
            Shape::Unknown => probe(method).into_token_stream(),
        }
    }

    // Output:
    //     const __TRAITWIRE_IS_RESULT_0: bool = {
    //         use Plain as _;
    //         <Probe<Answer>>::IS_RESULT
    //     };
    //
    // A constant of the type itself wins over one of a trait: `Probe<Result<_, _>>` has its own.
    /// The constants that ask the compiler what a type's text does not tell.
    pub(super) fn probes(&self, service: &Service) -> TokenStream {
        let Self { door, .. } = self;
        let unknown = service.methods.iter().filter(|method| method.returns.shape == Shape::Unknown);
        let probes = unknown.map(|method| {
            let (name, cfg, ty) = (probe(method), &method.cfg, &method.returns.ty);
            quote! {
                #(#cfg)*
                const #name: #door::bool = {
                    use #door::Plain as _;
                    <#door::Probe<#ty>>::IS_RESULT
                };
            }
        });
        probes.collect()
    }

    /// The form and the codec of what the method returns, which is where its types are checked: `form, codec`.
    pub(super) fn answer(&self, method: &Method) -> TokenStream {
        let Self { door, .. } = self;
        let (ty, place, select) = (&method.returns.ty, method.returns.place(), self.select(method));
        let is_plain = method.returns.shape == Shape::Plain && std::ptr::eq(ty, place);
        let types = if is_plain {
            quote!(#ty, ())
        } else {
            let [ok, detail] = ["Ok", "Detail"].map(|part| self.part_at(place, &select, &quote!(#ty), part));
            quote!(#ok, #detail)
        };
        let codec = self.call_at(place, &["answer"], Some(&types), &TokenStream::new());
        quote!(#door::form::<#select, #ty>(), #codec)
    }

    /// A part of what travels, which lies where the user wrote another type: `<Select<_> as Shape<_>>::Ok`.
    fn part_at(&self, place: &Type, select: &TokenStream, ty: &TokenStream, part: &str) -> TokenStream {
        let Self { door, .. } = self;
        let (first, last) = ends(place);
        let head = quote_spanned!(first=> <);
        let part = Ident::new(part, last);
        quote!(#head #select as #door::Shape<#ty>>::#part)
    }

    /// The form of what opens a stream, which has no value but may fail.
    pub(super) fn opening(&self, error: Option<&Type>) -> TokenStream {
        let Self { door, .. } = self;
        match error {
            Some(error) => quote!(#door::form::<#door::Select<true>, #door::Result<(), #error>>()),
            None => quote!(#door::form::<#door::Select<false>, ()>()),
        }
    }

    /// The codec of what opens a stream.
    pub(super) fn opening_codec(&self, method: &Method, error: Option<&Type>) -> TokenStream {
        let Self { door, .. } = self;
        let place = method.returns.place();
        let detail = error.map(|error| {
            let (select, opened) = (quote!(#door::Select<true>), quote!(#door::Result<(), #error>));
            self.part_at(place, &select, &opened, "Detail")
        });
        let detail = detail.unwrap_or_else(|| quote!(()));
        self.call_at(place, &["answer"], Some(&quote!((), #detail)), &TokenStream::new())
    }

    /// A use of the codec of the items that come as an argument: `function(arguments, codec)`.
    pub(super) fn with_items(&self, item: &Type, function: &str, arguments: &TokenStream) -> TokenStream {
        let codec = self.call_at(item, &["answer"], Some(&quote!(#item, ())), &TokenStream::new());
        self.call_at(item, &[function], None, &quote!(#arguments, #codec))
    }

    /// A use of an argument's codec, which is where its type is checked: `function(target, codec, arguments)`.
    pub(super) fn with_argument(
        &self,
        (argument, passing): (&Argument, &Passing),
        function: &str,
        target: &TokenStream,
        arguments: &TokenStream,
    ) -> TokenStream {
        let (constructor, ty) = match passing {
            Passing::Direct { borrows: false } => ("owned", &argument.ty),
            Passing::Direct { borrows: true } => ("view", &argument.ty),
            Passing::Cow { ty } => ("cow", ty),
            Passing::Lent { ty, borrows: false } => ("owned", ty),
            Passing::Lent { ty, borrows: true } => ("view", ty),
            Passing::Slice { item, borrows: false } => ("slice", item),
            Passing::Slice { item, borrows: true } => ("slice_of_views", item),
        };
        let suffix = if argument.is_optional { "_or_default" } else { "" };
        let codec =
            self.call_at(ty, &[&format!("{constructor}{suffix}")], Some(&quote!(#ty)), &TokenStream::new());
        self.call_at(ty, &[function], None, &quote!(#target, #codec, #arguments))
    }

    /// A call of one of the runtime's functions that lies where the user wrote a type.
    ///
    /// What the compiler finds wrong with the type, it finds wherever a codec of it is named. As all of these lie at one
    /// place, in the client and in the server, it says so once.
    pub(super) fn call_at(
        &self,
        ty: &Type,
        function: &[&str],
        types: Option<&TokenStream>,
        arguments: &TokenStream,
    ) -> TokenStream {
        let (first, last) = ends(ty);
        let door = self.door.clone().into_iter().map(|mut token| {
            token.set_span(first);
            token
        });
        let door = TokenStream::from_iter(door);
        let function = function.iter().map(|segment| Ident::new(segment, last));
        let path = quote_spanned!(first=> #door #(::#function)*);
        let types = types.map(|types| quote_spanned!(last=> ::<#types>));
        quote_spanned!(last=> #path #types (#arguments))
    }
}

fn probe(method: &Method) -> Ident {
    format_ident!("__TRAITWIRE_IS_RESULT_{}", method.index)
}

/// The spans of a type's first and last token: an error at what stands between them is shown at the type.
pub(super) fn ends(ty: &Type) -> (Span, Span) {
    let mut tokens = quote!(#ty).into_iter();
    let first = tokens.next().map_or_else(Span::call_site, |token| token.span());
    let last = tokens.last().map_or(first, |token| token.span());
    (first, last)
}
