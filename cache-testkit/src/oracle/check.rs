use std::{collections::HashMap, hash::Hash};

use super::{Event, Moment, Reach, Stale, Verdict, What};

/// Judges a history; the order of the events does not matter.
///
/// A read is stale if an invalidation of a newer version had ended before it began, and either reached every node or was
/// made by the reader's own. Calls that overlap in time oblige each other to nothing. The stale reads come in the order of
/// the events. Takes `O(n log n)`.
pub fn check<K: Clone + Eq + Hash>(history: &[Event<K>]) -> Verdict<K> {
    let known = Known::from_history(history);
    let (mut reads, mut invalidations, mut acknowledged) = (0, 0, 0);
    let mut stale = Vec::new();
    for event in history {
        match event.what {
            What::Invalidation { reach, .. } => {
                invalidations += 1;
                acknowledged += usize::from(reach == Reach::EveryNode);
            }
            What::Read { version } => {
                reads += 1;
                stale.extend(known.judge(event, version));
            }
        }
    }
    Verdict {
        reads,
        invalidations,
        acknowledged,
        stale,
    }
}

/// What had to be known, and from when on.
struct Known<'a, K> {
    everywhere: HashMap<&'a K, Timeline>,
    on_node: HashMap<(&'a K, u64), Timeline>,
}

impl<'a, K: Clone + Eq + Hash> Known<'a, K> {
    fn from_history(history: &'a [Event<K>]) -> Self {
        let mut everywhere: HashMap<_, Timeline> = HashMap::new();
        let mut on_node: HashMap<_, Timeline> = HashMap::new();
        for event in history {
            if let What::Invalidation { version, reach } = event.what {
                let timeline = match reach {
                    Reach::EveryNode => everywhere.entry(&event.key).or_default(),
                    Reach::OwnNode => on_node.entry((&event.key, event.node)).or_default(),
                };
                timeline.steps.push((event.ended, version));
            }
        }
        everywhere.values_mut().for_each(Timeline::settle);
        on_node.values_mut().for_each(Timeline::settle);
        Self { everywhere, on_node }
    }

    fn judge(&self, read: &Event<K>, version: u64) -> Option<Stale<K>> {
        let timelines = [
            self.everywhere.get(&read.key),
            self.on_node.get(&(&read.key, read.node)),
        ];
        let newer = timelines
            .into_iter()
            .flatten()
            .filter_map(|timeline| timeline.newer_than(version, read.began));
        let (since, newest) = newer.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)))?;
        Some(Stale {
            node: read.node,
            key: read.key.clone(),
            began: read.began,
            version,
            newest,
            age: read.began.since(since),
        })
    }
}

/// The newest version known, over time.
#[derive(Default)]
struct Timeline {
    /// Once settled, both moments and versions rise.
    steps: Vec<(Moment, u64)>,
}

impl Timeline {
    fn settle(&mut self) {
        self.steps.sort_unstable();
        let mut newest = None;
        self.steps.retain(|&(_, version)| {
            let rises = newest < Some(version);
            newest = newest.max(Some(version));
            rises
        });
    }

    /// If something newer than `version` was known before `began`: since when, and the newest.
    fn newer_than(&self, version: u64, began: Moment) -> Option<(Moment, u64)> {
        let known = &self.steps[..self.steps.partition_point(|&(ended, _)| ended < began)];
        let newer = &known[known.partition_point(|&(_, known)| known <= version)..];
        Some((newer.first()?.0, newer.last()?.1))
    }
}
