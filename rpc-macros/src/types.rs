//! Owns what can be told of a type by its text: how an argument is passed, whether an answer may be a `Result`, and
//! what can never travel. What text cannot tell is left to the compiler.

use syn::visit::{self, Visit};
use syn::{GenericArgument, Lifetime, PathArguments, Type, TypeParamBound, TypePath, TypeReference};

use crate::diagnostics::{Mistake, Report};
use crate::model::{Passing, Shape};

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

/// Whether what travels is a `Result`.
pub(crate) fn shape(ty: &Type) -> Shape {
    match bare(ty) {
        Type::Path(path) => path_shape(path),
        Type::Macro(_) => Shape::Unknown,
        _ => Shape::Plain,
    }
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
pub(crate) fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => bare(&group.elem),
        Type::Paren(paren) => bare(&paren.elem),
        ty => ty,
    }
}

/// Whether the path's last segment is `name`.
pub(crate) fn is_called(ty: &Type, name: &str) -> bool {
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

/// What a type is for.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Role {
    Argument,
    /// An item of a stream that is an argument.
    Item,
    /// An answer, an item of one that is a stream, or an error.
    Answer,
}

/// Notes what in a type can never travel.
pub(crate) fn check(ty: &Type, role: Role, report: &mut Report) {
    Check { report, role }.visit_type(ty);
}

struct Check<'r> {
    report: &'r mut Report,
    role: Role,
}

impl<'ast> Visit<'ast> for Check<'_> {
    fn visit_type(&mut self, ty: &'ast Type) {
        let is_answer = self.role == Role::Answer;
        let mistake = match ty {
            Type::ImplTrait(ty) if ty.bounds.iter().any(is_stream) => match self.role {
                Role::Answer => Mistake::StreamNested,
                Role::Argument | Role::Item => Mistake::StreamArgument,
            },
            Type::ImplTrait(_) if is_answer => Mistake::ImplReturn,
            Type::ImplTrait(_) => Mistake::ImplArgument,
            Type::TraitObject(ty) if ty.bounds.iter().any(is_stream) => match self.role {
                Role::Answer => Mistake::StreamDyn,
                Role::Argument | Role::Item => Mistake::StreamArgument,
            },
            Type::TraitObject(_) if is_answer => Mistake::DynReturn,
            Type::TraitObject(_) => Mistake::DynArgument,
            Type::Reference(ty) if self.role == Role::Argument => match ty {
                ty if ty.mutability.is_some() => Mistake::MutableReference,
                ty if is_static(ty) => Mistake::StaticReference,
                ty => return visit::visit_type_reference(self, ty),
            },
            Type::Reference(_) => self.borrows(),
            Type::Path(path) if path.path.segments.first().is_some_and(|first| first.ident == "Self") => {
                Mistake::SelfType
            }
            Type::Path(path) if is_answer && path_shape(path) == Shape::Unknown && holds_stream(path) => {
                let names: Vec<String> =
                    path.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
                return self.report.add(ty, &Mistake::StreamBehindAlias { alias: &names.join("::") });
            }
            Type::Path(_) if is_called(ty, "Streaming") => match self.role {
                Role::Answer => Mistake::StreamingReturn,
                Role::Argument | Role::Item => Mistake::StreamingNested,
            },
            _ => return visit::visit_type(self, ty),
        };
        self.report.add(ty, &mistake);
    }

    fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
        if self.role != Role::Argument && lifetime.ident != "static" {
            self.report.add(lifetime, &self.borrows());
        }
    }
}

impl Check<'_> {
    /// Only what comes with the call can be lent.
    const fn borrows(&self) -> Mistake<'static> {
        match self.role {
            Role::Answer => Mistake::ReferenceReturn,
            Role::Argument | Role::Item => Mistake::StreamingBorrows,
        }
    }
}

/// Whether the first argument of the type is a stream that the attribute would have to see.
fn holds_stream(TypePath { path, .. }: &TypePath) -> bool {
    let Some(PathArguments::AngleBracketed(arguments)) = path.segments.last().map(|last| &last.arguments)
    else {
        return false;
    };
    let first = arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(bare(ty)),
        _ => None,
    });
    matches!(first, Some(Type::ImplTrait(ty)) if ty.bounds.iter().any(is_stream))
}

fn is_static(reference: &TypeReference) -> bool {
    reference.lifetime.as_ref().is_some_and(|lifetime| lifetime.ident == "static")
}

/// Whether the bound is `Stream`.
pub(crate) fn is_stream(bound: &TypeParamBound) -> bool {
    is_bound(bound, "Stream")
}

/// Whether the last segment of the bound's path is `name`.
pub(crate) fn is_bound(bound: &TypeParamBound, name: &str) -> bool {
    let TypeParamBound::Trait(bound) = bound else { return false };
    bound.path.segments.last().is_some_and(|last| last.ident == name)
}
