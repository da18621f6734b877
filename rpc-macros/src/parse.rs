//! Reads a trait into the model: one item at a time, each mistake noted at its token. What needs two items is
//! `validate`'s to look at; a method with a mistake is left out of the model and stays in the trait.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{
    Attribute, Expr, ExprLit, FnArg, Ident, ItemTrait, Lit, Meta, Pat, PatIdent, PatType, Receiver,
    ReceiverKind, Safety, Signature, Token, TraitItem, TraitItemFn, parse_quote,
};

use crate::diagnostics::{Mistake, Report};
use crate::model::{Argument, Method, MethodOptions, Mode, Returns, Service, Way};
use crate::{args, attempts, body, stream};

/// Reads a service.
pub(crate) fn service(options: TokenStream, mut item: ItemTrait, report: &mut Report) -> Service {
    let options = args::of_service(options, report);
    args::nowhere(&mut item.attrs, &Mistake::RpcOnTrait, report);
    only_once(&mut item.attrs, report);
    let is_servable = check_trait(&item, report);
    let mut methods = Vec::new();
    let mut index = 0;
    // A supertrait may say `Sync` where only the compiler sees it, so a trait that has any is left to it.
    let is_plain = item.supertraits.is_empty();
    let of_trait = item.generics.where_clause.clone();
    for member in &mut item.items {
        let (attributes, mistake) = match member {
            TraitItem::Fn(function) => {
                methods.extend(method(function, index, report));
                if is_plain
                    && function.sig.asyncness.is_some()
                    && body::lacks_sync(function, of_trait.as_ref())
                {
                    report.add(&function.sig.ident, &Mistake::DefaultWithoutSync);
                    // So that the compiler does not tell it once more.
                    let clause = function.sig.generics.make_where_clause();
                    clause.predicates.push(parse_quote!(Self: ::core::marker::Sync));
                }
                index += 1;
                continue;
            }
            TraitItem::Const(item) => (Some(&mut item.attrs), Mistake::AssociatedConst),
            TraitItem::Type(item) => (Some(&mut item.attrs), Mistake::AssociatedType),
            TraitItem::Macro(item) => (Some(&mut item.attrs), Mistake::MacroInTrait),
            _ => (None, Mistake::UnknownItem),
        };
        if let Some(attributes) = attributes {
            attributes.retain(|attribute| !attribute.path().is_ident("rpc"));
        }
        report.add(member, &mistake);
    }
    if !is_servable {
        methods.clear();
    }
    Service {
        name: options.name.clone().unwrap_or_else(|| item.ident.unraw().to_string()),
        docs: docs(&item.attrs),
        shown: shown(&item.attrs),
        lints: lints(&item),
        cfg: cfg(&item.attrs),
        is_servable,
        is_broken: false,
        item,
        options,
        methods,
    }
}

/// Takes out what would make it a service again.
fn only_once(attributes: &mut Vec<Attribute>, report: &mut Report) {
    attributes.retain(|attribute| {
        let is_again = attribute.path().segments.last().is_some_and(|last| last.ident == "rpc_service");
        if is_again {
            report.add(attribute, &Mistake::ServiceTwice);
        }
        !is_again
    });
}

/// Whether the trait itself, its methods apart, can be a service.
fn check_trait(item: &ItemTrait, report: &mut Report) -> bool {
    let mut is_service = true;
    let mut refuse = |at: &dyn ToTokens, mistake: &Mistake<'_>| {
        report.add(at, mistake);
        is_service = false;
    };
    if !item.generics.params.is_empty() {
        refuse(&item.generics.params, &Mistake::TraitGenerics);
    }
    if let Some(token) = &item.unsafety {
        refuse(token, &Mistake::TraitUnsafe);
    }
    if let Some(token) = &item.modifiers.auto_token {
        refuse(token, &Mistake::TraitAuto);
    }
    is_service
}

/// Reads a method and takes our attributes out of it; `None` if anything is wrong with it.
fn method(function: &mut TraitItemFn, index: u32, report: &mut Report) -> Option<Method> {
    let found_before = report.len();
    let options = args::of_method(&mut function.attrs, report);
    let returns = stream::returns(&function.sig);
    check_signature(&function.sig, &returns, report);
    // A trait may have none, which rustc would tell once more.
    function.sig.constness = None;
    let arguments = arguments(function, report);
    stream::check_returned(&returns.written, report);
    if options.oneway {
        check_oneway(&arguments, &returns, report);
    }
    let attributes = &function.attrs;
    let ident = function.sig.ident.clone();
    let method = (report.len() == found_before).then(|| Method {
        name: options.name.clone().unwrap_or_else(|| ident.unraw().to_string()),
        index,
        docs: docs(attributes),
        shown: shown(attributes).into_iter().chain(allowed(attributes)).collect(),
        deprecated: deprecated(attributes),
        cfg: cfg(attributes),
        ident,
        options,
        arguments,
        returns,
    });
    // With another mistake it may be one that hides a stream, or an error.
    let method = method?;
    attempts::check_types(&method, report);
    let has_its_times = method.has_stream() || has_no_stream_time(&method.options, report);
    (has_its_times && report.len() == found_before).then_some(method)
}

/// One type beside another that `oneway` leaves nobody to deal with.
fn check_oneway(arguments: &[Argument], returns: &Returns, report: &mut Report) {
    if !is_unit(&returns.written) {
        report.add(&returns.written, &Mistake::OnewayReturn);
    }
    for argument in arguments.iter().filter(|argument| is_streaming(argument)) {
        report.add(&argument.ty, &Mistake::OnewayStreaming);
    }
}

/// Notes the times that a method without a stream cannot have.
fn has_no_stream_time(options: &MethodOptions, report: &mut Report) -> bool {
    let found_before = report.len();
    for time in [&options.idle_timeout, &options.total_timeout].into_iter().flatten() {
        report.add(&time.key, &Mistake::StreamTimeout { key: &time.key.to_string() });
    }
    report.len() == found_before
}

const fn is_streaming(argument: &Argument) -> bool {
    matches!(argument.way, Way::Beside { .. })
}

fn is_unit(ty: &syn::Type) -> bool {
    matches!(ty, syn::Type::Tuple(tuple) if tuple.elems.is_empty())
}

/// What stands before the arguments.
fn check_signature(signature: &Signature, returns: &Returns, report: &mut Report) {
    let Signature { constness, asyncness, safety, abi, ident, generics, variadic, .. } = signature;
    if let Some(token) = constness {
        report.add(token, &Mistake::Const);
    }
    if asyncness.is_none() && !matches!(returns.mode, Mode::Stream) {
        report.add(ident, &Mistake::NotAsync { method: &ident.to_string() });
    }
    if !matches!(safety, Safety::Default) {
        report.add(safety, &Mistake::Unsafe);
    }
    if let Some(abi) = abi {
        report.add(abi, &Mistake::Extern);
    }
    if let Some(variadic) = variadic {
        report.add(variadic, &Mistake::Variadic);
    }
    let is_lifetime = |param: &syn::GenericParam| matches!(param, syn::GenericParam::Lifetime(_));
    if !generics.params.is_empty() {
        let only_lifetimes = generics.params.iter().all(is_lifetime);
        let mistake = if only_lifetimes { Mistake::Lifetimes } else { Mistake::Generics };
        report.add(&generics.params, &mistake);
    }
    match signature.receiver() {
        None => report.add(ident, &Mistake::NoReceiver),
        Some(receiver) => check_receiver(receiver, report),
    }
}

fn check_receiver(receiver: &Receiver, report: &mut Report) {
    let mistake = match &receiver.kind {
        ReceiverKind::Reference(_, None, None) => return,
        ReceiverKind::Reference(_, _, Some(_)) => Mistake::MutableReceiver,
        ReceiverKind::Reference(..) => Mistake::ReceiverLifetime,
        ReceiverKind::Value => Mistake::ValueReceiver,
        _ => Mistake::TypedReceiver,
    };
    report.add(receiver, &mistake);
}

/// The arguments behind `self` that are well formed.
fn arguments(function: &mut TraitItemFn, report: &mut Report) -> Vec<Argument> {
    let has_body = function.default.is_some();
    let mut found = Vec::new();
    for (at, input) in function.sig.inputs.iter_mut().enumerate() {
        match input {
            FnArg::Receiver(receiver) => args::nowhere(&mut receiver.attrs, &Mistake::RpcOnReceiver, report),
            FnArg::Typed(input) => {
                found.extend(argument(input, report));
                if !has_body && !matches!(*input.pat, Pat::Ident(_)) {
                    // A method without a body may have no patterns, which rustc would tell once more.
                    let ident = Ident::new(&format!("argument{at}"), proc_macro2::Span::call_site());
                    *input.pat = parse_quote!(#ident);
                }
            }
        }
    }
    for second in found.iter().filter(|argument| is_streaming(argument)).skip(1) {
        report.add(&second.ty, &Mistake::StreamingTwice);
    }
    for second in found.iter().filter_map(|argument| argument.key.as_ref()).skip(1) {
        report.add(second, &Mistake::KeyTwice);
    }
    found
}

fn argument(input: &mut PatType, report: &mut Report) -> Option<Argument> {
    let options = args::of_argument(&mut input.attrs, report);
    for condition in input.attrs.iter().filter(|attribute| attribute.path().is_ident("cfg")) {
        report.add(condition, &Mistake::CfgArgument);
    }
    stream::check_argument(&input.ty, report);
    stream::complete(&mut input.ty);
    let way = stream::way(&input.ty);
    if let Way::Beside { .. } = &way {
        options.default.iter().for_each(|word| report.add(word, &Mistake::StreamingDefault));
        options.key.iter().for_each(|word| report.add(word, &Mistake::StreamingKey));
    }
    match &*input.pat {
        Pat::Ident(PatIdent { by_ref: None, subpat: None, ident, .. }) => Some(Argument {
            ident: ident.clone(),
            ty: (*input.ty).clone(),
            way,
            is_optional: options.default.is_some(),
            key: options.key,
        }),
        pattern => {
            let is_wild = pattern.to_token_stream().to_string() == "_";
            report.add(pattern, if is_wild { &Mistake::NoName } else { &Mistake::Pattern });
            None
        }
    }
}

// ===== attributes =====

/// The text of the doc comment.
fn docs(attributes: &[Attribute]) -> String {
    let line = |attribute: &Attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    };
    let lines: Vec<_> = attributes.iter().filter_map(line).collect();
    let lines = lines.iter().flat_map(|text| text.lines().chain(text.is_empty().then_some("")));
    let text: Vec<_> = lines.map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end()).collect();
    text.join("\n").trim().to_owned()
}

/// What goes on the generated counterpart too.
fn shown(attributes: &[Attribute]) -> Vec<Attribute> {
    let is_shown = |meta: &Meta| meta.path().is_ident("doc") || meta.path().is_ident("deprecated");
    let mut found = Vec::new();
    for attribute in attributes {
        if is_shown(&attribute.meta) {
            found.push(attribute.clone());
        }
        for (condition, meta) in conditional(attribute).filter(|(_, meta)| is_shown(meta)) {
            found.push(parse_quote!(#[cfg_attr(#condition, #meta)]));
        }
    }
    found
}

/// What is allowed there, in the generated counterpart too. What is expected is met once, in the trait, and is allowed
/// elsewhere.
fn allowed(attributes: &[Attribute]) -> impl Iterator<Item = Attribute> {
    let is_allowed =
        |attribute: &&Attribute| ["allow", "expect"].iter().any(|name| attribute.path().is_ident(name));
    attributes.iter().filter(is_allowed).filter_map(|attribute| {
        let lints = &attribute.meta.require_list().ok()?.tokens;
        let allow = Ident::new("allow", proc_macro2::Span::call_site());
        Some(parse_quote!(#[#allow(#lints)]))
    })
}

fn lints(item: &ItemTrait) -> Vec<Attribute> {
    let functions = item.items.iter().filter_map(|member| match member {
        TraitItem::Fn(function) => Some(&function.attrs),
        _ => None,
    });
    let all: Vec<_> = std::iter::once(&item.attrs).chain(functions).collect();
    let mut found: Vec<_> = all.iter().flat_map(|attributes| allowed(attributes)).collect();
    if all.iter().any(|attributes| deprecated(attributes).is_some()) {
        found.push(parse_quote!(#[allow(deprecated, reason = "generated: what is deprecated names itself")]));
    }
    found
}

/// Whether the item is deprecated, as an expression: under some `cfg` it may be, and be none elsewhere.
fn deprecated(attributes: &[Attribute]) -> Option<Expr> {
    let is_it = |meta: &Meta| meta.path().is_ident("deprecated");
    if attributes.iter().any(|attribute| is_it(&attribute.meta)) {
        return Some(parse_quote!(true));
    }
    let conditional = attributes.iter().flat_map(conditional).filter(|(_, meta)| is_it(meta));
    let conditions: Vec<_> = conditional.map(|(condition, _)| condition).collect();
    (!conditions.is_empty()).then(|| parse_quote!(::core::cfg!(any(#(#conditions),*))))
}

/// The conditions under which the item is there.
fn cfg(attributes: &[Attribute]) -> Vec<Attribute> {
    let mut found = Vec::new();
    for attribute in attributes {
        if attribute.path().is_ident("cfg") {
            found.push(attribute.clone());
        }
        for (condition, meta) in conditional(attribute) {
            if let Meta::List(list) = &meta
                && list.path.is_ident("cfg")
            {
                let inner = &list.tokens;
                found.push(parse_quote!(#[cfg(any(not(#condition), #inner))]));
            }
        }
    }
    found
}

/// The attributes that a `#[cfg_attr(condition, …)]` stands for.
fn conditional(attribute: &Attribute) -> impl Iterator<Item = (Meta, Meta)> + use<> {
    let metas = match &attribute.meta {
        Meta::List(list) if list.path.is_ident("cfg_attr") => {
            Punctuated::<Meta, Token![,]>::parse_terminated.parse2(list.tokens.clone()).unwrap_or_default()
        }
        _ => Punctuated::new(),
    };
    let mut metas = metas.into_iter();
    let condition = metas.next();
    metas.filter_map(move |meta| Some((condition.clone()?, meta)))
}
