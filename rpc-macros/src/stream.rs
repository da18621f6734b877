//! Owns where a stream may stand: as what a method returns, in one of three forms, and as its argument `Streaming<T>`.
//! What an item may be is `types`' to say.

use syn::{
    AssocType, GenericArgument, PathArguments, PathSegment, ReturnType, Signature, Type, TypeImplTrait,
    TypeParamBound, TypePath, parse_quote_spanned,
};

use crate::diagnostics::{Mistake, Report};
use crate::model::{Mode, Returns, Way};
use crate::types::{self, Role, bare, is_bound, is_called, is_stream};

/// What a method returns.
pub(crate) fn returns(signature: &Signature) -> Returns {
    let written = match &signature.output {
        ReturnType::Default => syn::parse_quote!(()),
        ReturnType::Type(_, ty) => (**ty).clone(),
    };
    let (mode, ty) = match find(&written) {
        None => (Mode::Once, written.clone()),
        Some(Found { stream, error }) => {
            let item = item(stream).cloned().unwrap_or_else(|| syn::parse_quote!(()));
            let is_opened = signature.asyncness.is_some() || error.is_some();
            (
                if is_opened { Mode::Opened { error: error.cloned().map(Box::new) } } else { Mode::Stream },
                item,
            )
        }
    };
    let shape = types::shape(&ty);
    Returns { written, mode, ty, shape }
}

/// Notes what is wrong with a returned type.
pub(crate) fn check_returned(ty: &Type, report: &mut Report) {
    let Some(Found { stream, error }) = find(ty) else { return types::check(ty, Role::Answer, report) };
    match item(stream) {
        Some(item) => types::check(item, Role::Answer, report),
        None => report.add(stream, &Mistake::StreamWithoutItem),
    }
    let the_stream = stream.bounds.iter().position(is_stream);
    for (at, bound) in stream.bounds.iter().enumerate() {
        if Some(at) != the_stream && !is_bound(bound, "Send") {
            report.add(bound, &Mistake::StreamBound);
        }
    }
    if let Some(error) = error {
        types::check(error, Role::Answer, report);
    }
}

/// The returned type, with streams that are `Send`.
pub(crate) fn sendable(ty: &Type) -> Type {
    let mut ty = ty.clone();
    add_send(&mut ty);
    ty
}

fn add_send(ty: &mut Type) {
    match ty {
        Type::Group(group) => add_send(&mut group.elem),
        Type::Paren(paren) => add_send(&mut paren.elem),
        Type::ImplTrait(TypeImplTrait { impl_token, bounds, .. })
            if bounds.iter().any(is_stream) && !bounds.iter().any(|bound| is_bound(bound, "Send")) =>
        {
            // Where the user wrote `impl`, but in our own context, so that no lint takes it for the user's code.
            let span = proc_macro2::Span::call_site().located_at(impl_token.span);
            bounds.push(parse_quote_spanned!(span=> ::core::marker::Send));
        }
        Type::Path(TypePath { path, .. }) => {
            let last = path.segments.last_mut().filter(|last| last.ident == "Result");
            let Some(PathArguments::AngleBracketed(arguments)) = last.map(|last| &mut last.arguments) else {
                return;
            };
            if let Some(GenericArgument::Type(first)) = arguments.args.first_mut() {
                add_send(first);
            }
        }
        _ => {}
    }
}

/// How an argument of this type travels.
pub(crate) fn way(ty: &Type) -> Way {
    if !is_called(ty, "Streaming") {
        return Way::Array(types::passing(ty));
    }
    Way::Beside { item: sent_item(ty).cloned().unwrap_or_else(|| syn::parse_quote!(())) }
}

/// Notes what is wrong with an argument's type.
pub(crate) fn check_argument(ty: &Type, report: &mut Report) {
    if !is_called(ty, "Streaming") {
        return types::check(ty, Role::Argument, report);
    }
    match sent_item(ty) {
        Some(item) => types::check(item, Role::Item, report),
        None => report.add(ty, &Mistake::StreamingWithoutItem),
    }
}

/// Gives a `Streaming` an item if it has none, which rustc would tell once more.
pub(crate) fn complete(ty: &mut Type) {
    if !is_called(ty, "Streaming") || sent_item(ty).is_some() {
        return;
    }
    if let Type::Path(TypePath { path, .. }) = ty
        && let Some(last) = path.segments.last_mut()
    {
        last.arguments = PathArguments::AngleBracketed(syn::parse_quote!(<()>));
    }
}

/// The `T` of `Streaming<T>`.
fn sent_item(ty: &Type) -> Option<&Type> {
    let Type::Path(TypePath { path, .. }) = bare(ty) else { return None };
    match arguments(path.segments.last()?).as_slice() {
        [GenericArgument::Type(item)] => Some(item),
        _ => None,
    }
}

/// A stream in a returned type, in one of the places where it may stand.
struct Found<'a> {
    stream: &'a TypeImplTrait,
    /// The `E` of `Result<impl Stream, E>`.
    error: Option<&'a Type>,
}

fn find(ty: &Type) -> Option<Found<'_>> {
    let (opened, error) = match bare(ty) {
        Type::Path(TypePath { path, .. }) => {
            let last = path.segments.last().filter(|last| last.ident == "Result")?;
            let [GenericArgument::Type(opened), GenericArgument::Type(error)] = arguments(last)[..] else {
                return None;
            };
            (bare(opened), Some(error))
        }
        ty => (ty, None),
    };
    match opened {
        Type::ImplTrait(stream) if stream.bounds.iter().any(is_stream) => Some(Found { stream, error }),
        _ => None,
    }
}

/// The `T` of `impl Stream<Item = T>`.
fn item(stream: &TypeImplTrait) -> Option<&Type> {
    let TypeParamBound::Trait(bound) = stream.bounds.iter().find(|bound| is_stream(bound))? else {
        return None;
    };
    match arguments(bound.path.segments.last()?)[..] {
        [GenericArgument::AssocType(AssocType { ident, ty, .. })] if ident == "Item" => Some(ty),
        _ => None,
    }
}

fn arguments(segment: &PathSegment) -> Vec<&GenericArgument> {
    match &segment.arguments {
        PathArguments::AngleBracketed(arguments) => arguments.args.iter().collect(),
        _ => Vec::new(),
    }
}
