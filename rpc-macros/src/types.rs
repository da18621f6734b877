//! Owns what can be told of a type by its text: how an argument is passed, whether an answer may be a `Result`, and
//! what can never travel. What text cannot tell is left to the compiler.

use syn::visit::{self, Visit};
use syn::{GenericArgument, Lifetime, PathArguments, ReturnType, Type, TypePath, TypeReference};

use crate::diagnostics::{Mistake, Report};
use crate::model::{Passing, Returns, Shape};

/// Types that are no alias of a `Result`, by the one name that everybody writes.
const PLAIN: &[&str] = &[
    "bool",
    "char",
    "f32",
    "f64",
    "i8",
    "i16",
    "i32",
    "i64",
    "i128",
    "isize",
    "u8",
    "u16",
    "u32",
    "u64",
    "u128",
    "usize",
    "String",
    "Vec",
    "Option",
    "Box",
    "Arc",
    "Cow",
    "HashMap",
    "HashSet",
    "BTreeMap",
    "BTreeSet",
    "VecDeque",
    "Duration",
    "SystemTime",
    "PathBuf",
];

/// How an argument of this type is passed.
pub(crate) fn passing(ty: &Type) -> Passing {
    let Type::Reference(TypeReference { elem, .. }) = bare(ty) else {
        if let Some(lent) = lent_by_cow(ty).filter(|_| borrows(ty)) {
            return Passing::Cow { ty: lent.clone() };
        }
        return Passing::Direct { borrows: borrows(ty) };
    };
    match bare(elem) {
        Type::Slice(slice) if is_called(&slice.elem, "u8") => Passing::Direct { borrows: true },
        Type::Slice(slice) => Passing::Slice { item: (*slice.elem).clone(), borrows: borrows(&slice.elem) },
        elem if is_called(elem, "str") || is_called(elem, "Path") => Passing::Direct { borrows: true },
        elem => Passing::Lent { ty: elem.clone(), borrows: borrows(elem) },
    }
}

/// The `str` or `[u8]` of a `Cow`.
fn lent_by_cow(ty: &Type) -> Option<&Type> {
    let Type::Path(TypePath { path, .. }) = bare(ty) else { return None };
    let last = path.segments.last().filter(|last| last.ident == "Cow")?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    let Some(GenericArgument::Type(lent)) = arguments.args.last() else { return None };
    let is_lent = match bare(lent) {
        Type::Slice(slice) => is_called(&slice.elem, "u8"),
        lent => is_called(lent, "str"),
    };
    is_lent.then_some(lent)
}

/// What a method returns.
pub(crate) fn returns(output: &ReturnType) -> Returns {
    let ty = match output {
        ReturnType::Default => syn::parse_quote!(()),
        ReturnType::Type(_, ty) => (**ty).clone(),
    };
    let shape = match bare(&ty) {
        Type::Path(path) => path_shape(path),
        Type::Macro(_) => Shape::Unknown,
        _ => Shape::Plain,
    };
    Returns { ty, shape }
}

fn path_shape(TypePath { qself, path, .. }: &TypePath) -> Shape {
    let (Some(first), Some(last)) = (path.segments.first(), path.segments.last()) else {
        return Shape::Unknown;
    };
    let is_standard = ["std", "core", "alloc"].iter().any(|name| first.ident == name);
    let is_known = path.segments.len() == 1 && PLAIN.iter().any(|name| last.ident == name);
    // With fewer arguments it is an alias, or anybody's struct of this name.
    if last.ident == "Result" && qself.is_none() && argument_count(last) == 2 {
        Shape::Result
    } else if qself.is_none()
        && (is_known || (is_standard && last.ident != "Result" && path.segments.len() > 1))
    {
        Shape::Plain
    } else {
        Shape::Unknown
    }
}

fn argument_count(segment: &syn::PathSegment) -> usize {
    match &segment.arguments {
        PathArguments::AngleBracketed(arguments) => arguments.args.len(),
        _ => 0,
    }
}

/// Whether a value of this type is certainly there in every message: it cannot be an `Option` by another name.
pub(crate) fn is_required(ty: &Type) -> bool {
    match bare(ty) {
        Type::Path(path) => path_shape(path) == Shape::Plain && !is_called(ty, "Option"),
        Type::Reference(reference) => match bare(&reference.elem) {
            Type::Slice(_) => true,
            elem => is_called(elem, "str") || is_required(elem),
        },
        _ => true,
    }
}

/// The type within parentheses and the invisible ones that `macro_rules` puts around a `$t:ty`.
fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => bare(&group.elem),
        Type::Paren(paren) => bare(&paren.elem),
        ty => ty,
    }
}

/// Whether the path's last segment is `name`.
fn is_called(ty: &Type, name: &str) -> bool {
    let Type::Path(TypePath { path, .. }) = bare(ty) else { return false };
    path.segments.last().is_some_and(|last| last.ident == name)
}

/// Whether a value of this type may hold references that are not `'static`.
fn borrows(ty: &Type) -> bool {
    struct Search(bool);
    impl<'ast> Visit<'ast> for Search {
        fn visit_type_reference(&mut self, reference: &'ast TypeReference) {
            self.0 |= reference.lifetime.is_none();
            visit::visit_type_reference(self, reference);
        }
        fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
            self.0 |= lifetime.ident != "static";
        }
        fn visit_type_path(&mut self, ty: &'ast TypePath) {
            // The one type of the standard library whose lifetime people leave out.
            self.0 |= ty.path.segments.last().is_some_and(|last| last.ident == "Cow" && !has_lifetime(last));
            visit::visit_type_path(self, ty);
        }
    }
    let mut search = Search(false);
    search.visit_type(ty);
    search.0
}

fn has_lifetime(segment: &syn::PathSegment) -> bool {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return false };
    arguments.args.iter().any(|argument| matches!(argument, GenericArgument::Lifetime(_)))
}

/// Notes what in an argument's type can never travel.
pub(crate) fn check_argument(ty: &Type, report: &mut Report) {
    Check { report, is_return: false }.visit_type(ty);
}

/// Notes what in a returned type can never travel.
pub(crate) fn check_returned(ty: &Type, report: &mut Report) {
    Check { report, is_return: true }.visit_type(ty);
}

struct Check<'r> {
    report: &'r mut Report,
    is_return: bool,
}

impl<'ast> Visit<'ast> for Check<'_> {
    fn visit_type(&mut self, ty: &'ast Type) {
        let is_return = self.is_return;
        let mistake = match ty {
            Type::ImplTrait(_) if !is_return => Mistake::ImplArgument,
            Type::ImplTrait(ty) if ty.bounds.iter().any(is_stream) => Mistake::StreamReturn,
            Type::ImplTrait(_) => Mistake::ImplReturn,
            Type::TraitObject(_) if is_return => Mistake::DynReturn,
            Type::TraitObject(_) => Mistake::DynArgument,
            Type::Reference(_) if is_return => Mistake::ReferenceReturn,
            Type::Reference(ty) if ty.mutability.is_some() => Mistake::MutableReference,
            Type::Reference(ty) if is_static(ty) => Mistake::StaticReference,
            Type::Path(path) if path.path.segments.first().is_some_and(|first| first.ident == "Self") => {
                Mistake::SelfType
            }
            Type::Path(_) if is_called(ty, "Streaming") => Mistake::Streaming,
            _ => return visit::visit_type(self, ty),
        };
        self.report.add(ty, &mistake);
    }

    fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
        if self.is_return && lifetime.ident != "static" {
            self.report.add(lifetime, &Mistake::ReferenceReturn);
        }
    }
}

fn is_static(reference: &TypeReference) -> bool {
    reference.lifetime.as_ref().is_some_and(|lifetime| lifetime.ident == "static")
}

fn is_stream(bound: &syn::TypeParamBound) -> bool {
    let syn::TypeParamBound::Trait(bound) = bound else { return false };
    bound.path.segments.last().is_some_and(|last| last.ident == "Stream")
}
