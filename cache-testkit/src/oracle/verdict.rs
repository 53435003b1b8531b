use std::{
    fmt::{self, Debug},
    time::Duration,
};

use super::Moment;

/// How many old reads a message shows.
const SHOWN: usize = 5;

/// What the oracle says of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verdict<K> {
    /// Reads judged.
    pub reads: usize,
    /// Invalidations recorded, of either reach.
    pub invalidations: usize,
    /// Those of them that reached every node: the ones that oblige.
    pub acknowledged: usize,
    /// Reads that returned an older version than they were allowed to.
    pub stale: Vec<Stale<K>>,
}

/// A read that returned an old version.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stale<K> {
    /// Where it was made.
    pub node: u64,
    /// What it read.
    pub key: K,
    /// When it began.
    pub began: Moment,
    /// What it returned.
    pub version: u64,
    /// The newest version that every read was to see by then.
    pub newest: u64,
    /// For how long the returned version had been forbidden when the read began: since the end of the first invalidation
    /// of a newer one.
    pub age: Duration,
}

impl<K> Verdict<K> {
    /// The greatest [`Stale::age`]; zero if nothing old was read.
    pub fn max_stale(&self) -> Duration {
        self.stale.iter().map(|read| read.age).max().unwrap_or_default()
    }

    /// The reads that returned what had been forbidden for longer than `bound`. A strict cache has none with zero; a mode
    /// that promises a bound is held to that.
    pub fn stale_for_longer_than(&self, bound: Duration) -> impl Iterator<Item = &Stale<K>> {
        self.stale.iter().filter(move |read| read.age > bound)
    }
}

impl<K: Debug> Verdict<K> {
    /// Checks that nothing was served that had been forbidden for longer than `bound`, and that there was something to
    /// judge.
    ///
    /// # Panics
    ///
    /// If something was, with the first few of those reads; or if the history has no reads or no acknowledged
    /// invalidations, and proves nothing.
    #[track_caller]
    pub fn assert_stale_for_at_most(&self, bound: Duration) {
        assert!(
            self.reads > 0 && self.acknowledged > 0,
            "a history with {self} proves nothing: there must be reads and acknowledged invalidations"
        );
        let mut broken = self.stale_for_longer_than(bound);
        let first: Vec<_> = broken.by_ref().take(SHOWN).map(|read| format!("\n  {read}")).collect();
        assert!(
            first.is_empty(),
            "{self}; allowed is at most {bound:?}, and there were:{}{}",
            first.concat(),
            match broken.count() {
                0 => String::new(),
                more => format!("\n  and {more} more"),
            }
        );
    }
}

/// `reads=… invalidations=… stale=… max_stale_ms=…`, the last one rounded up.
impl<K> fmt::Display for Verdict<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "reads={} invalidations={} stale={} max_stale_ms={}",
            self.reads,
            self.invalidations,
            self.stale.len(),
            self.max_stale().as_nanos().div_ceil(1_000_000)
        )
    }
}

impl<K: Debug> fmt::Display for Stale<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            node,
            key,
            began,
            version,
            newest,
            age,
        } = self;
        write!(
            f,
            "at {began} node {node} began to read {key:?} and was given version {version}, which had been old for {age:?}; \
             every read was to see {newest} by then"
        )
    }
}
