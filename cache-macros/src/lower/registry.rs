//! What `resources!` declares, groups resolved down to resources.

mod groups;

use proc_macro2::Ident;
use quote::ToTokens;
use syn::{Type, spanned::Spanned};

use crate::{
    args::{Declaration, ResourceArgs, ResourcesArgs, ScopeArg, Slot, WHEN, resource_ident},
    diag::Errors,
    model::{CrashSafe, Registry, Resource, ScopeType},
    uses::compact,
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
            resources.push(Resource {
                docs: declared.docs.clone(),
                name: declared.name.clone(),
                ttl: declared.ttl.value().cloned(),
                scopes: scope_names(declared, &mut scopes, errors),
                shared: declared.shared.value().is_some(),
                max_loads: declared.max_loads.value().copied(),
                crash_safe: crash_safe(declared, errors),
            });
        }
    }
    Registry {
        resources,
        groups: groups::resolve(&declarations, errors),
        scopes,
    }
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
        if resource_ident(&name.to_string(), name.span()).is_err() {
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

fn add_type(name: &Ident, written: &Type, types: &mut Vec<ScopeType>, errors: &mut Errors) {
    let ty = scope_type(written);
    if let Type::Reference(_) = written {
        let text = format!(
            "the type of a scope is owned\nhelp: write `{}`; a borrowed value is accepted all the same",
            spelt(&ty)
        );
        errors.push(syn::Error::new_spanned(written, text));
    }
    match types.iter().find(|known| known.name == *name) {
        None => types.push(ScopeType { name: name.clone(), ty }),
        Some(known) if spelt(&known.ty) == spelt(&ty) => {}
        Some(known) => {
            let text = format!(
                "the scope `{name}` is `{}` above and `{}` here, and a scope name has one type in a registry\nhelp: use one \
                 type, or another name",
                spelt(&known.ty),
                spelt(&ty),
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

/// The type as it is written in a declaration.
fn spelt(ty: &Type) -> String {
    let spelling = compact(ty.to_token_stream());
    if spelling == "str" {
        "String".to_owned()
    } else {
        spelling
    }
}
