//! What an `#[invalidates]` function invalidates.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};

use super::{check_scopes, scopes, tenant};
use crate::{
    args::{InvalidatesArgs, OnArg, Reference, ScopeExpr, TargetArg},
    diag::Errors,
    model::{Invalidates, Scope, Target, TargetScope},
    target::Target as Function,
    uses::{compact, mentions, uses},
};

/// The word for the value after success.
const RESULT: &str = "result";

/// What `args` mean for `function`.
pub(crate) fn invalidates(args: &InvalidatesArgs, function: &Function, errors: &mut Errors) -> Invalidates {
    if args.targets.is_empty() {
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
        check_scopes(&target.scopes, function, errors);
        let Some(selection) = errors.keep(selection(&target.reference)) else {
            continue;
        };
        let scopes: Vec<TargetScope> = scopes(&target.scopes, &target.reference, function)
            .into_iter()
            .filter_map(|scope| when_known(scope, function, &mut result, errors))
            .collect();
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
            scopes,
        });
    }
    Invalidates {
        function: function.name(),
        on: args.on.value().copied().unwrap_or(OnArg::Ok),
        tenant: tenant(&args.tenant, function),
        cache: args.cache.value().map(|cache| function.adapt_operand(cache)),
        targets,
        result,
        output: function.output.clone(),
    }
}

fn selection(reference: &Reference) -> syn::Result<TokenStream> {
    let span = reference.span();
    let selection = quote_spanned!(span=> ::cache_runtime::__private::Selection);
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

/// Sorts a scope value by what its expression looks at: `result`, or the arguments.
fn when_known(
    scope: Scope,
    function: &Function,
    result: &mut Option<Ident>,
    errors: &mut Errors,
) -> Option<TargetScope> {
    let Some(word) = uses(&scope.value, RESULT).into_iter().next() else {
        return Some(TargetScope::OnEntry(scope));
    };
    if function.arguments.iter().any(|argument| argument.ident == RESULT) {
        errors.at(
            scope.span,
            "`result` is an argument of this function and also the word for what it returns\nhelp: rename the argument",
        );
        return None;
    }
    let names = function.arguments.iter().map(|argument| argument.ident.to_string());
    let argument = names
        .chain(["self".into(), "__self".into()])
        .find(|name| mentions(&scope.value, name));
    if let Some(argument) = argument {
        let argument = argument.trim_start_matches("__");
        errors.at(
            scope.span,
            format!(
                "this looks both at `result`, which is known after the body, and at `{argument}`, which the body has \
                 taken by then\nhelp: use the one or the other, or return what is needed"
            ),
        );
        return None;
    }
    // The closure that sees the result binds the word as it was written.
    result.get_or_insert_with(|| Ident::new(RESULT, word));
    Some(TargetScope::FromResult(scope))
}

/// The target in one spelling, to find it again.
fn written(target: &TargetArg, selection: &TokenStream) -> String {
    let mut text = compact(selection.clone());
    for ScopeExpr { name, value } in &target.scopes {
        text += &compact(quote!(, #name = #value));
    }
    text
}
