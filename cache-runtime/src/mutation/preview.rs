//! What an invalidation by hand would do, for people who are asked before it does.

use crate::invalidation::Invalidation;

/// What an invalidation would make unusable. Made by [`Invalidate::preview`](crate::Invalidate::preview), which does nothing of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidationPreview {
    /// The names of the resources, in order; `~` for values by key.
    pub resources: Vec<String>,
    /// The kinds of tags.
    pub tags: Vec<String>,
    /// The tenants, escaped; `~shared` for what tenants share.
    pub tenants: Vec<String>,
    /// How many stamps would be removed.
    pub stamps: usize,
    /// Whether all stamps of all tenants would be.
    pub everything: bool,
}

impl InvalidationPreview {
    pub(super) fn of(invalidation: &Invalidation) -> Self {
        Self {
            resources: invalidation.resources().map(str::to_owned).collect(),
            tags: invalidation.kinds().map(str::to_owned).collect(),
            tenants: invalidation.tenants().map(str::to_owned).collect(),
            stamps: invalidation.stamps().len(),
            everything: invalidation.is_of_everything(),
        }
    }
}
