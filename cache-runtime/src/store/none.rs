//! The store that keeps nothing.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use super::{Snapshot, Store, StoreFuture, Swept};
use crate::{
    entry::{Stamp, Ticket},
    key::{Address, StampKey},
};

/// Keeps nothing: every call loads, and concurrent calls of one key still share a load.
#[derive(Debug, Clone, Copy, Default)]
#[expect(
    clippy::exhaustive_structs,
    reason = "it is written as a value, and has nothing that could be set"
)]
pub struct NoStore;

impl Store for NoStore {
    fn description(&self) -> String {
        "nothing".to_owned()
    }

    fn read<'a>(&'a self, address: &'a Arc<Address>) -> StoreFuture<'a, Snapshot> {
        Box::pin(async {
            Ok(Snapshot {
                stamps: vec![None; address.stamps().len()],
                entry: None,
            })
        })
    }

    fn create_stamps<'a>(&'a self, fresh: &'a [(&'a StampKey, Stamp)]) -> StoreFuture<'a, Vec<Option<Stamp>>> {
        Box::pin(async { Ok(vec![None; fresh.len()]) })
    }

    fn fill<'a>(&'a self, _ticket: &'a Ticket, _entry: Bytes, _ttl: Duration) -> StoreFuture<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn remove_stamps<'a>(&'a self, _stamps: &'a [StampKey]) -> StoreFuture<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn remove_all_stamps(&self) -> StoreFuture<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn hold<'a>(&'a self, _stamps: &'a [StampKey], _writer: u64, _stay: Duration) -> StoreFuture<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn release<'a>(&'a self, _stamps: &'a [StampKey], _writer: u64, _settle: Duration) -> StoreFuture<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn is_held<'a>(&'a self, _stamps: &'a [StampKey]) -> StoreFuture<'a, bool> {
        Box::pin(async { Ok(false) })
    }

    fn acquire_lease<'a>(&'a self, _key: &'a str, _holder: u64, _lasting: Duration) -> StoreFuture<'a, bool> {
        Box::pin(async { Ok(true) })
    }

    fn extend_lease<'a>(&'a self, _key: &'a str, _holder: u64, _lasting: Duration) -> StoreFuture<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn drop_lease<'a>(&'a self, _key: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn sweep<'a>(&'a self, _patterns: &'a [String]) -> StoreFuture<'a, Swept> {
        Box::pin(async { Ok(Swept::default()) })
    }

    fn probe(&self) -> StoreFuture<'_, ()> {
        Box::pin(async { Ok(()) })
    }
}
