//! What an `#[invalidates]` function invalidates.

mod detached;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Expr, spanned::Spanned};

use super::{check_scopes, scopes, tenant};
use crate::{
    args::{InvalidatesArgs, OnArg, Reference, ScopeExpr, TargetArg},
    diag::Errors,
    function::Function,
    model::{Condition, Invalidates, Scope, Target, TargetScope},
    paths::private_item,
    uses::{compact, mentions, uses},
};

/// The word for the value after success.
const RESULT: &str = "result";

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
        let Some(selection) = errors.keep(selection(&target.reference)) else {
            continue;
        };
        let mut known = Known {
            function,
            result: &mut result,
            errors,
        };
        let when = target.when.as_ref().and_then(|when| known.condition(when));
        let scopes: Vec<TargetScope> = scopes(&target.scopes, &target.reference, function)
            .into_iter()
            .filter_map(|scope| known.scope(scope))
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
            when,
            scopes,
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

fn selection(reference: &Reference) -> syn::Result<TokenStream> {
    let span = reference.span();
    let selection = private_item("Selection", span);
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

/// Sorts expressions by what they look at: `result`, or the arguments.
struct Known<'a> {
    function: &'a Function,
    /// The word `result` as it was written first.
    result: &'a mut Option<Ident>,
    errors: &'a mut Errors,
}

impl Known<'_> {
    fn scope(&mut self, scope: Scope) -> Option<TargetScope> {
        let from_result = self.looks_at_result(&scope.value, scope.span)?;
        Some(if from_result {
            TargetScope::FromResult(scope)
        } else {
            TargetScope::OnEntry(scope)
        })
    }

    fn condition(&mut self, when: &Expr) -> Option<Condition> {
        let value = self.function.adapt(when);
        let from_result = self.looks_at_result(&value, when.span())?;
        Some(Condition {
            value,
            span: when.span(),
            from_result,
        })
    }

    /// `None` for what looks at both.
    fn looks_at_result(&mut self, value: &TokenStream, span: Span) -> Option<bool> {
        let Some(word) = uses(value, RESULT).into_iter().next() else {
            return Some(false);
        };
        let arguments = &self.function.arguments;
        if arguments.iter().any(|argument| argument.ident == RESULT) {
            self.errors.at(
                span,
                "`result` is an argument of this function and also the word for what it returns\nhelp: rename the argument",
            );
            return None;
        }
        let names = arguments.iter().map(|argument| argument.ident.to_string());
        let argument = names
            .chain(["self".into(), "__self".into()])
            .find(|name| mentions(value, name));
        if let Some(argument) = argument {
            let argument = argument.trim_start_matches("__");
            self.errors.at(
                span,
                format!(
                    "this looks both at `result`, which is known after the body, and at `{argument}`, which the body has \
                     taken by then\nhelp: use the one or the other, or return what is needed"
                ),
            );
            return None;
        }
        // The closure that sees the result binds the word as it was written.
        self.result.get_or_insert_with(|| Ident::new(RESULT, word));
        Some(true)
    }
}

/// The target in one spelling, to find it again.
fn written(target: &TargetArg, selection: &TokenStream) -> String {
    let mut text = compact(selection.clone());
    for ScopeExpr { name, value } in &target.scopes {
        text += &compact(quote!(, #name = #value));
    }
    if let Some(when) = &target.when {
        text += &compact(quote!(, when = #when));
    }
    text
}
