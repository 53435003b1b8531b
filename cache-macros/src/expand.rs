//! The third phase: the tokens that a model stands for. Cannot fail.
//!
//! What is emitted is constants and one call. All paths are absolute, local names are hygienic, and tokens that the
//! compiler may have to complain about carry the user's spans.

mod cached;
mod catalogue;
mod each;
mod invalidates;
mod owned;
mod policies;
mod registry;

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{quote, quote_spanned};
use syn::{Type, spanned::Spanned};

use crate::{
    model::Scope,
    paths::{private, private_item, quiet},
};

pub(crate) use self::{cached::cached, invalidates::invalidates, registry::registry};

/// A local variable that the user's code cannot name.
fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

/// The user's block as a pinned future of `output`. Pinned where it is made: passed by value it would stand in the caller's
/// future twice.
fn future(block: &TokenStream, output: &Type) -> TokenStream {
    let body = async_block(None, block, output);
    // On the user's own span: to those who look for unsafe code it is that of `pin!` then, and not of the macro around it.
    quote_spanned!(output.span()=> ::core::pin::pin!(#body))
}

/// The user's block as a future of `output`.
///
/// The return that never happens pins the type, so that a mismatch in the body points at the user's code and not at the
/// call around it. Before the block stand statements that give it what it names.
fn async_block(given: Option<&TokenStream>, block: &TokenStream, output: &Type) -> TokenStream {
    let span = output.span().resolved_at(Span::mixed_site());
    let returned = Ident::new("__cache_returned", span);
    let pin = quote_spanned! {span=>
        if let ::core::option::Option::Some(#returned) = ::core::option::Option::None::<#output> {
            return #returned;
        }
    };
    let block = quiet_block(block);
    // Nothing stands after the block, which may never come to its end.
    quote! {
        async move {
            #pin
            #given
            #block
        }
    }
}

/// A block whose braces are the macro's, since they may be one pair too many for those who count them.
fn quiet_block(block: &TokenStream) -> TokenStream {
    let quieted = block.clone().into_iter().map(|token| match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
            let mut quieted = Group::new(Delimiter::Brace, group.stream());
            quieted.set_span(quiet(group.span()));
            quieted.into()
        }
        token => token,
    });
    quieted.collect()
}

/// How `output` splits into its value and the rest, on the span of the return type.
fn split(output: &Type) -> TokenStream {
    let span = output.span();
    let returns = private_item("Returns", span);
    quote_spanned!(span=> #returns::<#output>::new().split())
}

/// How many `Result`s and `Option`s inside of one another are told apart.
const DEPTH: usize = 4;

/// As [`split`], with `Result`s and `Option`s inside of one another split, too: the compiler sees what they are.
fn nested_split(output: &Type) -> TokenStream {
    let span = output.span().resolved_at(Span::mixed_site());
    let probe = Ident::new("__cache_probe", span);
    let inner = (2..DEPTH).fold(
        quote_spanned!(span=> #probe.split()),
        |inner, _| quote_spanned!(span=> #probe.split().then(|#probe| #inner)),
    );
    let split = split(output);
    // On the same span as the call that it is an argument of: or the compiler says of both that the result cannot be stored.
    quote_spanned!(output.span()=> #split.then(|#probe| #inner))
}

/// What of a value stands in keys, given to the scope of this type.
fn given(scope: &Scope, ty: &Ident, value: &TokenStream) -> TokenStream {
    let given = Ident::new("__given", quiet(scope.span));
    quote!(#ty::new().#given(#value))
}

/// The value `None`, given to the scope of this type.
fn nobody(scope: &Scope, ty: &Ident) -> TokenStream {
    let mut ty = ty.clone();
    ty.set_span(Span::call_site().located_at(scope.span));
    quote_spanned!(scope.span=> #ty::nobody())
}

/// The values of tags of this kind, given to its type.
fn given_tags(tag: &Scope, ty: &Ident) -> TokenStream {
    let value = &tag.value;
    let given = Ident::new("given", quiet(tag.span));
    quote_spanned!(tag.span=> #ty::#given(&#value))
}

/// A name for the type of a scope, on the user's span.
fn scope_type(scope: &Scope, alias: &Ident) -> TokenStream {
    let Scope { name, ty, .. } = scope;
    quote_spanned! {quiet(name.span())=>
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

/// A call that is given the argument `name`, as a statement. Of an argument such as `_page` it stands where something is assigned to:
/// only the user's own word names the argument, clippy forbids to use one of such a name, and does not call that a use.
fn quiet_use(name: &str, call: &TokenStream) -> TokenStream {
    if name.starts_with('_') {
        let private = private();
        quote!({ *#private::nowhere(#call) = []; })
    } else {
        quote!(#call;)
    }
}

/// `None`, or `Some(&cache)`.
fn optional_cache(cache: Option<&TokenStream>) -> TokenStream {
    match cache {
        None => quote!(::core::option::Option::None),
        Some(cache) => quote_spanned!(cache.span()=> ::core::option::Option::Some(&#cache)),
    }
}
