//! The commands that the methods of the store send, by what they are about.

pub(super) mod examination;
pub(super) mod holds;
pub(super) mod inspection;
pub(super) mod leases;
mod scan;
pub(super) mod stamps;
pub(super) mod sweep;
