//! A load that may go on when its caller is gone: what it takes along, and its body.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::Type;

use super::async_block;
use crate::{
    function::RENAMED_SELF,
    model::{Closure, OwnedArgument},
    paths::{private_item, quiet},
    uses::rename,
};

/// The arguments as the load takes them along, the statements before its body included.
pub(super) struct Luggage {
    /// In the function.
    pub(super) before: TokenStream,
    /// Where the load is made.
    pub(super) packed: TokenStream,
    /// In the body of the load.
    unpacked: TokenStream,
}

impl Luggage {
    pub(super) fn of(arguments: &[OwnedArgument]) -> Self {
        let mut luggage = Self {
            before: TokenStream::new(),
            packed: TokenStream::new(),
            unpacked: TokenStream::new(),
        };
        for (i, argument) in arguments.iter().enumerate() {
            luggage.add(i, argument);
        }
        luggage
    }

    fn add(&mut self, i: usize, argument: &OwnedArgument) {
        let OwnedArgument {
            cfg,
            named,
            ident,
            mutability,
            ..
        } = argument;
        if mutability.is_some() {
            // It is the body's own one that changes, and of this one the compiler would say that it need not be `mut`.
            self.before.extend(quote!(#(#cfg)* let _ = &mut #named;));
        }
        let owned = local("owned", i, ident);
        self.packed.extend(bind(argument, &owned, "own"));
        self.unpacked
            .extend(quote!(#(#cfg)* let #mutability #ident = #owned.lend(); #(#cfg)* let _ = &#ident;));
    }

    /// The body of the load.
    pub(super) fn body(&self, block: &TokenStream, output: &Type) -> TokenStream {
        let block = rename(block.clone(), "self", RENAMED_SELF);
        async_block(Some(&self.unpacked), &block, output)
    }
}

/// The closure, with copies of the arguments that it names.
pub(super) fn closure(closure: &Closure, kind: &str) -> TokenStream {
    let Closure {
        head, body, arguments, ..
    } = closure;
    let Some(head) = head else {
        return body.clone();
    };
    let mut packed = TokenStream::new();
    let mut unpacked = TokenStream::new();
    for (i, argument) in arguments.iter().enumerate() {
        let copy = local(kind, i, &argument.ident);
        let OwnedArgument { cfg, ident, .. } = argument;
        packed.extend(bind(argument, &copy, "copy"));
        unpacked.extend(quote!(#(#cfg)* let #ident = #copy.lend();));
    }
    quote!({ #packed #head { #unpacked #body } })
}

/// `let owned = Ownership::of(&argument).own(argument);`
fn bind(argument: &OwnedArgument, owned: &Ident, method: &str) -> TokenStream {
    let OwnedArgument {
        cfg, named, is_static, ..
    } = argument;
    let span = named.span();
    let method_name = Ident::new(method, span);
    let kind = if *is_static {
        private_item("ByMove", span)
    } else {
        let ownership = private_item("Ownership", span);
        quote_spanned!(span=> #ownership::of(&#named))
    };
    let given = if method == "copy" {
        quote_spanned!(span=> &#named)
    } else {
        quote!(#named)
    };
    quote_spanned!(span=> #(#cfg)* let #owned = #kind.#method_name(#given);)
}

fn local(kind: &str, i: usize, argument: &Ident) -> Ident {
    format_ident!("__cache_{kind}_{i}", span = quiet(argument.span()))
}
