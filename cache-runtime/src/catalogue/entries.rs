//! What the catalogue lists: declarations, and annotated functions.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::{
    site::{FunctionSite, MutationSite, NameAndText, TargetSite},
    sql::{self, Write},
};
use crate::{
    entry::{Codec, path_of_marker},
    key::glob,
    near::Coherence,
    resource::{Group, Policies, Registry, Resource, Selection, Table, Tenancy, WrittenTarget},
};

/// A declared resource.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct ResourceEntry {
    /// What is declared.
    #[serde(skip)]
    pub resource: &'static Resource,
    /// Its name, as it stands in keys.
    pub name: &'static str,
    /// The module of the registry that declares it.
    pub module: &'static str,
    /// The documentation of the declaration; empty without any.
    pub documentation: &'static str,
    /// The declared time-to-live; `None` for the default of the cache.
    #[serde(rename = "ttl_seconds", serialize_with = "seconds")]
    pub ttl: Option<Duration>,
    /// Whether tenants share one copy.
    pub tenancy: Tenancy,
    /// The scopes, in the order of the declaration.
    pub scopes: Vec<TypedName>,
    /// Whether it is `crash_safe`.
    pub crash_safe: bool,
    /// How many of its loads run at once in one process, if the declaration says.
    pub max_loads: Option<u32>,
    /// How fresh its results are to be.
    pub policies: PolicyEntry,
    /// The names of the groups that it is in.
    pub groups: Vec<&'static str>,
}

/// A scope or a kind of tags.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TypedName {
    /// Its name.
    pub name: &'static str,
    /// Its type, as it is written: `i64`, `Option<String>`.
    #[serde(rename = "type")]
    pub ty: &'static str,
}

/// The policies of a resource, or of a function with those of its resource under them. What is off is `None`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PolicyEntry {
    /// For how long after its TTL an old value is returned while it is loaded again.
    #[serde(rename = "stale_while_revalidate_seconds", serialize_with = "seconds")]
    pub stale_while_revalidate: Option<Duration>,
    /// For how long after its TTL an old value is returned if the load fails.
    #[serde(rename = "stale_if_error_seconds", serialize_with = "seconds")]
    pub stale_if_error: Option<Duration>,
    /// How long a call waits for a load if there is an old value.
    #[serde(rename = "soft_timeout_seconds", serialize_with = "seconds")]
    pub soft_timeout: Option<Duration>,
    /// How long a call waits for a load at all.
    #[serde(rename = "hard_timeout_seconds", serialize_with = "seconds")]
    pub hard_timeout: Option<Duration>,
    /// For how long it is remembered that there is nothing.
    #[serde(rename = "negative_ttl_seconds", serialize_with = "seconds")]
    pub negative_ttl: Option<Duration>,
    /// How early a value is loaded again, in load times.
    pub refresh_ahead: Option<f64>,
    /// By how much of itself a TTL is shortened at most, from 0 to 1; `None` for what the cache says.
    pub jitter: Option<f64>,
    /// Whether the resource can be invalidated softly.
    pub soft: bool,
}

/// A declared group.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct GroupEntry {
    /// What is declared.
    #[serde(skip)]
    pub group: &'static Group,
    /// Its name.
    pub name: &'static str,
    /// The module of the registry that declares it.
    pub module: &'static str,
    /// Its parameters.
    pub parameters: &'static [&'static str],
    /// The resources in it, those of nested groups and patterns included.
    #[serde(serialize_with = "names")]
    pub resources: Vec<&'static Resource>,
}

/// A declared kind of tags.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct TagEntry {
    /// Its name and type.
    #[serde(flatten)]
    pub kind: TypedName,
    /// The module of the registry that declares it.
    pub module: &'static str,
}

/// A declared table of a database.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct TableEntry {
    /// What is declared.
    #[serde(skip)]
    pub table: &'static Table,
    /// Its name as it is declared: `invoices` or `accounting.invoices`.
    pub name: String,
    /// The module of the registry that declares it.
    pub module: &'static str,
    /// The column that says whose a row is.
    pub tenant: Option<&'static str>,
    /// What a change invalidates; the values of scopes and tags are columns.
    pub targets: Vec<TargetEntry>,
}

/// A name, and what it is given: an expression as it is written, or a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Value {
    /// The name of the scope, or of the kind of tags.
    pub name: &'static str,
    /// What it is given.
    pub value: &'static str,
}

/// Where something is written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[non_exhaustive]
pub struct Place {
    /// The path of the function: `invoicing::services::InvoiceService::list`.
    pub path: String,
    /// The file, as the compiler was given it: from the folder that cargo builds in, which is the workspace's.
    pub file: String,
    /// The line of the attribute.
    pub line: u32,
}

/// A `#[cached]` function.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct FunctionEntry {
    /// Where it is.
    #[serde(flatten)]
    pub place: Place,
    /// The resource of its results.
    #[serde(serialize_with = "name")]
    pub resource: &'static Resource,
    /// The attribute's `ttl`, if it is written out: over that of the resource.
    #[serde(rename = "ttl_seconds", serialize_with = "seconds")]
    pub ttl: Option<Duration>,
    /// The attribute's `ttl`, if it is an expression or a closure, as it is written.
    pub computed_ttl: Option<&'static str>,
    /// The scopes and their values, as they are written.
    pub scopes: Vec<Value>,
    /// The names of the parts of the key: arguments, and what `key(...)` adds.
    pub key: &'static [&'static str],
    /// The arguments that `skip(...)` and `independent(...)` leave out of the key.
    pub left_out: &'static [&'static str],
    /// The tags and their values, as they are written.
    pub tags: Vec<Value>,
    /// `tracked` or `checked`; `None` if values are not kept in the process.
    pub near: Option<&'static str>,
    /// For how long one process loads for all.
    #[serde(rename = "lease_seconds", serialize_with = "seconds")]
    pub lease: Option<Duration>,
    /// The argument that has an entry for each of its elements: `ids`, or `id in ids`.
    pub each: Option<&'static str>,
    /// The condition for the cache to be used, as it is written.
    pub when: Option<&'static str>,
    /// What results are stored in, as the attribute says: `packed`, `json` or `postcard`; `None` if it is the cache's choice.
    pub codec: Option<&'static str>,
    /// The attribute's `version`, 0 without.
    pub version: u32,
    /// The policies, over those of the resource.
    pub policies: PolicyEntry,
    /// The statements in its body that write, as far as they are written there.
    pub writes: Vec<Write>,
}

/// An `#[invalidates]` function.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct MutationEntry {
    /// Where it is.
    #[serde(flatten)]
    pub place: Place,
    /// What it invalidates.
    pub targets: Vec<TargetEntry>,
    /// Whether it invalidates after an error, too: `on = "always"`.
    pub always: bool,
    /// Whether what is cached may be returned until it is replaced.
    pub soft: bool,
    /// Whether it goes on without its caller.
    pub detached: bool,
}

/// What a target of `#[invalidates]` or of a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TargetKind {
    /// A resource, by its name.
    Resource,
    /// A group.
    Group,
    /// A pattern with `*`.
    Pattern,
    /// A kind of tags.
    Tag,
}

/// A target of `#[invalidates]` or of a table.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct TargetEntry {
    /// What it names, as it is written, without the path to it.
    pub name: &'static str,
    /// What that is.
    pub kind: TargetKind,
    /// The scopes and their values, as they are written; of a tag its values. Without any the whole is meant.
    pub scopes: Vec<Value>,
    /// The condition, as it is written.
    pub when: Option<&'static str>,
    /// The resources that it stands for; none for a tag.
    #[serde(serialize_with = "names")]
    pub resources: Vec<&'static Resource>,
}

impl ResourceEntry {
    pub(super) fn all_of(registry: &'static Registry) -> impl Iterator<Item = Self> {
        registry.resources().iter().map(move |resource| Self {
            resource,
            name: resource.name(),
            module: registry.module(),
            documentation: resource.documentation(),
            ttl: resource.ttl(),
            tenancy: resource.tenancy(),
            scopes: resource
                .scopes()
                .iter()
                .map(|scope| TypedName::of(scope, registry.scope_types()))
                .collect(),
            crash_safe: resource.is_crash_safe(),
            max_loads: resource.max_loads(),
            policies: PolicyEntry::of(&resource.policies()),
            groups: registry
                .groups()
                .iter()
                .filter(|group| group.members().iter().any(|member| same(member, resource)))
                .map(|group| group.name())
                .collect(),
        })
    }
}

impl TypedName {
    fn of(name: &'static str, types: &[NameAndText]) -> Self {
        let found = types.iter().find(|(typed, _)| *typed == name);
        Self {
            name,
            ty: found.map_or("", |(_, ty)| ty),
        }
    }
}

impl PolicyEntry {
    fn of(policies: &Policies) -> Self {
        Self {
            stale_while_revalidate: policies.stale_while_revalidate(),
            stale_if_error: policies.stale_if_error(),
            soft_timeout: policies.soft_timeout(),
            hard_timeout: policies.hard_timeout(),
            negative_ttl: policies.negative_ttl(),
            refresh_ahead: policies.refresh_ahead(),
            jitter: policies.jitter(),
            soft: policies.is_soft(),
        }
    }
}

impl GroupEntry {
    pub(super) fn all_of(registry: &'static Registry) -> impl Iterator<Item = Self> {
        registry.groups().iter().map(move |group| Self {
            group,
            name: group.name(),
            module: registry.module(),
            parameters: group.parameters(),
            resources: group.members().to_vec(),
        })
    }
}

impl TagEntry {
    pub(super) fn all_of(registry: &'static Registry) -> impl Iterator<Item = Self> {
        registry.tags().iter().map(move |name| Self {
            kind: TypedName::of(name, registry.tag_types()),
            module: registry.module(),
        })
    }
}

impl TableEntry {
    pub(super) fn all_of(registry: &'static Registry) -> impl Iterator<Item = Self> {
        registry.tables().iter().map(move |table| Self {
            table,
            name: table.to_string(),
            module: registry.module(),
            tenant: table.tenant(),
            targets: table
                .written()
                .iter()
                .map(|target| TargetEntry::written(registry, *target))
                .chain(table.tags().iter().map(|tag| TargetEntry::tag(*tag)))
                .collect(),
        })
    }

    /// Whether a target stands for this resource.
    pub fn names(&self, resource: &Resource) -> bool {
        self.targets.iter().any(|target| target.names(resource))
    }

    /// The kinds of tags that it names.
    pub fn tags(&self) -> impl Iterator<Item = &'static str> {
        tags(&self.targets)
    }

    /// Whether rows of the table that a statement names so are rows of this one.
    #[cfg(feature = "cli")]
    pub(super) fn is_named(&self, name: &str) -> bool {
        match name.rsplit_once('.') {
            Some((schema, name)) => {
                let of_schema = self
                    .table
                    .schema()
                    .is_none_or(|declared| declared.eq_ignore_ascii_case(schema));
                of_schema && self.table.name().eq_ignore_ascii_case(name)
            }
            None => self.table.name().eq_ignore_ascii_case(name),
        }
    }
}

impl Value {
    fn all_of(pairs: &[NameAndText]) -> Vec<Self> {
        pairs.iter().map(|&(name, value)| Self { name, value }).collect()
    }
}

impl Place {
    pub(super) fn new(path: &str, file: &str, line: u32) -> Self {
        Self {
            path: readable(path),
            file: file.to_owned(),
            line,
        }
    }
}

impl FunctionEntry {
    pub(super) fn of(site: &'static FunctionSite) -> Self {
        let FunctionSite {
            site,
            ttl,
            computed_ttl,
            scopes,
            key,
            left_out,
            tags,
            each,
            when,
            literals,
        } = site;
        let item = site.item();
        // The file may have a `:` in its name.
        let mut parts = item.place().rsplitn(3, ':').skip(1);
        let line = parts.next().and_then(|line| line.parse().ok());
        Self {
            place: Place::new(item.path(), parts.next().unwrap_or_default(), line.unwrap_or(0)),
            resource: site.declared(),
            ttl: *ttl,
            computed_ttl: *computed_ttl,
            scopes: Value::all_of(scopes),
            key,
            left_out,
            tags: Value::all_of(tags),
            near: site.coherence().map(Coherence::as_str),
            lease: site.lease_lasts(),
            each: *each,
            when: *when,
            codec: site.codec_of_its_own().map(Codec::as_str),
            version: site.version(),
            policies: PolicyEntry::of(site.policy()),
            writes: literals.iter().flat_map(|literal| sql::writes(literal)).collect(),
        }
    }

    /// The time-to-live that is known without a call: the attribute's, or the resource's. `None` if it is computed, or the default of
    /// the cache.
    pub fn known_ttl(&self) -> Option<Duration> {
        match self.computed_ttl {
            Some(_) => None,
            None => self.ttl.or(self.resource.ttl()),
        }
    }
}

impl MutationEntry {
    pub(super) fn of(site: &'static MutationSite) -> Self {
        let MutationSite {
            marker,
            place,
            targets,
            always,
            soft,
            detached,
        } = site;
        let (file, line) = place.rsplit_once(':').unwrap_or((place, ""));
        Self {
            place: Place::new(path_of_marker(marker()), file, line.parse().unwrap_or(0)),
            targets: targets.iter().map(TargetEntry::of).collect(),
            always: *always,
            soft: *soft,
            detached: *detached,
        }
    }

    /// Whether a target stands for this resource.
    pub fn names(&self, resource: &Resource) -> bool {
        self.targets.iter().any(|target| target.names(resource))
    }

    /// The kinds of tags that it names.
    pub fn tags(&self) -> impl Iterator<Item = &'static str> {
        tags(&self.targets)
    }
}

fn tags(targets: &[TargetEntry]) -> impl Iterator<Item = &'static str> {
    let tags = targets.iter().filter(|target| target.kind == TargetKind::Tag);
    tags.map(|target| target.name)
}

impl TargetEntry {
    fn of(target: &TargetSite) -> Self {
        let TargetSite {
            name,
            selection,
            scopes,
            when,
        } = target;
        Self {
            name,
            kind: match selection {
                Selection::One(_) => TargetKind::Resource,
                Selection::Many(_) | Selection::Parts(_) => TargetKind::Group,
                Selection::Pattern(..) => TargetKind::Pattern,
                Selection::Tags(_) => TargetKind::Tag,
            },
            scopes: Value::all_of(scopes),
            when: *when,
            resources: selection.resources().collect(),
        }
    }

    /// A target of a table, which the compiler has checked.
    fn written(registry: &'static Registry, (name, scopes): WrittenTarget) -> Self {
        let group = registry.groups().iter().find(|group| group.name() == name);
        let matching = registry.resources().iter().copied();
        let matching = matching.filter(|resource| glob::matches(name, resource.name()));
        let kind = match group {
            Some(_) => TargetKind::Group,
            None if name.contains('*') => TargetKind::Pattern,
            None => TargetKind::Resource,
        };
        let resources = group.map_or_else(|| matching.collect(), |group| group.members().to_vec());
        Self {
            name,
            kind,
            scopes: Value::all_of(scopes),
            when: None,
            resources,
        }
    }

    /// A tag of a table, and its column.
    fn tag((kind, column): NameAndText) -> Self {
        Self {
            name: kind,
            kind: TargetKind::Tag,
            scopes: Value::all_of(&[(kind, column)]),
            when: None,
            resources: Vec::new(),
        }
    }

    fn names(&self, resource: &Resource) -> bool {
        self.resources.iter().any(|named| same(named, resource))
    }
}

/// A path of the compiler's as people write it.
fn readable(path: &str) -> String {
    // The future of an async function is a closure in it.
    let path = path.replace("::{{closure}}", "");
    // An implementation that stands elsewhere than its type does is named after both places.
    let Some((_, rest)) = path.split_once("<impl ") else {
        return path;
    };
    let mut depth = 1_u32;
    let end = rest.char_indices().find(|(_, c)| {
        depth = match c {
            '<' => depth + 1,
            '>' => depth - 1,
            _ => depth,
        };
        depth == 0
    });
    let Some((end, _)) = end else { return path };
    let (of, item) = (&rest[..end], &rest[end + 1..]);
    match of.split_once(" for ") {
        Some((implemented, ty)) => format!("<{ty} as {implemented}>{item}"),
        None => format!("{of}{item}"),
    }
}

/// Whether it is one resource, and not two of one name in two registries.
pub(super) fn same(one: &Resource, other: &Resource) -> bool {
    std::ptr::eq(one, other)
}

#[expect(clippy::ref_option, reason = "serde gives a reference to the field")]
fn seconds<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    duration.map(|duration| duration.as_secs_f64()).serialize(serializer)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference to the field")]
fn name<S: Serializer>(resource: &&'static Resource, serializer: S) -> Result<S::Ok, S::Error> {
    resource.name().serialize(serializer)
}

fn names<S: Serializer>(resources: &[&'static Resource], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(resources.iter().map(|resource| resource.name()))
}

#[cfg(test)]
mod tests {
    use super::readable;

    #[test]
    fn a_path_is_that_of_the_type_wherever_the_implementation_stands() {
        for (path, expected) in [
            ("app::m::list", "app::m::list"),
            ("app::m::Repo<_>::list::{{closure}}", "app::m::Repo<_>::list"),
            ("<app::Repo as app::Finder>::list", "<app::Repo as app::Finder>::list"),
            (
                "app::changes::<impl app::Repo<app::Row<_>>>::list",
                "app::Repo<app::Row<_>>::list",
            ),
            (
                "app::changes::<impl app::Finder<_> for app::Repo>::list",
                "<app::Repo as app::Finder<_>>::list",
            ),
            ("app::<impl of nothing", "app::<impl of nothing"),
        ] {
            assert_eq!(readable(path), expected, "{path}");
        }
    }
}
