//! What a `#[cached]` function's key is made of.

use proc_macro2::{Ident, Span};
use quote::ToTokens;
use syn::{Expr, Type, spanned::Spanned};

use super::{
    TENANT_ARGUMENT, adapted, check_scopes,
    each::each,
    known::Known,
    no_argument, owned,
    policies::{demands, hard_timeout, named, outliving, policies, return_demands},
    scopes, tenant, text,
};
use crate::{
    args::{CachedArgs, CodecArg, KeyExpr, NearArg, Reference, ScopeExpr, Slot, TtlArg},
    diag::Errors,
    function::{Argument, Function},
    model::{Cached, Closure, Each, Handle, KeyPart, KeyPartKind, Loading, Near, TagValues, Tags, UserArgument},
    uses::{compact, fields, has_ident, mentions, unraw, uses},
};

/// Each is one more stamp for every read, and 16 epochs for every miss.
const MOST_KINDS: usize = 4;

/// Arguments that say who is asking. They are left out of the key, and so the body must not look at them.
const USER_ARGUMENTS: [&str; 2] = ["username", "current_user"];

/// What `args` mean for `function`; `None` if something is wrong that leaves nothing to go on with.
pub(crate) fn cached(args: &CachedArgs, function: &Function, errors: &mut Errors) -> Option<Cached> {
    check_skip(args, function, errors);
    let each = each(args, function, errors);
    let element = args.each.value().and_then(|each| each.element.as_ref());
    check_scopes(args.scope.values(), function, element, errors);
    check_several(args.scope.values(), errors);
    check_users(args, function, errors);
    check_skipped(args, function, errors);
    check_result(function, errors);
    let key = key(args, function, each.as_ref(), errors);
    let policies = policies(&args.policies, errors);
    let demands = demands(args, errors);
    let loading = loading(args, function, errors);
    let mut closure = |option: &str, expr: &Expr| match loading {
        Loading::InTheCall => Closure::plain(function.adapt(expr), expr.span()),
        Loading::Outliving(_) => owned::closure(option, expr, function, errors),
    };
    let unless = args.unless.value().map(|unless| closure("unless", unless));
    let lifetime = match args.ttl.value() {
        Some(TtlArg::OfValue(lifetime)) => Some(closure("ttl", lifetime)),
        Some(TtlArg::Duration(_)) | None => None,
    };
    let cache_err = args.cache_err.value();
    let cache_err = cache_err.map(|cache_err| closure("cache_err", &cache_err.value));
    if each.is_some() {
        check_closures([&unless, &lifetime, &cache_err], errors);
    }
    let reference = reference(args, errors)?;
    let resource = errors.keep(reference.item())?;
    Some(Cached {
        resource,
        resource_span: reference.span(),
        function: function.name(),
        version: args.version.value().copied().unwrap_or(0),
        ttl: match args.ttl.value() {
            Some(TtlArg::Duration(ttl)) => Some(function.adapt(ttl)),
            Some(TtlArg::OfValue(_)) | None => None,
        },
        when: adapted(&args.when, function),
        unless,
        lifetime,
        cache_err,
        policies,
        hard_timeout: hard_timeout(&args.policies),
        named: named(&args.policies),
        demands,
        return_demands: return_demands(args, each.is_some()),
        loading,
        near: match args.near.value() {
            Some(NearArg::Tracked) => Some(Near::Tracked),
            Some(NearArg::Checked) => Some(Near::Checked),
            Some(NearArg::Off) | None => None,
        },
        lease: args.lease.value().cloned(),
        codec: args.codec.value().map(|CodecArg { name, span }| (*name, *span)),
        verify: args.verify.value().copied(),
        tenant: tenant(&args.tenant, function),
        cache: args.cache.value().map(|cache| function.adapt_operand(cache)),
        scopes: scopes(args.scope.values(), reference, function),
        tags: tags(args, reference, function, errors),
        key,
        handles: handles(args, function),
        user_arguments: function
            .arguments
            .iter()
            .filter(|argument| is_user(argument))
            .map(|argument| UserArgument {
                ident: argument.ident.clone(),
                cfg: argument.cfg.clone(),
            })
            .collect(),
        each,
        output: function.output.clone(),
        text: text::function(args, function),
    })
}

/// The tags of results, each kind once.
fn tags(args: &CachedArgs, reference: &Reference, function: &Function, errors: &mut Errors) -> Option<Tags> {
    let given = args.tags.value()?;
    for (i, ScopeExpr { name, value, several }) in given.iter().enumerate() {
        if let Some(word) = several {
            errors.at(
                word.span,
                "the tags of a kind are one value or a list of them\nhelp: write `=`",
            );
        } else if given[..i].iter().any(|earlier| earlier.name == *name) {
            let text = format!("tags of the kind `{name}` are given twice\nhelp: keep one of the two, with all values");
            errors.at(name.span(), text);
        } else if value.is_none() && function.argument(name).is_none() {
            let text = no_argument(name, function);
            let text = format!("{text}\nhelp: write `{name} = result....` to take the values from the result");
            errors.at(name.span(), text);
        }
    }
    if given.len() > MOST_KINDS {
        errors.at(
            given[MOST_KINDS].name.span(),
            format!("a function finds tags of at most {MOST_KINDS} kinds\nhelp: keep those that are invalidated on their own"),
        );
    }
    let mut result = None;
    let mut known = Known {
        function,
        result: &mut result,
        errors,
    };
    let given = super::tags(given, reference, function)
        .into_iter()
        .filter_map(|tag| {
            let from_result = known.looks_at_result(&tag.value, tag.span)?;
            Some(if from_result {
                TagValues::FromResult(tag)
            } else {
                TagValues::OnEntry(tag)
            })
        })
        .collect();
    Some(Tags { given, result })
}

/// With `each` a closure looks at value after value, also where the caller is gone: it has no argument of its own to look at.
fn check_closures(closures: [&Option<Closure>; 3], errors: &mut Errors) {
    for closure in closures.into_iter().flatten() {
        if let Some(argument) = closure.arguments.first() {
            let text = format!(
                "with `each` values are loaded when the caller is gone, and `{}` is the caller's\nhelp: look at the value alone",
                argument.named
            );
            errors.at(closure.span, text);
        }
    }
}

fn loading(args: &CachedArgs, function: &Function, errors: &mut Errors) -> Loading {
    match outliving(&args.policies) {
        None => Loading::InTheCall,
        Some(option) => Loading::Outliving(owned::arguments(option, function, errors)),
    }
}

fn reference<'a>(args: &'a CachedArgs, errors: &mut Errors) -> Option<&'a Reference> {
    if let Slot::Absent = args.resource {
        errors.at(
            Span::call_site(),
            "`#[cached]` does not say of which resource the result is\nhelp: add `resource = \"...\"` with a name that \
             `resources!` declares",
        );
    }
    let reference = args.resource.value()?;
    if let Some(pattern) = reference.pattern() {
        errors.at(
            pattern.span(),
            "a result is of one resource, and this is a pattern\nhelp: name the resource; patterns are for `#[invalidates]`",
        );
        return None;
    }
    Some(reference)
}

/// Every part of the key, sorted by name.
fn key(args: &CachedArgs, function: &Function, each: Option<&Each>, errors: &mut Errors) -> Vec<KeyPart> {
    let mut parts = Vec::new();
    for argument in function.arguments.iter().filter(|argument| in_key(argument, args)) {
        let ident = &argument.ident;
        if let Some(Type::Reference(reference)) = &argument.ty
            && reference.mutability.is_some()
        {
            let text = format!(
                "`{ident}` is part of the cache key, and what is borrowed mutably may change while the function runs\nhelp: \
                 leave it out with `skip({ident})`, or take it by value or by `&`"
            );
            errors.push(syn::Error::new_spanned(reference, text));
        }
        if let Some(each) = each.filter(|each| each.argument == *ident) {
            parts.push(element(each));
            continue;
        }
        parts.push(KeyPart {
            name: unraw(ident),
            cfg: argument.cfg.clone(),
            value: ident.to_token_stream(),
            span: ident.span(),
            kind: argument.ty.as_ref().map_or(KeyPartKind::Value, kind),
        });
    }
    for KeyExpr { name, value } in args.key.values() {
        let span = name.as_ref().map_or_else(|| value.span(), Ident::span);
        let name = name.as_ref().map_or_else(|| compact(value.to_token_stream()), unraw);
        if parts.iter().any(|part| part.name == name) {
            let text = format!(
                "`{name}` is in the key already: every argument is that is not skipped\nhelp: remove it here; to replace \
                 the argument, add `skip({name})` and write `key({name} = ...)`"
            );
            errors.at(span, text);
            continue;
        }
        parts.push(KeyPart {
            name,
            cfg: Vec::new(),
            value: function.adapt_operand(value),
            span: value.span(),
            kind: KeyPartKind::Value,
        });
    }
    parts.sort_by(|a, b| a.name.cmp(&b.name));
    parts
}

/// The element of `each`, which stands in the place of the argument.
fn element(each: &Each) -> KeyPart {
    KeyPart {
        name: unraw(&each.element),
        cfg: Vec::new(),
        value: each.element.to_token_stream(),
        span: each.element.span(),
        kind: KeyPartKind::Value,
    }
}

fn kind(ty: &Type) -> KeyPartKind {
    let (ty, by_reference) = match ty {
        Type::Reference(reference) => (&*reference.elem, true),
        ty => (ty, false),
    };
    let is_set =
        matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "HashSet"));
    if is_set {
        KeyPartKind::Set { by_reference }
    } else {
        KeyPartKind::Value
    }
}

fn in_key(argument: &Argument, args: &CachedArgs) -> bool {
    !is_user(argument) && !is_tenant(&argument.ident, args) && !left_out(args).any(|name| *name == argument.ident)
}

/// The names in `skip(...)` and in `independent(...)`.
pub(super) fn left_out(args: &CachedArgs) -> impl Iterator<Item = &Ident> {
    args.skip.values().iter().chain(args.independent.values())
}

/// Whether the attribute names this word among what it leaves out.
fn leaves_out(args: &CachedArgs, name: &str) -> bool {
    left_out(args).any(|left_out| unraw(left_out) == name)
}

fn is_user(argument: &Argument) -> bool {
    USER_ARGUMENTS.iter().any(|name| argument.ident == name)
}

/// Whether the argument is the tenant, which has a place of its own in the key.
fn is_tenant(argument: &Ident, args: &CachedArgs) -> bool {
    match args.tenant.value() {
        None => argument == TENANT_ARGUMENT,
        Some(Expr::Path(path)) => path.path.is_ident(argument),
        Some(_) => false,
    }
}

fn check_skip(args: &CachedArgs, function: &Function, errors: &mut Errors) {
    let names: Vec<&Ident> = left_out(args).collect();
    for (i, name) in names.iter().copied().enumerate() {
        let text = if name == "self" {
            "`self` is never part of the key\nhelp: remove it here".to_owned()
        } else if function.argument(name).is_none() && USER_ARGUMENTS.iter().any(|user| name == user) {
            // Of a field of that name.
            continue;
        } else if function.argument(name).is_none() {
            no_argument(name, function)
        } else if is_tenant(name, args) {
            format!(
                "`{name}` is the tenant, which always takes part in the key\nhelp: remove it here, or give another tenant with `tenant = ...`"
            )
        } else if names[..i].contains(&name) {
            format!("`{name}` is skipped twice\nhelp: keep one of the two")
        } else if args
            .key
            .values()
            .iter()
            .any(|part| part.name.is_none() && is_plain(&part.value, name))
        {
            format!("`{name}` is both skipped and in `key(...)`\nhelp: keep one of the two")
        } else {
            continue;
        };
        errors.at(name.span(), text);
    }
}

/// An entry has one value of each scope.
fn check_several(scopes: &[ScopeExpr], errors: &mut Errors) {
    for scope in scopes {
        if let Some(several) = scope.several {
            errors.at(
                several.span(),
                "a result has one value of each scope; several are for `#[invalidates]`\nhelp: write `=`; for a result of many ids \
                 there is `each`",
            );
        }
    }
}

fn check_result(function: &Function, errors: &mut Errors) {
    if let Some(borrowed) = function.borrowed_value() {
        let text = "a cached result outlives the call, and this one is borrowed\nhelp: return owned data, such as `String` for \
                    `&str`, `Vec<T>` for `&[T]` or `Arc<T>` for `&T`";
        errors.push(syn::Error::new_spanned(borrowed, text));
    }
}

/// A body that looks at a user who is not in the key gives one user's result to another: as an argument, as a field of `self` or of an
/// argument that is left out, or by the argument's name.
fn check_users(args: &CachedArgs, function: &Function, errors: &mut Errors) {
    for name in USER_ARGUMENTS {
        if leaves_out(args, name) || args.key.values().iter().any(|part| names(&part.value, name)) {
            continue;
        }
        let argument = function
            .arguments
            .iter()
            .find(|argument| unraw(&argument.ident) == name);
        let as_argument = argument.and_then(|argument| {
            let by_user = |span: &Span| !function.is_generated(*span, &argument.ident);
            uses(function.user_code(), name).into_iter().find(by_user)
        });
        let roots = roots(args);
        let as_field = || {
            fields(function.user_code(), &roots, |field| field == name)
                .into_iter()
                .next()
        };
        if let Some(used) = as_argument.or_else(as_field) {
            errors.at(
                used,
                format!(
                    "the body looks at `{name}`, which is not part of the cache key: two users would share one result, and \
                     a permission check in this body would be skipped on a hit\nhelp: if the result depends on the user, \
                     add `key({name})` to keep one for each{}\nhelp: if it does not, add `skip({name})`, and check \
                     permissions before this function is called\nhelp: if the user is what is asked for, and not who asks, give the \
                     argument another name",
                    if argument.is_some() { "" } else { " (of a field, `key(self.…)`)" },
                ),
            );
        }
    }
}

/// What the body looks at and `skip(...)` leaves out, by its name or by what is looked at: who is asking.
fn check_skipped(args: &CachedArgs, function: &Function, errors: &mut Errors) {
    for name in args.skip.values() {
        let Some(argument) = function.argument(name) else {
            continue;
        };
        let text = unraw(name);
        if USER_ARGUMENTS.contains(&text.as_str()) {
            continue;
        }
        let by_user = |span: &Span| !function.is_generated(*span, &argument.ident);
        let used = uses(function.user_code(), &text).into_iter().find(by_user);
        let told = || {
            let roots = [text.clone()];
            fields(function.user_code(), &roots, says_who).into_iter().next()
        };
        let leak = if is_who(&text) { used } else { told() };
        if let Some(used) = leak {
            errors.at(
                used,
                format!(
                    "the body looks at `{text}`, which `skip({text})` leaves out of the key: callers that differ in it would share one \
                     result\nhelp: if the result depends on it, put what matters into the key: `independent({text}), key({text}.id)`\nhelp: if \
                     it does not, say so: `independent({text})` in place of `skip({text})`"
                ),
            );
        }
    }
}

/// Whether an argument of this name is somebody.
fn is_who(name: &str) -> bool {
    const WHO: [&str; 12] = [
        "user",
        "auth",
        "claims",
        "session",
        "principal",
        "identity",
        "viewer",
        "actor",
        "caller",
        "member",
        "subject",
        "who",
    ];
    let name = name.trim_start_matches('_');
    name.starts_with("current_")
        || WHO
            .iter()
            .any(|who| name == *who || name.starts_with(&format!("{who}_")) || name.ends_with(&format!("_{who}")))
}

/// Whether a field of this name tells who somebody is, or what they may do.
fn says_who(field: &str) -> bool {
    matches!(
        field,
        "id" | "email" | "role" | "roles" | "permissions" | "user" | "tenant"
    ) || field.ends_with("user_id")
}

/// Where fields may be read of which nothing is in the key: `self`, and the arguments that are skipped.
fn roots(args: &CachedArgs) -> Vec<String> {
    let skipped = args.skip.values().iter().map(unraw);
    ["self".to_owned(), "__self".to_owned()]
        .into_iter()
        .chain(skipped)
        .collect()
}

/// Whether a key expression names a word, as a variable or as a field.
fn names(expr: &Expr, name: &str) -> bool {
    let tokens = expr.to_token_stream();
    mentions(&tokens, name) || has_ident(&tokens, name)
}

/// The skipped arguments that the body uses, whose types decide: what could be in the key is no handle.
fn handles(args: &CachedArgs, function: &Function) -> Vec<Handle> {
    let handle = |name: &Ident| {
        let argument = function.argument(name)?;
        let by_user = |span: &Span| !function.is_generated(*span, &argument.ident);
        let text = unraw(name);
        let is_used = !USER_ARGUMENTS.contains(&text.as_str()) && uses(function.user_code(), &text).iter().any(by_user);
        is_used.then(|| Handle {
            ident: name.clone(),
            cfg: argument.cfg.clone(),
        })
    };
    args.skip.values().iter().filter_map(handle).collect()
}

fn is_plain(expr: &Expr, name: &Ident) -> bool {
    matches!(expr, Expr::Path(path) if path.path.is_ident(name))
}
