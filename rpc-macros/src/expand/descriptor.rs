//! Writes the static descriptor: what is known of the service without calling it.

use proc_macro2::{Literal, TokenStream};
use quote::quote;
use syn::ext::IdentExt;

use super::terms::Terms;
use crate::model::{Argument, Method, Service};
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
    quote! {
        static #descriptor: #door::ServiceDescriptor = #door::ServiceDescriptor::new(#name, #docs, &[#(#methods),*]);
    }
}

fn describe(service: &Service, method: &Method, terms: &Terms) -> TokenStream {
    let Terms { door, .. } = terms;
    let Method { name, index, docs, cfg, arguments, returns, options, .. } = method;
    let full_name = format!("{}.{name}", service.name);
    let docs = (!docs.is_empty()).then(|| quote!(.with_docs(#docs)));
    let arguments = arguments.iter().map(|argument| {
        let Argument { ident, ty, is_optional, .. } = argument;
        let (name, ty) = (ident.unraw().to_string(), names::text(quote!(#ty)));
        quote!(#door::ArgumentDescriptor::new(#name, #ty, #is_optional))
    });
    let ty = &returns.written;
    let ty = names::text(quote!(#ty));
    let flag = |is_set: bool, setter: TokenStream| is_set.then_some(setter);
    let idempotent = flag(options.idempotent, quote!(.idempotent()));
    let oneway = flag(options.oneway, quote!(.oneway()));
    let blocking = flag(options.blocking, quote!(.blocking()));
    let deprecated = flag(method.is_deprecated, quote!(.deprecated()));
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
    let elements = options.elements.map(Literal::u32_unsuffixed);
    let elements = elements.map(|elements| quote!(.with_elements(#elements)));
    quote! {
        #(#cfg)*
        #door::MethodDescriptor::new(#name, #full_name, #index)
            #docs
            .with_signature(&[#(#arguments),*], #ty)
            #idempotent #oneway #blocking #deprecated #sends #takes #timeout #idle_timeout #total_timeout #elements
    }
}
