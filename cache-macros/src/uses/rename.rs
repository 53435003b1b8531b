//! Another name for a local variable, in unparsed tokens.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};

use super::{is_formatted, is_punct, is_use};

/// `tokens` with every `from` that names the local variable replaced. Items inside of them are left alone: none sees a local variable,
/// and `self` is their own there.
pub(crate) fn rename(tokens: TokenStream, from: &str, to: &str) -> TokenStream {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut renamed = TokenStream::new();
    let mut i = 0;
    while i < tokens.len() {
        let length = item_length(&tokens[i..]);
        if length > 0 {
            renamed.extend(tokens[i..i + length].iter().cloned());
            i += length;
            continue;
        }
        renamed.extend([match &tokens[i] {
            TokenTree::Ident(ident) if is_use(&tokens, i, ident, from) => Ident::new(to, ident.span()).into(),
            TokenTree::Group(group) => of_group(group, rename(group.stream(), from, to)),
            other => other.clone(),
        }]);
        i += 1;
    }
    renamed
}

/// `tokens` without the items inside of them.
pub(crate) fn outside_of_items(tokens: &TokenStream) -> TokenStream {
    let tokens: Vec<TokenTree> = tokens.clone().into_iter().collect();
    let mut outside = TokenStream::new();
    let mut i = 0;
    while i < tokens.len() {
        let length = item_length(&tokens[i..]);
        if length > 0 {
            i += length;
            continue;
        }
        outside.extend([match &tokens[i] {
            TokenTree::Group(group) => of_group(group, outside_of_items(&group.stream())),
            other => other.clone(),
        }]);
        i += 1;
    }
    outside
}

/// The format strings in `tokens` that capture the variable, which [`rename`] cannot change.
pub(crate) fn captured(tokens: &TokenStream, name: &str) -> Vec<Span> {
    let mut found = Vec::new();
    capture(tokens, name, false, &mut found);
    found
}

fn capture(tokens: &TokenStream, name: &str, in_macro: bool, found: &mut Vec<Span>) {
    let mut after_bang = false;
    for token in tokens.clone() {
        match &token {
            TokenTree::Literal(literal) if in_macro && is_formatted(literal, name) => found.push(literal.span()),
            TokenTree::Group(group) => capture(&group.stream(), name, in_macro || after_bang, found),
            _ => {}
        }
        after_bang = is_punct(Some(&token), '!');
    }
}

fn of_group(group: &Group, inner: TokenStream) -> TokenTree {
    let mut changed = Group::new(group.delimiter(), inner);
    changed.set_span(group.span());
    changed.into()
}

/// How many tokens the item takes that begins here; 0 if none does that could have a `self` of its own.
fn item_length(tokens: &[TokenTree]) -> usize {
    let Some(TokenTree::Ident(first)) = tokens.first() else {
        return 0;
    };
    let is_named = matches!(tokens.get(1), Some(TokenTree::Ident(_)));
    let is_brace =
        |token: &TokenTree| matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace);
    let is_end = |token: &TokenTree| is_punct(Some(token), ';');
    let length = match first.to_string().as_str() {
        "fn" | "mod" | "trait" if is_named => tokens.iter().position(|token| is_brace(token) || is_end(token)),
        "impl" => tokens.iter().position(is_brace),
        "use" if !is_punct(tokens.get(1), '<') => tokens.iter().position(is_end),
        // `pub(self)`
        "pub" => matches!(tokens.get(1), Some(TokenTree::Group(_))).then_some(1),
        _ => None,
    };
    length.map_or(0, |last| last + 1)
}

#[cfg(test)]
mod tests {
    use proc_macro2::TokenStream;

    use super::{super::compact, captured, outside_of_items, rename};

    fn renamed(code: &str) -> String {
        compact(rename(code.parse().unwrap(), "self", "__self"))
    }

    #[test]
    fn self_is_renamed_but_not_a_module_path() {
        assert_eq!(
            renamed("f(self.region, self::LIMIT, vec![self.x])"),
            "f(__self.region,self::LIMIT,vec![__self.x])"
        );
    }

    #[test]
    fn the_self_of_an_item_inside_is_its_own() {
        for code in [
            "fn inner(self)->u8{self.0}",
            "impl Rate for Local{fn rate(&self)->u8{self.0}}",
            "trait Rate{fn rate(&self)->u8;}",
            "mod inner{pub(super)fn f(){}}",
            "use super::{self,Rate};",
            "pub(self)struct Local;",
        ] {
            let expected = format!("{{{code}__self.x}}");
            assert_eq!(renamed(&format!("{{ {code} self.x }}")), expected);
            let outside = outside_of_items(&format!("{{ {code} self.x }}").parse().unwrap());
            assert!(compact(outside).ends_with("self.x}"), "{code}");
            assert!(
                !compact(outside_of_items(&code.parse().unwrap())).contains("self.0"),
                "{code}"
            );
        }
        assert_eq!(
            renamed("let f: fn(&u8) = self.f; self.g"),
            "let f:fn(&u8)=__self.f;__self.g"
        );
    }

    #[test]
    fn a_format_string_that_captures_is_found_and_no_other_text() {
        let is_captured = |code: &str| !captured(&code.parse::<TokenStream>().unwrap(), "self").is_empty();
        for code in ["format!(\"{self}\")", "{ if x { info!(n, \"of {self:?}\") } }"] {
            assert!(is_captured(code), "{code}");
        }
        for code in ["template(\"{self}\")", "format!(\"{}\", self)", "x != (\"{self}\")"] {
            assert!(!is_captured(code), "{code}");
        }
    }
}
