//! What an `#[invalidates]` function invalidates.

mod detached;

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};

use super::{check_scopes, known::Known, scopes, tags, tenant, text};
use crate::{
    args::{InvalidatesArgs, OnArg, ScopeExpr, TargetArg},
    diag::Errors,
    function::Function,
    model::{Condition, Invalidates, Target, TargetScope},
    paths::private_item,
    uses::{compact, unraw},
};

/// What `args` mean for `function`.
pub(crate) fn invalidates(args: &InvalidatesArgs, function: &Function, errors: &mut Errors) -> Invalidates {
    if args.targets.is_empty() && !args.has_wrong_target {
        errors.at(
            Span::call_site(),
            "`#[invalidates]` does not say what\nhelp: name resources or groups (`\"invoices_list\"`) or give patterns \
             (`\"dashboard_*\"`)",
        );
    }
    let mut result = None;
    let mut seen: Vec<String> = Vec::new();
    let mut targets = Vec::new();
    for target in &args.targets {
        check_scopes(&target.scopes, function, None, errors);
        let Some(selection) = errors.keep(selection(target)) else {
            continue;
        };
        let mut known = Known {
            function,
            result: &mut result,
            errors,
        };
        let when = target.when.as_ref().and_then(|when| known.condition(when));
        let of = if target.is_tag { tags } else { scopes };
        let scopes: Vec<TargetScope> = of(&target.scopes, &target.reference, function)
            .into_iter()
            .filter_map(|scope| known.scope(scope))
            .collect();
        check_several(&scopes, when.as_ref(), errors);
        let written = written(target, &selection);
        if seen.contains(&written) {
            errors.at(
                target.reference.span(),
                "this is invalidated twice\nhelp: keep one of the two",
            );
        }
        seen.push(written);
        targets.push(Target {
            selection,
            span: target.reference.span(),
            when,
            scopes,
            is_tag: target.is_tag,
            text: text::target(target),
        });
    }
    Invalidates {
        function: function.name(),
        on: args.on.value().copied().unwrap_or(OnArg::Ok),
        soft: args.soft.value().is_some(),
        detach: args.detach.value().map(|()| detached::arguments(function, errors)),
        tenant: tenant(&args.tenant, function),
        cache: args.cache.value().map(|cache| function.adapt_operand(cache)),
        targets,
        result,
        output: function.output.clone(),
    }
}

/// Refuses several values of more than one scope, and several that are known at another time than the rest of the target.
fn check_several(scopes: &[TargetScope], when: Option<&Condition>, errors: &mut Errors) {
    let mut several = scopes.iter().filter(|scope| scope.scope().several.is_some());
    let Some(first) = several.next() else { return };
    for second in several {
        errors.at(
            second.scope().name.span(),
            "two scopes of one target have several values\nhelp: name the target once for each value of one of them, or invalidate \
             by hand: `cache.invalidate(...).scopes(...)`",
        );
    }
    let is_from_result = |scope: &TargetScope| matches!(scope, TargetScope::FromResult(_));
    let from_result = scopes
        .iter()
        .map(is_from_result)
        .chain(when.map(|when| when.from_result));
    if from_result.into_iter().any(|other| other) && !is_from_result(first) {
        errors.at(
            first.scope().span,
            "these values are known before the body, and other parts of the target are after it\nhelp: make two targets of it, or \
             return the values",
        );
    }
}

fn selection(target: &TargetArg) -> syn::Result<TokenStream> {
    let reference = &target.reference;
    let span = reference.span();
    let selection = private_item("Selection", span);
    if target.is_tag {
        let kind = unraw(&reference.name()?);
        return Ok(quote_spanned!(span=> #selection::Tags(#kind)));
    }
    if let Some(pattern) = reference.pattern() {
        let text = pattern.value();
        if text
            .bytes()
            .any(|byte| !(byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'*'))
        {
            return Err(syn::Error::new(
                span,
                format!(
                    "`{text}` can match no name\nhelp: a pattern is a name in which `*` stands for any run of characters"
                ),
            ));
        }
        let registry = reference.sibling(&quote_spanned!(span=> REGISTRY), span);
        return Ok(quote_spanned!(span=> #selection::pattern(&#registry, #pattern)));
    }
    let item = reference.item()?;
    Ok(quote_spanned!(span=> #item.__selection()))
}

/// The target in one spelling, to find it again.
fn written(target: &TargetArg, selection: &TokenStream) -> String {
    let mut text = compact(selection.clone());
    for ScopeExpr { name, value, .. } in &target.scopes {
        text += &compact(quote!(, #name = #value));
    }
    if let Some(when) = &target.when {
        text += &compact(quote!(, when = #when));
    }
    text
}
