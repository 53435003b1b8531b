//! What stands in a store, for people who look at it: keys taken apart, entries without their types, hot keys.
//!
//! Made for a command line, a dashboard, or code of your own. Nothing that a call does
//! goes this way, and nothing here changes anything: a look leaves neither the value nor its time to live other than they were.
//!
//! ```
//! use cache_runtime::{Cache, inspect::KeyFilter};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let cache = Cache::builder().build();
//! # cache.set("fx-mirror", &1.07, std::time::Duration::from_secs(60)).await;
//! let inspector = cache.inspector().ok_or("the cache is disabled")?;
//! let filter = KeyFilter::entries().tenant("default");
//! let mut cursor = None;
//! loop {
//!     let page = inspector.keys(&filter, cursor.as_ref(), 1000).await?;
//!     for entry in inspector.summaries(&page.keys).await? {
//!         println!("{} {} bytes, {}", entry.key, entry.size, entry.state.as_str());
//!     }
//!     cursor = page.next;
//!     if cursor.is_none() {
//!         break;
//!     }
//! }
//! # Ok(()) }
//! ```

mod filter;
mod key;
mod payload;
mod report;
mod summary;

use std::{sync::Arc, time::Duration};

use serde::Serialize;

pub use self::{
    filter::KeyFilter,
    key::{Key, KeyKind, KeyScope},
    payload::{Payload, PayloadForm},
    report::{EntryReport, StampReport},
    summary::{EntryHead, EntryState, KeySummary},
};
use self::{
    report::OpenEntry,
    summary::{Current, current},
};
use crate::{
    cache::{Cache, HOT, HotKey, within},
    key::{BY_KEY, ENTRY, SHARED_TENANT, escape},
    store::{ScanCursor, ServerReport, Store, StoreError, StoredValue},
};

/// How long one look may take. Nobody's call waits for it.
const DEADLINE: Duration = Duration::from_secs(5);

/// How long an examination of the servers may take.
const EXAMINATION: Duration = Duration::from_secs(30);

/// So many keys are looked at together.
const TOGETHER: usize = 256;

/// So many bytes of an entry are enough for its head and its stamps.
const HEAD: usize = 512;

impl Cache {
    /// Who looks at what stands in the store of this cache; `None` if the cache is disabled.
    ///
    /// The store is asked whether or not calls use it now: a look is often for the time in which they do not.
    pub fn inspector(&self) -> Option<Inspector> {
        let store = self.engine.upstream.store_even_if_closed()?;
        Some(Inspector {
            store: Arc::clone(store),
            cache: self.clone(),
        })
    }
}

/// Looks at what stands in a store. Made by [`Cache::inspector`].
///
/// Every method is bounded: one look takes five seconds at the most, and is an error then.
#[derive(Debug, Clone)]
pub struct Inspector {
    cache: Cache,
    store: Arc<dyn Store>,
}

/// Some keys of a store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyPage {
    /// The keys that are wanted. One may come again on a later page.
    pub keys: Vec<Key>,
    /// How many more were found that are no text: foreign ones. Only if [everything](KeyFilter::everything) is wanted.
    pub unreadable: u64,
    /// Where the next page begins; `None` after the last one.
    pub next: Option<ScanCursor>,
}

/// A call that is made often, as [recorded](crate::Warming) for the next warm start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct HotCall {
    /// The resource.
    pub resource: String,
    /// The function's name.
    pub function: String,
    /// The tenant, escaped; `None` for the default one, and of what tenants share.
    pub tenant: Option<String>,
    /// The arguments in the key: the canonical JSON object.
    pub arguments: String,
    /// About how often it was made, the older the less.
    pub weight: u64,
}

impl Inspector {
    /// Looks at about `limit` keys of the store and returns those that are wanted: from the beginning, or from where an earlier
    /// page of the same filter has ended. A page may be empty, and not the last.
    ///
    /// # Errors
    ///
    /// If the store does not answer in time, refuses, or cannot be looked into.
    pub async fn keys(
        &self,
        filter: &KeyFilter,
        from: Option<&ScanCursor>,
        limit: usize,
    ) -> Result<KeyPage, StoreError> {
        let glob = filter.to_glob(&self.cache.engine.namespace);
        let scanned = within(DEADLINE, "a scan of keys", self.store.scan(&glob, from, limit)).await?;
        let keys = scanned.keys.iter().map(|key| Key::parse(key));
        Ok(KeyPage {
            keys: keys.filter(|key| filter.accepts(key)).collect(),
            unreadable: scanned.unreadable,
            next: scanned.next,
        })
    }

    /// What stands under each of these keys, in brief and in their order. Without those under which nothing stands any more.
    ///
    /// The [state](KeySummary::state) is by the stamps that the key names: that an entry was invalidated by a tag, or softly, only
    /// [`entry`](Self::entry) finds out.
    ///
    /// # Errors
    ///
    /// As for [`keys`](Self::keys).
    pub async fn summaries(&self, keys: &[Key]) -> Result<Vec<KeySummary>, StoreError> {
        let mut summaries = Vec::with_capacity(keys.len());
        for keys in keys.chunks(TOGETHER) {
            let texts: Vec<String> = keys.iter().map(|key| key.text.clone()).collect();
            let values = self.look_at(&texts, HEAD).await?;
            // After the entries: a stamp that an entry was loaded under and that is another one then is dead.
            let mut stamps: Vec<String> = keys.iter().flat_map(Key::stamps).map(|key| key.to_string()).collect();
            stamps.sort_unstable();
            stamps.dedup();
            let current = self.stamps(&stamps).await?;
            let found = keys.iter().zip(values);
            summaries.extend(found.filter_map(|(key, value)| Some(KeySummary::new(key.clone(), &value?, &current))));
        }
        Ok(summaries)
    }

    /// All that can be told of what stands under a key; `None` if nothing does.
    ///
    /// # Errors
    ///
    /// As for [`keys`](Self::keys).
    pub async fn entry(&self, key: &str) -> Result<Option<EntryReport>, StoreError> {
        let Some(entry) = self.open(key).await? else {
            return Ok(None);
        };
        let current = self.stamps(&entry.stamp_keys()).await?;
        Ok(Some(entry.report(&current)))
    }

    /// The calls of all resources that are made most, most of all first, as far as they are [recorded](crate::Warming) in this store.
    ///
    /// # Errors
    ///
    /// As for [`keys`](Self::keys).
    pub async fn hot_calls(&self) -> Result<Vec<HotCall>, StoreError> {
        let hot = escape(HOT);
        let namespace = self.cache.engine.namespace.prefix();
        let pattern = format!("{namespace}{ENTRY}{SHARED_TENANT}:{BY_KEY}:key-{hot}*");
        let filter = KeyFilter::entries().pattern(pattern);
        let mut calls = Vec::new();
        let mut next = None;
        loop {
            let page = self.keys(&filter, next.as_ref(), 10_000).await?;
            for key in &page.keys {
                calls.extend(self.hot_calls_of(key).await?);
            }
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        calls.sort_by(|one, other| {
            other
                .weight
                .cmp(&one.weight)
                .then_with(|| one.resource.cmp(&other.resource))
        });
        calls.dedup();
        Ok(calls)
    }

    /// What each server of the store says of itself, and how far away it is. Takes as long as connecting to each.
    ///
    /// # Errors
    ///
    /// If the store is not of servers, or it is not known yet which there are.
    pub async fn servers(&self) -> Result<Vec<ServerReport>, StoreError> {
        within(EXAMINATION, "an examination of the servers", self.store.examine()).await
    }

    async fn hot_calls_of(&self, key: &Key) -> Result<Vec<HotCall>, StoreError> {
        let (Some(resource), Some(entry)) = (key.hot_resource(), self.open(&key.text).await?) else {
            return Ok(Vec::new());
        };
        // What is nothing of the sort is left out: somebody else has written it.
        let keys: Option<Vec<HotKey>> = entry.value();
        let calls = keys.unwrap_or_default().into_iter().map(|key| HotCall {
            resource: resource.to_owned(),
            function: key.function,
            tenant: key.tenant,
            arguments: key.arguments,
            weight: key.weight,
        });
        Ok(calls.collect())
    }

    async fn open(&self, key: &str) -> Result<Option<OpenEntry>, StoreError> {
        let mut values = self.look_at(&[key.to_owned()], usize::MAX).await?;
        let sealing = &self.cache.engine.settings.sealing;
        let value = values.pop().flatten();
        Ok(value.map(|value| OpenEntry::new(Key::parse(key), value, sealing)))
    }

    /// The stamps that stand under these keys.
    async fn stamps(&self, keys: &[String]) -> Result<Current, StoreError> {
        let mut stamps = Current::new();
        for keys in keys.chunks(TOGETHER) {
            let values = self.look_at(keys, HEAD).await?;
            stamps.extend(current(keys, &values));
        }
        Ok(stamps)
    }

    async fn look_at(&self, keys: &[String], most: usize) -> Result<Vec<Option<StoredValue>>, StoreError> {
        within(
            DEADLINE,
            "a look at what stands under keys",
            self.store.look_at(keys, most),
        )
        .await
    }
}
