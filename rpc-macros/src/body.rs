//! Owns what can be told of a default body: whether it lends `self` to its future. Does not look into items of its own.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::visit::{self, Visit};
use syn::{Block, ExprPath, Item, Macro, TraitItemFn, WhereClause};

/// Whether the method has a body that lends `self`, and no `where` says that this may be shared between threads.
pub(crate) fn lacks_sync(method: &TraitItemFn, of_trait: Option<&WhereClause>) -> bool {
    let clauses = [method.sig.generics.where_clause.as_ref(), of_trait];
    let is_shared = clauses.into_iter().flatten().any(|clause| contains(&clause.to_token_stream(), "Sync"));
    !is_shared && method.default.as_ref().is_some_and(lends_self)
}

fn lends_self(body: &Block) -> bool {
    struct Search(bool);
    impl<'ast> Visit<'ast> for Search {
        fn visit_expr_path(&mut self, path: &'ast ExprPath) {
            self.0 |= path.path.is_ident("self");
            visit::visit_expr_path(self, path);
        }
        fn visit_macro(&mut self, invocation: &'ast Macro) {
            self.0 |= contains(&invocation.tokens, "self");
        }
        fn visit_item(&mut self, _: &'ast Item) {}
    }
    let mut search = Search(false);
    search.visit_block(body);
    search.0
}

fn contains(tokens: &TokenStream, word: &str) -> bool {
    tokens.clone().into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == word,
        TokenTree::Group(group) => contains(&group.stream(), word),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}
