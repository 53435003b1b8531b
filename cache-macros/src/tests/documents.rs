//! The options that the macros know, beside those of the tables in their rustdoc and in `docs/options.md`.

use std::collections::BTreeSet;

use crate::args::{CachedArgs, InvalidatesArgs, ResourceArgs};

const RUSTDOC: &str = include_str!("../lib.rs");
const BOOK: &str = include_str!("../../../docs/options.md");

#[test]
fn every_option_of_resources_is_documented_and_no_other() {
    // `crate` stands before the declarations, and is read there.
    let known = ResourceArgs::OPTIONS.names().chain(["crate"]);
    assert_documented(known, "pub fn resources(", "## `resources!`");
}

#[test]
fn every_option_of_cached_is_documented_and_no_other() {
    assert_documented(CachedArgs::OPTIONS.names(), "pub fn cached(", "## `#[cached(...)]`");
}

#[test]
fn every_option_of_invalidates_is_documented_and_no_other() {
    let known = InvalidatesArgs::OPTIONS.names();
    assert_documented(known, "pub fn invalidates(", "## `#[invalidates(...)]`");
}

fn assert_documented(known: impl Iterator<Item = &'static str>, function: &str, heading: &str) {
    let known: BTreeSet<_> = known.collect();
    for (place, text) in [
        ("its rustdoc", documentation_of(function)),
        ("docs/options.md", section(heading)),
    ] {
        let documented = options(&text);
        let missing: Vec<_> = known.difference(&documented).collect();
        let unknown: Vec<_> = documented.difference(&known).collect();
        assert!(
            missing.is_empty() && unknown.is_empty(),
            "{heading}: {place} lacks the options {missing:?}, and the macro has no {unknown:?}"
        );
    }
}

/// The doc comment above a function of the crate's root.
fn documentation_of(function: &str) -> String {
    let (above, _) = RUSTDOC.split_once(function).expect("the function is there");
    let mut lines: Vec<_> = above
        .lines()
        .rev()
        .skip_while(|line| !line.starts_with("///"))
        .map_while(|line| line.strip_prefix("///"))
        .map(str::trim_start)
        .collect();
    lines.reverse();
    lines.join("\n")
}

/// What stands below a heading of the book, up to the next of its kind.
fn section(heading: &str) -> String {
    let below = BOOK.lines().skip_while(|line| *line != heading).skip(1);
    let lines: Vec<_> = below.take_while(|line| !line.starts_with("## ")).collect();
    assert!(!lines.is_empty(), "docs/options.md has a section {heading}");
    lines.join("\n")
}

/// What stands first in the rows of the tables that have a column of options.
fn options(text: &str) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    let mut is_of_options = false;
    for line in text.lines() {
        let Some(row) = line.strip_prefix('|') else {
            is_of_options = false;
            continue;
        };
        let cell = row.split('|').next().unwrap_or_default().trim();
        if cell == "option" {
            is_of_options = true;
        } else if let Some(code) = cell.strip_prefix('`').filter(|_| is_of_options) {
            let end = code.find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
            found.insert(&code[..end.unwrap_or(code.len())]);
        }
    }
    found
}
