//! The value of `each`.

use proc_macro2::Ident;
use syn::{
    Token,
    ext::IdentExt,
    parse::{Parse, ParseStream},
};

/// `ids`, or `id in ids`: the argument that a call is of many of.
pub(crate) struct EachArg {
    /// What one of them is called.
    pub(crate) element: Option<Ident>,
    pub(crate) argument: Ident,
}

impl Parse for EachArg {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name = |input: ParseStream<'_>| {
            input.call(Ident::parse_any).map_err(|error| {
                let text = "`each` names the argument with the ids\nhelp: write `each = ids`, or `each = id in ids`";
                syn::Error::new(error.span(), text)
            })
        };
        let first = name(input)?;
        if !input.peek(Token![in]) {
            return Ok(Self {
                element: None,
                argument: first,
            });
        }
        input.parse::<Token![in]>()?;
        Ok(Self {
            element: Some(first),
            argument: name(input)?,
        })
    }
}
