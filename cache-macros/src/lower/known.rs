//! When what an expression says is known: on entry, or once there is a result.

use proc_macro2::{Ident, Span, TokenStream};
use syn::{Expr, spanned::Spanned};

use crate::{
    diag::Errors,
    function::Function,
    model::{Condition, Scope, TargetScope},
    uses::{mentions, uses},
};

/// The word for the value after success.
const RESULT: &str = "result";

/// Sorts expressions by what they look at: `result`, or the arguments.
pub(super) struct Known<'a> {
    pub(super) function: &'a Function,
    /// The word `result` as it was written first.
    pub(super) result: &'a mut Option<Ident>,
    pub(super) errors: &'a mut Errors,
}

impl Known<'_> {
    pub(super) fn scope(&mut self, scope: Scope) -> Option<TargetScope> {
        let from_result = self.looks_at_result(&scope.value, scope.span)?;
        Some(if from_result {
            TargetScope::FromResult(scope)
        } else {
            TargetScope::OnEntry(scope)
        })
    }

    pub(super) fn condition(&mut self, when: &Expr) -> Option<Condition> {
        let value = self.function.adapt(when);
        let from_result = self.looks_at_result(&value, when.span())?;
        Some(Condition {
            value,
            span: when.span(),
            from_result,
        })
    }

    /// `None` for what looks at both.
    pub(super) fn looks_at_result(&mut self, value: &TokenStream, span: Span) -> Option<bool> {
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
