//! What `#[invalidates]` expands to, and the other ways to say that something has changed: by hand, and after a commit.

mod alternatives;
mod by_hand;
mod detach;
mod hold;
mod invalidate_error;
mod plan;
mod preview;
mod transaction;

pub use self::{
    alternatives::{ScopeValues, several},
    by_hand::{Invalidate, InvalidateTag},
    detach::{detached, invalidating_detached},
    invalidate_error::InvalidateError,
    plan::{On, Plan, invalidating, tag_values},
    preview::InvalidationPreview,
    transaction::transaction,
};
pub(crate) use self::{hold::Hold, transaction::TransactionLog};
