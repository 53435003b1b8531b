//! What was written, for people to read.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Expr, LitStr};

use super::cached::left_out;
use crate::{
    args::{CachedArgs, ColumnScope, EachArg, MemberName, ScopeExpr, TableTargetArg, TargetArg, TtlArg},
    duration::DurationExpr,
    function::Function,
    model::{FunctionText, TableTargetText, TargetText, TtlText, ValueText},
    uses::{compact, unraw},
};

/// The words that statements which write begin with.
const WRITES: [&str; 6] = ["insert", "update", "delete", "merge", "truncate", "replace"];

/// What a `#[cached]` function says of itself.
pub(super) fn function(args: &CachedArgs, function: &Function) -> FunctionText {
    let mut literals = Vec::new();
    find_literals(function.user_code().clone(), &mut literals);
    FunctionText {
        ttl: args.ttl.value().map(ttl),
        scopes: args.scope.values().iter().map(value).collect(),
        tags: args.tags.values().iter().map(value).collect(),
        left_out: left_out(args).map(unraw).collect(),
        each: args.each.value().map(each),
        when: args.when.value().map(text),
        literals,
    }
}

/// What a target of `#[invalidates]` says.
pub(super) fn target(target: &TargetArg) -> TargetText {
    let reference = &target.reference;
    let name = match reference.pattern() {
        Some(pattern) => pattern.value(),
        // A name that is none has been refused.
        None => reference.name().as_ref().map(unraw).unwrap_or_default(),
    };
    TargetText {
        name,
        scopes: target.scopes.iter().map(value).collect(),
        when: target.when.as_ref().map(text),
    }
}

/// What a target of a table says, unless it is a tag.
pub(super) fn table_target(target: &TableTargetArg) -> Option<TableTargetText> {
    let TableTargetArg::Resources { name, scopes } = target else {
        return None;
    };
    let scope = |ColumnScope { name, column }: &ColumnScope| ValueText {
        name: unraw(name),
        value: column.name.clone(),
    };
    Some(TableTargetText {
        name: match name {
            MemberName::Name(name) => unraw(name),
            MemberName::Pattern(pattern) => pattern.value(),
        },
        scopes: scopes.iter().map(scope).collect(),
    })
}

fn ttl(ttl: &TtlArg) -> TtlText {
    match ttl {
        TtlArg::Duration(fixed @ DurationExpr::Fixed(_)) => TtlText::Fixed(fixed.clone()),
        TtlArg::Duration(DurationExpr::Expr(expr)) | TtlArg::OfValue(expr) => TtlText::Computed(text(expr)),
    }
}

fn each(EachArg { element, argument }: &EachArg) -> String {
    match element {
        Some(element) => format!("{} in {}", unraw(element), unraw(argument)),
        None => unraw(argument),
    }
}

fn value(ScopeExpr { name, value, several }: &ScopeExpr) -> ValueText {
    let name = unraw(name);
    let value = value.as_ref().map_or_else(|| name.clone(), text);
    let value = if several.is_some() {
        format!("each of {value}")
    } else {
        value
    };
    ValueText { name, value }
}

fn text(expr: &Expr) -> String {
    compact(expr.to_token_stream())
}

/// Those string literals that may be statements which write. What they are exactly is found out at run time.
fn find_literals(tokens: TokenStream, found: &mut Vec<String>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => find_literals(group.stream(), found),
            TokenTree::Literal(literal) => {
                let text = syn::parse2::<LitStr>(literal.into_token_stream()).map(|text| text.value());
                found.extend(text.ok().filter(|text| may_write(text)));
            }
            TokenTree::Ident(_) | TokenTree::Punct(_) => {}
        }
    }
}

fn may_write(text: &str) -> bool {
    let mut words = text.split(|c: char| !(c.is_alphanumeric() || c == '_'));
    words.any(|word| WRITES.iter().any(|write| word.eq_ignore_ascii_case(write)))
}
