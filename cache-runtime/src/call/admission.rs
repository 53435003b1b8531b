//! Whether a call may be answered from the cache, as far as what its task is inside of says.

use super::mode::Mode;
use crate::{
    cache::{Cache, CurrentCache},
    invalidation::Changes,
    mutation::TransactionLog,
    task::{Context, look},
};

/// Whether a call may be answered from the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    Cached,
    /// Unless it depends on what a mutation around it is changing ([`Changes::touch`]).
    UnlessChanging,
    /// Its body runs.
    Uncached,
}

impl Admission {
    /// The cache of a call of `resource`: the one that is `named` by its attribute, else the task's, else the installed one;
    /// whether that may answer; and the task's mode. One look at what the task carries for all of it.
    pub(super) fn of_call(named: Option<&Cache>, resource: &str) -> (CurrentCache, Self, Option<Mode>) {
        let (mut own, mut admission, mut mode) = (named.cloned(), Self::Cached, None);
        look(|context| {
            own = own.take().or_else(|| context.get().cloned());
            mode = Mode::of(context);
            admission = Self::of(resource, context, mode.as_ref());
            Some(())
        });
        (CurrentCache::of(own), admission, mode)
    }

    /// Whether a call of `resource` is as any other, whatever cache and tenant the task carries.
    pub(super) fn is_usual(resource: &str, context: &Context) -> bool {
        !Mode::is_set(context) && Self::of(resource, context, None) == Self::Cached
    }

    fn of(resource: &str, context: &Context, mode: Option<&Mode>) -> Self {
        if mode.is_some_and(Mode::is_bypass) {
            Self::Uncached
        } else if context.get().is_some_and(TransactionLog::is_open) {
            // What is read inside a transaction may be seen by nobody else yet.
            Self::Uncached
        } else if context.get::<Changes>().is_some_and(|changes| changes.name(resource)) {
            Self::UnlessChanging
        } else {
            Self::Cached
        }
    }
}
