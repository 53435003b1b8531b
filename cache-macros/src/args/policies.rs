//! The options about how fresh results are, which a declaration and an attribute share.

use proc_macro2::{Ident, Span};
use syn::{
    Expr, ExprLit, Lit, LitStr, Token,
    ext::IdentExt,
    parse::{Parse, ParseStream},
    spanned::Spanned,
    token,
};

use super::options::{Keyed, Opt, Slot};
use crate::{diag::did_you_mean, duration::DurationExpr};

const TIMEOUTS: &str = "load_timeout(soft = \"200ms\", hard = \"5s\")";

/// `refresh_ahead` without a value: what the authors of `XFetch` found best.
const BETA: f64 = 1.0;

/// The options about how fresh results are.
#[derive(Default)]
pub(crate) struct PolicyArgs {
    pub(crate) stale_while_revalidate: PolicySlot<DurationExpr>,
    pub(crate) stale_if_error: PolicySlot<DurationExpr>,
    pub(crate) load_timeout: PolicySlot<TimeoutArgs>,
    pub(crate) refresh_ahead: PolicySlot<f64>,
    pub(crate) jitter: PolicySlot<f64>,
    pub(crate) negative_ttl: PolicySlot<DurationExpr>,
}

pub(crate) type PolicySlot<T> = Slot<Keyed<Policy<T>>>;

/// What one of the options is set to.
pub(crate) enum Policy<T> {
    /// `"off"`.
    Off,
    /// The name alone, of an attribute: whatever the resource declares.
    AsDeclared,
    Value(T),
}

/// `soft` and `hard` of `load_timeout`, one of them at least.
pub(crate) struct TimeoutArgs {
    pub(crate) soft: Option<Keyed<DurationExpr>>,
    pub(crate) hard: Option<Keyed<DurationExpr>>,
}

/// Whether the name of an option may stand alone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In `#[cached]`: it means what the resource declares.
    Attribute,
    /// In `resources!`.
    Declaration,
}

impl PolicyArgs {
    pub(super) fn read_stale_while_revalidate(&mut self, option: Opt<'_, '_>, place: Place) {
        let example = "stale_while_revalidate = \"30s\"";
        read(option, &mut self.stale_while_revalidate, place, example, duration);
    }

    pub(super) fn read_stale_if_error(&mut self, option: Opt<'_, '_>) {
        let example = "stale_if_error = \"10m\"";
        read(option, &mut self.stale_if_error, Place::Declaration, example, duration);
    }

    pub(super) fn read_negative_ttl(&mut self, option: Opt<'_, '_>) {
        let example = "negative_ttl = \"10s\"";
        read(option, &mut self.negative_ttl, Place::Declaration, example, duration);
    }

    pub(super) fn read_jitter(&mut self, option: Opt<'_, '_>) {
        let example = "jitter = \"10%\"";
        read(option, &mut self.jitter, Place::Declaration, example, fraction);
    }

    pub(super) fn read_refresh_ahead(&mut self, option: Opt<'_, '_>, place: Place) {
        if option.is_alone() && place == Place::Declaration {
            let value = Policy::Value(BETA);
            option.keyed(&mut self.refresh_ahead, value);
        } else {
            read(option, &mut self.refresh_ahead, place, "refresh_ahead = 2.0", beta);
        }
    }

    pub(super) fn read_load_timeout(&mut self, option: Opt<'_, '_>, place: Place) {
        let slot = &mut self.load_timeout;
        let key = option.key.span();
        if option.is_followed_by(token::Paren) {
            option.list_as(slot, TIMEOUTS, TimeoutPart::parse, |parts| {
                let value = Policy::Value(TimeoutArgs::of(parts)?);
                Ok(Keyed { key, value })
            });
        } else {
            read(option, slot, place, TIMEOUTS, |input| {
                let text = format!(
                    "`load_timeout` takes its values in parentheses\nhelp: write `{TIMEOUTS}`, either alone, or `load_timeout = \"off\"`"
                );
                Err(syn::Error::new(input.span(), text))
            });
        }
    }
}

/// Reads `= value`, `= "off"`, or of an attribute nothing more.
fn read<T>(
    option: Opt<'_, '_>,
    slot: &mut PolicySlot<T>,
    place: Place,
    example: &str,
    parse: fn(ParseStream<'_>) -> syn::Result<T>,
) {
    let key = option.key.span();
    if option.is_alone() && place == Place::Attribute {
        option.keyed(slot, Policy::AsDeclared);
    } else {
        option.assign_with(slot, example, |input| {
            if matches!(input.fork().parse::<Ident>(), Ok(word) if word == "off") {
                return Err(input.error("`off` is written in quotes\nhelp: write `\"off\"`"));
            }
            let value = if is_off(input) {
                input.parse::<LitStr>()?;
                Policy::Off
            } else {
                Policy::Value(parse(input)?)
            };
            Ok(Keyed { key, value })
        });
    }
}

fn is_off(input: ParseStream<'_>) -> bool {
    matches!(input.fork().parse::<LitStr>(), Ok(text) if text.value() == "off")
}

fn duration(input: ParseStream<'_>) -> syn::Result<DurationExpr> {
    let or_off = |error: syn::Error| syn::Error::new(error.span(), format!("{error}\nhelp: `\"off\"` turns it off"));
    input.parse().map_err(or_off)
}

/// `"10%"` as a tenth.
fn fraction(input: ParseStream<'_>) -> syn::Result<f64> {
    let refuse = |span| {
        let text = "`jitter` is a part of the TTL, from 0 % to 100 %, by which entries may live shorter\nhelp: write `jitter = \
                    \"10%\"`, or `jitter = \"off\"`";
        syn::Error::new(span, text)
    };
    let expr: Expr = input.parse()?;
    let Expr::Lit(ExprLit {
        lit: Lit::Str(text), ..
    }) = &expr
    else {
        return Err(refuse(expr.span()));
    };
    let percent = text
        .value()
        .strip_suffix('%')
        .and_then(|number| number.trim().parse::<f64>().ok());
    match percent {
        Some(percent) if (0.0..=100.0).contains(&percent) => Ok(percent / 100.0),
        _ => Err(refuse(text.span())),
    }
}

/// The factor of `XFetch`.
fn beta(input: ParseStream<'_>) -> syn::Result<f64> {
    let refuse = |span| {
        let text = "`refresh_ahead` takes a number above 0: with 1.0 a value is loaded anew about as long before its end as its load \
                    takes, with a larger one earlier\nhelp: write `refresh_ahead = 2.0`, `refresh_ahead` alone, or `refresh_ahead = \
                    \"off\"`";
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
        Ok(number) if number > 0.0 && number.is_finite() => Ok(number),
        _ => Err(refuse(expr.span())),
    }
}

/// `soft = "200ms"` or `hard = "5s"`.
struct TimeoutPart {
    name: Ident,
    value: DurationExpr,
}

impl Parse for TimeoutPart {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let refuse = |span, why: &str| syn::Error::new(span, format!("{why}\nhelp: write `{TIMEOUTS}`, either alone"));
        let expected =
            "`load_timeout` takes `soft`, after which something old answers, and `hard`, after which an error does";
        let name = input
            .call(Ident::parse_any)
            .map_err(|error| refuse(error.span(), expected))?;
        let text = name.to_string();
        if text != "soft" && text != "hard" {
            let near = did_you_mean(&text, ["soft", "hard"]);
            return Err(refuse(name.span(), &format!("{expected}, and no `{text}`{near}")));
        }
        if input.parse::<Token![=]>().is_err() {
            return Err(refuse(name.span(), &format!("`{text}` is given without a value")));
        }
        if is_off(input) {
            return Err(refuse(
                input.span(),
                "one part of `load_timeout` is switched off by leaving it out",
            ));
        }
        Ok(Self {
            name,
            value: input.parse()?,
        })
    }
}

impl TimeoutArgs {
    fn of(parts: Vec<TimeoutPart>) -> syn::Result<Self> {
        let mut args = Self { soft: None, hard: None };
        for TimeoutPart { name, value } in parts {
            let slot = if name == "soft" { &mut args.soft } else { &mut args.hard };
            let key: Span = name.span();
            if slot.replace(Keyed { key, value }).is_some() {
                let text = format!("`{name}` is given twice\nhelp: keep one of the two");
                return Err(syn::Error::new(key, text));
            }
        }
        Ok(args)
    }
}
