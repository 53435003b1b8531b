//! Where the runtime is in the user's crate, and spans that keep the user's lints away from what is not the user's.

use std::{cell::RefCell, env};

use proc_macro_crate::{FoundCrate, crate_name};
use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{quote, quote_spanned};
use syn::Path;

thread_local! {
    /// Of the expansion that this thread is at.
    static RUNTIME: RefCell<Option<TokenStream>> = const { RefCell::new(None) };
}

/// Lets the paths of one expansion lead to the runtime under this path, or under the name that the user's Cargo.toml gives it.
pub(crate) fn with_runtime<T>(path: Option<&Path>, expand: impl FnOnce() -> T) -> T {
    let path = path.map_or_else(found, |path| quote!(#path));
    RUNTIME.set(Some(path));
    let expanded = expand();
    RUNTIME.set(None);
    expanded
}

fn found() -> TokenStream {
    // Outside of cargo there is no manifest to look into.
    let found = env::var_os("CARGO_MANIFEST_DIR").and_then(|_| crate_name("cache-runtime").ok());
    match found {
        Some(FoundCrate::Name(name)) => {
            let name = Ident::new(&name, Span::call_site());
            quote!(::#name)
        }
        // The runtime's own tests and examples, which are crates beside it.
        Some(FoundCrate::Itself) | None => quote!(::cache_runtime),
    }
}

/// What the macros expand to, in the runtime.
pub(crate) fn private() -> TokenStream {
    let runtime = RUNTIME.with_borrow(|runtime| runtime.clone().unwrap_or_else(found));
    quote!(#runtime::__private)
}

/// `private::item`, on `span`, so that what the compiler says of it points there.
pub(crate) fn private_item(item: &str, span: Span) -> TokenStream {
    let item = Ident::new(item, span);
    let private = on(private(), span);
    quote_spanned!(span=> #private::#item)
}

/// As [`private_item`], of what the user may have imported, too, so that the path is longer than it need be.
pub(crate) fn quiet_item(item: &str, span: Span) -> TokenStream {
    private_item(item, quiet(span))
}

/// The same place, as what a macro has written: no lint fires there, whatever the user denies or forbids.
pub(crate) fn quiet(span: Span) -> Span {
    span.resolved_at(Span::mixed_site())
}

/// A name at the same place, as what a macro has written.
pub(crate) fn quiet_ident(ident: &Ident) -> Ident {
    let mut ident = ident.clone();
    ident.set_span(quiet(ident.span()));
    ident
}

/// Path tokens, all of them on `span`. A `$crate` keeps what it means, which is in its own span.
pub(crate) fn on(tokens: TokenStream, span: Span) -> TokenStream {
    tokens
        .into_iter()
        .map(|mut token| {
            let is_macros_crate = matches!(&token, TokenTree::Ident(ident) if ident == "$crate");
            token.set_span(if is_macros_crate {
                span.resolved_at(token.span())
            } else {
                span
            });
            token
        })
        .collect()
}
