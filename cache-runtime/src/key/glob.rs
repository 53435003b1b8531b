//! Patterns with `*`, the only character with a meaning of its own: it matches any run of characters.

/// Whether `pattern` matches all of `text`. Usable in constants: the macros check patterns with it, at compile time.
pub(crate) const fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // Where to go on when the text after the last `*` does not match: that `*`, and one character more under it.
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        if p < pattern.len() && pattern[p] == b'*' {
            retry = Some((p, t + 1));
            p += 1;
        } else if p < pattern.len() && pattern[p] == text[t] {
            p += 1;
            t += 1;
        } else if let Some((star, next)) = retry {
            p = star + 1;
            t = next;
            retry = Some((star, next + 1));
        } else {
            return false;
        }
    }
    while p < pattern.len() && pattern[p] == b'*' {
        p += 1;
    }
    p == pattern.len()
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_matches_any_run_and_everything_else_itself() {
        for (pattern, text) in [
            ("dashboard_*", "dashboard_summary"),
            ("*", ""),
            ("*", "x"),
            ("a*b*c", "a-b-b-c"),
            ("", ""),
            ("*_list", "invoices_list"),
        ] {
            assert!(matches(pattern, text), "{pattern} should match {text}");
        }
        for (pattern, text) in [
            ("dashboard_*", "dashboards"),
            ("a*b", "a-b-c"),
            ("", "x"),
            ("[a-z]", "a"),
            ("?", "a"),
            ("abc", "ab"),
        ] {
            assert!(!matches(pattern, text), "{pattern} should not match {text}");
        }
    }
}
