//! Any tokens as declarations, and as an attribute on any item: an expansion, never a panic.
//!
//! The first line of the input is what stands in the attribute's parentheses, the rest is the item; declarations are the
//! whole of it.

use proc_macro2::TokenStream;

use crate::entry;

/// Syn goes one level down the stack for each level of the input, as it does in every macro made with it.
const DEEPEST: usize = 32;
const LONGEST: usize = 1024;

pub(crate) fn check(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    if text.len() > LONGEST || depth(text) > DEEPEST {
        return;
    }
    declarations(text);
    if let Some((args, item)) = text.split_once('\n') {
        attributes(args, item);
    }
    // Every text that was parsed is kept, for its spans.
    proc_macro2::extra::invalidate_current_thread_spans();
}

fn declarations(text: &str) {
    let Ok(tokens) = text.parse::<TokenStream>() else {
        return;
    };
    let expansion = entry::resources(tokens);
    assert!(
        syn::parse2::<syn::File>(expansion.clone()).is_ok(),
        "declarations give {expansion}"
    );
}

fn attributes(args: &str, item: &str) {
    let (Ok(args), Ok(item)) = (args.parse::<TokenStream>(), item.parse::<TokenStream>()) else {
        return;
    };
    let function = syn::parse2::<syn::ItemFn>(item.clone());
    for attribute in [entry::cached, entry::invalidates] {
        let expansion = attribute(args.clone(), item.clone());
        assert!(item.is_empty() || !expansion.is_empty(), "the item is gone");
        if let Ok(function) = &function {
            let name = function.sig.ident.to_string();
            assert!(
                syn::parse2::<syn::File>(expansion.clone()).is_ok(),
                "`{name}` becomes {expansion}"
            );
            assert!(expansion.to_string().contains(&name), "`{name}` is not in {expansion}");
        }
    }
}

/// The deepest nesting of brackets, whatever stands in literals.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' | b'<' => depth += 1,
            b')' | b']' | b'}' | b'>' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}
