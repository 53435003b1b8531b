//! The second phase: what the three macros mean. A value of these types cannot be wrong; what only the compiler can
//! know (does the resource exist, has the scope that type) is checked by constants in the expansion.

use std::num::NonZeroU32;

use proc_macro2::{Ident, Span, TokenStream};
use quote::ToTokens;
use syn::{Attribute, Token, Type};

use crate::{
    args::{CodecName, OnArg},
    duration::DurationExpr,
    uses::compact,
};

/// A `#[cached]` function.
pub(crate) struct Cached {
    /// The path of the declared resource.
    pub(crate) resource: TokenStream,
    pub(crate) resource_span: Span,
    pub(crate) function: String,
    pub(crate) version: u32,
    pub(crate) ttl: Option<TokenStream>,
    pub(crate) when: Option<TokenStream>,
    pub(crate) unless: Option<Closure>,
    /// The `ttl` that looks at the value.
    pub(crate) lifetime: Option<Closure>,
    pub(crate) cache_err: Option<Closure>,
    pub(crate) policies: Policies,
    pub(crate) hard_timeout: Option<HardTimeout>,
    /// The options named by the attribute that it has to name if the resource declares them.
    pub(crate) named: Vec<&'static str>,
    pub(crate) demands: Vec<Demand>,
    pub(crate) return_demands: Vec<ReturnDemand>,
    pub(crate) loading: Loading,
    pub(crate) near: Option<Near>,
    pub(crate) lease: Option<DurationExpr>,
    /// The codec, and where it is named.
    pub(crate) codec: Option<(CodecName, Span)>,
    /// The part of the hits whose bodies run, too.
    pub(crate) verify: Option<f64>,
    pub(crate) tenant: Option<Tenant>,
    pub(crate) cache: Option<TokenStream>,
    pub(crate) scopes: Vec<Scope>,
    pub(crate) tags: Option<Tags>,
    /// In ascending order of the names.
    pub(crate) key: Vec<KeyPart>,
    /// The skipped arguments that have to be handles.
    pub(crate) handles: Vec<Handle>,
    /// The user arguments, which nothing else may name.
    pub(crate) user_arguments: Vec<UserArgument>,
    /// The argument that has an entry for each of its elements.
    pub(crate) each: Option<Each>,
    pub(crate) output: Type,
    pub(crate) text: FunctionText,
}

/// What a `#[cached]` function says of itself, for people to read.
pub(crate) struct FunctionText {
    pub(crate) ttl: Option<TtlText>,
    pub(crate) scopes: Vec<ValueText>,
    pub(crate) tags: Vec<ValueText>,
    /// The arguments that are not in the key.
    pub(crate) left_out: Vec<String>,
    pub(crate) each: Option<String>,
    pub(crate) when: Option<String>,
    /// Those texts in its body that may be statements which write.
    pub(crate) literals: Vec<String>,
}

/// A `ttl`, for people to read.
pub(crate) enum TtlText {
    Fixed(DurationExpr),
    /// An expression, or a closure.
    Computed(String),
}

/// A scope or a kind of tags, and its value as it is written.
pub(crate) struct ValueText {
    pub(crate) name: String,
    pub(crate) value: String,
}

/// An argument that has an entry for each of its elements. The body is given those that are not cached.
pub(crate) struct Each {
    pub(crate) argument: Ident,
    /// Whether it is borrowed.
    pub(crate) by_reference: bool,
    pub(crate) mutability: Option<Token![mut]>,
    /// What one of them is called.
    pub(crate) element: Ident,
    /// The other arguments that are taken by value: each run of the body is given clones.
    pub(crate) cloned: Vec<ClonedArgument>,
}

/// An argument that is cloned for each run of the body.
pub(crate) struct ClonedArgument {
    pub(crate) ident: Ident,
    pub(crate) mutability: Option<Token![mut]>,
    pub(crate) cfg: Vec<Attribute>,
}

/// How fresh results are, as far as a declaration or an attribute says.
pub(crate) struct Policies {
    pub(crate) stale_while_revalidate: Option<Setting<DurationExpr>>,
    pub(crate) stale_if_error: Option<Setting<DurationExpr>>,
    pub(crate) load_timeout: Option<Setting<Timeouts>>,
    pub(crate) refresh_ahead: Option<Setting<f64>>,
    pub(crate) jitter: Option<Setting<f64>>,
    pub(crate) negative_ttl: Option<Setting<DurationExpr>>,
    /// Entries of the resource can be invalidated softly.
    pub(crate) soft: bool,
}

/// What a policy is set to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setting<T> {
    Off,
    /// As the declaration says.
    AsDeclared,
    Value(T),
}

/// What `load_timeout` is set to; what it leaves out is off.
pub(crate) struct Timeouts {
    pub(crate) soft: Option<DurationExpr>,
    pub(crate) hard: Option<DurationExpr>,
}

/// That a load may end with an error because it takes too long, and the place that says so.
pub(crate) enum HardTimeout {
    Given(Span),
    /// If the declaration says so.
    AsDeclared(Span),
}

/// What the attribute asks of the declaration, and the place to say so if it is not there.
pub(crate) enum Demand {
    StaleWhileRevalidate(Span),
    LoadTimeout(Span),
    /// That something old may be served, by whatever option, if there is a soft timeout.
    StaleWindow(Span, SoftTimeout),
    NegativeTtl(Span),
}

/// Where a soft timeout comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum SoftTimeout {
    Given,
    /// From the declaration, if it says so.
    AsDeclared,
}

/// What the attribute asks of the return type, and the place to say so if it is not there.
pub(crate) enum ReturnDemand {
    /// That it can say that there is nothing.
    Absence(Span),
    /// That it can say that the load has failed.
    Failure(Span),
    /// That it is a `Result`.
    Error(Span),
}

/// What the body is given.
pub(crate) enum Loading {
    /// The arguments of the caller, who waits for it.
    InTheCall,
    /// Arguments of its own, these: it may go on when its caller is gone.
    Outliving(Vec<OwnedArgument>),
}

/// An argument that the body of a load owns.
pub(crate) struct OwnedArgument {
    pub(crate) cfg: Vec<Attribute>,
    /// As the function names it: `self`, for one.
    pub(crate) named: Ident,
    /// As the body of the load names it.
    pub(crate) ident: Ident,
    pub(crate) mutability: Option<Token![mut]>,
    /// Borrowed from nobody, although it is a reference.
    pub(crate) is_static: bool,
}

/// A closure of the attribute, or an expression that gives one.
pub(crate) struct Closure {
    pub(crate) span: Span,
    /// What stands before its body, if it is a closure that owns copies of arguments.
    pub(crate) head: Option<TokenStream>,
    pub(crate) body: TokenStream,
    /// The arguments that it owns copies of.
    pub(crate) arguments: Vec<OwnedArgument>,
}

impl Closure {
    /// As it is written.
    pub(crate) const fn plain(tokens: TokenStream, span: Span) -> Self {
        Self {
            span,
            head: None,
            body: tokens,
            arguments: Vec::new(),
        }
    }
}

/// How values in the process are known to be valid.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Near {
    Tracked,
    Checked,
}

/// Where the tenant comes from.
pub(crate) struct Tenant {
    pub(crate) cfg: Vec<Attribute>,
    pub(crate) value: TokenStream,
    pub(crate) span: Span,
}

/// A value for a scope.
#[derive(Clone)]
pub(crate) struct Scope {
    pub(crate) name: Ident,
    /// The path of the type that the registry gives the scope.
    pub(crate) ty: TokenStream,
    pub(crate) value: TokenStream,
    pub(crate) span: Span,
    /// Whether the value is the word `None`.
    pub(crate) is_none: bool,
    /// Whether the value is several.
    pub(crate) several: Option<Several>,
}

/// What several values of a scope come in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Several {
    /// An argument or a field: a collection, which is borrowed.
    Place,
    /// What can be iterated over.
    Iterator,
}

/// The tags of results.
pub(crate) struct Tags {
    /// Each kind with its values.
    pub(crate) given: Vec<TagValues>,
    /// The word `result` as the user wrote it, if a value is of it.
    pub(crate) result: Option<Ident>,
}

/// When the values of a kind of tags are known.
pub(crate) enum TagValues {
    OnEntry(Scope),
    FromResult(Scope),
}

/// A named part of the key.
pub(crate) struct KeyPart {
    pub(crate) name: String,
    pub(crate) cfg: Vec<Attribute>,
    pub(crate) value: TokenStream,
    pub(crate) span: Span,
    pub(crate) kind: KeyPartKind,
}

/// How a part of the key is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyPartKind {
    Value,
    /// A set by value or behind a reference: its elements come in another order each time.
    Set {
        by_reference: bool,
    },
}

/// A skipped argument that the body uses.
pub(crate) struct Handle {
    /// As `skip(...)` names it.
    pub(crate) ident: Ident,
    pub(crate) cfg: Vec<Attribute>,
}

/// `username` or `current_user`.
pub(crate) struct UserArgument {
    pub(crate) ident: Ident,
    pub(crate) cfg: Vec<Attribute>,
}

/// An `#[invalidates]` function.
pub(crate) struct Invalidates {
    pub(crate) function: String,
    pub(crate) on: OnArg,
    /// Whether what is cached may be returned until it is replaced.
    pub(crate) soft: bool,
    /// What has to be able to go on without the caller, if the mutation does.
    pub(crate) detach: Option<Vec<DetachedArgument>>,
    pub(crate) tenant: Option<Tenant>,
    pub(crate) cache: Option<TokenStream>,
    pub(crate) targets: Vec<Target>,
    /// The word `result` as the user wrote it, if any target needs the result.
    pub(crate) result: Option<Ident>,
    pub(crate) output: Type,
}

/// What one target of `#[invalidates]` stands for.
pub(crate) struct Target {
    /// A constant expression of type `Selection`.
    pub(crate) selection: TokenStream,
    pub(crate) span: Span,
    pub(crate) when: Option<Condition>,
    pub(crate) scopes: Vec<TargetScope>,
    /// Whether it is a tag, of which the one scope has the values.
    pub(crate) is_tag: bool,
    pub(crate) text: TargetText,
}

/// What a target says, for people to read.
pub(crate) struct TargetText {
    /// What it names, without the path to it.
    pub(crate) name: String,
    pub(crate) scopes: Vec<ValueText>,
    pub(crate) when: Option<String>,
}

/// Whether a target is meant.
pub(crate) struct Condition {
    pub(crate) value: TokenStream,
    pub(crate) span: Span,
    /// Known after the body.
    pub(crate) from_result: bool,
}

/// An argument of a mutation that may go on without its caller.
pub(crate) struct DetachedArgument {
    pub(crate) cfg: Vec<Attribute>,
    pub(crate) value: TokenStream,
    pub(crate) span: Span,
}

/// When the value of a target's scope is known.
pub(crate) enum TargetScope {
    OnEntry(Scope),
    FromResult(Scope),
}

impl TargetScope {
    pub(crate) const fn scope(&self) -> &Scope {
        match self {
            Self::OnEntry(scope) | Self::FromResult(scope) => scope,
        }
    }
}

impl Target {
    /// The scope that is given several values.
    pub(crate) fn several(&self) -> Option<&Scope> {
        self.scopes
            .iter()
            .map(TargetScope::scope)
            .find(|scope| scope.several.is_some())
    }

    pub(crate) fn needs_result(&self) -> bool {
        self.when.as_ref().is_some_and(|when| when.from_result) || self.has_scope_from_result()
    }

    pub(crate) fn has_scope_from_result(&self) -> bool {
        self.scopes
            .iter()
            .any(|scope| matches!(scope, TargetScope::FromResult(_)))
    }
}

/// What `resources!` declares.
pub(crate) struct Registry {
    pub(crate) resources: Vec<Resource>,
    pub(crate) groups: Vec<Group>,
    /// The types of the scopes, each name once.
    pub(crate) scopes: Vec<ScopeType>,
    pub(crate) tags: Vec<TagKind>,
    pub(crate) tables: Vec<Table>,
}

/// A table of a database, and what its changes invalidate.
pub(crate) struct Table {
    pub(crate) schema: Option<String>,
    pub(crate) name: String,
    /// The column that says whose a row is.
    pub(crate) tenant: Option<String>,
    /// Resources only, each with scopes and the columns that fill them.
    pub(crate) resources: Vec<TableResource>,
    /// Kinds of tags, and the columns that have their values.
    pub(crate) tags: Vec<(Ident, String)>,
    /// The resources, groups and patterns as they are written, for people to read.
    pub(crate) written: Vec<TableTargetText>,
}

/// What a target of a table says, for people to read.
pub(crate) struct TableTargetText {
    pub(crate) name: String,
    /// The scopes with their columns.
    pub(crate) scopes: Vec<ValueText>,
}

/// A resource that a change of a table invalidates.
pub(crate) struct TableResource {
    pub(crate) resource: Ident,
    pub(crate) scopes: Vec<(Ident, String)>,
}

/// A kind of tags.
pub(crate) struct TagKind {
    pub(crate) docs: Vec<Attribute>,
    pub(crate) name: Ident,
    /// What values are borrowed as.
    pub(crate) ty: Type,
}

pub(crate) struct Resource {
    pub(crate) docs: Vec<Attribute>,
    pub(crate) name: Ident,
    pub(crate) ttl: Option<DurationExpr>,
    pub(crate) scopes: Vec<Ident>,
    /// Those that are declared as an `Option`.
    pub(crate) optional_scopes: Vec<Ident>,
    pub(crate) shared: bool,
    pub(crate) max_loads: Option<NonZeroU32>,
    pub(crate) crash_safe: Option<CrashSafe>,
    pub(crate) policies: Policies,
}

/// That a resource is `crash_safe`.
pub(crate) struct CrashSafe {
    pub(crate) settle: Option<DurationExpr>,
}

pub(crate) struct Group {
    pub(crate) docs: Vec<Attribute>,
    pub(crate) name: Ident,
    /// Resources only, each once.
    pub(crate) members: Vec<Ident>,
    pub(crate) parameters: Vec<Ident>,
    /// What the parameters are for; of no interest without any.
    pub(crate) parts: Vec<GroupPart>,
}

/// A resource of a group with parameters.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct GroupPart {
    pub(crate) resource: Ident,
    pub(crate) scopes: Vec<PartScope>,
}

/// A scope and the parameter that it is given.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PartScope {
    pub(crate) name: Ident,
    pub(crate) parameter: Ident,
}

#[derive(Clone)]
pub(crate) struct ScopeType {
    pub(crate) name: Ident,
    /// What values are borrowed as.
    pub(crate) ty: Type,
    /// Whether the type is declared as an `Option` of it.
    pub(crate) optional: bool,
}

impl ScopeType {
    /// The type as it is written in a declaration.
    pub(crate) fn spelt(&self) -> String {
        let spelling = spelt(&self.ty);
        if self.optional {
            format!("Option<{spelling}>")
        } else {
            spelling
        }
    }
}

impl TagKind {
    /// The type as it is written in a declaration.
    pub(crate) fn spelt(&self) -> String {
        spelt(&self.ty)
    }
}

/// The type as it is written in a declaration, where texts are borrowed as `str`.
fn spelt(ty: &Type) -> String {
    match compact(ty.to_token_stream()) {
        text if text == "str" => "String".to_owned(),
        other => other,
    }
}
