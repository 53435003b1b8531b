use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use cache_testkit::oracle::Reach;

/// The version that a read must not go below, for each thing that there is.
///
/// The rule is that of `cache_testkit::oracle`, applied as calls are made: an oracle keeps every call, and there are too many
/// here. A mutation obliges the cache that it went through from its end on, and if everybody has acknowledged it, the others
/// too: at once, or where they live on reports of changes, after their staleness bound.
pub(super) struct Floors(Vec<Mutex<Floor>>);

#[derive(Default)]
struct Floor {
    /// What each cache is obliged to by what it has invalidated itself.
    own: Vec<u64>,
    /// What was acknowledged and when, versions rising. Only the first may be older than the longest bound.
    acknowledged: VecDeque<(Instant, u64)>,
}

impl Floors {
    pub(super) fn new(count: usize, caches: usize) -> Self {
        let floors = (0..count).map(|_| Floor {
            own: vec![0; caches],
            acknowledged: VecDeque::new(),
        });
        Self(floors.map(Mutex::new).collect())
    }

    /// What a read that begins now has to return at least, if it may be old by `bound`.
    pub(super) fn of(&self, index: usize, cache: usize, bound: Duration) -> u64 {
        let floor = self.floor(index);
        let told = floor.acknowledged.iter().rev().find(|(at, _)| at.elapsed() >= bound);
        told.map_or(0, |(_, version)| *version).max(floor.own[cache])
    }

    /// A mutation through this cache has ended now.
    pub(super) fn raise(&self, index: usize, cache: usize, version: u64, reach: Reach, longest_bound: Duration) {
        let mut floor = self.floor(index);
        floor.own[cache] = floor.own[cache].max(version);
        let newest = floor.acknowledged.back().map_or(0, |(_, version)| *version);
        if reach == Reach::EveryNode && newest < version {
            floor.acknowledged.push_back((Instant::now(), version));
        }
        while floor
            .acknowledged
            .get(1)
            .is_some_and(|(at, _)| at.elapsed() >= longest_bound)
        {
            floor.acknowledged.pop_front();
        }
    }

    fn floor(&self, index: usize) -> MutexGuard<'_, Floor> {
        self.0[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_hours(1);

    #[test]
    fn what_was_acknowledged_obliges_everybody_after_the_bound() {
        let floors = Floors::new(1, 2);
        floors.raise(0, 0, 7, Reach::EveryNode, LONG);
        assert_eq!((floors.of(0, 0, LONG), floors.of(0, 1, LONG)), (7, 0));
        assert_eq!(floors.of(0, 1, Duration::ZERO), 7);
    }

    #[test]
    fn what_was_not_acknowledged_obliges_the_cache_that_it_went_through() {
        let floors = Floors::new(1, 2);
        floors.raise(0, 0, 7, Reach::OwnNode, LONG);
        assert_eq!((floors.of(0, 0, LONG), floors.of(0, 1, Duration::ZERO)), (7, 0));
    }

    #[test]
    fn an_older_version_that_is_acknowledged_later_lowers_nothing() {
        let floors = Floors::new(1, 1);
        floors.raise(0, 0, 7, Reach::EveryNode, LONG);
        floors.raise(0, 0, 6, Reach::EveryNode, LONG);
        assert_eq!(floors.of(0, 0, Duration::ZERO), 7);
    }

    #[test]
    fn only_what_may_still_be_served_is_kept() {
        let floors = Floors::new(1, 1);
        for version in 1..1_000 {
            floors.raise(0, 0, version, Reach::EveryNode, Duration::ZERO);
        }
        assert_eq!(floors.floor(0).acknowledged.len(), 1);
    }
}
