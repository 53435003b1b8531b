//! `#[invalidates]`: what is invalidated, and one call.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};

use super::{cached::tenant_of, check, future, local, optional_cache, scope_type, shape};
use crate::{
    args::OnArg,
    model::{Invalidates, Scope, Target, TargetScope},
};

/// The new body of the function, around `block`, its old one.
//
//     const __CACHE_TARGET_0: Selection = crate::cache_resources::invoice_data.__selection();
//     let mut plan = Plan::begin(module_path!(), "mark_paid", On::Ok, None);
//     Plan::target_from_result(&mut plan, __CACHE_TARGET_0);
//     invalidating(
//         plan,
//         Returns::<R>::new().shape(),
//         move |result| vec![vec![("company", scope_value::<crate::cache_resources::scopes::company>(&result.company))]],
//         async move { block },
//     ).await
pub(crate) fn invalidates(model: &Invalidates, block: &TokenStream) -> TokenStream {
    let Invalidates {
        function,
        on,
        tenant,
        cache,
        targets,
        result,
        output,
    } = model;

    let plan = local("__cache_plan");
    let plan_type = quote!(::cache_runtime::__private::Plan);
    let on = match on {
        OnArg::Ok => quote!(::cache_runtime::__private::On::Ok),
        OnArg::Always => quote!(::cache_runtime::__private::On::Always),
    };
    let cache = optional_cache(cache.as_ref());
    let tenant = tenant.as_ref().map(|tenant| tenant_of(tenant, &plan_type, &plan));

    let constants = targets.iter().enumerate().map(|(i, target)| constant(i, target));
    let mut statements = Vec::new();
    let mut from_result = Vec::new();
    for (i, target) in targets.iter().enumerate() {
        let name = constant_name(i, target.span);
        if target.needs_result() {
            let (on_entry, values) = values_from_result(i, target);
            statements.push(quote!(#on_entry #plan_type::target_from_result(&mut #plan, #name);));
            from_result.push(values);
        } else {
            let values = target.scopes.iter().map(|scope| match scope {
                TargetScope::OnEntry(scope) | TargetScope::FromResult(scope) => pair(scope, &scope_value(i, scope)),
            });
            statements.push(quote!(#plan_type::target(&mut #plan, #name, ::std::vec![#(#values),*]);));
        }
    }
    let scopes = result.as_ref().map_or_else(
        || quote!(|_| ::std::vec::Vec::new()),
        |result| quote!(move |#result| ::std::vec![#(#from_result),*]),
    );

    let shape = shape(output);
    let body = future(block, output);
    quote! {
        #(#constants)*
        let mut #plan = #plan_type::begin(::core::module_path!(), #function, #on, #cache);
        #tenant
        #(#statements)*
        ::cache_runtime::__private::invalidating(#plan, #shape, #scopes, #body).await
    }
}

fn constant_name(i: usize, span: Span) -> Ident {
    format_ident!("__CACHE_TARGET_{i}", span = span)
}

fn scope_alias(i: usize, scope: &Scope) -> Ident {
    format_ident!("__CacheScope{i}_{}", scope.name, span = Span::call_site())
}

/// What the target selects, and that it has the scopes.
fn constant(i: usize, target: &Target) -> TokenStream {
    let Target {
        selection,
        span,
        scopes,
    } = target;
    let name = constant_name(i, *span);
    let checks = scopes.iter().map(|scope| {
        let (TargetScope::OnEntry(scope) | TargetScope::FromResult(scope)) = scope;
        let alias = scope_alias(i, scope);
        let alias_item = scope_type(scope, &alias);
        let (scope, at) = (scope.name.to_string(), scope.name.span());
        let name = constant_name(i, at);
        let check = check(at, &[&alias], &quote_spanned!(at=> #name.__require_scope(#scope)));
        quote!(#alias_item #check)
    });
    quote! {
        #[allow(unused_qualifications, reason = "the user's module may have imported it")]
        const #name: ::cache_runtime::__private::Selection = #selection;
        #(#checks)*
    }
}

/// The values of a target that needs the result: what runs on entry, and the list that the closure gives.
fn values_from_result(i: usize, target: &Target) -> (TokenStream, TokenStream) {
    let mut on_entry = TokenStream::new();
    let mut pairs = Vec::new();
    for scope in &target.scopes {
        match scope {
            TargetScope::FromResult(scope) => pairs.push(pair(scope, &scope_value(i, scope))),
            TargetScope::OnEntry(scope) => {
                let known = format_ident!("__cache_scope_{i}_{}", scope.name, span = Span::mixed_site());
                let value = scope_value(i, scope);
                on_entry.extend(quote!(let #known = #value;));
                pairs.push(pair(scope, &quote!(#known)));
            }
        }
    }
    (on_entry, quote!(::std::vec![#(#pairs),*]))
}

fn pair(scope: &Scope, value: &TokenStream) -> TokenStream {
    let name = scope.name.to_string();
    quote!((#name, #value))
}

fn scope_value(i: usize, scope: &Scope) -> TokenStream {
    let ty = scope_alias(i, scope);
    let value = &scope.value;
    let value = quote_spanned!(scope.span=> &#value);
    quote!(::cache_runtime::__private::scope_value::<#ty>(#value))
}
