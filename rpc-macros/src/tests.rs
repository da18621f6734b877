//! The expansion as text: what a change to the macro writes differently is seen in review. That it compiles and works is
//! tested from outside, in `tests/macro`.

use proc_macro2::{Group, TokenStream, TokenTree};
use quote::quote;

use crate::expand;

fn pretty(options: TokenStream, item: TokenStream) -> String {
    let expanded = with_tests_inlined(expand::service(options, item));
    prettyplease::unparse(&syn::parse2(expanded).unwrap())
}

/// What stands in `path::when_testing! { … }` takes the place of it, so that it is laid out as well.
fn with_tests_inlined(tokens: TokenStream) -> TokenStream {
    let mut inlined: Vec<TokenTree> = Vec::new();
    for token in tokens {
        let TokenTree::Group(group) = token else {
            inlined.push(token);
            continue;
        };
        let inner = with_tests_inlined(group.stream());
        if let [.., TokenTree::Ident(name), TokenTree::Punct(_)] = &inlined[..]
            && name == "when_testing"
        {
            // The path before it, back to the end of the last item.
            while matches!(inlined.last(), Some(TokenTree::Ident(_) | TokenTree::Punct(_))) {
                inlined.pop();
            }
            inlined.extend(inner);
        } else {
            inlined.push(Group::new(group.delimiter(), inner).into());
        }
    }
    inlined.into_iter().collect()
}

fn snapshot(name: &str, options: TokenStream, item: TokenStream) {
    let settings = || {
        let mut settings = insta::Settings::clone_current();
        settings.set_omit_expression(true);
        settings.set_prepend_module_to_snapshot(false);
        settings
    };
    settings().bind(|| insta::assert_snapshot!(name, pretty(options, item)));
}

#[test]
fn a_plain_service() {
    snapshot(
        "a_plain_service",
        quote!(),
        quote! {
            /// Reckons.
            pub trait Calculator {
                /// The sum.
                #[rpc(idempotent, timeout = "250ms", allow("clerk", "manager"))]
                async fn add(&self, a: i64, #[rpc(default)] b: Option<i64>) -> i64;
            }
        },
    );
}

#[test]
fn a_service_that_asks_for_more_than_one_attempt() {
    snapshot(
        "a_service_that_asks_for_more_than_one_attempt",
        quote!(),
        quote! {
            trait Store {
                #[rpc(
                    idempotent,
                    retry(attempts = 5, base = "10ms", backoff = "proportional", alpha = 2),
                    retry_on = StoreError::is_busy,
                    hedge(percentile = 99, after = "20ms")
                )]
                async fn get(&self) -> Answer<u8>;
            }
        },
    );
}

#[test]
fn a_service_whose_client_is_the_trait() {
    snapshot(
        "a_service_whose_client_is_the_trait",
        quote!(),
        quote! {
            pub(crate) trait Store: Debug {
                async fn get(&self, key: &str, at: &Place, parts: &[u32]) -> io::Result<String>;
                #[cfg(unix)]
                async fn new(&self) -> Answer where Self: Sync {
                    self.get("new").await
                }
            }
        },
    );
}

#[test]
fn a_service_with_streams() {
    snapshot(
        "a_service_with_streams",
        quote!(),
        quote! {
            trait Journal {
                #[rpc(timeout = "5s", idle_timeout = "1m", total_timeout = "10m")]
                fn lines(&self, from: u64) -> impl Stream<Item = Line> { self.all(from) }
                async fn follow(&self, name: &str, #[rpc(default)] at: u64)
                -> Result<impl Stream<Item = Result<String, ReadError>> + Send, OpenError>;
                async fn append(&self, lines: Streaming<String>, name: &str) -> Result<u64, OpenError>;
                #[cfg(unix)]
                async fn load(&self, to: u8, rows: traitwire::Streaming<Row>) -> Result<impl Stream<Item = Answer>, OpenError>;
            }
        },
    );
}

#[test]
fn a_stream_that_is_opened_without_an_error() {
    snapshot(
        "a_stream_that_is_opened_without_an_error",
        quote!(),
        quote! {
            trait Filter {
                async fn filter(&self, lines: Streaming<Vec<u8>>) -> impl Stream<Item = Vec<u8>> { lines }
            }
        },
    );
}

#[test]
fn a_service_with_mistakes_keeps_the_rest() {
    snapshot(
        "a_service_with_mistakes_keeps_the_rest",
        quote!(name = "a b"),
        quote! {
            trait Wrong {
                const LIMIT: u8;
                #[rpc(idempotant)]
                async fn typo(&self);
                fn late(&self, (a, b): (u8, u8));
                async fn right(&self) -> u8;
            }
        },
    );
}

#[test]
fn nothing_but_the_given_path_leads_to_the_runtime() {
    let expanded = pretty(
        quote!(crate = "elsewhere::rpc"),
        quote! {
            trait Other {
                async fn plain(&self, a: &str, #[rpc(default)] b: Vec<u8>) -> u8;
                async fn aliased(&self, c: &[String], d: Cow<str>, e: &Place) -> Answer;
                fn ticks(&self, a: Streaming<u8>, b: &str) -> impl Stream<Item = u8>;
                async fn open(&self, a: Streaming<u8>) -> Result<impl Stream<Item = Answer>, String>;
            }
        },
    );
    let ours = expanded.matches("traitwire").count();
    assert_eq!(ours, 0, "{expanded}");
    assert!(expanded.contains("elsewhere::rpc::private::"));
}

#[test]
fn types_are_told_as_people_write_them() {
    let text = crate::names::text;
    for written in [
        "Vec<u8>",
        "&[u8]",
        "&'a mut str",
        "(i64, String)",
        "[u8; 4]",
        "Option<Box<dyn Send + Sync>>",
        "<A as B<C>>::D",
        "::std::io::Result<()>",
        "impl Iterator<Item = X>",
        "fn(u8) -> u8",
    ] {
        assert_eq!(text(written.parse().unwrap()), written);
    }
}

#[test]
fn type_parameters_give_way() {
    let unused = |tokens| crate::names::unused("C", tokens).to_string();
    assert_eq!(unused(quote!(a: B)), "C");
    assert_eq!(unused(quote!(a: Vec<(C, [C1; 2])>)), "C2");
}
