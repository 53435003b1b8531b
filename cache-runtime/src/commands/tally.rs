//! Counts of entries by what they are of.

use std::{collections::BTreeMap, ops::AddAssign};

use serde::Serialize;

use super::{format, output::Column};
use crate::inspect::{EntryState, KeySummary};

/// Entries of one resource of one tenant, or of several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct Tally {
    pub(super) entries: u64,
    /// Of keys and values.
    pub(super) bytes: u64,
    pub(super) fresh: u64,
    pub(super) stale: u64,
    pub(super) invalidated: u64,
    pub(super) refused: u64,
}

impl Tally {
    fn of(entry: &KeySummary) -> Self {
        let is = |state| u64::from(entry.state == state);
        Self {
            entries: 1,
            bytes: bytes_of(entry),
            fresh: is(EntryState::Fresh),
            stale: is(EntryState::Stale),
            invalidated: is(EntryState::Invalidated),
            refused: is(EntryState::Refused),
        }
    }

    fn cells(&self) -> impl Iterator<Item = String> {
        let counts = [self.entries, self.fresh, self.stale, self.invalidated, self.refused];
        counts
            .into_iter()
            .map(|count| count.to_string())
            .chain([format::bytes(self.bytes)])
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.entries += other.entries;
        self.bytes += other.bytes;
        self.fresh += other.fresh;
        self.stale += other.stale;
        self.invalidated += other.invalidated;
        self.refused += other.refused;
    }
}

/// What a key and its value take, without what the server needs to hold them.
pub(super) fn bytes_of(key: &KeySummary) -> u64 {
    key.size + key.key.text.len() as u64
}

/// Entries by tenant and resource.
#[derive(Debug, Default)]
pub(super) struct Tallies(BTreeMap<(String, String), Tally>);

/// A line of a table of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct TallyRow {
    /// `None` for all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    resource: String,
    #[serde(flatten)]
    pub(super) tally: Tally,
}

impl Tallies {
    pub(super) fn add(&mut self, entry: &KeySummary) {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let place = (text(&entry.key.tenant), text(&entry.key.resource));
        *self.0.entry(place).or_default() += Tally::of(entry);
    }

    /// By resource, of all tenants together; what takes most bytes first.
    pub(super) fn by_resource(&self) -> Vec<TallyRow> {
        let mut resources: BTreeMap<&str, Tally> = BTreeMap::new();
        for ((_, resource), tally) in &self.0 {
            *resources.entry(resource).or_default() += *tally;
        }
        sorted(resources.into_iter().map(|(resource, tally)| TallyRow {
            tenant: None,
            resource: resource.to_owned(),
            tally,
        }))
    }

    /// By tenant and resource; what takes most bytes first.
    pub(super) fn by_tenant(&self) -> Vec<TallyRow> {
        sorted(self.0.iter().map(|((tenant, resource), tally)| TallyRow {
            tenant: Some(tenant.clone()),
            resource: resource.clone(),
            tally: *tally,
        }))
    }
}

fn sorted(rows: impl Iterator<Item = TallyRow>) -> Vec<TallyRow> {
    let mut rows: Vec<_> = rows.collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.tally.bytes));
    rows
}

impl TallyRow {
    pub(super) const COLUMNS: [Column; 7] = [
        Column::Text("RESOURCE"),
        Column::Number("ENTRIES"),
        Column::Number("FRESH"),
        Column::Number("STALE"),
        Column::Number("INVALIDATED"),
        Column::Number("REFUSED"),
        Column::Number("BYTES"),
    ];

    pub(super) const COLUMNS_WITH_TENANT: [Column; 8] = {
        let [resource, entries, fresh, stale, invalidated, refused, bytes] = Self::COLUMNS;
        let tenant = Column::Text("TENANT");
        [tenant, resource, entries, fresh, stale, invalidated, refused, bytes]
    };

    pub(super) fn cells(&self) -> Vec<String> {
        let resource = match self.resource.as_str() {
            crate::key::BY_KEY => "(values by key)".to_owned(),
            resource => resource.to_owned(),
        };
        let names = self.tenant.clone().into_iter().chain([resource]);
        names.chain(self.tally.cells()).collect()
    }
}
