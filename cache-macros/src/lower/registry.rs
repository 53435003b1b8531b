//! What `resources!` declares, groups resolved down to resources.

mod groups;
mod tables;

use proc_macro2::Ident;
use quote::ToTokens;
use syn::{GenericArgument, PathArguments, Type, spanned::Spanned};

use super::policies::policies;
use crate::{
    args::{Declaration, Keyed, Policy, ResourceArgs, ResourcesArgs, ScopeArg, Slot, TagArgs, WHEN, resource_ident},
    diag::Errors,
    model::{CrashSafe, Policies, Registry, Resource, ScopeType, TagKind},
    uses::{compact, unraw},
};

/// The names that the expansion takes for itself.
const RESERVED: [&str; 2] = ["scopes", "REGISTRY"];

/// More would make keys that nobody can read, and one invalidation touches one stamp for each.
const MOST_SCOPES: usize = 4;

/// What `args` declare, as far as it is right.
pub(crate) fn registry(args: &ResourcesArgs, errors: &mut Errors) -> Registry {
    let declarations = well_named(&args.declarations, errors);
    let mut scopes = Vec::new();
    let mut resources = Vec::new();
    for declaration in &declarations {
        if let Declaration::Resource(declared) = declaration {
            let names = scope_names(declared, &mut scopes, errors);
            resources.push(Resource {
                docs: declared.docs.clone(),
                name: declared.name.clone(),
                ttl: declared.ttl.value().cloned(),
                optional_scopes: optional(&names, &scopes),
                scopes: names,
                shared: declared.shared.value().is_some(),
                max_loads: declared.max_loads.value().copied(),
                crash_safe: crash_safe(declared, errors),
                policies: Policies {
                    soft: is_soft(declared, errors),
                    ..policies(&declared.policies, errors)
                },
            });
        }
    }
    let tags = tags(&args.tags, errors);
    Registry {
        resources,
        groups: groups::resolve(&declarations, &mut scopes, errors),
        scopes,
        tables: tables::resolve(&args.tables, &declarations, &tags, errors),
        tags,
    }
}

/// The kinds of tags, each name once.
fn tags(declared: &[TagArgs], errors: &mut Errors) -> Vec<TagKind> {
    let mut kinds: Vec<TagKind> = Vec::new();
    for TagArgs { docs, name, ty } in declared {
        if kinds.iter().any(|kind| kind.name == *name) {
            errors.at(
                name.span(),
                format!("a kind of tags named `{name}` is declared above\nhelp: choose another name"),
            );
            continue;
        }
        if !unraw(name).is_ascii() {
            errors.at(
                name.span(),
                format!("`{name}` cannot name a kind of tags\nhelp: use ASCII letters, digits and `_`"),
            );
            continue;
        }
        if let Type::Reference(_) = ty {
            let text =
                "the type of a tag is owned\nhelp: write it without `&`; a borrowed value is accepted all the same";
            errors.push(syn::Error::new_spanned(ty, text));
        } else if let Some(inner) = option_of(ty) {
            let text = format!(
                "a tag has a value: where there is none, there is no tag\nhelp: write `{}`; an `Option` of it is accepted all the \
                 same",
                compact(inner.to_token_stream()),
            );
            errors.push(syn::Error::new_spanned(ty, text));
        }
        kinds.push(TagKind {
            docs: docs.clone(),
            name: name.clone(),
            ty: scope_type(option_of(ty).unwrap_or(ty)),
        });
    }
    kinds
}

fn crash_safe(declared: &ResourceArgs, errors: &mut Errors) -> Option<CrashSafe> {
    if let (Slot::Absent, Some(span)) = (&declared.crash_safe, declared.settle_span) {
        errors.at(
            span,
            "`settle` says how long nothing is stored after a mutation of a `crash_safe` resource\nhelp: add `crash_safe`",
        );
    }
    declared.crash_safe.value().map(|()| CrashSafe {
        settle: declared.settle.value().cloned(),
    })
}

/// Whether the resource is invalidated softly, too: then something old is served for a while.
fn is_soft(declared: &ResourceArgs, errors: &mut Errors) -> bool {
    let Some(Keyed { key, .. }) = declared.soft.value() else {
        return false;
    };
    let window = declared.policies.stale_while_revalidate.value();
    if matches!(window, None | Some(Keyed { value: Policy::Off, .. })) {
        let text = "after a soft invalidation the old value is served for as long as `stale_while_revalidate` says, which is not \
                    declared\nhelp: add `stale_while_revalidate = \"30s\"`";
        errors.at(*key, text);
    }
    true
}

/// The declarations whose names can be declared, each name once.
fn well_named<'a>(declarations: &'a [Declaration], errors: &mut Errors) -> Vec<&'a Declaration> {
    let mut kept: Vec<&Declaration> = Vec::new();
    for declaration in declarations {
        let name = declaration.name();
        let text = if RESERVED.iter().any(|reserved| name == reserved) {
            format!("`{name}` is a name that `resources!` takes for itself\nhelp: choose another")
        } else if let Some(first) = kept.iter().find(|kept| kept.name() == name) {
            let kind = match first {
                Declaration::Resource(_) => "resource",
                Declaration::Group(_) => "group",
            };
            format!("a {kind} named `{name}` is declared above\nhelp: choose another name")
        } else {
            if errors.keep(resource_ident(&name.to_string(), name.span())).is_some() {
                kept.push(declaration);
            }
            continue;
        };
        errors.at(name.span(), text);
    }
    kept
}

/// The names of a resource's scopes; their types are added to `types`.
fn scope_names(declared: &ResourceArgs, types: &mut Vec<ScopeType>, errors: &mut Errors) -> Vec<Ident> {
    let mut names: Vec<Ident> = Vec::new();
    for ScopeArg { name, ty } in declared.scope.values() {
        if names.contains(name) {
            errors.at(
                name.span(),
                format!("the scope `{name}` is declared twice\nhelp: keep one of the two"),
            );
            continue;
        }
        if names.len() == MOST_SCOPES {
            errors.at(
                name.span(),
                format!("a resource has at most {MOST_SCOPES} scopes\nhelp: keep those that are invalidated on their own; the other arguments are in the key all the same"),
            );
            break;
        }
        if name == WHEN {
            errors.at(
                name.span(),
                "`when` cannot name a scope: in `#[invalidates]` it says whether a target is meant\nhelp: choose another name",
            );
            continue;
        }
        if !unraw(name).is_ascii() {
            errors.at(
                name.span(),
                format!("`{name}` cannot name a scope\nhelp: use ASCII letters, digits and `_`"),
            );
            continue;
        }
        names.push(name.clone());
        add_type(name, ty, types, errors);
    }
    names
}

/// Those of the scopes that are declared as an `Option`.
fn optional(names: &[Ident], types: &[ScopeType]) -> Vec<Ident> {
    let is_optional = |name: &Ident| types.iter().any(|ty| ty.name == *name && ty.optional);
    names.iter().filter(|name| is_optional(name)).cloned().collect()
}

fn add_type(name: &Ident, written: &Type, types: &mut Vec<ScopeType>, errors: &mut Errors) {
    let of_option = option_of(written);
    let ty = ScopeType {
        name: name.clone(),
        ty: scope_type(of_option.unwrap_or(written)),
        optional: of_option.is_some(),
    };
    if let Type::Reference(_) = of_option.unwrap_or(written) {
        let text = format!(
            "the type of a scope is owned\nhelp: write `{}`; a borrowed value is accepted all the same",
            ty.spelt()
        );
        errors.push(syn::Error::new_spanned(written, text));
    }
    match types.iter().find(|known| known.name == *name) {
        None => types.push(ty),
        Some(known) if known.spelt() == ty.spelt() => {}
        Some(known) => {
            let text = format!(
                "the scope `{name}` is `{}` above and `{}` here, and a scope name has one type in a registry\nhelp: use one \
                 type, or another name",
                known.spelt(),
                ty.spelt(),
            );
            errors.push(syn::Error::new_spanned(written, text));
        }
    }
}

/// The type that values of a scope are borrowed as: a text as `str`, so that `&str` and `String` arguments both fit.
fn scope_type(written: &Type) -> Type {
    match written {
        // Refused, and treated as what it should have been.
        Type::Reference(reference) => scope_type(&reference.elem),
        Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "String") => {
            syn::parse_quote_spanned!(written.span()=> str)
        }
        _ => written.clone(),
    }
}

/// The `T` of an `Option<T>`.
fn option_of(written: &Type) -> Option<&Type> {
    let Type::Path(path) = written else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == "Option")?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return None;
    };
    match arguments.args.first()? {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    }
}
