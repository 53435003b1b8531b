//! Keys that stand in a store, taken apart: whose they are, and what stands under them.

use std::{fmt, str::FromStr};

use percent_encoding::percent_decode_str;
use serde::Serialize;

use crate::{
    cache::HOT,
    entry::{ParseError, words},
    key::{Address, BY_KEY, ENTRY, HOLD, LEASE, SOFT, STAMP, StampKey, TAG, WRITER, escape},
};

/// The tenant segment of the sessions of those who watch stamps.
const WATCH: &str = "~watch";

/// That of the claims of those who sweep.
const SWEEP: &str = "~sweep";

/// The digits of an entry's hash.
const HASH_LEN: usize = 12;

/// What stands under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum KeyKind {
    /// A cached result.
    Entry,
    /// A value that was set by key.
    Value,
    /// The most used keys of a resource, for the next [warm start](crate::Cache::warm).
    HotKeys,
    /// The stamp of a resource, or of some scope values of it.
    Stamp,
    /// The soft stamp beside one of these.
    SoftStamp,
    /// The stamp of all tags of a kind.
    TagKind,
    /// The stamp of a tag.
    Tag,
    /// The epoch of some of the tags of a kind.
    Epoch,
    /// The writers whose mutation of a `crash_safe` resource is under way.
    Hold,
    /// One of these writers.
    Writer,
    /// The lease of a load.
    Lease,
    /// The session of a process that watches stamps.
    Watch,
    /// The claim of a process to a sweep, or to sweep what matches a pattern.
    SweepClaim,
    /// Something that no cache has put there.
    Foreign,
}

words! {
    /// The kind in one word, as it stands in the output of commands.
    KeyKind,
    "write entry, value, hot_keys, stamp, soft_stamp, tag_kind, tag, epoch, hold, writer, lease, watch, sweep_claim or foreign" {
        Entry = "entry",
        Value = "value",
        HotKeys = "hot_keys",
        Stamp = "stamp",
        SoftStamp = "soft_stamp",
        TagKind = "tag_kind",
        Tag = "tag",
        Epoch = "epoch",
        Hold = "hold",
        Writer = "writer",
        Lease = "lease",
        Watch = "watch",
        SweepClaim = "sweep_claim",
        Foreign = "foreign",
    }
}

impl KeyKind {
    /// Whether there is an envelope under it.
    pub const fn is_entry(self) -> bool {
        matches!(self, Self::Entry | Self::Value | Self::HotKeys)
    }

    /// Whether it is a stamp of some sort.
    pub const fn is_stamp(self) -> bool {
        matches!(
            self,
            Self::Stamp | Self::SoftStamp | Self::TagKind | Self::Tag | Self::Epoch
        )
    }
}

/// A key, and what it says. [The grammar](crate::manual::keys#keys).
///
/// ```
/// use cache_runtime::inspect::{Key, KeyKind};
///
/// let key = Key::parse("billing:cache:acme%20ltd:invoices_list:company-123:9f1c2ab34d56");
/// assert_eq!(key.kind, KeyKind::Entry);
/// assert_eq!(key.namespace.as_deref(), Some("billing"));
/// assert_eq!(key.tenant.as_deref(), Some("acme ltd"));
/// assert_eq!(key.resource.as_deref(), Some("invoices_list"));
/// assert_eq!(key.scopes[0].to_string(), "company-123");
///
/// assert_eq!(Key::parse("session:42").kind, KeyKind::Foreign);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub struct Key {
    /// All of it.
    #[serde(rename = "key")]
    pub text: String,
    /// What stands under it.
    pub kind: KeyKind,
    /// The namespace, if it is in one.
    pub namespace: Option<String>,
    /// The tenant, no longer escaped; `~shared` for what tenants share. As it stands in the key if it could be mistaken for that, or
    /// is no text.
    pub tenant: Option<String>,
    /// The resource; of a tag its kind.
    pub resource: Option<String>,
    /// The scope values, in the order of the declaration. Of a value by key, that key.
    pub scopes: Vec<KeyScope>,
    /// The hash of the arguments of an entry; of a tag its value, of an epoch its bucket, of a writer its token, of a lease its load, of
    /// a claim what is claimed.
    pub hash: Option<String>,
}

/// A scope value in a key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub struct KeyScope {
    /// The scope.
    pub name: String,
    /// Its value, no longer escaped; `~` for nobody.
    pub value: String,
}

impl fmt::Display for KeyScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.name, self.value)
    }
}

impl Key {
    /// Takes a key apart. One that no cache has made is [foreign](KeyKind::Foreign).
    pub fn parse(key: &str) -> Self {
        let (namespace, rest) = split_namespace(key);
        let parsed = Parts::of_entry(rest)
            .or_else(|| Parts::of_stamp(rest, STAMP))
            .or_else(|| Parts::of_hold(rest))
            .or_else(|| Parts::of_lease(rest));
        let Some(parts) = parsed else {
            return Self::foreign(key);
        };
        Self {
            text: key.to_owned(),
            kind: parts.kind,
            namespace: namespace.map(str::to_owned),
            tenant: parts.tenant.map(unescaped),
            resource: parts.resource.map(str::to_owned),
            scopes: parts.scopes.into_iter().map(scope).collect(),
            hash: parts.hash.map(str::to_owned),
        }
    }

    fn foreign(key: &str) -> Self {
        Self {
            text: key.to_owned(),
            kind: KeyKind::Foreign,
            namespace: None,
            tenant: None,
            resource: None,
            scopes: Vec::new(),
            hash: None,
        }
    }

    /// Whether it is of a tenant, which is escaped.
    pub(super) fn is_of_tenant(&self, escaped: &str) -> bool {
        let tenant = self.tenant.as_deref();
        tenant.is_some_and(|tenant| tenant == escaped || !tenant.starts_with('~') && escape(tenant) == escaped)
    }

    /// Whether it has a scope value, which is escaped.
    pub(super) fn has_scope(&self, name: &str, escaped: &str) -> bool {
        let mut scopes = self.scopes.iter().filter(|scope| scope.name == name);
        scopes.any(|scope| scope.value == escaped || escape(&scope.value) == escaped)
    }

    /// The resource whose most used keys stand under it, if that is what it is of.
    pub(super) fn hot_resource(&self) -> Option<&str> {
        let of = self.scopes.first().filter(|_| self.kind == KeyKind::HotKeys)?;
        of.value.strip_prefix(HOT)
    }

    /// The stamps that the key of an entry names, the strict ones; none of any other key.
    pub(crate) fn stamps(&self) -> Vec<StampKey> {
        let address = Address::parse(&self.text).filter(|_| self.kind.is_entry());
        address.map_or_else(Vec::new, |address| address.stamps().to_vec())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

/// Of any text: see [`Key::parse`].
impl FromStr for Key {
    type Err = ParseError;

    fn from_str(key: &str) -> Result<Self, ParseError> {
        Ok(Self::parse(key))
    }
}

/// What stands before the keys of a cache, and the rest.
fn split_namespace(key: &str) -> (Option<&str>, &str) {
    match key.split_once(':') {
        // No namespace begins so.
        Some((namespace, rest)) if !namespace.is_empty() && !namespace.starts_with("cache") => (Some(namespace), rest),
        _ => (None, key),
    }
}

/// A key without its namespace, as it stands.
struct Parts<'k> {
    kind: KeyKind,
    tenant: Option<&'k str>,
    resource: Option<&'k str>,
    scopes: Vec<&'k str>,
    hash: Option<&'k str>,
}

impl<'k> Parts<'k> {
    fn of_entry(key: &'k str) -> Option<Self> {
        let segments = segments(key.strip_prefix(ENTRY)?)?;
        let of_nobody = |kind, hash| Self {
            kind,
            tenant: None,
            resource: None,
            scopes: Vec::new(),
            hash: Some(hash),
        };
        let (tenant, resource, scopes, hash) = match &segments[..] {
            [SWEEP, claim] => return Some(of_nobody(KeyKind::SweepClaim, claim)),
            [WATCH, _, .., session] => return Some(of_nobody(KeyKind::Watch, session)),
            [tenant, resource, scopes @ .., hash] => (tenant, resource, scopes, hash),
            _ => return None,
        };
        let (kind, is_hash) = match (*tenant, *resource) {
            (_, BY_KEY) if is_hot(scopes) => (KeyKind::HotKeys, *hash == "value"),
            (_, BY_KEY) => (KeyKind::Value, *hash == "value" && scopes.len() == 1),
            _ => (KeyKind::Entry, is_hash(hash)),
        };
        (is_hash && scopes.iter().all(is_scope)).then(|| Self {
            kind,
            tenant: Some(tenant),
            resource: Some(resource),
            scopes: scopes.to_vec(),
            hash: Some(hash),
        })
    }

    /// Of a stamp, or of what stands beside one, which begins with `prefix`.
    fn of_stamp(key: &'k str, prefix: &str) -> Option<Self> {
        let rest = key.strip_prefix(prefix)?;
        let (rest, is_soft) = match rest.strip_suffix(SOFT) {
            Some(rest) => (rest, true),
            None => (rest, false),
        };
        let segments = segments(rest)?;
        let [tenant, resource, scopes @ ..] = &segments[..] else {
            return None;
        };
        let stamp = |kind, resource, scopes: &[&'k str], hash| Self {
            kind,
            tenant: Some(tenant),
            resource: Some(resource),
            scopes: scopes.to_vec(),
            hash,
        };
        match (resource.strip_prefix(TAG).filter(|kind| !kind.is_empty()), scopes) {
            (Some(_), _) if is_soft => None,
            (Some(kind), []) => Some(stamp(KeyKind::TagKind, kind, &[], None)),
            (Some(kind), [value]) => {
                let bucket = value.strip_prefix(TAG).filter(|bucket| bucket.len() == 1);
                let of = if bucket.is_some() { KeyKind::Epoch } else { KeyKind::Tag };
                Some(stamp(of, kind, &[], Some(bucket.unwrap_or(value))))
            }
            (None, scopes) if scopes.iter().all(is_scope) => {
                let kind = if is_soft { KeyKind::SoftStamp } else { KeyKind::Stamp };
                Some(stamp(kind, resource, scopes, None))
            }
            _ => None,
        }
    }

    fn of_hold(key: &'k str) -> Option<Self> {
        if let Some(token) = key.strip_prefix(WRITER) {
            return (!token.is_empty()).then_some(Self {
                kind: KeyKind::Writer,
                tenant: None,
                resource: None,
                scopes: Vec::new(),
                hash: Some(token),
            });
        }
        let held = Self::of_stamp(key, HOLD)?;
        Some(Self {
            kind: KeyKind::Hold,
            ..held
        })
    }

    fn of_lease(key: &'k str) -> Option<Self> {
        let (entry, load) = key.strip_prefix(LEASE)?.rsplit_once(':')?;
        let loaded = Self::of_entry(entry)?;
        Some(Self {
            kind: KeyKind::Lease,
            hash: Some(load),
            ..loaded
        })
    }
}

/// The segments of a key. That of the tenant may be empty, that of the resource is not.
fn segments(key: &str) -> Option<Vec<&str>> {
    let segments: Vec<&str> = key.split(':').collect();
    let resource = segments.get(1).filter(|resource| !resource.is_empty());
    resource.is_some().then_some(segments)
}

fn is_scope(segment: &&str) -> bool {
    segment.split_once('-').is_some_and(|(name, _)| !name.is_empty())
}

fn is_hash(hash: &str) -> bool {
    hash.len() == HASH_LEN && hash.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_hot(scopes: &[&str]) -> bool {
    matches!(scopes, [of] if scope(of).value.starts_with(HOT))
}

fn scope(segment: &str) -> KeyScope {
    let (name, value) = segment.split_once('-').unwrap_or((segment, ""));
    KeyScope {
        name: name.to_owned(),
        value: percent_decode_str(value)
            .decode_utf8()
            .map_or_else(|_| value.to_owned(), Into::into),
    }
}

fn unescaped(tenant: &str) -> String {
    let decoded = percent_decode_str(tenant).decode_utf8().ok();
    let plain = decoded.filter(|decoded| !decoded.starts_with('~') || tenant.starts_with('~'));
    plain.map_or_else(|| tenant.to_owned(), Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Namespace;

    fn kind(key: &str) -> KeyKind {
        Key::parse(key).kind
    }

    #[test]
    fn every_kind_of_key_is_told_in_a_namespace_and_without() {
        let entry = "cache:t:r:company-1:0123456789ab";
        for (key, expected) in [
            ("cache:t:r:0123456789ab", KeyKind::Entry),
            (entry, KeyKind::Entry),
            ("cache:t:~:key-fx:value", KeyKind::Value),
            ("cache:~shared:~:key-%7Ehot%3Ainvoices_list:value", KeyKind::HotKeys),
            ("cachestamp:t:r", KeyKind::Stamp),
            ("cachestamp:t:r:company-1:region-eu", KeyKind::Stamp),
            ("cachestamp:t:~", KeyKind::Stamp),
            ("cachestamp:t:~:key-fx", KeyKind::Stamp),
            ("cachestamp:t:r:~soft", KeyKind::SoftStamp),
            ("cachestamp:t:r:company-1:~soft", KeyKind::SoftStamp),
            ("cachestamp:t:~author", KeyKind::TagKind),
            ("cachestamp:t:~author:7", KeyKind::Tag),
            ("cachestamp:t:~author:~", KeyKind::Tag),
            ("cachestamp:t:~author:~a", KeyKind::Epoch),
            ("cachehold:t:r:company-1", KeyKind::Hold),
            ("cachewriter:0123456789abcdef", KeyKind::Writer),
            (
                "cachelease:cache:t:r:company-1:0123456789ab:0011223344556677",
                KeyKind::Lease,
            ),
            ("cache:~watch:~probe:17", KeyKind::Watch),
            ("cache:~sweep:walk", KeyKind::SweepClaim),
        ] {
            assert_eq!(kind(key), expected, "{key}");
            let within = Key::parse(&format!("billing:{key}"));
            assert_eq!(
                (within.kind, within.namespace.as_deref()),
                (expected, Some("billing")),
                "{key}"
            );
        }
        assert_eq!(Key::parse(entry).stamps().len(), 2);
    }

    #[test]
    fn what_no_cache_has_made_is_foreign() {
        for key in [
            "",
            ":",
            "cache",
            "cache:",
            "cache::::",
            "cache:user:42",
            "cache:user:42:profile",
            "cache:t:r:0123456789AB",
            "cache:t:r:company:0123456789ab",
            "cache:t::0123456789ab",
            "cache:t:r:",
            "cachestamp:",
            "cachestamp:t",
            "cachestamp:t:~author:7:8",
            "cachehold:",
            "cachewriter:",
            "cachelease:cache:t",
            "session:1",
            "a:b:cache:t:r:0123456789ab",
            "{user}:cache",
            "\u{0}\u{1b}[31m",
        ] {
            assert_eq!(kind(key), KeyKind::Foreign, "{key:?}");
        }
    }

    #[test]
    fn tenants_and_scope_values_are_shown_as_they_were_given() {
        for tenant in ["acme", "acme ltd", "a:b*", "Müller", "50%"] {
            let scopes = [("company", tenant)];
            let address = Address::new(tenant, "r", &scopes, "0123456789ab");
            let key = Key::parse(address.entry());
            assert_eq!(key.tenant.as_deref(), Some(tenant));
            assert_eq!(key.scopes[0].value, tenant);
            assert_eq!(key.stamps(), address.stamps());
        }
        let shared = Address::from_escaped(&Namespace::default(), "~shared", "r", &[], "0123456789ab");
        assert_eq!(Key::parse(shared.entry()).tenant.as_deref(), Some("~shared"));
        let so_called = Address::new("~shared", "r", &[], "0123456789ab");
        assert_eq!(
            Key::parse(so_called.entry()).tenant.as_deref(),
            Some("%7Eshared"),
            "a tenant of that name is none that all share"
        );
        assert_eq!(Key::parse("cache:%ff:r:0123456789ab").tenant.as_deref(), Some("%ff"));
    }
}
