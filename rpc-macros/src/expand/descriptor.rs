//! Writes the static descriptor: what is known of the service without calling it.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;

use super::terms::Terms;
use crate::model::{Argument, Backoff, Cache, Hedge, Method, Mode, Retry, RetryOn, Service, Way};
use crate::names;

// Input:
//     /// The sum.
//     #[rpc(idempotent)]
//     async fn add(&self, a: i64) -> i64;
// Output:
//     static __TRAITWIRE_SERVICE: ServiceDescriptor = ServiceDescriptor::new("Calculator", "", &[
//         MethodDescriptor::new("add", "Calculator.add", 0)
//             .with_docs("The sum.")
//             .with_signature(&[ArgumentDescriptor::new("a", "i64", false)], "i64")
//             .idempotent(),
//     ]);
pub(super) fn of(service: &Service, terms: &Terms) -> TokenStream {
    let Terms { door, descriptor, .. } = terms;
    let Service { name, docs, methods, .. } = service;
    let methods = methods.iter().map(|method| describe(service, method, terms));
    let needs_cache = service.methods.iter().find_map(|method| method.options.cache.as_ref());
    let needs_cache = needs_cache.map(|cache| quote_spanned!(cache.key.span()=> #door::needs_cache! {}));
    quote! {
        #needs_cache
        static #descriptor: #door::ServiceDescriptor = #door::ServiceDescriptor::new(#name, #docs, &[#(#methods),*]);
    }
}

fn describe(service: &Service, method: &Method, terms: &Terms) -> TokenStream {
    let Terms { door, .. } = terms;
    let Method { name, index, docs, cfg, arguments, returns, options, .. } = method;
    let full_name = format!("{}.{name}", service.name);
    let docs = (!docs.is_empty()).then(|| quote!(.with_docs(#docs)));
    let mut sent = arguments.iter().filter(|argument| matches!(argument.way, Way::Array(_)));
    let key = sent.position(|argument| argument.key.is_some()).map(Literal::usize_unsuffixed);
    let key = key.map(|nth| quote!(.with_key(#nth)));
    let arguments = arguments.iter().map(|argument| {
        let Argument { ident, ty, is_optional, .. } = argument;
        let (name, ty) = (ident.unraw().to_string(), names::text(quote!(#ty)));
        quote!(#door::ArgumentDescriptor::new(#name, #ty, #is_optional))
    });
    let ty = &returns.written;
    let ty = names::text(quote!(#ty));
    let flag = |is_set: bool, setter: TokenStream| is_set.then_some(setter);
    let idempotent = flag(options.idempotent, quote!(.idempotent()));
    let dedup = flag(options.dedup.is_some(), quote!(.dedup()));
    let oneway = flag(options.oneway, quote!(.oneway()));
    let blocking = flag(options.blocking, quote!(.blocking()));
    let deprecated = method.deprecated.as_ref().map(|is_it| quote!(.deprecated(#is_it)));
    let sends = flag(method.streaming().is_some(), quote!(.sends()));
    let takes = flag(returns.is_stream(), quote!(.takes()));
    let timeout = options.timeout_micros.map(Literal::u64_unsuffixed);
    let timeout = timeout.map(|micros| quote!(.with_timeout_micros(#micros)));
    let [idle_timeout, total_timeout] = [
        (&options.idle_timeout, quote!(with_idle_timeout_micros)),
        (&options.total_timeout, quote!(with_total_timeout_micros)),
    ]
    .map(|(time, setter)| {
        let micros = time.as_ref().map(|time| Literal::u64_unsuffixed(time.micros));
        micros.map(|micros| quote!(.#setter(#micros)))
    });
    let retry = options.retry.as_ref().map(|retry| with_retry(retry, door));
    let hedge = options.hedge.as_ref().map(|hedge| with_hedge(hedge, door));
    let cache = options.cache.as_ref().map(|cache| with_cache(cache, door));
    let retry_on = options.retry_on.as_ref().map(|retry_on| with_retry_on(method, retry_on, terms));
    let elements = options.elements.map(Literal::u32_unsuffixed);
    let elements = elements.map(|elements| quote!(.with_elements(#elements)));
    let roles = &options.allow;
    let allow = flag(!roles.is_empty(), quote!(.with_allow(&[#(#roles),*])));
    quote! {
        #(#cfg)*
        #door::MethodDescriptor::new(#name, #full_name, #index)
            #docs
            .with_signature(&[#(#arguments),*], #ty)
            #idempotent #dedup #oneway #blocking #deprecated #sends #takes #timeout #idle_timeout #total_timeout #elements
            #retry #retry_on #hedge #allow #cache #key
    }
}

// Output:
//     .with_retry(Retry::new().attempts(5).base(Duration::from_micros(100000)).backoff(Backoff::EqualJitter))
fn with_retry(retry: &Retry, door: &TokenStream) -> TokenStream {
    let attempts = retry.attempts.map(|attempts| quote!(.attempts(#attempts)));
    let base = retry.base_micros.map(duration).map(|base| quote!(.base(#base)));
    let cap = retry.cap_micros.map(duration).map(|cap| quote!(.cap(#cap)));
    let backoff = retry.backoff.map(|backoff| match backoff {
        Backoff::FullJitter => quote!(#door::Backoff::FullJitter),
        Backoff::EqualJitter => quote!(#door::Backoff::EqualJitter),
        Backoff::Decorrelated => quote!(#door::Backoff::Decorrelated),
        Backoff::Grpc => quote!(#door::Backoff::Grpc),
        Backoff::Proportional => {
            let alpha = retry.alpha.map_or_else(|| quote!(#door::RETRY_ALPHA), |alpha| quote!(#alpha));
            let t_max = retry.t_max_micros.map_or_else(|| quote!(#door::RETRY_T_MAX), duration);
            quote!(#door::Backoff::proportional(#alpha, #t_max))
        }
    });
    let backoff = backoff.map(|backoff| quote!(.backoff(#backoff)));
    quote!(.with_retry(#door::Retry::new() #attempts #base #cap #backoff))
}

// Output:
//     .with_hedge(Hedge::at_percentile(95f64).at_first(Duration::from_micros(20000)))
fn with_hedge(hedge: &Hedge, door: &TokenStream) -> TokenStream {
    let after = hedge.after_micros.map(duration);
    let hedge = match (hedge.percentile, after) {
        (None, None) => quote!(#door::Hedge::new()),
        (None, Some(after)) => quote!(#door::Hedge::after(#after)),
        (Some(percent), None) => quote!(#door::Hedge::at_percentile(#percent)),
        (Some(percent), Some(after)) => quote!(#door::Hedge::at_percentile(#percent).at_first(#after)),
    };
    quote!(.with_hedge(#hedge))
}

// Output:
//     .with_cache(Keep::new(Duration::from_micros(5000000)).errors(Duration::from_micros(1000000)))
fn with_cache(cache: &Cache, door: &TokenStream) -> TokenStream {
    let keep = match cache.ttl_micros.map(duration) {
        Some(ttl) => quote!(#door::Keep::new(#ttl)),
        None => quote!(#door::Keep::allowed()),
    };
    let errors = cache.errors_micros.map(duration).map(|errors| quote!(.errors(#errors)));
    let stale = cache.stale_if_error_micros.map(duration).map(|stale| quote!(.stale_if_error(#stale)));
    quote!(.with_cache(#keep #errors #stale))
}

// Output:
//     .with_retry_on(|method, answer| retry_on(method, answer, form::<…>(), answer::<…>(), StoreError::is_busy))
fn with_retry_on(method: &Method, retry_on: &RetryOn, terms: &Terms) -> TokenStream {
    let Terms { door, .. } = terms;
    let codec = match &method.returns.mode {
        Mode::Opened { error } => {
            let (form, codec) =
                (terms.opening(error.as_deref()), terms.opening_codec(method, error.as_deref()));
            quote!(#form, #codec)
        }
        Mode::Once | Mode::Stream => terms.answer(method),
    };
    let test = &retry_on.test;
    // Of their own, so that a function of the user's may have these names.
    let [local_method, answer] = ["method", "answer"].map(|name| Ident::new(name, Span::mixed_site()));
    quote!(.with_retry_on(|#local_method, #answer| #door::retry_on(#local_method, #answer, #codec, #test)))
}

fn duration(micros: u64) -> TokenStream {
    let micros = Literal::u64_unsuffixed(micros);
    quote!(::core::time::Duration::from_micros(#micros))
}
