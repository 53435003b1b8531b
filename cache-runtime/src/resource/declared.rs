//! The names that this program declares, for names and patterns given at run time.

use super::{Declared, Group, Resource, Selection};
use crate::key::glob;

/// Every resource of every registry that is linked into the program.
pub(crate) fn resources() -> impl Iterator<Item = &'static Resource> {
    inventory::iter::<Declared>().flat_map(|declared| declared.0.resources().iter().copied())
}

fn groups() -> impl Iterator<Item = &'static Group> {
    inventory::iter::<Declared>().flat_map(|declared| declared.0.groups().iter().copied())
}

/// What a name or pattern stands for.
pub(crate) fn find(pattern: &str) -> Result<Vec<Selection>, String> {
    let mut found: Vec<Selection> = resources()
        .filter(|resource| glob::matches(pattern, resource.name()))
        .map(Resource::__selection)
        .collect();
    found.extend(groups().filter(|group| group.name() == pattern).map(Group::__selection));
    if found.is_empty() {
        Err(unknown(pattern))
    } else {
        Ok(found)
    }
}

fn unknown(pattern: &str) -> String {
    let names = resources().map(Resource::name).chain(groups().map(Group::name));
    let similar = names.max_by(|a, b| strsim::jaro(pattern, a).total_cmp(&strsim::jaro(pattern, b)));
    let hint = match similar {
        Some(name) => format!("; the most similar name is `{name}`"),
        None => "; this program declares none: is the crate with its `resources!` linked?".to_owned(),
    };
    if pattern.contains('*') {
        format!("the pattern `{pattern}` matches no resource{hint}")
    } else {
        format!("there is no resource or group `{pattern}`{hint}")
    }
}
