//! The shared tier, behind one small trait.
//!
//! A store knows nothing of tenants, resources or values: it is given keys, stamps and sealed entries. What makes a read
//! valid is decided in [`protocol`](crate::protocol). Every store must pass the contract suite of `cache-testkit`.

mod memory;
mod none;
pub(crate) mod redis;

use std::{convert::Infallible, fmt, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::time::Instant;

pub use self::{
    memory::MemoryStore,
    none::NoStore,
    redis::{RedisConfig, RedisConfigError, RedisStore},
};
use crate::{
    key::Address,
    stamp::{Stamp, Ticket},
};

/// What a store's methods return.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// The shared tier: Redis, memory, or one of your own.
///
/// The methods may take as long as they like: the caller bounds them, and drops the future at the deadline.
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// What the store is and where, for the log: `redis://cache.example:6379/2`. No credentials.
    ///
    /// Default: the name of the type.
    fn description(&self) -> String {
        std::any::type_name::<Self>().to_owned()
    }

    /// The namespace of its keys, for a store that several programs share: each key that it is given begins with this and a
    /// colon. As [`RedisConfig::namespace`] takes it. Asked for once.
    ///
    /// Default: none.
    fn namespace(&self) -> Option<&str> {
        None
    }

    /// Reads the stamps and the entry of an address, in one round trip.
    ///
    /// The reply must have been produced after the call began. A key of the wrong type reads as `None`.
    fn read<'a>(&'a self, address: &'a Arc<Address>) -> StoreFuture<'a, Snapshot>;

    /// Reads the stamps of an address without its entry, in one round trip. As [`read`](Self::read) otherwise.
    fn read_stamps<'a>(&'a self, address: &'a Arc<Address>) -> StoreFuture<'a, Vec<Option<Stamp>>>;

    /// Creates each stamp that is missing, atomically, and returns the current ones in the same order.
    ///
    /// `None` where a stamp could not be had, for example because the store is out of memory.
    fn create_stamps<'a>(&'a self, fresh: &'a [(&'a str, Stamp)]) -> StoreFuture<'a, Vec<Option<Stamp>>>;

    /// Stores a sealed entry for `ttl`.
    ///
    /// The ticket names the address. It is not checked against the store: an entry whose stamps are no longer current is
    /// dead on arrival, because every read compares them.
    fn fill<'a>(&'a self, ticket: &'a Ticket, entry: Bytes, ttl: Duration) -> StoreFuture<'a, ()>;

    /// Removes the stamps, all in one round trip, and returns when that is done: from then on no read finds them. Whoever
    /// [watches](Self::watch_stamps) is told of each, also of one that is not there: what was loaded under it may still be kept.
    ///
    /// Must work when the store is out of memory; then those that are not there may go untold.
    fn remove_stamps<'a>(&'a self, stamps: &'a [String]) -> StoreFuture<'a, ()>;

    /// Removes every stamp of every resource of every tenant, and returns when that is done. May take as long as looking at
    /// every key does.
    fn remove_all_stamps(&self) -> StoreFuture<'_, ()>;

    /// Tells `watcher` of every stamp that is removed or replaced, by whomever, until that cannot be done any longer: then it
    /// returns why. It may tell of others, too: of stamps that were created, have expired or were evicted. If the store's data
    /// may be others than before, every stamp may have changed. See [`StampWatcher`] for what has to be said when.
    ///
    /// Default: an error of the kind [`Unsupported`](StoreErrorKind::Unsupported).
    fn watch_stamps(&self, watcher: Arc<dyn StampWatcher>) -> StoreFuture<'_, Infallible> {
        drop(watcher);
        Box::pin(async {
            Err(StoreError::new(
                StoreErrorKind::Unsupported,
                "this store does not report changes of stamps",
            ))
        })
    }

    /// Puts a writer into the hold of each of these stamps, or renews its stay, for `lease`. The holds of a stamp are a set
    /// of their own beside it: a writer leaves it by [`release`](Self::release) or when its lease is over, and no other
    /// writer's coming, renewing or leaving touches it.
    ///
    /// Returns when every reader that asks [`is_held`](Self::is_held) from now on sees it.
    fn hold<'a>(&'a self, stamps: &'a [String], writer: u64, lease: Duration) -> StoreFuture<'a, ()>;

    /// Takes a writer out of the hold of each of these stamps: now, or after `settle`, if that is not zero.
    fn release<'a>(&'a self, stamps: &'a [String], writer: u64, settle: Duration) -> StoreFuture<'a, ()>;

    /// Whether any writer is in the hold of any of these stamps.
    fn is_held<'a>(&'a self, stamps: &'a [String]) -> StoreFuture<'a, bool>;

    /// Takes the lease `key` for `holder`, for `lasting`, unless somebody has it. Returns whether `holder` has it.
    fn acquire_lease<'a>(&'a self, key: &'a str, holder: u64, lasting: Duration) -> StoreFuture<'a, bool>;

    /// Lets a lease that the caller has last from now for `lasting`. Does nothing if there is no such lease any more.
    fn extend_lease<'a>(&'a self, key: &'a str, holder: u64, lasting: Duration) -> StoreFuture<'a, ()>;

    /// Gives a lease back that the caller has.
    fn drop_lease<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()>;

    /// Gives memory back: removes the entries that match `pattern` and whose stamps are no longer the current ones.
    ///
    /// `*` in the pattern matches any run of characters; no other character is special. A store that holds keys and bytes
    /// alone finds the stamps of an entry with [`Address::parse`] and [`Envelope::stamps_of_head`].
    ///
    /// [`Envelope::stamps_of_head`]: crate::Envelope::stamps_of_head
    fn sweep<'a>(&'a self, pattern: &'a str) -> StoreFuture<'a, Swept>;

    /// How often the store has begun to talk to what may be another server, or the same one after a restart: a new
    /// connection, a failover. Whenever this number changes, what was acknowledged last may have been lost, so the
    /// invalidations of the last minute are sent again before anything is read.
    ///
    /// Default: always 0, for stores that lose nothing they have acknowledged.
    fn generation(&self) -> u64 {
        0
    }

    /// Finds out whether an invalidation would be accepted now, by a write that changes nothing.
    ///
    /// Not a ping: a server that answers reads but refuses writes must not be trusted.
    fn probe(&self) -> StoreFuture<'_, ()>;
}

/// Who keeps copies of what depends on stamps, and has to hear of every change of a stamp: the near cache.
///
/// A store that [watches](Store::watch_stamps) calls these methods in the order of the events. They do not block.
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
pub enum Coherent {
    /// Up to this moment: when the store was asked, not when it answered.
    AsOf(Instant),
    /// Always, as long as the watch goes on: a change is reported before whoever made it goes on.
    Always,
}

/// What one read found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The stamps, in the order of [`Address::stamps`].
    pub stamps: Vec<Option<Stamp>>,
    /// The entry's bytes.
    pub entry: Option<Bytes>,
}

/// What one sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Swept {
    /// Entries that matched the pattern.
    pub matched: u64,
    /// Entries removed.
    pub removed: u64,
}

impl Swept {
    /// The figures of one sweep.
    pub const fn new(matched: u64, removed: u64) -> Self {
        Self { matched, removed }
    }
}

/// Why a store did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    kind: StoreErrorKind,
    message: String,
}

/// What a [`StoreError`] means for the calls that follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// The first attempt to connect has not ended yet.
    Connecting,
    /// No connection, a lost one, or a server that is not ready.
    Unavailable,
    /// No answer within the deadline.
    Timeout,
    /// The server takes no writes: a replica, a full disk, too few replicas. Nobody can invalidate on it, so it must not
    /// be read either.
    RefusesWrites,
    /// Out of memory: reads and invalidations go on, fills do not.
    OutOfMemory,
    /// The credentials are wrong, or a right is missing.
    Denied,
    /// The store cannot do this at all.
    Unsupported,
    /// Anything else that the server answered.
    Other,
}

impl StoreError {
    /// An error of this kind. The message must not contain secrets.
    pub fn new(kind: StoreErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// For operations that are not tried, because the breaker is open.
    pub(crate) fn unavailable() -> Self {
        Self::new(StoreErrorKind::Unavailable, "the store is unavailable")
    }

    pub(crate) fn timeout(what: &str, after: Duration) -> Self {
        Self::new(StoreErrorKind::Timeout, format!("{what} took longer than {after:?}"))
    }

    /// What it means for the calls that follow.
    pub const fn kind(&self) -> StoreErrorKind {
        self.kind
    }
}
