//! The declarations of `resources!`.

use std::num::NonZeroU32;

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use syn::{
    Attribute, LitInt, LitStr, Meta, Path, Token, Type,
    ext::IdentExt,
    parse::{Parse, ParseStream},
    token,
};

use super::{
    options::{Keyed, Opt, OptionTable, Slot, in_parentheses, read_all, scope_name, separated},
    policies::{Place, PolicyArgs},
    tables::{TableArgs, table},
};
use crate::{diag::Errors, duration::DurationExpr};

/// What stands in `resources! { ... }`.
pub(crate) struct ResourcesArgs {
    /// Where the runtime is.
    pub(crate) krate: Option<Path>,
    pub(crate) declarations: Vec<Declaration>,
    pub(crate) tags: Vec<TagArgs>,
    pub(crate) tables: Vec<TableArgs>,
}

pub(crate) enum Declaration {
    Resource(Box<ResourceArgs>),
    Group(GroupArgs),
}

/// `name { options }`.
pub(crate) struct ResourceArgs {
    pub(crate) docs: Vec<Attribute>,
    pub(crate) name: Ident,
    pub(crate) ttl: Slot<DurationExpr>,
    pub(crate) scope: Slot<Vec<ScopeArg>>,
    /// `tenant = shared`.
    pub(crate) shared: Slot<()>,
    pub(crate) max_loads: Slot<NonZeroU32>,
    pub(crate) crash_safe: Slot<()>,
    pub(crate) settle: Slot<DurationExpr>,
    /// Where the name of `settle` stands.
    pub(crate) settle_span: Option<Span>,
    pub(crate) policies: PolicyArgs,
    pub(crate) soft: Slot<Keyed<()>>,
}

/// `name: Type` of a scope.
pub(crate) struct ScopeArg {
    pub(crate) name: Ident,
    pub(crate) ty: Type,
}

/// `tag name: Type;`.
pub(crate) struct TagArgs {
    pub(crate) docs: Vec<Attribute>,
    pub(crate) name: Ident,
    pub(crate) ty: Type,
}

/// `group name = members;` or `group name(parameters) = members;`.
pub(crate) struct GroupArgs {
    pub(crate) docs: Vec<Attribute>,
    pub(crate) name: Ident,
    /// None without parentheses.
    pub(crate) parameters: Vec<Ident>,
    pub(crate) members: Vec<Member>,
}

/// A member of a group, and the parameters that its scopes are given.
pub(crate) struct Member {
    pub(crate) name: MemberName,
    pub(crate) scopes: Vec<MemberScope>,
}

/// A resource or group by its name, or resources by a pattern.
pub(crate) enum MemberName {
    Name(Ident),
    Pattern(LitStr),
}

/// `name` or `name = parameter`.
pub(crate) struct MemberScope {
    pub(crate) name: Ident,
    pub(crate) parameter: Ident,
}

impl ResourcesArgs {
    /// Reads the declarations. What is wrong goes to `errors`, what is right is kept.
    pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut declarations = Vec::new();
        let mut tags = Vec::new();
        let mut tables = Vec::new();
        let mut krate = None;
        read_all(tokens, errors, |input, errors| {
            if input.peek(Token![crate]) {
                krate = errors.keep(runtime(input));
            }
            while !input.is_empty() {
                match declaration(input, errors) {
                    Ok(Item::Declaration(declaration)) => declarations.push(declaration),
                    Ok(Item::Tag(tag)) => tags.push(*tag),
                    Ok(Item::Table(table)) => tables.push(*table),
                    Err(error) => {
                        errors.push(error);
                        skip_declaration(input);
                    }
                }
            }
        });
        Self {
            krate,
            declarations,
            tags,
            tables,
        }
    }
}

/// What is declared, in whatever order.
enum Item {
    Declaration(Declaration),
    /// With names of its own: a tag may be called like a resource.
    Tag(Box<TagArgs>),
    /// Of the database, where it may be called like anything here.
    Table(Box<TableArgs>),
}

/// Reads `crate = path;`, which stands before the declarations.
fn runtime(input: ParseStream<'_>) -> syn::Result<Path> {
    let refuse = |error: &syn::Error| {
        let text = "expected the path of the runtime\nhelp: write `crate = some::cache_runtime;`";
        syn::Error::new(error.span(), text)
    };
    let read = |input: ParseStream<'_>| {
        input.parse::<Token![crate]>()?;
        input.parse::<Token![=]>()?;
        let path = input.call(Path::parse_mod_style)?;
        input.parse::<Token![;]>()?;
        Ok(path)
    };
    let path = read(input).map_err(|error| refuse(&error));
    if path.is_err() {
        skip_declaration(input);
    }
    path
}

impl Declaration {
    pub(crate) fn name(&self) -> &Ident {
        match self {
            Self::Resource(resource) => &resource.name,
            Self::Group(group) => &group.name,
        }
    }
}

impl Member {
    pub(crate) fn span(&self) -> Span {
        match &self.name {
            MemberName::Name(name) => name.span(),
            MemberName::Pattern(pattern) => pattern.span(),
        }
    }
}

impl Parse for Member {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name = if input.peek(LitStr) {
            MemberName::Pattern(input.parse()?)
        } else {
            MemberName::Name(input.parse()?)
        };
        let scopes = if input.peek(token::Paren) {
            in_parentheses(input, MemberScope::parse)?
        } else {
            Vec::new()
        };
        Ok(Self { name, scopes })
    }
}

impl Parse for MemberScope {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name = scope_name(input)?;
        let refuse = |error: &syn::Error| {
            syn::Error::new(
                error.span(),
                "a scope is given a parameter of the group here\nhelp: write `scope` or `scope = parameter`",
            )
        };
        let parameter = match input.parse::<Option<Token![=]>>()? {
            Some(_) => input.parse().map_err(|error| refuse(&error))?,
            None => name.clone(),
        };
        if !(input.is_empty() || input.peek(Token![,])) {
            return Err(refuse(&input.error("")));
        }
        Ok(Self { name, parameter })
    }
}

impl Parse for ScopeArg {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name = scope_name(input)?;
        if !input.peek(Token![:]) {
            return Err(syn::Error::new(
                name.span(),
                format!("the scope `{name}` is given without a type\nhelp: write `scope({name}: i64)`"),
            ));
        }
        input.parse::<Token![:]>()?;
        Ok(Self {
            name,
            ty: input.parse()?,
        })
    }
}

fn declaration(input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Item> {
    let docs = docs(input, errors)?;
    let expected =
        "expected `name { ttl = \"5m\" }`, `group name = member, member;`, `tag name: i64;` or `table name => member;`";
    let name = input
        .call(Ident::parse_any)
        .map_err(|error| syn::Error::new(error.span(), expected))?;
    if name == "group" && !input.peek(token::Brace) {
        return group(docs, input).map(Declaration::Group).map(Item::Declaration);
    }
    if name == "tag" && !input.peek(token::Brace) {
        return tag(docs, input).map(Box::new).map(Item::Tag);
    }
    if name == "table" && !input.peek(token::Brace) {
        // The declaration is no item: its documentation is for who reads it here.
        return table(&name, input).map(Box::new).map(Item::Table);
    }
    if !input.peek(token::Brace) {
        return Err(syn::Error::new(
            name.span(),
            format!(
                "the resource `{name}` is declared without braces\nhelp: write `{name} {{}}` or `{name} {{ ttl = \"5m\" }}`"
            ),
        ));
    }
    let content;
    syn::braced!(content in input);
    if input.peek(Token![,]) {
        errors.at(
            input.span(),
            format!("nothing stands between declarations\nhelp: remove the `,` after `{name} {{ ... }}`"),
        );
        input.parse::<Token![,]>()?;
    }
    let mut resource = ResourceArgs {
        docs,
        name,
        ttl: Slot::Absent,
        scope: Slot::Absent,
        shared: Slot::Absent,
        max_loads: Slot::Absent,
        crash_safe: Slot::Absent,
        settle: Slot::Absent,
        settle_span: None,
        policies: PolicyArgs::default(),
        soft: Slot::Absent,
    };
    separated(&content, errors, |input, errors| {
        ResourceArgs::OPTIONS.read(&mut resource, Opt::parse(input, errors)?);
        Ok(())
    });
    Ok(Item::Declaration(Declaration::Resource(Box::new(resource))))
}

impl ResourceArgs {
    pub(crate) const OPTIONS: OptionTable<Self> = OptionTable(&[
        ("ttl", |resource, option| {
            option.assign(&mut resource.ttl, "ttl = \"5m\"");
        }),
        ("scope", |resource, option| {
            option.list(&mut resource.scope, "scope(company: i64)");
        }),
        ("tenant", |resource, option| {
            option.assign_with(&mut resource.shared, "tenant = shared", shared);
        }),
        ("max_loads", |resource, option| {
            option.assign_with(&mut resource.max_loads, "max_loads = 8", max_loads);
        }),
        ("crash_safe", |resource, option| option.flag(&mut resource.crash_safe)),
        ("settle", |resource, option| {
            resource.settle_span = Some(option.key.span());
            option.assign(&mut resource.settle, "settle = \"500ms\"");
        }),
        ("stale_while_revalidate", |resource, option| {
            resource
                .policies
                .read_stale_while_revalidate(option, Place::Declaration);
        }),
        ("stale_if_error", |resource, option| {
            resource.policies.read_stale_if_error(option);
        }),
        ("load_timeout", |resource, option| {
            resource.policies.read_load_timeout(option, Place::Declaration);
        }),
        ("refresh_ahead", |resource, option| {
            resource.policies.read_refresh_ahead(option, Place::Declaration);
        }),
        ("jitter", |resource, option| resource.policies.read_jitter(option)),
        ("negative_ttl", |resource, option| {
            resource.policies.read_negative_ttl(option);
        }),
        ("soft", |resource, option| option.keyed_flag(&mut resource.soft)),
    ]);
}

fn group(docs: Vec<Attribute>, input: ParseStream<'_>) -> syn::Result<GroupArgs> {
    let name: Ident = input.parse()?;
    let refuse = |span| {
        syn::Error::new(
            span,
            format!(
                "expected the members of the group\nhelp: write `group {name} = resource_a, resource_b, \"pattern_*\";`"
            ),
        )
    };
    let parameters = if input.peek(token::Paren) {
        in_parentheses(input, parameter)?
    } else {
        Vec::new()
    };
    input.parse::<Token![=]>().map_err(|_| refuse(name.span()))?;
    let mut members = Vec::new();
    while !input.peek(Token![;]) {
        if !(input.peek(LitStr) || input.peek(syn::Ident)) {
            return Err(refuse(input.span()));
        }
        members.push(input.parse()?);
        if !input.peek(Token![;]) {
            input.parse::<Token![,]>().map_err(|error| {
                syn::Error::new(
                    error.span(),
                    "expected `,` before the next member, or `;` after the last",
                )
            })?;
        }
    }
    input.parse::<Token![;]>()?;
    Ok(GroupArgs {
        docs,
        name,
        parameters,
        members,
    })
}

fn tag(docs: Vec<Attribute>, input: ParseStream<'_>) -> syn::Result<TagArgs> {
    let name = scope_name(input)?;
    let refuse = |span| {
        syn::Error::new(
            span,
            format!("a kind of tags has a type, which its values have\nhelp: write `tag {name}: i64;`"),
        )
    };
    input.parse::<Token![:]>().map_err(|_| refuse(name.span()))?;
    let ty = input.parse().map_err(|error: syn::Error| refuse(error.span()))?;
    input.parse::<Token![;]>().map_err(|error| {
        let text = format!("expected `;` after the kind of tags `{name}`");
        syn::Error::new(error.span(), text)
    })?;
    Ok(TagArgs { docs, name, ty })
}

/// The name of a group's parameter.
fn parameter(input: ParseStream<'_>) -> syn::Result<Ident> {
    let name = scope_name(input)?;
    if input.peek(Token![:]) {
        return Err(syn::Error::new(
            input.span(),
            format!(
                "a parameter of a group has the type of the scopes that it is given to\nhelp: write `{name}` alone"
            ),
        ));
    }
    Ok(name)
}

fn docs(input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Vec<Attribute>> {
    let (docs, others): (Vec<_>, Vec<_>) = input
        .call(Attribute::parse_outer)?
        .into_iter()
        .partition(|attribute| matches!(&attribute.meta, Meta::NameValue(meta) if meta.path.is_ident("doc")));
    for other in others {
        errors.push(syn::Error::new_spanned(
            other,
            "a declaration takes doc comments and no other attribute",
        ));
    }
    Ok(docs)
}

fn shared(input: ParseStream<'_>) -> syn::Result<()> {
    let refuse = |span| {
        syn::Error::new(
            span,
            "the only value of `tenant` here is `shared`: one copy for all tenants\nhelp: leave it out for one copy for each tenant",
        )
    };
    let word: Ident = input.call(Ident::parse_any).map_err(|error| refuse(error.span()))?;
    if word == "shared" {
        Ok(())
    } else {
        Err(refuse(word.span()))
    }
}

fn max_loads(input: ParseStream<'_>) -> syn::Result<NonZeroU32> {
    let refuse = |error: &syn::Error| {
        syn::Error::new(
            error.span(),
            "`max_loads` takes a whole number from 1 to 4294967295\nhelp: write `max_loads = 8`, or leave it out for any number",
        )
    };
    input
        .parse::<LitInt>()
        .and_then(|number| number.base10_parse())
        .map_err(|error| refuse(&error))
}

/// Goes on after the `}` of a resource or the `;` of a group.
fn skip_declaration(input: ParseStream<'_>) {
    while !input.is_empty() {
        let ends_here = input.peek(Token![;]) || input.peek(token::Brace);
        if input.parse::<TokenTree>().is_err() || ends_here {
            return;
        }
    }
}
