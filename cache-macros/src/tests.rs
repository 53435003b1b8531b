//! What the macros expand to, as snapshots, that no input makes them panic, and that every option is documented.

mod documents;
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

/// The target lists the modules once more, and nothing else that is built by default would miss one.
#[test]
fn the_fuzz_target_has_every_module_and_every_dependency() {
    let target = include_str!("../../fuzz/fuzz_targets/macros.rs");
    let modules = include_str!("lib.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("mod "));
    for module in modules.filter(|module| *module != "tests;") {
        let name = module.trim_end_matches(';');
        assert!(target.contains(&format!("pub(crate) mod {name};")), "{name}");
        assert!(
            target.contains(&format!("{name},")) || target.contains(&format!("{name}}}")),
            "{name}"
        );
    }
    let manifest = include_str!("../../fuzz/Cargo.toml");
    let dependencies = include_str!("../Cargo.toml")
        .lines()
        .skip_while(|line| *line != "[dependencies]")
        .take_while(|line| *line != "[dev-dependencies]")
        .filter_map(|line| line.split([' ', '.']).next().filter(|_| line.contains('=')));
    for name in dependencies {
        assert!(
            manifest.lines().any(|line| line.starts_with(&format!("{name} = "))),
            "{name}"
        );
    }
}
