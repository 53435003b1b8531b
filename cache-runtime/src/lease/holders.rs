//! Which loads of this process have which leases, through whatever cache: a lease is of an entry under its stamps, so its key
//! says which one it is wherever it is kept.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
};

use crate::flight::Load;

/// All of them.
pub(super) static HOLDERS: LazyLock<Holders> = LazyLock::new(Holders::default);

#[derive(Debug, Default)]
pub(super) struct Holders(Mutex<HashMap<Arc<str>, Holding>>);

#[derive(Debug)]
struct Holding {
    /// What the store knows the holder as.
    token: u64,
    load: Arc<Load>,
}

impl Holding {
    fn is_of(&self, load: &Arc<Load>) -> bool {
        Arc::ptr_eq(&self.load, load)
    }
}

impl Holders {
    /// Notes that the store has given a lease to this load. Whoever had it before has lost it.
    pub(super) fn note(&self, key: &Arc<str>, token: u64, load: &Arc<Load>) {
        let load = Arc::clone(load);
        self.holdings().insert(Arc::clone(key), Holding { token, load });
    }

    /// The load that has a lease; `None` if none of this process has.
    pub(super) fn of(&self, key: &str) -> Option<Arc<Load>> {
        self.holdings().get(key).map(|holding| Arc::clone(&holding.load))
    }

    /// Whether this load has the lease.
    pub(super) fn has(&self, key: &str, load: &Arc<Load>) -> bool {
        self.holdings().get(key).is_some_and(|holding| holding.is_of(load))
    }

    /// Lets one load have the lease of another. Returns what the store knows the holder as; `None` if that one has it no more.
    pub(super) fn pass_on(&self, key: &str, from: &Arc<Load>, to: &Arc<Load>) -> Option<u64> {
        let mut holdings = self.holdings();
        let holding = holdings.get_mut(key).filter(|holding| holding.is_of(from))?;
        holding.load = Arc::clone(to);
        Some(holding.token)
    }

    /// This load has the lease no longer. Returns whether it had.
    pub(super) fn end(&self, key: &str, load: &Arc<Load>) -> bool {
        let mut holdings = self.holdings();
        let had = holdings.get(key).is_some_and(|holding| holding.is_of(load));
        if had {
            holdings.remove(key);
        }
        had
    }

    fn holdings(&self) -> MutexGuard<'_, HashMap<Arc<str>, Holding>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
