//! Where unparsed tokens name a local variable, and where they read a field.

mod fields;
mod lifetimes;
mod rename;

use proc_macro2::{Delimiter, Ident, Literal, Spacing, Span, TokenStream, TokenTree};

pub(crate) use self::{
    fields::fields,
    lifetimes::lifetimes,
    rename::{captured, outside_of_items, rename},
};

/// The places where `tokens` name the local variable `name`: as an identifier, or inside a format string.
///
/// Errs on the side of finding a use: tokens of a macro call mean what the macro makes of them. What cannot be the
/// variable is left out: `.name`, `::name`, `name:` (a field), `'name`.
pub(crate) fn uses(tokens: &TokenStream, name: &str) -> Vec<Span> {
    let mut found = Vec::new();
    scan(tokens.clone(), name, &mut found);
    found
}

/// Whether an identifier of this name stands anywhere in `tokens`.
pub(crate) fn has_ident(tokens: &TokenStream, name: &str) -> bool {
    tokens.clone().into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == name,
        TokenTree::Group(group) => has_ident(&group.stream(), name),
        _ => false,
    })
}

/// Whether `tokens` name the local variable `name`.
pub(crate) fn mentions(tokens: &TokenStream, name: &str) -> bool {
    !uses(tokens, name).is_empty()
}

fn scan(tokens: TokenStream, name: &str, found: &mut Vec<Span>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (i, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Ident(ident) if is_use(&tokens, i, ident, name) => found.push(ident.span()),
            TokenTree::Literal(literal) if is_formatted(literal, name) => found.push(literal.span()),
            TokenTree::Group(group) => scan(group.stream(), name, found),
            _ => {}
        }
    }
}

/// Whether the identifier at `i` is the variable `name`, and not a field, a path segment or a lifetime of that name.
fn is_use(tokens: &[TokenTree], i: usize, ident: &Ident, name: &str) -> bool {
    if unraw(ident) != name {
        return false;
    }
    let before = |n: usize| i.checked_sub(n).and_then(|at| tokens.get(at));
    let after = |n: usize| tokens.get(i + n);

    let field_access = is_punct(before(1), '.') && !is_joint(before(2), '.');
    let path_segment = is_punct(before(1), ':') && is_joint(before(2), ':');
    let lifetime = is_joint(before(1), '\'');
    let path_start = is_joint(after(1), ':') && is_punct(after(2), ':');
    // `self::name` is a module; `username::name` may be anything in the tokens of a macro.
    let field_name = is_punct(after(1), ':') && !path_start;
    let module = path_start && name == "self";
    !(field_access || path_segment || lifetime || field_name || module)
}

/// The name without the `r#` that lets it be a keyword.
pub(crate) fn unraw(ident: &Ident) -> String {
    let name = ident.to_string();
    name.strip_prefix("r#").map_or_else(|| name.clone(), str::to_owned)
}

fn is_punct(token: Option<&TokenTree>, expected: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == expected)
}

fn is_joint(token: Option<&TokenTree>, expected: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == expected && punct.spacing() == Spacing::Joint)
}

/// Whether a string literal captures `name` as a format string does: `{name}`, `{name:?}`, `{0:name$}`.
fn is_formatted(literal: &Literal, name: &str) -> bool {
    let text = literal.to_string();
    if !text.starts_with(['"', 'r']) {
        return false;
    }
    let text = text.replace("{{", "");
    text.split('{')
        .skip(1)
        .filter_map(|rest| rest.split('}').next())
        .any(|field| {
            let (argument, spec) = field.split_once(':').unwrap_or((field, ""));
            argument.trim() == name
                || spec
                    .split(['.', '<', '>', '^'])
                    .any(|part| part.strip_suffix('$') == Some(name))
        })
}

/// The tokens as one line without spaces, as a key expression is named: `filter.page`.
pub(crate) fn compact(tokens: TokenStream) -> String {
    let mut text = String::new();
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                text.push_str(open);
                text.push_str(&compact(group.stream()));
                text.push_str(close);
            }
            // Two words in a row need their space: `x as u8`.
            other => {
                let next = other.to_string();
                let is_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
                if is_word(text.chars().last()) && is_word(next.chars().next()) {
                    text.push(' ');
                }
                text.push_str(&next);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proc_macro2::TokenStream;

    use super::{compact, mentions};

    fn tokens(code: &str) -> TokenStream {
        code.parse().unwrap()
    }

    #[test]
    fn a_variable_is_found_wherever_it_is_named() {
        for code in [
            "username",
            "check(username)",
            "if username == \"root\" { 1 }",
            "Query { username }",
            "Query { user: username }",
            "Query { username: username }",
            "r#username",
            "0..username",
            "match username { _ => {} }",
            "info!(%username)",
            "format!(\"{username}\")",
            "format!(\"{username:?}\")",
            "format!(\"{x:>username$}\")",
            "format!(r#\"{username}\"#)",
            "{ { [ ( username ) ] } }",
            "username.len()",
            "macro_like!(username::x)",
        ] {
            assert!(mentions(&tokens(code), "username"), "{code}");
        }
    }

    #[test]
    fn what_cannot_be_the_variable_is_left_out() {
        for code in [
            "row.username",
            "row.username()",
            "Query { username: 1 }",
            "auth::username(1)",
            "'username: loop {}",
            "usernames",
            "\"username\"",
            "\"{{username}}\"",
            "\"{usernames}\"",
            "b\"{username}\"",
        ] {
            assert!(!mentions(&tokens(code), "username"), "{code}");
        }
    }

    #[test]
    fn an_expression_is_named_by_its_tokens_without_spaces() {
        assert_eq!(compact(tokens("filter . page")), "filter.page");
        assert_eq!(compact(tokens("page as u8")), "page as u8");
        assert_eq!(compact(tokens("self.region.as_deref()")), "self.region.as_deref()");
    }
}
