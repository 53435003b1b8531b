use std::sync::Arc;

use cache_runtime::store::StoreErrorKind;
use tokio::sync::watch;

/// Which method of [`Store`](cache_runtime::store::Store) was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OperationKind {
    /// `read`
    Read,
    /// `read_many`
    ReadMany,
    /// `create_stamps`
    CreateStamps,
    /// `fill`
    Fill,
    /// `fill_many`
    FillMany,
    /// `remove_stamps`
    RemoveStamps,
    /// `read_stamps`
    ReadStamps,
    /// `remove_all_stamps`
    RemoveAllStamps,
    /// `watch_stamps`
    WatchStamps,
    /// `hold`
    Hold,
    /// `release`
    Release,
    /// `is_held`
    IsHeld,
    /// `acquire_lease`
    AcquireLease,
    /// `extend_lease`
    ExtendLease,
    /// `drop_lease`
    DropLease,
    /// `sweep`
    Sweep,
    /// `scan`
    Scan,
    /// `look_at`
    LookAt,
    /// `examine`
    Examine,
    /// `probe`
    Probe,
}

impl OperationKind {
    pub(super) const ALL: [Self; 20] = [
        Self::Read,
        Self::ReadStamps,
        Self::ReadMany,
        Self::CreateStamps,
        Self::Fill,
        Self::FillMany,
        Self::RemoveStamps,
        Self::RemoveAllStamps,
        Self::WatchStamps,
        Self::Hold,
        Self::Release,
        Self::IsHeld,
        Self::AcquireLease,
        Self::ExtendLease,
        Self::DropLease,
        Self::Sweep,
        Self::Scan,
        Self::LookAt,
        Self::Examine,
        Self::Probe,
    ];
}

/// One call of a store's method.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Operation {
    /// The method.
    pub kind: OperationKind,
    /// The keys, for a sweep its patterns, for a scan the pattern. Of a read: the stamps, then the entry.
    pub keys: Vec<String>,
    /// How it ended; `None` while it is under way.
    pub ended: Option<Ended>,
}

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// Well.
    Done,
    /// With an error.
    Failed(StoreErrorKind),
    /// The caller lost patience and dropped it.
    Dropped,
}

/// Writes down how an operation ends, also when it is dropped.
#[must_use]
pub(super) struct Recording {
    operations: Arc<watch::Sender<Vec<Operation>>>,
    index: usize,
    ended: Ended,
}

impl Recording {
    pub(super) fn begin(
        operations: &Arc<watch::Sender<Vec<Operation>>>,
        kind: OperationKind,
        keys: Vec<String>,
    ) -> Self {
        let mut index = 0;
        operations.send_modify(|operations| {
            index = operations.len();
            operations.push(Operation {
                kind,
                keys,
                ended: None,
            });
        });
        Self {
            operations: Arc::clone(operations),
            index,
            ended: Ended::Dropped,
        }
    }

    pub(super) fn end(mut self, error: Option<StoreErrorKind>) {
        self.ended = error.map_or(Ended::Done, Ended::Failed);
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.operations
            .send_modify(|operations| operations[self.index].ended = Some(self.ended));
    }
}
