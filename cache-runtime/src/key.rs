//! Where things stand in the store: entry keys, stamp keys, sweep patterns.
//!
//! `cache:{tenant}:{resource}[:{scope}-{value}]:{hash}` and `cachestamp:{tenant}:{resource}[:{scope}-{value}]`. Tenants
//! and scope values are escaped, so a `:` or `*` in one of them never reaches a key or a pattern. In a namespace all of them begin
//! with `{namespace}:`.

mod call_key;
pub(crate) mod canonical;
pub(crate) mod glob;
mod namespace;
pub(crate) mod recent;
mod stamp_key;

use std::{
    borrow::Cow,
    fmt::{Display, Write as _},
};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use smallvec::{SmallVec, smallvec};

pub use self::stamp_key::StampKey;
pub(crate) use self::{
    call_key::{CallForm, CallKey},
    namespace::{Kind, Namespace},
    stamp_key::{HOLD, SOFT, STAMP, TAG, WRITER},
};

/// Everything but `[A-Za-z0-9_.-]` is written as `%XX`.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'.').remove(b'-');

/// An escaped segment longer than this many bytes is replaced by `~` and its digest. `~` is never the outcome of
/// escaping, so such a segment cannot equal another tenant's or value's.
const LONGEST_SEGMENT: usize = 128;

/// Room for what most tenants and scope values display.
const USUAL_VALUE: usize = 40;

pub(crate) const ENTRY: &str = "cache:";
pub(crate) const LEASE: &str = "cachelease:";

/// The tenant segment of resources declared `tenant = shared`.
pub(crate) const SHARED_TENANT: &str = "~shared";

/// The tenant when none is set.
pub(crate) const DEFAULT_TENANT: &str = "default";

/// The resource segment of values by key. No declared resource can have this name.
pub(crate) const BY_KEY: &str = "~";

/// The value of a scope that is `None`: "nobody".
pub(crate) const NOBODY: &str = "~";

/// Stands for a tenant or scope value whose `Display` returns an error: of no key that is read or written. What is to be invalidated
/// under it is widened.
pub(crate) const UNSHOWN: &str = "~?";

/// What a value displays; `None` if its `Display` returns an error.
pub(crate) fn shown(value: &(impl Display + ?Sized)) -> Option<String> {
    let mut text = String::with_capacity(USUAL_VALUE);
    write!(text, "{value}").is_ok().then_some(text)
}

/// A tenant or scope value as it stands in keys; [`UNSHOWN`] if it cannot be displayed.
pub(crate) fn escape(value: &(impl Display + ?Sized)) -> String {
    let Some(text) = shown(value) else {
        return UNSHOWN.to_owned();
    };
    let escaped: Cow<'_, str> = utf8_percent_encode(&text, ESCAPED).into();
    if escaped.len() > LONGEST_SEGMENT {
        let digest = blake3::hash(text.as_bytes()).to_hex();
        return format!("~{}", &digest[..32]);
    }
    match escaped {
        Cow::Owned(escaped) => escaped,
        // Nothing had to be escaped. A single byte that had to be is borrowed, too.
        Cow::Borrowed(same) if same.len() == text.len() => text,
        Cow::Borrowed(escaped) => escaped.to_owned(),
    }
}

/// Escapes one scope value; `None` is "nobody".
pub fn scope_value<S: Display + ?Sized>(value: Option<&S>) -> String {
    value.map_or_else(|| NOBODY.to_owned(), escape)
}

/// The most kinds of tags that a function finds, as its attribute refuses more.
pub(crate) const MOST_KINDS: usize = 4;

/// Those of a resource without a scope need no allocation beside their text.
type Stamps = SmallVec<[StampKey; 1]>;

/// One escaped scope value.
pub(crate) type ScopeValue = (&'static str, String);

/// Where one entry and the stamps that it depends on stand in a store.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    entry: String,
    /// The strict ones, then the soft ones if there are any, then those of tags.
    stamps: Stamps,
    /// How many of them are strict.
    strict: u8,
    /// How many of the strict ones, the last of them, are those of kinds of tags.
    kinds: u8,
    /// How many are those of tags.
    tags: u8,
    has_holds: bool,
    /// How many bytes of the keys are the namespace.
    prefix_len: u8,
}

impl Address {
    /// The address of one entry. `scopes` are in the order of the resource's declaration; tenant and scope values are
    /// escaped here. `suffix` is the hash of the arguments and must hold no `:`.
    pub fn new(tenant: &str, resource: &str, scopes: &[(&'static str, &str)], suffix: &str) -> Self {
        let scopes: Vec<ScopeValue> = scopes.iter().map(|(name, value)| (*name, escape(value))).collect();
        Self::from_escaped(&Namespace::default(), &escape(tenant), resource, &scopes, suffix)
    }

    /// As [`new`](Self::new), of parts that are escaped already, in a namespace.
    pub(crate) fn from_escaped(
        namespace: &Namespace,
        tenant: &str,
        resource: &str,
        scopes: &[ScopeValue],
        suffix: &str,
    ) -> Self {
        let entry = namespace.entry(tenant, resource, scopes, suffix);
        let mut stamps = smallvec![namespace.stamp(tenant, resource, &[])];
        stamps.extend(scopes.chunks(1).map(|scope| namespace.stamp(tenant, resource, scope)));
        if scopes.len() > 1 {
            stamps.push(namespace.stamp(tenant, resource, scopes));
        }
        Self {
            entry,
            strict: count(&stamps),
            kinds: 0,
            tags: 0,
            stamps,
            has_holds: false,
            prefix_len: namespace.prefix().len().try_into().unwrap_or(0),
        }
    }

    /// With the kinds of the tags that loads find, given as their stamps: an entry depends on each of these as on that of its
    /// resource. To be given before [soft stamps](Self::with_soft_stamps).
    pub(crate) fn with_kinds(mut self, kinds: impl IntoIterator<Item = StampKey>) -> Self {
        let before = self.strict;
        self.stamps.extend(kinds);
        self.strict = count(&self.stamps);
        self.kinds = self.strict - before;
        self
    }

    /// Whether the resource is `soft`: then there is a soft stamp for itself and for each of its scope values, after the strict ones.
    #[must_use]
    pub fn with_soft_stamps(mut self, is_soft: bool) -> Self {
        self.stamps.truncate(self.strict.into());
        if is_soft {
            let of_scopes = usize::from(self.strict - self.kinds);
            let soft: Stamps = self.stamps.iter().take(of_scopes).map(StampKey::soft).collect();
            self.stamps.extend(soft);
        }
        self
    }

    /// The same with tags, given as their stamps, after all others.
    pub(crate) fn with_tags(&self, tags: impl IntoIterator<Item = StampKey>) -> Self {
        let mut tagged = self.clone();
        tagged.stamps.truncate(self.untagged());
        let before = count(&tagged.stamps);
        tagged.stamps.extend(tags);
        tagged.tags = count(&tagged.stamps) - before;
        tagged
    }

    /// Where these stamps stand that the entry depends on, and no others.
    pub(crate) fn of_stamps(&self, stamps: impl IntoIterator<Item = StampKey>) -> Self {
        let stamps: Stamps = stamps.into_iter().collect();
        Self {
            entry: self.entry.clone(),
            strict: count(&stamps),
            kinds: 0,
            tags: 0,
            stamps,
            has_holds: false,
            prefix_len: self.prefix_len,
        }
    }

    /// The stamps of the kinds of tags that loads find.
    pub(crate) fn kinds(&self) -> &[StampKey] {
        let strict = self.strict_stamps();
        &strict[strict.len() - usize::from(self.kinds)..]
    }

    /// The epochs of these kinds.
    pub(crate) fn epochs(&self) -> impl Iterator<Item = StampKey> + '_ {
        self.kinds().iter().flat_map(StampKey::epochs)
    }

    /// The stamps of the tags.
    pub(crate) fn tags(&self) -> &[StampKey] {
        &self.stamps[self.untagged()..]
    }

    /// The number of stamps that are not those of tags.
    pub(crate) fn untagged(&self) -> usize {
        self.stamps.len() - usize::from(self.tags)
    }

    /// Whether the removal of this stamp concerns the entry, or might: that of a tag of a kind that its loads find.
    pub(crate) fn may_depend_on(&self, stamp: &StampKey) -> bool {
        self.stamps.contains(stamp) || self.kinds().iter().any(|kind| stamp.is_of_kind(kind))
    }

    /// Whether the resource is `crash_safe`: then nothing is stored while a writer is in the hold of one of the stamps.
    #[must_use]
    pub fn with_holds(mut self, has_holds: bool) -> Self {
        self.has_holds = has_holds;
        self
    }

    /// As given to [`with_holds`](Self::with_holds); false otherwise.
    pub fn has_holds(&self) -> bool {
        self.has_holds
    }

    /// The entry's key.
    pub fn entry(&self) -> &str {
        &self.entry
    }

    /// The keys of the stamps that the entry depends on, the resource's own first, soft ones last.
    pub fn stamps(&self) -> &[StampKey] {
        &self.stamps
    }

    /// The strict ones of [`stamps`](Self::stamps), the first of them: without each of these there is no entry. Without one of the
    /// others it is an old one.
    pub fn strict_stamps(&self) -> &[StampKey] {
        &self.stamps[..self.strict.into()]
    }

    /// The number of keys that one read asks for: the stamps and the entry.
    pub fn key_count(&self) -> usize {
        self.stamps.len() + 1
    }

    /// The key of the lease of a load of the entry, of which `load` tells it from others.
    pub(crate) fn lease_key(&self, load: &str) -> String {
        let (prefix, entry) = self.entry.split_at(self.prefix_len.into());
        [prefix, LEASE, entry, ":", load].concat()
    }

    /// Reads the address back from an entry key that a sweep came across, in whatever namespace. `None` for keys of another
    /// form. Its stamps are the strict ones: a sweep leaves alone what is old.
    pub fn parse(entry: &str) -> Option<Self> {
        let prefix = match entry.split_once(':')? {
            (namespace, _) if !ENTRY.starts_with(namespace) => &entry[..=namespace.len()],
            _ => "",
        };
        let mut segments = entry.strip_prefix(prefix)?.strip_prefix(ENTRY)?.split(':');
        let (tenant, resource) = (segments.next()?, segments.next()?);
        let mut scopes: Vec<&str> = segments.collect();
        scopes.pop()?;
        let base = format!("{prefix}{STAMP}{tenant}:{resource}");
        let mut stamps: Stamps = smallvec![StampKey::new(base.clone())];
        stamps.extend(scopes.iter().map(|scope| StampKey::new(format!("{base}:{scope}"))));
        if scopes.len() > 1 {
            stamps.push(StampKey::new(format!("{base}:{}", scopes.join(":"))));
        }
        Some(Self {
            entry: entry.to_owned(),
            strict: count(&stamps),
            kinds: 0,
            tags: 0,
            stamps,
            has_holds: false,
            prefix_len: prefix.len().try_into().ok()?,
        })
    }
}

fn count(stamps: &Stamps) -> u8 {
    stamps.len().try_into().unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_stands_under_its_tenant_resource_scope_and_hash() {
        let address = Address::new("default", "invoices_list", &[("company", "123")], "9f1c2ab34d56");
        assert_eq!(address.entry(), "cache:default:invoices_list:company-123:9f1c2ab34d56");
        assert_eq!(
            address.stamps(),
            [
                "cachestamp:default:invoices_list",
                "cachestamp:default:invoices_list:company-123"
            ]
        );
    }

    #[test]
    fn several_scopes_have_a_stamp_each_and_one_together() {
        let scopes = [("company", "1"), ("region", "eu")];
        let address = Address::new("t", "r", &scopes, "h");
        assert_eq!(
            address.stamps(),
            [
                "cachestamp:t:r",
                "cachestamp:t:r:company-1",
                "cachestamp:t:r:region-eu",
                "cachestamp:t:r:company-1:region-eu"
            ]
        );
    }

    #[test]
    fn an_address_can_be_read_back_from_its_entry_key() {
        for scopes in [vec![], vec![("a", "1")], vec![("a", "x-y"), ("b", "2"), ("c", "3")]] {
            let address = Address::new("t", "r", &scopes, "0123456789ab");
            assert_eq!(Address::parse(address.entry()), Some(address));
        }
        assert_eq!(Address::parse("session:1"), None);
        assert_eq!(Address::parse("cache:only"), None);
        assert_eq!(Address::parse("billing:session:1:2:3"), None);
    }

    #[test]
    fn a_soft_resource_has_a_soft_stamp_beside_each_strict_one_after_all_of_them() {
        let address = Address::new("t", "r", &[("company", "1")], "h").with_soft_stamps(true);
        assert_eq!(
            address.stamps(),
            [
                "cachestamp:t:r",
                "cachestamp:t:r:company-1",
                "cachestamp:t:r:~soft",
                "cachestamp:t:r:company-1:~soft"
            ]
        );
        assert_eq!(address.strict_stamps(), &address.stamps()[..2]);
        for stamp in address.stamps() {
            assert_eq!(StampKey::parse(stamp).as_ref(), Some(stamp));
            assert_eq!((stamp.of_resource().as_str(), stamp.tenant()), ("cachestamp:t:r", "t"));
        }
        assert_eq!(address.clone().with_soft_stamps(true), address, "once is enough");
    }

    #[test]
    fn the_kinds_of_tags_are_strict_and_have_no_soft_stamps_and_tags_come_last() {
        let namespace = Namespace::named("billing").unwrap();
        let kind = namespace.kind("t", "author");
        let scopes = [("company", "1".to_owned())];
        let address = Address::from_escaped(&namespace, "t", "r", &scopes, "h")
            .with_kinds([kind.clone()])
            .with_soft_stamps(true);
        let tagged = address.with_tags([kind.tag("7")]);
        assert_eq!(
            tagged.stamps(),
            [
                "billing:cachestamp:t:r",
                "billing:cachestamp:t:r:company-1",
                "billing:cachestamp:t:~author",
                "billing:cachestamp:t:r:~soft",
                "billing:cachestamp:t:r:company-1:~soft",
                "billing:cachestamp:t:~author:7",
            ]
        );
        assert_eq!(
            (tagged.kinds(), tagged.strict_stamps()),
            (&tagged.stamps()[2..3], &tagged.stamps()[..3])
        );
        assert_eq!((tagged.tags(), tagged.untagged()), (&tagged.stamps()[5..], 5));
        assert_eq!(tagged.with_tags([]), address);
    }

    #[test]
    fn a_tag_widens_to_its_kind_and_an_epoch_is_told_from_a_tag() {
        let kind = Namespace::default().kind("t", "author");
        let long = escape(&"x".repeat(200));
        for value in ["7", "a", "f", NOBODY, &long] {
            let (tag, epoch) = (kind.tag(value), kind.epoch_of(value));
            assert!(epoch.is_epoch() && !tag.is_epoch(), "{tag} {epoch}");
            for key in [tag, epoch] {
                assert!(key.is_of_kind(&kind) && !key.is_of_kind(&Namespace::default().kind("t", "auth")));
                assert_eq!((key.of_resource(), key.tenant()), (kind.clone(), "t"));
                assert_eq!(StampKey::parse(&key).as_ref(), Some(&key));
            }
        }
        let epochs: Vec<_> = kind.epochs().collect();
        assert_eq!(epochs.len(), 16);
        assert_eq!(epochs[StampKey::bucket("7")], kind.epoch_of("7"));
    }

    fn stamp(key: &str) -> StampKey {
        StampKey::parse(key).expect("the key of a stamp")
    }

    #[test]
    fn the_key_of_a_stamp_is_read_back_and_no_other_key_is() {
        for key in ["cachestamp:t:r", "cachestamp:t:r:company-1", "billing:cachestamp:t:r"] {
            assert_eq!(StampKey::parse(key).unwrap().as_str(), key);
        }
        for key in [
            "cache:t:r:h",
            "cachestamp:t",
            "a:b:cachestamp:t:r",
            "xcachestamp:t:r",
            "",
        ] {
            assert_eq!(StampKey::parse(key), None, "{key}");
        }
    }

    #[test]
    fn in_a_namespace_every_key_begins_with_it() {
        let namespace = Namespace::named("billing").unwrap();
        let scopes = [("company", "1".to_owned()), ("region", "eu".to_owned())];
        let address = Address::from_escaped(&namespace, "t", "r", &scopes, "0123456789ab");
        assert_eq!(address.entry(), "billing:cache:t:r:company-1:region-eu:0123456789ab");
        assert!(
            address
                .stamps()
                .iter()
                .all(|stamp| stamp.starts_with("billing:cachestamp:t:r"))
        );
        assert_eq!(Address::parse(address.entry()).as_ref(), Some(&address));
        assert_eq!(
            address.lease_key("load"),
            "billing:cachelease:cache:t:r:company-1:region-eu:0123456789ab:load"
        );
        assert_eq!(address.stamps()[0].hold(), "billing:cachehold:t:r");
        assert_eq!(address.stamps()[0].writer(b"7"), b"billing:cachewriter:7");
        assert_eq!(stamp("cachestamp:t:r").hold(), "cachehold:t:r");
        for stamp in address.stamps() {
            assert_eq!(stamp.of_resource(), "billing:cachestamp:t:r");
            assert_eq!(stamp.tenant(), "t");
        }
        assert_eq!(
            stamp("cachestamp:t:r:company-1:region-eu").of_resource(),
            "cachestamp:t:r"
        );
        assert_eq!(stamp("cachestamp:t:r").of_resource(), "cachestamp:t:r");
        assert_eq!(stamp("cachestamp:t:r").tenant(), "t");
        assert_eq!(namespace.entries("t", "r", &[]), "billing:cache:t:r:*");
        assert_eq!(namespace.every_entry(), "billing:cache:*");
    }

    #[test]
    fn a_namespace_is_a_short_plain_name_that_no_key_begins_with() {
        for name in ["billing", "Billing-2.eu_west", &"x".repeat(64)] {
            assert_eq!(Namespace::named(name).unwrap().name(), Some(name));
        }
        for name in [
            "",
            "a:b",
            "a b",
            "{a}",
            "a*",
            "é",
            &"x".repeat(65),
            "cache",
            "cachestamp",
            "cache2",
        ] {
            assert!(Namespace::named(name).is_err(), "{name}");
        }
    }

    #[test]
    fn hostile_values_never_reach_a_key_unescaped() {
        assert_eq!(escape("a:b*?[c]{d}\n\0é"), "a%3Ab%2A%3F%5Bc%5D%7Bd%7D%0A%00%C3%A9");
        assert_eq!(escape("~shared"), "%7Eshared");
        assert_eq!(escape(NOBODY), "%7E");
        assert_eq!(escape("A-z_0.9"), "A-z_0.9");
    }

    #[test]
    fn long_values_are_replaced_by_a_digest_that_no_escaping_yields() {
        let (one, other) = (escape(&"x".repeat(1_000_000)), escape(&"x".repeat(1_000_001)));
        assert!(one.starts_with('~') && one.len() == 33);
        assert_ne!(one, other);
    }
}
