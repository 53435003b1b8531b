//! How attributes name resources and groups: a text that is looked up in `crate::cache_resources`, or a path.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{
    LitStr, Path, Token,
    parse::{Parse, ParseStream},
    spanned::Spanned,
};

use crate::paths::{on, quiet};

/// `"invoices_list"`, `"dashboard_*"` or `some::path::name`.
pub(crate) enum Reference {
    Text(LitStr),
    /// A single word means the same as its text: what the compiler offers for a misspelt text is a word.
    Word(Ident),
    /// More than one word.
    Path(Path),
}

impl Parse for Reference {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(LitStr) {
            return input.parse().map(Self::Text);
        }
        let refuse = |span| {
            syn::Error::new(
                span,
                "expected the name of a resource\nhelp: write it in quotes (`\"invoices_list\"`), or give the path of a \
                 declared one (`some::module::invoices_list`)",
            )
        };
        let is_path = input.peek(syn::Ident)
            || input.peek(Token![crate])
            || input.peek(Token![self])
            || input.peek(Token![super])
            || input.peek(Token![::]);
        if !is_path {
            return Err(refuse(input.span()));
        }
        let path = input
            .call(Path::parse_mod_style)
            .map_err(|error| refuse(error.span()))?;
        Ok(path.get_ident().cloned().map_or(Self::Path(path), Self::Word))
    }
}

impl Reference {
    pub(crate) fn span(&self) -> Span {
        match self {
            Self::Text(text) => text.span(),
            Self::Word(word) => word.span(),
            Self::Path(path) => path.span(),
        }
    }

    /// What is named, without the path to it.
    pub(crate) fn name(&self) -> syn::Result<Ident> {
        match self {
            Self::Text(text) => resource_ident(&text.value(), text.span()),
            Self::Word(word) => Ok(word.clone()),
            Self::Path(path) => {
                let last = path.segments.last().map(|segment| segment.ident.clone());
                last.ok_or_else(|| syn::Error::new(path.span(), "expected a name"))
            }
        }
    }

    /// The text, if it is one and holds a `*`.
    pub(crate) fn pattern(&self) -> Option<&LitStr> {
        match self {
            Self::Text(text) if text.value().contains('*') => Some(text),
            _ => None,
        }
    }

    /// The path of the declared resource or group, every token of it on the user's own span.
    pub(crate) fn item(&self) -> syn::Result<TokenStream> {
        match self {
            Self::Path(path) => {
                let item = path.segments.last().map(|segment| &segment.ident);
                Ok(beside(path, item, path.span()))
            }
            Self::Text(text) => {
                let name = resource_ident(&text.value(), text.span())?;
                Ok(in_registry(&name, text.span()))
            }
            Self::Word(word) => Ok(in_registry(word, word.span())),
        }
    }

    /// The path of another item of the registry that declares it, its tokens on `span`.
    pub(crate) fn sibling(&self, item: &TokenStream, span: Span) -> TokenStream {
        match self {
            Self::Text(_) | Self::Word(_) => in_registry(item, span),
            Self::Path(path) => beside(path, item, span),
        }
    }
}

/// The path of an item in the module that this path leads into.
fn beside(path: &Path, item: impl ToTokens, span: Span) -> TokenStream {
    let leading = path.leading_colon;
    let modules = path.segments.iter().take(path.segments.len() - 1);
    let module = on(quote!(#leading #(#modules::)*), quiet(span));
    quote!(#module #item)
}

/// The path of an item in the module where names are looked up.
fn in_registry(item: impl ToTokens, span: Span) -> TokenStream {
    quote_spanned!(quiet(span)=> crate::cache_resources::#item)
}

/// `name` as an identifier, if it can be the name of a resource or a group.
pub(crate) fn resource_ident(name: &str, span: Span) -> syn::Result<Ident> {
    let ascii = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    match syn::parse_str::<Ident>(name) {
        Ok(mut ident) if ascii => {
            ident.set_span(span);
            Ok(ident)
        }
        _ => Err(syn::Error::new(
            span,
            format!(
                "`{name}` cannot name a resource or a group\nhelp: a name is a Rust identifier of ASCII letters, digits \
                 and `_`, such as `invoices_list`"
            ),
        )),
    }
}
