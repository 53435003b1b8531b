//! The one who is told of changes of stamps.

use std::fmt;

use tokio::time::Instant;

/// Who keeps copies of what depends on stamps, and has to hear of every change of a stamp: the near cache.
///
/// A store that [watches](crate::store::Store::watch_stamps) calls these methods in the order of the events. They do not block.
pub trait StampWatcher: fmt::Debug + Send + Sync {
    /// From now on every change is reported. What came before is unknown: everything kept so far is void.
    fn began(&self);

    /// Every change that could have been seen by a read at this point has been reported. Without this, or once it is too
    /// long ago, nothing that is kept is used.
    fn coherent(&self, coherent: Coherent);

    /// The stamp under this key may have changed.
    fn changed(&self, stamp: &str);

    /// Any stamp may have changed.
    fn all_changed(&self);
}

/// Up to when a [`StampWatcher`] has heard of everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a watcher that knows only some of them would use what it must not"
)]
pub enum Coherent {
    /// Up to this moment: when the store was asked, not when it answered.
    AsOf(Instant),
    /// Always, as long as the watch goes on: a change is reported before whoever made it goes on.
    Always,
}
