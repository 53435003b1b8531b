//! What a journal holds, in a bounded number of lines.

use std::{collections::HashMap, hash::Hash};

use crate::key::StampKey;

/// Stamps that are to be removed, each with a value: one line each, until there are too many. Then they are widened, to the
/// stamps of their resources, to their tenants, to everything: more is invalidated than was asked, never less.
#[derive(Debug)]
pub(crate) struct Lines<V> {
    stamps: HashMap<StampKey, V>,
    /// All of a tenant, by its segment in keys.
    tenants: HashMap<String, V>,
    everything: Option<V>,
}

impl<V> Default for Lines<V> {
    fn default() -> Self {
        Self {
            stamps: HashMap::new(),
            tenants: HashMap::new(),
            everything: None,
        }
    }
}

impl<V: Copy + Ord> Lines<V> {
    pub(crate) fn len(&self) -> usize {
        self.stamps.len() + self.tenants.len() + usize::from(self.everything.is_some())
    }

    /// Writes a stamp down, or its value to the line that covers it.
    pub(crate) fn write(&mut self, stamp: &StampKey, value: V) {
        if let Some(everything) = &mut self.everything {
            *everything = value.max(*everything);
        } else if let Some(tenant) = self.tenants.get_mut(stamp.tenant()) {
            *tenant = value.max(*tenant);
        } else {
            self.stamps.insert(stamp.clone(), value);
        }
    }

    pub(crate) fn write_everything(&mut self, value: V) {
        *self = Self {
            everything: Some(self.everything.map_or(value, |before| before.max(value))),
            ..Self::default()
        };
    }

    /// Takes in all lines of another journal.
    pub(crate) fn merge(&mut self, other: Self) {
        for (tenant, value) in other.tenants {
            raise(&mut self.tenants, tenant, value);
        }
        for (stamp, value) in other.stamps {
            self.write(&stamp, value);
        }
        if let Some(value) = other.everything {
            self.write_everything(value);
        }
    }

    /// The same lines with another value.
    pub(crate) fn map<W>(self, value: impl Fn(V) -> W) -> Lines<W> {
        fn mapped<K: Eq + Hash, V, W>(lines: HashMap<K, V>, value: impl Fn(V) -> W) -> HashMap<K, W> {
            lines.into_iter().map(|(line, old)| (line, value(old))).collect()
        }
        Lines {
            stamps: mapped(self.stamps, &value),
            tenants: mapped(self.tenants, &value),
            everything: self.everything.map(&value),
        }
    }

    /// Whether the removal of this stamp is written down.
    pub(crate) fn cover(&self, stamp: &StampKey) -> bool {
        self.everything.is_some() || self.stamps.contains_key(stamp) || self.tenants.contains_key(stamp.tenant())
    }

    /// Takes out the lines with a value that is wanted.
    pub(crate) fn take(&mut self, wanted: impl Fn(V) -> bool) -> Self {
        Self {
            stamps: self.stamps.extract_if(|_, value| wanted(*value)).collect(),
            tenants: self.tenants.extract_if(|_, value| wanted(*value)).collect(),
            everything: self.everything.take_if(|value| wanted(*value)),
        }
    }

    /// Strikes out the lines with a value that is not wanted.
    pub(crate) fn retain(&mut self, wanted: impl Fn(V) -> bool) {
        self.stamps.retain(|_, value| wanted(*value));
        self.tenants.retain(|_, value| wanted(*value));
        self.everything = self.everything.filter(|value| wanted(*value));
    }

    /// Strikes out the line of a stamp, if its value is not wanted.
    pub(crate) fn strike_out(&mut self, stamp: &StampKey, wanted: impl Fn(V) -> bool) {
        if self.stamps.get(stamp).is_some_and(|value| !wanted(*value)) {
            self.stamps.remove(stamp);
        }
    }

    /// Widens until there are at most `limit` lines.
    pub(crate) fn bound(&mut self, limit: usize) {
        if self.len() > limit {
            for (stamp, value) in std::mem::take(&mut self.stamps) {
                raise(&mut self.stamps, stamp.of_resource(), value);
            }
        }
        if self.len() > limit {
            for (stamp, value) in std::mem::take(&mut self.stamps) {
                raise(&mut self.tenants, stamp.tenant().to_owned(), value);
            }
        }
        if self.len() > limit {
            let values = self.tenants.values().chain(&self.everything);
            if let Some(latest) = values.copied().max() {
                self.write_everything(latest);
            }
        }
    }

    pub(crate) fn stamps(&self) -> impl Iterator<Item = &StampKey> {
        self.stamps.keys()
    }

    pub(crate) fn tenants(&self) -> impl Iterator<Item = &String> {
        self.tenants.keys()
    }

    pub(crate) fn has_everything(&self) -> bool {
        self.everything.is_some()
    }
}

fn raise<K: Eq + Hash, V: Copy + Ord>(lines: &mut HashMap<K, V>, line: K, value: V) {
    let latest = lines.entry(line).or_insert(value);
    *latest = value.max(*latest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(stamp: &str) -> StampKey {
        StampKey::new(stamp.to_owned())
    }

    fn lines(stamps: &[&str]) -> Lines<u64> {
        let mut lines = Lines::default();
        for (number, stamp) in (1..).zip(stamps) {
            lines.write(&key(stamp), number);
        }
        lines
    }

    #[test]
    fn too_many_scope_values_become_their_resource() {
        let mut lines = lines(&["cachestamp:t:r:c-1", "cachestamp:t:r:c-2", "cachestamp:u:r"]);
        lines.bound(2);
        assert_eq!(lines.len(), 2);
        assert!(lines.cover(&key("cachestamp:t:r")) && !lines.cover(&key("cachestamp:t:other")));
    }

    #[test]
    fn too_many_resources_become_their_tenant() {
        let mut lines = lines(&["cachestamp:t:a", "cachestamp:t:b", "cachestamp:u:a"]);
        lines.bound(2);
        assert_eq!(lines.len(), 2);
        assert!(lines.cover(&key("cachestamp:t:c:x-1")) && !lines.cover(&key("cachestamp:v:a")));
        lines.write(&key("cachestamp:t:d"), 9);
        assert_eq!(lines.len(), 2, "what a tenant covers is no line of its own");
        lines.retain(|number| number > 8);
        assert!(
            lines.cover(&key("cachestamp:t:d")),
            "its line is as young as the last write"
        );
    }

    #[test]
    fn too_many_tenants_become_everything() {
        let mut lines = lines(&["cachestamp:t:a", "cachestamp:u:a", "cachestamp:v:a"]);
        lines.bound(2);
        assert_eq!(lines.len(), 1);
        assert!(lines.has_everything() && lines.cover(&key("cachestamp:w:z")));
    }

    #[test]
    fn merged_lines_cover_what_either_covered() {
        let mut all = lines(&["cachestamp:t:a"]);
        let mut wide = lines(&["cachestamp:u:a", "cachestamp:u:b"]);
        wide.bound(1);
        all.merge(wide);
        assert!(
            all.cover(&key("cachestamp:t:a"))
                && all.cover(&key("cachestamp:u:c"))
                && !all.cover(&key("cachestamp:t:b"))
        );
    }
}
