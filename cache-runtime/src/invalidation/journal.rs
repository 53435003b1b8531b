//! Invalidations that no store has acknowledged yet.
//!
//! Every invalidation is written here first and sent second, so it survives a dropped future, a panic and a lost store. As
//! long as it stands here, this process does not read what depends on it.
//!
//! What was acknowledged is remembered for a minute: after a failover or a restart the store may have lost it.

mod lines;
mod pending;

pub(crate) use self::pending::{Journal, Position};

/// With more lines than this, unless the settings say otherwise, they are widened.
pub(crate) const LIMIT: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::StampKey;

    fn stamps(names: &[&str]) -> Vec<StampKey> {
        names.iter().map(|name| StampKey::new((*name).to_owned())).collect()
    }

    #[test]
    fn what_is_written_again_during_a_send_stays() {
        let journal = Journal::default();
        let stamps = stamps(&["cachestamp:t:r"]);
        let first = journal.write(&stamps);
        journal.write(&stamps);
        journal.acknowledge(&stamps, first);
        assert!(!journal.is_empty());
        journal.acknowledge_batch(&journal.batch());
        assert!(journal.is_empty());
    }

    #[test]
    fn a_pending_stamp_blocks_whatever_depends_on_it() {
        let journal = Journal::default();
        journal.write(&stamps(&["cachestamp:t:r:company-1"]));
        assert!(journal.blocks(&stamps(&["cachestamp:t:r", "cachestamp:t:r:company-1"])));
        assert!(!journal.blocks(&stamps(&["cachestamp:t:r", "cachestamp:t:r:company-2"])));
    }

    #[test]
    fn an_overflowing_journal_widens_and_forgets_nothing() {
        let journal = Journal::default();
        for tenant in 0..=LIMIT {
            journal.write(&[StampKey::new(format!("cachestamp:tenant-{tenant}:r"))]);
            assert!(journal.len() <= LIMIT);
        }
        let batch = journal.batch();
        assert!(batch.everything && journal.blocks(&stamps(&["cachestamp:any:r"])));
        journal.acknowledge_batch(&batch);
        assert!(journal.is_empty());
        assert_eq!(journal.replay(), 1);
        assert!(journal.batch().everything, "what was widened is replayed as wide");
    }

    #[test]
    fn what_comes_during_the_send_of_a_batch_is_not_struck_out_with_it() {
        let journal = Journal::default();
        journal.write(&stamps(&["cachestamp:t:r", "cachestamp:t:s"]));
        let batch = journal.batch();
        journal.write(&stamps(&["cachestamp:t:s"]));
        journal.acknowledge_batch(&batch);
        assert_eq!(journal.batch().stamps, ["cachestamp:t:s"]);
    }

    #[test]
    fn an_acknowledgement_from_before_a_replay_strikes_nothing_out() {
        let journal = Journal::default();
        let stamps = stamps(&["cachestamp:t:r"]);
        let before = journal.write(&stamps);
        assert_eq!(journal.replay(), 0);
        journal.acknowledge(&stamps, before);
        assert_eq!(journal.batch().stamps, stamps);
    }
}
