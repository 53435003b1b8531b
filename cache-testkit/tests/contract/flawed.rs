//! A store of a third party's own making, right but for one flaw.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use bytes::Bytes;
use cache_runtime::store::{
    Address, Coherent, ScanCursor, ScannedKeys, Snapshot, Stamp, StampKey, StampWatcher, Store, StoreError,
    StoreErrorKind, StoreFuture, StoredValue, Swept, Ticket,
};
use tokio::time::Instant;

/// What is wrong with a [`FlawedStore`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    InventsStamps,
    CreatesNothing,
    ReplacesStamps,
    ReversesStamps,
    KeepsRemovedStamps,
    RemovesOneStamp,
    RemovingNothingIsAnError,
    ProbeRemovesStamps,
    CutsEntries(usize),
    KeepsTheFirstEntry,
    FillRemovesStamps,
    FillRestoresStamps,
    ExpiresAtOnce,
    NeverExpires,
    RefusesLongTtl,
    IgnoresCase,
    CutsKeys(usize),
    SweepsNothing,
    SweepsTheLiving,
    SweepsEverything,
    SweepsByPrefix,
    SweepsTheOld,
    SweepsByGlob,
    SweepsForTheFirst,
    MixesUpReaders,
    SharesEarlierReads,
    DroppedReadBreaksTheStore,
    Panics,
    MixesUpStampsReadAlone,
    RemovesSomeOfAllStamps,
    HoldsOneWriter,
    ReleaseFreesEverybody,
    HoldsTheDead,
    RenewsNothing,
    SettlesNever,
    LeasesToEverybody,
    LeasesForEver,
    KeepsLeases,
    ExtendsNothing,
    ReportsNothing,
    ReportsWhatWasThere,
    SortsReadsOfMany,
    FillsTheFirstOfMany,
    MixesUpReadersOfMany,
    ScansOnePage,
    ScansAllAtOnce,
    ScansByGlob,
    ScansTheExpired,
    LooksInAnyOrder,
    LooksAtAllOfIt,
    SaysNotHowLong,
    RenewsWhatIsLookedAt,
}

#[derive(Debug)]
pub(crate) struct FlawedStore {
    flaw: Flaw,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    stamps: HashMap<StampKey, Stamp>,
    entries: HashMap<String, Entry>,
    /// What reads that have not ended yet will answer.
    under_way: HashMap<String, Snapshot>,
    last_entry: Option<Bytes>,
    last_of_many: Option<Snapshot>,
    broken: bool,
    holds: HashMap<StampKey, HashMap<u64, Instant>>,
    leases: HashMap<String, (u64, Instant)>,
    watchers: Vec<Arc<dyn StampWatcher>>,
}

#[derive(Debug)]
struct Entry {
    bytes: Bytes,
    expires_at: Option<Instant>,
    loaded_under: Vec<(StampKey, Stamp)>,
}

impl FlawedStore {
    pub(crate) fn new(flaw: Flaw) -> Self {
        Self {
            flaw,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics under the lock")
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    fn key(&self, key: &str) -> String {
        match self.flaw {
            Flaw::IgnoresCase => key.to_lowercase(),
            Flaw::CutsKeys(length) => key.chars().take(length).collect(),
            _ => key.to_owned(),
        }
    }

    fn look(&self, address: &Address) -> Snapshot {
        let mut state = self.state();
        if self.has(Flaw::SharesEarlierReads)
            && let Some(earlier) = state.under_way.get(address.entry())
        {
            return earlier.clone();
        }
        let invented = self
            .has(Flaw::InventsStamps)
            .then(|| Stamp::random().expect("random numbers"));
        let mut stamps: Vec<_> = address
            .stamps()
            .iter()
            .map(|key| state.stamps.get(key).copied().or(invented))
            .collect();
        if self.has(Flaw::ReversesStamps) {
            stamps.reverse();
        }
        let entry = state.entries.get(&self.key(address.entry()));
        let entry = entry.filter(|entry| entry.expires_at.is_none_or(|at| at > Instant::now()));
        let mut entry = entry.map(|entry| entry.bytes.clone());
        if self.has(Flaw::MixesUpReaders) && entry.is_none() {
            entry.clone_from(&state.last_entry);
        }
        state.last_entry.clone_from(&entry);
        let snapshot = Snapshot { stamps, entry };
        state.under_way.insert(address.entry().to_owned(), snapshot.clone());
        snapshot
    }
}

impl Store for FlawedStore {
    fn read<'a>(&'a self, address: &'a Arc<Address>) -> StoreFuture<'a, Snapshot> {
        Box::pin(async move {
            let snapshot = self.look(address);
            let mut reading = Reading {
                store: self,
                address,
                ended: false,
            };
            // As long as the answer is on the wire.
            tokio::task::yield_now().await;
            reading.ended = true;
            if self.state().broken {
                return Err(StoreError::new(StoreErrorKind::Other, "broken by an earlier read"));
            }
            Ok(snapshot)
        })
    }

    fn read_stamps<'a>(&'a self, address: &'a Arc<Address>) -> StoreFuture<'a, Vec<Option<Stamp>>> {
        let mut stamps = self.look(address).stamps;
        self.state().under_way.remove(address.entry());
        if self.has(Flaw::MixesUpStampsReadAlone) {
            stamps.reverse();
        }
        Box::pin(async { Ok(stamps) })
    }

    fn read_many<'a>(&'a self, addresses: &'a [Arc<Address>]) -> StoreFuture<'a, Vec<Snapshot>> {
        let mut addresses: Vec<_> = addresses.iter().collect();
        if self.has(Flaw::SortsReadsOfMany) {
            addresses.sort_by_key(|address| address.entry());
        }
        let mut snapshots: Vec<_> = addresses.iter().map(|address| self.look(address)).collect();
        for address in addresses {
            self.state().under_way.remove(address.entry());
        }
        if self.has(Flaw::MixesUpReadersOfMany)
            && let Some(last) = snapshots.last_mut()
        {
            // What somebody else has read meanwhile.
            let mine = last.clone();
            if let Some(theirs) = self.state().last_of_many.replace(mine) {
                *last = theirs;
            }
        }
        Box::pin(async { Ok(snapshots) })
    }

    fn create_stamps<'a>(&'a self, fresh: &'a [(&'a StampKey, Stamp)]) -> StoreFuture<'a, Vec<Option<Stamp>>> {
        let mut state = self.state();
        let create = |&(key, fresh): &(&StampKey, Stamp)| {
            if self.has(Flaw::CreatesNothing) {
                return Some(fresh);
            }
            if self.has(Flaw::ReplacesStamps) {
                state.stamps.remove(key);
            }
            Some(*state.stamps.entry(key.to_owned()).or_insert(fresh))
        };
        let created = fresh.iter().map(create).collect();
        Box::pin(async { Ok(created) })
    }

    fn fill<'a>(&'a self, ticket: &'a Ticket, mut entry: Bytes, mut ttl: Duration) -> StoreFuture<'a, ()> {
        let address = ticket.address();
        let looked_at = if self.has(Flaw::SweepsTheOld) {
            address.stamps()
        } else {
            address.strict_stamps()
        };
        let loaded_under: Vec<_> = looked_at.iter().cloned().zip(ticket.stamps().iter().copied()).collect();
        let key = self.key(address.entry());
        let mut state = self.state();
        match self.flaw {
            Flaw::Panics if entry.len() > 1 << 16 => return Box::pin(async { panic!("too large to bear") }),
            Flaw::RefusesLongTtl if ttl > Duration::from_hours(24 * 365) => {
                return Box::pin(async { Err(StoreError::new(StoreErrorKind::Other, "invalid expire time")) });
            }
            Flaw::KeepsTheFirstEntry if state.entries.contains_key(&key) => return Box::pin(async { Ok(()) }),
            Flaw::CutsEntries(length) => entry.truncate(length),
            Flaw::ExpiresAtOnce => ttl = Duration::ZERO,
            Flaw::NeverExpires => ttl = Duration::MAX,
            Flaw::FillRemovesStamps => state.stamps.retain(|key, _| !address.stamps().contains(key)),
            Flaw::FillRestoresStamps => state.stamps.extend(loaded_under.iter().cloned()),
            _ => {}
        }
        let expires_at = Instant::now().checked_add(ttl);
        state.entries.insert(
            key,
            Entry {
                bytes: entry,
                expires_at,
                loaded_under,
            },
        );
        Box::pin(async { Ok(()) })
    }

    fn fill_many<'a>(&'a self, entries: &'a [(&'a Ticket, Bytes, Duration)]) -> StoreFuture<'a, ()> {
        let filled = if self.has(Flaw::FillsTheFirstOfMany) {
            1
        } else {
            entries.len()
        };
        Box::pin(async move {
            for (ticket, entry, ttl) in entries.iter().take(filled) {
                self.fill(ticket, entry.clone(), *ttl).await?;
            }
            Ok(())
        })
    }

    fn remove_stamps<'a>(&'a self, stamps: &'a [StampKey]) -> StoreFuture<'a, ()> {
        let mut state = self.state();
        let removed = match self.flaw {
            Flaw::RemovingNothingIsAnError if stamps.is_empty() => {
                return Box::pin(async { Err(StoreError::new(StoreErrorKind::Other, "wrong number of arguments")) });
            }
            Flaw::KeepsRemovedStamps => &[],
            Flaw::RemovesOneStamp => &stamps[..stamps.len().min(1)],
            _ => stamps,
        };
        for key in removed {
            let was_there = state.stamps.remove(key).is_some();
            let reports = match self.flaw {
                Flaw::ReportsNothing => false,
                Flaw::ReportsWhatWasThere => was_there,
                _ => true,
            };
            for watcher in state.watchers.iter().filter(|_| reports) {
                watcher.changed(key);
            }
        }
        Box::pin(async { Ok(()) })
    }

    fn remove_all_stamps(&self) -> StoreFuture<'_, ()> {
        let some = self.has(Flaw::RemovesSomeOfAllStamps);
        let mut kept = 0;
        self.state().stamps.retain(|_, _| {
            kept += 1;
            some && kept > 512
        });
        Box::pin(async { Ok(()) })
    }

    fn watch_stamps(&self, watcher: Arc<dyn StampWatcher>) -> StoreFuture<'_, Infallible> {
        watcher.began();
        watcher.coherent(Coherent::Always);
        self.state().watchers.push(watcher);
        Box::pin(std::future::pending())
    }

    fn hold<'a>(&'a self, stamps: &'a [StampKey], writer: u64, lease: Duration) -> StoreFuture<'a, ()> {
        let mut state = self.state();
        for stamp in stamps {
            let writers = state.holds.entry(stamp.clone()).or_default();
            if self.has(Flaw::HoldsOneWriter) {
                writers.clear();
            }
            if !(self.has(Flaw::RenewsNothing) && writers.contains_key(&writer)) {
                writers.insert(writer, Instant::now() + lease);
            }
            if self.has(Flaw::HoldsTheDead) {
                for until in writers.values_mut() {
                    *until += lease;
                }
            }
        }
        Box::pin(async { Ok(()) })
    }

    fn release<'a>(&'a self, stamps: &'a [StampKey], writer: u64, settle: Duration) -> StoreFuture<'a, ()> {
        let mut state = self.state();
        for stamp in stamps {
            let writers = state.holds.entry(stamp.clone()).or_default();
            if self.has(Flaw::ReleaseFreesEverybody) {
                writers.clear();
            } else if settle.is_zero() || !self.has(Flaw::SettlesNever) {
                writers.insert(writer, Instant::now() + settle);
            }
        }
        Box::pin(async { Ok(()) })
    }

    fn is_held<'a>(&'a self, stamps: &'a [StampKey]) -> StoreFuture<'a, bool> {
        let (state, now) = (self.state(), Instant::now());
        let writers = stamps.iter().filter_map(|stamp| state.holds.get(stamp));
        let held = writers.flat_map(HashMap::values).any(|until| *until > now);
        Box::pin(async move { Ok(held) })
    }

    fn acquire_lease<'a>(&'a self, key: &'a str, holder: u64, lasting: Duration) -> StoreFuture<'a, bool> {
        let (mut state, now) = (self.state(), Instant::now());
        let current = state
            .leases
            .get(key)
            .filter(|(_, until)| *until > now || self.has(Flaw::LeasesForEver));
        let acquired = self.has(Flaw::LeasesToEverybody) || current.is_none_or(|(current, _)| *current == holder);
        if acquired {
            state.leases.insert(key.to_owned(), (holder, now + lasting));
        }
        Box::pin(async move { Ok(acquired) })
    }

    fn extend_lease<'a>(&'a self, key: &'a str, holder: u64, lasting: Duration) -> StoreFuture<'a, ()> {
        let mut state = self.state();
        if let Some(lease) = state.leases.get_mut(key).filter(|_| !self.has(Flaw::ExtendsNothing)) {
            *lease = (holder, Instant::now() + lasting);
        }
        Box::pin(async { Ok(()) })
    }

    fn drop_lease<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        if !self.has(Flaw::KeepsLeases) {
            self.state().leases.remove(key);
        }
        Box::pin(async { Ok(()) })
    }

    fn sweep<'a>(&'a self, patterns: &'a [String]) -> StoreFuture<'a, Swept> {
        let mut state = self.state();
        let State { stamps, entries, .. } = &mut *state;
        let (mut matched, mut removed) = (0, 0);
        let patterns = match self.flaw {
            Flaw::SweepsForTheFirst => &patterns[..patterns.len().min(1)],
            _ => patterns,
        };
        entries.retain(|key, entry| {
            let fits = match self.flaw {
                Flaw::SweepsNothing => false,
                Flaw::SweepsEverything => true,
                flaw => patterns.iter().any(|pattern| match flaw {
                    Flaw::SweepsByPrefix => pattern.strip_suffix('*').is_some_and(|prefix| key.starts_with(prefix)),
                    flaw => glob(pattern.as_bytes(), key.as_bytes(), flaw == Flaw::SweepsByGlob),
                }),
            };
            let alive = entry
                .loaded_under
                .iter()
                .all(|(key, stamp)| stamps.get(key) == Some(stamp));
            let dead = fits && (!alive || self.has(Flaw::SweepsTheLiving));
            matched += u64::from(fits);
            removed += u64::from(dead);
            !dead
        });
        Box::pin(async move { Ok(Swept::new(matched, removed)) })
    }

    fn scan<'a>(
        &'a self,
        pattern: &'a str,
        from: Option<&'a ScanCursor>,
        limit: usize,
    ) -> StoreFuture<'a, ScannedKeys> {
        let (state, now) = (self.state(), Instant::now());
        let is_there = |entry: &Entry| entry.expires_at.is_none_or(|at| at > now);
        let entries = state.entries.iter();
        let entries = entries.filter(|(_, entry)| self.has(Flaw::ScansTheExpired) || is_there(entry));
        let stamps = state.stamps.keys().map(StampKey::as_str);
        let mut keys: Vec<&str> = entries.map(|(key, _)| key.as_str()).chain(stamps).collect();
        keys.retain(|key| from.is_none_or(|from| *key > from.as_str()));
        keys.sort_unstable();
        let limit = if self.has(Flaw::ScansAllAtOnce) {
            usize::MAX
        } else {
            limit
        };
        let is_last = keys.len() <= limit || self.has(Flaw::ScansOnePage);
        keys.truncate(limit);
        let next = keys.last().filter(|_| !is_last).copied().map(ScanCursor::new);
        let by_glob = self.has(Flaw::ScansByGlob);
        keys.retain(|key| glob(pattern.as_bytes(), key.as_bytes(), by_glob));
        let page = ScannedKeys::new(keys.into_iter().map(str::to_owned).collect(), next);
        Box::pin(async { Ok(page) })
    }

    fn look_at<'a>(&'a self, keys: &'a [String], most: usize) -> StoreFuture<'a, Vec<Option<StoredValue>>> {
        let (mut state, now) = (self.state(), Instant::now());
        let most = if self.has(Flaw::LooksAtAllOfIt) {
            usize::MAX
        } else {
            most
        };
        let look = |key: &String| {
            if let Some(stamp) = state.stamps.get(key.as_str()) {
                return Some(StoredValue::of_bytes(&stamp.to_string().into(), most, None));
            }
            let entry = state.entries.get_mut(&self.key(key))?;
            if entry.expires_at.is_some_and(|at| at <= now) {
                return None;
            }
            if self.has(Flaw::RenewsWhatIsLookedAt) {
                entry.expires_at = Some(now + Duration::from_hours(1));
            }
            let time_left = entry.expires_at.map(|at| at - now);
            let time_left = time_left.filter(|_| !self.has(Flaw::SaysNotHowLong));
            Some(StoredValue::of_bytes(&entry.bytes, most, time_left))
        };
        let mut values: Vec<_> = keys.iter().map(look).collect();
        if self.has(Flaw::LooksInAnyOrder) {
            values.reverse();
        }
        Box::pin(async { Ok(values) })
    }

    fn probe(&self) -> StoreFuture<'_, ()> {
        if self.has(Flaw::ProbeRemovesStamps) {
            self.state().stamps.clear();
        }
        Box::pin(async { Ok(()) })
    }
}

/// A read that has not ended.
struct Reading<'a> {
    store: &'a FlawedStore,
    address: &'a Address,
    ended: bool,
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        let mut state = self.store.state();
        state.under_way.remove(self.address.entry());
        state.broken |= !self.ended && self.store.has(Flaw::DroppedReadBreaksTheStore);
    }
}

fn glob(pattern: &[u8], text: &[u8], question_mark: bool) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => (0..=text.len()).any(|skipped| glob(rest, &text[skipped..], question_mark)),
        ([b'?', rest @ ..], [_, text @ ..]) if question_mark => glob(rest, text, question_mark),
        ([one, rest @ ..], [other, text @ ..]) => one == other && glob(rest, text, question_mark),
        _ => false,
    }
}
