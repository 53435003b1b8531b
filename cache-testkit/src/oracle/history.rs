use cache_runtime::Invalidated;
use serde::{Deserialize, Serialize};

use super::Moment;

/// One call, as it was recorded. A history is any number of them, in any order.
///
/// Calls that failed, and those whose end nobody saw, are left out: that makes the oracle see less, never too much.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::exhaustive_structs,
    reason = "whoever runs the calls writes the history, and a call has no other side that an oracle could look at"
)]
pub struct Event<K> {
    /// Which cache made the call: one number for each process that has ever run, or for each cache if a process has
    /// several.
    pub node: u64,
    /// Which value it was about.
    pub key: K,
    /// Taken before the call was made.
    pub began: Moment,
    /// Taken after the call had returned.
    pub ended: Moment,
    /// What it was.
    pub what: What,
}

/// What a call did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum What {
    /// It returned this version.
    Read {
        /// As returned.
        version: u64,
    },
    /// It committed this version, and told others that what they have is old.
    Invalidation {
        /// As committed, before the invalidation was sent.
        version: u64,
        /// Whom that has reached.
        reach: Reach,
    },
}

/// Who may not be given older values once an invalidation has returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Reach {
    /// Nobody: it was acknowledged.
    EveryNode,
    /// The node that made it; the others will be told in the background.
    OwnNode,
}

impl From<Invalidated> for Reach {
    fn from(invalidated: Invalidated) -> Self {
        match invalidated {
            Invalidated::Acknowledged => Self::EveryNode,
            Invalidated::Pending => Self::OwnNode,
        }
    }
}
