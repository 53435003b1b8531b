//! The arguments of a mutation that may go on without its caller.

use proc_macro2::Span;
use quote::{ToTokens, quote};
use syn::{FnArg, Type, spanned::Spanned};

use crate::{
    diag::Errors,
    function::Function,
    lower::borrows::{borrow, borrow_of_receiver, owned},
    model::DetachedArgument,
    uses::compact,
};

/// What the compiler has to check of each argument: that it can be sent to another task. Refuses what is seen to be borrowed.
pub(super) fn arguments(function: &Function, errors: &mut Errors) -> Vec<DetachedArgument> {
    let mut arguments = Vec::new();
    for input in function.inputs() {
        if let Some(Borrowed { span, name, help }) = borrowed(input) {
            errors.at(
                span,
                format!(
                    "`detach` lets the mutation go on when its caller is gone, so `{name}` cannot be borrowed from the \
                     caller\nhelp: {help}"
                ),
            );
        }
        if let FnArg::Receiver(receiver) = input {
            arguments.push(DetachedArgument {
                cfg: Vec::new(),
                value: function.adapt(quote!(self)),
                span: receiver.span(),
            });
        }
    }
    arguments.extend(function.arguments.iter().map(|argument| DetachedArgument {
        cfg: argument.cfg.clone(),
        value: argument.ident.to_token_stream(),
        span: argument.ident.span(),
    }));
    arguments
}

/// An argument that is borrowed.
struct Borrowed {
    span: Span,
    name: String,
    /// What would not be.
    help: String,
}

fn borrowed(input: &FnArg) -> Option<Borrowed> {
    match input {
        FnArg::Receiver(receiver) => borrow_of_receiver(receiver).map(|_| Borrowed {
            span: receiver.span(),
            name: "self".to_owned(),
            help: "take `self: Arc<Self>`, or `self` by value".to_owned(),
        }),
        FnArg::Typed(typed) => borrow(&typed.ty).map(|span| Borrowed {
            span,
            name: compact(typed.pat.to_token_stream()),
            help: match &*typed.ty {
                Type::Reference(reference) => format!("take it owned: `{}`", owned(&reference.elem)),
                _ => "take what it borrows from owned, or in an `Arc`".to_owned(),
            },
        }),
    }
}
