//! What a site says of itself to the catalogue: constants, which are looked at by nobody but that.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};

use crate::{
    model::{FunctionText, Invalidates, KeyPart, Target, TargetText, TtlText, ValueText},
    paths::private,
};

/// What the catalogue is told of a `#[cached]` function, beside its site.
//
//     submit! {
//         FunctionSite::new(&__CACHE_SITE).scopes(&[("company", "filter.company")]).key(&["filter", "page"])
//     }
pub(super) fn function(text: &FunctionText, key: &[KeyPart]) -> TokenStream {
    let private = private();
    let FunctionText {
        ttl,
        scopes,
        tags,
        left_out,
        each,
        when,
        literals,
    } = text;
    let ttl = ttl.as_ref().map(|ttl| match ttl {
        TtlText::Fixed(ttl) => quote!(.ttl(#ttl)),
        TtlText::Computed(text) => quote!(.computed_ttl(#text)),
    });
    let key = (!key.is_empty()).then(|| {
        let names = key.iter().map(|KeyPart { name, cfg, .. }| quote!(#(#cfg)* #name));
        quote!(.key(&[#(#names),*]))
    });
    let (scopes, tags, left_out) = (list("scopes", scopes), list("tags", tags), list("left_out", left_out));
    let each = each.as_ref().map(|each| quote!(.each(#each)));
    let when = when.as_ref().map(|when| quote!(.when(#when)));
    let literals = list("literals", literals);
    quote!(#private::submit! {
        FunctionSite::new(&__CACHE_SITE)#ttl #scopes #key #left_out #tags #each #when #literals
    })
}

/// What the catalogue is told of an `#[invalidates]` function. `targets` are their constants.
//
//     struct __CacheItem;
//     submit! {
//         MutationSite::new(type_name::<__CacheItem>, concat!(file!(), ":", line!()), &[
//             TargetSite::new("invoice_data", __CACHE_TARGET_0).scopes(&[("company", "result.company")]),
//         ])
//     }
pub(super) fn mutation<'a>(
    model: &'a Invalidates,
    targets: impl Iterator<Item = (&'a Target, impl ToTokens)>,
) -> TokenStream {
    let private = private();
    let Invalidates { on, soft, detach, .. } = model;
    let targets = targets.map(|(target, selection)| {
        let TargetText { name, scopes, when } = &target.text;
        let scopes = list("scopes", scopes);
        let when = when.as_ref().map(|when| quote!(.when(#when)));
        quote!(#private::TargetSite::new(#name, #selection)#scopes #when)
    });
    let always = on.is_always().then(|| quote!(.always()));
    let soft = soft.then(|| quote!(.soft()));
    let detach = detach.is_some().then(|| quote!(.detached()));
    quote! {
        struct __CacheItem;
        #private::submit! { MutationSite::new(
            ::core::any::type_name::<__CacheItem>,
            ::core::concat!(::core::file!(), ":", ::core::line!()),
            &[#(#targets),*],
        )#always #soft #detach }
    }
}

/// A call with a list, unless that is empty.
fn list<T: ToTokens>(method: &str, elements: &[T]) -> Option<TokenStream> {
    let method = quote::format_ident!("{method}");
    (!elements.is_empty()).then(|| quote!(.#method(&[#(#elements),*])))
}

/// As `(name, value)`.
impl ToTokens for ValueText {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { name, value } = self;
        tokens.extend(quote!((#name, #value)));
    }
}
