//! What the head of an entry says: enough for a list of many.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Serialize, Serializer};

use super::key::Key;
use crate::{
    entry::{Envelope, Head, Stamp},
    key::StampKey,
    store::StoredValue,
};

/// What stands under a key, as far as its first bytes tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct KeySummary {
    /// The key.
    #[serde(flatten)]
    pub key: Key,
    /// Bytes of the value, without the key.
    pub size: u64,
    /// How long the store keeps it; `None` if for good.
    #[serde(rename = "time_left_ms", serialize_with = "option_millis")]
    pub time_left: Option<Duration>,
    /// What the entry says of itself; `None` if there is no envelope.
    pub head: Option<EntryHead>,
    /// Whether a read would take it.
    pub state: EntryState,
}

/// What the envelope of an entry says in its head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct EntryHead {
    /// When it was stored, by the clock of who stored it.
    #[serde(rename = "created_at_ms", serialize_with = "unix_millis")]
    pub created_at: SystemTime,
    /// How long ago that was, by the clock of this process.
    #[serde(rename = "age_ms", serialize_with = "millis")]
    pub age: Duration,
    /// The time-to-live that it was stored with.
    #[serde(rename = "ttl_ms", serialize_with = "millis")]
    pub ttl: Duration,
    /// How much of that is left. The store may keep it for longer, for loads that fail.
    #[serde(rename = "ttl_left_ms", serialize_with = "millis")]
    pub ttl_left: Duration,
    /// How long it took to load.
    #[serde(rename = "load_us", serialize_with = "micros")]
    pub load_duration: Duration,
    /// How its payload is written: `json`, `postcard`, or the number of a codec that this build has not.
    pub codec: String,
    /// How its payload is compressed: `none`, `lz4`, `zstd`, or a number.
    pub compression: String,
    /// Whether it has a signature.
    pub is_signed: bool,
    /// Whether it says that there is nothing, or an error.
    pub is_negative: bool,
}

/// Whether a read would take an entry, as far as somebody can tell who knows neither the function nor the arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EntryState {
    /// It would.
    Fresh,
    /// Only in place of a load that fails, or while it is replaced: its time-to-live is over, or it was invalidated softly.
    Stale,
    /// One of its stamps is not the current one: it was invalidated, and waits for a sweep or the end of its time.
    Invalidated,
    /// It would be refused, whatever its stamps are.
    Refused,
    /// One of its stamps cannot be told from outside of the program that has stored it.
    Unsure,
    /// It is no entry.
    None,
}

impl EntryState {
    /// The state in one word, as it stands in the output of commands.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Stale => "stale",
            Self::Invalidated => "invalidated",
            Self::Refused => "refused",
            Self::Unsure => "unsure",
            Self::None => "none",
        }
    }
}

/// The stamps that are current, of those that were asked for.
pub(super) type Current = HashMap<String, Option<Stamp>>;

/// What is known of stamps from what stands under their keys.
pub(super) fn current(keys: &[String], values: &[Option<StoredValue>]) -> Current {
    let stamp = |value: &Option<StoredValue>| Stamp::from_text(&value.as_ref()?.bytes);
    let keys = keys.iter().cloned();
    keys.zip(values.iter().map(stamp)).collect()
}

impl KeySummary {
    /// Of what was found under a key, and the stamps that the key names.
    pub(super) fn new(key: Key, value: &StoredValue, current: &Current) -> Self {
        let head = Head::read(&value.bytes).ok().filter(|_| key.kind.is_entry());
        Self {
            size: value.len,
            time_left: value.time_left,
            state: state(&key, &value.bytes, head.as_ref(), current),
            head: head.map(|head| EntryHead::new(head, value.time_left)),
            key,
        }
    }
}

/// By the stamps that the key names alone, which are the strict ones: of tags and soft stamps a head knows nothing.
fn state(key: &Key, bytes: &[u8], head: Option<&Head>, current: &Current) -> EntryState {
    if !key.kind.is_entry() {
        return EntryState::None;
    }
    let Some((head, loaded)) = head.zip(Envelope::stamps_of_head(bytes)) else {
        return EntryState::Refused;
    };
    let strict = key.stamps();
    let is_current = |(stamp, loaded): (&StampKey, &Stamp)| current.get(stamp.as_str()) == Some(&Some(*loaded));
    if loaded.len() < strict.len() || !strict.iter().zip(&loaded).all(is_current) {
        EntryState::Invalidated
    } else if head.is_past_ttl() {
        EntryState::Stale
    } else {
        EntryState::Fresh
    }
}

impl EntryHead {
    fn new(head: Head, time_left: Option<Duration>) -> Self {
        let created_at = UNIX_EPOCH.checked_add(head.created_at).unwrap_or(UNIX_EPOCH);
        let age = SystemTime::now().duration_since(created_at).unwrap_or_default();
        let ttl_left = head.ttl.saturating_sub(age);
        Self {
            created_at,
            age,
            ttl: head.ttl,
            ttl_left: time_left.map_or(ttl_left, |time_left| ttl_left.min(time_left)),
            load_duration: head.load_duration,
            codec: head.codec,
            compression: head.compression,
            is_signed: head.is_signed,
            is_negative: head.is_negative,
        }
    }
}

/// Whole milliseconds, which is what everything is kept in.
fn as_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn millis<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(as_millis(*duration))
}

#[expect(clippy::ref_option, reason = "serde hands out references to fields")]
fn option_millis<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    duration.map(as_millis).serialize(serializer)
}

fn micros<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
}

fn unix_millis<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    millis(&time.duration_since(UNIX_EPOCH).unwrap_or_default(), serializer)
}
