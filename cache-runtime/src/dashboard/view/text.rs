//! Text of others, so that it shows what it is.

use std::borrow::Cow;

use maud::{Markup, html};

/// The longest that a cell shows, in characters.
const CELL: usize = 160;

/// Characters that are not seen, or that move others: they stand there as Rust writes them. What the text means, and what it does to a
/// page, is then the same.
pub(in crate::dashboard) fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unseen) {
        return Cow::Borrowed(text);
    }
    let mut visible = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_unseen(character) {
            visible.extend(character.escape_unicode());
        } else {
            visible.push(character);
        }
    }
    visible.into()
}

/// As [`visible`], of a text of several lines.
pub(in crate::dashboard) fn lines(text: &str) -> String {
    let lines = text
        .split('\n')
        .map(|line| visible(line.strip_suffix('\r').unwrap_or(line)));
    lines.collect::<Vec<_>>().join("\n")
}

/// A key, a tenant, a value of a scope: in a cell, cut if it is very long, with the whole of it as its title.
pub(in crate::dashboard) fn code(text: &str) -> Markup {
    let shown = visible(text);
    html! {
        @match shown.char_indices().nth(CELL) {
            Some((end, _)) => code title=(visible(cut(text, 1000))) { (shown[..end]) "…" },
            None => code { (shown) },
        }
    }
}

/// Sentences with code between backticks.
pub(in crate::dashboard) fn prose(text: &str) -> Markup {
    let text = lines(text);
    html! {
        @for (i, part) in text.split('`').enumerate() {
            @if i % 2 == 0 { (part) } @else { code { (part) } }
        }
    }
}

/// At most so many characters of it.
pub(in crate::dashboard) fn cut(text: &str, characters: usize) -> &str {
    text.char_indices()
        .nth(characters)
        .map_or(text, |(end, _)| &text[..end])
}

/// The type and the name of a function, of its path.
pub(in crate::dashboard) fn function_name(path: &str) -> String {
    let Some((owner, name)) = path.rsplit_once("::") else {
        return path.to_owned();
    };
    let of_impl = owner.rfind("<impl ").map(|at| &owner[at + "<impl ".len()..]);
    let owner = of_impl.or_else(|| owner.strip_prefix('<')).unwrap_or(owner);
    let owner = owner.split_once(" as ").map_or(owner, |(owner, _)| owner);
    let owner = owner.rsplit_once(" for ").map_or(owner, |(_, owner)| owner);
    let owner = owner.split(['<', '>']).next().unwrap_or(owner);
    let owner = owner.rsplit("::").next().unwrap_or(owner);
    format!("{owner}::{name}")
}

fn is_unseen(character: char) -> bool {
    let moves_others = matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}');
    let marks = matches!(character, '\u{61c}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    (character.is_control() && character != '\t') || moves_others || marks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_is_written_out() {
        assert_eq!(visible("a\u{202e}b\0c\u{1b}[31m"), "a\\u{202e}b\\u{0}c\\u{1b}[31m");
        assert_eq!(visible("Größe 5 µm\tok"), "Größe 5 µm\tok");
        assert_eq!(lines("a\r\nb\n\u{7}"), "a\nb\n\\u{7}");
    }

    #[test]
    fn a_function_is_named_by_its_type_however_its_path_is_written() {
        for (path, name) in [
            ("a::b::Service::list", "Service::list"),
            ("a::b::<impl a::c::Service>::list", "Service::list"),
            ("a::b::<impl a::c::Service<T>>::list", "Service::list"),
            ("<a::Service as a::Port>::list", "Service::list"),
            ("a::b::<impl a::Port for a::Service>::list", "Service::list"),
            ("a::books::list", "books::list"),
            ("list", "list"),
        ] {
            assert_eq!(function_name(path), name, "{path}");
        }
    }

    #[test]
    fn a_cell_is_never_long_and_never_markup() {
        let shown = code(&"<b>\"'&".repeat(1000)).into_string();
        assert!(!shown.contains("<b>"), "{shown}");
        assert!(shown.len() < 8000, "{}", shown.len());
    }
}
