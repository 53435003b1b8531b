//! The near cache: decoded values in this process, each with the stamps that it was loaded under.
//!
//! With `near = "checked"` the stamps are asked from the store on every call. With `near = "tracked"` the store reports the
//! changes of stamps ([`Store::watch_stamps`](crate::store::Store::watch_stamps)), and a value is used without asking for
//! as long as none has been reported and the watch is alive; while it is not, such a call is a checked one.
//!
//! All threads share one table, and each has what it was answered with last in [places of its own](front).

mod at_hand;
mod coarse;
mod evictions;
mod front;
mod held;
#[cfg(feature = "metrics")]
mod lags;
mod lookup;
mod marks;
#[cfg(test)]
mod tests;
pub(crate) mod tier;
mod watch;

use std::{
    any::Any,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use quick_cache::{DefaultHashBuilder, Weighter, sync::Cache};
use smallvec::SmallVec;
use tokio::time::Instant;

#[cfg(feature = "metrics")]
use self::lags::InvalidationLags;
use self::{
    coarse::{CoarseInstant, tests_may_stop_the_clock},
    evictions::Evictions,
    front::Offer,
    marks::{Freshness, Mark, Marks, StampTable},
};
pub(crate) use self::{
    held::Held,
    lookup::{Kept, NearAnswer, NearLookup, Origin},
    watch::NearWatch,
};
pub use self::{
    lookup::Coherence,
    tier::{NearToo, SharedOnly},
};
use crate::{
    entry::{LoadTime, Revision, Stamp},
    key::{CallForm, CallKey, StampKey},
    store::{Coherent, StampWatcher},
};

/// What a value takes beside its encoded form and its key, roughly: the slot, the stamps, their marks, the reference counts.
const OVERHEAD: usize = 200;

/// The part of the capacity that each thread may keep beside it.
const FRONT_SHARE: u64 = 8;

/// The number of the next one.
static NEXT_ID: AtomicU64 = AtomicU64::new(0);

/// Until when values may be used without asking, in nanoseconds since the near cache was made.
const NEVER: u64 = 0;
const ALWAYS: u64 = u64::MAX;

/// The near cache of one cache.
pub(crate) struct Near {
    /// Tells it from others of this process.
    id: u64,
    values: Cache<CallKey, Arc<NearEntry>, ByWeight, DefaultHashBuilder, Evictions>,
    evictions: Evictions,
    stamps: StampTable,
    #[cfg(feature = "metrics")]
    lags: InvalidationLags,
    made: Instant,
    coherent_until: AtomicU64,
    /// How long values are used after the store was asked last whether all changes have been reported.
    max_staleness: Duration,
    /// The bytes that each thread may keep beside this.
    front_room: u64,
}

/// A decoded value, and what makes it valid: all in one allocation.
pub struct NearEntry<V: ?Sized = dyn Any + Send + Sync> {
    validity: Validity,
    value: V,
}

impl<V> NearEntry<V> {
    pub(crate) fn new(value: V, validity: Validity) -> Self {
        Self { validity, value }
    }
}

impl NearEntry {
    pub(crate) fn value(&self) -> &(dyn Any + Send + Sync) {
        &self.value
    }

    /// For how long the value is used yet.
    pub(crate) fn remaining(&self, near: &Near) -> Duration {
        Duration::from_nanos(self.validity.expires_at.time().saturating_sub(near.now()))
    }

    /// How long the value took to load.
    pub(crate) fn load_time(&self) -> LoadTime {
        self.validity.load_time
    }

    /// Which one of the entries of its key the value is of.
    pub(crate) fn revision(&self) -> Revision {
        self.validity.revision
    }
}

/// What makes a kept value valid.
pub struct Validity {
    /// The stamps that it was loaded under.
    stamps: MarkedStamps,
    expires_at: Expiry,
    /// The bytes that the value takes, roughly.
    weight: u32,
    /// How long it took to load.
    load_time: LoadTime,
    /// Which one of the entries of its key it is of.
    revision: Revision,
}

/// When the time of a value is over, and whether the table that all threads share has let go of it: then it answers nobody, though a
/// thread may have it still. In one number, because there are many: nanoseconds since the near cache was made, of which the last bit is
/// not the time's.
struct Expiry(AtomicU64);

impl Expiry {
    const IS_GONE: u64 = 1;

    fn at(time: u64) -> Self {
        Self(AtomicU64::new(time & !Self::IS_GONE))
    }

    fn time(&self) -> u64 {
        self.0.load(Ordering::SeqCst) & !Self::IS_GONE
    }

    fn let_go(&self) {
        self.0.fetch_or(Self::IS_GONE, Ordering::SeqCst);
    }

    fn is_gone(&self) -> bool {
        self.0.load(Ordering::SeqCst) & Self::IS_GONE != 0
    }
}

/// Those of most values lie in the entry itself.
type MarkedStamps = SmallVec<[MarkedStamp; 2]>;

/// A stamp that a value was loaded under.
#[derive(Debug, Clone)]
struct MarkedStamp {
    stamp: Stamp,
    /// `None` if no changes were reported when it was read.
    mark: Option<Arc<Mark>>,
}

impl Validity {
    /// The stamps, each with its mark: the first `marked` of them, as far as there are marks.
    fn marked(stamps: &mut dyn Iterator<Item = Stamp>, marks: &Marks, marked: usize) -> MarkedStamps {
        let marks = marks.iter().take(marked).cloned().map(Some);
        let marks = marks.chain(std::iter::repeat(None));
        stamps
            .zip(marks)
            .map(|(stamp, mark)| MarkedStamp { stamp, mark })
            .collect()
    }

    fn stamps(&self) -> impl Iterator<Item = Stamp> {
        self.stamps.iter().map(|kept| kept.stamp)
    }

    fn marks(&self) -> impl Iterator<Item = Option<&Arc<Mark>>> {
        self.stamps.iter().map(|kept| kept.mark.as_ref())
    }
}

#[derive(Debug, Clone)]
struct ByWeight;

impl Weighter<CallKey, Arc<NearEntry>> for ByWeight {
    fn weight(&self, _key: &CallKey, kept: &Arc<NearEntry>) -> u64 {
        kept.validity.weight.into()
    }
}

impl fmt::Debug for NearEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NearEntry")
            .field("stamps", &self.validity.stamps)
            .field("weight", &self.validity.weight)
            .finish_non_exhaustive()
    }
}

impl Near {
    /// At most `capacity` bytes of values.
    pub(crate) fn new(capacity: u64, max_staleness: Duration) -> Self {
        // A typical value is about a kilobyte; the estimate only sizes the first allocation.
        let estimated_items = usize::try_from(capacity / 1024).unwrap_or(usize::MAX).clamp(64, 1024);
        let (hasher, evictions) = (DefaultHashBuilder::default(), Evictions::default());
        Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            values: Cache::with(estimated_items, capacity, ByWeight, hasher, evictions.clone()),
            evictions,
            stamps: StampTable::default(),
            #[cfg(feature = "metrics")]
            lags: InvalidationLags::default(),
            made: Instant::now(),
            coherent_until: AtomicU64::new(NEVER),
            max_staleness,
            front_room: capacity / FRONT_SHARE,
        }
    }

    /// What `answer` makes of the value that the thread keeps of the call of the form which `write` writes, as long as it says, if it may
    /// be used without asking the store.
    #[inline]
    pub(crate) fn write_and_find_at_hand<R>(
        &self,
        write: impl FnOnce(&mut [u8]) -> Option<usize>,
        answer: impl FnOnce(&Arc<NearEntry>) -> R,
    ) -> Option<R> {
        at_hand::write_and_find(self.id, write, |kept| self.is_valid_at_hand(kept), answer)
    }

    /// The value that the thread keeps of the call of this form, if it may be used without asking the store.
    pub(crate) fn find_at_hand(&self, form: CallForm<'_>) -> Option<Arc<NearEntry>> {
        at_hand::find(self.id, form, |kept| self.is_valid_at_hand(kept), Arc::clone)
    }

    /// Whether a value may be used without asking the store, if its time is not over.
    #[inline]
    fn is_valid_at_hand(&self, kept: &NearEntry) -> bool {
        !kept.validity.expires_at.is_gone()
            && self.stamps.known_of(kept.validity.marks()) == Freshness::Unchanged
            && (!tests_may_stop_the_clock() || self.is_in_time(kept))
    }

    /// Whether a value may be used without asking the store, by the precise clock alone.
    fn is_in_time(&self, kept: &NearEntry) -> bool {
        let now = self.now();
        now < kept.validity.expires_at.time() && self.is_coherent(now)
    }

    /// Lets the thread keep a value that was unchanged just now.
    fn offer(&self, form: CallForm<'_>, kept: &Arc<NearEntry>) {
        // What is reported after this look is seen in the marks; that nothing may have been reported since then, by the time.
        // The coarse clock is read first: by the precise one, no more time is left after that.
        let coarse_now = CoarseInstant::now();
        let coherent_until = self.coherent_until.load(Ordering::SeqCst);
        let until = coherent_until.min(kept.validity.expires_at.time());
        let left = Duration::from_nanos(until.saturating_sub(self.now()));
        at_hand::offer(&Offer {
            near: self.id,
            form,
            entry: kept,
            weight: kept.validity.weight.into(),
            until: coarse_now.after(left),
            room: self.front_room,
        });
    }

    /// The value of the call of this form, unless its time is over.
    fn get(&self, form: CallForm<'_>, now: u64) -> Option<Arc<NearEntry>> {
        let kept = self.values.get(&form)?;
        if kept.validity.expires_at.time() > now {
            return Some(kept);
        }
        self.forget(form, &kept);
        None
    }

    fn forget(&self, form: CallForm<'_>, kept: &Arc<NearEntry>) {
        kept.validity.expires_at.let_go();
        self.values.remove_if(&form, |current| Arc::ptr_eq(current, kept));
    }

    /// Keeps a value, unless one of its stamps has changed since its marks were taken.
    fn keep(&self, key: CallKey, kept: Arc<NearEntry>) {
        if self.stamps.known_of(kept.validity.marks()) != Freshness::Changed {
            self.values.insert(key, kept);
        }
    }

    /// The time in nanoseconds since this near cache was made.
    fn now(&self) -> u64 {
        self.time(Instant::now())
    }

    fn time(&self, moment: Instant) -> u64 {
        nanos(moment.saturating_duration_since(self.made))
    }

    /// Whether changes are reported now.
    pub(crate) fn is_coherent(&self, now: u64) -> bool {
        // Never is before any time, and always after.
        now < self.coherent_until.load(Ordering::SeqCst)
    }

    /// What is known of a value without asking the store.
    fn known(&self, kept: &NearEntry, now: u64) -> Freshness {
        // Before the look at the marks: if the session ends in between, they show it.
        let coherent = self.is_coherent(now);
        match self.stamps.known_of(kept.validity.marks()) {
            Freshness::Unchanged if !coherent => Freshness::Unsure,
            known => known,
        }
    }

    /// Takes the marks of these stamps; to be called before they are read.
    fn marks(&self, stamps: &[StampKey]) -> Marks {
        if self.is_coherent(self.now()) {
            self.stamps.take(stamps)
        } else {
            Marks::default()
        }
    }

    /// This process invalidates: none of its calls uses what depends on these stamps any more.
    pub(crate) fn void(&self, stamps: &[StampKey]) {
        for stamp in stamps {
            let depended_on = self.stamps.void(stamp);
            self.removing(stamp, depended_on);
        }
    }

    #[cfg(feature = "metrics")]
    fn removing(&self, stamp: &StampKey, depended_on: bool) {
        if depended_on {
            self.lags.begin(stamp);
        }
    }

    #[cfg(not(feature = "metrics"))]
    #[expect(clippy::unused_self, reason = "there is nobody to tell")]
    fn removing(&self, _stamp: &StampKey, _depended_on: bool) {}

    /// The store has acknowledged the removal of these stamps.
    pub(crate) fn acknowledged(&self, stamps: &[StampKey]) {
        #[cfg(feature = "metrics")]
        self.lags.acknowledged(stamps);
        #[cfg(not(feature = "metrics"))]
        let _ = (self, stamps);
    }

    /// The watch has ended: from here on every value has to be checked.
    fn end_watch(&self) {
        self.coherent_until.store(NEVER, Ordering::SeqCst);
        self.begin_session();
    }

    /// How many values are kept.
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// How many bytes they take, roughly.
    pub(crate) fn weight(&self) -> u64 {
        self.values.weight()
    }

    /// How many bytes they may take.
    #[cfg(feature = "metrics")]
    pub(crate) fn capacity(&self) -> u64 {
        self.values.capacity()
    }

    /// Whether changes are reported now.
    pub(crate) fn is_watching(&self) -> bool {
        self.is_coherent(self.now())
    }

    /// How many there has been no room for any more.
    pub(crate) fn evictions(&self) -> u64 {
        self.evictions.count()
    }

    /// Changes may have gone unreported: a new session begins.
    fn begin_session(&self) {
        self.stamps.begin_session();
        #[cfg(feature = "metrics")]
        self.lags.end_session();
    }
}

/// At most 584 years.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl StampWatcher for Near {
    fn began(&self) {
        self.begin_session();
    }

    fn coherent(&self, coherent: Coherent) {
        let until = match coherent {
            Coherent::Always => ALWAYS,
            Coherent::AsOf(moment) => self.time(moment).saturating_add(nanos(self.max_staleness)),
        };
        self.coherent_until.store(until, Ordering::SeqCst);
    }

    fn changed(&self, stamp: &str) {
        self.stamps.changed(stamp);
        #[cfg(feature = "metrics")]
        self.lags.reported(stamp);
    }

    fn all_changed(&self) {
        self.begin_session();
    }
}

impl fmt::Debug for Near {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Near")
            .field("values", &self.values.len())
            .field("weight", &self.values.weight())
            .field("coherent", &self.is_coherent(self.now()))
            .finish_non_exhaustive()
    }
}
