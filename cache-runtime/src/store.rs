//! The shared tier, behind one small trait.
//!
//! A store knows nothing of tenants, resources or values: it is given keys, stamps and sealed entries. What makes a read
//! valid is decided in [`protocol`](crate::protocol). Every store must pass the contract suite of `cache-testkit`.

mod answer;
mod error;
mod interface;
mod memory;
mod none;
pub(crate) mod redis;
mod server_report;
mod watcher;

pub use self::{
    answer::{ScanCursor, ScannedKeys, Snapshot, StoredValue, Swept},
    error::{StoreError, StoreErrorKind},
    interface::{Store, StoreFuture},
    memory::MemoryStore,
    none::NoStore,
    redis::{RedisConfig, RedisConfigError, RedisStore},
    server_report::{MissingRight, ServerReport},
    watcher::{Coherent, StampWatcher},
};
pub use crate::{
    entry::{Stamp, Ticket},
    key::{Address, StampKey},
};
