//! The figures of one cache: a set of counters for each resource, found without a look at its name.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::{
    ResourceStats, Stats,
    counters::{Counter, HitCounter, SpreadHitCounter},
    latencies::LatencyHistogram,
};
use crate::{
    cache::{Filled, Invalidated, Outcome},
    entry::{EncodeError, EncodedValue, LoadTime, Rejection},
    key::BY_KEY,
    recorder::{Durations, Timed},
    resource::{Resource, declared},
    sync::Mutex,
};

/// So many lookups of a resource are measured, each; then one of [`SAMPLE`], chosen at random: the clock is dear, and in an order any
/// pattern of calls would be one of the sample.
const ALL_OF_FIRST: u64 = 100;
const SAMPLE: u8 = 8;

/// The figures of one cache.
#[derive(Debug)]
pub(crate) struct Figures {
    /// By the number of their resource. Made when they are needed: a program may have many resources, and a test many caches.
    resources: Box<[OnceLock<Box<ResourceFigures>>]>,
    pub(crate) invalidations: Counter,
    pub(crate) sweeps: Counter,
    pub(crate) failed_sweeps: Counter,
    pub(crate) swept: Counter,
    pub(crate) relayed_changes: Counter,
    /// By cause.
    rejections: [Counter; Rejection::ALL.len()],
    /// Of invalidations that were acknowledged, and of others.
    acknowledged: Durations,
    pending: Durations,
    /// Whoever looks: what one has taken out of a [`HitCounter`] the next one is to see.
    looking: Mutex<()>,
}

/// Where the figures of a resource are, in every cache.
#[derive(Debug)]
pub(crate) struct FigureSlot {
    resource: &'static str,
    /// 0 until it is looked for.
    number: AtomicU32,
}

impl FigureSlot {
    pub(crate) const fn new(resource: &'static str) -> Self {
        Self {
            resource,
            number: AtomicU32::new(0),
        }
    }
}

/// The names of the declared resources, each once and in order. The number of each is one more than its place; 0 is that of values by
/// key, and of what was not among them.
fn names() -> &'static [&'static str] {
    static NAMES: OnceLock<Box<[&'static str]>> = OnceLock::new();
    NAMES.get_or_init(|| {
        let mut names: Vec<_> = declared::resources().map(Resource::name).collect();
        names.sort_unstable();
        names.dedup();
        names.into()
    })
}

/// The name with this number.
fn name(number: usize) -> &'static str {
    match number {
        0 => BY_KEY,
        number => names()[number - 1],
    }
}

impl Figures {
    /// Those of a resource.
    #[inline]
    pub(crate) fn of(&self, slot: &FigureSlot) -> &ResourceFigures {
        let number = slot.number.load(Ordering::Relaxed) as usize;
        match self.resources.get(number).and_then(OnceLock::get) {
            Some(figures) if number > 0 => figures,
            _ => self.find(slot),
        }
    }

    #[cold]
    fn find(&self, slot: &FigureSlot) -> &ResourceFigures {
        let number = names().binary_search(&slot.resource).map_or(0, |place| place + 1);
        slot.number
            .store(u32::try_from(number).unwrap_or_default(), Ordering::Relaxed);
        self.numbered(number)
    }

    /// Those of values by key.
    pub(crate) fn by_key(&self) -> &ResourceFigures {
        self.numbered(0)
    }

    fn numbered(&self, number: usize) -> &ResourceFigures {
        self.resources[number].get_or_init(|| Box::new(ResourceFigures::new(name(number))))
    }

    /// For how long the store keeps entries of a resource, as far as this process has stored any.
    pub(in crate::cache) fn longest_kept(&self, resource: &str) -> Option<Duration> {
        let number = names().binary_search(&resource).ok()? + 1;
        let kept = self.resources[number].get()?.longest_kept.load(Ordering::Relaxed);
        (kept > 0).then(|| Duration::from_millis(kept))
    }

    /// An entry was refused.
    pub(in crate::cache) fn rejected(&self, cause: Rejection) {
        self.rejections[cause as usize].add(1);
    }

    /// How many entries were refused for this.
    #[cfg(feature = "metrics")]
    pub(in crate::cache) fn rejections(&self, cause: Rejection) -> u64 {
        self.rejections[cause as usize].get()
    }

    /// An invalidation that began then has come to this.
    pub(in crate::cache) fn invalidated(&self, began: Instant, invalidated: Invalidated) {
        self.invalidations.add(1);
        match invalidated {
            Invalidated::Acknowledged => self.acknowledged.since(began),
            Invalidated::Pending => self.pending.since(began),
        }
    }

    /// What was counted of each declared resource, in the order of their names; and of values by key, if there were any.
    pub(in crate::cache) fn of_each(&self) -> Vec<ResourceStats> {
        let _looking = self.looking.lock();
        let each = self.named().enumerate();
        each.filter_map(|(number, (name, figures))| match figures {
            Some(figures) => Some(figures.get(name)),
            None if number == 0 => None,
            None => Some(ResourceFigures::new(name).get(name)),
        })
        .collect()
    }

    /// The resources that something was counted of.
    #[cfg(feature = "metrics")]
    pub(in crate::cache) fn counted(&self) -> impl Iterator<Item = &'static str> {
        self.named().filter_map(|(name, figures)| figures.map(|_| name))
    }

    /// What was counted of all resources, and of none.
    pub(in crate::cache) fn of_all(&self) -> Stats {
        let _looking = self.looking.lock();
        let mut stats = Stats {
            invalidations: self.invalidations.get(),
            sweeps: self.sweeps.get(),
            failed_sweeps: self.failed_sweeps.get(),
            swept: self.swept.get(),
            relayed_changes: self.relayed_changes.get(),
            ..Stats::default()
        };
        for (name, figures) in self.named() {
            if let Some(figures) = figures {
                stats.add(&figures.get(name));
            }
        }
        stats
    }

    /// By their numbers; `None` of those that nothing was counted of.
    fn named(&self) -> impl Iterator<Item = (&'static str, Option<&ResourceFigures>)> {
        let figures = self.resources.iter().map(|figures| figures.get().map(Box::as_ref));
        figures.enumerate().map(|(number, figures)| (name(number), figures))
    }
}

impl Default for Figures {
    fn default() -> Self {
        Self {
            resources: (0..=names().len()).map(|_| OnceLock::new()).collect(),
            invalidations: Counter::default(),
            sweeps: Counter::default(),
            failed_sweeps: Counter::default(),
            swept: Counter::default(),
            relayed_changes: Counter::default(),
            rejections: Default::default(),
            acknowledged: Durations::new(Timed::Invalidation, Some(("result", "acknowledged"))),
            pending: Durations::new(Timed::Invalidation, Some(("result", "pending"))),
            looking: Mutex::default(),
        }
    }
}

macro_rules! resource_figures {
    ($($name:ident),+ $(,)?) => {
        /// The counters behind [`ResourceStats`].
        #[derive(Debug)]
        pub(crate) struct ResourceFigures {
            hits: HitCounter,
            near_hits: SpreadHitCounter,
            stale_hits: HitCounter,
            $(pub(crate) $name: Counter,)+
            bytes_read: Counter,
            bytes_filled: Counter,
            lookups: LatencyHistogram,
            timed_loads: LatencyHistogram,
            lookup_durations: Durations,
            load_durations: Durations,
            pub(in crate::cache) fill_durations: Durations,
            /// For how many milliseconds the store keeps one of its entries, of those that were stored at the most.
            longest_kept: AtomicU64,
        }

        impl ResourceFigures {
            fn new(resource: &'static str) -> Self {
                let durations = |timed| Durations::new(timed, Some(("resource", resource)));
                Self {
                    hits: HitCounter::default(),
                    near_hits: SpreadHitCounter::default(),
                    stale_hits: HitCounter::default(),
                    $($name: Counter::default(),)+
                    bytes_read: Counter::default(),
                    bytes_filled: Counter::default(),
                    lookups: LatencyHistogram::default(),
                    timed_loads: LatencyHistogram::default(),
                    lookup_durations: durations(Timed::Lookup),
                    load_durations: durations(Timed::Load),
                    fill_durations: durations(Timed::Fill),
                    longest_kept: AtomicU64::new(0),
                }
            }

            fn get(&self, resource: &'static str) -> ResourceStats {
                let [(hits, of_hits), (stale_hits, of_stale)] = [&self.hits, &self.stale_hits].map(HitCounter::get);
                let (near_hits, of_near) = self.near_hits.get();
                ResourceStats {
                    resource,
                    hits,
                    near_hits,
                    stale_hits,
                    $($name: self.$name.get(),)+
                    load_time_saved: of_hits + of_near + of_stale,
                    bytes_read: self.bytes_read.get(),
                    bytes_filled: self.bytes_filled.get(),
                    lookup_latency: self.lookups.get(),
                    load_latency: self.timed_loads.get(),
                }
            }
        }
    };
}

resource_figures! {
    misses, bypasses, rejected, refreshed, stale_detected, loads, failed_loads, shared_loads, queued_loads, taken_over_loads,
    refreshes, failed_refreshes, timed_out_loads, fills, failed_fills,
}

impl ResourceFigures {
    /// Counts a call; `spared` is what it has been spared, if it is a hit.
    pub(crate) fn count(&self, outcome: Outcome, spared: LoadTime) {
        match outcome {
            Outcome::Hit => self.hits.add(spared),
            Outcome::NearHit => self.near_hits.add(spared),
            Outcome::StaleHit => self.stale_hits.add(spared),
            Outcome::Miss => self.misses.add(1),
            Outcome::Bypass => self.bypasses.add(1),
            Outcome::Rejected => self.rejected.add(1),
            Outcome::Refreshed => self.refreshed.add(1),
        }
    }

    /// How many lookups the next one stands for; 0 if it is not to be measured.
    pub(crate) fn next_weight(&self) -> u8 {
        if self.lookups.count() < ALL_OF_FIRST {
            1
        } else if fastrand::u8(..SAMPLE) == 0 {
            SAMPLE
        } else {
            0
        }
    }

    /// A lookup took so long, which stands for as many.
    pub(crate) fn looked_up(&self, took: Duration, weight: u8) {
        self.lookups.add(took, weight.into());
        self.lookup_durations.add(took, weight);
    }

    /// An entry of so many bytes was read by a lookup that stands for as many.
    pub(crate) fn read(&self, bytes: usize, weight: u8) {
        self.bytes_read.add(bytes as u64 * u64::from(weight));
    }

    /// A body ran for so long.
    pub(crate) fn loaded(&self, took: Duration, has_failed: bool) {
        self.timed_loads.add(took, 1);
        self.load_durations.add(took, 1);
        if has_failed {
            self.failed_loads.add(1);
        }
    }

    /// What a value was encoded to. What cannot be stored is counted.
    pub(crate) fn noting(&self, encoded: Result<EncodedValue, EncodeError>) -> Result<EncodedValue, EncodeError> {
        if let Err(EncodeError::TooLarge | EncodeError::Changed) = encoded {
            self.failed_fills.add(1);
        }
        encoded
    }

    /// An entry was stored; `None` if it could not be.
    pub(in crate::cache) fn filled(&self, filled: Option<&Filled>) {
        match filled {
            Some(filled) => {
                self.fills.add(1);
                self.bytes_filled.add(filled.entry.len() as u64);
                let kept = u64::try_from(filled.kept.as_millis()).unwrap_or(u64::MAX);
                self.longest_kept.fetch_max(kept, Ordering::Relaxed);
            }
            None => self.failed_fills.add(1),
        }
    }
}
