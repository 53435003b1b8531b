//! `#[invalidates]`: what is invalidated, and one call.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;

use super::{
    async_block, cached::tenant_of, catalogue, check, future, given, given_tags, local, nobody, optional_cache,
    quiet_use, scope_type, split,
};
use crate::{
    args::OnArg,
    model::{Condition, DetachedArgument, Invalidates, Scope, Several, Target, TargetScope},
    paths::{private, private_item},
    uses::unraw,
};

/// The new body of the function, around `block`, its old one.
//
//     const __CACHE_TARGET_0: Selection = crate::cache_resources::invoice_data.__selection();
//     let mut plan = Plan::begin(module_path!(), "mark_paid", On::Ok, None);
//     Plan::target_from_result(&mut plan, __CACHE_TARGET_0, true, vec![]);
//     invalidating(
//         plan,
//         Returns::<R>::new().split(),
//         move |result| vec![Some(vec![("company", scope_value(crate::cache_resources::scopes::company::new().__given(&result.company)))])],
//         async move { block },
//     ).await
pub(crate) fn invalidates(model: &Invalidates, block: &TokenStream) -> TokenStream {
    let private = private();
    let Invalidates {
        function,
        on,
        soft,
        detach,
        tenant,
        cache,
        targets,
        result,
        output,
    } = model;
    let named = targets.iter().enumerate();
    let named = named.map(|(i, target)| (target, constant_name(i, target.span)));
    let submission = catalogue::mutation(model, named);

    let plan = local("__cache_plan");
    let plan_type = quote!(#private::Plan);
    let on = match on {
        OnArg::Ok => quote!(#private::On::Ok),
        OnArg::Always => quote!(#private::On::Always),
    };
    let cache = optional_cache(cache.as_ref());
    let tenant = tenant.as_ref().map(|tenant| tenant_of(tenant, &plan_type, &plan));

    let constants = targets.iter().enumerate().map(|(i, target)| constant(i, target));
    let soft_checks = targets.iter().enumerate().filter(|_| *soft).map(|(i, target)| {
        let name = constant_name(i, target.span);
        check(target.span, &[], &quote_spanned!(target.span=> #name.__require_soft()))
    });
    let softly = soft.then(|| quote!(#plan_type::soft(&mut #plan);));
    let mut statements = Vec::new();
    let mut from_result = Vec::new();
    for (i, target) in targets.iter().enumerate() {
        let name = constant_name(i, target.span);
        if target.needs_result() {
            let FromResult {
                on_entry,
                when,
                otherwise,
                values,
            } = FromResult::of(i, target);
            statements.push(quote!(#on_entry #plan_type::target_from_result(&mut #plan, #name, #when, #otherwise);));
            from_result.push(values);
        } else {
            let ones = target
                .scopes
                .iter()
                .map(TargetScope::scope)
                .filter(|scope| scope.several.is_none());
            let ones = ones.map(|scope| part(target, scope, &value(i, target, scope)));
            let ones = all_of(target, &ones.collect::<Vec<_>>());
            let statement = match target.several() {
                None => quote!(#plan_type::target(&mut #plan, #name, #ones);),
                Some(scope) => {
                    let several = several(i, scope, &ones);
                    let scopes = local("__cache_scopes");
                    quote!(if let ::core::option::Option::Some(#scopes) = #several {
                        #plan_type::target(&mut #plan, #name, #scopes);
                    })
                }
            };
            statements.push(match &target.when {
                None => statement,
                Some(when) => {
                    let (known, condition) = condition(i, when);
                    quote!(#condition if #known { #statement })
                }
            });
        }
    }
    let scopes = result.as_ref().map_or_else(
        || quote!(|_| ::std::vec::Vec::new()),
        |result| quote!(move |#result| ::std::vec![#(#from_result),*]),
    );

    let split = split(output);
    let run = match detach {
        None => {
            let body = future(block, output);
            quote!(#private::invalidating(#plan, #split, #scopes, #body).await)
        }
        Some(arguments) => {
            let arguments = arguments.iter().map(detached);
            let body = async_block(None, block, output);
            let run = private_item("invalidating_detached", output.span());
            let run = quote_spanned!(output.span()=> #run(#plan, #split, #scopes, #body).await);
            quote!(#(#arguments)* #run)
        }
    };
    quote! {
        #(#constants)*
        #(#soft_checks)*
        #submission
        let mut #plan = #plan_type::begin(::core::module_path!(), #function, #on, #cache);
        #softly
        #tenant
        #(#statements)*
        #run
    }
}

/// The check of an argument of a mutation that may go on without its caller.
fn detached(argument: &DetachedArgument) -> TokenStream {
    let DetachedArgument { cfg, value, span } = argument;
    let check = private_item("detached", *span);
    let checked = quiet_use(&value.to_string(), &quote_spanned!(*span=> #check(&#value)));
    quote_spanned!(*span=> #(#cfg)* #checked)
}

/// The name of a condition's outcome, and what gives it one.
fn condition(i: usize, when: &Condition) -> (Ident, TokenStream) {
    let Condition { value, span, .. } = when;
    let known = format_ident!("__cache_when_{i}", span = span.resolved_at(Span::mixed_site()));
    let statement = quote_spanned!(*span=> let #known: bool = #value;);
    (known, statement)
}

fn constant_name(i: usize, span: Span) -> Ident {
    format_ident!("__CACHE_TARGET_{i}", span = span)
}

fn scope_alias(i: usize, scope: &Scope) -> Ident {
    format_ident!("__CacheScope{i}_{}", scope.name, span = Span::call_site())
}

/// What the target selects, and that it has the scopes.
fn constant(i: usize, target: &Target) -> TokenStream {
    let private = private();
    let Target {
        selection,
        span,
        when: _,
        scopes,
        is_tag,
        text: _,
    } = target;
    let name = constant_name(i, *span);
    let checks = scopes.iter().map(|scope| {
        let (TargetScope::OnEntry(scope) | TargetScope::FromResult(scope)) = scope;
        let alias = scope_alias(i, scope);
        let alias_item = scope_type(scope, &alias);
        if *is_tag {
            return alias_item;
        }
        let (scope, at) = (unraw(&scope.name), scope.name.span());
        let name = constant_name(i, at);
        let check = check(at, &[&alias], &quote_spanned!(at=> #name.__require_scope(#scope)));
        quote!(#alias_item #check)
    });
    quote! {
        const #name: #private::Selection = #selection;
        #(#checks)*
    }
}

/// A target that needs the result.
struct FromResult {
    /// What runs on entry.
    on_entry: TokenStream,
    /// Whether the target is meant, as far as that is known on entry.
    when: TokenStream,
    /// The scope values if there is no result.
    otherwise: TokenStream,
    /// What the closure gives for it.
    values: TokenStream,
}

impl FromResult {
    fn of(i: usize, target: &Target) -> Self {
        let mut on_entry = TokenStream::new();
        let mut pairs = Vec::new();
        let mut known_pairs = Vec::new();
        let when_known = target.when.as_ref().filter(|when| !when.from_result);
        let when_known = when_known.map(|when| {
            let (known, statement) = condition(i, when);
            on_entry.extend(statement);
            known
        });
        for scope in &target.scopes {
            match scope {
                TargetScope::FromResult(scope) if scope.several.is_some() => {}
                TargetScope::FromResult(scope) => pairs.push(part(target, scope, &value(i, target, scope))),
                TargetScope::OnEntry(scope) => {
                    let known = format_ident!("__cache_scope_{i}_{}", scope.name, span = Span::mixed_site());
                    let value = value(i, target, scope);
                    on_entry.extend(match &when_known {
                        None => quote!(let #known = #value;),
                        Some(when) => {
                            quote!(let #known = if #when { #value } else { ::core::default::Default::default() };)
                        }
                    });
                    pairs.push(part(target, scope, &quote!(#known)));
                    known_pairs.push(part(target, scope, &quote!(::core::clone::Clone::clone(&#known))));
                }
            }
        }
        if target.has_scope_from_result() {
            // Without a result the whole of the resources is meant.
            known_pairs.clear();
        }
        let values = all_of(target, &pairs);
        let some = match target.several() {
            None => quote!(::core::option::Option::Some(#values)),
            Some(scope) => several(i, scope, &values),
        };
        let none = quote!(::core::option::Option::None);
        let values = match (&target.when, &when_known) {
            (None, _) => some,
            (Some(_), Some(known)) => quote!(if #known { #some } else { #none }),
            (Some(when), None) => {
                let (known, condition) = condition(i, when);
                quote!({ #condition if #known { #some } else { #none } })
            }
        };
        Self {
            on_entry,
            when: when_known.map_or_else(|| quote!(true), |known| quote!(#known)),
            otherwise: all_of(target, &known_pairs),
            values,
        }
    }
}

/// The values of a target: a list of its parts, or of a tag its one part, which is a list.
fn all_of(target: &Target, parts: &[TokenStream]) -> TokenStream {
    if target.is_tag && !parts.is_empty() {
        quote!(#(#parts)*)
    } else {
        quote!(::std::vec![#(#parts),*])
    }
}

/// A scope with its value; of a tag the values.
fn part(target: &Target, scope: &Scope, value: &TokenStream) -> TokenStream {
    if target.is_tag {
        return value.clone();
    }
    let name = unraw(&scope.name);
    quote!((#name, #value))
}

/// The scope values of a target that has several in one scope, if there are any.
fn several(i: usize, scope: &Scope, others: &TokenStream) -> TokenStream {
    let private = private();
    let Scope { value, span, .. } = scope;
    let (name, ty) = (unraw(&scope.name), scope_alias(i, scope));
    let element = Ident::new("__cache_element", span.resolved_at(Span::mixed_site()));
    let (values, element_value) = match scope.several {
        Some(Several::Iterator) => {
            let values = quote_spanned!(*span=> ::core::iter::IntoIterator::into_iter(#value));
            (values, quote_spanned!(*span=> &#element))
        }
        Some(Several::Place) | None => (quote_spanned!(*span=> #value.iter()), quote!(#element)),
    };
    let given = given(scope, &ty, &element_value);
    let values = quote_spanned!(*span=> #values.map(|#element| #private::scope_value(#given)));
    quote!(#private::several(#others, #name, #values))
}

fn value(i: usize, target: &Target, scope: &Scope) -> TokenStream {
    if target.is_tag {
        let private = private();
        let (kind, given) = (unraw(&scope.name), given_tags(scope, &scope_alias(i, scope)));
        quote!(#private::tag_values(#kind, #given))
    } else {
        scope_value(i, scope)
    }
}

fn scope_value(i: usize, scope: &Scope) -> TokenStream {
    let private = private();
    let ty = scope_alias(i, scope);
    let value = if scope.is_none {
        nobody(scope, &ty)
    } else {
        let value = &scope.value;
        given(scope, &ty, &quote_spanned!(scope.span=> &#value))
    };
    quote!(#private::scope_value(#value))
}
