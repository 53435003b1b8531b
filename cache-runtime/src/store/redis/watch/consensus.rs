//! The consensus of a cluster's servers on who has which keys, by what each says on a heartbeat.

use super::super::{cluster::Ownership, primary::Primary};

/// What has become of the keys since the heartbeat before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The same servers have the same ones.
    Unchanged,
    /// Some went from one server to another.
    Moved,
    /// The servers do not say the same.
    Disputed,
    /// A server has some that is not watched.
    Unwatched,
}

/// What the servers have agreed on.
pub(super) struct Consensus<'a> {
    /// The ids of those that are watched. One server without a cluster has none.
    watched: Vec<&'a str>,
    last: Option<Ownership>,
    /// Since then they did not: keys may have gone, and come back without what was in them.
    disputed: bool,
}

impl<'a> Consensus<'a> {
    pub(super) fn new(primaries: &'a [Primary]) -> Self {
        let nodes = primaries.iter().filter_map(|primary| primary.node.as_ref());
        Self {
            watched: nodes.map(|node| node.id.as_str()).collect(),
            last: None,
            disputed: false,
        }
    }

    /// What each of the servers says, for itself. One without a cluster has all keys, and says nothing of it.
    pub(super) fn judge(&mut self, said: &[Option<Ownership>]) -> Verdict {
        let mut all = said.iter().flatten();
        if all.clone().any(|ownership| !ownership.is_among(&self.watched)) {
            return Verdict::Unwatched;
        }
        let Some(first) = all.next() else {
            return Verdict::Unchanged;
        };
        if all.any(|other| other != first) {
            self.disputed = true;
            return Verdict::Disputed;
        }
        let disputed = std::mem::take(&mut self.disputed);
        match self.last.replace(first.clone()) {
            Some(before) if disputed || before != *first => Verdict::Moved,
            _ => Verdict::Unchanged,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two servers, of which the first has the slots below the limit.
    fn limit(limit: u16) -> Ownership {
        let ranges = [("one", (0, limit - 1)), ("two", (limit, 16383))];
        ranges.into_iter().map(|(id, range)| (id.to_owned(), range)).collect()
    }

    fn consensus() -> Consensus<'static> {
        Consensus {
            watched: vec!["one", "two"],
            last: None,
            disputed: false,
        }
    }

    #[test]
    fn what_all_say_at_first_is_how_it_was() {
        let mut consensus = consensus();
        assert_eq!(consensus.judge(&[limit(10), limit(10)].map(Some)), Verdict::Unchanged);
        assert_eq!(consensus.judge(&[limit(10), limit(10)].map(Some)), Verdict::Unchanged);
    }

    #[test]
    fn a_slot_that_went_is_noticed_once_all_know() {
        let mut consensus = consensus();
        consensus.judge(&[limit(10), limit(10)].map(Some));
        assert_eq!(consensus.judge(&[limit(10), limit(9)].map(Some)), Verdict::Disputed);
        assert_eq!(consensus.judge(&[limit(9), limit(9)].map(Some)), Verdict::Moved);
        assert_eq!(consensus.judge(&[limit(9), limit(9)].map(Some)), Verdict::Unchanged);
    }

    #[test]
    fn a_slot_that_was_back_before_all_knew_has_gone_all_the_same() {
        let mut consensus = consensus();
        consensus.judge(&[limit(10), limit(10)].map(Some));
        assert_eq!(consensus.judge(&[limit(10), limit(9)].map(Some)), Verdict::Disputed);
        assert_eq!(consensus.judge(&[limit(10), limit(10)].map(Some)), Verdict::Moved);
    }

    #[test]
    fn a_server_that_only_one_knows_of_is_not_watched() {
        let mut consensus = consensus();
        let third: Ownership = [("one".to_owned(), (0, 5)), ("three".to_owned(), (6, 16383))]
            .into_iter()
            .collect();
        assert_eq!(consensus.judge(&[limit(10), third].map(Some)), Verdict::Unwatched);
    }

    #[test]
    fn one_server_without_a_cluster_has_all_keys() {
        assert_eq!(consensus().judge(&[None]), Verdict::Unchanged);
    }
}
