//! What a type is seen to borrow, and what would own it.

use proc_macro2::Span;
use quote::ToTokens;
use syn::{
    Lifetime, ParenthesizedGenericArguments, Receiver, ReceiverKind, Type, TypeFnPtr, TypeReference, spanned::Spanned,
    visit::Visit,
};

use crate::uses::compact;

/// The type without the brackets around it: those that a surrounding macro puts around what it was given, too.
pub(super) fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => bare(&group.elem),
        Type::Paren(paren) => bare(&paren.elem),
        ty => ty,
    }
}

/// The first place where a type names what may end before the program does.
pub(super) fn borrow(ty: &Type) -> Option<Span> {
    let mut borrows = Borrows(None);
    borrows.visit_type(ty);
    borrows.0
}

/// The same, of a receiver.
pub(super) fn borrow_of_receiver(receiver: &Receiver) -> Option<Span> {
    if let ReceiverKind::Reference(_, None, _) = receiver.kind {
        return Some(receiver.span());
    }
    let mut borrows = Borrows(None);
    borrows.visit_receiver(receiver);
    borrows.0
}

/// The type that owns what a reference to `elem` borrows.
pub(super) fn owned(elem: &Type) -> String {
    match elem {
        Type::Slice(slice) => format!("Vec<{}>", owned(&slice.elem)),
        Type::Reference(reference) => owned(&reference.elem),
        Type::Path(path) if path.path.is_ident("str") => "String".to_owned(),
        _ => compact(elem.to_token_stream()),
    }
}

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
