//! A duration as users write it: `60`, `"5m"` or an expression.

use std::time::Duration;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::{
    Expr, ExprLit, ExprUnary, Lit, UnOp,
    parse::{Parse, ParseStream},
    spanned::Spanned,
};

/// What is accepted, for messages.
const ACCEPTED: &str =
    "write whole seconds (`60`), a text with units (`\"90s\"`, `\"5m\"`, `\"1h 30m\"`, `\"250ms\"`) or a `Duration`";

/// A duration of at least one millisecond, or an expression of type `Duration`.
#[derive(Clone)]
pub(crate) enum DurationExpr {
    Fixed(Duration),
    Expr(Box<Expr>),
}

impl Parse for DurationExpr {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let expr: Expr = input.parse()?;
        let refuse = |message: String| Err(syn::Error::new(expr.span(), message));
        let duration = match &expr {
            Expr::Lit(ExprLit { lit: Lit::Int(int), .. }) if int.suffix().is_empty() => {
                Duration::from_secs(int.base10_parse()?)
            }
            Expr::Lit(ExprLit {
                lit: Lit::Str(text), ..
            }) if names_a_long_unit(&text.value()) => {
                return refuse(format!(
                    "`{}` is not a duration: a month and a year have no fixed length, and `M` is a month\nhelp: write minutes as `m`, \
                     and longer times in days: `\"30d\"`",
                    text.value()
                ));
            }
            Expr::Lit(ExprLit {
                lit: Lit::Str(text), ..
            }) => match humantime::parse_duration(&text.value()) {
                Ok(duration) => duration,
                Err(error) => {
                    return refuse(format!(
                        "`{}` is not a duration: {error}\nhelp: {ACCEPTED}",
                        text.value()
                    ));
                }
            },
            Expr::Lit(literal) => {
                return refuse(format!(
                    "`{}` is not a duration\nhelp: {ACCEPTED}",
                    literal.to_token_stream()
                ));
            }
            Expr::Unary(ExprUnary { op: UnOp::Neg(_), .. }) => {
                return refuse(format!("a duration is not negative\nhelp: {ACCEPTED}"));
            }
            _ => return Ok(Self::Expr(Box::new(expr))),
        };
        if duration.as_millis() == 0 {
            return refuse(format!(
                "a duration here is at least one millisecond\nhelp: {ACCEPTED}, or leave the option out"
            ));
        }
        Ok(Self::Fixed(duration))
    }
}

/// Whether a unit in the text is a month or a year.
fn names_a_long_unit(text: &str) -> bool {
    let mut units = text.split(|c: char| !c.is_alphabetic());
    units.any(|unit| matches!(unit, "M" | "month" | "months" | "y" | "year" | "years" | "yr" | "yrs"))
}

impl ToTokens for DurationExpr {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.extend(match self {
            Self::Fixed(duration) => {
                let (seconds, nanos) = (duration.as_secs(), duration.subsec_nanos());
                quote!(::core::time::Duration::new(#seconds, #nanos))
            }
            Self::Expr(expr) => quote_spanned!(expr.span()=> #expr),
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::DurationExpr;

    fn fixed(code: &str) -> Duration {
        match syn::parse_str(code) {
            Ok(DurationExpr::Fixed(duration)) => duration,
            Ok(DurationExpr::Expr(_)) => panic!("{code} is an expression"),
            Err(error) => panic!("{code}: {error}"),
        }
    }

    #[test]
    fn whole_seconds_and_texts_are_durations() {
        assert_eq!(fixed("60"), Duration::from_mins(1));
        assert_eq!(fixed("1_000"), Duration::from_secs(1000));
        assert_eq!(fixed("\"5m\""), Duration::from_mins(5));
        assert_eq!(fixed("\"1h 30m\""), Duration::from_mins(90));
        assert_eq!(fixed("\"250ms\""), Duration::from_millis(250));
    }

    #[test]
    fn anything_else_but_a_literal_is_left_to_the_compiler() {
        assert!(matches!(syn::parse_str("TTL"), Ok(DurationExpr::Expr(_))));
        assert!(matches!(
            syn::parse_str("Duration::from_secs(1)"),
            Ok(DurationExpr::Expr(_))
        ));
    }

    #[test]
    fn months_and_years_are_refused() {
        for code in ["\"1M\"", "\"2months\"", "\"1y 2d\"", "\"1 year\""] {
            let refusal = syn::parse_str::<DurationExpr>(code)
                .err()
                .map(|error| error.to_string());
            assert!(refusal.is_some_and(|text| text.contains("no fixed length")), "{code}");
        }
        assert_eq!(fixed("\"30d\""), Duration::from_hours(720));
    }

    #[test]
    fn what_is_no_duration_is_refused_with_what_is_accepted() {
        for code in [
            "0", "\"0s\"", "\"1ns\"", "1.5", "true", "60u64", "\"soon\"", "\"\"", "-1", "-TTL",
        ] {
            let Err(error) = syn::parse_str::<DurationExpr>(code) else {
                panic!("{code} was accepted")
            };
            assert!(error.to_string().contains("\"5m\""), "{code}: {error}");
        }
    }
}
