//! Where unparsed tokens name lifetimes.

use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::Lifetime;

use super::{is_joint, is_punct};

/// The lifetimes that `tokens` name, and no labels.
pub(crate) fn lifetimes(tokens: &TokenStream) -> Vec<Lifetime> {
    let mut found = Vec::new();
    scan(tokens, &mut found);
    found
}

fn scan(tokens: &TokenStream, found: &mut Vec<Lifetime>) {
    let tokens: Vec<TokenTree> = tokens.clone().into_iter().collect();
    for (i, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Group(group) => scan(&group.stream(), found),
            TokenTree::Ident(name) if i > 0 && is_joint(tokens.get(i - 1), '\'') && !is_label(&tokens, i) => {
                found.push(lifetime(&tokens[i - 1], name));
            }
            _ => {}
        }
    }
}

/// Whether the name at `i` is that of a label: `'name: loop {}`, `break 'name`.
fn is_label(tokens: &[TokenTree], i: usize) -> bool {
    let jumps = |token: &TokenTree| matches!(token, TokenTree::Ident(word) if word == "break" || word == "continue");
    let after_jump = i.checked_sub(2).is_some_and(|before| jumps(&tokens[before]));
    after_jump || is_punct(tokens.get(i + 1), ':')
}

fn lifetime(tick: &TokenTree, name: &Ident) -> Lifetime {
    Lifetime {
        apostrophe: tick.span(),
        ident: name.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::lifetimes;

    #[test]
    fn lifetimes_are_found_and_labels_are_not() {
        let code = "let x: &'a str = y; f::<'b>({ 'c: loop { if z { continue 'c } break 'c 'd' } })";
        let found: Vec<String> = lifetimes(&code.parse().unwrap())
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(found, ["'a", "'b"]);
    }
}
