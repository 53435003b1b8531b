//! The arguments of a mutation that may go on without its caller.

use proc_macro2::Span;
use quote::{ToTokens, quote};
use syn::{
    FnArg, Lifetime, ParenthesizedGenericArguments, ReceiverKind, Type, TypeFnPtr, TypeReference, spanned::Spanned,
    visit::Visit,
};

use crate::{diag::Errors, function::Function, model::DetachedArgument, uses::compact};

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
    let mut borrows = Borrows(None);
    match input {
        FnArg::Receiver(receiver) => {
            match &receiver.kind {
                ReceiverKind::Reference(_, None, _) => borrows.0 = Some(receiver.span()),
                _ => borrows.visit_receiver(receiver),
            }
            borrows.0.map(|_| Borrowed {
                span: receiver.span(),
                name: "self".to_owned(),
                help: "take `self: Arc<Self>`, or `self` by value".to_owned(),
            })
        }
        FnArg::Typed(typed) => {
            borrows.visit_type(&typed.ty);
            borrows.0.map(|span| Borrowed {
                span,
                name: compact(typed.pat.to_token_stream()),
                help: match &*typed.ty {
                    Type::Reference(reference) => format!("take it owned: `{}`", owned(&reference.elem)),
                    _ => "take what it borrows from owned, or in an `Arc`".to_owned(),
                },
            })
        }
    }
}

/// The type that owns what a reference to `elem` borrows.
fn owned(elem: &Type) -> String {
    match elem {
        Type::Slice(slice) => format!("Vec<{}>", owned(&slice.elem)),
        Type::Reference(reference) => owned(&reference.elem),
        Type::Path(path) if path.path.is_ident("str") => "String".to_owned(),
        _ => compact(elem.to_token_stream()),
    }
}

/// The first place where a type names what may end before the program does.
struct Borrows(Option<Span>);

impl<'ast> Visit<'ast> for Borrows {
    fn visit_type_reference(&mut self, reference: &'ast TypeReference) {
        if reference.lifetime.is_none() {
            self.0.get_or_insert_with(|| reference.span());
        }
        syn::visit::visit_type_reference(self, reference);
    }

    fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
        if lifetime.ident != "static" {
            self.0.get_or_insert_with(|| lifetime.span());
        }
    }

    // What a function is called with is borrowed from whoever calls it.
    fn visit_type_fn_ptr(&mut self, _: &'ast TypeFnPtr) {}

    fn visit_parenthesized_generic_arguments(&mut self, _: &'ast ParenthesizedGenericArguments) {}
}
