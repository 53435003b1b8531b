//! Counters that any number of threads add to.

use std::{
    cell::Cell,
    sync::{
        LazyLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use crate::entry::LoadTime;

/// One counter.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counts hits and adds up what they have spared, both by one addition to one word: it is on the way of every near hit.
#[derive(Debug, Default)]
pub(crate) struct HitCounter {
    /// Of the hits that are not in the totals yet: how many there are, below, and what they have spared, above.
    recent: AtomicU64,
    hits: AtomicU64,
    /// In microseconds.
    saved: AtomicU64,
}

/// The bits that recent hits are counted in. As many savings, of 32 bits each, fit into the others.
const COUNT_BITS: u32 = 16;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;

/// With so many recent hits each further one moves them into the totals. There is room for one more of each of as many threads.
const MANY: u64 = 1 << (COUNT_BITS - 1);

impl HitCounter {
    #[inline]
    pub(super) fn add(&self, spared: LoadTime) {
        let hit = u64::from(spared.micros()) << COUNT_BITS | 1;
        let before = self.recent.fetch_add(hit, Ordering::Relaxed);
        if before & COUNT_MASK >= MANY {
            self.settle();
        }
    }

    /// The hits, and what they have spared.
    pub(super) fn get(&self) -> (u64, Duration) {
        // Totals alone are looked at: they never go back, whoever else moves something into them meanwhile.
        self.settle();
        let saved = Duration::from_micros(self.saved.load(Ordering::Relaxed));
        (self.hits.load(Ordering::Relaxed), saved)
    }

    #[cold]
    fn settle(&self) {
        let recent = self.recent.swap(0, Ordering::Relaxed);
        self.hits.fetch_add(recent & COUNT_MASK, Ordering::Relaxed);
        self.saved.fetch_add(recent >> COUNT_BITS, Ordering::Relaxed);
    }
}

/// As a [`HitCounter`], of so many parts that threads at once do not write to the same cache line.
#[derive(Debug)]
pub(crate) struct SpreadHitCounter(Box<[Line<HitCounter>]>);

/// On cache lines of its own, of which processors fetch two at a time.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Line<T>(T);

/// More parts than this cost more memory than they save time.
const MOST_PARTS: usize = 64;

/// As many as threads run at once, rounded up to a power of two.
static PARTS: LazyLock<usize> = LazyLock::new(|| {
    let parallel = thread::available_parallelism().map_or(1, usize::from);
    parallel.next_power_of_two().min(MOST_PARTS)
});

thread_local! {
    /// The number of the thread, among those that have counted anything.
    static NUMBER: Cell<Option<usize>> = const { Cell::new(None) };
}

impl SpreadHitCounter {
    #[inline]
    pub(super) fn add(&self, spared: LoadTime) {
        let number = NUMBER.get().unwrap_or_else(next_number);
        // There is one at least, and their number is a power of two.
        self.0[number & (self.0.len() - 1)].0.add(spared);
    }

    /// The hits, and what they have spared.
    pub(super) fn get(&self) -> (u64, Duration) {
        let parts = self.0.iter().map(|Line(part)| part.get());
        parts.fold((0, Duration::ZERO), |(hits, saved), part| {
            (hits + part.0, saved + part.1)
        })
    }
}

impl Default for SpreadHitCounter {
    fn default() -> Self {
        Self((0..*PARTS).map(|_| Line::default()).collect())
    }
}

#[cold]
fn next_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    NUMBER.set(Some(number));
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_thousand_hits_of_the_longest_loads_are_counted_and_added_up() {
        let counter = HitCounter::default();
        for _ in 0..100_000 {
            counter.add(Duration::MAX.into());
        }
        let saved = Duration::from_micros(u32::MAX.into()) * 100_000;
        assert_eq!(counter.get(), (100_000, saved));
        assert_eq!(counter.get(), (100_000, saved), "looking changes nothing");
    }

    #[test]
    fn no_hit_of_any_thread_is_lost_and_no_total_goes_back() {
        let counter = HitCounter::default();
        thread::scope(|threads| {
            for _ in 0..4 {
                threads.spawn(|| (0..100_000).for_each(|_| counter.add(LoadTime::from_micros(3))));
            }
            threads.spawn(|| {
                let mut seen = (0, Duration::ZERO);
                while seen.0 < 400_000 {
                    let now = counter.get();
                    assert!(now >= seen, "{now:?} after {seen:?}");
                    seen = now;
                }
            });
        });
        assert_eq!(counter.get(), (400_000, Duration::from_millis(1200)));
    }

    #[test]
    fn hits_of_more_threads_than_there_are_parts_are_all_counted() {
        let counter = SpreadHitCounter::default();
        thread::scope(|threads| {
            for _ in 0..=2 * *PARTS {
                threads.spawn(|| (0..10_000).for_each(|_| counter.add(LoadTime::from_micros(3))));
            }
        });
        let hits = 10_000 * (2 * *PARTS as u64 + 1);
        assert_eq!(counter.get(), (hits, Duration::from_micros(3 * hits)));
    }
}
