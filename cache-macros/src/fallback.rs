//! What is emitted when an attribute is wrong: the user's own item, so that one mistake gives one message, and the
//! editor still knows the names.

use proc_macro2::TokenStream;
use quote::quote;

/// `item` as far as it is known, and the mistakes.
pub(crate) fn item(item: &TokenStream, error: &syn::Error) -> TokenStream {
    let errors = error.to_compile_error();
    quote!(#item #errors)
}
