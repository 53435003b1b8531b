//! What the macros expand to, as snapshots, and that no input makes them panic.

mod malformed;
mod snapshots;

#[path = "../../fuzz/checks/macros.rs"]
mod macros;
#[path = "../../fuzz/checks/seeds.rs"]
mod seeds;

use proc_macro2::TokenStream;

fn tokens(code: &str) -> TokenStream {
    code.parse().expect("a test gives tokens")
}

/// The expansion as a file; a method stands in an `impl` to be one.
fn pretty(expansion: &TokenStream, in_impl: bool) -> String {
    let file = if in_impl {
        quote::quote!(impl Service { #expansion })
    } else {
        expansion.clone()
    };
    prettyplease::unparse(&syn::parse2(file).expect("the expansion is a file"))
}

#[test]
fn the_seeds_of_the_fuzz_target_pass() {
    seeds::each("macros", macros::check);
}
