//! `#[cached]`: the site, the key, and one call.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;

use super::{check, future, local, optional_cache, private, scope_type, shape};
use crate::{
    duration::DurationExpr,
    model::{BinaryCodec, Cached, KeyPart, Near, Scope, Tenant, UserArgument},
};

/// The new body of the function, around `block`, its old one.
//
//     const __CACHE_RESOURCE: &Resource = &crate::cache_resources::invoices_list;
//     static __CACHE_SITE: Site = Site::new(__CACHE_RESOURCE, module_path!(), "invoices", 0);
//     let mut call = Call::begin(&__CACHE_SITE, None);
//     Call::scope::<crate::cache_resources::scopes::company>(&mut call, "company", &company);
//     Call::arg(&mut call, "company", &company);
//     cached(call, Returns::<R>::new().shape(), never, SharedOnly, async move { block }).await
pub(crate) fn cached(model: &Cached, block: &TokenStream) -> TokenStream {
    let call = local("__cache_call");
    let site = site(model);
    let key = key(model, &call);
    // A call with nothing to add is not mutated, and the user's lints would say so.
    let mutability = (!key.is_empty()).then(|| quote!(mut));

    let cache = optional_cache(model.cache.as_ref());
    let unless = model
        .unless
        .clone()
        .unwrap_or_else(|| quote!(::cache_runtime::__private::never));
    let shape = shape(&model.output);
    let run = private("cached", model.output.span());
    let body = future(block, &model.output);
    let named = model
        .user_arguments
        .iter()
        .map(|UserArgument { ident, cfg }| quote!(#(#cfg)* let _ = &#ident;));
    // All of the call on the return type: what the compiler has to say about it is that the result cannot be stored.
    let tier = private(
        if model.near.is_some() { "NearToo" } else { "SharedOnly" },
        model.output.span(),
    );
    let run = quote_spanned!(model.output.span()=> #run(#call, #shape, #unless, #tier, #body).await);
    quote! {
        #site
        let #mutability #call = ::cache_runtime::__private::Call::begin(&__CACHE_SITE, #cache);
        #(#key)*
        #(#named)*
        #run
    }
}

/// The constants of the function, and the checks of what only the declaration knows.
fn site(model: &Cached) -> TokenStream {
    let Cached {
        resource,
        resource_span: span,
        function,
        version,
        scopes,
        near,
        lease,
        codec,
        ..
    } = model;
    let near = near.map(|near| {
        let coherence = match near {
            Near::Tracked => quote!(Tracked),
            Near::Checked => quote!(Checked),
        };
        quote!(.near(::cache_runtime::__private::Coherence::#coherence))
    });
    let lease = lease.as_ref().map(|lease| match lease {
        DurationExpr::Expr(expr) => {
            let site = private("Site", expr.span());
            let lease = quote_spanned!(expr.span()=> #site::checked_lease(#expr));
            quote!(.lease(#lease))
        }
        fixed @ DurationExpr::Fixed(_) => quote!(.lease(#fixed)),
    });
    let codec = codec.map(|(BinaryCodec::Postcard, span)| {
        let codec = private("Codec", span);
        let codec = quote_spanned!(span=> #codec::postcard());
        quote!(.codec(#codec))
    });
    let aliases: Vec<Ident> = (0..scopes.len()).map(scope_alias).collect();
    let scope_types = scopes
        .iter()
        .zip(&aliases)
        .map(|(scope, alias)| scope_type(scope, alias));
    let surplus = scopes.iter().zip(&aliases).map(|(scope, alias)| {
        let (name, at) = (scope.name.to_string(), scope.name.span());
        check(
            at,
            &[alias],
            &quote_spanned!(at=> __CACHE_RESOURCE.__require_scope(#name)),
        )
    });
    let names = scopes.iter().map(|scope| scope.name.to_string());
    let missing = quote_spanned!(*span=> __CACHE_RESOURCE.__require_all_scopes(&[#(#names),*]));
    let missing = check(*span, &aliases.iter().collect::<Vec<_>>(), &missing);
    let resource_type = private("Resource", *span);
    let resource = quote_spanned!(*span=> &#resource);
    quote! {
        #[allow(unused_qualifications, reason = "the user's module may have imported it")]
        const __CACHE_RESOURCE: &#resource_type = #resource;
        #(#scope_types)*
        #missing
        #(#surplus)*
        static __CACHE_SITE: ::cache_runtime::__private::Site = ::cache_runtime::__private::Site::new(
            __CACHE_RESOURCE,
            ::core::module_path!(),
            #function,
            #version,
        )#near #lease #codec;
    }
}

/// What the call is told before it runs, a statement for each.
fn key(model: &Cached, call: &Ident) -> Vec<TokenStream> {
    let call_type = quote!(::cache_runtime::__private::Call);
    let Cached {
        ttl,
        when,
        tenant,
        scopes,
        key,
        ..
    } = model;
    let ttl = ttl.iter().map(|ttl| quote!(#call_type::ttl(&mut #call, #ttl);));
    let when = when.iter().map(|when| quote!(#call_type::when(&mut #call, #when);));
    let tenant = tenant.iter().map(|tenant| tenant_of(tenant, &call_type, call));
    let scopes = scopes
        .iter()
        .enumerate()
        .map(|(i, scope)| scope_of(i, scope, &call_type, call));
    let key = key.iter().map(|part| part_of(part, &call_type, call));
    ttl.chain(when).chain(tenant).chain(scopes).chain(key).collect()
}

/// The tenant, for a `Call` or a `Plan`.
pub(super) fn tenant_of(tenant: &Tenant, on: &TokenStream, local: &Ident) -> TokenStream {
    let Tenant { cfg, value, span } = tenant;
    let value = quote_spanned!(*span=> &#value);
    quote!(#(#cfg)* #on::tenant(&mut #local, #value);)
}

fn scope_alias(i: usize) -> Ident {
    format_ident!("__CacheScope{i}")
}

fn scope_of(i: usize, scope: &Scope, on: &TokenStream, call: &Ident) -> TokenStream {
    let alias = scope_alias(i);
    let name = scope.name.to_string();
    let value = &scope.value;
    let value = quote_spanned!(scope.span=> &#value);
    quote!(#on::scope::<#alias>(&mut #call, #name, #value);)
}

fn part_of(part: &KeyPart, on: &TokenStream, call: &Ident) -> TokenStream {
    let KeyPart { name, cfg, value, span } = part;
    let value = quote_spanned!(*span=> &#value);
    let lint = name
        .starts_with('_')
        .then(|| quote!(#[allow(clippy::used_underscore_binding, reason = "every argument is part of the key")]));
    quote!(#(#cfg)* #lint #on::arg(&mut #call, #name, #value);)
}
