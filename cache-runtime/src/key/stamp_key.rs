//! The key of a stamp, and what follows from it, which alone may be known.

use std::{borrow::Borrow, fmt, ops::Deref};

/// What stands before the tenant in the key of a stamp, after the namespace if there is one.
pub(crate) const STAMP: &str = "cachestamp:";

/// What stands after the key of a stamp in that of its soft one. No scope has this name.
pub(crate) const SOFT: &str = ":~soft";

/// What the segment of a kind of tags begins with, where that of a resource would stand, and the last segment of an epoch. Neither a
/// resource nor an escaped value of a tag does.
pub(crate) const TAG: char = '~';

pub(crate) const HOLD: &str = "cachehold:";
pub(crate) const WRITER: &str = "cachewriter:";

/// The key of a stamp: `cachestamp:{tenant}:{resource}[:{scope}-{value}]`, in a namespace after `{namespace}:`. That of a soft stamp
/// ends in `:~soft`. For tags there are `cachestamp:{tenant}:~{kind}`, of all tags of the kind, `cachestamp:{tenant}:~{kind}:{value}`,
/// of one, and `cachestamp:{tenant}:~{kind}:~{bucket}`, the epoch of some of them.
///
/// A cache hands them to its store, in [`Address::stamps`](crate::store::Address::stamps) and for removal; to a store they are
/// text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StampKey(String);

impl StampKey {
    /// How many epochs a kind of tags has in a tenant. With more of them fewer loads are overtaken by invalidations of other tags, and
    /// a miss reads more.
    pub(crate) const EPOCHS: usize = 16;

    /// A key that is one of a stamp for sure.
    pub(crate) fn new(key: String) -> Self {
        Self(key)
    }

    /// Reads a key that stands in a store. `None` unless it is that of a stamp, in whatever namespace.
    pub fn parse(key: &str) -> Option<Self> {
        let (namespace, rest) = key.split_once(STAMP)?;
        let is_namespace = namespace.is_empty() || namespace.find(':') == Some(namespace.len() - 1);
        (is_namespace && rest.contains(':')).then(|| Self(key.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key of the soft stamp beside this one.
    pub(crate) fn soft(&self) -> Self {
        Self([&self.0, SOFT].concat())
    }

    /// The name of the kind of tags that this is the stamp of.
    pub(crate) fn kind(&self) -> &str {
        let (_, kind) = self.0.rsplit_once(TAG).unwrap_or_default();
        kind
    }

    /// The stamp of one tag of the kind that this is the stamp of.
    pub(crate) fn tag(&self, value: &str) -> Self {
        Self([&self.0, ":", value].concat())
    }

    /// The epochs of the kind of tags that this is the stamp of.
    pub(crate) fn epochs(&self) -> impl Iterator<Item = Self> + '_ {
        (0..Self::EPOCHS).map(|bucket| self.epoch(bucket))
    }

    /// The epoch of the bucket that a tag of the kind is in.
    pub(crate) fn epoch_of(&self, value: &str) -> Self {
        self.epoch(Self::bucket(value))
    }

    /// The bucket that a tag of this value is in: the position of its epoch among those of the kind.
    pub(crate) fn bucket(value: &str) -> usize {
        usize::from(blake3::hash(value.as_bytes()).as_bytes()[0]) % Self::EPOCHS
    }

    fn epoch(&self, bucket: usize) -> Self {
        Self(format!("{}:{TAG}{bucket:x}", self.0))
    }

    /// Whether it is that of an epoch.
    pub(crate) fn is_epoch(&self) -> bool {
        let mut segments = self.around().1.rsplitn(3, ':');
        let (last, kind) = (segments.next(), segments.next());
        let is_digit = |bucket: &str| bucket.len() == 1 && bucket.bytes().all(|digit| digit.is_ascii_hexdigit());
        let is_bucket = |last: &str| last.strip_prefix(TAG).is_some_and(is_digit);
        last.is_some_and(is_bucket) && kind.is_some_and(|kind| kind.starts_with(TAG))
    }

    /// Whether it is that of a tag, or an epoch, of the kind that `kind` is the stamp of.
    pub(crate) fn is_of_kind(&self, kind: &Self) -> bool {
        let below = self.0.strip_prefix(&kind.0);
        below.is_some_and(|below| below.starts_with(':'))
    }

    /// The stamp of the whole resource, or of all tags of the kind; strict also for a soft one: that covers it, and more.
    pub(crate) fn of_resource(&self) -> Self {
        let (prefix, rest) = self.around();
        let segments = rest.splitn(3, ':').take(2).map(|segment| segment.len() + 1);
        let len = (prefix.len() + STAMP.len() + segments.sum::<usize>()).saturating_sub(1);
        Self(self.0.get(..len).unwrap_or(&self.0).to_owned())
    }

    /// The tenant, escaped.
    pub(crate) fn tenant(&self) -> &str {
        let (_, rest) = self.around();
        rest.split(':').next().unwrap_or(rest)
    }

    /// The key of the set of writers in the hold of the stamp.
    pub(crate) fn hold(&self) -> String {
        let (prefix, rest) = self.around();
        [prefix, HOLD, rest].concat()
    }

    /// The stamp that has this hold; `None` if it is none.
    pub(crate) fn of_hold(hold: &str) -> Option<Self> {
        let (prefix, rest) = hold.split_once(HOLD)?;
        Self::parse(&[prefix, STAMP, rest].concat())
    }

    /// The key of the stay of a writer in the hold of the stamp, among others perhaps.
    pub(crate) fn writer(&self, token: &[u8]) -> Vec<u8> {
        let (prefix, _) = self.around();
        [prefix.as_bytes(), WRITER.as_bytes(), token].concat()
    }

    /// What stands before the kind of the key, and what comes after it.
    fn around(&self) -> (&str, &str) {
        self.0.split_once(STAMP).unwrap_or(("", &self.0))
    }
}

impl Deref for StampKey {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// So that one is found by its text.
impl Borrow<str> for StampKey {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StampKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// With its text.
impl PartialEq<str> for StampKey {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

/// With its text.
impl PartialEq<&str> for StampKey {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl AsRef<str> for StampKey {
    fn as_ref(&self) -> &str {
        &self.0
    }
}
