//! The engine of a cache: what all clones of a handle share, and reads and fills as callers need them: within their deadlines,
//! never an error, and learned from.

use std::{
    borrow::Cow,
    fmt,
    pin::{Pin, pin},
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::try_join_all;
use tokio::time::Instant;

#[cfg(feature = "metrics")]
use super::publisher::{Publisher, PublisherState};
use super::{
    Settings,
    health::OptionalOperation,
    hot_keys::HotKeys,
    keeper::Keeper,
    observe::{CallRecord, Outcome},
    rejections::LoggedRejections,
    relay_notes::RelayNotes,
    removals::Removals,
    stats::{Figures, ResourceFigures, ResourceStats, Stats},
    sweeper::Sweeper,
    tenant::{Tenants, tenant_or_default},
    upstream::Upstream,
};
use crate::{
    entry::{EncodedValue, EntryTag, FoundTags, Identity, LoadTime, Meta, Rejection, Stamp, Ticket},
    invalidation::{Journal, Repeats},
    key::{Address, Namespace, recent::RecentCalls},
    loads::{Flights, LoadLimiter},
    near::{Near, NearWatch},
    protocol::{self, EntryQuery, Reading},
    recorder::Timer,
    store::{Store, StoreError},
    task::{DetachedTasks, carries_anything},
};

/// So many are looked at once: each takes no more than a timer and a read of stamps.
const MAX_SUSPICIONS: u32 = 64;

/// One for each resource that is warmed.
const MAX_SAVERS: u32 = 1024;

/// One for each database.
const MAX_RELAYS: u32 = 16;

/// So many entries are read or stored together at most: each such piece has a deadline of its own.
const TOGETHER: usize = 256;

/// What all clones of a cache share.
pub(crate) struct Engine {
    pub(crate) settings: Settings,
    pub(crate) namespace: Namespace,
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) removals: Arc<Removals>,
    pub(super) keeper: Arc<Keeper>,
    pub(super) sweeper: Sweeper,
    pub(crate) flights: Arc<Flights>,
    pub(crate) limiter: LoadLimiter,
    pub(crate) near: Arc<Near>,
    pub(super) near_watch: NearWatch,
    pub(crate) recent: RecentCalls,
    pub(super) tenants: Tenants,
    pub(crate) figures: Arc<Figures>,
    rejections: LoggedRejections,
    pub(crate) leases: OptionalOperation,
    pub(crate) refreshes: DetachedTasks,
    /// Hits that were not what is loaded, and may have been invalidated since.
    pub(crate) suspicions: DetachedTasks,
    pub(crate) hot_keys: HotKeys,
    /// Who saves them from time to time.
    pub(super) savers: DetachedTasks,
    /// Who follows databases.
    pub(crate) relays: DetachedTasks,
    pub(crate) relay_notes: Arc<RelayNotes>,
    #[cfg(feature = "metrics")]
    pub(super) publisher: Arc<Publisher>,
    /// Whether the log says which store is used, and why.
    pub(super) introduced: AtomicBool,
}

/// What is to be stored of a result.
#[derive(Clone, Copy)]
pub(crate) struct Fill<'a> {
    pub(crate) ticket: &'a Ticket,
    pub(crate) meta: Meta,
    pub(crate) value: &'a EncodedValue,
    /// Those that the load has found.
    pub(crate) tags: &'a FoundTags,
}

/// The address of an entry with its tags, and the stamps of these.
type TaggedStamps = (Arc<Address>, Vec<Stamp>);

/// What an entry was stored under beside the stamps of its ticket.
pub(crate) struct Filled {
    /// `None` if the load has found no tags.
    pub(crate) tagged: Option<TaggedStamps>,
    /// The entry itself.
    pub(crate) entry: Bytes,
    /// How long the store keeps it.
    pub(crate) kept: Duration,
}

impl Engine {
    pub(super) fn new(store: Option<Arc<dyn Store>>, settings: Settings) -> Self {
        let namespace = Namespace::of_store(store.as_ref().and_then(|store| store.namespace()));
        let upstream = Arc::new(Upstream::new(store, &settings));
        let figures: Arc<Figures> = Arc::default();
        let relay_notes: Arc<RelayNotes> = Arc::default();
        let flights = Arc::new(Flights::with_max_waiters(settings.max_waiters));
        let near = Arc::new(Near::new(settings.near_capacity, settings.near_max_staleness));
        let removals = Arc::new(Removals {
            journal: Journal::new(settings.journal_limit),
            repeats: Repeats::new(settings.repeat_after, settings.journal_limit),
            near: Arc::clone(&near),
            flights: Arc::clone(&flights),
        });
        Self {
            keeper: Arc::new(Keeper::new(&upstream, &removals, &namespace, settings.on_failover)),
            sweeper: Sweeper::new(&upstream, &figures, &namespace),
            limiter: LoadLimiter::new(settings.max_loads, settings.load_backstop),
            near_watch: NearWatch::default(),
            recent: RecentCalls::default(),
            tenants: Tenants::default(),
            rejections: LoggedRejections::default(),
            leases: OptionalOperation::default(),
            refreshes: DetachedTasks::new(settings.max_refreshes),
            suspicions: DetachedTasks::new(MAX_SUSPICIONS),
            hot_keys: HotKeys::default(),
            savers: DetachedTasks::new(MAX_SAVERS),
            relays: DetachedTasks::new(MAX_RELAYS),
            #[cfg(feature = "metrics")]
            publisher: Arc::new(Publisher {
                figures: Arc::clone(&figures),
                near: Arc::clone(&near),
                upstream: Arc::clone(&upstream),
                removals: Arc::clone(&removals),
                flights: Arc::clone(&flights),
                relay_notes: Arc::clone(&relay_notes),
                state: PublisherState::default(),
            }),
            relay_notes,
            introduced: AtomicBool::new(false),
            settings,
            namespace,
            upstream,
            removals,
            flights,
            near,
            figures,
        }
    }

    /// The store, unless the cache is disabled or was closed.
    pub(crate) fn store(&self) -> Option<&Arc<dyn Store>> {
        self.upstream.store()
    }

    /// Whether the store can be asked now.
    pub(crate) fn may_read(&self) -> bool {
        self.trusted_store().is_some()
    }

    /// Whether the store was reached, the breaker is closed, and the store has everything that was acknowledged.
    pub(super) fn is_available(&self) -> bool {
        let store = self.upstream.store_even_if_closed();
        store.is_some_and(|store| self.upstream.health.is_trusted() && self.keeper.is_replayed(store.generation()))
    }

    /// Has what is counted published, if there is somebody to publish it to.
    #[cfg_attr(
        not(feature = "metrics"),
        expect(clippy::unused_self, reason = "nothing is published then")
    )]
    pub(crate) fn ensure_published(&self) {
        #[cfg(feature = "metrics")]
        self.publisher.ensure();
    }

    fn trusted_store(&self) -> Option<&Arc<dyn Store>> {
        self.keeper.ensure();
        self.ensure_published();
        if !self.upstream.health.is_trusted() {
            self.keeper.ensure_alive();
            return None;
        }
        self.store()
    }

    /// Has the store report changes of stamps, if it can.
    pub(crate) fn ensure_watch(&self) {
        if self.near_watch.is_running() {
            return;
        }
        if let (Some(store), Ok(runtime)) = (self.store(), self.upstream.runtime()) {
            self.near_watch.start(&self.near, store, &runtime);
        }
    }

    /// Asks the store for an entry. `None` if it is not to be asked now, or does not answer in time.
    ///
    /// `tagged` is the address with the tags that the entry is likely to have, if that is known.
    pub(crate) async fn read(
        &self,
        address: &Arc<Address>,
        tagged: Option<&Arc<Address>>,
        identity: &Identity,
    ) -> Option<Reading> {
        let store = self.store_for(address)?;
        let sealing = &self.settings.sealing;
        let reading = pin!(protocol::read_sealed(&**store, address, tagged, identity, sealing));
        let reading = self.current(&**store, reading).await?;
        self.note_rejected(address, &reading);
        Some(reading)
    }

    /// As [`read`](Self::read), of several entries: in one round trip for each [`TOGETHER`] of them.
    pub(crate) async fn read_many(&self, entries: &[EntryQuery<'_>]) -> Vec<Option<Reading>> {
        let mut readings = Vec::with_capacity(entries.len());
        for entries in entries.chunks(TOGETHER) {
            self.read_together(entries, &mut readings).await;
        }
        readings
    }

    async fn read_together(&self, entries: &[EntryQuery<'_>], readings: &mut Vec<Option<Reading>>) {
        let readable: Vec<bool> = entries
            .iter()
            .map(|entry| !self.removals.block(entry.address))
            .collect();
        let asked = entries.iter().zip(&readable).filter(|(_, is_readable)| **is_readable);
        let asked: Vec<_> = asked.map(|(entry, _)| *entry).collect();
        let read = match self.trusted_store() {
            Some(store) => {
                let reading = pin!(protocol::read_many_sealed(&**store, &asked, &self.settings.sealing));
                self.current(&**store, reading).await
            }
            None => None,
        };
        let mut read = read.unwrap_or_default().into_iter();
        readings.extend(entries.iter().zip(readable).map(|(entry, is_readable)| {
            let reading = if is_readable { read.next() } else { None }?;
            self.note_rejected(entry.address, &reading);
            Some(reading)
        }));
    }

    fn note_rejected(&self, address: &Address, reading: &Reading) {
        if let Reading::Miss {
            rejected: Some(cause), ..
        } = reading
        {
            self.note_rejection(address, *cause);
        }
    }

    /// The right to replace whatever stands at an address ([`protocol::ticket`]). `None` as for [`read`](Self::read).
    pub(crate) async fn ticket(&self, address: &Arc<Address>) -> Option<Option<Ticket>> {
        let store = self.store_for(address)?;
        self.current(&**store, pin!(protocol::ticket(&**store, address))).await
    }

    /// Asks the store for the stamps of an address alone. `None` as for [`read`](Self::read).
    pub(crate) async fn read_stamps(&self, address: &Arc<Address>) -> Option<Vec<Option<Stamp>>> {
        let store = self.store_for(address)?;
        self.current(&**store, pin!(store.read_stamps(address))).await
    }

    /// The store, if what depends on these stamps may be read from it now.
    fn store_for(&self, address: &Address) -> Option<&Arc<dyn Store>> {
        let store = self.trusted_store()?;
        (!self.removals.block(address)).then_some(store)
    }

    /// What was read, if it is current: of a store that has everything that was acknowledged. What reads is pinned where it is
    /// made: passed by value it would stand in the call's future three times.
    #[expect(
        clippy::manual_async_fn,
        reason = "an async function would have room for what it is given twice, in every call"
    )]
    fn current<'a, T>(
        &'a self,
        store: &'a dyn Store,
        reading: Pin<&'a mut impl Future<Output = Result<T, StoreError>>>,
    ) -> impl Future<Output = Option<T>> {
        async move {
            let generation = store.generation();
            // Looked at before the read: one that is sent before the replay can be answered before it, and be looked at after it.
            let replayed = self.keeper.is_replayed(generation);
            let read = self.upstream.read(reading).await.ok()?;
            // Looked at after the answer: a new connection is counted before anything can be read on it.
            if !replayed || store.generation() != generation {
                self.keeper.wake();
                return None;
            }
            Some(read)
        }
    }

    /// Says once for each cause that an entry was refused.
    pub(crate) fn note_rejection(&self, address: &Address, cause: Rejection) {
        self.figures.rejected(cause);
        if self.rejections.is_first(cause) {
            tracing::warn!(
                key = address.entry(),
                cause = cause.as_str(),
                "an entry was refused and will be replaced; further ones with this cause are only counted"
            );
        }
    }

    /// Stores what a load returned. Returns what it was stored under, if it was.
    pub(crate) async fn fill(
        &self,
        figures: &ResourceFigures,
        ticket: &Ticket,
        meta: Meta,
        value: &EncodedValue,
    ) -> Option<Filled> {
        let store = self.store()?;
        let fill = Fill {
            ticket,
            meta,
            value,
            tags: &FoundTags::new(),
        };
        let Some(entry) = self.seal(&fill, None) else {
            figures.filled(None);
            return None;
        };
        let timer = Timer::start();
        let filled = self.upstream.fill(store.fill(ticket, entry.clone(), meta.kept())).await;
        timer.stop(&figures.fill_durations);
        let filled = filled.is_ok().then_some(Filled {
            tagged: None,
            entry,
            kept: meta.kept(),
        });
        figures.filled(filled.as_ref());
        filled
    }

    /// As [`fill`](Self::fill), of several results, and as [`fill_tagged`](Self::fill_tagged) of those with tags: in one round trip for
    /// each [`TOGETHER`] of them, after those for the tags. Returns of each what it was stored under, if it was.
    pub(crate) async fn fill_many(&self, figures: &ResourceFigures, fills: &[Fill<'_>]) -> Vec<Option<Filled>> {
        let mut filled = Vec::with_capacity(fills.len());
        let Some(store) = self.store() else {
            filled.resize_with(fills.len(), || None);
            return filled;
        };
        for fills in fills.chunks(TOGETHER) {
            let timer = Timer::start();
            let filling = self.upstream.fill(self.fill_together(&**store, fills)).await;
            timer.stop(&figures.fill_durations);
            let filling = filling.unwrap_or_else(|_| fills.iter().map(|_| None).collect());
            for filled in &filling {
                figures.filled(filled.as_ref());
            }
            filled.extend(filling);
        }
        filled
    }

    async fn fill_together(&self, store: &dyn Store, fills: &[Fill<'_>]) -> Result<Vec<Option<Filled>>, StoreError> {
        let with_tags = fills.iter().filter(|fill| !fill.tags.is_empty());
        let stamps = with_tags.map(|fill| protocol::stamps_of_tags(store, fill.ticket, fill.tags));
        let mut tagged = try_join_all(stamps).await?.into_iter();
        let mut filled = Vec::with_capacity(fills.len());
        let mut entries = Vec::with_capacity(fills.len());
        for fill in fills {
            let under = if fill.tags.is_empty() {
                None
            } else {
                tagged.next().flatten()
            };
            let entry = self.seal(fill, under.as_ref());
            let kept = fill.meta.kept();
            entries.extend(entry.clone().map(|entry| (fill.ticket, entry, kept)));
            filled.push(entry.map(|entry| Filled {
                tagged: under,
                entry,
                kept,
            }));
        }
        if !entries.is_empty() {
            store.fill_many(&entries).await?;
        }
        Ok(filled)
    }

    /// An entry, unless it is not to be stored: it is too large, or the stamps of its tags are not had.
    fn seal(&self, fill: &Fill<'_>, tagged: Option<&TaggedStamps>) -> Option<Bytes> {
        let Fill {
            ticket,
            meta,
            value,
            tags,
        } = *fill;
        if !self.is_storable(meta, value) {
            return None;
        }
        let (sealing, entry) = (&self.settings.sealing, ticket.address().entry());
        if tags.is_empty() {
            return sealing.seal(meta, entry, ticket.stamps(), value);
        }
        let (_, stamps) = tagged?;
        let named = tags.iter().zip(stamps).map(|((kind, value), stamp)| EntryTag {
            kind,
            value,
            stamp: *stamp,
        });
        let named: Vec<_> = named.collect();
        sealing.seal_tagged(meta, entry, ticket.stamps(), &named, value)
    }

    fn is_storable(&self, meta: Meta, value: &EncodedValue) -> bool {
        value.len() <= self.settings.sealing.max_value_size && !meta.ttl.is_zero()
    }

    /// As [`fill`](Self::fill), of a load that has found these tags. Returns what it was stored under, if it was: not if one of the tags
    /// was invalidated since the load began.
    pub(crate) async fn fill_tagged(&self, figures: &ResourceFigures, fill: &Fill<'_>) -> Option<Filled> {
        let store = self.store()?;
        let filling = async {
            let tagged = protocol::stamps_of_tags(&**store, fill.ticket, fill.tags).await?;
            let Some(entry) = self.seal(fill, tagged.as_ref()) else {
                return Ok(None);
            };
            let kept = fill.meta.kept();
            store.fill(fill.ticket, entry.clone(), kept).await?;
            Ok(Some(Filled { tagged, entry, kept }))
        };
        let filled = if self.is_storable(fill.meta, fill.value) {
            let timer = Timer::start();
            let filled = self.upstream.fill(filling).await.ok().flatten();
            timer.stop(&figures.fill_durations);
            filled
        } else {
            None
        };
        figures.filled(filled.as_ref());
        filled
    }

    /// A call names this tenant (escaped).
    pub(crate) fn note_tenant(&self, tenant: &str) {
        if self.tenants.note(tenant) {
            // What is known of a call is not looked at again: those without a tenant are to be found when they are made again.
            self.recent.clear();
        }
    }

    /// Whether a call has named another tenant than the default one.
    pub(crate) fn has_named_tenants(&self) -> bool {
        self.tenants.has_named()
    }

    /// `what` names no tenant. With several tenants that is likely to be a mistake.
    pub(crate) fn note_missing_tenant(&self, what: &str) {
        self.tenants.note_missing(what);
    }

    /// The task's tenant, escaped, else the default one; `None` where a tenant is required. `what` needs it.
    pub(crate) fn tenant_of_task(&self, what: &str) -> Option<Cow<'static, str>> {
        let tenant = tenant_or_default(&self.settings)?;
        match &tenant {
            Cow::Owned(tenant) => self.note_tenant(tenant),
            Cow::Borrowed(_) => self.note_missing_tenant(what),
        }
        Some(tenant)
    }

    /// Waits until everything that waits for an acknowledgement has it.
    pub(crate) async fn until_sent(&self) {
        self.keeper.until_sent().await;
    }

    pub(super) fn stats(&self) -> Stats {
        Stats {
            near_entries: self.near.len() as u64,
            near_bytes: self.near.weight(),
            near_evictions: self.near.evictions(),
            breaker_openings: self.upstream.health.openings(),
            pending_invalidations: self.removals.journal.len() as u64,
            relay_lag: self.relay_notes.longest_lag(),
            ..self.figures.of_all()
        }
    }

    pub(super) fn resource_stats(&self) -> Vec<ResourceStats> {
        self.figures.of_each()
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("upstream", &self.upstream)
            .finish_non_exhaustive()
    }
}

/// Whether anybody may be there to whom [`report`] tells what becomes of a call.
#[inline]
pub(crate) fn is_noticed() -> bool {
    carries_anything() || tracing::level_enabled!(tracing::Level::DEBUG)
}

/// As [`report`], of a call that has not asked the store. Returns its record, if somebody observes it.
#[inline(never)]
pub(crate) fn report_unasked(
    figures: Option<&ResourceFigures>,
    resource: &'static str,
    outcome: Outcome,
    spared: LoadTime,
) -> Option<CallRecord> {
    if let Some(figures) = figures {
        figures.count(outcome, spared);
    }
    let record = CallRecord::begin(resource);
    report(resource, None, outcome, None, record.as_ref());
    record
}

/// Tells what became of a call to who observes it, and to who listens; `started` is when the store was asked.
pub(crate) fn report(
    resource: &'static str,
    tenant: Option<&str>,
    outcome: Outcome,
    started: Option<Instant>,
    record: Option<&CallRecord>,
) {
    if let Some(record) = record {
        record.note(outcome);
    }
    tracing::debug!(
        resource,
        tenant,
        outcome = outcome.as_str(),
        elapsed = started.map(|started| tracing::field::debug(started.elapsed())),
        "cache read"
    );
}
