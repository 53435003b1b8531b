//! `#[cached(each = …)]`: the key of each element, and one call for all of them.

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Attribute, Token, Type, spanned::Spanned};

use super::{
    async_block,
    cached::{ResultTags, closures, on_timeout},
    local,
    owned::Luggage,
    split,
};
use crate::{
    model::{Cached, ClonedArgument, Each, Loading},
    paths::{private, private_item, quiet},
};

/// The elements, each with what tells it from others: `parts` writes that of the one that is given.
pub(super) fn keys(each: &Each, call: &Ident, verify: Option<f64>, key: &Ident, parts: &TokenStream) -> TokenStream {
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
    let verify = verify.map(|share| quote!(.verify(#share)));
    quote!(#private::EachCall::of(#call, #elements)#verify.key(|#key, #element| { #parts }))
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
    let (at, split) = (output.span(), split(output));
    let tier = private_item(if model.near.is_some() { "NearToo" } else { "SharedOnly" }, at);
    let returns = private_item("EachReturns", at);
    let of = Ident::new(
        if model.cache_err.is_some() {
            "keeping_errors"
        } else {
            "of"
        },
        at,
    );
    let returns = quote_spanned!(at=> #returns::<#output, _>::#of(#split));
    let returns = on_timeout(model, returns, "of_each");
    let terms = local("__cache_terms");
    let closures = closures(model);
    let ResultTags { known, clones, closure } = model.tags.as_ref().map(ResultTags::of).unwrap_or_default();
    let tags = model.tags.as_ref().map(|_| quote!(.tags({ #clones #closure })));
    let terms = quote!(|#terms| #private::EachTerms::unless(#terms, #unless)#closures #tags);
    match &model.loading {
        Loading::InTheCall => {
            let run = private_item("cached_each", at);
            let (changed, body) = body(each, block, output);
            let run = quote_spanned!(at=> #run(#call, #returns, #terms, #tier, #body).await);
            quote!(#known #(#changed)* #run)
        }
        Loading::Outliving(arguments) => {
            let run = private_item("cached_each_owned", at);
            let others = arguments.iter().filter(|argument| argument.named != each.argument);
            let luggage = Luggage::of(others);
            let Luggage { before, packed, .. } = &luggage;
            let body = owned_body(each, &luggage, block, output);
            // What is known of the tags goes along.
            let terms = if known.is_empty() { terms } else { quote!(move #terms) };
            let prepare = quote_spanned!(quiet(at)=> move || { #known #packed (#terms, #body) });
            let run = quote_spanned!(at=> #run(#call, #returns, #tier, #prepare).await);
            let changed = changed(&each.argument, each.mutability, &[]);
            quote!(#before #changed #run)
        }
    }
}

/// Makes the body of a run that its caller waits for, from clones of the arguments; before it what is said of those.
fn body(each: &Each, block: &TokenStream, output: &Type) -> (Vec<TokenStream>, TokenStream) {
    let missing = local("__cache_missing");
    let own = each
        .cloned
        .iter()
        .map(|cloned| (&cloned.ident, cloned.mutability, &cloned.cfg[..]));
    let own = own.chain([(&each.argument, each.mutability, &[][..])]);
    let changed = own
        .filter_map(|(ident, mutability, cfg)| changed(ident, mutability, cfg))
        .collect();
    let clones = each.cloned.iter().map(|ClonedArgument { ident, mutability, cfg }| {
        let clone = quote_spanned!(ident.span()=> ::core::clone::Clone::clone(&#ident));
        quote!(#(#cfg)* let #mutability #ident = #clone;)
    });
    let body = async_block(Some(&given(each, &missing)), block, output);
    let body = quote! {
        move |#missing| {
            #(#clones)*
            #body
        }
    };
    (changed, body)
}

/// The same of a run that may go on without its caller.
fn owned_body(each: &Each, luggage: &Luggage, block: &TokenStream, output: &Type) -> TokenStream {
    let missing = local("__cache_missing");
    let (clones, body) = (
        luggage.clones(),
        luggage.body_after(&given(each, &missing), block, output),
    );
    quote! {
        move |#missing| {
            #clones
            #body
        }
    }
}

/// The argument as the body has it: with the elements that are missing.
fn given(each: &Each, missing: &Ident) -> TokenStream {
    let private = private();
    let Each {
        argument,
        by_reference,
        mutability,
        ..
    } = each;
    let given = if *by_reference {
        quote!(#private::Missing::lend(&#missing))
    } else {
        quote!(#private::Missing::take(#missing))
    };
    quote!(let #mutability #argument = #given;)
}

/// Uses the `mut` of an argument: the variable that is changed is the body's.
fn changed(argument: &Ident, mutability: Option<Token![mut]>, cfg: &[Attribute]) -> Option<TokenStream> {
    mutability.map(|_| quote!(#(#cfg)* let _ = &mut #argument;))
}
