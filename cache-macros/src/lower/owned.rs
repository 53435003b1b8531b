//! What a load takes along that may go on when its caller is gone.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::{Expr, ExprClosure, Pat, PatIdent, ReceiverKind, Type, spanned::Spanned};

use super::borrows::{bare, borrow, borrow_of_receiver, owned};
use crate::{
    diag::Errors,
    function::{Function, RENAMED_SELF, bindings},
    model::{Closure, OwnedArgument},
    uses::{captured, compact, lifetimes, outside_of_items, rename, unraw, uses},
};

/// The arguments that the body names. Refuses what is seen not to outlive the caller, for the sake of `option`.
pub(super) fn arguments(option: &str, function: &Function, errors: &mut Errors) -> Vec<OwnedArgument> {
    let body = outside_of_items(function.body());
    let names = |name: &Ident| !uses(&body, &unraw(name)).is_empty();
    check_receiver(option, function, &body, errors);
    check_lifetimes(option, function, &body, errors);
    for (pattern, ty) in function.patterns() {
        check_pattern(option, pattern, ty, &names, errors);
    }
    all(function)
        .into_iter()
        .filter(|argument| names(&argument.named))
        .collect()
}

/// The receiver and the arguments.
fn all(function: &Function) -> Vec<OwnedArgument> {
    let receiver = function.receiver().map(|receiver| OwnedArgument {
        cfg: Vec::new(),
        ident: Ident::new(RENAMED_SELF, receiver.ident.span()),
        is_static: match &receiver.written.kind {
            ReceiverKind::Reference(_, lifetime, _) => {
                lifetime.as_ref().is_some_and(|lifetime| lifetime.ident == "static")
            }
            ReceiverKind::Typed(_, ty) => is_static(ty),
            _ => false,
        },
        named: receiver.ident,
        mutability: receiver.mutability,
    });
    let arguments = function.arguments.iter().map(|argument| OwnedArgument {
        cfg: argument.cfg.clone(),
        ident: argument.ident.clone(),
        named: argument.ident.clone(),
        mutability: argument.mutability,
        is_static: argument.ty.as_ref().is_some_and(is_static),
    });
    receiver.into_iter().chain(arguments).collect()
}

/// `&'static T`, which need not be owned.
fn is_static(ty: &Type) -> bool {
    matches!(bare(ty), Type::Reference(reference) if reference.lifetime.as_ref().is_some_and(|lifetime| lifetime.ident == "static"))
}

fn check_receiver(option: &str, function: &Function, body: &TokenStream, errors: &mut Errors) {
    let Some(receiver) = function.receiver() else { return };
    let written = receiver.written;
    if uses(body, &unraw(&receiver.ident)).is_empty() {
        return;
    }
    let refusal = match &written.kind {
        ReceiverKind::Reference(_, _, mutability) => mutability.map(|_| Refusal::mutable(written)),
        ReceiverKind::Typed(_, ty) => refusal(ty),
        _ => borrow_of_receiver(written).map(|_| Refusal::borrowed(written)),
    };
    if let Some(refusal) = refusal {
        errors.push(refusal.into_error(option, "self"));
    }
    for span in captured(body, "self") {
        let text = format!(
            "with `{option}` the body has a `self` of its own under another name, which a format string cannot capture as \
             `{{self}}`\nhelp: give it as an argument: `format!(\"{{}}\", self)`"
        );
        errors.at(span, text);
    }
}

/// What is owned is borrowed from for as long as the load lasts.
fn check_lifetimes(option: &str, function: &Function, body: &TokenStream, errors: &mut Errors) {
    for lifetime in lifetimes(body) {
        if function.lifetimes().any(|declared| *declared == lifetime) {
            let text = format!(
                "with `{option}` a load goes on when its caller is gone, and what the body borrows is its own: `{lifetime}` is the \
                 caller's\nhelp: leave the lifetime out here"
            );
            errors.at(lifetime.span(), text);
        }
    }
}

/// Refuses what a pattern binds if its type tells that it does not outlive the caller. What the type does not tell is left to the
/// compiler.
fn check_pattern(option: &str, pattern: &Pat, ty: &Type, is_named: &impl Fn(&Ident) -> bool, errors: &mut Errors) {
    match (pattern, bare(ty)) {
        (
            Pat::Ident(PatIdent {
                ident,
                by_ref,
                mutability,
                subpat: None,
                ..
            }),
            ty,
        ) if is_named(ident) => {
            let refusal = match (by_ref, mutability) {
                (Some(_), Some(_)) => Some(Refusal::mutable(pattern)),
                _ => refusal(ty),
            };
            if let Some(refusal) = refusal {
                errors.push(refusal.into_error(option, &unraw(ident)));
            }
        }
        (Pat::Tuple(pattern), Type::Tuple(ty)) if pattern.elems.len() == ty.elems.len() => {
            for (pattern, ty) in pattern.elems.iter().zip(&ty.elems) {
                check_pattern(option, pattern, ty, is_named, errors);
            }
        }
        (Pat::Reference(pattern), Type::Reference(ty)) => {
            check_pattern(option, &pattern.pat, &ty.elem, is_named, errors);
        }
        _ => {}
    }
}

/// Why an argument cannot outlive its caller.
struct Refusal {
    /// What is borrowed, as it is written.
    at: TokenStream,
    how: &'static str,
    help: String,
}

impl Refusal {
    fn mutable(at: impl ToTokens) -> Self {
        Self {
            at: at.into_token_stream(),
            how: "mutably ",
            help: "take it by `&` or by value".to_owned(),
        }
    }

    fn borrowed(at: impl ToTokens) -> Self {
        Self {
            at: at.into_token_stream(),
            how: "",
            help: "take what it borrows from owned, or in an `Arc`".to_owned(),
        }
    }

    fn into_error(self, option: &str, name: &str) -> syn::Error {
        let Self { at, how, help } = self;
        let text = format!(
            "with `{option}` a load goes on when its caller is gone, so `{name}` cannot be borrowed {how}from the caller\nhelp: {help}"
        );
        syn::Error::new_spanned(at, text)
    }
}

/// Whether an argument of this type is seen not to outlive the caller. What is borrowed once, by `&`, is made owned.
fn refusal(ty: &Type) -> Option<Refusal> {
    let Type::Reference(reference) = bare(ty) else {
        return borrow(ty).map(|_| Refusal::borrowed(ty));
    };
    if reference.mutability.is_some() {
        return Some(Refusal::mutable(ty));
    }
    let elem = bare(&reference.elem);
    let help = match elem {
        // Which cannot be copied, whatever it borrows.
        Type::TraitObject(object) => {
            let spelt = compact(object.to_token_stream());
            let spelt = spelt.replace('+', " + ").replace("->", " -> ");
            Some(format!("take it in an `Arc`: `&Arc<{spelt}>`"))
        }
        Type::Slice(_) | Type::Reference(_) => borrow(elem).map(|_| format!("take it owned: `{}`", owned(elem))),
        _ => borrow(elem).map(|_| Refusal::borrowed(ty).help),
    };
    help.map(|help| Refusal {
        help,
        ..Refusal::borrowed(ty)
    })
}

/// A closure of the attribute for a load that may outlive its caller: it is given copies of the arguments that it names.
pub(super) fn closure(option: &str, expr: &Expr, function: &Function, errors: &mut Errors) -> Closure {
    let bound: Vec<Ident> = match expr {
        Expr::Closure(closure) => closure
            .inputs
            .iter()
            .flat_map(bindings)
            .map(|binding| binding.ident.clone())
            .collect(),
        _ => Vec::new(),
    };
    let tokens = function.adapt(expr);
    let is_named = |argument: &OwnedArgument| {
        let name = unraw(&argument.named);
        !bound.contains(&argument.named) && !uses(&tokens, &name).is_empty()
    };
    let arguments: Vec<OwnedArgument> = all(function).into_iter().filter(is_named).collect();
    if arguments.is_empty() {
        return Closure::plain(tokens, expr.span());
    }
    let Expr::Closure(closure) = expr else {
        let text = format!(
            "the load may go on when its caller is gone, so what `{option}` names of the arguments is copied for it, and that takes a \
             closure\nhelp: write `{option} = |{}| ...`",
            if option == "cache_err" { "error" } else { "value" }
        );
        errors.push(syn::Error::new_spanned(expr, text));
        return Closure::plain(tokens, expr.span());
    };
    Closure {
        span: expr.span(),
        head: Some(head(closure)),
        body: rename(closure.body.to_token_stream(), "self", RENAMED_SELF),
        arguments,
    }
}

/// What stands before the body of a closure that owns what it names.
fn head(closure: &ExprClosure) -> TokenStream {
    let ExprClosure { inputs, output, .. } = closure;
    let span = closure.inputs_begin.span();
    quote_spanned!(span=> move |#inputs| #output)
}
