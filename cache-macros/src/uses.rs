//! Where unparsed tokens name a local variable.

use proc_macro2::{Delimiter, Ident, Literal, Spacing, Span, TokenStream, TokenTree};

/// The places where `tokens` name the local variable `name`: as an identifier, or inside a format string.
///
/// Errs on the side of finding a use: tokens of a macro call mean what the macro makes of them. What cannot be the
/// variable is left out: `.name`, `::name`, `name:` (a field), `'name`.
pub(crate) fn uses(tokens: &TokenStream, name: &str) -> Vec<Span> {
    let mut found = Vec::new();
    scan(tokens.clone(), name, &mut found);
    found
}

/// Where `tokens` read a field, for which `is_meant`, of one of these variables: `self.name`, `context.user.name`, or by a pattern, as in
/// `let Self { name, .. } = self`. A method is no field.
pub(crate) fn fields(tokens: &TokenStream, roots: &[String], is_meant: impl Fn(&str) -> bool + Copy) -> Vec<Span> {
    let mut found = Vec::new();
    scan_fields(tokens.clone(), roots, is_meant, &mut found);
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

fn scan_fields(tokens: TokenStream, roots: &[String], is_meant: impl Fn(&str) -> bool + Copy, found: &mut Vec<Span>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let is_root = |token: Option<&TokenTree>| matches!(token, Some(TokenTree::Ident(ident)) if roots.iter().any(|root| ident == root));
    for (i, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Ident(ident) if is_meant(&ident.to_string()) => {
                let called = matches!(tokens.get(i + 1), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis);
                let after_dot = i > 0 && is_punct(tokens.get(i - 1), '.');
                if after_dot && !called && is_root(chain_root(&tokens, i)) {
                    found.push(ident.span());
                }
            }
            TokenTree::Group(group) => {
                if group.delimiter() == Delimiter::Brace && is_pattern(&tokens, i, is_root) {
                    found.extend(bound(&group.stream(), is_meant));
                }
                scan_fields(group.stream(), roots, is_meant, found);
            }
            _ => {}
        }
    }
}

/// The beginning of `a.b.c(..)[..]?.d`, of which the last word is at `i`.
fn chain_root(tokens: &[TokenTree], i: usize) -> Option<&TokenTree> {
    let mut at = i;
    loop {
        if at == 0 || !is_punct(tokens.get(at - 1), '.') {
            return tokens.get(at);
        }
        at = at.checked_sub(2)?;
        // What is called or indexed, and `?`.
        while matches!(&tokens[at], TokenTree::Group(group) if group.delimiter() != Delimiter::Brace)
            || is_punct(tokens.get(at), '?')
        {
            if at > 0 && matches!(&tokens[at - 1], TokenTree::Ident(_) | TokenTree::Group(_))
                || is_punct(tokens.get(at), '?')
            {
                at = at.checked_sub(1)?;
            } else {
                return tokens.get(at);
            }
        }
    }
}

/// Whether the braces at `i` belong to a pattern that takes a root apart: `Type { .. } = root`, or `Self { .. } =>`.
fn is_pattern(tokens: &[TokenTree], i: usize, is_root: impl Fn(Option<&TokenTree>) -> bool) -> bool {
    let is_self =
        matches!(i.checked_sub(1).and_then(|at| tokens.get(at)), Some(TokenTree::Ident(ident)) if ident == "Self");
    if !is_punct(tokens.get(i + 1), '=') {
        return false;
    }
    if is_joint(tokens.get(i + 1), '=') {
        return is_self && is_punct(tokens.get(i + 2), '>');
    }
    let mut value = tokens[i + 2..].iter().skip_while(|token| {
        matches!(token, TokenTree::Punct(punct) if matches!(punct.as_char(), '&' | '*'))
            || matches!(token, TokenTree::Ident(ident) if ident == "mut")
    });
    is_root(value.next())
}

/// The fields that a pattern of braces binds.
fn bound(pattern: &TokenStream, is_meant: impl Fn(&str) -> bool) -> Vec<Span> {
    let tokens: Vec<TokenTree> = pattern.clone().into_iter().collect();
    let begins = |i: usize| {
        let before = i.checked_sub(1).and_then(|at| tokens.get(at));
        before.is_none()
            || is_punct(before, ',')
            || matches!(before, Some(TokenTree::Ident(ident)) if ident == "ref" || ident == "mut")
    };
    let fields = tokens.iter().enumerate().filter_map(|(i, token)| match token {
        TokenTree::Ident(ident) if is_meant(&ident.to_string()) && begins(i) => Some(ident.span()),
        _ => None,
    });
    fields.collect()
}

/// Whether `tokens` name the local variable `name`.
pub(crate) fn mentions(tokens: &TokenStream, name: &str) -> bool {
    !uses(tokens, name).is_empty()
}

/// `tokens` with every `from` that names the local variable replaced.
pub(crate) fn rename(tokens: TokenStream, from: &str, to: &str) -> TokenStream {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    (0..tokens.len())
        .map(|i| match &tokens[i] {
            TokenTree::Ident(ident) if is_use(&tokens, i, ident, from) => Ident::new(to, ident.span()).into(),
            TokenTree::Group(group) => {
                let mut renamed = proc_macro2::Group::new(group.delimiter(), rename(group.stream(), from, to));
                renamed.set_span(group.span());
                renamed.into()
            }
            other => other.clone(),
        })
        .collect()
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
    let written = ident.to_string();
    if written.strip_prefix("r#").unwrap_or(&written) != name {
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

    use super::{compact, mentions, rename};

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
    fn fields_are_found_in_paths_and_patterns_and_methods_are_not() {
        let roots = ["self".to_owned(), "context".to_owned()];
        let found = |code: &str| !super::fields(&tokens(code), &roots, |field| field == "username").is_empty();
        for code in [
            "self.username",
            "&self.username",
            "self.auth.username.clone()",
            "self.auth().username",
            "self.auths[0].username",
            "self.auth()?.username",
            "context.user.username == owner",
            "if true { f(self.username) }",
            "let Self { username, .. } = self;",
            "let Self { id, username: name, .. } = *self;",
            "let Context { ref username, .. } = &context;",
            "match self { Self { username, .. } => 1 }",
            "format!(\"{}\", self.username)",
        ] {
            assert!(found(code), "{code}");
        }
        for code in [
            "self.username()",
            "row.username",
            "rows[0].username",
            "find(self).username",
            "Query { username: 1 }",
            "Self { username: name }",
            "let Row { username, .. } = row;",
            "self.usernames",
            "other.self_.username",
        ] {
            assert!(!found(code), "{code}");
        }
    }

    #[test]
    fn self_is_renamed_but_not_a_module_path() {
        let renamed = rename(tokens("f(self.region, self::LIMIT, vec![self.x])"), "self", "__self");
        assert_eq!(compact(renamed), "f(__self.region,self::LIMIT,vec![__self.x])");
    }

    #[test]
    fn an_expression_is_named_by_its_tokens_without_spaces() {
        assert_eq!(compact(tokens("filter . page")), "filter.page");
        assert_eq!(compact(tokens("page as u8")), "page as u8");
        assert_eq!(compact(tokens("self.region.as_deref()")), "self.region.as_deref()");
    }
}
