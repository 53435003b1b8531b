//! Where the keys of one cache stand: in a namespace, or in none. All that they begin with is known here.

use std::{fmt::Write as _, sync::Arc};

use super::{
    ENTRY,
    stamp_key::{HOLD, STAMP, StampKey, TAG, WRITER},
};

/// A namespace is no longer than this.
const LONGEST_NAMESPACE: usize = 64;

/// What stands under a key. A user of the store may be allowed keys of one kind, and none of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Entry,
    Stamp,
    Hold,
    Writer,
}

impl Kind {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Entry => ENTRY,
            Self::Stamp => STAMP,
            Self::Hold => HOLD,
            Self::Writer => WRITER,
        }
    }
}

/// What the keys of a cache begin with: nothing, or a namespace and a colon.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Namespace(Option<Arc<str>>);

impl Namespace {
    /// The namespace of this namespace.
    ///
    /// # Errors
    ///
    /// If the name cannot be one.
    pub(crate) fn named(name: &str) -> Result<Self, String> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        if name.is_empty() || name.len() > LONGEST_NAMESPACE || !name.bytes().all(is_plain) {
            return Err(format!(
                "a namespace has 1 to {LONGEST_NAMESPACE} of the characters A to Z, a to z, 0 to 9, `_`, `.` and `-`"
            ));
        }
        if name.starts_with("cache") {
            return Err("a namespace does not begin with `cache`, as the keys themselves do".to_owned());
        }
        Ok(Self::of_store(Some(name)))
    }

    /// The namespace of a store that says so.
    pub(crate) fn of_store(namespace: Option<&str>) -> Self {
        Self(namespace.map(|name| format!("{name}:").into()))
    }

    /// The name of the namespace.
    pub(crate) fn name(&self) -> Option<&str> {
        self.0.as_deref()?.strip_suffix(':')
    }

    /// What the keys begin with: nothing, or the name and a colon.
    pub(crate) fn prefix(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }

    /// The key of an entry.
    pub(crate) fn entry(&self, tenant: &str, resource: &str, scopes: &[(&str, String)], suffix: &str) -> String {
        let mut entry = self.key(ENTRY, tenant, resource, scopes, suffix.len() + 1);
        entry.push(':');
        entry.push_str(suffix);
        entry
    }

    /// The key of the stamp of a resource, or of some scope values of it.
    pub(crate) fn stamp(&self, tenant: &str, resource: &str, scopes: &[(&str, String)]) -> StampKey {
        StampKey::new(self.key(STAMP, tenant, resource, scopes, 0))
    }

    /// The key of the stamp of all tags of a kind.
    pub(crate) fn kind(&self, tenant: &str, kind: &str) -> StampKey {
        StampKey::new([self.prefix(), STAMP, tenant, ":", &TAG.to_string(), kind].concat())
    }

    /// What all stamps begin with.
    pub(crate) fn stamps(&self) -> String {
        [self.prefix(), STAMP].concat()
    }

    /// The key of a session of those who watch stamps, on the server that has the keys of this probe. No tenant is called that;
    /// and whoever may use entries may use these.
    pub(crate) fn session(&self, probe: &str, session: &str) -> String {
        format!("{}{ENTRY}~watch:{probe}:{session}", self.prefix())
    }

    /// The key of a claim of those who sweep. No tenant is called that, and it is no key of an entry; whoever may use entries may use
    /// these.
    pub(crate) fn sweep_claim(&self, name: &str) -> String {
        format!("{}{ENTRY}~sweep:{name}", self.prefix())
    }

    /// The key of this kind and name. For probes, whose keys never exist, and for what users have to be allowed (`*`).
    pub(crate) fn of_kind(&self, kind: Kind, name: &str) -> String {
        [self.prefix(), kind.prefix(), name].concat()
    }

    /// The glob that matches every entry.
    pub(crate) fn every_entry(&self) -> String {
        [self.prefix(), ENTRY, "*"].concat()
    }

    /// The glob that matches every entry of a resource with these scope values, and now and then one of another value: the
    /// sweep looks at stamps before it removes anything.
    pub(crate) fn entries(&self, tenant: &str, resource: &str, scopes: &[(&str, String)]) -> String {
        let mut pattern = format!("{}{ENTRY}{tenant}:{resource}:", self.prefix());
        for (name, value) in scopes {
            // Writing to a String cannot fail.
            let _ = write!(pattern, "*{name}-{value}:");
        }
        pattern.push('*');
        pattern
    }

    /// What entry keys and stamp keys begin with, with room for `more` bytes.
    fn key(&self, kind: &str, tenant: &str, resource: &str, scopes: &[(&str, String)], more: usize) -> String {
        let scopes_len: usize = scopes.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
        let len = self.prefix().len() + kind.len() + tenant.len() + 1 + resource.len() + scopes_len + more;
        let mut key = String::with_capacity(len);
        key.push_str(self.prefix());
        key.push_str(kind);
        key.push_str(tenant);
        key.push(':');
        key.push_str(resource);
        for (name, value) in scopes {
            key.push(':');
            key.push_str(name);
            key.push('-');
            key.push_str(value);
        }
        key
    }
}
