//! The options of `#[cached]`.

use std::time::Duration;

use proc_macro2::{Ident, Span, TokenStream};
use syn::{
    Expr, ExprClosure, ExprLit, Lit, LitInt, LitStr, Path, Token,
    ext::IdentExt,
    parse::{Parse, ParseStream},
    spanned::Spanned,
};

use super::{
    EachArg, Reference,
    options::{Keyed, Opt, OptionTable, ScopeExpr, Slot, read_all, separated},
    policies::{Place, PolicyArgs},
    resources::ResourceArgs,
};
use crate::{
    diag::{Errors, did_you_mean},
    duration::DurationExpr,
};

/// `lease` without a value.
const LEASE: Duration = Duration::from_secs(2);

/// What stands in `#[cached(...)]`.
pub(crate) struct CachedArgs {
    pub(crate) resource: Slot<Reference>,
    pub(crate) ttl: Slot<TtlArg>,
    pub(crate) skip: Slot<Vec<Ident>>,
    /// As `skip`, of what the result does not depend on although the body looks at it.
    pub(crate) independent: Slot<Vec<Ident>>,
    pub(crate) key: Slot<Vec<KeyExpr>>,
    pub(crate) scope: Slot<Vec<ScopeExpr>>,
    pub(crate) tags: Slot<Vec<ScopeExpr>>,
    pub(crate) tenant: Slot<Expr>,
    pub(crate) cache: Slot<Expr>,
    pub(crate) when: Slot<Expr>,
    pub(crate) unless: Slot<Expr>,
    pub(crate) near: Slot<NearArg>,
    pub(crate) lease: Slot<DurationExpr>,
    pub(crate) codec: Slot<CodecArg>,
    pub(crate) verify: Slot<f64>,
    pub(crate) policies: PolicyArgs,
    pub(crate) cache_err: Slot<Keyed<Expr>>,
    pub(crate) version: Slot<u32>,
    pub(crate) each: Slot<EachArg>,
    /// Where the runtime is.
    pub(crate) krate: Slot<Path>,
}

impl CachedArgs {
    pub(crate) const OPTIONS: OptionTable<Self> = OptionTable(&[
        ("resource", |args, option| {
            option.assign(&mut args.resource, "resource = \"invoices_list\"");
        }),
        ("ttl", |args, option| option.assign(&mut args.ttl, "ttl = 60")),
        ("skip", |args, option| {
            option.list_with(&mut args.skip, "skip(db)", argument);
        }),
        ("independent", |args, option| {
            option.list_with(&mut args.independent, "independent(user)", argument);
        }),
        ("key", |args, option| option.list(&mut args.key, "key(filter.page)")),
        ("scope", |args, option| option.list(&mut args.scope, "scope(company)")),
        ("tags", |args, option| {
            option.list(&mut args.tags, "tags(author = result.authors)");
        }),
        ("tenant", |args, option| {
            option.assign(&mut args.tenant, "tenant = claims.tenant");
        }),
        ("cache", |args, option| {
            option.assign(&mut args.cache, "cache = self.cache");
        }),
        ("when", |args, option| option.assign(&mut args.when, "when = page < 10")),
        ("unless", |args, option| {
            let example = "unless = |value| value.is_empty()";
            option.assign_with(&mut args.unless, example, |input| {
                closure(
                    input,
                    "`unless` takes a closure or a function that looks at the value",
                    example,
                )
            });
        }),
        ("near", |args, option| {
            option.assign(&mut args.near, "near = \"tracked\"");
        }),
        ("lease", |args, option| {
            option.flag_or_assign(&mut args.lease, DurationExpr::Fixed(LEASE), "lease = \"2s\"");
        }),
        ("codec", |args, option| {
            option.assign(&mut args.codec, "codec = \"postcard\"");
        }),
        ("verify", |args, option| {
            option.assign_with(&mut args.verify, "verify = 0.01", share);
        }),
        ("stale_while_revalidate", |args, option| {
            args.policies.read_stale_while_revalidate(option, Place::Attribute);
        }),
        ("stale_if_error", |args, option| {
            args.policies.read_stale_if_error(option);
        }),
        ("load_timeout", |args, option| {
            args.policies.read_load_timeout(option, Place::Attribute);
        }),
        ("refresh_ahead", |args, option| {
            args.policies.read_refresh_ahead(option, Place::Attribute);
        }),
        ("jitter", |args, option| args.policies.read_jitter(option)),
        ("negative_ttl", |args, option| args.policies.read_negative_ttl(option)),
        ("cache_err", |args, option| {
            let example = "cache_err = |error| error.is_not_found()";
            let key = option.key.span();
            option.assign_with(&mut args.cache_err, example, |input| {
                let text = "`cache_err` takes a closure or a function that looks at the error";
                let value = closure(input, text, example)?;
                Ok(Keyed { key, value })
            });
        }),
        ("version", |args, option| {
            option.assign_with(&mut args.version, "version = 2", version);
        }),
        ("each", |args, option| option.assign(&mut args.each, "each = ids")),
        ("crate", |args, option| {
            option.assign_with(&mut args.krate, "crate = some::cache_runtime", Path::parse_mod_style);
        }),
    ]);

    /// Reads the options. What is wrong goes to `errors`, what is right is kept.
    pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut args = Self {
            resource: Slot::Absent,
            ttl: Slot::Absent,
            skip: Slot::Absent,
            independent: Slot::Absent,
            key: Slot::Absent,
            scope: Slot::Absent,
            tags: Slot::Absent,
            tenant: Slot::Absent,
            cache: Slot::Absent,
            when: Slot::Absent,
            unless: Slot::Absent,
            near: Slot::Absent,
            lease: Slot::Absent,
            codec: Slot::Absent,
            verify: Slot::Absent,
            policies: PolicyArgs::default(),
            cache_err: Slot::Absent,
            version: Slot::Absent,
            each: Slot::Absent,
            krate: Slot::Absent,
        };
        read_all(tokens, errors, |input, errors| {
            separated(input, errors, |input, errors| {
                let option = Opt::parse(input, errors)?;
                if is_of_resources_alone(&option.key) {
                    let text = format!(
                        "`{}` is said of a resource, and holds for all of its functions\nhelp: write it where the resource is \
                         declared, in `resources!`",
                        option.key
                    );
                    option.misplaced(&text);
                } else {
                    Self::OPTIONS.read(&mut args, option);
                }
                Ok(())
            });
        });
        args
    }
}

/// Whether there is an option of this name in `resources!` only.
fn is_of_resources_alone(key: &Ident) -> bool {
    let is_key = |name: &str| key == name;
    ResourceArgs::OPTIONS.names().any(is_key) && !CachedArgs::OPTIONS.names().any(is_key)
}

/// The value of `ttl`.
pub(crate) enum TtlArg {
    Duration(DurationExpr),
    /// A closure: from the value.
    OfValue(Box<Expr>),
}

impl Parse for TtlArg {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let is_closure = input.peek(Token![|]) || input.peek(Token![||]) || input.peek(Token![move]);
        if !is_closure {
            return input.parse().map(Self::Duration);
        }
        let closure: ExprClosure = input.parse()?;
        if closure.inputs.len() == 1 {
            Ok(Self::OfValue(Box::new(Expr::Closure(closure))))
        } else {
            let text = "the closure of `ttl` is given the value that is stored\nhelp: write `ttl = |value| ...`";
            Err(syn::Error::new_spanned(closure, text))
        }
    }
}

/// The value of `near`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum NearArg {
    Tracked,
    Checked,
    Off,
}

impl Parse for NearArg {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let refuse = |span| {
            syn::Error::new(
                span,
                "`near` is `\"tracked\"` (the store reports what changes, no round trip), `\"checked\"` (the stamps are asked \
                 on every call) or `\"off\"`",
            )
        };
        let value: LitStr = input.parse().map_err(|error: syn::Error| refuse(error.span()))?;
        match value.value().as_str() {
            "tracked" => Ok(Self::Tracked),
            "checked" => Ok(Self::Checked),
            "off" => Ok(Self::Off),
            _ => Err(refuse(value.span())),
        }
    }
}

/// The value of `codec`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum CodecName {
    Json,
    Packed,
    Postcard,
}

/// A codec, and where it is named.
pub(crate) struct CodecArg {
    pub(crate) name: CodecName,
    pub(crate) span: Span,
}

impl Parse for CodecArg {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        const ACCEPTED: &str = "`codec` is `\"packed\"` (the default), `\"json\"` (for who else reads along) \
                                or `\"postcard\"` (the smallest, and the slowest to store)";
        let value: LitStr = input
            .parse()
            .map_err(|error: syn::Error| syn::Error::new(error.span(), ACCEPTED))?;
        let span = value.span();
        let name = match value.value().as_str() {
            "json" => CodecName::Json,
            "packed" => CodecName::Packed,
            "postcard" => CodecName::Postcard,
            other => {
                let near = did_you_mean(other, ["json", "packed", "postcard"]);
                return Err(syn::Error::new(span, format!("{ACCEPTED}{near}")));
            }
        };
        Ok(Self { name, span })
    }
}

/// `expr` or `name = expr`: a part of the key.
pub(crate) struct KeyExpr {
    pub(crate) name: Option<Ident>,
    pub(crate) value: Expr,
}

impl Parse for KeyExpr {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        // `name = expr` is also an assignment expression, so the name has to be looked for first.
        let named = input.peek(syn::Ident) && input.peek2(Token![=]) && !input.peek2(Token![==]);
        let name = if named {
            let name = input.parse()?;
            input.parse::<Token![=]>()?;
            Some(name)
        } else {
            None
        };
        Ok(Self {
            name,
            value: input.parse()?,
        })
    }
}

/// The name of an argument.
fn argument(input: ParseStream<'_>) -> syn::Result<Ident> {
    if let Ok(text) = input.fork().parse::<LitStr>() {
        let name = text.value();
        return Err(syn::Error::new(
            text.span(),
            format!("an argument is named without quotes\nhelp: write `{name}`"),
        ));
    }
    input.call(Ident::parse_any)
}

/// A closure, or an expression that is something like one.
fn closure(input: ParseStream<'_>, expected: &str, example: &str) -> syn::Result<Expr> {
    let expr: Expr = input.parse()?;
    match expr {
        Expr::Lit(_) => {
            let text = format!("{expected}\nhelp: write `{example}`");
            Err(syn::Error::new_spanned(expr, text))
        }
        expr => Ok(expr),
    }
}

/// A part of all hits.
fn share(input: ParseStream<'_>) -> syn::Result<f64> {
    let refuse = |span| {
        let text = "`verify` is the part of the hits that are looked up anew, a number above 0 and at most 1\nhelp: write `verify = 0.01` \
                    for one in a hundred, or leave `verify` out";
        syn::Error::new(span, text)
    };
    let expr: Expr = input.parse()?;
    let number = match &expr {
        Expr::Lit(ExprLit {
            lit: Lit::Float(float), ..
        }) => float.base10_parse::<f64>(),
        Expr::Lit(ExprLit { lit: Lit::Int(int), .. }) => int.base10_parse::<u32>().map(f64::from),
        _ => return Err(refuse(expr.span())),
    };
    match number {
        Ok(number) if number > 0.0 && number <= 1.0 => Ok(number),
        _ => Err(refuse(expr.span())),
    }
}

fn version(input: ParseStream<'_>) -> syn::Result<u32> {
    let refuse = |error: &syn::Error| {
        syn::Error::new(
            error.span(),
            "`version` takes a whole number up to 4294967295\nhelp: write `version = 2`",
        )
    };
    input
        .parse::<LitInt>()
        .and_then(|number| number.base10_parse())
        .map_err(|error| refuse(&error))
}
