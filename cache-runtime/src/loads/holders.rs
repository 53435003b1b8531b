//! Which loads of this process have which leases, through whatever cache: a lease is of an entry under its stamps, so its key
//! says which one it is wherever it is kept.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
};

use super::Load;
use crate::sync::Mutex;

/// All of them.
pub(crate) static HOLDERS: LazyLock<Holders> = LazyLock::new(Holders::default);

#[derive(Debug, Default)]
pub(crate) struct Holders(Mutex<HashMap<Arc<str>, LeaseHolder>>);

#[derive(Debug)]
struct LeaseHolder {
    /// What the store knows the holder as.
    token: u64,
    load: Arc<Load>,
}

impl Drop for LeaseHolder {
    fn drop(&mut self) {
        self.load.end_lease();
    }
}

impl LeaseHolder {
    fn new(token: u64, load: &Arc<Load>) -> Self {
        load.begin_lease();
        Self {
            token,
            load: Arc::clone(load),
        }
    }

    fn is_of(&self, load: &Arc<Load>) -> bool {
        Arc::ptr_eq(&self.load, load)
    }
}

impl Holders {
    /// Notes that the store has given a lease to this load. Whoever had it before has lost it.
    pub(crate) fn note(&self, key: &Arc<str>, token: u64, load: &Arc<Load>) {
        self.0.lock().insert(Arc::clone(key), LeaseHolder::new(token, load));
    }

    /// The load that has a lease; `None` if none of this process has.
    pub(crate) fn of(&self, key: &str) -> Option<Arc<Load>> {
        self.0.lock().get(key).map(|holding| Arc::clone(&holding.load))
    }

    /// Whether this load has the lease.
    pub(crate) fn has(&self, key: &str, load: &Arc<Load>) -> bool {
        self.0.lock().get(key).is_some_and(|holding| holding.is_of(load))
    }

    /// Lets one load have the lease of another. Returns what the store knows the holder as; `None` if that one has it no more.
    pub(crate) fn pass_on(&self, key: &str, from: &Arc<Load>, to: &Arc<Load>) -> Option<u64> {
        let mut holdings = self.0.lock();
        let holding = holdings.get_mut(key).filter(|holding| holding.is_of(from))?;
        let token = holding.token;
        *holding = LeaseHolder::new(token, to);
        Some(token)
    }

    /// This load has the lease no longer. Returns whether it had.
    pub(crate) fn end(&self, key: &str, load: &Arc<Load>) -> bool {
        let mut holdings = self.0.lock();
        let had = holdings.get(key).is_some_and(|holding| holding.is_of(load));
        if had {
            holdings.remove(key);
        }
        had
    }
}
