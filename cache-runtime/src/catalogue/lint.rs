//! What the catalogue says that cannot be meant.

use super::{Catalogue, Finding, FindingKind, FunctionEntry, Place, ResourceEntry, Write};

impl Catalogue {
    /// What cannot be meant, or is meant and not said: by kinds, and in each in the order of the catalogue. What is done by hand, at run
    /// time, is not in the catalogue, and so may be found though it is as it should be.
    ///
    /// Functions without an attribute are in no catalogue: what of them writes to a database is found in the sources, by
    /// `commands::LintCommand` (feature `cli`).
    pub fn lint(&self) -> Vec<Finding> {
        let resources = self.resources.iter();
        let mut findings: Vec<Finding> = resources
            .flat_map(|resource| [self.use_of(resource), self.sharing_of(resource)])
            .flatten()
            .collect();
        findings.extend(self.functions.iter().filter_map(cached_write));
        findings.sort_by_key(|finding| finding.kind);
        findings
    }

    /// Whether what is cached is invalidated, and the other way round.
    fn use_of(&self, resource: &ResourceEntry) -> Option<Finding> {
        let functions = places(self.functions_of(resource.resource).map(|function| &function.place));
        let mutations = places(self.mutations_of(resource.resource).map(|mutation| &mutation.place));
        let tables: Vec<&str> = self
            .tables_of(resource.resource)
            .map(|table| table.name.as_str())
            .collect();
        let is_invalidated = !mutations.is_empty() || !tables.is_empty();
        let ResourceEntry { name, module, .. } = resource;
        let (kind, places, sentence, remedy) = match (functions.is_empty(), is_invalidated) {
            (false, true) => return None,
            (true, false) => (
                FindingKind::NeverCached,
                Vec::new(),
                format!("the resource `{name}` is declared in `{module}`, and nothing is cached as it"),
                format!(
                    "write `#[cached(resource = \"{name}\")]` on the function that it is for, or remove the declaration"
                ),
            ),
            (false, false) => (
                FindingKind::NeverInvalidated,
                functions,
                format!(
                    "nothing invalidates the resource `{name}`: {} is the only bound on how old a result is",
                    bound(resource)
                ),
                format!(
                    "write `#[invalidates(\"{name}\")]` on what changes it, or declare the `table` that it comes from; if its time is \
                     bound enough, or it is invalidated by hand, say so: `--allow {}:{name}`",
                    FindingKind::NeverInvalidated
                ),
            ),
            (true, true) => (
                FindingKind::InvalidatedInVain,
                mutations,
                format!(
                    "the resource `{name}` of `{module}` is invalidated{}, and nothing is cached as it",
                    by_tables(&tables)
                ),
                format!(
                    "write `#[cached(resource = \"{name}\")]` on the function that it is for, or remove the declaration"
                ),
            ),
        };
        Some(Finding {
            kind,
            subject: (*name).to_owned(),
            places,
            sentence,
            remedy,
        })
    }

    /// Functions whose results are of one resource, under keys of the same parts.
    fn sharing_of(&self, resource: &ResourceEntry) -> Option<Finding> {
        let functions: Vec<&FunctionEntry> = self.functions_of(resource.resource).collect();
        let shares = |function: &&&FunctionEntry| {
            let mut others = functions.iter().filter(|other| other.place != function.place);
            others.any(|other| other.key == function.key)
        };
        let sharing = places(functions.iter().filter(shares).map(|function| &function.place));
        if sharing.is_empty() {
            return None;
        }
        let name = resource.name;
        let paths: Vec<String> = sharing.iter().map(|place| format!("`{}`", place.path)).collect();
        Some(Finding {
            kind: FindingKind::SharedResource,
            subject: name.to_owned(),
            sentence: format!(
                "{} have results of the resource `{name}` under keys of the same parts: they never read each other's, but overwrite \
                 them until each has keys of its own, which are not those that Python computes",
                paths.join(" and ")
            ),
            remedy: "give each a resource, and both a `group`; or tell their keys apart: `key(what = \"total\")`"
                .to_owned(),
            places: sharing,
        })
    }
}

/// A function whose result is kept, and which does more than to compute it.
fn cached_write(function: &FunctionEntry) -> Option<Finding> {
    let place = &function.place;
    (!function.writes.is_empty()).then(|| Finding {
        kind: FindingKind::CachedWrite,
        subject: place.path.clone(),
        places: vec![place.clone()],
        sentence: format!(
            "`{}` is `#[cached]` and writes ({}): a call that the cache answers does not",
            place.path,
            written(&function.writes)
        ),
        remedy: "write in a function of its own, with `#[invalidates]`, and cache the one that reads".to_owned(),
    })
}

/// Statements as they are named in a sentence.
pub(super) fn written(writes: &[Write]) -> String {
    let mut named: Vec<String> = Vec::new();
    for Write { statement, table } in writes {
        let text = match table {
            Some(table) => format!("{statement} `{table}`"),
            None => (*statement).to_owned(),
        };
        if !named.contains(&text) {
            named.push(text);
        }
    }
    named.join(", ")
}

fn bound(resource: &ResourceEntry) -> String {
    match resource.ttl {
        Some(ttl) => format!("its time-to-live of {}", humantime::format_duration(ttl)),
        None => "the default time-to-live of the cache".to_owned(),
    }
}

fn by_tables(tables: &[&str]) -> String {
    match tables {
        [] => String::new(),
        [table] => format!(" by changes of the table `{table}`"),
        tables => format!(" by changes of the tables `{}`", tables.join("`, `")),
    }
}

/// Each once.
fn places<'a>(places: impl Iterator<Item = &'a Place>) -> Vec<Place> {
    let mut places: Vec<Place> = places.cloned().collect();
    places.dedup();
    places
}
