//! What `each` means: an entry for each element of an argument.

use proc_macro2::{Ident, Span, TokenStream};
use quote::ToTokens;
use syn::{FnArg, Receiver, ReceiverKind, Type, spanned::Spanned};

use super::no_argument;
use crate::{
    args::{CachedArgs, EachArg, ScopeExpr},
    diag::Errors,
    function::{Argument, Function},
    model::{ClonedArgument, Each},
    uses::{compact, mentions, unraw},
};

/// The argument that has an entry for each of its elements, if the attribute names one.
pub(super) fn each(args: &CachedArgs, function: &Function, errors: &mut Errors) -> Option<Each> {
    let EachArg { element, argument } = args.each.value()?;
    let Some(found) = function.argument(argument) else {
        errors.at(argument.span(), no_argument(argument, function));
        return None;
    };
    let Some(ty) = &found.ty else {
        let text = format!(
            "`{argument}` is part of a pattern\nhelp: take the ids as an argument of their own: `{argument}: &[Id]`"
        );
        errors.at(argument.span(), text);
        return None;
    };
    check_collection(argument, ty, errors);
    check_element(element.as_ref(), function, errors);
    check_expressions(args, argument, errors);
    check_left_out(args, argument, errors);
    check_tags(args, args.each.value()?, errors);
    check_borrows(function, errors);
    let others = function.arguments.iter().filter(|other| other.ident != found.ident);
    let cloned = others.filter(|other| is_owned(other)).map(|other| ClonedArgument {
        ident: other.ident.clone(),
        mutability: other.mutability,
        cfg: other.cfg.clone(),
    });
    Some(Each {
        argument: found.ident.clone(),
        by_reference: matches!(ty, Type::Reference(_)),
        mutability: found.mutability,
        // Without a name of its own an element has that of the argument, where it stands for it: in the key.
        element: element.clone().unwrap_or_else(|| found.ident.clone()),
        cloned: cloned.collect(),
    })
}

/// What of an argument that is owned has to be cloned.
fn is_owned(argument: &Argument) -> bool {
    !matches!(argument.ty, Some(Type::Reference(_)))
}

/// Refuses what is no collection for sure; of the rest the compiler knows what it is.
fn check_collection(argument: &Ident, ty: &Type, errors: &mut Errors) {
    let element = match ty {
        Type::Reference(reference) => &*reference.elem,
        ty => ty,
    };
    let is_single = |ident: &Ident| {
        ident == "String"
            || ident
                .to_string()
                .starts_with(|letter: char| letter.is_ascii_lowercase())
    };
    if let Type::Path(path) = element
        && path.path.get_ident().is_some_and(is_single)
    {
        let text = format!(
            "`{argument}` is one id, and `each` is of many\nhelp: take a slice, a `Vec`, a `HashSet` or a `BTreeSet`, such as \
             `&[{}]`",
            compact(element.to_token_stream())
        );
        errors.push(syn::Error::new_spanned(ty, text));
    }
}

fn check_element(element: Option<&Ident>, function: &Function, errors: &mut Errors) {
    if let Some(element) = element
        && function.argument(element).is_some()
    {
        let text = format!("`{element}` is an argument already\nhelp: give one of the ids another name");
        errors.at(element.span(), text);
    }
}

/// Refuses expressions that look at all ids where they are to say something of one.
fn check_expressions(args: &CachedArgs, argument: &Ident, errors: &mut Errors) {
    let keys = args.key.values().iter().map(|part| &part.value);
    let scopes = args.scope.values().iter().filter_map(|scope| scope.value.as_ref());
    let values: Vec<(Span, TokenStream)> = keys
        .chain(scopes)
        .chain(args.tenant.value())
        .map(|value| (value.span(), value.to_token_stream()))
        .chain(
            args.scope
                .values()
                .iter()
                .filter(|scope| scope.value.is_none())
                .map(|scope| {
                    let name = &scope.name;
                    (name.span(), name.to_token_stream())
                }),
        )
        .collect();
    for (span, _) in values.iter().filter(|(_, value)| mentions(value, &unraw(argument))) {
        errors.at(
            *span,
            format!(
                "this looks at all of `{argument}`, and an entry is of one of them\nhelp: name it: `each = id in {argument}`, \
                 and write `id` here"
            ),
        );
    }
}

fn check_left_out(args: &CachedArgs, argument: &Ident, errors: &mut Errors) {
    let left_out = args.skip.values().iter().chain(args.independent.values());
    for name in left_out.filter(|name| *name == argument) {
        let text = format!(
            "`{name}` is left out of the key and in `each`, which puts each of its elements there\nhelp: keep one of the two"
        );
        errors.at(name.span(), text);
    }
}

/// Tags are those of one value, which is known by no id.
fn check_tags(args: &CachedArgs, each: &EachArg, errors: &mut Errors) {
    let names = [Some(&each.argument), each.element.as_ref()];
    for ScopeExpr { name, value, .. } in args.tags.values() {
        let (span, tokens) = match value {
            Some(value) => (value.span(), value.to_token_stream()),
            None => (name.span(), name.to_token_stream()),
        };
        if let Some(id) = names.into_iter().flatten().find(|id| mentions(&tokens, &unraw(id))) {
            errors.at(
                span,
                format!(
                    "with `each` the tags are those of one value, and `{id}` is not known there\nhelp: take them from `result`, which is the \
                     value of one id, or from other arguments; what depends on the id itself has a scope: `scope({name} = id)`"
                ),
            );
        }
    }
}

/// The body may run a second time in a call: for what another call was to load and has not.
fn check_borrows(function: &Function, errors: &mut Errors) {
    for input in function.inputs() {
        let text = match input {
            FnArg::Receiver(receiver) if !is_shared(receiver) => {
                "with `each` the body may run more than once in a call, and so must not take `self` with it\nhelp: write `&self`"
            }
            FnArg::Typed(input) if is_mutable(&input.ty) => {
                "with `each` the body may run more than once in a call, and so must not borrow mutably\nhelp: borrow with `&`, \
                 or take a handle by value that is `Clone`"
            }
            FnArg::Receiver(_) | FnArg::Typed(_) => continue,
        };
        errors.push(syn::Error::new_spanned(input, text));
    }
}

/// `&self`, or `self: &Self`.
fn is_shared(receiver: &Receiver) -> bool {
    match &receiver.kind {
        ReceiverKind::Reference(_, _, mutability) => mutability.is_none(),
        ReceiverKind::Typed(_, ty) => matches!(**ty, Type::Reference(_)) && !is_mutable(ty),
        _ => false,
    }
}

fn is_mutable(ty: &Type) -> bool {
    matches!(ty, Type::Reference(reference) if reference.mutability.is_some())
}
