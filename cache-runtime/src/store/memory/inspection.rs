//! What stands in the memory of this process, as it would in Redis: under the same keys.

use bytes::Bytes;
use tokio::time::Instant;

use super::MemoryStore;
use crate::{
    key::{StampKey, glob},
    store::{ScanCursor, ScannedKeys, StoredValue},
};

impl MemoryStore {
    /// In the order of the keys, of which the cursor is the last one that was looked at.
    pub(super) fn page(&self, pattern: &str, from: Option<&ScanCursor>, limit: usize) -> ScannedKeys {
        let from = from.map(ScanCursor::as_str);
        let mut keys = self.keys();
        keys.retain(|key| from.is_none_or(|from| key.as_str() > from));
        keys.sort_unstable();
        let is_last = keys.len() <= limit.max(1);
        keys.truncate(limit.max(1));
        let last = keys.last().filter(|_| !is_last).cloned();
        keys.retain(|key| glob::matches(pattern, key));
        ScannedKeys::new(keys, last.map(ScanCursor::new))
    }

    fn keys(&self) -> Vec<String> {
        let now = Instant::now();
        let entries = self.entries.iter().filter(|(_, entry)| entry.expires_at > now);
        let entries = entries.map(|(key, _)| key);
        let stamps = self.stamps.iter().map(|(key, _)| key.to_string());
        let holds = self.holds.places().into_iter().map(StampKey::new);
        let holds = holds.map(|stamp| stamp.hold());
        entries.chain(stamps).chain(holds).chain(self.leases.places()).collect()
    }

    pub(super) fn stored(&self, key: &str, most: usize) -> Option<StoredValue> {
        let now = Instant::now();
        if let Some(entry) = self.entries.peek(key) {
            let time_left = entry.expires_at.checked_duration_since(now);
            let time_left = time_left.filter(|left| !left.is_zero())?;
            return Some(StoredValue::of_bytes(&entry.bytes, most, Some(time_left)));
        }
        if let Some(stamp) = self.stamps.peek(key) {
            return Some(StoredValue::of_bytes(&Bytes::from(stamp.to_string()), most, None));
        }
        let time_left = |until: Instant| Some(until.saturating_duration_since(now));
        if let Some((holder, until)) = self.leases.last_guest(key) {
            let token = Bytes::from(format!("{holder:016x}"));
            return Some(StoredValue::of_bytes(&token, most, time_left(until)));
        }
        let stamp = StampKey::of_hold(key)?;
        let (_, until) = self.holds.last_guest(&stamp)?;
        Some(StoredValue::of_type("set", time_left(until)))
    }
}
