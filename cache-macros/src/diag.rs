//! Collects the mistakes of one attribute, so that the user sees all of them at once.

use std::fmt::Display;

use proc_macro2::Span;

/// The mistakes found so far.
#[must_use]
pub(crate) struct Errors(Option<syn::Error>);

impl Errors {
    pub(crate) fn new() -> Self {
        Self(None)
    }

    /// Adds a mistake at `span`.
    pub(crate) fn at(&mut self, span: Span, message: impl Display) {
        self.push(syn::Error::new(span, message));
    }

    /// Adds a mistake that somebody else has worded.
    pub(crate) fn push(&mut self, error: syn::Error) {
        match &mut self.0 {
            Some(all) => all.combine(error),
            None => self.0 = Some(error),
        }
    }

    /// The value, if there is one; else the mistake is added.
    pub(crate) fn keep<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// All mistakes as one error, unless there was none.
    pub(crate) fn into_result(self) -> syn::Result<()> {
        self.0.map_or(Ok(()), Err)
    }
}

/// A `help:` line for the nearest of `candidates`, or nothing.
pub(crate) fn did_you_mean<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(wanted, candidates).map_or_else(String::new, |near| format!("\nhelp: did you mean `{near}`?"))
}

/// The same; else for those that have `wanted` among their words, or for the one that it is the initials of.
pub(crate) fn did_you_mean_option<'a>(wanted: &str, options: impl IntoIterator<Item = &'a str> + Clone) -> String {
    if nearest(wanted, options.clone()).is_some() {
        return did_you_mean(wanted, options);
    }
    let initials = |option: &str| {
        option
            .split('_')
            .filter_map(|word| word.chars().next())
            .collect::<String>()
    };
    let is_meant = |option: &&str| {
        let is_word = option.contains('_') && option.split('_').any(|word| word == wanted);
        is_word || wanted.len() > 1 && initials(option) == wanted
    };
    let meant: Vec<&str> = options.into_iter().filter(is_meant).collect();
    match &meant[..] {
        [] => String::new(),
        [one] => format!("\nhelp: did you mean `{one}`?"),
        several => format!("\nhelp: did you mean one of {}?", list(several.iter().copied())),
    }
}

/// The nearest of `candidates`, unless more than a third of `wanted` would have to change.
pub(crate) fn nearest<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(wanted, candidate), candidate))
        .filter(|(distance, _)| *distance <= wanted.len() / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `a`, `b` and `c`, each in backquotes.
pub(crate) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match names.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}
