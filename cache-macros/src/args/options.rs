//! The grammar that all options share: `name = value` and `name(values)`, separated by commas.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use syn::{
    Expr, Token,
    ext::IdentExt,
    parse::{End, Parse, ParseStream, Parser, Peek},
    punctuated::Punctuated,
    token,
};

use crate::diag::{Errors, did_you_mean_option, list};

/// An option.
#[derive(Default)]
pub(crate) enum Slot<T> {
    #[default]
    Absent,
    /// Given, and the value is wrong, which has been said.
    Wrong,
    Given(T),
}

impl<T> Slot<T> {
    pub(crate) const fn value(&self) -> Option<&T> {
        match self {
            Self::Given(value) => Some(value),
            Self::Absent | Self::Wrong => None,
        }
    }
}

/// What an option is given, and where its name stands.
pub(crate) struct Keyed<T> {
    pub(crate) key: Span,
    pub(crate) value: T,
}

impl<T> Slot<Vec<T>> {
    /// The values, none if the option is absent.
    pub(crate) fn values(&self) -> &[T] {
        self.value().map_or(&[], Vec::as_slice)
    }
}

/// The options that `A` is read from, each with what reads it: what is parsed, what messages list, and what the tests find in
/// the documents.
pub(crate) struct OptionTable<A: 'static>(pub(crate) &'static [(&'static str, Reader<A>)]);

type Reader<A> = fn(&mut A, Opt<'_, '_>);

impl<A> OptionTable<A> {
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> + Clone {
        self.0.iter().map(|(name, _)| *name)
    }

    /// Reads the value of the option, or refuses it because there is none of that name.
    pub(crate) fn read(&self, args: &mut A, option: Opt<'_, '_>) {
        match self.0.iter().find(|(name, _)| option.key == *name) {
            Some((_, read)) => read(args, option),
            None => option.refuse(self.names()),
        }
    }
}

/// One option, its name read and its value not yet.
pub(crate) struct Opt<'a, 'b> {
    pub(crate) key: Ident,
    input: ParseStream<'a>,
    errors: &'b mut Errors,
}

impl<'a, 'b> Opt<'a, 'b> {
    /// Reads the name of an option.
    pub(crate) fn parse(input: ParseStream<'a>, errors: &'b mut Errors) -> syn::Result<Self> {
        let key = input
            .call(Ident::parse_any)
            .map_err(|error| syn::Error::new(error.span(), "expected an option such as `ttl = 60`"))?;
        Ok(Self { key, input, errors })
    }

    /// Reads `= value`.
    pub(crate) fn assign<T: Parse>(self, slot: &mut Slot<T>, example: &str) {
        self.assign_with(slot, example, T::parse);
    }

    /// Reads `= value`, the value read by `parse`.
    pub(crate) fn assign_with<T>(
        self,
        slot: &mut Slot<T>,
        example: &str,
        parse: impl FnOnce(ParseStream<'_>) -> syn::Result<T>,
    ) {
        let input = self.input;
        let value = if input.peek(Token![=]) && !input.peek2(Token![,]) && !input.peek2(End) {
            input.parse::<Token![=]>().and_then(|_| parse(input))
        } else if input.peek(token::Paren) {
            Err(self.mistake("takes its value after `=`", example))
        } else {
            Err(self.mistake("is given without a value", example))
        };
        self.fill(slot, value);
    }

    /// Reads nothing more: the option is its name.
    pub(crate) fn flag(self, slot: &mut Slot<()>) {
        let value = self.nothing();
        self.fill(slot, value);
    }

    /// The same, where it matters where the name stands.
    pub(super) fn keyed_flag(self, slot: &mut Slot<Keyed<()>>) {
        let key = self.key.span();
        let value = self.nothing().map(|value| Keyed { key, value });
        self.fill(slot, value);
    }

    fn nothing(&self) -> syn::Result<()> {
        if self.is_alone() {
            Ok(())
        } else {
            Err(self.mistake("takes no value", &self.key.to_string()))
        }
    }

    /// Reads `= value`, or nothing more, which means `default`.
    pub(crate) fn flag_or_assign<T: Parse>(self, slot: &mut Slot<T>, default: T, example: &str) {
        if self.is_alone() {
            self.fill(slot, Ok(default));
        } else {
            self.assign(slot, example);
        }
    }

    pub(super) fn is_alone(&self) -> bool {
        self.input.is_empty() || self.input.peek(Token![,])
    }

    pub(super) fn is_followed_by(&self, token: impl Peek) -> bool {
        self.input.peek(token)
    }

    /// Reads nothing more, which means `value`.
    pub(super) fn keyed<T>(self, slot: &mut Slot<Keyed<T>>, value: T) {
        let key = self.key.span();
        self.fill(slot, Ok(Keyed { key, value }));
    }

    /// Reads `(value, value, ...)`.
    pub(crate) fn list<T: Parse>(self, slot: &mut Slot<Vec<T>>, example: &str) {
        self.list_with(slot, example, T::parse);
    }

    /// Reads `(value, value, ...)`, each value read by `parse`.
    pub(crate) fn list_with<T>(
        self,
        slot: &mut Slot<Vec<T>>,
        example: &str,
        parse: fn(ParseStream<'_>) -> syn::Result<T>,
    ) {
        self.list_as(slot, example, parse, Ok);
    }

    /// The same, the values made one by `build`.
    pub(super) fn list_as<T, V>(
        self,
        slot: &mut Slot<V>,
        example: &str,
        parse: fn(ParseStream<'_>) -> syn::Result<T>,
        build: impl FnOnce(Vec<T>) -> syn::Result<V>,
    ) {
        let value = if self.input.peek(token::Paren) {
            in_parentheses(self.input, parse).and_then(|values| {
                if values.is_empty() {
                    Err(self.mistake("is given without a value", example))
                } else {
                    build(values)
                }
            })
        } else {
            Err(self.mistake("takes its values in parentheses", example))
        };
        self.fill(slot, value);
    }

    /// Refuses the option, because there is none of that name.
    fn refuse(self, accepted: impl Iterator<Item = &'static str> + Clone) {
        let name = self.key.to_string();
        let text = format!(
            "there is no option `{name}` here; the options are {}{}",
            list(accepted.clone()),
            did_you_mean_option(&name, accepted),
        );
        self.errors.at(self.key.span(), text);
        skip_to_comma(self.input);
    }

    /// Refuses the option, because it stands in the wrong place.
    pub(crate) fn misplaced(self, text: &str) {
        self.errors.at(self.key.span(), text);
        skip_to_comma(self.input);
    }

    fn mistake(&self, what: &str, example: &str) -> syn::Error {
        syn::Error::new(
            self.key.span(),
            format!("`{}` {what}\nhelp: write `{example}`", self.key),
        )
    }

    fn fill<T>(self, slot: &mut Slot<T>, value: syn::Result<T>) {
        let Self { key, input, errors } = self;
        if !matches!(slot, Slot::Absent) {
            errors.at(key.span(), format!("`{key}` is given twice\nhelp: keep one of the two"));
        }
        *slot = match value {
            Ok(value) => Slot::Given(value),
            Err(error) => {
                errors.push(error);
                skip_to_comma(input);
                Slot::Wrong
            }
        };
    }
}

/// Reads everything that is left of `input` as elements separated by commas. After a mistake in one of them the reading
/// goes on with the next.
pub(crate) fn separated(
    input: ParseStream<'_>,
    errors: &mut Errors,
    mut element: impl FnMut(ParseStream<'_>, &mut Errors) -> syn::Result<()>,
) {
    while !input.is_empty() {
        if let Err(error) = element(input, errors) {
            errors.push(error);
            skip_to_comma(input);
        }
        if !input.is_empty() && input.parse::<Token![,]>().is_err() {
            errors.at(input.span(), "expected `,`");
            skip_to_comma(input);
            // There is one, or the input is at its end.
            let _ = input.parse::<Token![,]>();
        }
    }
}

/// Reads `(value, value, ...)`.
pub(crate) fn in_parentheses<T>(
    input: ParseStream<'_>,
    parse: fn(ParseStream<'_>) -> syn::Result<T>,
) -> syn::Result<Vec<T>> {
    let content;
    syn::parenthesized!(content in input);
    let values = Punctuated::<T, Token![,]>::parse_terminated_with(&content, parse);
    if values.is_err() {
        // What is left unread would be a second mistake.
        content.parse::<TokenStream>()?;
    }
    Ok(values?.into_iter().collect())
}

/// Reads all of `tokens` with `parser`, which puts mistakes into the errors it is given.
pub(crate) fn read_all(tokens: TokenStream, errors: &mut Errors, parser: impl FnOnce(ParseStream<'_>, &mut Errors)) {
    let read = |input: ParseStream<'_>| {
        parser(input, errors);
        Ok(())
    };
    // Usually a repetition: that a value with a mistake in it was not read to its end.
    if let Err(error) = read.parse2(tokens)
        && errors.is_empty()
    {
        errors.push(error);
    }
}

fn skip_to_comma(input: ParseStream<'_>) {
    while !input.peek(Token![,]) && input.parse::<TokenTree>().is_ok() {}
}

/// Reads the name of a scope, or of a parameter that is given to one.
pub(crate) fn scope_name(input: ParseStream<'_>) -> syn::Result<Ident> {
    let name = input.call(Ident::parse_any)?;
    let is_name = |text: &str| syn::parse_str::<Ident>(text).is_ok();
    let text = name.to_string();
    if is_name(&text) {
        return Ok(name);
    }
    let raw = format!("r#{text}");
    let or_raw = if is_name(&raw) {
        format!(", or write `{raw}`")
    } else {
        String::new()
    };
    Err(syn::Error::new(
        name.span(),
        format!("`{text}` cannot name a scope: it is a keyword of Rust\nhelp: choose another name{or_raw}"),
    ))
}

/// `name`, `name = expr`, or `name in expr`: a scope value, or several.
pub(crate) struct ScopeExpr {
    pub(crate) name: Ident,
    pub(crate) value: Option<Expr>,
    /// The `in` before several.
    pub(crate) several: Option<Token![in]>,
}

impl Parse for ScopeExpr {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name = scope_name(input)?;
        let several: Option<Token![in]> = input.parse()?;
        let value = if several.is_some() {
            Some(input.parse()?)
        } else {
            input.parse::<Option<Token![=]>>()?.map(|_| input.parse()).transpose()?
        };
        Ok(Self { name, value, several })
    }
}
