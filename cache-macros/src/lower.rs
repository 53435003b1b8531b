//! From what the user wrote to what it means: every check that needs no more than the macro's own input.

mod borrows;
mod cached;
mod each;
mod invalidates;
mod known;
mod owned;
mod policies;
mod registry;
mod text;

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Expr, ExprPath, spanned::Spanned};

pub(crate) use self::{cached::cached, invalidates::invalidates, registry::registry};
use crate::{
    args::{Reference, ScopeExpr, Slot},
    diag::{Errors, did_you_mean},
    function::Function,
    model::{Scope, Several, Tenant},
    paths::on,
};

/// The argument that is the tenant unless the attribute says otherwise.
const TENANT_ARGUMENT: &str = "tenant_id";

/// The tenant of the attribute, or the argument `tenant_id`.
fn tenant(given: &Slot<Expr>, function: &Function) -> Option<Tenant> {
    if let Some(expr) = given.value() {
        return Some(Tenant {
            cfg: Vec::new(),
            value: function.adapt_operand(expr),
            span: expr.span(),
        });
    }
    let argument = function
        .arguments
        .iter()
        .find(|argument| argument.ident == TENANT_ARGUMENT)?;
    let ident = &argument.ident;
    Some(Tenant {
        cfg: argument.cfg.clone(),
        value: quote!(#ident),
        span: ident.span(),
    })
}

/// Refuses scope values that have no value, or two. `element` is the name of an element of `each`.
fn check_scopes(given: &[ScopeExpr], function: &Function, element: Option<&Ident>, errors: &mut Errors) {
    for (i, ScopeExpr { name, value, .. }) in given.iter().enumerate() {
        if given[..i].iter().any(|earlier| earlier.name == *name) {
            let text = format!("the scope `{name}` is given twice\nhelp: keep one of the two");
            errors.at(name.span(), text);
        } else if value.is_none() && function.argument(name).is_none() && element != Some(name) {
            let text = no_argument(name, function);
            let text = format!("{text}\nhelp: write `{name} = ...` to take the value from elsewhere");
            errors.at(name.span(), text);
        }
    }
}

/// The scope values of one resource or target.
fn scopes(given: &[ScopeExpr], of: &Reference, function: &Function) -> Vec<Scope> {
    values(&quote!(scopes), given, of, function)
}

/// The tags that are declared beside this resource, as [`scopes`].
fn tags(given: &[ScopeExpr], beside: &Reference, function: &Function) -> Vec<Scope> {
    values(&quote!(tags), given, beside, function)
}

fn values(module: &TokenStream, given: &[ScopeExpr], of: &Reference, function: &Function) -> Vec<Scope> {
    let scope = |ScopeExpr { name, value, several }: &ScopeExpr| {
        let value_expr = value.as_ref();
        let is_place = matches!(value_expr, Some(Expr::Path(_) | Expr::Field(_)));
        let several = several.map(|_| if is_place { Several::Place } else { Several::Iterator });
        let (value, span) = match value {
            Some(expr) => (function.adapt_operand(expr), expr.span()),
            None => (name.to_token_stream(), name.span()),
        };
        let module = on(module.clone(), name.span());
        let ty = of.sibling(&quote_spanned!(name.span()=> #module::#name), name.span());
        Scope {
            is_none: matches!(value_expr, Some(Expr::Path(path)) if ends_in(path, "None")),
            name: name.clone(),
            ty,
            value,
            span,
            several,
        }
    };
    given.iter().map(scope).collect()
}

fn ends_in(path: &ExprPath, word: &str) -> bool {
    path.path.segments.last().is_some_and(|last| last.ident == word)
}

fn no_argument(name: &Ident, function: &Function) -> String {
    let arguments: Vec<String> = function
        .arguments
        .iter()
        .map(|argument| argument.ident.to_string())
        .collect();
    let near = did_you_mean(&name.to_string(), arguments.iter().map(String::as_str));
    format!("no argument is named `{name}`{near}")
}

fn adapted(slot: &Slot<Expr>, function: &Function) -> Option<TokenStream> {
    slot.value().map(|expr| function.adapt(expr))
}
