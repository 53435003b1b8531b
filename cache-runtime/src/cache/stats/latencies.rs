//! How long something takes: a histogram of a fixed size.

use std::{
    array,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use serde::Serialize;

use super::seconds;

/// Two buckets for each doubling, from 8 µs to 134 s; and one for what is below, one for what is above.
const BUCKETS: usize = 2 + 2 * (LAST_OCTAVE - FIRST_OCTAVE + 1) as usize;
const FIRST_OCTAVE: u32 = 3;
const LAST_OCTAVE: u32 = 26;

/// How long something took, each time: how often, how long altogether, and in between which bounds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Latencies {
    count: u64,
    #[serde(serialize_with = "seconds")]
    total: Duration,
    #[serde(skip)]
    buckets: Box<[u64; BUCKETS]>,
}

impl Latencies {
    /// How often it was measured, or is taken to have been.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// All of it added up.
    pub fn total(&self) -> Duration {
        self.total
    }

    /// What was measured since an earlier look at the same times.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let total = self.total.saturating_sub(earlier.total);
        self.joined(earlier, total, u64::saturating_sub)
    }

    /// These times and others.
    #[cfg(feature = "dashboard")]
    pub(crate) fn plus(&self, other: &Self) -> Self {
        self.joined(other, self.total + other.total, |these, those| these + those)
    }

    fn joined(&self, other: &Self, total: Duration, join: impl Fn(u64, u64) -> u64) -> Self {
        let buckets = Box::new(array::from_fn(|bucket| {
            join(self.buckets[bucket], other.buckets[bucket])
        }));
        Self {
            count: buckets.iter().sum(),
            total,
            buckets,
        }
    }

    /// The arithmetic mean; `None` if nothing was measured.
    pub fn mean(&self) -> Option<Duration> {
        (self.count > 0).then(|| self.total.div_f64(as_f64(self.count)))
    }

    /// What a share of the times do not exceed, from 0 to 1: the median is `quantile(0.5)`. Interpolated between two bounds, of which
    /// the upper one is at most half as much again as the lower one; above 134 seconds it says no more than that. `None` if nothing
    /// was measured.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        if self.count == 0 {
            return None;
        }
        let rank = share.clamp(0.0, 1.0) * as_f64(self.count);
        let mut below = 0.0;
        for (bucket, count) in self.buckets.iter().enumerate().filter(|(_, count)| **count > 0) {
            let count = as_f64(*count);
            if below + count >= rank {
                let (lower, upper) = (upper_bound(bucket.wrapping_sub(1)), upper_bound(bucket));
                let width = upper
                    .unwrap_or(lower.unwrap_or_default())
                    .saturating_sub(lower.unwrap_or_default());
                return Some(lower.unwrap_or_default() + width.mul_f64((rank - below) / count));
            }
            below += count;
        }
        None
    }

    /// The buckets, in order: the bound that everything counted in it is below, and how much is. The last one has no bound.
    pub fn buckets(&self) -> impl Iterator<Item = (Option<Duration>, u64)> + '_ {
        self.buckets
            .iter()
            .enumerate()
            .map(|(bucket, count)| (upper_bound(bucket), *count))
    }
}

/// Nothing was measured.
impl Default for Latencies {
    fn default() -> Self {
        Self {
            count: 0,
            total: Duration::ZERO,
            buckets: Box::new([0; BUCKETS]),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a count needs no more than 52 bits here")]
fn as_f64(count: u64) -> f64 {
    count as f64
}

/// The counters behind [`Latencies`].
#[derive(Debug)]
pub(crate) struct LatencyHistogram {
    count: AtomicU64,
    micros: AtomicU64,
    buckets: [AtomicU64; BUCKETS],
}

impl LatencyHistogram {
    /// Adds what was measured, as so many of its kind.
    pub(super) fn add(&self, took: Duration, weight: u64) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.buckets[bucket(micros)].fetch_add(weight, Ordering::Relaxed);
        self.micros.fetch_add(micros.saturating_mul(weight), Ordering::Relaxed);
        self.count.fetch_add(weight, Ordering::Relaxed);
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    pub(super) fn get(&self) -> Latencies {
        let buckets = Box::new(array::from_fn(|bucket| self.buckets[bucket].load(Ordering::Relaxed)));
        Latencies {
            // Of what is in the buckets, whatever else is being added.
            count: buckets.iter().sum(),
            total: Duration::from_micros(self.micros.load(Ordering::Relaxed)),
            buckets,
        }
    }
}

impl Default for LatencyHistogram {
    fn default() -> Self {
        Self {
            count: AtomicU64::new(0),
            micros: AtomicU64::new(0),
            buckets: array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

/// The bucket of so many microseconds.
fn bucket(micros: u64) -> usize {
    let octave = micros.max(1).ilog2();
    if octave < FIRST_OCTAVE {
        0
    } else if octave > LAST_OCTAVE {
        BUCKETS - 1
    } else {
        let upper_half = micros >> (octave - 1) & 1;
        1 + 2 * (octave - FIRST_OCTAVE) as usize + usize::from(upper_half == 1)
    }
}

/// What everything in a bucket is below; `None` for the last one, and where there is none.
fn upper_bound(bucket: usize) -> Option<Duration> {
    if bucket >= BUCKETS - 1 {
        return None;
    }
    let octave = FIRST_OCTAVE as usize + bucket / 2;
    // The bound of the first is the beginning of the first octave; then the middle and the end of each.
    let micros = if bucket.is_multiple_of(2) {
        1 << octave
    } else {
        3 << (octave - 1)
    };
    Some(Duration::from_micros(micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latencies(micros: impl IntoIterator<Item = u64>) -> Latencies {
        let histogram = LatencyHistogram::default();
        for micros in micros {
            histogram.add(Duration::from_micros(micros), 1);
        }
        histogram.get()
    }

    #[test]
    fn every_time_is_in_the_one_bucket_whose_bounds_it_lies_between() {
        for micros in (0..200_000).chain((20..40).flat_map(|bits| [(1 << bits) - 1, 1 << bits, 3 << (bits - 1)])) {
            let (bucket, took) = (bucket(micros), Duration::from_micros(micros));
            assert!(
                upper_bound(bucket).is_none_or(|upper| took < upper),
                "{micros} in {bucket}"
            );
            let lower = bucket.checked_sub(1).and_then(upper_bound);
            assert!(lower.is_none_or(|lower| lower <= took), "{micros} in {bucket}");
        }
        let bounds: Vec<_> = latencies([]).buckets().map_while(|(upper, _)| upper).collect();
        assert_eq!(bounds.len(), BUCKETS - 1);
        assert!(bounds.is_sorted());
        assert_eq!(bounds[0], Duration::from_micros(8));
        assert_eq!(bounds[BUCKETS - 2], Duration::from_micros(1 << 27));
    }

    #[test]
    fn quantiles_of_many_different_times_are_off_by_a_fifth_at_most() {
        let latencies = latencies(1..=100_000);
        for share in [0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99] {
            let (found, right) = (latencies.quantile(share).unwrap().as_secs_f64(), share * 0.1);
            assert!((found / right - 1.0).abs() < 0.2, "{share}: {found} for {right}");
        }
        assert_eq!(latencies.mean(), Some(Duration::from_nanos(50_000_500)));
    }

    #[test]
    fn of_a_while_only_what_was_measured_in_it_counts() {
        let histogram = LatencyHistogram::default();
        histogram.add(Duration::from_secs(1), 5);
        let earlier = histogram.get();
        histogram.add(Duration::from_millis(1), 3);
        let since = histogram.get().since(&earlier);
        assert_eq!((since.count(), since.total()), (3, Duration::from_millis(3)));
        assert!(since.quantile(1.0).unwrap() <= Duration::from_micros(1_024));
        assert_eq!(
            earlier.since(&histogram.get()),
            Latencies::default(),
            "never less than nothing"
        );
    }

    #[test]
    fn of_one_time_every_quantile_is_near_and_of_none_there_is_none() {
        let once = latencies([1_000]);
        assert!(once.quantile(0.0).unwrap() >= Duration::from_micros(768));
        assert!(once.quantile(1.0).unwrap() <= Duration::from_micros(1_024));
        assert_eq!((latencies([]).quantile(0.5), latencies([]).mean()), (None, None));
    }

    #[test]
    fn what_takes_for_ever_is_counted_and_is_as_long_as_can_be_told() {
        let latencies = latencies([u64::MAX, u64::MAX]);
        assert_eq!(latencies.count(), 2);
        assert_eq!(latencies.quantile(0.5), Some(Duration::from_micros(1 << 27)));
    }
}
