//! `table` declarations: tables of a database, and what their changes invalidate.

use proc_macro2::{Ident, Span};
use syn::{
    LitStr, Token,
    ext::IdentExt,
    parse::{Parse, ParseStream},
    token,
};

use super::{
    options::{in_parentheses, scope_name},
    resources::MemberName,
};
use crate::uses::unraw;

/// `table name(tenant = column) => targets;`.
pub(crate) struct TableArgs {
    pub(crate) name: TableName,
    /// The column that says whose a row is.
    pub(crate) tenant: Option<Column>,
    pub(crate) targets: Vec<TableTargetArg>,
}

/// `name`, `schema.name`, or either part in quotes.
pub(crate) struct TableName {
    pub(crate) schema: Option<String>,
    pub(crate) name: String,
    pub(crate) span: Span,
}

impl TableName {
    /// As it is written in a declaration.
    pub(crate) fn spelt(&self) -> String {
        match &self.schema {
            Some(schema) => format!("{schema}.{}", self.name),
            None => self.name.clone(),
        }
    }
}

/// The name of a column.
#[derive(Clone)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) span: Span,
}

/// What a change of a table invalidates.
pub(crate) enum TableTargetArg {
    /// `name(scope = column)`, in quotes or not, or a pattern.
    Resources { name: MemberName, scopes: Vec<ColumnScope> },
    /// `tag(kind = column)`.
    Tag(ColumnScope),
}

/// `scope = column`; `scope` alone is a column of that name.
pub(crate) struct ColumnScope {
    pub(crate) name: Ident,
    pub(crate) column: Column,
}

/// Reads what stands after the word `table`, which `word` is.
pub(super) fn table(word: &Ident, input: ParseStream<'_>) -> syn::Result<TableArgs> {
    let name = TableName::parse(word, input)?;
    let spelt = name.spelt();
    let tenant = if input.peek(token::Paren) { tenant(input)? } else { None };
    let refuse = |span| {
        let text = format!(
            "expected what changes of the table `{spelt}` invalidate\nhelp: write `table {spelt} => resource(scope = column), \
             \"pattern_*\";`"
        );
        syn::Error::new(span, text)
    };
    input.parse::<Token![=>]>().map_err(|_| refuse(name.span))?;
    let mut targets = Vec::new();
    while !input.peek(Token![;]) {
        if !(input.peek(LitStr) || input.peek(syn::Ident)) {
            return Err(refuse(input.span()));
        }
        targets.push(input.parse()?);
        if !input.peek(Token![;]) {
            input.parse::<Token![,]>().map_err(|error| {
                let text = "expected `,` before what else is invalidated, or `;` after the last";
                syn::Error::new(error.span(), text)
            })?;
        }
    }
    if targets.is_empty() {
        return Err(refuse(name.span));
    }
    input.parse::<Token![;]>()?;
    Ok(TableArgs { name, tenant, targets })
}

impl TableName {
    fn parse(word: &Ident, input: ParseStream<'_>) -> syn::Result<Self> {
        let refuse = |span| {
            let text = "expected the name of a table\nhelp: write `table invoices => ...;`, `table accounting.invoices => ...;`, or \
                        put a name in quotes that is no Rust identifier";
            syn::Error::new(span, text)
        };
        if input.is_empty() {
            return Err(refuse(word.span()));
        }
        let part = |input: ParseStream<'_>| {
            let part = name(input).map_err(|error| refuse(error.span()))?;
            if let Some((schema, name)) = part.name.split_once('.') {
                let text = format!("a schema and a table are named apart\nhelp: write `table {schema}.{name} => ...;`");
                return Err(syn::Error::new(part.span, text));
            }
            Ok(part)
        };
        let first = part(input)?;
        if !input.peek(Token![.]) {
            return Ok(Self {
                schema: None,
                name: first.name,
                span: first.span,
            });
        }
        input.parse::<Token![.]>()?;
        let second = part(input)?;
        Ok(Self {
            schema: Some(first.name),
            name: second.name,
            span: second.span,
        })
    }
}

impl Parse for Column {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        name(input)
    }
}

impl Parse for TableTargetArg {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(LitStr) {
            let text: LitStr = input.parse()?;
            let name = if text.value().contains('*') {
                MemberName::Pattern(text)
            } else {
                MemberName::Name(super::resource_ident(&text.value(), text.span())?)
            };
            return Ok(Self::Resources {
                name,
                scopes: scopes(input)?,
            });
        }
        let word: Ident = input.parse()?;
        if word == "tag" && input.peek(token::Paren) {
            let mut kinds = scopes(input)?;
            return match (kinds.pop(), kinds.is_empty()) {
                (Some(kind), true) => Ok(Self::Tag(kind)),
                _ => Err(syn::Error::new(
                    word.span(),
                    "a tag is one kind with the column that has its values\nhelp: write `tag(kind = column)`",
                )),
            };
        }
        Ok(Self::Resources {
            name: MemberName::Name(word),
            scopes: scopes(input)?,
        })
    }
}

impl Parse for ColumnScope {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let scope = scope_name(input)?;
        let refuse = |span| {
            let text = "a scope is given a column of the table here\nhelp: write `scope = column`, or `scope` for a column of that name";
            syn::Error::new(span, text)
        };
        let column = match input.parse::<Option<Token![=]>>()? {
            Some(_) => name(input).map_err(|error| refuse(error.span()))?,
            None => Column {
                name: unraw(&scope),
                span: scope.span(),
            },
        };
        if !(input.is_empty() || input.peek(Token![,])) {
            return Err(refuse(input.span()));
        }
        Ok(Self { name: scope, column })
    }
}

/// A name of the database: a word, whatever it means in Rust, or a text.
fn name(input: ParseStream<'_>) -> syn::Result<Column> {
    let (name, span) = if input.peek(LitStr) {
        let text: LitStr = input.parse()?;
        (text.value(), text.span())
    } else {
        let word = input.call(Ident::parse_any)?;
        (unraw(&word), word.span())
    };
    if name.is_empty() || name.contains('\0') {
        return Err(syn::Error::new(span, "a name has at least one character"));
    }
    Ok(Column { name, span })
}

fn scopes(input: ParseStream<'_>) -> syn::Result<Vec<ColumnScope>> {
    if input.peek(token::Paren) {
        in_parentheses(input, ColumnScope::parse)
    } else {
        Ok(Vec::new())
    }
}

/// Reads `(tenant = column)`.
fn tenant(input: ParseStream<'_>) -> syn::Result<Option<Column>> {
    let refuse = |span| {
        let text = "the only option of a table is `tenant`, the column that says whose a row is\nhelp: write `(tenant = tenant_id)`; \
                    scopes are given their columns after `=>`";
        syn::Error::new(span, text)
    };
    let span = input.span();
    let mut options = in_parentheses(input, ColumnScope::parse)?;
    match (options.pop(), options.is_empty()) {
        (Some(option), true) if option.name == "tenant" => Ok(Some(option.column)),
        (Some(option), _) => Err(refuse(option.name.span())),
        (None, _) => Err(refuse(span)),
    }
}
