//! What [`resources!`](crate::resources) declares: resources, groups, and the registry that holds them.

use std::time::Duration;

use serde::Serialize;

use crate::key::ScopeValue;

pub(crate) use self::{nearest::distance, scope::ScopeType, table::WrittenTarget};
pub use self::{
    policies::Policies,
    scope::{Optional, OptionalText, Scope},
    selection::Selection,
    table::Table,
    tag::Tag,
};

pub(crate) mod declared;
mod demands;
mod message;
mod nearest;
mod policies;
mod scope;
mod selection;
mod table;
mod tag;

/// A named kind of cached result: `dashboard_summary`.
///
/// Declared once with [`resources!`](crate::resources); never built by hand.
#[derive(Debug)]
pub struct Resource {
    name: &'static str,
    ttl: Option<Duration>,
    scopes: &'static [&'static str],
    optional_scopes: &'static [&'static str],
    tenancy: Tenancy,
    crash_safe: Option<CrashSafe>,
    max_loads: Option<u32>,
    policies: Policies,
    documentation: &'static str,
}

/// What `crash_safe` says of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CrashSafe {
    /// How long after a mutation nothing is stored yet.
    pub(crate) settle: Duration,
}

/// Whether each tenant has entries of its own, or all share one copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Tenancy {
    /// One copy for each tenant: the default.
    PerTenant,
    /// One copy for all tenants: `tenant = shared`.
    Shared,
}

impl Resource {
    #[doc(hidden)]
    pub const fn __new(
        name: &'static str,
        ttl: Option<Duration>,
        scopes: &'static [&'static str],
        tenancy: Tenancy,
    ) -> Self {
        Self {
            name,
            ttl,
            scopes,
            optional_scopes: &[],
            tenancy,
            crash_safe: None,
            max_loads: None,
            policies: Policies::new(),
            documentation: "",
        }
    }

    /// The scopes that are declared as an `Option`.
    #[doc(hidden)]
    #[must_use]
    pub const fn __optional_scopes(mut self, scopes: &'static [&'static str]) -> Self {
        self.optional_scopes = scopes;
        self
    }

    /// `crash_safe`; `settle` is zero without the option.
    #[doc(hidden)]
    #[must_use]
    pub const fn __crash_safe(mut self, settle: Duration) -> Self {
        self.crash_safe = Some(CrashSafe { settle });
        self
    }

    /// `max_loads`.
    #[doc(hidden)]
    #[must_use]
    pub const fn __max_loads(mut self, loads: u32) -> Self {
        self.max_loads = Some(loads);
        self
    }

    /// `stale_while_revalidate` and what goes with it.
    #[doc(hidden)]
    #[must_use]
    pub const fn __policies(mut self, policies: Policies) -> Self {
        self.policies = policies;
        self
    }

    /// What the declaration says of it.
    #[doc(hidden)]
    #[must_use]
    pub const fn __documentation(mut self, text: &'static str) -> Self {
        self.documentation = text;
        self
    }

    /// The name, as it stands in keys.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The documentation of the declaration, as it is written there; empty without any.
    pub const fn documentation(&self) -> &'static str {
        self.documentation
    }

    /// The declared time-to-live, if the declaration gives one.
    pub const fn ttl(&self) -> Option<Duration> {
        self.ttl
    }

    /// The names of the declared scopes, in the order of the declaration, which is their order in keys.
    pub const fn scopes(&self) -> &'static [&'static str] {
        self.scopes
    }

    /// The names of those scopes that are declared as an `Option`: "nobody" is one of their values.
    pub const fn optional_scopes(&self) -> &'static [&'static str] {
        self.optional_scopes
    }

    /// Whether tenants share one copy.
    pub const fn tenancy(&self) -> Tenancy {
        self.tenancy
    }

    /// Whether nothing old may be served even if a process is killed between a commit and its invalidation.
    pub const fn is_crash_safe(&self) -> bool {
        self.crash_safe.is_some()
    }

    /// Whether it can be invalidated softly.
    pub const fn is_soft(&self) -> bool {
        self.policies.is_soft()
    }

    /// How many of its loads run at once in one process, if the declaration says.
    pub const fn max_loads(&self) -> Option<u32> {
        self.max_loads
    }

    /// The declared policies.
    pub(crate) const fn policies(&self) -> Policies {
        self.policies
    }

    pub(crate) const fn crash_safe(&self) -> Option<CrashSafe> {
        self.crash_safe
    }

    #[doc(hidden)]
    pub const fn __selection(&'static self) -> Selection {
        Selection::One(self)
    }

    /// What a `#[cached]` function names.
    #[doc(hidden)]
    pub const fn __resource(&'static self) -> &'static Self {
        self
    }

    /// `settle`, given as an expression, checked where the registry is compiled.
    #[doc(hidden)]
    #[track_caller]
    pub const fn __settle(settle: Duration) -> Duration {
        assert!(
            settle.as_millis() > 0,
            "`settle` is at least one millisecond\nhelp: leave it out if loads never read from a database replica that lags"
        );
        settle
    }

    /// The declared TTL, given as an expression, checked where the registry is compiled.
    #[doc(hidden)]
    #[track_caller]
    pub const fn __ttl(ttl: Duration) -> Option<Duration> {
        assert!(
            ttl.as_millis() > 0,
            "a TTL is at least one millisecond\nhelp: leave `ttl` out to use the default of the cache"
        );
        Some(ttl)
    }

    /// Compiles only if values of type `T` can be part of a key.
    #[doc(hidden)]
    pub const fn __scope_type<T: ScopeType + ?Sized>() {}

    /// Compiles only if this resource declares the scope `name`.
    #[doc(hidden)]
    #[track_caller]
    pub const fn __require_scope(&'static self, name: &str) {
        Selection::One(self).__require_scope(name);
    }

    /// Compiles only if every scope that this resource declares is in `given`.
    #[doc(hidden)]
    #[track_caller]
    pub const fn __require_all_scopes(&'static self, given: &[&str]) {
        let mut i = 0;
        while i < self.scopes.len() {
            if !message::contains(given, self.scopes[i]) {
                message::scope_not_given(self.name, self.scopes[i]);
            }
            i += 1;
        }
    }
}

/// A declared name for several resources.
#[derive(Debug)]
pub struct Group {
    name: &'static str,
    members: &'static [&'static Resource],
    parameters: &'static [&'static str],
    /// With parameters, what they are for.
    parts: &'static [GroupPart],
}

/// A resource of a group with parameters, and the scopes that these are given to.
#[doc(hidden)]
#[derive(Debug)]
pub struct GroupPart {
    resource: &'static Resource,
    /// Each scope with its parameter.
    scopes: &'static [(&'static str, &'static str)],
}

impl GroupPart {
    #[doc(hidden)]
    pub const fn __new(resource: &'static Resource, scopes: &'static [(&'static str, &'static str)]) -> Self {
        Self { resource, scopes }
    }

    /// The scope values, if these are the values of the parameters. What is not given is left out.
    fn scope_values(&self, parameters: &[ScopeValue]) -> Vec<ScopeValue> {
        let value = |(scope, parameter): &(&'static str, &'static str)| {
            let given = parameters.iter().find(|(name, _)| name == parameter)?;
            Some((*scope, given.1.clone()))
        };
        self.scopes.iter().filter_map(value).collect()
    }
}

impl Group {
    #[doc(hidden)]
    pub const fn __new(name: &'static str, members: &'static [&'static Resource]) -> Self {
        Self {
            name,
            members,
            parameters: &[],
            parts: &[],
        }
    }

    /// The parameters of the group.
    #[doc(hidden)]
    #[must_use]
    pub const fn __parameters(mut self, parameters: &'static [&'static str], parts: &'static [GroupPart]) -> Self {
        self.parameters = parameters;
        self.parts = parts;
        self
    }

    /// Ends the compilation: a `#[cached]` function names a group.
    #[doc(hidden)]
    #[track_caller]
    pub const fn __resource(&'static self) -> &'static Resource {
        message::a_group(self.name, self.members)
    }

    /// The name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The resources of the group, those of nested groups and patterns included, each once.
    pub const fn members(&self) -> &'static [&'static Resource] {
        self.members
    }

    /// The names of the group's parameters, in the order of the declaration.
    pub const fn parameters(&self) -> &'static [&'static str] {
        self.parameters
    }

    #[doc(hidden)]
    pub const fn __selection(&'static self) -> Selection {
        if self.parameters.is_empty() {
            Selection::Many(self.members)
        } else {
            Selection::Parts(self)
        }
    }
}

/// Everything that one [`resources!`](crate::resources) declares.
#[derive(Debug)]
pub struct Registry {
    module: &'static str,
    resources: &'static [&'static Resource],
    groups: &'static [&'static Group],
    tags: &'static [&'static str],
    scope_types: &'static [(&'static str, &'static str)],
    tag_types: &'static [(&'static str, &'static str)],
    tables: &'static [Table],
}

impl Registry {
    #[doc(hidden)]
    pub const fn __new(
        module: &'static str,
        resources: &'static [&'static Resource],
        groups: &'static [&'static Group],
    ) -> Self {
        Self {
            module,
            resources,
            groups,
            tags: &[],
            scope_types: &[],
            tag_types: &[],
            tables: &[],
        }
    }

    /// The kinds of tags.
    #[doc(hidden)]
    #[must_use]
    pub const fn __tags(mut self, tags: &'static [&'static str]) -> Self {
        self.tags = tags;
        self
    }

    /// The types of the scopes and of the kinds of tags, as they are written: each name with its type.
    #[doc(hidden)]
    #[must_use]
    pub const fn __types(
        mut self,
        scopes: &'static [(&'static str, &'static str)],
        tags: &'static [(&'static str, &'static str)],
    ) -> Self {
        self.scope_types = scopes;
        self.tag_types = tags;
        self
    }

    /// The tables.
    #[doc(hidden)]
    #[must_use]
    pub const fn __tables(mut self, tables: &'static [Table]) -> Self {
        self.tables = tables;
        self
    }

    /// The path of the module that declares the registry.
    pub const fn module(&self) -> &'static str {
        self.module
    }

    /// The resources, in the order of their declaration.
    pub const fn resources(&self) -> &'static [&'static Resource] {
        self.resources
    }

    /// The groups, in the order of their declaration.
    pub const fn groups(&self) -> &'static [&'static Group] {
        self.groups
    }

    /// The names of the kinds of tags, in the order of their declaration.
    pub const fn tags(&self) -> &'static [&'static str] {
        self.tags
    }

    /// The names of the scopes and their types, as they are written in the declarations.
    pub const fn scope_types(&self) -> &'static [(&'static str, &'static str)] {
        self.scope_types
    }

    /// The names of the kinds of tags and their types, as they are written in the declarations.
    pub const fn tag_types(&self) -> &'static [(&'static str, &'static str)] {
        self.tag_types
    }

    /// The tables whose changes invalidate, in the order of their declaration.
    pub const fn tables(&self) -> &'static [Table] {
        self.tables
    }
}

/// Every registry linked into this program, for names and patterns given at run time.
#[doc(hidden)]
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "the macros write it as a value")]
pub struct Declared(pub &'static Registry);

inventory::collect!(Declared);
