//! `resources!`: a static for each name, and the registry of them.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::{Attribute, spanned::Spanned};

use super::private;
use crate::{
    duration::DurationExpr,
    model::{CrashSafe, Group, GroupPart, PartScope, Registry, Resource, ScopeType},
};

/// The items that `model` stands for.
pub(crate) fn registry(model: &Registry) -> TokenStream {
    let Registry {
        resources,
        groups,
        scopes,
    } = model;
    let scopes = scope_module(scopes);
    let resource_items = resources.iter().map(resource);
    let group_items = groups.iter().map(group);
    let resource_names = resources.iter().map(|resource| &resource.name);
    let group_names = groups.iter().map(|group| &group.name);
    quote! {
        #(#resource_items)*
        #(#group_items)*
        #scopes

        /// The resources and groups of this module.
        pub static REGISTRY: ::cache_runtime::__private::Registry = ::cache_runtime::__private::Registry::__new(
            ::core::module_path!(),
            &[#(&#resource_names),*],
            &[#(&#group_names),*],
        );

        ::cache_runtime::__private::inventory::submit! {
            ::cache_runtime::__private::Declared(&REGISTRY)
        }
    }
}

fn resource(model: &Resource) -> TokenStream {
    let Resource {
        docs,
        name,
        ttl,
        scopes,
        optional_scopes,
        shared,
        max_loads,
        crash_safe,
    } = model;
    let docs = docs_or(docs, &format!(" The resource `{name}`."));
    let text = name.to_string();
    let ttl = match ttl {
        None => quote!(::core::option::Option::None),
        Some(DurationExpr::Expr(expr)) => {
            let check = private("Resource", expr.span());
            quote_spanned!(expr.span()=> #check::__ttl(#expr))
        }
        Some(fixed) => quote!(::core::option::Option::Some(#fixed)),
    };
    let scopes = scopes.iter().map(ToString::to_string);
    let optional_scopes = (!optional_scopes.is_empty()).then(|| {
        let names = optional_scopes.iter().map(ToString::to_string);
        quote!(.__optional_scopes(&[#(#names),*]))
    });
    let crash_safe = crash_safe.as_ref().map(|CrashSafe { settle }| {
        let settle = match settle {
            None => quote!(::core::time::Duration::ZERO),
            Some(DurationExpr::Expr(expr)) => {
                let check = private("Resource", expr.span());
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
    let tenancy = if *shared { quote!(Shared) } else { quote!(PerTenant) };
    quote! {
        #docs
        #[allow(non_upper_case_globals, unused_qualifications, reason = "it is named as it stands in keys")]
        pub static #name: ::cache_runtime::__private::Resource = ::cache_runtime::__private::Resource::__new(
            #text,
            #ttl,
            &[#(#scopes),*],
            ::cache_runtime::__private::Tenancy::#tenancy,
        )#optional_scopes #crash_safe #max_loads;
    }
}

fn group(model: &Group) -> TokenStream {
    let Group {
        docs,
        name,
        members,
        parameters,
        parts,
    } = model;
    let docs = docs_or(docs, &format!(" The group `{name}`."));
    let text = name.to_string();
    let parameters = (!parameters.is_empty()).then(|| {
        let parameters = parameters.iter().map(ToString::to_string);
        let parts = parts.iter().map(group_part);
        quote!(.__parameters(&[#(#parameters),*], &[#(#parts),*]))
    });
    quote! {
        #docs
        #[allow(non_upper_case_globals, reason = "it is named as it stands in attributes")]
        pub static #name: ::cache_runtime::__private::Group =
            ::cache_runtime::__private::Group::__new(#text, &[#(&#members),*])#parameters;
    }
}

fn group_part(GroupPart { resource, scopes }: &GroupPart) -> TokenStream {
    let scopes = scopes.iter().map(|PartScope { name, parameter }| {
        let (name, parameter) = (name.to_string(), parameter.to_string());
        quote!((#name, #parameter))
    });
    quote!(::cache_runtime::__private::GroupPart::__new(&#resource, &[#(#scopes),*]))
}

/// The types of the scopes, by name. They are written in the module that the user is in, where the names in them mean
/// what the user meant, and looked up in a module of their own, so that a scope may be called like a resource.
fn scope_module(scopes: &[ScopeType]) -> TokenStream {
    let aliases = scopes.iter().map(|ScopeType { name, ty, optional }| {
        let alias = format_ident!("__cache_scope_{}", name, span = name.span());
        let check = private("Resource", ty.span());
        let check = quote_spanned!(ty.span()=> #check::__scope_type::<#ty>());
        let declared = if *optional {
            quote!(::cache_runtime::__private::Optional<#ty>)
        } else {
            quote!(#ty)
        };
        quote! {
            #[doc(hidden)]
            #[allow(non_camel_case_types, dead_code, unused_qualifications, reason = "it is named as the scope is")]
            pub type #alias = #declared;
            #[allow(unused_qualifications, reason = "the user's module may have imported it")]
            const _: () = #check;
        }
    });
    let exports = scopes.iter().map(|ScopeType { name, .. }| {
        let alias = format_ident!("__cache_scope_{}", name, span = name.span());
        quote! {
            #[doc(inline)]
            pub use super::#alias as #name;
        }
    });
    quote! {
        #(#aliases)*

        /// The types of the scopes.
        pub mod scopes {
            #(
                #[allow(unused_imports, reason = "a scope may not be used in this crate")]
                #exports
            )*
        }
    }
}

fn docs_or(docs: &[Attribute], otherwise: &str) -> TokenStream {
    if docs.is_empty() {
        quote!(#[doc = #otherwise])
    } else {
        quote!(#(#docs)*)
    }
}
