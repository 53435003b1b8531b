//! The database of a run: numbers that writes increment. Values *are* versions.
//!
//! It is as strict as a database can be: one lock, so every read sees every write that was answered before it. What is old
//! in the service is then the cache's doing.
//!
//! Spoken over TCP, a line for each request and each answer: `read 3`, `total`, `write 3`, `write-held 3`.

mod client;
mod server;

pub(super) use self::{
    client::Database,
    server::{Commit, serve},
};

/// How many items there are: few, so that readers and writers meet.
pub(super) const ITEMS: u32 = 16;

/// What a write has committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Committed {
    /// The new version of the item.
    pub(super) version: u64,
    /// The new version of the total: how many writes there have been.
    pub(super) total: u64,
}
