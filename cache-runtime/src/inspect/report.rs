//! All that can be told of what stands under one key.

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use super::{
    key::{Key, KeyKind},
    payload::Payload,
    summary::{Current, EntryState, KeySummary},
};
use crate::{
    entry::{Envelope, Rejection, Sealing, Stamp},
    key::{Address, Namespace, StampKey},
    resource::{Resource, declared},
    store::StoredValue,
};

/// Of an entry without a cache no larger payload is decompressed. As of a cache by default.
const LARGEST_ALONE: usize = 16 << 20;

/// All that can be told of what stands under a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct EntryReport {
    /// What is told of many keys at once, too; the state by all of its stamps.
    #[serde(flatten)]
    pub summary: KeySummary,
    /// Why it has this state, a sentence each. None if it is fresh.
    pub reasons: Vec<String>,
    /// What it is, if it is no string: `set`, `hash`.
    pub other_type: Option<String>,
    /// The stamps that it was loaded under.
    pub stamps: Vec<StampReport>,
    /// How many bytes its payload is, or says to be, when it is not compressed.
    pub payload_size: Option<u64>,
    /// The payload of an entry; of anything else the value. `None` of what is no string, or is larger than this cache would take.
    pub payload: Option<Payload>,
}

/// A stamp that an entry was loaded under.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StampReport {
    /// Where it stands; `None` if that cannot be told: of a kind of tags that is not known here.
    pub key: Option<String>,
    /// What sort of stamp it is: [`Stamp`](KeyKind::Stamp), [`SoftStamp`](KeyKind::SoftStamp), [`TagKind`](KeyKind::TagKind) or
    /// [`Tag`](KeyKind::Tag).
    pub kind: KeyKind,
    /// The stamp in the entry.
    pub loaded_under: String,
    /// The one in the store; `None` if there is none.
    pub current: Option<String>,
    /// Whether the two are the same; `None` if that cannot be told.
    pub is_current: Option<bool>,
}

impl EntryReport {
    /// Of bytes that are found under a key somewhere else, in a store in which nothing else is: for tests and tools.
    pub fn of_bytes(key: &str, bytes: &Bytes) -> Self {
        let value = StoredValue::of_bytes(bytes, usize::MAX, None);
        let sealing = Sealing {
            max_value_size: LARGEST_ALONE,
            ..Sealing::default()
        };
        OpenEntry::new(Key::parse(key), value, &sealing).report(&Current::default())
    }
}

/// An entry, as far as it can be read without its stamps.
pub(super) struct OpenEntry {
    key: Key,
    value: StoredValue,
    opened: Result<(Envelope, Option<Rejection>), Rejection>,
    strict: Vec<StampKey>,
    soft: Vec<StampKey>,
    kinds: Vec<StampKey>,
    tags: Vec<StampKey>,
}

impl OpenEntry {
    pub(super) fn new(key: Key, value: StoredValue, sealing: &Sealing) -> Self {
        let opened = if key.kind.is_entry() {
            sealing.look_into(value.bytes.clone(), &key.text)
        } else {
            Err(Rejection::Magic)
        };
        let strict = key.stamps();
        // As `Address::with_soft_stamps` has them.
        let soft = if key.kind == KeyKind::Entry {
            strict.iter().map(StampKey::soft).collect()
        } else {
            Vec::new()
        };
        let mut entry = Self {
            key,
            value,
            opened,
            strict,
            soft,
            kinds: Vec::new(),
            tags: Vec::new(),
        };
        entry.find_tags();
        entry
    }

    /// The kinds of tags that it may have been loaded under: those that it names, and those that this program declares.
    fn find_tags(&mut self) {
        let (Ok((envelope, _)), Some(address)) = (&self.opened, Address::parse(&self.key.text)) else {
            return;
        };
        let Some(tenant) = address.stamps().first().map(|stamp| stamp.tenant().to_owned()) else {
            return;
        };
        let namespace = Namespace::of_store(self.key.namespace.as_deref());
        let kind = |name: &str| namespace.kind(&tenant, name);
        self.tags = envelope.tags().map(|tag| kind(tag.kind).tag(tag.value)).collect();
        let named = envelope.tags().map(|tag| kind(tag.kind));
        let mut kinds: Vec<StampKey> = named.chain(declared::tags().map(kind)).collect();
        kinds.sort();
        kinds.dedup();
        self.kinds = kinds;
    }

    /// The keys of the stamps that have to be known.
    pub(super) fn stamp_keys(&self) -> Vec<String> {
        let keys = [&self.strict, &self.soft, &self.kinds, &self.tags];
        keys.into_iter().flatten().map(ToString::to_string).collect()
    }

    pub(super) fn report(self, current: &Current) -> EntryReport {
        let stamps = self.stamps(current);
        let mut summary = KeySummary::new(self.key.clone(), &self.value, current);
        let mut reasons = Vec::new();
        summary.state = self.state(&stamps, &mut reasons);
        EntryReport {
            summary,
            reasons,
            stamps,
            payload_size: self.opened.as_ref().ok().map(|(envelope, _)| envelope.original_len()),
            payload: self.payload(),
            other_type: self.value.other_type,
        }
    }

    /// The stamps in the entry, in their order: strict ones, those of kinds of tags, soft ones; those of tags.
    fn stamps(&self, current: &Current) -> Vec<StampReport> {
        let Ok((envelope, _)) = &self.opened else {
            return Vec::new();
        };
        let at = |key: &StampKey| current.get(key.as_str()).copied().flatten();
        let loaded: Vec<Stamp> = envelope.stamps().collect();
        let (strict, rest) = loaded.split_at(self.strict.len().min(loaded.len()));
        let soft = if self.is_soft(rest, current) {
            self.soft.len()
        } else {
            0
        };
        let (kinds, soft) = rest.split_at(rest.len() - soft);
        let known = |kind, keys: &[StampKey], stamps: &[Stamp]| {
            let stamps = keys.iter().zip(stamps);
            stamps
                .map(|(key, stamp)| StampReport::new(Some(key), kind, *stamp, at(key)))
                .collect::<Vec<_>>()
        };
        let mut reports = known(KeyKind::Stamp, &self.strict, strict);
        reports.extend(kinds.iter().map(|stamp| {
            // Which kinds the function finds is known to the program alone. But no two stamps are alike.
            let key = self.kinds.iter().find(|kind| at(kind) == Some(*stamp));
            let mut report = StampReport::new(key, KeyKind::TagKind, *stamp, key.and_then(&at));
            if key.is_none() {
                // One of a kind that is declared here would have been found, if it were current.
                report.is_current = self.is_declared().then_some(false);
            }
            report
        }));
        reports.extend(known(KeyKind::SoftStamp, &self.soft, soft));
        let tags: Vec<Stamp> = envelope.tags().map(|tag| tag.stamp).collect();
        reports.extend(known(KeyKind::Tag, &self.tags, &tags));
        reports
    }

    /// Whether the last stamps of an entry are soft ones: as this program declares it, or, of another one's resource, if there are
    /// soft stamps of it.
    fn is_soft(&self, rest: &[Stamp], current: &Current) -> bool {
        let is_there = |key: &StampKey| matches!(current.get(key.as_str()), Some(Some(_)));
        let declared = self.declared().map(Resource::is_soft);
        let is_soft = declared.unwrap_or_else(|| self.soft.iter().any(is_there));
        is_soft && rest.len() >= self.soft.len()
    }

    fn declared(&self) -> Option<&'static Resource> {
        let name = self.key.resource.as_deref()?;
        declared::resources().find(|resource| resource.name() == name)
    }

    fn is_declared(&self) -> bool {
        self.declared().is_some()
    }

    fn state(&self, stamps: &[StampReport], reasons: &mut Vec<String>) -> EntryState {
        if !self.key.kind.is_entry() {
            return EntryState::None;
        }
        let (envelope, refusal) = match &self.opened {
            Ok((envelope, refusal)) => (envelope, refusal),
            Err(refusal) => {
                reasons.push(refused(*refusal).to_owned());
                return EntryState::Refused;
            }
        };
        let mut state = EntryState::Fresh;
        if envelope.past_ttl().is_some() {
            reasons.push("its time-to-live is over, and the time for which it may be served stale is not".to_owned());
            state = EntryState::Stale;
        }
        for stamp in stamps.iter().filter(|stamp| stamp.is_current != Some(true)) {
            reasons.push(stamp.reason());
            state = state.max(match (stamp.is_current, stamp.kind) {
                (None, _) => EntryState::Unsure,
                (_, KeyKind::SoftStamp) => EntryState::Stale,
                _ => EntryState::Invalidated,
            });
        }
        let is_dead = |stamp: &StampReport| stamp.is_current == Some(false) && stamp.kind != KeyKind::SoftStamp;
        if stamps.iter().any(is_dead) {
            state = EntryState::Invalidated;
        }
        if envelope.stamps().len() < self.strict.len() {
            reasons.push("it was loaded under fewer stamps than its key names".to_owned());
            state = EntryState::Invalidated;
        }
        if let Some(refusal) = refusal {
            reasons.push(refused(*refusal).to_owned());
            state = EntryState::Refused;
        }
        state
    }

    fn payload(&self) -> Option<Payload> {
        if self.value.other_type.is_some() {
            return None;
        }
        let Ok((envelope, refusal)) = &self.opened else {
            return Some(Payload::of(&self.value.bytes));
        };
        if *refusal == Some(Rejection::Size) {
            return None;
        }
        let encoded = envelope.encoded().ok();
        let Some(encoded) = encoded else {
            return Some(Payload::hex(&envelope.payload()));
        };
        // With flag 4 the payload is JSON, whatever the codec.
        let json = if envelope.is_negative() {
            Some(encoded.bytes.clone())
        } else {
            encoded.to_json()
        };
        Some(json.map_or_else(|| Payload::hex(&encoded.bytes), |json| Payload::of(&json)))
    }

    /// The value, if it is one of this type that no reader would refuse.
    pub(super) fn value<T: DeserializeOwned>(&self) -> Option<T> {
        let (envelope, refusal) = self.opened.as_ref().ok()?;
        envelope.decode().ok().filter(|_| refusal.is_none())
    }
}

impl StampReport {
    fn new(key: Option<&StampKey>, kind: KeyKind, loaded_under: Stamp, current: Option<Stamp>) -> Self {
        Self {
            key: key.map(ToString::to_string),
            kind,
            loaded_under: loaded_under.to_string(),
            current: current.map(|current| current.to_string()),
            is_current: key.map(|_| current == Some(loaded_under)),
        }
    }

    fn reason(&self) -> String {
        match (&self.key, &self.current, self.is_current) {
            (Some(key), None, _) => format!("the stamp {key} is gone: it was invalidated, or evicted"),
            (Some(key), Some(_), _) => format!("the stamp {key} is another one: it was invalidated since"),
            (None, _, Some(_)) => "a kind of tags that it was loaded under was invalidated".to_owned(),
            (None, ..) => {
                "one of its stamps is that of a kind of tags, or a soft one, which the program alone knows that stored it"
                    .to_owned()
            }
        }
    }
}

fn refused(cause: Rejection) -> &'static str {
    match cause {
        Rejection::Magic => "it is no envelope: something else has written it",
        Rejection::Version => "its envelope is of another release",
        Rejection::Length => "its envelope is cut off, or longer than it says",
        Rejection::Codec => "it has a codec, a compression or a flag that this build does not have",
        Rejection::Size => "its payload is larger than CACHE_MAX_VALUE_SIZE",
        Rejection::Signature => {
            "it is not signed with a key of this cache, or signed and this cache has no key (CACHE_SIGNING_KEY)"
        }
        Rejection::Decode => "its payload does not decode",
        Rejection::Fingerprint | Rejection::Function | Rejection::Shape => {
            "it is of other arguments, or another function"
        }
    }
}
