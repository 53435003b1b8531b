//! The names that this program declares, for names and patterns given at run time.

use super::{Declared, Group, Registry, Resource, Selection, Table, distance};
use crate::key::glob;

/// Every registry that is linked into the program.
pub(crate) fn registries() -> impl Iterator<Item = &'static Registry> {
    inventory::iter::<Declared>().map(|declared| declared.0)
}

/// Every resource of every registry that is linked into the program.
pub(crate) fn resources() -> impl Iterator<Item = &'static Resource> {
    registries().flat_map(|registry| registry.resources().iter().copied())
}

/// Every kind of tags of every registry that is linked into the program.
pub(crate) fn tags() -> impl Iterator<Item = &'static str> {
    registries().flat_map(|registry| registry.tags().iter().copied())
}

/// Every table of every registry that is linked into the program. A table may be there more than once.
pub(crate) fn tables() -> impl Iterator<Item = &'static Table> {
    registries().flat_map(Registry::tables)
}

fn groups() -> impl Iterator<Item = &'static Group> {
    registries().flat_map(|registry| registry.groups().iter().copied())
}

/// What a name or pattern stands for; `None` if there is nothing of that name.
pub(crate) fn find(pattern: &str) -> Option<Vec<Selection>> {
    let mut found: Vec<Selection> = resources()
        .filter(|resource| glob::matches(pattern, resource.name()))
        .map(Resource::__selection)
        .collect();
    found.extend(groups().filter(|group| group.name() == pattern).map(Group::__selection));
    (!found.is_empty()).then_some(found)
}

/// The kind of tags of this name; without one, the declared kind that is most like it.
pub(crate) fn find_tag(name: &str) -> Result<&'static str, Option<&'static str>> {
    let found = tags().find(|kind| *kind == name);
    found.ok_or_else(|| tags().min_by_key(|kind| (distance(name, kind), kind.len(), *kind)))
}

/// The declared name that is most like this one, however unlike that may be.
pub(crate) fn most_similar(pattern: &str) -> Option<&'static str> {
    let names = resources().map(Resource::name).chain(groups().map(Group::name));
    // Of two that are as near, the shorter one is more alike.
    names.min_by_key(|name| (distance(pattern, name), name.len(), *name))
}
