//! `resources!`: a static for each name, and the registry of them.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{Attribute, Expr, ExprLit, Lit, Meta, MetaNameValue, Type, spanned::Spanned};

use super::policies;
use crate::{
    duration::DurationExpr,
    model::{
        CrashSafe, Group, GroupPart, PartScope, Registry, Resource, ScopeType, Table, TableResource, TableTargetText,
        TagKind,
    },
    paths::{private, quiet, quiet_ident, quiet_item},
    uses::unraw,
};

/// The items that `model` stands for.
pub(crate) fn registry(model: &Registry) -> TokenStream {
    let private = private();
    let Registry {
        resources,
        groups,
        scopes,
        tags,
        tables,
    } = model;
    let types = types(scopes, tags);
    let scopes = scope_module(scopes);
    let tables = (!tables.is_empty()).then(|| {
        let tables = tables.iter().map(table);
        quote!(.__tables(&[#(#tables),*]))
    });
    let tag_names = (!tags.is_empty()).then(|| {
        let names = tags.iter().map(|TagKind { name, .. }| unraw(name));
        quote!(.__tags(&[#(#names),*]))
    });
    let tags = (!tags.is_empty()).then(|| tag_module(tags));
    let resource_items = resources.iter().map(resource);
    let group_items = groups.iter().map(group);
    let resource_names = resources.iter().map(|resource| &resource.name);
    let group_names = groups.iter().map(|group| &group.name);
    quote! {
        #(#resource_items)*
        #(#group_items)*
        #scopes
        #tags

        /// The resources and groups of this module.
        pub static REGISTRY: #private::Registry = #private::Registry::__new(
            ::core::module_path!(),
            &[#(&#resource_names),*],
            &[#(&#group_names),*],
        )#tag_names #types #tables;

        #private::inventory::submit! {
            #private::Declared(&REGISTRY)
        }
    }
}

fn resource(model: &Resource) -> TokenStream {
    let private = private();
    let Resource {
        docs,
        name,
        ttl,
        scopes,
        optional_scopes,
        shared,
        max_loads,
        crash_safe,
        policies,
    } = model;
    let documentation = documentation(docs).map(|text| quote!(.__documentation(#text)));
    let docs = docs_or(docs, &format!(" The resource `{name}`."));
    let text = name.to_string();
    let name = quiet_ident(name);
    let ttl = match ttl {
        None => quote!(::core::option::Option::None),
        Some(DurationExpr::Expr(expr)) => {
            let check = quiet_item("Resource", expr.span());
            quote_spanned!(expr.span()=> #check::__ttl(#expr))
        }
        Some(fixed) => quote!(::core::option::Option::Some(#fixed)),
    };
    let scopes = scopes.iter().map(unraw);
    let optional_scopes = (!optional_scopes.is_empty()).then(|| {
        let names = optional_scopes.iter().map(unraw);
        quote!(.__optional_scopes(&[#(#names),*]))
    });
    let crash_safe = crash_safe.as_ref().map(|CrashSafe { settle }| {
        let settle = match settle {
            None => quote!(::core::time::Duration::ZERO),
            Some(DurationExpr::Expr(expr)) => {
                let check = quiet_item("Resource", expr.span());
                quote_spanned!(expr.span()=> #check::__settle(#expr))
            }
            Some(fixed) => quote!(#fixed),
        };
        quote!(.__crash_safe(#settle))
    });
    let max_loads = max_loads.map(|loads| {
        let loads = loads.get();
        quote!(.__max_loads(#loads))
    });
    let policies = policies::policies(policies).map(|policies| quote!(.__policies(#policies)));
    let tenancy = if *shared { quote!(Shared) } else { quote!(PerTenant) };
    quote! {
        #docs
        pub static #name: #private::Resource = #private::Resource::__new(
            #text,
            #ttl,
            &[#(#scopes),*],
            #private::Tenancy::#tenancy,
        )#optional_scopes #crash_safe #max_loads #policies #documentation;
    }
}

fn group(model: &Group) -> TokenStream {
    let private = private();
    let Group {
        docs,
        name,
        members,
        parameters,
        parts,
    } = model;
    let docs = docs_or(docs, &format!(" The group `{name}`."));
    let text = name.to_string();
    let name = quiet_ident(name);
    let parameters = (!parameters.is_empty()).then(|| {
        let parameters = parameters.iter().map(unraw);
        let parts = parts.iter().map(group_part);
        quote!(.__parameters(&[#(#parameters),*], &[#(#parts),*]))
    });
    quote! {
        #docs
        pub static #name: #private::Group =
            #private::Group::__new(#text, &[#(&#members),*])#parameters;
    }
}

fn group_part(GroupPart { resource, scopes }: &GroupPart) -> TokenStream {
    let private = private();
    let scopes = scopes.iter().map(|PartScope { name, parameter }| {
        let (name, parameter) = (unraw(name), unraw(parameter));
        quote!((#name, #parameter))
    });
    quote!(#private::GroupPart::__new(&#resource, &[#(#scopes),*]))
}

fn table(model: &Table) -> TokenStream {
    let private = private();
    let Table {
        schema,
        name,
        tenant,
        resources,
        tags,
        written,
    } = model;
    let option = |text: &Option<String>| {
        let some = text.as_ref().map(|text| quote!(::core::option::Option::Some(#text)));
        some.unwrap_or_else(|| quote!(::core::option::Option::None))
    };
    let (schema, tenant) = (option(schema), option(tenant));
    let resources = resources.iter().map(|TableResource { resource, scopes }| {
        let resource = quiet_ident(resource);
        let scopes = scopes.iter().map(|(scope, column)| {
            let scope = unraw(scope);
            quote!((#scope, #column))
        });
        quote!((&#resource, &[#(#scopes),*]))
    });
    let tags = tags.iter().map(|(kind, column)| {
        let kind = unraw(kind);
        quote!((#kind, #column))
    });
    let written = (!written.is_empty()).then(|| {
        let targets = written
            .iter()
            .map(|TableTargetText { name, scopes }| quote!((#name, &[#(#scopes),*])));
        quote!(.__written(&[#(#targets),*]))
    });
    quote!(#private::Table::__new(#schema, #name, #tenant, &[#(#resources),*], &[#(#tags),*])#written)
}

/// The scopes, by name. They are written in the module that the user is in, where the names in them mean what the user meant, and looked
/// up in a module of their own, so that a scope may be called like a resource.
fn scope_module(scopes: &[ScopeType]) -> TokenStream {
    let private = private();
    let aliases = scopes.iter().map(|ScopeType { name, ty, optional }| {
        let alias = format_ident!("__cache_scope_{}", name, span = quiet(name.span()));
        let declaration = format_ident!("__CacheScope_{}", name, span = quiet(name.span()));
        let given = given(name, ty, *optional);
        let check = quiet_item("Resource", ty.span());
        let check = quote_spanned!(ty.span()=> #check::__scope_type::<#ty>());
        let declared = if *optional {
            quote!(#private::Optional<#ty>)
        } else {
            quote!(#ty)
        };
        quote! {
            #[doc(hidden)]
            #[derive(::core::default::Default)]
            #[non_exhaustive]
            pub struct #declaration;
            impl #declaration {
                #given
            }
            #[doc(hidden)]
            pub type #alias = #private::Scope<#declared, #declaration>;
            const _: () = #check;
        }
    });
    let exports = scopes.iter().map(|ScopeType { name, .. }| {
        let alias = format_ident!("__cache_scope_{}", name, span = quiet(name.span()));
        let name = quiet_ident(name);
        quote! {
            #[doc(inline)]
            pub use super::#alias as #name;
        }
    });
    quote! {
        #(#aliases)*

        /// The scopes.
        pub mod scopes {
            #(
                #exports
            )*
        }
    }
}

/// The kinds of tags, by name; in a module of their own as the scopes are.
fn tag_module(tags: &[TagKind]) -> TokenStream {
    let private = private();
    let aliases = tags.iter().map(|TagKind { name, ty, .. }| {
        let alias = format_ident!("__cache_tag_{}", name, span = quiet(name.span()));
        let check = quiet_item("Resource", ty.span());
        let check = quote_spanned!(ty.span()=> #check::__scope_type::<#ty>());
        quote! {
            #[doc(hidden)]
            pub type #alias = #private::Tag<#ty>;
            const _: () = #check;
        }
    });
    let exports = tags.iter().map(|TagKind { docs, name, .. }| {
        let docs = docs_or(docs, &format!(" Tags of the kind `{name}`."));
        let alias = format_ident!("__cache_tag_{}", name, span = quiet(name.span()));
        let name = quiet_ident(name);
        quote! {
            #docs
            pub use super::#alias as #name;
        }
    });
    quote! {
        #(#aliases)*

        /// The kinds of tags.
        pub mod tags {
            #(
                #exports
            )*
        }
    }
}

/// The method that takes the values of a scope. Its name and its argument have the places of the user's own words, which the compiler
/// shows when a value has another type.
fn given(name: &Ident, ty: &Type, optional: bool) -> TokenStream {
    let private = private();
    let is_text = matches!(ty, Type::Path(path) if path.path.is_ident("str"));
    let given = Ident::new("__given", quiet(name.span()));
    // Not called like the scope: a static may be.
    let value = format_ident!("__cache_{}", name, span = quiet(name.span()));
    let (expected, shown, body) = match (optional, is_text) {
        (false, _) => (quote!(#ty), quote!(#ty), quote!(::core::option::Option::Some(#value))),
        (true, false) => (
            quote!(::core::option::Option<#ty>),
            quote!(#ty),
            quote!(::core::option::Option::as_ref(#value)),
        ),
        (true, true) => (
            quote!((dyn #private::OptionalText + 'v)),
            quote!(#ty),
            quote!(#private::OptionalText::text(#value)),
        ),
    };
    let expected = quote_spanned!(quiet(ty.span())=> &'v #expected);
    quote! {
        #[inline]
        pub fn #given<'v>(&self, #value: #expected) -> ::core::option::Option<&'v #shown> {
            #body
        }
    }
}

/// The types of scopes and of tags, for people to read.
fn types(scopes: &[ScopeType], tags: &[TagKind]) -> Option<TokenStream> {
    let scopes = scopes.iter().map(|scope| (unraw(&scope.name), scope.spelt()));
    let tags = tags.iter().map(|tag| (unraw(&tag.name), tag.spelt()));
    let pair = |(name, ty): (String, String)| quote!((#name, #ty));
    let (scopes, tags): (Vec<_>, Vec<_>) = (scopes.map(pair).collect(), tags.map(pair).collect());
    (!scopes.is_empty() || !tags.is_empty()).then(|| quote!(.__types(&[#(#scopes),*], &[#(#tags),*])))
}

/// The text of a documentation, as far as it is written out.
fn documentation(docs: &[Attribute]) -> Option<String> {
    let lines = docs.iter().filter_map(|doc| match &doc.meta {
        Meta::NameValue(MetaNameValue {
            value: Expr::Lit(ExprLit {
                lit: Lit::Str(line), ..
            }),
            ..
        }) => Some(line.value()),
        _ => None,
    });
    let lines: Vec<String> = lines
        .map(|line| line.strip_prefix(' ').unwrap_or(&line).to_owned())
        .collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

fn docs_or(docs: &[Attribute], otherwise: &str) -> TokenStream {
    if docs.is_empty() {
        quote!(#[doc = #otherwise])
    } else {
        quote!(#(#docs)*)
    }
}
