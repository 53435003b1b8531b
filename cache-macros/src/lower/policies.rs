//! How fresh results are: what options say together, of a declaration and of an attribute.

use proc_macro2::Span;

use crate::{
    args::{CachedArgs, Keyed, Policy, PolicyArgs, PolicySlot, Slot, TimeoutArgs},
    diag::Errors,
    duration::DurationExpr,
    model::{Demand, HardTimeout, Policies, ReturnDemand, Setting, SoftTimeout, Timeouts},
};

/// What is set.
pub(super) fn policies(args: &PolicyArgs, errors: &mut Errors) -> Policies {
    Policies {
        stale_while_revalidate: setting(&args.stale_while_revalidate, DurationExpr::clone),
        stale_if_error: setting(&args.stale_if_error, DurationExpr::clone),
        load_timeout: timeouts(&args.load_timeout, errors),
        refresh_ahead: setting(&args.refresh_ahead, f64::clone),
        jitter: setting(&args.jitter, f64::clone),
        negative_ttl: setting(&args.negative_ttl, DurationExpr::clone),
        soft: false,
    }
}

fn setting<T, V>(slot: &PolicySlot<T>, value: impl FnOnce(&T) -> V) -> Option<Setting<V>> {
    Some(match &slot.value()?.value {
        Policy::Off => Setting::Off,
        Policy::AsDeclared => Setting::AsDeclared,
        Policy::Value(given) => Setting::Value(value(given)),
    })
}

fn timeouts(slot: &PolicySlot<TimeoutArgs>, errors: &mut Errors) -> Option<Setting<Timeouts>> {
    if let Some(TimeoutArgs {
        soft: Some(soft),
        hard: Some(hard),
    }) = value(slot)
        && let (DurationExpr::Fixed(at_soft), DurationExpr::Fixed(at_hard)) = (&soft.value, &hard.value)
        && at_soft >= at_hard
    {
        let text = "`soft` is not shorter than `hard`: the load would have ended with an error before something old could answer\nhelp: \
                    give `hard` more time, or leave one of the two out";
        errors.at(soft.key, text);
    }
    setting(slot, |TimeoutArgs { soft, hard }| {
        let duration = |part: &Option<Keyed<DurationExpr>>| part.as_ref().map(|part| part.value.clone());
        Timeouts {
            soft: duration(soft),
            hard: duration(hard),
        }
    })
}

/// The value that the option is given, if it is given one.
fn value<T>(slot: &PolicySlot<T>) -> Option<&T> {
    match &slot.value()?.value {
        Policy::Value(value) => Some(value),
        Policy::Off | Policy::AsDeclared => None,
    }
}

fn is_off<T>(slot: &PolicySlot<T>) -> bool {
    matches!(slot.value(), Some(Keyed { value: Policy::Off, .. }))
}

/// Whether the attribute switches the option on, or leaves that to the declaration.
fn may_be_on<T>(slot: &PolicySlot<T>) -> bool {
    slot.value().is_some_and(|option| !matches!(option.value, Policy::Off))
}

/// The option for the sake of which a load of the function may go on without its caller.
pub(super) fn outliving(args: &PolicyArgs) -> Option<&'static str> {
    let has_soft = value(&args.load_timeout).is_none_or(|timeouts| timeouts.soft.is_some());
    if may_be_on(&args.stale_while_revalidate) {
        Some("stale_while_revalidate")
    } else if may_be_on(&args.refresh_ahead) {
        Some("refresh_ahead")
    } else if may_be_on(&args.load_timeout) && has_soft {
        Some("load_timeout")
    } else {
        None
    }
}

/// Whether a load of the function may end with an error because it takes too long.
pub(super) fn hard_timeout(args: &PolicyArgs) -> Option<HardTimeout> {
    let Keyed { key, value } = args.load_timeout.value()?;
    match value {
        Policy::Off => None,
        Policy::AsDeclared => Some(HardTimeout::AsDeclared(*key)),
        Policy::Value(timeouts) => timeouts.hard.as_ref().map(|hard| HardTimeout::Given(hard.key)),
    }
}

/// What a function has to name if its resource declares it, and this one does.
pub(super) fn named(args: &PolicyArgs) -> Vec<&'static str> {
    let options = [
        ("stale_while_revalidate", args.stale_while_revalidate.value().is_some()),
        ("refresh_ahead", args.refresh_ahead.value().is_some()),
        ("load_timeout", args.load_timeout.value().is_some()),
    ];
    options
        .into_iter()
        .filter_map(|(name, is_named)| is_named.then_some(name))
        .collect()
}

/// What the declaration has to have for the attribute to make sense.
pub(super) fn demands(args: &CachedArgs, errors: &mut Errors) -> Vec<Demand> {
    let policies = &args.policies;
    let mut demands = Vec::new();
    if let Some(Keyed {
        key,
        value: Policy::AsDeclared,
    }) = policies.stale_while_revalidate.value()
    {
        demands.push(Demand::StaleWhileRevalidate(*key));
    }
    if let Some(Keyed {
        key,
        value: Policy::AsDeclared,
    }) = policies.load_timeout.value()
    {
        demands.push(Demand::LoadTimeout(*key));
    }
    demands.extend(demanded_window(args, errors));
    demands.extend(demanded_negative_ttl(args, errors).map(Demand::NegativeTtl));
    demands
}

/// What the return type has to have for the attribute to make sense. One with a value for `each` id can do without one.
pub(super) fn return_demands(args: &CachedArgs, each: bool) -> Vec<ReturnDemand> {
    let CachedArgs {
        policies, cache_err, ..
    } = args;
    let mut demands = Vec::new();
    if let (Some(key), Slot::Absent, false) = (key_of_value(&policies.negative_ttl), cache_err, each) {
        demands.push(ReturnDemand::Absence(key));
    }
    demands.extend(key_of_value(&policies.stale_if_error).map(ReturnDemand::Failure));
    demands.extend(cache_err.value().map(|cache_err| ReturnDemand::Error(cache_err.key)));
    demands
}

/// Where the name of the option stands, if it is given a value.
fn key_of_value<T>(slot: &PolicySlot<T>) -> Option<Span> {
    value(slot)?;
    slot.value().map(|option| option.key)
}

/// A soft timeout answers with something old, which has to be allowed.
fn demanded_window(args: &CachedArgs, errors: &mut Errors) -> Option<Demand> {
    let policies = &args.policies;
    let (key, soft) = match policies.load_timeout.value()? {
        Keyed {
            value: Policy::Value(timeouts),
            ..
        } => (timeouts.soft.as_ref()?.key, SoftTimeout::Given),
        Keyed {
            value: Policy::AsDeclared,
            key,
        } => (*key, SoftTimeout::AsDeclared),
        Keyed { value: Policy::Off, .. } => return None,
    };
    if value(&policies.stale_if_error).is_some() {
        return None;
    }
    if is_off(&policies.stale_if_error) && soft == SoftTimeout::Given {
        let text = "a soft timeout answers with something old, and `stale_if_error` is off\nhelp: give it a duration, or leave `soft` out";
        errors.at(key, text);
        return None;
    }
    Some(Demand::StaleWindow(key, soft))
}

/// Errors are kept for as long as `negative_ttl` says.
fn demanded_negative_ttl(args: &CachedArgs, errors: &mut Errors) -> Option<Span> {
    let Keyed { key, .. } = args.cache_err.value()?;
    if is_off(&args.policies.negative_ttl) {
        let text = "the errors that `cache_err` chooses are kept for `negative_ttl`, which is off\nhelp: write `negative_ttl = \"10s\"`";
        errors.at(*key, text);
    }
    matches!(args.policies.negative_ttl, Slot::Absent).then_some(*key)
}
