//! The stamps that this process removes: written down first and sent second. From the moment when a removal is written down it
//! happens, whatever becomes of the caller, and nobody in this process is given what depends on it.

use std::sync::Arc;

use crate::{
    invalidation::{Journal, Position, Repeats},
    key::{Address, StampKey},
    loads::Flights,
    near::Near,
    store::StampWatcher as _,
};

/// The removals of one cache, and what in this process depends on them.
#[derive(Debug)]
pub(crate) struct Removals {
    pub(crate) journal: Journal,
    pub(crate) repeats: Repeats,
    pub(crate) near: Arc<Near>,
    pub(crate) flights: Arc<Flights>,
}

impl Removals {
    /// Writes the removal of these stamps down.
    pub(crate) fn write(&self, stamps: &[StampKey]) -> Position {
        let position = self.journal.write(stamps);
        self.near.void(stamps);
        self.flights.detach(stamps);
        position
    }

    /// The store has acknowledged the removal of these stamps that was written down there.
    pub(crate) fn acknowledge(&self, stamps: &[StampKey], position: Position) {
        self.near.acknowledged(stamps);
        self.journal.acknowledge(stamps, position);
    }

    /// Whether what depends on these stamps is not to be read: the removal of one of them is not acknowledged yet, or that of a tag of
    /// a kind that its loads find.
    pub(crate) fn block(&self, address: &Address) -> bool {
        if self.journal.is_empty() {
            return false;
        }
        self.journal.blocks(address.stamps()) || address.epochs().any(|epoch| self.journal.blocks(&[epoch]))
    }

    /// Writes the removal of all stamps down.
    pub(crate) fn write_everything(&self) {
        self.journal.write_everything();
        self.near.all_changed();
        self.flights.detach_all();
    }

    /// Writes the removal of these stamps down once more.
    pub(crate) fn repeat(&self, stamps: &[StampKey]) {
        if !stamps.is_empty() {
            tracing::debug!(
                stamps = stamps.len(),
                "invalidated again: their mutations were dropped half-way"
            );
            self.write(stamps);
        }
    }
}
