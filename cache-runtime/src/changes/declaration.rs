//! What changes of a table invalidate, written so that another version of the program understands it.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    invalidation::Invalidation,
    key::escape,
    resource::{Resource, Table, Tenancy},
};

/// What a change of a table invalidates. It stands in the database beside the changes: what is installed there may have been
/// declared by another version of the program than the one that relays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Declaration {
    /// As it is declared: `invoices` or `accounting.invoices`.
    pub(super) table: String,
    /// The columns whose values are written down, in this order.
    pub(super) columns: Vec<String>,
    /// The one that says whose a row is.
    pub(super) tenant: Option<String>,
    pub(super) resources: Vec<OfResource>,
    pub(super) tags: Vec<OfTag>,
}

/// A resource, and the stamp of it that a change removes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OfResource {
    pub(super) name: String,
    /// Whether tenants share it.
    pub(super) shared: bool,
    /// The scopes in the stamp, each with its column. None: the stamp of the whole resource.
    pub(super) scopes: Vec<(String, String)>,
}

/// A kind of tags, and the column that has their values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OfTag {
    pub(super) kind: String,
    pub(super) column: String,
}

/// The values of columns in a row that has changed: `None` for NULL.
pub(super) type Values = BTreeMap<String, Option<String>>;

impl Declaration {
    /// What one table declares.
    pub(super) fn of(table: &Table) -> Self {
        let resources = table.resources().iter();
        let tags = table.tags().iter().map(|(kind, column)| OfTag {
            kind: (*kind).to_owned(),
            column: (*column).to_owned(),
        });
        Self {
            table: table.to_string(),
            columns: table.columns().into_iter().map(str::to_owned).collect(),
            tenant: table.tenant().map(str::to_owned),
            resources: resources
                .map(|(resource, scopes)| OfResource::of(resource, scopes))
                .collect(),
            tags: tags.collect(),
        }
    }

    /// The same of those of its resources alone that are among these, and the longest of their times; `None` if none is.
    pub(super) fn settling(&self, settles: &[(&str, Duration)]) -> Option<(Self, Duration)> {
        let settle = |resource: &OfResource| settles.iter().find(|(name, _)| *name == resource.name);
        let longest = self
            .resources
            .iter()
            .filter_map(settle)
            .map(|(_, settle)| *settle)
            .max()?;
        let resources = self.resources.iter().filter(|resource| settle(resource).is_some());
        let settling = Self {
            resources: resources.cloned().collect(),
            tags: Vec::new(),
            ..self.clone()
        };
        Some((settling, longest))
    }

    /// Adds what a change of rows with these values invalidates; without values, of rows of which nothing is known. `tenant` (escaped)
    /// is whose rows without a column for it are.
    pub(super) fn add_to(&self, invalidation: &mut Invalidation, values: Option<&Values>, tenant: Option<&str>) {
        let value = |column: &str| values?.get(column)?.as_deref().map(escape);
        let of_column = self.tenant.as_deref().map(value);
        let tenant = match &of_column {
            Some(of_row) => of_row.as_deref(),
            None => tenant,
        };
        for resource in &self.resources {
            let scopes = resource.scopes.iter();
            let scopes = scopes.map(|(scope, column)| Some((scope.as_str(), value(column)?)));
            // Where a value is not known the whole resource is meant.
            let scopes: Option<Vec<_>> = scopes.collect();
            invalidation.add_stamp(tenant, resource.shared, &resource.name, &scopes.unwrap_or_default());
        }
        for OfTag { kind, column } in &self.tags {
            invalidation.add_tag(tenant, kind, value(column).as_deref());
        }
    }
}

impl OfResource {
    fn of(resource: &Resource, scopes: &[(&'static str, &'static str)]) -> Self {
        let declared = resource.scopes().iter();
        let mut scopes: Vec<(String, String)> = declared
            .filter_map(|scope| scopes.iter().find(|(name, _)| name == scope))
            .map(|(scope, column)| ((*scope).to_owned(), (*column).to_owned()))
            .collect();
        // There is a stamp for each value of a scope, and one for the values of all of them.
        if scopes.len() < resource.scopes().len() {
            scopes.truncate(1);
        }
        Self {
            name: resource.name().to_owned(),
            shared: resource.tenancy() == Tenancy::Shared,
            scopes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Namespace;

    static LIST: Resource = Resource::__new("invoices_list", None, &["company"], Tenancy::PerTenant);
    static ENTRY: Resource = Resource::__new("entry", None, &["company", "year"], Tenancy::PerTenant);
    static RATES: Resource = Resource::__new("rates", None, &[], Tenancy::Shared);
    static INVOICES: Table = Table::__new(
        None,
        "invoices",
        Some("tenant_id"),
        &[
            (&LIST, &[("company", "company_id")]),
            (&ENTRY, &[("year", "year"), ("company", "company_id")]),
            (&ENTRY, &[("year", "year")]),
            (&RATES, &[]),
        ],
        &[("author", "author_id")],
    );

    fn values(of: &[(&str, Option<&str>)]) -> Values {
        of.iter()
            .map(|(column, value)| ((*column).to_owned(), value.map(str::to_owned)))
            .collect()
    }

    fn stamps(declaration: &Declaration, values: Option<&Values>, tenant: Option<&str>) -> Vec<String> {
        let mut invalidation = Invalidation::new(&Namespace::default());
        declaration.add_to(&mut invalidation, values, tenant);
        if invalidation.is_of_everything() {
            return vec!["everything".to_owned()];
        }
        invalidation.stamps().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_row_stands_for_the_stamps_that_its_columns_fill() {
        let declaration = Declaration::of(&INVOICES);
        assert_eq!(declaration.columns, ["tenant_id", "company_id", "year", "author_id"]);
        let row = values(&[
            ("tenant_id", Some("a")),
            ("company_id", Some("7")),
            ("year", Some("1 9")),
            ("author_id", Some("3")),
        ]);
        let epoch = StampOf("a").epoch("3");
        let shared_epoch = StampOf("~shared").epoch("3");
        let mut expected = vec![
            "cachestamp:a:entry:company-7:year-1%209".to_owned(),
            "cachestamp:a:entry:year-1%209".to_owned(),
            "cachestamp:a:invoices_list:company-7".to_owned(),
            "cachestamp:a:~author:3".to_owned(),
            epoch,
            "cachestamp:~shared:rates".to_owned(),
            "cachestamp:~shared:~author:3".to_owned(),
            shared_epoch,
        ];
        expected.sort();
        assert_eq!(stamps(&declaration, Some(&row), None), expected);
    }

    struct StampOf(&'static str);

    impl StampOf {
        fn epoch(&self, value: &str) -> String {
            Namespace::default().kind(self.0, "author").epoch_of(value).to_string()
        }
    }

    #[test]
    fn where_a_value_is_null_or_not_written_down_the_whole_resource_is_meant() {
        let declaration = Declaration::of(&INVOICES);
        for row in [
            values(&[("tenant_id", Some("a")), ("company_id", None), ("year", Some("1"))]),
            values(&[("tenant_id", Some("a"))]),
        ] {
            let stamps = stamps(&declaration, Some(&row), None);
            assert!(stamps.contains(&"cachestamp:a:invoices_list".to_owned()), "{stamps:?}");
            assert!(stamps.contains(&"cachestamp:a:~author".to_owned()), "{stamps:?}");
        }
    }

    #[test]
    fn where_the_tenant_is_not_known_everything_of_all_tenants_is_meant() {
        let declaration = Declaration::of(&INVOICES);
        let row = values(&[("tenant_id", None), ("company_id", Some("7"))]);
        assert_eq!(stamps(&declaration, Some(&row), Some("default")), ["everything"]);
        assert_eq!(stamps(&declaration, None, Some("default")), ["everything"]);
    }
}
