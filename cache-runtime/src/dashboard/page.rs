//! The pages: what each shows, and how.

pub(super) mod entries;
pub(super) mod hot;
pub(super) mod invalidate;
pub(super) mod overview;
pub(super) mod refusal;
pub(super) mod resource;
pub(super) mod resources;
