//! The patterns of the entries that became unusable, few enough for one walk over all keys.

use std::{
    borrow::Cow,
    collections::{BTreeMap, btree_map::Entry},
};

use crate::key::{Namespace, glob};

/// More scope values of a resource than this become all of it: each further pattern is one more comparison for each key, and a
/// wider one only has more headers read.
const SCOPES: usize = 16;

/// Something of more resources and tenants than this becomes everything.
const RESOURCES: usize = 256;

/// Patterns of entries.
#[derive(Debug, Clone, Default)]
pub(crate) struct Patterns {
    namespace: Namespace,
    /// By the pattern of all entries of the resource and tenant.
    resources: BTreeMap<String, OfResource>,
    everything: bool,
}

/// What is meant of the entries of a resource and tenant.
#[derive(Debug, Clone)]
struct OfResource {
    name: Cow<'static, str>,
    extent: Extent,
}

#[derive(Debug, Clone)]
enum Extent {
    All,
    /// What matches one of these.
    Some(Vec<String>),
}

impl Patterns {
    /// None yet, in this namespace.
    pub(crate) fn new(namespace: &Namespace) -> Self {
        Self {
            namespace: namespace.clone(),
            ..Self::default()
        }
    }

    /// Adds the entries of a resource of a tenant that have these scope values, all escaped.
    pub(crate) fn add(&mut self, tenant: &str, resource: Cow<'static, str>, scopes: &[(&str, String)]) {
        let extent = if scopes.is_empty() {
            Extent::All
        } else {
            Extent::Some(vec![self.namespace.entries(tenant, &resource, scopes)])
        };
        let all = self.namespace.entries(tenant, &resource, &[]);
        self.insert(all, OfResource { name: resource, extent });
    }

    /// Adds what others stand for.
    pub(crate) fn merge(&mut self, others: Self) {
        if others.everything {
            self.widen();
        }
        for (all, of) in others.resources {
            self.insert(all, of);
        }
    }

    fn insert(&mut self, all: String, of: OfResource) {
        if self.everything {
            return;
        }
        match self.resources.entry(all) {
            Entry::Vacant(vacant) => _ = vacant.insert(of),
            Entry::Occupied(mut occupied) => occupied.get_mut().extent.add(of.extent),
        }
        if self.resources.len() > RESOURCES {
            self.widen();
        }
    }

    fn widen(&mut self) {
        self.everything = true;
        self.resources.clear();
    }

    /// Takes away what is of a resource for which this is not so.
    pub(crate) fn retain_resources(&mut self, is_so: impl Fn(&str) -> bool) {
        self.resources.retain(|_, of| is_so(&of.name));
    }

    /// Takes away the patterns for which this is not so.
    pub(crate) fn retain(&mut self, is_so: impl Fn(&str) -> bool) {
        self.everything = self.everything && is_so(&self.namespace.every_entry());
        self.resources.retain(|all, of| match &mut of.extent {
            Extent::All => is_so(all),
            Extent::Some(patterns) => {
                patterns.retain(|pattern| is_so(pattern));
                !patterns.is_empty()
            }
        });
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.everything && self.resources.is_empty()
    }

    /// Them, and leaves none.
    pub(crate) fn take(&mut self) -> Self {
        let none = Self::new(&self.namespace);
        std::mem::replace(self, none)
    }

    /// As a store takes them.
    pub(crate) fn texts(&self) -> Vec<String> {
        if self.everything {
            return vec![self.namespace.every_entry()];
        }
        let texts = self.resources.iter().flat_map(|(all, of)| match &of.extent {
            Extent::All => std::slice::from_ref(all),
            Extent::Some(patterns) => patterns,
        });
        texts.cloned().collect()
    }
}

impl Extent {
    fn add(&mut self, other: Self) {
        let (Self::Some(patterns), Self::Some(others)) = (&mut *self, other) else {
            *self = Self::All;
            return;
        };
        for pattern in others {
            if !patterns.iter().any(|wider| glob::matches(wider, &pattern)) {
                patterns.retain(|narrower| !glob::matches(&pattern, narrower));
                patterns.push(pattern);
            }
        }
        if patterns.len() > SCOPES {
            *self = Self::All;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn company(number: usize) -> [(&'static str, String); 1] {
        [("company", number.to_string())]
    }

    #[test]
    fn a_pattern_that_another_one_covers_is_left_out() {
        let mut patterns = Patterns::default();
        patterns.add("t", "r".into(), &company(1));
        patterns.add(
            "t",
            "r".into(),
            &[("company", "1".to_owned()), ("region", "eu".to_owned())],
        );
        patterns.add("t", "s".into(), &company(1));
        patterns.add("t", "s".into(), &[]);
        patterns.add("t", "s".into(), &company(2));
        assert_eq!(patterns.texts(), ["cache:t:r:*company-1:*", "cache:t:s:*"]);
    }

    #[test]
    fn many_scope_values_become_their_resource_and_many_resources_everything() {
        let namespace = Namespace::named("billing").unwrap();
        let mut patterns = Patterns::new(&namespace);
        for number in 0..SCOPES {
            patterns.add("t", "r".into(), &company(number));
        }
        assert_eq!(patterns.texts().len(), SCOPES);
        patterns.add("t", "r".into(), &company(SCOPES));
        assert_eq!(patterns.texts(), ["billing:cache:t:r:*"]);
        for number in 1..RESOURCES {
            patterns.add(&number.to_string(), "r".into(), &[]);
        }
        assert_eq!(patterns.texts().len(), RESOURCES);
        let mut others = Patterns::new(&namespace);
        others.add("u", "r".into(), &company(1));
        patterns.merge(others);
        assert_eq!(patterns.texts(), ["billing:cache:*"]);
        assert_eq!(patterns.take().texts(), ["billing:cache:*"]);
        assert!(patterns.is_empty());
    }

    #[test]
    fn what_is_taken_away_leaves_the_rest() {
        let mut patterns = Patterns::default();
        patterns.add("t", "r".into(), &company(1));
        patterns.add("t", "r".into(), &company(2));
        patterns.add("t", "s".into(), &[]);
        patterns.add("t", "u".into(), &[]);
        patterns.retain(|text| text != "cache:t:r:*company-1:*" && text != "cache:t:s:*");
        assert_eq!(patterns.texts(), ["cache:t:r:*company-2:*", "cache:t:u:*"]);
        patterns.retain_resources(|name| name != "u");
        assert_eq!(patterns.texts(), ["cache:t:r:*company-2:*"]);
        patterns.retain(|_| false);
        assert!(
            patterns.is_empty(),
            "a resource of which nothing is left is not all of it"
        );
    }
}
