//! The interface of a store.

use std::{convert::Infallible, fmt, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::{join_all, try_join_all};

use super::{
    ScanCursor, ScannedKeys, ServerReport, Snapshot, StampWatcher, StoreError, StoreErrorKind, StoredValue, Swept,
};
use crate::{
    entry::{Stamp, Ticket},
    key::{Address, StampKey},
};

/// What a store's methods return.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// The shared tier: Redis, memory, or one of your own.
///
/// Six methods make a store: [`read`](Self::read), [`create_stamps`](Self::create_stamps), [`fill`](Self::fill),
/// [`remove_stamps`](Self::remove_stamps), [`remove_all_stamps`](Self::remove_all_stamps) and [`probe`](Self::probe). No guarantee holds
/// without one of them. What a store leaves out of the rest is an error of the kind [`Unsupported`](StoreErrorKind::Unsupported); the
/// cache says so once in its log, and goes on without it and without promising less:
///
/// | left out | then |
/// |---|---|
/// | [`read_stamps`](Self::read_stamps) | the entry is read with the stamps, and dropped |
/// | [`read_many`](Self::read_many), [`fill_many`](Self::fill_many) | entries are read and filled one by one, at the same time |
/// | [`watch_stamps`](Self::watch_stamps) | near values are checked with the store, also those of `near = "tracked"` |
/// | [`hold`](Self::hold), [`release`](Self::release), [`is_held`](Self::is_held) | results of `crash_safe` resources are not stored |
/// | [`acquire_lease`](Self::acquire_lease), [`extend_lease`](Self::extend_lease), [`drop_lease`](Self::drop_lease) | each process loads for itself, also with `lease` |
/// | [`sweep`](Self::sweep) | entries that were invalidated stay, unusable, until their time is over |
/// | [`scan`](Self::scan), [`look_at`](Self::look_at) | nobody can [look](crate::inspect) at what stands in it |
///
/// The methods may take as long as they like: the caller bounds them, and drops the future at the deadline.
///
/// ```
/// use std::{collections::HashMap, sync::{Arc, Mutex}, time::{Duration, Instant}};
///
/// use bytes::Bytes;
/// use cache_runtime::store::{Address, Snapshot, Stamp, StampKey, Store, StoreFuture, Ticket};
///
/// #[derive(Debug, Default)]
/// struct TwoMaps {
///     stamps: Mutex<HashMap<StampKey, Stamp>>,
///     entries: Mutex<HashMap<String, (Bytes, Option<Instant>)>>,
/// }
///
/// impl Store for TwoMaps {
///     fn read<'a>(&'a self, address: &'a Arc<Address>) -> StoreFuture<'a, Snapshot> {
///         Box::pin(async {
///             let stamps = self.stamps.lock().unwrap();
///             let stamps = address.stamps().iter().map(|key| stamps.get(key).copied()).collect();
///             let entry = match self.entries.lock().unwrap().get(address.entry()) {
///                 Some((_, Some(expires_at))) if *expires_at <= Instant::now() => None,
///                 entry => entry.map(|(bytes, _)| bytes.clone()),
///             };
///             Ok(Snapshot { stamps, entry })
///         })
///     }
///
///     fn create_stamps<'a>(&'a self, fresh: &'a [(&'a StampKey, Stamp)]) -> StoreFuture<'a, Vec<Option<Stamp>>> {
///         Box::pin(async {
///             let mut stamps = self.stamps.lock().unwrap();
///             let current = |&(key, stamp): &(&StampKey, Stamp)| Some(*stamps.entry(key.to_owned()).or_insert(stamp));
///             Ok(fresh.iter().map(current).collect())
///         })
///     }
///
///     fn fill<'a>(&'a self, ticket: &'a Ticket, entry: Bytes, ttl: Duration) -> StoreFuture<'a, ()> {
///         Box::pin(async move {
///             let key = ticket.address().entry().to_owned();
///             self.entries.lock().unwrap().insert(key, (entry, Instant::now().checked_add(ttl)));
///             Ok(())
///         })
///     }
///
///     fn remove_stamps<'a>(&'a self, stamps: &'a [StampKey]) -> StoreFuture<'a, ()> {
///         Box::pin(async {
///             self.stamps.lock().unwrap().retain(|key, _| !stamps.contains(key));
///             Ok(())
///         })
///     }
///
///     fn remove_all_stamps(&self) -> StoreFuture<'_, ()> {
///         Box::pin(async {
///             self.stamps.lock().unwrap().clear();
///             Ok(())
///         })
///     }
///
///     fn probe(&self) -> StoreFuture<'_, ()> {
///         // What is in the process takes every invalidation.
///         Box::pin(async { Ok(()) })
///     }
/// }
///
/// # mod cache_resources { cache_runtime::resources! { answers { ttl = 60 } } }
/// # #[cache_runtime::cached(resource = "answers")]
/// # async fn answer() -> u32 { 42 }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let cache = cache_runtime::Cache::builder().store(TwoMaps::default()).build();
/// # cache.ready(Duration::from_secs(10)).await;
/// # cache_runtime::with_cache(cache.clone(), async {
/// #     answer().await;
/// #     answer().await;
/// # }).await;
/// # assert_eq!(cache.stats().hits, 1);
/// # }
/// ```
///
/// The contract suite of `cache-testkit` says whether a store does what it must; this one would be told to let go of what has
/// expired, too.
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Reads the stamps and the entry of an address, in one round trip.
    ///
    /// The reply must have been produced after the call began. A key of the wrong type reads as `None`.
    fn read<'a>(&'a self, address: &'a Arc<Address>) -> StoreFuture<'a, Snapshot>;

    /// Creates each stamp that is missing, atomically, and returns the current ones in the same order.
    ///
    /// `None` where a stamp could not be had, for example because the store is out of memory.
    fn create_stamps<'a>(&'a self, fresh: &'a [(&'a StampKey, Stamp)]) -> StoreFuture<'a, Vec<Option<Stamp>>>;

    /// Stores a sealed entry for `ttl`.
    ///
    /// The ticket names the address. It is not checked against the store: an entry whose stamps are no longer current is
    /// dead on arrival, because every read compares them.
    fn fill<'a>(&'a self, ticket: &'a Ticket, entry: Bytes, ttl: Duration) -> StoreFuture<'a, ()>;

    /// Removes the stamps, all in one round trip, and returns when that is done: from then on no read finds them. Whoever
    /// [watches](Self::watch_stamps) is told of each, also of one that is not there: what was loaded under it may still be kept.
    ///
    /// Must work when the store is out of memory; then those that are not there may go untold.
    fn remove_stamps<'a>(&'a self, stamps: &'a [StampKey]) -> StoreFuture<'a, ()>;

    /// Removes every stamp of every resource of every tenant, and returns when that is done. May take as long as looking at
    /// every key does.
    ///
    /// Seldom asked for, but an invalidation like any other when it is: of a journal that had to be widened, of a tenant that
    /// cannot be told, after a failover with [`OnFailover::Flush`](crate::OnFailover::Flush).
    fn remove_all_stamps(&self) -> StoreFuture<'_, ()>;

    /// Finds out whether an invalidation would be accepted now, by a write that changes nothing.
    ///
    /// Not a ping: a server that answers reads but refuses writes must not be trusted. A store of several servers asks each.
    fn probe(&self) -> StoreFuture<'_, ()>;

    /// What the store is and where, for the log: `redis://cache.example:6379/2`. No credentials.
    ///
    /// Default: the name of the type.
    fn description(&self) -> String {
        std::any::type_name::<Self>().to_owned()
    }

    /// The namespace of its keys, for a store that several programs share: each key that it is given begins with this and a
    /// colon. As [`RedisConfig::namespace`](crate::store::RedisConfig::namespace) takes it. Asked for once.
    ///
    /// Default: none.
    fn namespace(&self) -> Option<&str> {
        None
    }

    /// How often the store has begun to talk to what may be another server, or the same one after a restart: a new
    /// connection, a failover. Whenever this number changes, what was acknowledged last may have been lost, so the
    /// invalidations of the last minute are sent again before anything is read.
    ///
    /// Default: always 0, for stores that lose nothing they have acknowledged.
    fn generation(&self) -> u64 {
        0
    }

    /// Whether [`create_stamps`](Self::create_stamps) and [`remove_stamps`](Self::remove_stamps) get to the stamps in the order in
    /// which they are given, as one server does that executes one command after the other. Where that is not so, what has to come
    /// first is sent, and answered, first.
    ///
    /// Default: false.
    fn keeps_order(&self) -> bool {
        false
    }

    /// Reads the stamps of an address without its entry, in one round trip. As [`read`](Self::read) otherwise.
    ///
    /// Default: by [`read`](Self::read), without the entry.
    fn read_stamps<'a>(&'a self, address: &'a Arc<Address>) -> StoreFuture<'a, Vec<Option<Stamp>>> {
        Box::pin(async { Ok(self.read(address).await?.stamps) })
    }

    /// Reads the stamps and the entries of several addresses, each as [`read`](Self::read) does, in their order. What some of them
    /// share need be read once. The cache asks for at most 256 at a time.
    ///
    /// Default: by [`read`](Self::read), all at the same time.
    fn read_many<'a>(&'a self, addresses: &'a [Arc<Address>]) -> StoreFuture<'a, Vec<Snapshot>> {
        Box::pin(try_join_all(addresses.iter().map(|address| self.read(address))))
    }

    /// Stores several sealed entries, each as [`fill`](Self::fill) does. After an error any of them may have been stored. The cache
    /// brings at most 256 at a time.
    ///
    /// Default: by [`fill`](Self::fill), all at the same time.
    fn fill_many<'a>(&'a self, entries: &'a [(&'a Ticket, Bytes, Duration)]) -> StoreFuture<'a, ()> {
        Box::pin(async {
            let fills = entries
                .iter()
                .map(|(ticket, entry, ttl)| self.fill(ticket, entry.clone(), *ttl));
            // To the end, whichever fails: the others are stored all the same.
            join_all(fills).await.into_iter().collect()
        })
    }

    /// Tells `watcher` of every stamp that is removed or replaced, by whomever, until that cannot be done any longer: then it
    /// returns why. It may tell of others, too: of stamps that were created, have expired or were evicted. If the store's data
    /// may be others than before, every stamp may have changed. See [`StampWatcher`] for what has to be said when.
    ///
    /// Default: an error of the kind [`Unsupported`](StoreErrorKind::Unsupported).
    fn watch_stamps(&self, watcher: Arc<dyn StampWatcher>) -> StoreFuture<'_, Infallible> {
        drop(watcher);
        unsupported("this store does not report changes of stamps")
    }

    /// Puts a writer into the hold of each of these stamps, or renews its stay, for `stay`. The holds of a stamp are a set
    /// of their own beside it: a writer leaves it by [`release`](Self::release) or when its stay is over, and no other
    /// writer's coming, renewing or leaving touches it.
    ///
    /// Returns when every reader that asks [`is_held`](Self::is_held) from now on sees it.
    ///
    /// Default: an error of the kind [`Unsupported`](StoreErrorKind::Unsupported). A store has all three methods of holds, or none.
    fn hold<'a>(&'a self, stamps: &'a [StampKey], writer: u64, stay: Duration) -> StoreFuture<'a, ()> {
        let _ = (stamps, writer, stay);
        unsupported(NO_HOLDS)
    }

    /// Takes a writer out of the hold of each of these stamps: now, or after `settle`, if that is not zero.
    ///
    /// Default: as for [`hold`](Self::hold).
    fn release<'a>(&'a self, stamps: &'a [StampKey], writer: u64, settle: Duration) -> StoreFuture<'a, ()> {
        let _ = (stamps, writer, settle);
        unsupported(NO_HOLDS)
    }

    /// Whether any writer is in the hold of any of these stamps. As long as this is not known, nothing is stored under them.
    ///
    /// Default: as for [`hold`](Self::hold).
    fn is_held<'a>(&'a self, stamps: &'a [StampKey]) -> StoreFuture<'a, bool> {
        let _ = stamps;
        unsupported(NO_HOLDS)
    }

    /// Takes the lease `key` for `holder`, for `lasting`, unless somebody has it. Returns whether `holder` has it.
    ///
    /// Default: an error of the kind [`Unsupported`](StoreErrorKind::Unsupported). A store has all three methods of leases, or none.
    fn acquire_lease<'a>(&'a self, key: &'a str, holder: u64, lasting: Duration) -> StoreFuture<'a, bool> {
        let _ = (key, holder, lasting);
        unsupported(NO_LEASES)
    }

    /// Lets a lease that the caller has last from now for `lasting`. Does nothing if there is no such lease any more.
    ///
    /// Default: as for [`acquire_lease`](Self::acquire_lease).
    fn extend_lease<'a>(&'a self, key: &'a str, holder: u64, lasting: Duration) -> StoreFuture<'a, ()> {
        let _ = (key, holder, lasting);
        unsupported(NO_LEASES)
    }

    /// Gives a lease back that the caller has.
    ///
    /// Default: as for [`acquire_lease`](Self::acquire_lease).
    fn drop_lease<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        let _ = key;
        unsupported(NO_LEASES)
    }

    /// Gives memory back: goes once through all entries, and removes those that match one of the patterns, or several, and whose stamps
    /// are no longer the current ones. Without a pattern nothing matches.
    ///
    /// `*` in a pattern matches any run of characters; no other character is special. A store that holds keys and bytes
    /// alone finds the stamps of an entry with [`Address::parse`] and [`Envelope::stamps_of_head`]. An entry may have further ones
    /// after those that its address names, as many again and four: these are of no concern to a sweep.
    ///
    /// Nobody waits for it, so it takes its time, in steps that others hardly notice. A cache has one sweep of its own under way at
    /// most, and may drop it half-way; if it fails for want of an answer, the cache begins another one later.
    ///
    /// Default: an error of the kind [`Unsupported`](StoreErrorKind::Unsupported).
    ///
    /// [`Envelope::stamps_of_head`]: crate::protocol::Envelope::stamps_of_head
    fn sweep<'a>(&'a self, patterns: &'a [String]) -> StoreFuture<'a, Swept> {
        let _ = patterns;
        unsupported("this store does not sweep")
    }

    /// Looks at about `limit` of the keys that there are, whoever has put them there, and returns those that match `pattern`: from
    /// the beginning, or from where an earlier scan of this pattern has left off. For people who look at a store, not for calls.
    ///
    /// `*` in the pattern is as for [`sweep`](Self::sweep). Who goes on to the end is given every key that was there all the time,
    /// at least once; unless a server has been replaced, or keys have moved from one to another, meanwhile. Bounded work, however
    /// many keys there are: of a pattern that matches little a page may be empty, and not the last.
    ///
    /// Default: an error of the kind [`Unsupported`](StoreErrorKind::Unsupported). A store has this and [`look_at`](Self::look_at),
    /// or neither.
    fn scan<'a>(
        &'a self,
        pattern: &'a str,
        from: Option<&'a ScanCursor>,
        limit: usize,
    ) -> StoreFuture<'a, ScannedKeys> {
        let _ = (pattern, from, limit);
        unsupported(NOT_INSPECTED)
    }

    /// Looks at what stands under each of these keys, in their order: no more than the first `most` bytes of it, how long it is and
    /// how long it lasts. `None` where there is nothing. Changes nothing, neither what is there nor for how long. The cache asks for
    /// at most 256 at a time.
    ///
    /// Default: as for [`scan`](Self::scan).
    fn look_at<'a>(&'a self, keys: &'a [String], most: usize) -> StoreFuture<'a, Vec<Option<StoredValue>>> {
        let _ = (keys, most);
        unsupported(NOT_INSPECTED)
    }

    /// What each server that has keys says of itself, for those who look for what is wrong. That one cannot be reached is said in its
    /// report.
    ///
    /// Default: an error of the kind [`Unsupported`](StoreErrorKind::Unsupported), for stores without servers.
    fn examine(&self) -> StoreFuture<'_, Vec<ServerReport>> {
        unsupported("this store has no servers to examine")
    }
}

const NO_HOLDS: &str = "this store has no holds";
const NO_LEASES: &str = "this store has no leases";
const NOT_INSPECTED: &str = "this store does not show what stands in it";

fn unsupported<'a, T: Send + 'a>(what: &'static str) -> StoreFuture<'a, T> {
    Box::pin(std::future::ready(Err(StoreError::new(
        StoreErrorKind::Unsupported,
        what,
    ))))
}
