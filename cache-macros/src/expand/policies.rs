//! How fresh results are: the constants of a declaration and of a function, and what is checked of both together.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use crate::{
    duration::DurationExpr,
    model::{Cached, Demand, Policies, ReturnDemand, Setting, SoftTimeout, Timeouts},
    paths::{private, private_item, quiet, quiet_item},
};

/// The policies as a constant expression; `None` if nothing is set.
pub(super) fn policies(model: &Policies) -> Option<TokenStream> {
    let Policies {
        stale_while_revalidate,
        stale_if_error,
        load_timeout,
        refresh_ahead,
        jitter,
        negative_ttl,
        soft,
    } = model;
    let durations = [
        ("with_stale_while_revalidate", stale_while_revalidate),
        ("with_stale_if_error", stale_if_error),
        ("with_negative_ttl", negative_ttl),
    ];
    let mut set: TokenStream = durations
        .into_iter()
        .filter_map(|(name, setting)| Some(call(name, &duration(setting.as_ref()?)?)))
        .collect();
    set.extend(load_timeout.as_ref().and_then(timeouts));
    set.extend(
        refresh_ahead
            .as_ref()
            .map(|setting| call("with_refresh_ahead", &beta(setting))),
    );
    set.extend(jitter.as_ref().and_then(|setting| {
        let fraction = match setting {
            Setting::Off => 0.0,
            Setting::Value(fraction) => *fraction,
            Setting::AsDeclared => return None,
        };
        Some(call("with_jitter", &quote!(#fraction)))
    }));
    if *soft {
        set.extend(quote!(.with_soft()));
    }
    let private = private();
    (!set.is_empty()).then(|| quote!(#private::Policies::new()#set))
}

fn call(name: &str, value: &TokenStream) -> TokenStream {
    let name = Ident::new(name, Span::call_site());
    quote!(.#name(#value))
}

/// Zero is off.
fn duration(setting: &Setting<DurationExpr>) -> Option<TokenStream> {
    match setting {
        Setting::Off => Some(off()),
        Setting::Value(value) => Some(checked(value)),
        Setting::AsDeclared => None,
    }
}

fn off() -> TokenStream {
    quote!(::core::time::Duration::ZERO)
}

fn checked(value: &DurationExpr) -> TokenStream {
    match value {
        DurationExpr::Fixed(_) => quote!(#value),
        DurationExpr::Expr(expr) => {
            let check = quiet_item("Policies", expr.span());
            quote_spanned!(expr.span()=> #check::duration(#expr))
        }
    }
}

fn timeouts(setting: &Setting<Timeouts>) -> Option<TokenStream> {
    let (soft, hard) = match setting {
        Setting::AsDeclared => return None,
        Setting::Off => (off(), off()),
        Setting::Value(Timeouts { soft, hard }) => {
            let or_off = |part: &Option<DurationExpr>| part.as_ref().map_or_else(off, checked);
            let (sooner, later) = (or_off(soft), or_off(hard));
            match (soft, hard) {
                // Which of the two is shorter only the compiler knows.
                (Some(DurationExpr::Expr(expr)), Some(_)) | (Some(_), Some(DurationExpr::Expr(expr))) => {
                    let check = quiet_item("Policies", expr.span());
                    (quote_spanned!(expr.span()=> #check::sooner(#sooner, #later)), later)
                }
                _ => (sooner, later),
            }
        }
    };
    let (soft, hard) = (call("with_soft_timeout", &soft), call("with_hard_timeout", &hard));
    Some(quote!(#soft #hard))
}

fn beta(setting: &Setting<f64>) -> TokenStream {
    match setting {
        Setting::Off => quote!(0f64),
        Setting::Value(beta) => quote!(#beta),
        Setting::AsDeclared => quote!(__CACHE_RESOURCE.__refresh_ahead()),
    }
}

/// What is checked of an attribute and its declaration together.
pub(super) fn checks(model: &Cached) -> TokenStream {
    let Cached {
        resource_span,
        named,
        demands,
        policies,
        ..
    } = model;
    let unnamed = quote_spanned!(*resource_span=> const _: () = __CACHE_RESOURCE.__require_named(&[#(#named),*]););
    let demands = demands.iter().map(|demand| match demand {
        Demand::StaleWhileRevalidate(span) => check(*span, "__require_stale_while_revalidate", &[]),
        Demand::LoadTimeout(span) => check(*span, "__require_load_timeout", &[]),
        Demand::StaleWindow(span, soft) => {
            let is_given = *soft == SoftTimeout::Given;
            let is_off = matches!(policies.stale_if_error, Some(Setting::Off));
            check(*span, "__require_stale_window", &[is_given, is_off])
        }
        Demand::NegativeTtl(span) => check(*span, "__require_negative_ttl", &[]),
    });
    quote!(#unnamed #(#demands)*)
}

fn check(span: Span, method: &str, arguments: &[bool]) -> TokenStream {
    let method = Ident::new(method, span);
    quote_spanned!(span=> const _: () = __CACHE_RESOURCE.#method(#(#arguments),*);)
}

/// What is checked of what the function returns.
pub(super) fn return_checks(model: &Cached, split: &TokenStream) -> TokenStream {
    let checks = model.return_demands.iter().map(|demand| {
        let (function, span) = match demand {
            ReturnDemand::Absence(span) => ("may_be_absent", *span),
            ReturnDemand::Failure(span) => ("may_fail", *span),
            ReturnDemand::Error(span) => ("has_error", *span),
        };
        let function = private_item(function, span);
        let returned = Ident::new("__cache_split", quiet(span));
        // By way of a variable, so that what the compiler has to say is said of the option.
        quote_spanned!(quiet(span)=> { let #returned = #split; #function(#returned); })
    });
    checks.collect()
}
