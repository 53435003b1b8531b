//! Counts what the near cache has no room for any more.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use quick_cache::{Lifecycle, sync::DefaultLifecycle};

use super::{CallKey, NearEntry};

/// A value that is thrown out, with its key: dropped when the locks are released.
type Usual = DefaultLifecycle<CallKey, Arc<NearEntry>>;

#[derive(Debug, Clone, Default)]
pub(super) struct Evictions {
    usual: Usual,
    count: Arc<AtomicU64>,
}

impl Evictions {
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

impl Lifecycle<CallKey, Arc<NearEntry>> for Evictions {
    type RequestState = <Usual as Lifecycle<CallKey, Arc<NearEntry>>>::RequestState;

    fn on_evict(&self, state: &mut Self::RequestState, key: CallKey, value: Arc<NearEntry>) {
        self.count.fetch_add(1, Ordering::Relaxed);
        value.validity.expires_at.let_go();
        self.usual.on_evict(state, key, value);
    }
}
