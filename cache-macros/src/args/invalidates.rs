//! The targets and options of `#[invalidates]`.

use proc_macro2::{Ident, TokenStream};
use syn::{
    Expr, LitStr, Path, Token,
    ext::IdentExt,
    parse::{Parse, ParseStream},
    punctuated::Punctuated,
    token,
};

use super::{
    Reference,
    options::{Opt, OptionTable, ScopeExpr, Slot, in_parentheses, read_all, separated},
};
use crate::diag::Errors;

/// The word for the condition of a target. No scope is called so.
pub(crate) const WHEN: &str = "when";

/// The word for a tag.
const TAG: &str = "tag";

/// What stands in `#[invalidates(...)]`.
pub(crate) struct InvalidatesArgs {
    pub(crate) targets: Vec<TargetArg>,
    /// Whether there is a target beside these, which has been refused.
    pub(crate) has_wrong_target: bool,
    pub(crate) on: Slot<OnArg>,
    pub(crate) detach: Slot<()>,
    pub(crate) soft: Slot<()>,
    pub(crate) tenant: Slot<Expr>,
    pub(crate) cache: Slot<Expr>,
    /// Where the runtime is.
    pub(crate) krate: Slot<Path>,
}

/// `"name"`, `"pattern_*"` or `path`, with scope values and a condition or without.
pub(crate) struct TargetArg {
    pub(crate) reference: Reference,
    pub(crate) scopes: Vec<ScopeExpr>,
    /// `when = condition` beside the scope values.
    pub(crate) when: Option<Expr>,
    /// Whether it is a tag: then the reference is its kind, and so is the name of its one scope.
    pub(crate) is_tag: bool,
}

/// When the invalidation happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnArg {
    Ok,
    Always,
}

impl OnArg {
    pub(crate) const fn is_always(self) -> bool {
        matches!(self, Self::Always)
    }
}

impl InvalidatesArgs {
    pub(crate) const OPTIONS: OptionTable<Self> = OptionTable(&[
        ("on", |args, option| {
            option.assign_with(&mut args.on, "on = \"always\"", on);
        }),
        ("detach", |args, option| option.flag(&mut args.detach)),
        ("soft", |args, option| option.flag(&mut args.soft)),
        ("tenant", |args, option| {
            option.assign(&mut args.tenant, "tenant = claims.tenant");
        }),
        ("cache", |args, option| {
            option.assign(&mut args.cache, "cache = self.cache");
        }),
        ("crate", |args, option| {
            option.assign_with(&mut args.krate, "crate = some::cache_runtime", Path::parse_mod_style);
        }),
    ]);

    /// Reads the targets and options. What is wrong goes to `errors`, what is right is kept.
    pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut args = Self {
            targets: Vec::new(),
            has_wrong_target: false,
            on: Slot::Absent,
            detach: Slot::Absent,
            soft: Slot::Absent,
            tenant: Slot::Absent,
            cache: Slot::Absent,
            krate: Slot::Absent,
        };
        read_all(tokens, errors, |input, errors| {
            separated(input, errors, |input, errors| {
                if is_option(input) {
                    args.option(Opt::parse(input, errors)?);
                } else {
                    let target = target(input, errors);
                    args.has_wrong_target |= target.is_err();
                    args.targets.push(target?);
                }
                Ok(())
            });
        });
        args
    }

    fn option(&mut self, option: Opt<'_, '_>) {
        if option.key == WHEN {
            option.misplaced("`when` is said of a target\nhelp: write `\"name\"(when = ...)`");
        } else {
            Self::OPTIONS.read(self, option);
        }
    }
}

/// Options are told from targets, which may be paths of one word, by their `=` or their name.
fn is_option(input: ParseStream<'_>) -> bool {
    let name = input.fork().call(Ident::parse_any).ok();
    name.is_some_and(|name| {
        input.peek2(Token![=])
            || (InvalidatesArgs::OPTIONS.names().any(|option| name == option) && !input.peek2(Token![::]))
    })
}

fn target(input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<TargetArg> {
    let word = input.fork().parse::<Ident>();
    if word.as_ref().is_ok_and(|word| word == TAG) && input.peek2(token::Paren) {
        input.parse::<Ident>()?;
        return tag(input, errors);
    }
    if let Ok(word) = word.as_ref()
        && (word == "scope" || word == "key" || word == "skip")
        && input.peek2(token::Paren)
    {
        return Err(syn::Error::new(
            word.span(),
            format!(
                "`{word}(...)` is an option of `#[cached]`\nhelp: a scope value stands after the name of what has it: `\"rooms\"(room)`"
            ),
        ));
    }
    let reference = input.parse()?;
    let values = if input.peek(token::Paren) {
        in_parentheses(input, ScopeExpr::parse)?
    } else {
        Vec::new()
    };
    let (scopes, when) = without_condition(values, errors);
    Ok(TargetArg {
        reference,
        scopes,
        when,
        is_tag: false,
    })
}

/// Reads what stands after `tag`: `("kind", value)`, `(kind = value)`, or `(kind)` of an argument of that name. A kind is named as
/// a resource is.
fn tag(input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<TargetArg> {
    let content;
    let parentheses = syn::parenthesized!(content in input);
    let refuse = |span| {
        syn::Error::new(
            span,
            "a tag has a kind and a value\nhelp: write `tag(\"author\", id)`, or `tag(author = id)`",
        )
    };
    let reference: Reference = content.parse().map_err(|_| {
        // What is left unread would be a second mistake.
        let _ = content.parse::<TokenStream>();
        refuse(parentheses.span.join())
    })?;
    let name = reference.name()?;
    let is_text = matches!(reference, Reference::Text(_));
    if let Ok(word) = content.parse::<Token![in]>() {
        // What is left unread would be a second mistake.
        content.parse::<TokenStream>()?;
        return Err(syn::Error::new(
            word.span,
            "a tag is given one value or a list of them\nhelp: write `=`",
        ));
    }
    let mut value = content
        .parse::<Option<Token![=]>>()?
        .map(|_| content.parse())
        .transpose()?;
    let is_separated = content.parse::<Option<Token![,]>>()?.is_some();
    if value.is_none() && is_separated && !content.is_empty() && !is_named(&content) {
        value = Some(content.parse()?);
        content.parse::<Option<Token![,]>>()?;
    }
    if value.is_none() && is_text {
        return Err(refuse(name.span()));
    }
    let rest = Punctuated::<ScopeExpr, Token![,]>::parse_terminated(&content)?;
    let (others, when) = without_condition(rest.into_iter().collect(), errors);
    if let Some(second) = others.first() {
        return Err(syn::Error::new(
            second.name.span(),
            "this is a second tag\nhelp: write a `tag(...)` for each",
        ));
    }
    Ok(TargetArg {
        reference,
        scopes: vec![ScopeExpr {
            name,
            value,
            several: None,
        }],
        when,
        is_tag: true,
    })
}

/// Whether `name = …` stands here.
fn is_named(input: ParseStream<'_>) -> bool {
    input.peek(Ident::peek_any) && input.peek2(Token![=]) && !input.peek2(Token![==])
}

/// The values but for `when`, and that.
fn without_condition(values: Vec<ScopeExpr>, errors: &mut Errors) -> (Vec<ScopeExpr>, Option<Expr>) {
    let (conditions, scopes): (Vec<_>, Vec<_>) = values.into_iter().partition(|value| value.name == WHEN);
    let mut when = None;
    for ScopeExpr { name, value, several } in conditions {
        match value {
            Some(_) if several.is_some() => {
                errors.at(name.span(), "`when` is one condition\nhelp: write `when = condition`");
            }
            None => errors.at(
                name.span(),
                "`when` is given without a value\nhelp: write `when = condition`",
            ),
            Some(_) if when.is_some() => errors.at(name.span(), "`when` is given twice\nhelp: join the two by `&&`"),
            Some(condition) => when = Some(condition),
        }
    }
    (scopes, when)
}

fn on(input: ParseStream<'_>) -> syn::Result<OnArg> {
    let refuse = |span| {
        syn::Error::new(
            span,
            "`on` is `\"ok\"` (after `Ok`, or after any return of a function without a `Result`) or `\"always\"` (after \
             `Err` too)",
        )
    };
    let text: LitStr = input.parse().map_err(|error: syn::Error| refuse(error.span()))?;
    match text.value().as_str() {
        "ok" => Ok(OnArg::Ok),
        "always" => Ok(OnArg::Always),
        _ => Err(refuse(text.span())),
    }
}
