//! The third phase: the tokens that a model stands for. Cannot fail.
//!
//! What is emitted is constants and one call. All paths are absolute, local names are hygienic, and tokens that the
//! compiler may have to complain about carry the user's spans.

mod cached;
mod invalidates;
mod registry;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Type, spanned::Spanned};

use crate::model::Scope;

pub(crate) use self::{cached::cached, invalidates::invalidates, registry::registry};

/// `::cache_runtime::__private::item`, on `span`.
fn private(item: &str, span: Span) -> TokenStream {
    let item = Ident::new(item, span);
    quote_spanned!(span=> ::cache_runtime::__private::#item)
}

/// A local variable that the user's code cannot name.
fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

/// The user's block as a pinned future of `output`. Pinned where it is made: passed by value it would stand in the caller's
/// future twice.
fn future(block: &TokenStream, output: &Type) -> TokenStream {
    let body = async_block(block, output);
    quote!(::core::pin::pin!(#body))
}

/// The user's block as a future of `output`.
///
/// The return that never happens pins the type, so that a mismatch in the body points at the user's code and not at the
/// call around it.
fn async_block(block: &TokenStream, output: &Type) -> TokenStream {
    let span = output.span().resolved_at(Span::mixed_site());
    let returned = Ident::new("__cache_returned", span);
    let pin = quote_spanned! {span=>
        if let ::core::option::Option::Some(#returned) = ::core::option::Option::None::<#output> {
            return #returned;
        }
        let #returned: #output = #block;
    };
    quote! {
        async move {
            #pin
            #[allow(unreachable_code, reason = "the body may always return early")]
            #returned
        }
    }
}

/// How `output` splits into its value and the rest, on the span of the return type.
fn shape(output: &Type) -> TokenStream {
    let span = output.span();
    let returns = private("Returns", span);
    quote_spanned!(span=> #returns::<#output>::new().shape())
}

/// How many `Result`s and `Option`s inside of one another are told apart.
const DEPTH: usize = 4;

/// As [`shape`], with `Result`s and `Option`s inside of one another split, too: the compiler sees what they are.
fn nested_shape(output: &Type) -> TokenStream {
    let span = output.span().resolved_at(Span::mixed_site());
    let probe = Ident::new("__cache_probe", span);
    let inner = (2..DEPTH).fold(
        quote_spanned!(span=> #probe.shape()),
        |inner, _| quote_spanned!(span=> #probe.shape().then(|#probe| #inner)),
    );
    let shape = shape(output);
    quote_spanned!(span=> #shape.then(|#probe| #inner))
}

/// A name for the type of a scope, on the user's span.
fn scope_type(scope: &Scope, alias: &Ident) -> TokenStream {
    let Scope { name, ty, .. } = scope;
    quote_spanned! {name.span()=>
        #[allow(unused_qualifications, reason = "the user's module may have imported it")]
        type #alias = #ty;
    }
}

/// A constant that the compiler evaluates only if the types of the scopes exist: one message for one mistake.
fn check(span: Span, scope_types: &[&Ident], call: &TokenStream) -> TokenStream {
    quote_spanned! {span=>
        const _: () = {
            #(let _ = ::core::marker::PhantomData::<#scope_types>;)*
            #call
        };
    }
}

/// `None`, or `Some(&cache)`.
fn optional_cache(cache: Option<&TokenStream>) -> TokenStream {
    match cache {
        None => quote!(::core::option::Option::None),
        Some(cache) => quote_spanned!(cache.span()=> ::core::option::Option::Some(&#cache)),
    }
}
