//! `#[cached(each = …)]`: the key of each element, and one call for all of them.

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use super::{async_block, local, owned::closure, split};
use crate::{
    model::{Cached, ClonedArgument, Each},
    paths::{private, private_item},
};

/// The elements, each with what tells it from others: `parts` writes that of the one that is given.
pub(super) fn keys(each: &Each, call: &Ident, key: &Ident, parts: &TokenStream) -> TokenStream {
    let Each {
        argument,
        by_reference,
        element,
        ..
    } = each;
    let private = private();
    let elements = if *by_reference {
        quote_spanned!(argument.span()=> &*#argument)
    } else {
        quote_spanned!(argument.span()=> &#argument)
    };
    quote!(#private::EachCall::of(#call, #elements, |#key, #element| { #parts }))
}

/// The call for all of them.
//
//     cached_each(call, EachReturns::<R, _>::of(Returns::<R>::new().split()), |terms| terms.unless(never), SharedOnly, move |missing| {
//         let company = Clone::clone(&company);
//         async move {
//             let ids = Missing::lend(&missing);
//             block
//         }
//     }).await
pub(super) fn run(model: &Cached, each: &Each, call: &Ident, block: &TokenStream, unless: &TokenStream) -> TokenStream {
    let private = private();
    let output = &model.output;
    let Each {
        argument,
        by_reference,
        mutability,
        cloned,
        ..
    } = each;
    let missing = local("__cache_missing");
    let given = if *by_reference {
        quote!(#private::Missing::lend(&#missing))
    } else {
        quote!(#private::Missing::take(#missing))
    };
    let clones = cloned.iter().map(|ClonedArgument { ident, mutability, cfg }| {
        let clone = quote_spanned!(ident.span()=> ::core::clone::Clone::clone(&#ident));
        quote!(#(#cfg)* let #mutability #ident = #clone;)
    });
    // The variables that are changed are those of the body.
    let own = cloned
        .iter()
        .map(|cloned| (&cloned.ident, cloned.mutability, &cloned.cfg[..]));
    let changed = own.chain([(argument, *mutability, &[][..])]);
    let changed =
        changed.filter_map(|(ident, mutability, cfg)| mutability.map(|_| quote!(#(#cfg)* let _ = &mut #ident;)));
    let given = quote!(let #mutability #argument = #given;);
    let body = async_block(Some(&given), block, output);
    let body = quote! {
        move |#missing| {
            #(#clones)*
            #body
        }
    };
    let (at, split) = (output.span(), split(output));
    let tier = private_item(if model.near.is_some() { "NearToo" } else { "SharedOnly" }, at);
    let (run, returns) = (private_item("cached_each", at), private_item("EachReturns", at));
    let terms = local("__cache_terms");
    let lifetime = model.lifetime.as_ref().map(|lifetime| {
        let lifetime = closure(lifetime, "lifetime");
        quote!(.lifetime(#lifetime))
    });
    let terms = quote!(|#terms| #private::EachTerms::unless(#terms, #unless)#lifetime);
    let run = quote_spanned!(at=> #run(#call, #returns::<#output, _>::of(#split), #terms, #tier, #body).await);
    quote!(#(#changed)* #run)
}
