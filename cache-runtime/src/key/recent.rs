//! What recent calls have been found to be: so that a call which is made again is not worked out again.

use std::{borrow::Cow, fmt, sync::Arc};

use quick_cache::{Weighter, sync::Cache};

use super::{Address, CallForm, CallKey};
use crate::{sync::Mutex, task::Gate};

/// How many bytes are kept, roughly: several thousand calls.
const CAPACITY: u64 = 4 << 20;

/// What a call takes beside its text, roughly: the slots, the lengths, the reference counts.
const OVERHEAD: usize = 400;

/// What follows from what tells a call from others.
#[derive(Debug)]
pub(crate) struct KnownCall {
    /// Escaped; for the log.
    pub(crate) tenant: Cow<'static, str>,
    pub(crate) address: Arc<Address>,
    pub(crate) fingerprint: [u8; 16],
    /// Whether the function had keys of its own.
    pub(crate) has_own_key: bool,
    /// The tags that the entry had last.
    pub(crate) tags: LastTags,
    /// What loads go through that are not needed at once: there is an old value.
    pub(crate) refreshes: Gate,
}

impl KnownCall {
    /// The address with the tags that the entry had last; `None` if none are known.
    pub(crate) fn tagged(&self) -> Option<Arc<Address>> {
        if self.address.kinds().is_empty() {
            return None;
        }
        self.tags.get()
    }

    fn len(&self) -> usize {
        let stamps = self.address.stamps().iter().map(|stamp| stamp.len());
        let tags = if self.address.kinds().is_empty() {
            0
        } else {
            LastTags::LEN
        };
        self.tenant.len() + self.address.entry().len() + stamps.sum::<usize>() + tags
    }
}

/// The tags that an entry had last, to be asked for together with it.
#[derive(Debug, Default)]
pub(crate) struct LastTags(Mutex<Option<Arc<Address>>>);

impl LastTags {
    /// How many bytes they take, roughly: most entries have few.
    const LEN: usize = 512;

    fn get(&self) -> Option<Arc<Address>> {
        self.0.lock().clone()
    }

    /// These are the tags of the entry now.
    pub(crate) fn set(&self, tagged: Arc<Address>) {
        *self.0.lock() = Some(tagged);
    }
}

/// The recent calls of one cache.
pub(crate) struct RecentCalls(Cache<CallKey, Arc<KnownCall>, ByWeight>);

#[derive(Debug, Clone)]
struct ByWeight;

impl Weighter<CallKey, Arc<KnownCall>> for ByWeight {
    fn weight(&self, key: &CallKey, known: &Arc<KnownCall>) -> u64 {
        (key.len() + known.len() + OVERHEAD) as u64
    }
}

impl Default for RecentCalls {
    fn default() -> Self {
        Self(Cache::with_weighter(64, CAPACITY, ByWeight))
    }
}

impl RecentCalls {
    pub(crate) fn get(&self, form: CallForm<'_>) -> Option<Arc<KnownCall>> {
        self.0.get(&form)
    }

    pub(crate) fn clear(&self) {
        self.0.clear();
    }

    pub(crate) fn insert(&self, form: CallForm<'_>, known: &Arc<KnownCall>) {
        self.0.insert(form.into(), Arc::clone(known));
    }
}

impl fmt::Debug for RecentCalls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecentCalls")
            .field("len", &self.0.len())
            .finish_non_exhaustive()
    }
}
