//! The catalogue: what a program caches, and what invalidates it, as far as its attributes and declarations say.
//!
//! Every [`#[cached]`](macro@crate::cached) and [`#[invalidates]`](macro@crate::invalidates) that is linked into the program is in
//! it, with every [`resources!`](crate::resources): whether or not it is ever called. [`Catalogue::graph`] draws it,
//! [`Catalogue::lint`] looks for what cannot be meant, and all of it can be serialised.
//!
//! # What is seen
//!
//! - A function with an attribute, wherever it stands: a method of a generic implementation and a generic function are there once, whatever they
//!   are instantiated for, also if that is for nothing.
//! - Of libraries, what is linked: a crate that is named somewhere in the code. One that only stands in `Cargo.toml` is left out by
//!   the compiler, and so is what `#[cfg]` leaves out.
//! - Not what is done by hand: [`Cache::invalidate`] with its names at run time, values by key, bodies without an attribute.
//!
//! What it is for, with examples, is [in the book](crate::manual::catalogue).

mod entries;
mod finding;
mod graph;
mod lint;
mod site;
#[cfg(feature = "cli")]
mod sources;
mod sql;
mod submission;

use serde::Serialize;

#[cfg(feature = "cli")]
pub use self::sources::{SourceError, Sources};
pub use self::{
    entries::{
        FunctionEntry, GroupEntry, MutationEntry, Place, PolicyEntry, ResourceEntry, TableEntry, TagEntry, TargetEntry,
        TargetKind, TypedName, Value,
    },
    finding::{Allowed, AllowedError, Finding, FindingKind},
    graph::{GraphFormat, GraphFormatError},
    site::{FunctionSite, MutationSite, TargetSite},
    sql::Write,
    submission::{Submission, Submitted},
};
use crate::{
    Cache,
    resource::{Registry, Resource, declared},
};

/// Everything that a program declares and annotates.
///
/// ```
/// # mod cache_resources { cache_runtime::resources! {
/// #     /// The invoices of one company.
/// #     invoices_list { ttl = "1m", scope(company: i64) }
/// # } }
/// use cache_runtime::{cached, catalogue::Catalogue, invalidates};
///
/// #[cached(resource = "invoices_list", scope(company))]
/// async fn invoices(company: i64, page: u32) -> Vec<String> {
///     vec![]
/// }
///
/// #[invalidates("invoices_list"(company = result))]
/// async fn pay(invoice: i64) -> Result<i64, std::io::Error> {
///     Ok(invoice)
/// }
///
/// # fn main() {
/// let catalogue = Catalogue::of_program();
/// let [function] = catalogue.functions() else { unreachable!("there is one") };
/// assert!(function.place.path.ends_with("::invoices"));
/// assert_eq!(function.key, ["company", "page"]);
/// assert_eq!(catalogue.mutations()[0].targets[0].scopes[0].value, "result");
/// assert!(catalogue.lint().is_empty());
/// # }
/// ```
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Catalogue {
    resources: Vec<ResourceEntry>,
    groups: Vec<GroupEntry>,
    tags: Vec<TagEntry>,
    tables: Vec<TableEntry>,
    functions: Vec<FunctionEntry>,
    mutations: Vec<MutationEntry>,
}

impl Cache {
    /// What this program declares and annotates: the same for every cache. Put together anew each time, in some hundred
    /// microseconds for a few hundred functions: keep it, if it is to be looked at often.
    pub fn catalogue(&self) -> Catalogue {
        Catalogue::of_program()
    }
}

impl Catalogue {
    /// What this program declares and annotates; no cache is needed.
    pub fn of_program() -> Self {
        let mut registries: Vec<&'static Registry> = declared::registries().collect();
        registries.sort_by_key(|registry| registry.module());
        Self::of(&registries)
    }

    fn of(registries: &[&'static Registry]) -> Self {
        let registries = || registries.iter().copied();
        let mut functions: Vec<_> = submission::submitted().map(FunctionEntry::of).collect();
        functions.sort_by(|a, b| a.place.cmp(&b.place));
        let mut mutations: Vec<_> = submission::submitted().map(MutationEntry::of).collect();
        mutations.sort_by(|a, b| a.place.cmp(&b.place));
        Self {
            resources: registries().flat_map(ResourceEntry::all_of).collect(),
            groups: registries().flat_map(GroupEntry::all_of).collect(),
            tags: registries().flat_map(TagEntry::all_of).collect(),
            tables: registries().flat_map(TableEntry::all_of).collect(),
            functions,
            mutations,
        }
    }

    /// The resources of all registries, in the order of their modules, and in each in that of the declarations.
    pub fn resources(&self) -> &[ResourceEntry] {
        &self.resources
    }

    /// The groups, in the same order.
    pub fn groups(&self) -> &[GroupEntry] {
        &self.groups
    }

    /// The kinds of tags, in the same order.
    pub fn tags(&self) -> &[TagEntry] {
        &self.tags
    }

    /// The tables of databases, in the same order.
    pub fn tables(&self) -> &[TableEntry] {
        &self.tables
    }

    /// The `#[cached]` functions, by their paths.
    pub fn functions(&self) -> &[FunctionEntry] {
        &self.functions
    }

    /// The `#[invalidates]` functions, by their paths.
    pub fn mutations(&self) -> &[MutationEntry] {
        &self.mutations
    }

    /// The functions whose results are of this resource.
    pub fn functions_of(&self, resource: &Resource) -> impl Iterator<Item = &FunctionEntry> {
        self.functions
            .iter()
            .filter(move |function| entries::same(function.resource, resource))
    }

    /// The mutations that invalidate results of this resource: by its name, a group, a pattern, or a tag that its results have.
    pub fn mutations_of(&self, resource: &Resource) -> impl Iterator<Item = &MutationEntry> {
        let tags = self.tags_of(resource);
        self.mutations
            .iter()
            .filter(move |mutation| mutation.names(resource) || mutation.tags().any(|tag| tags.contains(&tag)))
    }

    /// The tables whose changes invalidate results of this resource.
    pub fn tables_of(&self, resource: &Resource) -> impl Iterator<Item = &TableEntry> {
        let tags = self.tags_of(resource);
        self.tables
            .iter()
            .filter(move |table| table.names(resource) || table.tags().any(|tag| tags.contains(&tag)))
    }

    /// The kinds of the tags that results of this resource have.
    fn tags_of(&self, resource: &Resource) -> Vec<&'static str> {
        self.functions_of(resource)
            .flat_map(|function| &function.tags)
            .map(|tag| tag.name)
            .collect()
    }
}
