//! Owns [`Terms`]: the names that several parts of the generated code share, and the phrases for a type's way over the
//! wire. Does not put them together.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
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
        let Self { door, .. } = self;
        let ty = &method.returns.ty;
        match method.returns.shape {
            Shape::Plain => quote!(false),
            Shape::Result => quote!(true),
            Shape::Unknown => quote!({
                use #door::Plain as _;
                <#door::Probe<#ty>>::IS_RESULT
            }),
        }
    }

    /// The codec of the method's answer, which is where its types are checked.
    pub(super) fn answer(&self, method: &Method) -> TokenStream {
        let Self { door, .. } = self;
        let ty = &method.returns.ty;
        if method.returns.shape == Shape::Plain {
            return quote!(#door::answer::<#ty, ()>());
        }
        let select = self.select(method);
        let (first, last) = ends(ty);
        let part = |name: Ident| {
            let head = quote_spanned!(first=> <);
            quote!(#head #select as #door::Shape<#ty>>::#name)
        };
        let ok = part(Ident::new("Ok", last));
        let detail = part(Ident::new("Detail", last));
        quote!(#door::answer::<#ok, #detail>())
    }

    /// The codec of an argument, which is where its type is checked.
    pub(super) fn codec(&self, argument: &Argument) -> TokenStream {
        let Self { door, .. } = self;
        let (function, ty) = match &argument.passing {
            Passing::Direct { borrows: false } => ("owned", &argument.ty),
            Passing::Direct { borrows: true } => ("view", &argument.ty),
            Passing::Lent { ty, borrows: false } => ("owned", ty),
            Passing::Lent { ty, borrows: true } => ("view", ty),
            Passing::Slice { item, borrows: false } => ("slice", item),
            Passing::Slice { item, borrows: true } => ("slice_of_views", item),
        };
        let suffix = if argument.is_optional { "_or_default" } else { "" };
        let function = format_ident!("{function}{suffix}");
        quote!(#door::#function::<#ty>())
    }
}

/// The spans of a type's first and last token: an error at what stands between them is shown at the type.
fn ends(ty: &Type) -> (Span, Span) {
    let mut tokens = quote!(#ty).into_iter();
    let first = tokens.next().map_or_else(Span::call_site, |token| token.span());
    let last = tokens.last().map_or(first, |token| token.span());
    (first, last)
}
