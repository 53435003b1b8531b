//! Invalidation by hand: by names and patterns that are given at run time.

use std::{borrow::Cow, fmt, pin::Pin};

use super::{InvalidateError, InvalidationPreview, alternatives::alternatives};
use crate::{
    cache::{Cache, Invalidated},
    invalidation::{Invalidation, Strength},
    key::{DEFAULT_TENANT, NOBODY, ScopeValue, escape},
    resource::{Resource, Selection, Tenancy, declared},
};

impl Cache {
    /// Makes everything cached for a resource, group or pattern unusable; see [`Invalidate`] for the options.
    ///
    /// The names are those that this program declares with [`resources!`](crate::resources).
    ///
    /// ```
    /// # mod cache_resources { cache_runtime::resources! { dashboard_summary { ttl = 60, scope(company: i64) } } }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let cache = cache_runtime::Cache::builder().build();
    /// cache.invalidate("dashboard_*").tenant("client-a").scope("company", 123).await?;
    /// # Ok(()) }
    /// ```
    pub fn invalidate(&self, pattern: impl Into<String>) -> Invalidate {
        Invalidate::of_pattern(self, pattern.into())
    }

    /// Makes everything cached unusable whose load has found this tag: `value` of the kind `kind`, that this program declares with
    /// [`resources!`](crate::resources). The tags of the tenant are meant, and those of what tenants share.
    ///
    /// ```
    /// # mod cache_resources { cache_runtime::resources! { tag author: i64; } }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let cache = cache_runtime::Cache::builder().build();
    /// cache.invalidate_tag("author", 123).await?;
    /// # Ok(()) }
    /// ```
    pub fn invalidate_tag(&self, kind: impl Into<String>, value: impl fmt::Display) -> InvalidateTag {
        InvalidateTag {
            cache: self.clone(),
            kind: kind.into(),
            value: escape(&value),
            tenant: None,
        }
    }

    /// Makes everything cached for a tenant unusable: every resource that this program declares, and what was set by key.
    /// What tenants share stays.
    pub fn invalidate_tenant(&self, tenant: impl fmt::Display) -> Invalidate {
        Invalidate::of_tenant(self, &tenant)
    }
}

/// An invalidation by hand, made by [`Cache::invalidate`]: add to it, then `.await` it.
#[derive(Debug)]
#[must_use = "an invalidation does nothing until it is awaited"]
pub struct Invalidate {
    cache: Cache,
    what: What,
    strength: Strength,
    tenant: Option<String>,
    scopes: Vec<(String, String)>,
    /// A scope was given no values.
    of_none: bool,
}

#[derive(Debug)]
enum What {
    Pattern(String),
    Tenant,
}

impl Invalidate {
    pub(crate) fn of_pattern(cache: &Cache, pattern: String) -> Self {
        Self {
            cache: cache.clone(),
            what: What::Pattern(pattern),
            strength: Strength::Strict,
            tenant: None,
            scopes: Vec::new(),
            of_none: false,
        }
    }

    pub(crate) fn of_tenant(cache: &Cache, tenant: &dyn fmt::Display) -> Self {
        Self {
            cache: cache.clone(),
            what: What::Tenant,
            strength: Strength::Strict,
            tenant: Some(escape(tenant)),
            scopes: Vec::new(),
            of_none: false,
        }
    }

    /// The tenant. Default: the task's current one, else `default`. If its `Display` returns an error, all tenants are meant.
    pub fn tenant(mut self, tenant: impl fmt::Display) -> Self {
        self.tenant = Some(escape(&tenant));
        self
    }

    /// Only what has this scope value; if its `Display` returns an error, the whole resource. Every matched resource must declare the scope; a group with parameters must declare the
    /// parameter, and what is given none of these is meant as a whole.
    pub fn scope(mut self, name: impl Into<String>, value: impl fmt::Display) -> Self {
        self.scopes.push((name.into(), escape(&value)));
        self
    }

    /// As [`scope`](Self::scope), what has any of these values, in one round trip: nothing, if there are none. Of more than 1,024
    /// combinations of values all of one scope is meant.
    ///
    /// ```
    /// # mod cache_resources { cache_runtime::resources! { feed { ttl = 60, scope(viewer: i64) } } }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let cache = cache_runtime::Cache::builder().build();
    /// let followers = [3, 4, 5];
    /// cache.invalidate("feed").scopes("viewer", followers).await?;
    /// # Ok(()) }
    /// ```
    pub fn scopes(mut self, name: impl Into<String>, values: impl IntoIterator<Item = impl fmt::Display>) -> Self {
        let name = name.into();
        let before = self.scopes.len();
        let values = values.into_iter().map(|value| (name.clone(), escape(&value)));
        self.scopes.extend(values);
        self.of_none |= self.scopes.len() == before;
        self
    }

    /// As [`scope`](Self::scope), only what has the value `None` in this scope: that of nobody. Every matched resource must
    /// declare the scope as an `Option`.
    pub fn scope_none(mut self, name: impl Into<String>) -> Self {
        self.scopes.push((name.into(), NOBODY.to_owned()));
        self
    }

    /// Softly: what was cached may be returned while one caller loads it again, until the `stale_while_revalidate` of the function
    /// is over. Every resource that is meant must be declared `soft`. Of a tenant what is not goes at once, as without this.
    pub fn soft(mut self) -> Self {
        self.strength = Strength::Soft;
        self
    }

    /// What this would make unusable, which it does not.
    ///
    /// ```
    /// # mod cache_resources { cache_runtime::resources! { invoices_list { ttl = 60 } invoices_summary { ttl = 60 } } }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let cache = cache_runtime::Cache::disabled();
    /// let preview = cache.invalidate("invoices_*").tenant("client-a").preview()?;
    /// assert_eq!(preview.resources, ["invoices_list", "invoices_summary"]);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the invalidation itself.
    pub fn preview(&self) -> Result<InvalidationPreview, InvalidateError> {
        Ok(InvalidationPreview::of(&self.resolve()?))
    }

    /// What it would remove.
    #[cfg(feature = "cli")]
    pub(crate) fn plan(&self) -> Result<Invalidation, InvalidateError> {
        self.resolve()
    }

    fn resolve(&self) -> Result<Invalidation, InvalidateError> {
        let engine = &self.cache.engine;
        let What::Pattern(pattern) = &self.what else {
            let tenant = self.tenant.as_deref().unwrap_or(DEFAULT_TENANT);
            return Ok(Invalidation::of_tenant(&engine.namespace, self.strength, tenant));
        };
        let mut targets = Vec::new();
        let selections = declared::find(pattern).ok_or_else(|| unknown(pattern))?;
        for selection in selections {
            for scopes in alternatives(&self.scopes_of(selection)?) {
                targets.extend(selection.targets(&scopes));
            }
        }
        let have_tenants = targets
            .iter()
            .any(|(resource, _)| resource.tenancy() == Tenancy::PerTenant);
        let tenant = match &self.tenant {
            None if have_tenants => engine.tenant_of_task("an invalidation by hand"),
            tenant => tenant.clone().map(Cow::from),
        };
        let tenant = tenant.as_deref().unwrap_or(DEFAULT_TENANT);
        let mut invalidation = Invalidation::new(&engine.namespace);
        if self.of_none {
            return Ok(invalidation);
        }
        for (resource, scopes) in targets {
            check_nobody(resource, &scopes)?;
            if self.strength == Strength::Soft && !resource.is_soft() {
                return Err(InvalidateError::NotSoft {
                    resource: resource.name(),
                });
            }
            invalidation.add(self.strength, Some(tenant), resource, &scopes);
        }
        Ok(invalidation)
    }

    /// The given scope values, if every selected resource declares these scopes, or the selected group these parameters.
    fn scopes_of(&self, selection: Selection) -> Result<Vec<ScopeValue>, InvalidateError> {
        if let Selection::Parts(group) = selection {
            let declared = group.parameters();
            return self.among(declared, |parameter| InvalidateError::UnknownParameter {
                group: group.name(),
                parameter,
                declared,
            });
        }
        let mut scopes = Vec::new();
        for resource in selection.resources() {
            let declared = resource.scopes();
            scopes = self.among(declared, |scope| InvalidateError::UnknownScope {
                resource: resource.name(),
                scope,
                declared,
            })?;
        }
        Ok(scopes)
    }

    fn among(
        &self,
        declared: &[&'static str],
        unknown: impl Fn(String) -> InvalidateError,
    ) -> Result<Vec<ScopeValue>, InvalidateError> {
        let scope = |(name, value): &(String, String)| {
            let found = declared.iter().find(|declared| *declared == name);
            let known = found.ok_or_else(|| unknown(name.clone()))?;
            Ok((*known, value.clone()))
        };
        self.scopes.iter().map(scope).collect()
    }
}

/// An invalidation of a tag by hand, made by [`Cache::invalidate_tag`]: add to it, then `.await` it.
#[derive(Debug)]
#[must_use = "an invalidation does nothing until it is awaited"]
pub struct InvalidateTag {
    cache: Cache,
    kind: String,
    value: String,
    tenant: Option<String>,
}

impl InvalidateTag {
    /// The tenant. Default: the task's current one, else `default`. If its `Display` returns an error, all tenants are meant.
    pub fn tenant(mut self, tenant: impl fmt::Display) -> Self {
        self.tenant = Some(escape(&tenant));
        self
    }

    /// What this would make unusable, which it does not.
    ///
    /// # Errors
    ///
    /// Those of the invalidation itself.
    pub fn preview(&self) -> Result<InvalidationPreview, InvalidateError> {
        Ok(InvalidationPreview::of(&self.resolve()?))
    }

    /// What it would remove.
    #[cfg(feature = "cli")]
    pub(crate) fn plan(&self) -> Result<Invalidation, InvalidateError> {
        self.resolve()
    }

    fn resolve(&self) -> Result<Invalidation, InvalidateError> {
        let Self {
            cache,
            kind,
            value,
            tenant,
        } = self;
        let kind = declared::find_tag(kind).map_err(|similar| InvalidateError::UnknownTag {
            kind: kind.clone(),
            similar,
        })?;
        let tenant = tenant.as_deref().map(Cow::from);
        let tenant = tenant.or_else(|| cache.engine.tenant_of_task("an invalidation by hand"));
        let mut invalidation = Invalidation::new(&cache.engine.namespace);
        invalidation.add_tags(tenant.as_deref(), kind, Some(&[(kind, value.clone())]));
        Ok(invalidation)
    }
}

impl IntoFuture for InvalidateTag {
    type Output = Result<Invalidated, InvalidateError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let invalidation = self.resolve()?;
            Ok(self.cache.engine.apply(invalidation).await)
        })
    }
}

fn unknown(pattern: &str) -> InvalidateError {
    let (name, similar) = (pattern.to_owned(), declared::most_similar(pattern));
    if name.contains('*') {
        InvalidateError::UnmatchedPattern { pattern: name, similar }
    } else {
        InvalidateError::UnknownName { name, similar }
    }
}

/// Refuses `None` for a scope that always has a value.
fn check_nobody(resource: &Resource, scopes: &[ScopeValue]) -> Result<(), InvalidateError> {
    let never_none = |(name, value): &&ScopeValue| value == NOBODY && !resource.optional_scopes().contains(name);
    scopes.iter().find(never_none).map_or(Ok(()), |(name, _)| {
        Err(InvalidateError::NeverNone {
            resource: resource.name(),
            scope: name,
        })
    })
}

impl IntoFuture for Invalidate {
    type Output = Result<Invalidated, InvalidateError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let invalidation = self.resolve()?;
            Ok(self.cache.engine.apply(invalidation).await)
        })
    }
}
