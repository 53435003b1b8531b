//! The macros as functions of tokens. Apart from the crate's root, which must be a procedural macro's, so that `fuzz` can
//! include them.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

use crate::{
    args::{CachedArgs, InvalidatesArgs, ResourcesArgs},
    diag::Errors,
    expand, fallback,
    function::{Function, FunctionItem},
    lower,
    paths::with_runtime,
};

pub(crate) fn resources(input: TokenStream) -> TokenStream {
    let mut errors = Errors::new();
    let args = ResourcesArgs::parse(ungrouped(input), &mut errors);
    let registry = lower::registry(&args, &mut errors);
    let items = with_runtime(args.krate.as_ref(), || expand::registry(&registry));
    match errors.into_result() {
        Ok(()) => items,
        Err(error) => fallback::item(&items, &error),
    }
}

pub(crate) fn cached(args: TokenStream, item: TokenStream) -> TokenStream {
    let text = hash(&[&args, &item]);
    annotate("cached", item, |errors, target| {
        let args = CachedArgs::parse(ungrouped(args), errors);
        let model = lower::cached(&args, target?, errors)?;
        Some(move |block: TokenStream| with_runtime(args.krate.value(), || expand::cached(&model, text, &block)))
    })
}

/// The tokens without the invisible brackets that a surrounding macro puts around what it was given: around one word, one literal or
/// one path they mean nothing, and would be taken for something else.
fn ungrouped(tokens: TokenStream) -> TokenStream {
    tokens
        .into_iter()
        .map(|token| match token {
            TokenTree::Group(group) => {
                let inner = ungrouped(group.stream());
                if group.delimiter() == Delimiter::None && (is_one(&inner) || is_path(&inner)) {
                    return inner;
                }
                let mut outer = Group::new(group.delimiter(), inner);
                outer.set_span(group.span());
                TokenTree::from(outer).into()
            }
            token => TokenStream::from(token),
        })
        .collect()
}

fn is_one(tokens: &TokenStream) -> bool {
    tokens.clone().into_iter().nth(1).is_none()
}

fn is_path(tokens: &TokenStream) -> bool {
    syn::parse::Parser::parse2(syn::Path::parse_mod_style, tokens.clone()).is_ok()
}

/// FNV-1a over the tokens: the same in every build that has the same tokens.
fn hash(tokens: &[&TokenStream]) -> u64 {
    let text = tokens.iter().map(ToString::to_string).collect::<Vec<_>>().join("\0");
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

pub(crate) fn invalidates(args: TokenStream, item: TokenStream) -> TokenStream {
    annotate("invalidates", item, |errors, target| {
        let args = InvalidatesArgs::parse(ungrouped(args), errors);
        let target = target?;
        let model = with_runtime(args.krate.value(), || lower::invalidates(&args, target, errors));
        Some(move |block: TokenStream| with_runtime(args.krate.value(), || expand::invalidates(&model, &block)))
    })
}

/// Wraps the body of `item` in what `lower` gives; if anything is wrong, leaves it as it is and says all of it.
fn annotate<W: FnOnce(TokenStream) -> TokenStream>(
    attribute: &str,
    item: TokenStream,
    lower: impl FnOnce(&mut Errors, Option<&Function>) -> Option<W>,
) -> TokenStream {
    let mut errors = Errors::new();
    let function = syn::parse2::<FunctionItem>(item.clone()).map_err(|error| not_a_function(&error, attribute));
    let target = errors
        .keep(function)
        .and_then(|function| Function::new(function, attribute, &mut errors));
    let wrap = lower(&mut errors, target.as_ref());
    match errors.into_result() {
        Err(error) => fallback::item(&item, &error),
        Ok(()) => match (target, wrap) {
            (Some(target), Some(wrap)) => target.into_tokens(wrap),
            // Half typed: the compiler says what is missing.
            _ => item,
        },
    }
}

fn not_a_function(error: &syn::Error, attribute: &str) -> syn::Error {
    syn::Error::new(
        error.span(),
        format!("`#[{attribute}]` stands on an async function with a body: {error}"),
    )
}
