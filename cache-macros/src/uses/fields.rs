//! Where unparsed tokens read fields of something: in a path, in a pattern, by a variable that such a pattern binds.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};

use super::{is_joint, is_punct, unraw};

/// Where `tokens` read a field, for which `is_meant`, of one of these variables: `self.name`, `context.user.name`, or by a pattern, as in
/// `if let Some(User { name, .. }) = &self.user`. A method is no field.
///
/// Errs on the side of finding one, as `uses` does; a variable that a pattern binds straight to a part of what is looked at counts for
/// it from there on.
pub(crate) fn fields(tokens: &TokenStream, roots: &[String], is_meant: impl Fn(&str) -> bool) -> Vec<Span> {
    let mut search = Search {
        roots: roots.to_vec(),
        is_meant: &is_meant,
        found: Vec::new(),
    };
    search.scan(&trees(tokens));
    search.found
}

/// Words after which an expression begins.
const BEFORE_EXPRESSIONS: [&str; 10] = [
    "as", "break", "else", "if", "in", "match", "mut", "return", "while", "yield",
];

/// Methods that give what they are called on.
const THROUGH: [&str; 7] = ["as_deref", "as_mut", "as_ref", "borrow", "clone", "iter", "unwrap"];

struct Search<'a> {
    /// The variables whose fields count.
    roots: Vec<String>,
    is_meant: &'a dyn Fn(&str) -> bool,
    found: Vec<Span>,
}

impl Search<'_> {
    fn scan(&mut self, tokens: &[TokenTree]) {
        for (i, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Ident(word) => {
                    let after = &tokens[i + 1..];
                    if self.is_field(tokens, i, word) {
                        self.found.push(word.span());
                    } else if word == "let" {
                        self.binding(after, is_assignment);
                    } else if word == "for" {
                        self.binding(after, |tokens, at| is_word(tokens.get(at), "in"));
                    } else if word == "match" {
                        self.arms(after);
                    }
                }
                TokenTree::Group(group) => {
                    self.closures_and_macros(tokens, i, group);
                    self.scan(&trees(&group.stream()));
                }
                _ => {}
            }
        }
    }

    /// Whether the word at `i` is a field that is meant, of a root.
    fn is_field(&self, tokens: &[TokenTree], i: usize, word: &Ident) -> bool {
        let after_dot = i > 1 && is_punct(tokens.get(i - 1), '.') && !is_joint(tokens.get(i - 2), '.');
        let called = is_parenthesis(tokens.get(i + 1)) || is_joint(tokens.get(i + 1), ':');
        after_dot && !called && (self.is_meant)(&unraw(word)) && self.is_rooted(tokens, i)
    }

    /// Whether the path, of which the word at `i` is the last, begins at a root.
    fn is_rooted(&self, tokens: &[TokenTree], i: usize) -> bool {
        match tokens.get(path_start(tokens, i)) {
            Some(TokenTree::Ident(ident)) => self.is_root(ident),
            Some(TokenTree::Group(group)) => self.holds_root(group),
            _ => false,
        }
    }

    fn is_root(&self, ident: &Ident) -> bool {
        self.roots.iter().any(|root| unraw(ident) == *root)
    }

    /// Of `(*self)`, and of each part of `(self, n)`.
    fn holds_root(&self, group: &Group) -> bool {
        let tokens = trees(&group.stream());
        tokens
            .split(|token| is_punct(Some(token), ','))
            .any(|part| self.begins_at_root(part))
    }

    /// Whether an expression is a root, or a path that begins at one.
    fn begins_at_root(&self, value: &[TokenTree]) -> bool {
        let is_prefix = |token: &&TokenTree| {
            is_punct(Some(token), '&') || is_punct(Some(token), '*') || is_word(Some(token), "mut")
        };
        let mut value = value.iter().skip_while(is_prefix);
        match (value.next(), value.next()) {
            (Some(TokenTree::Ident(ident)), _) if self.is_root(ident) => true,
            // `Some(&self.user)`, and not a call.
            (Some(TokenTree::Ident(ident)), Some(TokenTree::Group(group))) => is_upper(ident) && self.holds_root(group),
            (Some(TokenTree::Group(group)), _) => group.delimiter() != Delimiter::Brace && self.holds_root(group),
            _ => false,
        }
    }

    /// `PATTERN = VALUE` after `let`, `PATTERN in VALUE` after `for`.
    fn binding(&mut self, after: &[TokenTree], is_between: impl Fn(&[TokenTree], usize) -> bool) {
        let end = |tokens: &[TokenTree]| {
            tokens
                .iter()
                .position(|token| is_punct(Some(token), ';'))
                .unwrap_or(tokens.len())
        };
        let after = &after[..end(after)];
        let Some(between) = (0..after.len()).find(|at| is_between(after, *at)) else {
            return;
        };
        let value = &after[between + 1..];
        let ends = |token: &TokenTree| is_brace(Some(token)) || is_word(Some(token), "else");
        let value = &value[..value.iter().position(ends).unwrap_or(value.len())];
        let pattern = &after[..between];
        let of_type = (0..between).find(|at| is_punct(pattern.get(*at), ':') && !is_path_colon(pattern, *at));
        self.taken_apart(&pattern[..of_type.unwrap_or(between)], value);
    }

    /// `VALUE { PATTERN => ..., }` after `match`.
    fn arms(&mut self, after: &[TokenTree]) {
        let Some(at) = after.iter().position(|token| is_brace(Some(token))) else {
            return;
        };
        if let TokenTree::Group(arms) = &after[at] {
            for pattern in patterns(&trees(&arms.stream())) {
                self.taken_apart(pattern, &after[..at]);
            }
        }
    }

    /// What takes patterns in its parentheses, at `i`: closures of methods of a root, and `matches!(self.user, PATTERN)`.
    fn closures_and_macros(&mut self, tokens: &[TokenTree], i: usize, group: &Group) {
        let inner = trees(&group.stream());
        if i > 0 && is_punct(tokens.get(i - 1), '!') {
            if let Some(comma) = inner.iter().position(|token| is_punct(Some(token), ',')) {
                self.taken_apart(&inner[comma + 1..], &inner[..comma]);
            }
            return;
        }
        let Some(method) = is_parenthesis(tokens.get(i)).then(|| called(tokens, i)).flatten() else {
            return;
        };
        if !(method > 0 && is_punct(tokens.get(method - 1), '.') && self.is_rooted(tokens, method)) {
            return;
        }
        let is_bar = |token: &TokenTree| is_punct(Some(token), '|');
        let begins = |at: &usize| {
            let before = at.checked_sub(1).and_then(|at| inner.get(at));
            is_bar(&inner[*at]) && (before.is_none() || is_punct(before, ',') || is_word(before, "move"))
        };
        let begin = (0..inner.len()).find(begins);
        let length = begin.and_then(|begin| inner[begin + 1..].iter().position(is_bar));
        if let (Some(begin), Some(length)) = (begin, length) {
            let receiver = &tokens[path_start(tokens, method)..=method];
            self.bind(&inner[begin + 1..begin + 1 + length], false, is_direct(receiver));
        }
    }

    fn taken_apart(&mut self, pattern: &[TokenTree], value: &[TokenTree]) {
        if self.begins_at_root(value) {
            self.bind(pattern, false, is_direct(value));
        }
    }

    /// Looks through the pattern of something that begins at a root: the fields that it names in braces; and what it binds, if it is
    /// bound straight to a part of that.
    fn bind(&mut self, pattern: &[TokenTree], in_braces: bool, direct: bool) {
        for (i, token) in pattern.iter().enumerate() {
            match token {
                TokenTree::Ident(ident) => {
                    let before = i.checked_sub(1).and_then(|at| pattern.get(at));
                    let begins =
                        before.is_none() || is_punct(before, ',') || is_word(before, "ref") || is_word(before, "mut");
                    let is_path = is_path_colon(pattern, i + 1) || i > 0 && is_path_colon(pattern, i - 1);
                    let applied = matches!(pattern.get(i + 1), Some(TokenTree::Group(_)));
                    if is_path || applied || is_upper(ident) {
                        continue;
                    }
                    if (direct || in_braces && begins) && (self.is_meant)(&unraw(ident)) {
                        self.found.push(ident.span());
                    } else if direct && !BINDING_MODES.contains(&ident.to_string().as_str()) {
                        self.roots.push(unraw(ident));
                    }
                }
                TokenTree::Group(group) => {
                    self.bind(&trees(&group.stream()), group.delimiter() == Delimiter::Brace, direct);
                }
                _ => {}
            }
        }
    }
}

/// Words of a pattern that are no names.
const BINDING_MODES: [&str; 6] = ["_", "if", "mut", "ref", "true", "false"];

fn trees(tokens: &TokenStream) -> Vec<TokenTree> {
    tokens.clone().into_iter().collect()
}

/// Where the path begins of which the word at `i` is the last: at `a` of `a.b::<T>(..)[..]?.d`.
fn path_start(tokens: &[TokenTree], i: usize) -> usize {
    let mut at = i;
    while at > 1 && is_punct(tokens.get(at - 1), '.') && !is_joint(tokens.get(at - 2), '.') {
        at -= 2;
        // Over `?`, and what is called or indexed.
        loop {
            let before = match &tokens[at] {
                TokenTree::Punct(punct) if punct.as_char() == '?' => at.checked_sub(1),
                TokenTree::Group(group) if group.delimiter() != Delimiter::Brace => called(tokens, at),
                _ => None,
            };
            match before {
                Some(before) => at = before,
                None => break,
            }
        }
    }
    at
}

/// What the brackets at `at` are those of: a word, with type arguments or without, or other brackets. `None` if they stand on their own.
fn called(tokens: &[TokenTree], at: usize) -> Option<usize> {
    let before = at.checked_sub(1)?;
    match &tokens[before] {
        TokenTree::Group(_) => Some(before),
        TokenTree::Punct(punct) if punct.as_char() == '?' => Some(before),
        TokenTree::Ident(word) => (!BEFORE_EXPRESSIONS.contains(&word.to_string().as_str())).then_some(before),
        TokenTree::Punct(punct) if punct.as_char() == '>' => {
            let mut depth = 0_usize;
            let open = (0..=before).rev().find(|i| {
                let is_arrow = |i: usize| i > 0 && is_joint(tokens.get(i - 1), '-');
                if is_punct(tokens.get(*i), '>') && !is_arrow(*i) {
                    depth += 1;
                } else if is_punct(tokens.get(*i), '<') {
                    depth = depth.saturating_sub(1);
                }
                depth == 0
            })?;
            let name = open.checked_sub(3)?;
            is_path_colon(tokens, name + 1).then_some(name)
        }
        _ => None,
    }
}

/// Whether an expression is a part of what it begins at, and not what a function makes of it.
fn is_direct(value: &[TokenTree]) -> bool {
    value.iter().enumerate().all(|(i, token)| match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => false,
        TokenTree::Group(group) => {
            let name = is_parenthesis(value.get(i)).then(|| called(value, i)).flatten();
            let through = match name.map(|name| &value[name]) {
                None => true,
                Some(TokenTree::Ident(name)) => is_upper(name) || THROUGH.contains(&name.to_string().as_str()),
                Some(_) => false,
            };
            through && is_direct(&trees(&group.stream()))
        }
        TokenTree::Ident(word) => word != "await",
        _ => true,
    })
}

/// The patterns of the arms of a `match`, without their guards.
fn patterns(arms: &[TokenTree]) -> Vec<&[TokenTree]> {
    let mut patterns = Vec::new();
    let mut rest = arms;
    while let Some(arrow) = (0..rest.len()).find(|at| is_joint(rest.get(*at), '=') && is_punct(rest.get(at + 1), '>')) {
        let pattern = &rest[..arrow];
        let guard = pattern.iter().position(|token| is_word(Some(token), "if"));
        patterns.push(&pattern[..guard.unwrap_or(arrow)]);
        let body = &rest[arrow + 2..];
        let end = if is_brace(body.first()) {
            0
        } else {
            body.iter()
                .position(|token| is_punct(Some(token), ','))
                .unwrap_or(body.len())
        };
        rest = body.get(end + 1..).unwrap_or_default();
    }
    patterns
}

/// `=` alone.
fn is_assignment(tokens: &[TokenTree], at: usize) -> bool {
    let follows = |before: char| at > 0 && is_joint(tokens.get(at - 1), before);
    let next = tokens.get(at + 1);
    let is_longer = is_joint(tokens.get(at), '=') && (is_punct(next, '=') || is_punct(next, '>'));
    is_punct(tokens.get(at), '=') && !is_longer && !follows('=') && !follows('.')
}

/// Either half of `::`.
fn is_path_colon(tokens: &[TokenTree], at: usize) -> bool {
    let first = |at: usize| is_joint(tokens.get(at), ':') && is_punct(tokens.get(at + 1), ':');
    first(at) || at > 0 && first(at - 1)
}

fn is_parenthesis(token: Option<&TokenTree>) -> bool {
    matches!(token, Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis)
}

fn is_brace(token: Option<&TokenTree>) -> bool {
    matches!(token, Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace)
}

fn is_word(token: Option<&TokenTree>, word: &str) -> bool {
    matches!(token, Some(TokenTree::Ident(ident)) if ident == word)
}

/// Whether it names a type, a variant or a constant.
fn is_upper(ident: &Ident) -> bool {
    ident.to_string().starts_with(char::is_uppercase)
}

#[cfg(test)]
mod tests {
    use proc_macro2::TokenStream;

    fn found(code: &str) -> usize {
        let roots = ["self".to_owned(), "context".to_owned()];
        let tokens: TokenStream = code.parse().unwrap();
        super::fields(&tokens, &roots, |field| field == "username").len()
    }

    #[test]
    fn fields_are_found_in_paths() {
        for code in [
            "self.username",
            "&self.username",
            "self.r#username",
            "0..self.username",
            "self.auth.username.clone()",
            "self.auth().username",
            "self.auths[0].username",
            "self.auth()?.username",
            "self.0.1.username",
            "context.user.username == owner",
            "if true { f(self.username) }",
            "format!(\"{}\", self.username)",
            "(*self).username",
            "return (*self).username",
            "(&self.auth).username",
            "((self)).auth.username",
            "self.get::<User>().username",
            "self.get::<HashMap<u8, fn(u8) -> User>>()?.username",
            "dbg!(&self.auth).username",
        ] {
            assert_eq!(found(code), 1, "{code}");
        }
    }

    #[test]
    fn fields_are_found_in_patterns() {
        for code in [
            "let Self { username, .. } = self;",
            "let Self { id, username: name, .. } = *self;",
            "let Context { ref username, .. } = &context;",
            "let Auth { user: User { username, .. }, .. } = &self.auth;",
            "let auth::Auth::<u8> { username, .. }: auth::Auth<u8> = self.auth;",
            "let (Auth { username, .. }, _) = &self.pair;",
            "let (Auth { username, .. }, n) = (self.auth(), 1);",
            "let Some(Auth { username, .. }) = self.auth() else { return };",
            "if let Some(Auth { username, .. }) = &self.auth { }",
            "if let Some(Auth { username, .. }) = Some(&self.auth) { }",
            "if n == 1 && let Some(Auth { username, .. }) =&self.auth { }",
            "while let Some(Auth { username, .. }) = self.next() { }",
            "for Auth { username, .. } in &self.auths { }",
            "match self { Self { username, .. } => 1 }",
            "match &self.user { User { username, .. } => 1 }",
            "match &self.user { Nobody => { 0 } User { username, .. } if true => 1 }",
            "match (self, n) { (_, 0) => Row { n }, (Self { username, .. }, _) => 1 }",
            "self.auth.as_ref().map(|Auth { username, .. }| 1)",
            "self.auth.is_some_and::<u8>(move |Auth { username, .. }| true)",
            "matches!(&self.user, User { username, .. } if true)",
        ] {
            assert_eq!(found(code), 1, "{code}");
        }
    }

    #[test]
    fn what_a_pattern_binds_straight_to_a_part_counts_for_it() {
        for code in [
            "let auth = &self.auth; f(auth.username)",
            "let Self { auth, .. } = self; f(auth.username)",
            "let Self { auth: a, .. } = self; f(a.username)",
            "let (auth, _) = &self.pair; auth.username",
            "if let Some(ref auth) = self.auth.as_ref() { auth.username }",
            "for auth in &self.auths { auth.username }",
            "match &self.auth { Some(auth) => auth.username, None => none }",
            "self.auth.as_ref().map(|auth| auth.username)",
            "let (username, _) = &self.pair;",
            "if let Some(username) = &self.session { }",
            "let username = &self.name;",
        ] {
            assert_eq!(found(code), 1, "{code}");
        }
    }

    #[test]
    fn what_is_no_field_of_a_root_is_left_out() {
        for code in [
            "self.username()",
            "self.username::<u8>()",
            "row.username",
            "rows[0].username",
            "find(self).username",
            "(find(self)).username",
            "rows.get::<User>().username",
            "Query { username: 1 }",
            "Self { username: name }",
            "let Row { username, .. } = row;",
            "if let Some(Row { username, .. }) = rows.first() { self.n }",
            "match row { Row { username, .. } => self.n }",
            "match self.kind { Kind::Full => Row { username }, _ if Row { username } == row => 1, _ => { Row { username } } }",
            "for Row { username, .. } in rows { self.n }",
            "rows.iter().map(|Row { username, .. }| self.n)",
            "let rows = self.rows(n).await; for row in rows { row.username }",
            "let owner = self.owner(n)?; owner.username",
            "let username = self.names.get(&n);",
            "let query = Query { username: 1, n: self.n }; query.username",
            "self.usernames",
            "other.self_.username",
            "..username",
        ] {
            assert_eq!(found(code), 0, "{code}");
        }
    }
}
