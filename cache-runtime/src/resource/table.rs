//! Tables of a database, and what their changes invalidate.

use std::fmt;

use super::Resource;

/// A table of a database, as [`resources!`](crate::resources) declares it: what is cached of its rows.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    schema: Option<&'static str>,
    name: &'static str,
    tenant: Option<&'static str>,
    resources: &'static [TableResource],
    tags: &'static [(&'static str, &'static str)],
    written: &'static [WrittenTarget],
}

/// A resource, a group or a pattern as it is written, with scopes and the columns that fill these.
pub(crate) type WrittenTarget = (&'static str, &'static [(&'static str, &'static str)]);

/// A resource with its scopes and the columns that fill these.
type TableResource = (&'static Resource, &'static [(&'static str, &'static str)]);

impl Table {
    #[doc(hidden)]
    pub const fn __new(
        schema: Option<&'static str>,
        name: &'static str,
        tenant: Option<&'static str>,
        resources: &'static [TableResource],
        tags: &'static [(&'static str, &'static str)],
    ) -> Self {
        Self {
            schema,
            name,
            tenant,
            resources,
            tags,
            written: &[],
        }
    }

    /// The targets as they are written, but for tags.
    #[doc(hidden)]
    #[must_use]
    pub const fn __written(mut self, targets: &'static [WrittenTarget]) -> Self {
        self.written = targets;
        self
    }

    pub(crate) const fn written(&self) -> &'static [WrittenTarget] {
        self.written
    }

    /// The schema, if the declaration names one; else the table is looked for where the database looks for it.
    pub const fn schema(&self) -> Option<&'static str> {
        self.schema
    }

    /// The name, as the database has it.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The column that says whose a row is.
    pub const fn tenant(&self) -> Option<&'static str> {
        self.tenant
    }

    /// The resources that a change invalidates, each with the scopes that columns fill: `(scope, column)`. Without any the whole
    /// resource is meant.
    pub const fn resources(&self) -> &'static [(&'static Resource, &'static [(&'static str, &'static str)])] {
        self.resources
    }

    /// The kinds of tags that a change invalidates, and the columns that have their values.
    pub const fn tags(&self) -> &'static [(&'static str, &'static str)] {
        self.tags
    }

    /// The columns that the declaration names, each once.
    pub(crate) fn columns(&self) -> Vec<&'static str> {
        let of_scopes = self.resources.iter().flat_map(|(_, scopes)| scopes.iter());
        let of_targets = of_scopes.chain(self.tags).map(|(_, column)| *column);
        let mut columns = Vec::new();
        for column in self.tenant.into_iter().chain(of_targets) {
            if !columns.contains(&column) {
                columns.push(column);
            }
        }
        columns
    }
}

/// As it is declared: `invoices` or `accounting.invoices`.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.schema {
            Some(schema) => write!(f, "{schema}.{}", self.name),
            None => f.write_str(self.name),
        }
    }
}
